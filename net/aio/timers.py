"""One timer whose deadline moves often and is usually never reached.

Protocol machines push their deadlines back with every packet. Asking the event loop to
cancel and arm a timer each time costs more than the packet, so the loop's timer is left
alone when the deadline moves back and armed anew only when it fires too early.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class DeadlineTimer:
    """Calls back when a deadline on the monotonic clock has passed.

    The owner sets the next deadline in the callback, and stops the timer at its end.
    """

    __slots__ = ("_armed_for", "_callback", "_deadline", "_handle", "_loop")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._callback = callback
        self._deadline: float | None = None
        self._armed_for = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def set(self, deadline: float | None) -> None:
        """Move the deadline (seconds, ``time.monotonic``); None means none."""
        self._deadline = deadline
        if deadline is None:
            return
        if self._handle is not None:
            if self._armed_for <= deadline:
                return
            self._handle.cancel()
        self._arm(deadline)

    def stop(self) -> None:
        """Never call back again unless a new deadline is set."""
        self._deadline = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, deadline: float) -> None:
        self._armed_for = deadline
        delay = max(deadline - time.monotonic(), 0.0)
        self._handle = self._loop.call_later(delay, self._fire)

    def _fire(self) -> None:
        self._handle = None
        deadline = self._deadline
        if deadline is None:
            return
        if deadline > time.monotonic():
            self._arm(deadline)
            return
        self._deadline = None
        self._callback()
