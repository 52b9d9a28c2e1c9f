"""The crossing between the loop and the database's threads, for all cores of a depot.

Going to a thread and coming back costs more than most of what is done there. So one
write at a time is under way, and all that is made meanwhile goes into the next one; the
same for reading, with as many visits as there are readers. What came of a write is told
to all its cores in one step of the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from store.database import READER_COUNT, Connection, verdict
from store.errors import StoreError
from store.hypercore.depot import CoreWrite, Depot, store
from store.hypercore.records import Change

T = TypeVar("T")

Work = Callable[[Connection], Any]


class WritingCore(Protocol):
    """What the traffic needs of a core."""

    def next_write(self) -> tuple[list[Change], CoreWrite] | None:
        """What waits to be written."""
        ...

    def written(
        self,
        changes: Sequence[Change],
        write: CoreWrite,
        error: BaseException | None,
    ) -> None:
        """Hear what came of it."""
        ...


class Traffic:
    """Writes and reads of the cores of one depot."""

    def __init__(self, depot: Depot) -> None:
        """Serve a depot on the running loop."""
        self.depot = depot
        self.loop = asyncio.get_running_loop()
        self._writing = 0
        self._waiting: dict[WritingCore, None] = {}
        self._reading = 0
        self._wanted: list[tuple[Work, asyncio.Future[Any]]] = []

    def submit(self, core: WritingCore) -> None:
        """See that what a core has to write is written next."""
        self._waiting[core] = None
        if not self._writing:
            self._write_next()

    def is_waiting(self, core: WritingCore) -> bool:
        """True while what a core has to write waits for another write."""
        return core in self._waiting

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run work in a reader's thread, together with what else is to be read.

        Raises:
            StoreError: Of the work, or the disk's.
        """
        future: asyncio.Future[T] = self.loop.create_future()
        self._wanted.append((work, future))
        if self._reading < READER_COUNT:
            self._read_next()
        return await future

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run work in the writer's thread that is no core's change."""
        return await asyncio.wrap_future(self.depot.database.write(work))

    def _write_next(self) -> None:
        cores, self._waiting = self._waiting, {}
        group = []
        for core in cores:
            following = core.next_write()
            if following is not None:
                group.append((core, *following))
        # Blocks that lie elsewhere may find no room there: nobody else's fault.
        tables = [each for each in group if each[2].place is None]
        batches = [[each] for each in group if each[2].place is not None]
        if tables:
            batches.insert(0, tables)
        self._writing = len(batches)
        for batch in batches:
            self._hand_over(batch)

    def _hand_over(
        self, batch: Sequence[tuple[WritingCore, Sequence[Change], CoreWrite]]
    ) -> None:
        def work(connection: Connection) -> None:
            for _, _, write in batch:
                store(connection, write)

        loop = self.loop

        def told(error: BaseException | None) -> None:
            # A loop that has ended has nobody left to tell.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._tell, batch, error)

        try:
            self.depot.database.write_and_tell(work, told)
        except StoreError as error:
            self._tell(batch, error)

    def _tell(
        self,
        batch: Sequence[tuple[WritingCore, Sequence[Change], CoreWrite]],
        error: BaseException | None,
    ) -> None:
        # Cores go on with new work while they are told: it waits for the last of them.
        try:
            for core, changes, write in batch:
                core.written(changes, write, error)
        finally:
            self._writing -= 1
            if not self._writing and self._waiting:
                self._write_next()

    def _read_next(self) -> None:
        wanted, self._wanted = self._wanted, []
        results: list[tuple[Any, BaseException | None]] = []

        def work(connection: Connection) -> None:
            for each, _ in wanted:
                try:
                    results.append((each(connection), None))
                # Whatever one asker's work raises is that asker's.
                except BaseException as error:  # noqa: BLE001
                    results.append((None, verdict(error)))

        loop = self.loop

        def done(future: Future[None]) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._read_done, wanted, results, future)

        self._reading += 1
        try:
            self.depot.database.read(work).add_done_callback(done)
        except StoreError as error:
            self._reading -= 1
            for _, asker in wanted:
                if not asker.done():
                    asker.set_exception(error)

    def _read_done(
        self,
        wanted: Sequence[tuple[Work, asyncio.Future[Any]]],
        results: Sequence[tuple[Any, BaseException | None]],
        future: Future[None],
    ) -> None:
        self._reading -= 1
        failure = future.exception()
        for place, (_, asker) in enumerate(wanted):
            result, error = results[place] if failure is None else (None, failure)
            if asker.done():
                continue
            if error is not None:
                asker.set_exception(error)
            else:
                asker.set_result(result)
        if self._wanted:
            self._read_next()
