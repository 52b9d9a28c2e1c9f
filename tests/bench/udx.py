"""UDX without encryption or DHT: bytes, small answers and unordered messages.

Tells how much of the figures of ``stream`` and ``messages`` is the transport's. Not in
a whole run; ``python -m tests.bench.udx [--quick]`` measures it alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.bench.contenders import alternate, covey, npm
from tests.bench.registry import Row, Settings, compare

SIDES = (covey("udx_worker"), npm("udx-native"))
PEER = "npm udx-native"
MIB = 1024 * 1024
CHUNK_BYTES = 64 * 1024
MESSAGE_BYTES = 100
WINDOW = 16
"""Unordered messages on their way at once."""


def measure(settings: Settings) -> Iterator[Row]:
    """Throughput, its cost on both sides, round trips and messages a second."""
    amount = (64 if settings.quick else 512) * MIB
    answers = alternate(
        "stream",
        rounds=settings.rounds,
        serve="0",
        sides=SIDES,
        bytes=amount,
        chunk=CHUNK_BYTES,
    )
    own, peer = answers["covey"], answers.get(PEER, [])
    yield compare(
        "udx.throughput",
        "MB/s",
        "higher",
        [amount / it["ms"] / 1e3 for it in own],
        PEER,
        [amount / it["ms"] / 1e3 for it in peer],
    )
    for name, key in (("udx.sendCpu", "sendCpu"), ("udx.receiveCpu", "receiveCpu")):
        yield compare(
            name,
            "s/GB",
            "lower",
            [it[key] / amount * 1e9 for it in own],
            PEER,
            [it[key] / amount * 1e9 for it in peer],
        )
    for name, bench, count in (
        ("udx.pingPong", "pingPong", 30_000),
        ("udx.messages", "messages", 100_000),
    ):
        count = count // 10 if settings.quick else count
        answers = alternate(
            bench,
            rounds=settings.rounds,
            serve="0",
            sides=SIDES,
            count=count,
            size=MESSAGE_BYTES,
            window=WINDOW,
        )
        yield compare(
            name,
            "1/s",
            "higher",
            [count / it["ms"] * 1e3 for it in answers["covey"]],
            PEER,
            [count / it["ms"] * 1e3 for it in answers.get(PEER, [])],
        )


if __name__ == "__main__":
    for row in measure(Settings(quick="--quick" in sys.argv)):
        print(f"{row.bench:18} {row.covey:12,.2f} {row.unit:5}", end="")
        if row.peerValue is not None and row.ratio is not None:
            print(
                f"   {row.peer} {row.peerValue:12,.2f}   ratio {row.ratio:.2f}", end=""
            )
        print(flush=True)
