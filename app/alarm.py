"""Work that is due at some time, and earlier when somebody says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from app.errors import UserFacingError
from app.faults import Explained
from app.tasks import Tasks

MIN_PAUSE_S: Final = 0.5
"""Between two looks, however often somebody asks for one."""
MAX_PAUSE_S: Final = 600.0
"""A computer that slept notices after so long that its clock went on."""
RETRY_S: Final = 60.0
"""After the disk refused."""


class Alarm:
    """Does one piece of work whenever it is due; ``start`` it and ``stop`` it."""

    def __init__(
        self,
        work: Callable[[], Awaitable[int | None]],
        *,
        now_ms: Callable[[], int],
        log: logging.Logger,
        what: str,
    ) -> None:
        """Do nothing yet.

        Args:
            work: Does what is due; gives when something will be, in ms since 1970.
            now_ms: The wall clock.
            log: Told when the work fails.
            what: The sentence for it.
        """
        self.due_ms: int | None = None
        self._work = work
        self._now_ms = now_ms
        self._log = log
        self._what = what
        self._tasks = Tasks(log, what)
        self._stopped = asyncio.Event()
        self._poked = asyncio.Event()

    def start(self) -> None:
        """Look at once, and from now on."""
        self._tasks.spawn(self._run())

    def poke(self) -> None:
        """Something may be due earlier than was known."""
        self._poked.set()

    def poke_by(self, due_ms: int) -> None:
        """Something is due at a time."""
        if self.due_ms is None or due_ms < self.due_ms:
            self.poke()

    async def stop(self) -> None:
        """Finish what is being done, and do no more."""
        self._stopped.set()
        self._poked.set()
        await self._tasks.finish()

    async def _run(self) -> None:
        while not self._stopped.is_set():
            self._poked.clear()
            wait_s = RETRY_S
            try:
                self.due_ms = await self._work()
                wait_s = MAX_PAUSE_S
                if self.due_ms is not None:
                    wait_s = min(wait_s, (self.due_ms - self._now_ms()) / 1000)
            except (*Explained, UserFacingError) as error:
                self._log.error("%s: %s", self._what, error)
            await _wait(self._stopped, MIN_PAUSE_S)
            if not self._stopped.is_set():
                await _wait(self._poked, max(0.0, wait_s - MIN_PAUSE_S))


async def _wait(event: asyncio.Event, limit_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await event.wait()
