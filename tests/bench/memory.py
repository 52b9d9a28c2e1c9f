"""Memory of an idle Covey: window and core together, as proportional set size.

Only on Linux, which tells it.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator

from tests.bench.desk import opened_window, prepared_desk
from tests.bench.registry import Row, Settings

IDLE_S = 5.0


def measure(settings: Settings) -> Iterator[Row]:
    """Open the window, leave it alone for a while, and add up."""
    if sys.platform != "linux":
        print("memory is measured on Linux only", file=sys.stderr)
        return
    sizes: list[float] = []
    with prepared_desk() as desk:
        for _ in range(1 if settings.quick else 3):
            with opened_window(desk) as window:
                time.sleep(IDLE_S)
                sizes.append(window.pss_mib())
    yield Row("memory.idle", "MiB", "lower", statistics.median(sizes))
