"""From the start of the program to a window a person can use, core included, warm."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tests.bench.desk import opened_window, prepared_desk
from tests.bench.registry import Row, Settings


def measure(settings: Settings) -> Iterator[Row]:
    """Open and close the window; the first time only warms the caches."""
    times: list[float] = []
    with prepared_desk() as desk:
        for _ in range(settings.rounds + 1):
            with opened_window(desk) as window:
                times.append(window.usable_ms)
    yield Row("startup.usableWindow", "ms", "lower", statistics.median(times[1:]))
