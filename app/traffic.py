"""How much went over the network in the last minute: counters, looked at now and then.

Whoever counts goes on counting; a ``LastMinute`` remembers what the counters said and
tells the difference. It has no timer: its owner calls ``sample``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

SAMPLE_S = 5.0
"""How often ``sample`` should be called."""
MINUTE_S = 60.0


class LastMinute:
    """What some counters rose by in the last minute."""

    def __init__(self, counts: Mapping[str, int], now: float) -> None:
        """Begin with what was counted so far.

        Args:
            counts: By name; each only rises.
            now: Seconds of a monotonic clock.
        """
        self._samples: deque[tuple[float, dict[str, int]]] = deque(
            [(now, dict(counts))]
        )

    def sample(self, counts: Mapping[str, int], now: float) -> None:
        """Remember what the counters say now."""
        samples = self._samples
        samples.append((now, dict(counts)))
        # One that is a minute old stays: the minute begins there.
        while len(samples) > 1 and samples[1][0] <= now - MINUTE_S:
            samples.popleft()

    def rise(self, counts: Mapping[str, int], now: float) -> dict[str, float | int]:
        """What was counted since, by name, and ``seconds``: how long that is."""
        at, before = self._samples[0]
        risen: dict[str, float | int] = {
            name: count - before.get(name, 0) for name, count in counts.items()
        }
        risen["seconds"] = round(now - at, 1)
        return risen
