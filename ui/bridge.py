"""The only crossing between asyncio and Qt.

View models hand their work in as coroutines and get the answer by callback, on the
window's thread; the core's events are collected and handed out in batches, at most
one every :data:`FLUSH_INTERVAL_S`, so that a thousand messages a second cost sixty
updates and not a thousand. What the events mean is left to the view models.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Signal

from app.errors import UserFacingError
from app.events import Event

T = TypeVar("T")

FLUSH_INTERVAL_S = 0.016
"""Shortest time between two batches of events, in seconds."""

MAX_PENDING_EVENTS = 1000
"""Events waiting for a flush; with more, reading from the core waits."""

_logger = logging.getLogger(__name__)


class Job:
    """One piece of work under way; its owner may cancel it."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    @property
    def running(self) -> bool:
        """Whether no callback has been called yet."""
        return not self._task.done()

    def cancel(self) -> None:
        """End the work; neither callback is called from now on."""
        self._task.cancel()


class Bridge(QObject):
    """Runs coroutines for the view models and pumps the core's events.

    Signals:
        flushed: A list of events, in the order in which the core told them.
        ended: The core's events ended without our asking.
        surprised: A failure nobody foresaw, as one line for the log's reader.
    """

    flushed = Signal(list)
    ended = Signal()
    surprised = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tasks: set[asyncio.Task[None]] = set()
        self._pending: list[Event] = []
        self._room_made = asyncio.Event()
        self._flush_handle: asyncio.TimerHandle | None = None
        self._last_flush_at = 0.0
        self._pump: asyncio.Task[None] | None = None

    def run(
        self,
        work: Coroutine[Any, Any, T],
        *,
        done: Callable[[T], None] | None = None,
        failed: Callable[[UserFacingError], None] | None = None,
    ) -> Job:
        """Start the work and call back once, unless it is cancelled first.

        Args:
            work: The coroutine; it is owned by the bridge from now on.
            done: Called with its result.
            failed: Called with its failure when that is meant for a person; without
                it the failure counts as a surprise.
        """
        task = asyncio.get_running_loop().create_task(
            self._supervise(work, done, failed)
        )
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        # Work that is cancelled before it began would be reported as forgotten.
        task.add_done_callback(lambda _: work.close())
        return Job(task)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            bug = task.exception()
            if isinstance(bug, Exception):
                self._tell_surprise(bug)

    async def _supervise(
        self,
        work: Coroutine[Any, Any, T],
        done: Callable[[T], None] | None,
        failed: Callable[[UserFacingError], None] | None,
    ) -> None:
        try:
            result = await work
        except UserFacingError as error:
            if failed is None:
                self._tell_surprise(error)
            else:
                failed(error)
        except (OSError, EOFError, ValueError, RuntimeError) as error:
            self._tell_surprise(error)
            if failed is not None:
                failed(
                    UserFacingError(
                        "unexpected", self.tr("Something unexpected went wrong.")
                    )
                )
        else:
            if done is not None:
                done(result)

    def _tell_surprise(self, error: Exception) -> None:
        _logger.error("unexpected failure in the window", exc_info=error)
        self.surprised.emit(f"{type(error).__name__}: {error}")

    def watch(self, events: AsyncIterator[Event]) -> None:
        """Pump these events until they end; replaces an earlier pump."""
        self.unwatch()
        self._pump = asyncio.get_running_loop().create_task(self._pump_events(events))

    def unwatch(self) -> None:
        """Stop pumping; events not yet handed out are dropped."""
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        self._pending.clear()

    async def _pump_events(self, events: AsyncIterator[Event]) -> None:
        try:
            async for event in events:
                while len(self._pending) >= MAX_PENDING_EVENTS:
                    self._room_made.clear()
                    await self._room_made.wait()
                self._pending.append(event)
                self._plan_flush()
        except (OSError, EOFError, UserFacingError) as error:
            _logger.warning("the core's events broke off: %s", error)
        self._pump = None
        self._flush()
        self.ended.emit()

    def _plan_flush(self) -> None:
        if self._flush_handle is not None:
            return
        loop = asyncio.get_running_loop()
        due_in = self._last_flush_at + FLUSH_INTERVAL_S - loop.time()
        self._flush_handle = loop.call_later(max(0.0, due_in), self._flush)

    def _flush(self) -> None:
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        self._last_flush_at = asyncio.get_running_loop().time()
        batch, self._pending = self._pending, []
        self._room_made.set()
        if batch:
            self.flushed.emit(batch)

    async def stop(self) -> None:
        """Cancel everything and wait until it has ended."""
        pump = self._pump
        self.unwatch()
        tasks = [*self._tasks, *([pump] if pump is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Mailbox:
    """A queue of events for cores that live in this process."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()

    def post(self, event: Event | None) -> None:
        """Put an event in; None ends the stream."""
        self._queue.put_nowait(event)

    async def events(self) -> AsyncIterator[Event]:
        """The events as they come, until the end is posted."""
        while (event := await self._queue.get()) is not None:
            yield event


async def pause(seconds: float) -> None:
    """Let the window live for a while."""
    await asyncio.sleep(seconds)
