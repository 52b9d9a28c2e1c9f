"""When a device says that it has heard: acknowledgements in its own log.

An entry without payload says no more than what its writer had seen. It is what confirms
the history (``store/autobase``) and what the delivery ledger reads. Only what others
said is acknowledged, never an acknowledgement, and not at once: what one writes oneself
meanwhile says the same, and a large room must not drown in them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

MIN_PAUSE_S = 10.0
PAUSE_S_PER_PAIR = 0.015
"""A room of n devices has n acknowledgements that go to n devices each."""
MAX_PAUSE_S = 3600.0


def pause_s(devices: int) -> float:
    """How long a device waits at least before it acknowledges something.

    Args:
        devices: How many there are in the room.
    """
    return min(max(MIN_PAUSE_S, PAUSE_S_PER_PAIR * devices * devices), MAX_PAUSE_S)


class Hearing:
    """Acknowledges, some time after there was something to acknowledge."""

    def __init__(
        self, acknowledge: Callable[[], None], entropy: Callable[[int], bytes]
    ) -> None:
        """Wait for something to be heard.

        Args:
            acknowledge: Begins to write the acknowledgement, if it is still due.
            entropy: Gives random bytes, so that not everybody speaks at once.
        """
        self._acknowledge = acknowledge
        self._entropy = entropy
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def heard(self, devices: int) -> None:
        """Something was said that is not acknowledged yet; see ``pause_s``."""
        if self._timer is None and not self._stopped:
            part = int.from_bytes(self._entropy(4), "big") / (1 << 32)
            due_s = pause_s(devices) * (1 + part)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(due_s, self._say)

    def stop(self) -> None:
        """Acknowledge nothing more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _say(self) -> None:
        self._timer = None
        self._acknowledge()
