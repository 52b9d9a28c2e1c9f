"""Fetching many files from peers: a task that asks for them in order.

At most ``MAX_WISHES`` files are asked for at a time, so that a drive of a million files
costs no more than a small one; fewer than that many which nobody has hold up no other.
Follows what npm hyperdrive 13.3.4 downloads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from store.hypercore.session import Download

MAX_WISHES: Final = 64

Wishes = Callable[[], "AsyncGenerator[Download | None, None]"]


class DriveDownload:
    """A running download; ends by itself, by ``close``, or with its drive."""

    def __init__(self, running: set[DriveDownload], wishes: Wishes) -> None:
        """Begin.

        Args:
            running: Whoever closes the drive closes these.
            wishes: Asks for one file after another.
        """
        self._running = running
        self._task = asyncio.get_running_loop().create_task(self._run(wishes))
        running.add(self)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(self)
        if not task.cancelled():
            # Whoever waits is told; nobody has to wait.
            task.exception()

    async def done(self) -> None:
        """Wait until everything is here, or it was closed.

        Raises:
            StoreError: Something could not be fetched or read.
        """
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.result()

    async def close(self) -> None:
        """Ask for nothing more."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self, wishes: Wishes) -> None:
        running: dict[asyncio.Task[None], Download] = {}
        try:
            async with aclosing(wishes()) as made:
                async for wish in made:
                    if wish is None:
                        continue
                    running[asyncio.create_task(wish.done())] = wish
                    if len(running) >= MAX_WISHES:
                        await _one_of(running)
            while running:
                await _one_of(running)
        finally:
            for wish in running.values():
                wish.close()
            if running:
                await asyncio.wait(running)


async def _one_of(running: dict[asyncio.Task[None], Download]) -> None:
    """Wait for whichever is fetched first: one that nobody has keeps none back."""
    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        del running[task]
    errors = [task.exception() for task in done]
    for error in errors:
        if error is not None:
            raise error
