"""Work that goes on beside its asker, and the one who answers for it.

Every task of the messenger belongs to a ``Tasks``, whose owner ends it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Tasks:
    """The tasks of one owner: kept while they run, and never failing unheard."""

    def __init__(self, log: logging.Logger | None, what: str = "") -> None:
        """Begin with none.

        Args:
            log: Told of each failure; None where whoever asked hears of it, and nobody
                has to when the asker gave up.
            what: The sentence for it.
        """
        self._log = log
        self._what = what
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin work on the running loop; a failure of it ends nobody else."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def finish(self) -> None:
        """Wait until nothing is left, what is begun meanwhile included."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def cancel(self) -> None:
        """End everything now."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and self._log is not None:
            self._log.error(self._what, exc_info=error)
