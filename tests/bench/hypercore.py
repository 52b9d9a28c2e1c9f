"""Hypercores: appending, replicating between two processes, opening large ones.

Both sides are equally durable: Covey's database commits with ``synchronous=NORMAL``,
like npm's storage, which leaves it to the operating system when an append reaches the
disk. Both survive a killed process, neither promises the last appends after a power
cut. Both files are plain. Replication runs over an encrypted HyperDHT connection.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.contenders import OWN, alternate, covey, npm
from tests.bench.registry import Row, Settings, compare

SIDES = (covey("hypercore_worker"), npm("hypercore"))
PEER = "npm hypercore"
SMALL_BYTES = 100
LARGE_BYTES = 64 * 1024
BATCH = 100


def measure(settings: Settings) -> Iterator[Row]:
    """All of it; rates a second, the opened million in ms and MiB."""
    yield from _appends(settings)
    yield from _replications(settings)
    yield from _openings(settings)


def _appends(settings: Settings) -> Iterator[Row]:
    for name, count, batch, at_once in (
        ("hypercore.append", 20_000, 1, 1),
        ("hypercore.appendConcurrent", 20_000, 1, 64),
        ("hypercore.appendBatch", 200_000, BATCH, 1),
    ):
        amount = count // 10 if settings.quick else count
        answers = alternate(
            "append",
            rounds=settings.rounds,
            serve="nothing",
            sides=SIDES,
            count=amount,
            size=SMALL_BYTES,
            batch=batch,
            atOnce=at_once,
        )
        yield _rate(name, "1/s", amount, answers)


def _replications(settings: Settings) -> Iterator[Row]:
    for name, unit, count, size in (
        ("hypercore.replicateSmall", "1/s", 50_000, SMALL_BYTES),
        ("hypercore.replicateLarge", "MB/s", 4_000, LARGE_BYTES),
    ):
        blocks = count // 10 if settings.quick else count
        answers = alternate(
            "replicate",
            rounds=settings.rounds,
            serve=f"{blocks}x{size}",
            sides=SIDES,
            count=blocks,
        )
        amount = blocks if unit == "1/s" else blocks * size / 1e6
        yield _rate(name, unit, amount, answers)


def _openings(settings: Settings) -> Iterator[Row]:
    count = 50_000 if settings.quick else 1_000_000
    # The server only makes the core; it is opened by a process of its own.
    answers = alternate(
        "open",
        rounds=1 if settings.quick else 3,
        serve=f"{count}x{SMALL_BYTES}xclosed",
        sides=SIDES,
        count=count,
    )
    for name, unit, key in (
        ("hypercore.open", "ms", "ms"),
        ("hypercore.openMemory", "MiB", "mib"),
    ):
        own, peer = answers[OWN], answers.get(PEER, [])
        yield compare(
            name,
            unit,
            "lower",
            [it[key] for it in own],
            PEER,
            [it[key] for it in peer],
        )


def _rate(
    name: str, unit: str, amount: float, answers: dict[str, list[dict[str, float]]]
) -> Row:
    rates = {
        side: [amount / it["ms"] * 1e3 for it in of_side]
        for side, of_side in answers.items()
    }
    return compare(name, unit, "higher", rates[OWN], PEER, rates.get(PEER, []))
