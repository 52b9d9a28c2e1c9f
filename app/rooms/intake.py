"""What a room's logs hold, derived as it comes: between the cores and the ``RoomView``.

Cores commit on their own; here their new blocks are read and handed to the view, each
log in order, the logs in turns of a portion each. A log whose next block is dated too
far ahead waits, so does one that links to what is not here, and so does one for which
the disk has no room. What a crash left between a core's commit and the view's is
derived at the start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from app.rooms.logs import RoomLogs
from app.rooms.timeline import Held
from app.rooms.view import Applied, RoomView
from app.tasks import Tasks
from store import holes, rooms
from store.database import Connection
from store.errors import EnvironmentFault, StoreError

_LOG = logging.getLogger("covey.room")

HELD_RETRY_S = 600.0
"""After so long a log dated too far ahead is looked at again."""
RETRY_S = 5.0
"""After so long what the disk refused is tried again; twice as long each time, up to
``MAX_RETRY_S``."""
MAX_RETRY_S = 300.0

Transact = Callable[[Callable[[Connection, RoomView], Applied]], Awaitable[Applied]]


class Intake:
    """Keeps one room's view level with its logs.

    Attributes:
        own: Held by whoever changes the view from this device's own log.
    """

    def __init__(
        self, logs: RoomLogs, transact: Transact, now_ms: Callable[[], int]
    ) -> None:
        """Begin with nothing to do.

        Args:
            logs: The room's cores.
            transact: Runs work on the view in the writer thread.
            now_ms: The wall clock.
        """
        self.own = asyncio.Lock()
        self._logs = logs
        self._transact = transact
        self._now_ms = now_ms
        self._due: dict[bytes, None] = {}
        self._held: dict[bytes, asyncio.TimerHandle] = {}
        self._refused: dict[bytes, None] = {}
        self._retry_s = RETRY_S
        self._retry: asyncio.TimerHandle | None = None
        self._running = False
        self._stopped = False
        self._tasks = Tasks(_LOG, "a room's log could not be read")

    async def catch_up(self) -> None:
        """Derive everything that is here and was not derived yet.

        What the disk refuses is derived later: a full one keeps nobody from reading.

        Raises:
            StoreError: What is stored is damaged.
        """
        for writer in self._logs.behind():
            try:
                while await self._derive_some(writer):
                    pass
            except EnvironmentFault as error:
                self._try_later(writer, error)

    def log_grew(self, writer: bytes) -> None:
        """A log has more blocks than were derived."""
        if self._stopped:
            return
        if writer in self._held:
            self._logs.settle(writer, held=True)
            return
        self._due[writer] = None
        self._go_on()

    def coming(self, writer: bytes, start: int, blocks: list[bytes]) -> None:
        """Derive blocks in the commit that stores them, if nothing is in the way.

        Otherwise, or if that commit does not come about, they are derived behind it.
        """
        free = writer not in self._held and writer != self._logs.device
        if free and not self._stopped and self._logs.derived.get(writer) == start:
            self._tasks.spawn(self._derive_early(writer, start, blocks))

    async def _derive_early(
        self, writer: bytes, start: int, blocks: list[bytes]
    ) -> None:
        try:
            await self.derive(writer, start, blocks)
        except StoreError as error:
            _LOG.debug("a room's log is derived later: %s", error)

    async def derive(
        self, writer: bytes, start: int, blocks: Sequence[bytes | None]
    ) -> Applied:
        """Hand blocks of a log to the view, if its core has them by then.

        The core's commit may still be waiting before this one, and share it.

        Args:
            writer: Whose log.
            start: The first one's place in it.
            blocks: As they stand there; None where there is a hole.
        """

        def work(connection: Connection, view: RoomView) -> Applied:
            row, end = view.row.row, start + len(blocks)
            if rooms.stored_length(
                connection, row, writer
            ) < end and not holes.is_stored(connection, row, writer, start, end):
                return Applied(writer, start)
            now_ms = self._now_ms()
            return view.derive(connection, writer, start, blocks, now_ms=now_ms)

        applied = await self._transact(work)
        # Another one may have gone further meanwhile; less than was offered is there
        # only where the view has lost something.
        derived = self._logs.derived.get(writer, 0)
        if applied.length > derived or applied.length < start:
            self._logs.derived[writer] = applied.length
        if applied.false_hole is not None:
            self._logs.no_hole(writer, applied.false_hole)
            applied = replace(applied, held=None)
        if applied.doubtful is not None:
            self._logs.on_doubtful(applied.doubtful)
        if applied.held is None:
            self._logs.settle(writer, quiet=_is_quiet(applied))
        for woken in applied.woken:
            self.log_grew(woken)
        return applied

    async def stop(self) -> None:
        """Let the work in hand end."""
        self._stopped = True
        self._due.clear()
        for timer in (*self._held.values(), self._retry):
            if timer is not None:
                timer.cancel()
        await self._tasks.finish()

    async def level(self, writer: bytes) -> None:
        """Derive one log as far as it reaches.

        Raises:
            StoreError: The disk refused.
        """
        while await self._portion(writer):
            pass

    def _go_on(self) -> None:
        if not self._running:
            self._running = True
            self._tasks.spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._due:
                writer = next(iter(self._due))
                del self._due[writer]
                try:
                    more = await self._derive_some(writer)
                except StoreError as error:
                    self._try_later(writer, error)
                    continue
                self._retry_s = RETRY_S
                if more and not self._stopped:
                    self._due[writer] = None
        finally:
            self._running = False

    async def _derive_some(self, writer: bytes) -> bool:
        """Derive a portion of a log; tells whether there is more of it."""
        if writer == self._logs.device:
            async with self.own:
                return await self._portion(writer)
        return await self._portion(writer)

    async def _portion(self, writer: bytes) -> bool:
        logs = self._logs
        start = logs.derived.get(writer, 0)
        if start < logs.length(writer):
            blocks = await logs.read(writer, start)
            applied = await self.derive(writer, start, blocks)
            if applied.held is not None:
                if applied.held is Held.EARLY:
                    self._hold(writer)
                logs.settle(writer, held=True)
                return False
            if start < applied.length < logs.length(writer):
                return True
        logs.settle(writer)
        return False

    def _try_later(self, writer: bytes, error: StoreError) -> None:
        """What the disk refused is derived when it may have room again."""
        _LOG.error("a room's log could not be derived: %s", error)
        if self._stopped:
            return
        self._refused[writer] = None
        if self._retry is None:
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(self._retry_s, self._try_again)
            self._retry_s = min(MAX_RETRY_S, 2 * self._retry_s)

    def _try_again(self) -> None:
        self._retry = None
        self._due.update(self._refused)
        self._refused.clear()
        self._go_on()

    def _hold(self, writer: bytes) -> None:
        _LOG.warning(
            "a log is dated more than a day ahead from some place on:"
            " the clock of its author or of this computer is wrong"
        )
        if self._stopped or writer in self._held:
            return

        def again() -> None:
            del self._held[writer]
            self.log_grew(writer)

        loop = asyncio.get_running_loop()
        self._held[writer] = loop.call_later(HELD_RETRY_S, again)


def _is_quiet(applied: Applied) -> bool:
    """True when the room looks as before, as after an acknowledgement."""
    return not (
        applied.messages
        or applied.changed_count
        or applied.facts is not None
        or applied.clear
        or applied.woken
    )
