"""How much may be asked of one peer at a time, and when it counts as stalled.

A peer's pipe is full when one round trip's worth of answers is under way. The window
doubles every round trip while answers do not take longer than the path needs, and
shrinks when they queue up. Upstream's limits (16 to 512 requests) are kept; unlike
there, bytes count as well, and a peer that owes answers and is silent is found out.
"""

from __future__ import annotations

from typing import Final

MIN_WINDOW: Final = 16
"""Requests in flight at a peer that nothing is known of."""

MAX_WINDOW: Final = 512
"""Requests in flight at one peer."""

MAX_BYTES_IN_FLIGHT: Final = 16 * 1024 * 1024
"""Expected bytes of the answers in flight at one peer, two answers excepted."""

STALL_S: Final = 2.0
"""Silence that is never a stall, however short the round trip."""

STALL_ROUND_TRIPS: Final = 8
"""Silence that is a stall where round trips are long."""

MAX_STALL_S: Final = 60.0
"""The longest time between two attempts at a peer that stays silent."""

_QUEUE_GROW_S: Final = 0.025
_QUEUE_SHRINK_S: Final = 0.250
_MIN_RTT_SPAN_S: Final = 10.0


class Pace:
    """Window, round-trip time and silence of one peer.

    Moved by ``sent``, ``answered`` and ``stall``.

    Attributes:
        window: Requests it may have in flight.
        rtt_s: Smoothed time from request to answer; 0 before the first.
        stalled: It owed answers and was silent; True until the next answer.
        stalls: How often in a row.
    """

    __slots__ = (
        "_min_rtt_at",
        "_min_rtt_s",
        "_next_min_rtt_s",
        "_round_ends",
        "_round_rtt_s",
        "_silent_since",
        "rtt_s",
        "stalled",
        "stalls",
        "window",
    )

    def __init__(self) -> None:
        self.window = MIN_WINDOW
        self.rtt_s = 0.0
        self.stalled = False
        self.stalls = 0
        self._silent_since = 0.0
        self._min_rtt_s = 0.0
        self._min_rtt_at = 0.0
        self._next_min_rtt_s = 0.0
        self._round_ends = 0.0
        self._round_rtt_s = 0.0

    def limit(self, average_bytes: int) -> int:
        """Requests that may be in flight, if answers are as large as the average."""
        if self.stalled:
            return 1
        return min(self.window, max(2, MAX_BYTES_IN_FLIGHT // max(average_bytes, 1)))

    def sent_first(self, now: float) -> None:
        """A request left and no other was in flight."""
        self._silent_since = now

    def answered(self, sent_at: float, now: float, *, full: bool) -> None:
        """An answer came.

        Args:
            sent_at: When its request left.
            now: The time.
            full: The window was what kept further requests back; asked for only
                when ``is_round_over``.
        """
        self._silent_since = now
        if self.stalled:
            self.stalled = False
            self.stalls = 0
            self.window = MIN_WINDOW
            self.rtt_s = 0.0
            return
        sample = now - sent_at
        self.rtt_s += (sample - self.rtt_s) / 8 if self.rtt_s else sample
        self._note_minimum(sample, now)
        if sample < self._round_rtt_s or not self._round_rtt_s:
            self._round_rtt_s = sample
        if now >= self._round_ends:
            self._end_round(now, full=full)

    def is_round_over(self, now: float) -> bool:
        """The next answer ends a round trip, after which the window is set."""
        return now >= self._round_ends

    @property
    def stall_after_s(self) -> float:
        """Silence after which it is stalled."""
        base = max(STALL_S, STALL_ROUND_TRIPS * self.rtt_s)
        return min(base * (1 << min(self.stalls, 8)), max(MAX_STALL_S, base))

    @property
    def stalls_at(self) -> float:
        """When it is stalled, if it owes answers and stays silent."""
        return self._silent_since + self.stall_after_s

    def stall(self, now: float) -> None:
        """It owed answers and was silent for too long."""
        self.stalled = True
        self.stalls += 1
        self._silent_since = now

    def _note_minimum(self, sample: float, now: float) -> None:
        if now - self._min_rtt_at > _MIN_RTT_SPAN_S:
            self._min_rtt_s, self._next_min_rtt_s = self._next_min_rtt_s, sample
            self._min_rtt_at = now
        if sample < self._next_min_rtt_s or not self._next_min_rtt_s:
            self._next_min_rtt_s = sample
        if sample < self._min_rtt_s or not self._min_rtt_s:
            self._min_rtt_s = sample

    def _end_round(self, now: float, *, full: bool) -> None:
        queue_s = self._round_rtt_s - self._min_rtt_s
        if queue_s > _QUEUE_SHRINK_S + self._min_rtt_s:
            self.window = max(MIN_WINDOW, self.window * 3 // 4)
        elif full and queue_s <= _QUEUE_GROW_S + self._min_rtt_s / 2:
            self.window = min(MAX_WINDOW, self.window * 2)
        self._round_rtt_s = 0.0
        self._round_ends = now + self.rtt_s
