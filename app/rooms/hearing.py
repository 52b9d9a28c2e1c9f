"""When a device says that it has heard: acknowledgements in its own log.

An entry without payload says no more than what its writer had seen. It is what confirms
the history (``store/autobase``) and what the delivery ledger reads. Only what others
said is acknowledged, never an acknowledgement, and not at once: what one writes oneself
meanwhile says the same, and a large room must not drown in them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.errors import UserFacingError
from app.rooms.operations import Acknowledge
from app.tasks import Tasks
from store.errors import StoreError

if TYPE_CHECKING:
    from app.rooms.operations import Body
    from app.rooms.turning import Write
    from app.rooms.view import RoomView

_LOG = logging.getLogger("covey.room")

MIN_PAUSE_S = 10.0
FEW_DEVICES = 8
"""So many need no longer pauses."""
PAUSE_S_PER_DEVICE = 10.0
"""For each further one: so a large room acknowledges up to five times a minute in all,
whatever its size, while it is talked in, and not at all while it is not."""
MAX_PAUSE_S = 6 * 3600.0


def pause_s(devices: int) -> float:
    """How long a device waits at least before it acknowledges something.

    Args:
        devices: How many there are in the room.
    """
    longer_s = PAUSE_S_PER_DEVICE * (devices - FEW_DEVICES)
    return min(max(MIN_PAUSE_S, longer_s), MAX_PAUSE_S)


class Hearing:
    """Acknowledges, some time after there was something to acknowledge."""

    def __init__(
        self, write: Write, tasks: Tasks, entropy: Callable[[int], bytes]
    ) -> None:
        """Wait for something to be heard.

        Args:
            write: See ``app.rooms.turning.Write``.
            tasks: Owns what is under way.
            entropy: Gives random bytes, so that not everybody speaks at once.
        """
        self._write = write
        self._tasks = tasks
        self._entropy = entropy
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def heard(self, devices: int) -> None:
        """Something was said that is not acknowledged yet; see ``pause_s``."""
        if self._timer is None and not self._stopped:
            part = int.from_bytes(self._entropy(4), "big") / (1 << 32)
            due_s = pause_s(devices) * (1 + part)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(due_s, self._fire)

    def stop(self) -> None:
        """Acknowledge nothing more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self._tasks.spawn(self._acknowledge())

    async def _acknowledge(self) -> None:
        """Say what was heard, unless something else said it meanwhile."""

        def check(view: RoomView) -> Body | None:
            view.require_member()
            return Acknowledge() if view.is_unheard else None

        try:
            await self._write(check)
        except (StoreError, UserFacingError) as error:
            # Whoever speaks next says it too.
            _LOG.info("what was heard could not be acknowledged: %s", error.code)
