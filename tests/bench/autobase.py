"""Rooms: everybody writes at once, somebody new catches up, a message becomes visible.

Covey's side is whole messengers with profiles, npm's is bare autobases with one view of
messages. Both are equally durable: Covey's database commits with ``synchronous=NORMAL``
and npm's storage leaves it to the operating system as well when an append reaches the
disk. Covey's messages are sealed and its database is encrypted; npm's files are plain.

Many writers live in one process, each connected with the first one only, over encrypted
streams without sockets; the first is npm's one indexer, which is what suits it best.
Who catches up and who sees a message is a process of its own, over an encrypted
HyperDHT connection that is open already; it has caught up when it can read every
message without anybody, and has the newest when it can show that. Memory is the largest
proportional set size of the process measured.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from tests.bench.contenders import OWN, Contender, alternate, covey, npm
from tests.bench.registry import Row, Settings, compare

SIDES = (covey("autobase_worker"), npm("autobase"))
PEER = "npm autobase"
MESSAGE_BYTES = 100
BURST = 50
PAUSE_MS = 20
"""Between two messages of somebody who talks."""
UNCOUNTED = 50
"""The first messages, seen while everything warms up."""

Answers = dict[str, list[dict[str, Any]]]


def measure(settings: Settings) -> Iterator[Row]:
    """All of it; messages a second, s, ms and MiB."""
    yield from _writers(settings)
    yield from _visible(settings)
    for name, count, rounds in (("10k", 10_000, 5), ("100k", 100_000, 2)):
        amount = count // 20 if settings.quick else count
        yield from _catch_ups(name, amount, min(rounds, settings.rounds))


def _writers(settings: Settings) -> Iterator[Row]:
    for name, writers, each, burst, rounds in (
        ("2writers", 2, 500, 1, 5),
        ("8writers", 8, 50, 1, 5),
        ("32writers", 32, 15, 1, 3),
        ("32writersBursts", 32, 2 * BURST, BURST, 3),
    ):
        share = max(each // 20, 1) if settings.quick else each
        answers = alternate(
            "writers",
            rounds=min(rounds, settings.rounds),
            serve="nothing",
            sides=SIDES,
            writers=writers,
            each=share,
            burst=min(burst, share),
            size=MESSAGE_BYTES,
        )
        for answer in (it for side in answers.values() for it in side):
            answer["rate"] = writers * share / answer["ms"] * 1e3
        yield _row(f"autobase.append.{name}", "1/s", answers, "rate")
        if burst > 1:
            yield _row(f"autobase.append.{name}Memory", "MiB", answers, "mib")


def _visible(settings: Settings) -> Iterator[Row]:
    answers = alternate(
        "visible",
        rounds=min(3, settings.rounds),
        serve=f"talk:{PAUSE_MS}",
        sides=SIDES,
        skip=UNCOUNTED,
        count=50 if settings.quick else 1_000,
    )
    for answer in (it for side in answers.values() for it in side):
        answer["median"] = statistics.median(answer["times"])
        answer["p99"] = statistics.quantiles(answer["times"], n=100)[-1]
    yield _row("autobase.visible", "ms", answers, "median")
    yield _row("autobase.visibleP99", "ms", answers, "p99")


def _catch_ups(name: str, count: int, rounds: int) -> Iterator[Row]:
    """A newcomer beside npm's that takes a view from others, and one that replays."""
    ways = {"catchUp": True, "replay": False}
    measured: dict[str, Answers] = {way: {} for way in ways}
    with ExitStack() as stack:
        # A long history is made once; who only serves it costs the next one nothing.
        servers = [
            (side, stack.enter_context(side.serving(f"history:{count}")))
            for side in SIDES
            if side is not None
        ]
        for number in range(rounds):
            for side, server in servers if number % 2 == 0 else reversed(servers):
                for way, fast_forward in _ways_of(side, ways).items():
                    answer = server.run(
                        "catchUp", count=count, fastForward=fast_forward
                    )
                    answer["s"] = answer["ms"] / 1e3
                    measured[way].setdefault(side.name, []).append(answer)
    measured["replay"][OWN] = measured["catchUp"][OWN]
    for way, answers in measured.items():
        yield _row(f"autobase.{way}.{name}", "s", answers, "s")
        yield _row(f"autobase.{way}.{name}Newest", "ms", answers, "newestMs")
        yield _row(f"autobase.{way}.{name}Memory", "MiB", answers, "mib")


def _ways_of(side: Contender, ways: dict[str, bool]) -> dict[str, bool]:
    """The ways that differ: Covey has one, held against both."""
    return {"catchUp": True} if side.name == OWN else ways


def _row(name: str, unit: str, answers: Answers, key: str) -> Row:
    return compare(
        name,
        unit,
        "higher" if unit == "1/s" else "lower",
        [it[key] for it in answers[OWN]],
        PEER,
        [it[key] for it in answers.get(PEER, [])],
    )
