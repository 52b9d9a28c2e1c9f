"""Whether the network answers: online or not, degraded or not.

Judged every tick from the responses and time-outs of that tick. Ticks with fewer than
four of them say nothing. Two silent ticks in a row mean offline; four ticks of which
more than half of the requests timed out mean degraded, four good ones healthy again.

Upstream: dht-rpc 6.27.0 ``lib/health.js``.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import Final

WINDOW_TICKS: Final = 4
OFFLINE_TICKS: Final = 2
MIN_EVENTS: Final = 4
DEGRADED_RATE: Final = 0.5


class _Tick(enum.Enum):
    IDLE = enum.auto()
    OFFLINE = enum.auto()
    DEGRADED = enum.auto()
    HEALTHY = enum.auto()


class Health:
    """Follows the counts of responses and time-outs.

    Attributes:
        online: False after two ticks in which nobody answered.
        degraded: True while most requests time out.
    """

    def __init__(self) -> None:
        self.online = True
        self.degraded = False
        self._window: deque[_Tick] = deque(maxlen=WINDOW_TICKS)
        self._silent_ticks = 0
        self._last: tuple[int, int] | None = None

    def reset(self) -> bool:
        """Forget the past; True when that changes the verdict."""
        changed = not self.online or self.degraded
        self.online, self.degraded = True, False
        self._window.clear()
        self._silent_ticks = 0
        self._last = None
        return changed

    def update(self, responses: int, timeouts: int) -> bool:
        """Judge one tick.

        Args:
            responses: Responses since the node began.
            timeouts: Requests that timed out since the node began.

        Returns:
            True when the verdict changed.
        """
        before = (self.online, self.degraded)
        last, self._last = self._last, (responses, timeouts)
        if last is None:
            self._window.append(_Tick.IDLE)
            return False
        tick = _judge(responses - last[0], timeouts - last[1])
        cold = len(self._window) < WINDOW_TICKS - 1
        self._window.append(_Tick.IDLE if cold else tick)
        if cold or tick is _Tick.IDLE:
            return False
        self._silent_ticks = self._silent_ticks + 1 if tick is _Tick.OFFLINE else 0
        if tick is not _Tick.OFFLINE:
            self.online = True
        elif self._silent_ticks >= OFFLINE_TICKS:
            self.online = False
        if not self.online or self._all(_Tick.HEALTHY):
            self.degraded = False
        elif self._all(_Tick.DEGRADED):
            self.degraded = True
        return (self.online, self.degraded) != before

    def _all(self, kind: _Tick) -> bool:
        return self._window.count(kind) == WINDOW_TICKS


def _judge(responses: int, timeouts: int) -> _Tick:
    if responses + timeouts < MIN_EVENTS:
        return _Tick.IDLE
    if responses == 0:
        return _Tick.OFFLINE
    if timeouts / (responses + timeouts) > DEGRADED_RATE:
        return _Tick.DEGRADED
    return _Tick.HEALTHY
