"""Clears blocks whose words are gone: what was deleted or has expired lies nowhere.

``Clearing`` belongs to one room and lives on the loop. ``store.contents`` blanks words
in the tables at once and lists their blocks; here these become holes (``store.holes``),
a batch at a time, in an order that a crash may interrupt anywhere: what keeps a block's
place is stored, then the block is dropped, then it is taken from the list. What is on
the list at the start is gone on with.

Blocks of expired messages go at once. Those of deleted ones go when the deletion is
confirmed, so that it cannot turn out void any more. Who deletes their own words waits
for nobody longer than ``GRACE_MS``: that they want them gone is what counts. The words
of others may turn out to have been deleted without the right to, so their blocks stay,
up to ``OTHERS_GRACE_MS``, and the words are read from them again if it is so.

The database is encrypted as a whole, so that without the profile's key neither words
nor blocks can be read whatever is left of them. But who gets that key later shall not
find in the write-ahead log what was deleted before: it is cut to nothing within
``EMPTY_S`` of a deletion, and of a clearing. SQLite overwrites what is deleted in the
file itself (``secure_delete``); copies that it leaves in the slack of pages when it
moves rows stay until these pages are used again, as rewriting the file costs as much
time and memory as the file is large.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Protocol, TypeVar

from app.tasks import Tasks
from store import contents, holes
from store.database import Connection, Database
from store.errors import EnvironmentFault, StoreError

if TYPE_CHECKING:
    from app.rooms.logs import RoomLogs
    from app.rooms.view import Applied, RoomView
    from store.contents.wiping import Block

_LOG = logging.getLogger("covey.room")

GRACE_MS = 2 * 60 * 1000
"""A deletion of one's own words that is not confirmed is waited with for so long."""
OTHERS_GRACE_MS = 7 * 24 * 3600 * 1000
"""The same of words of others: until then who is silent rests, and confirms nothing."""
EMPTY_S = 30.0
"""After so long the write-ahead log is cut to nothing."""
LOOK_S = 30.0
"""Between two looks at what is listed and must wait."""
MAX_BATCH = 256
"""Blocks cleared at a time."""

T = TypeVar("T")


class Transact(Protocol):
    """Runs work on the room's view in the writer thread."""

    def __call__(self, work: Callable[[Connection, RoomView], T]) -> Awaitable[T]: ...


class Clearing:
    """Clears the blocks of one room."""

    def __init__(
        self,
        logs: RoomLogs,
        transact: Transact,
        database: Database,
        now_ms: Callable[[], int],
    ) -> None:
        """Begin with nothing to do.

        Args:
            logs: The room's cores.
            transact: Runs work on the view in the writer thread.
            database: The profile's.
            now_ms: The wall clock.
        """
        self._logs = logs
        self._transact = transact
        self._database = database
        self._now_ms = now_ms
        self._due = False
        self._running = False
        self._stopped = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks = Tasks(_LOG, "what was deleted could not be cleared")

    def wake(self) -> None:
        """There are blocks to be cleared, or to be read again."""
        if self._stopped:
            return
        self._later("empty", EMPTY_S, self._begin_emptying)
        self.look()

    def look(self) -> None:
        """See whether something is listed: at the start, and when it may be time."""
        if self._stopped:
            return
        self._due = True
        if not self._running:
            self._running = True
            self._tasks.spawn(self._run())

    async def stop(self) -> None:
        """Let the batch in hand end; what is left is done after the next start."""
        self._stopped = True
        for timer in self._timers.values():
            timer.cancel()
        await self._tasks.finish()

    async def _run(self) -> None:
        waiting = True
        try:
            while self._due and not self._stopped:
                self._due = False
                await self._read_again()
                while not self._stopped and await self._clear_some():
                    self._later("empty", EMPTY_S, self._begin_emptying)
                waiting = await self._is_listed()
        except StoreError as error:
            _LOG.error("what was deleted could not be cleared: %s", error)
        finally:
            self._running = False
            if waiting:
                self._later("look", LOOK_S, self.look)

    async def _clear_some(self) -> bool:
        """Clear a batch; tells whether there may be more."""
        now_ms = self._now_ms()

        def dig(connection: Connection, view: RoomView) -> list[Block]:
            blocks = holes.ripe(
                connection,
                view.row.row,
                until_clock=max(now_ms - GRACE_MS, view.confirmed_clock),
                others_until_clock=max(now_ms - OTHERS_GRACE_MS, view.confirmed_clock),
                limit=MAX_BATCH,
            )
            return view.timeline.dig(connection, blocks)

        dug = await self._transact(dig)
        for writer, sequences in _by_writer(dug).items():
            await self._logs.know_holes(writer, sequences)
            log = await self._logs.borrow(writer)
            try:
                await log.clear(sequences)
            finally:
                self._logs.give_back(log)

        def strike(connection: Connection, view: RoomView) -> None:
            contents.cleared(connection, view.row.row, dug)

        if dug:
            await self._transact(strike)
        return len(dug) == MAX_BATCH

    async def _read_again(self) -> None:
        """Put words back that are wanted again, as far as their blocks are here."""

        def reread(connection: Connection, view: RoomView) -> Applied | None:
            row = view.row.row
            blocks = contents.to_reread(connection, row, limit=MAX_BATCH)
            return view.reread(connection, blocks) if blocks else None

        while not self._stopped and await self._transact(reread) is not None:
            pass

    async def _is_listed(self) -> bool:
        """True when something has to wait."""
        return await self._transact(
            lambda c, view: bool(contents.to_clear(c, view.row.row, limit=1))
        )

    def _begin_emptying(self) -> None:
        self._tasks.spawn(self._empty())

    async def _empty(self) -> None:
        try:
            await asyncio.wrap_future(self._database.empty_log())
        except EnvironmentFault as error:
            # A long read is still under way, most likely.
            _LOG.info("the write-ahead log is emptied later: %s", error)
            self._later("empty", EMPTY_S, self._begin_emptying)

    def _later(self, name: str, delay_s: float, work: Callable[[], None]) -> None:
        """Do something after a while, once however often it is asked for."""
        if self._stopped or name in self._timers:
            return

        def run() -> None:
            del self._timers[name]
            work()

        loop = asyncio.get_running_loop()
        self._timers[name] = loop.call_later(delay_s, run)


def _by_writer(blocks: Iterable[Block]) -> dict[bytes, list[int]]:
    found: dict[bytes, list[int]] = {}
    for block in blocks:
        found.setdefault(block.writer, []).append(block.sequence)
    return found
