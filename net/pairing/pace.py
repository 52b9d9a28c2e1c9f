"""How often something may happen: so many a minute, all of them at once if need be."""

from __future__ import annotations


class Pace:
    """An allowance that fills up with time."""

    __slots__ = ("_left", "_limit", "_seen_at")

    def __init__(self, per_minute: int) -> None:
        self._limit = float(per_minute)
        self._left = float(per_minute)
        self._seen_at: float | None = None

    def allows(self, now: float) -> bool:
        """Use one up; False if there is none left."""
        if self._seen_at is not None:
            passed_s = max(now - self._seen_at, 0.0)
            self._left = min(self._limit, self._left + passed_s * self._limit / 60.0)
        self._seen_at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
