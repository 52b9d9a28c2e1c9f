"""How many requests may be on their way: a ring of four slots of 750 ms.

Each transmission counts in the present slot, each answer takes one off it again. The
window is full at 80 in the present slot or 160 in all four. Slots pass with the clock
given; nothing needs a timer while nothing waits.

Upstream: dht-rpc 6.27.0 ``lib/io.js``.
"""

from __future__ import annotations

from typing import Final

SLOT_S: Final = 0.75
SLOTS: Final = 4
DEFAULT_WINDOW: Final = 80


class CongestionWindow:
    """Counts transmissions of the last three seconds."""

    def __init__(self, now: float, *, limit: int = DEFAULT_WINDOW) -> None:
        self.limit = limit
        self._slots = [0] * SLOTS
        self._present = 0
        self._total = 0
        self._next_slot_at = now + SLOT_S

    @property
    def next_slot_at(self) -> float:
        """The instant at which the present slot ends, as far as time is known."""
        return self._next_slot_at

    def is_full(self, now: float) -> bool:
        """True when nothing more should be sent in this slot."""
        self._advance(now)
        return self._total >= 2 * self.limit or self._slots[self._present] >= self.limit

    def sent(self, now: float) -> None:
        """Count one transmission."""
        self._advance(now)
        self._slots[self._present] += 1
        self._total += 1

    def answered(self, now: float) -> None:
        """Take one transmission off, because it ended."""
        self._advance(now)
        if self._slots[self._present] > 0:
            self._slots[self._present] -= 1
            self._total -= 1

    def clear(self) -> None:
        """Forget all transmissions."""
        self._slots = [0] * SLOTS
        self._total = 0

    def _advance(self, now: float) -> None:
        if now < self._next_slot_at:
            return
        passed = int((now - self._next_slot_at) / SLOT_S) + 1
        self._next_slot_at += passed * SLOT_S
        for _ in range(min(passed, SLOTS)):
            self._present = (self._present + 1) % SLOTS
            self._total -= self._slots[self._present]
            self._slots[self._present] = 0
