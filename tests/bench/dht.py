"""Questions to a network of twenty nodes, all in one process of the same kind."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.contenders import OWN, PEER, ContenderError, alternate
from tests.bench.registry import Row, Settings, compare

NODE_COUNT = 20


def measure(settings: Settings) -> Iterator[Row]:
    """Look-ups, one at a time and eight; mutable records put and got; a second."""
    for name, bench, count, parallel in (
        ("dht.lookup", "lookup", 1000, 1),
        ("dht.lookupParallel", "lookup", 1000, 8),
        ("dht.mutablePutGet", "mutable", 200, 1),
    ):
        amount = count // 10 if settings.quick else count
        answers = alternate(
            bench,
            rounds=settings.rounds,
            serve=NODE_COUNT,
            count=amount,
            parallel=parallel,
        )
        for side, of_side in answers.items():
            if any(it["found"] != amount for it in of_side):
                raise ContenderError(f"{name}: {side} did not find everything")
        rates = {
            side: [amount / it["ms"] * 1e3 for it in of_side]
            for side, of_side in answers.items()
        }
        yield compare(name, "1/s", "higher", rates[OWN], PEER, rates.get(PEER, []))
