"""How long it takes to reach a peer by its key.

``connect.warm``: from a node that is up. ``connect.cold``: including the start of the
node and its first exchange with the bootstrap node.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tests.bench.contenders import OWN, PEER, alternate
from tests.bench.registry import Row, Settings, compare

NODE_COUNT = "4"


def measure(settings: Settings) -> Iterator[Row]:
    """Two figures, in milliseconds."""
    for name, bench, count in (
        ("connect.warm", "connect", 100),
        ("connect.cold", "coldConnect", 20),
    ):
        answers = alternate(
            bench,
            rounds=settings.rounds,
            serve=NODE_COUNT,
            count=10 if settings.quick else count,
        )
        medians = {
            side: [statistics.median(answer["times"]) for answer in of_side]
            for side, of_side in answers.items()
        }
        yield compare(name, "ms", "lower", medians[OWN], PEER, medians.get(PEER, []))
