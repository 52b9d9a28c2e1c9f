"""Small messages over one connection: there and back, and one way."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.contenders import OWN, PEER, alternate
from tests.bench.registry import Row, Settings, compare

NODE_COUNT = "4"
MESSAGE_BYTES = 100


def measure(settings: Settings) -> Iterator[Row]:
    """Round trips and messages of 100 bytes, a second."""
    for name, bench, count in (
        ("messages.pingPong", "pingPong", 30_000),
        ("messages.oneWay", "oneWay", 1_000_000),
    ):
        amount = count // 10 if settings.quick else count
        answers = alternate(
            bench,
            rounds=settings.rounds,
            serve=NODE_COUNT,
            count=amount,
            size=MESSAGE_BYTES,
        )
        rates = {
            side: [amount / it["ms"] * 1e3 for it in of_side]
            for side, of_side in answers.items()
        }
        yield compare(name, "1/s", "higher", rates[OWN], PEER, rates.get(PEER, []))
