"""Follows the rooms of a profile with the search index.

One worker a profile, on the loop: it hands its work to the threads of the two files, a
batch at a time, and goes on from the marks of the index wherever it was ended. Nothing
in the index is truth: what is missing, damaged, outdated or behind what the profile
remembers is built anew.

Leaves what is indexed to ``app.search.source`` and how to ``store.search``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from app.search import source
from app.search.source import CHANGES, Mark
from app.tasks import Tasks
from store.database import Connection, Database
from store.errors import DatabaseCorruptError, EnvironmentFault, StoreError
from store.search import SearchIndex

T = TypeVar("T")

_LOG = logging.getLogger("covey.search")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the worker waits for what."""

    arrivals_s: float = 1.0
    """Between two looks at what is new, unless somebody searches: messages that come
    one by one go together."""
    changes_s: float = 1.0
    """Between two looks at what was edited or deleted, unless somebody searches: taking
    words out rewrites the file, and they come in bursts."""
    quiet_s: float = 3_600.0
    """Without news, before the file is rewritten."""
    untidy_s: float = 86_400.0
    """Before it is rewritten although there are news all the time."""
    retry_s: float = 5.0
    """After the disk refused, doubled each time."""
    max_retry_s: float = 300.0
    patience_s: float = 2.0
    """That a search waits for the index to catch up."""


class IndexDamagedError(Exception):
    """The index can be used no more; another one must be made."""


class Indexer:
    """Keeps an index up; ``start`` it, and ``stop`` it before the database.

    Attributes:
        index: Open, while there is one.
    """

    def __init__(
        self,
        folder: Path,
        database: Database,
        *,
        key: bytes | None,
        pace: Pace,
    ) -> None:
        """Make a worker that does nothing yet.

        Args:
            folder: The profile's, where the index lies.
            database: The profile's.
            key: 32 bytes, under which the index is encrypted; None for a plain file.
            pace: How long to wait for what.
        """
        self._folder = folder
        self._database = database
        self._key = key
        self._pace = pace
        self.index: SearchIndex | None = None
        self._afresh = False
        self._marks: dict[bytes, Mark] = {}
        # In the order of their turns.
        self._waiting: dict[bytes, None] = {}
        self._leaving: dict[bytes, None] = {}
        self._arrivals_at = 0.0
        self._changes_due = False
        self._changes_at = 0.0
        self._in_bulk = False
        self._askers = 0
        self._began_at = 0.0
        self._came_to_rest = False
        self._untidy_since: float | None = None
        self._log_full = False
        self._news = asyncio.Event()
        self._opened = asyncio.Event()
        self._settled = asyncio.Event()
        self._stopping = False
        self._tasks = Tasks(_LOG, "the search index is not kept up any more")
        self._sweeps = Tasks(None)

    def start(self) -> None:
        """Begin to open the index and to catch up; waits for neither."""
        self._tasks.spawn(self._run())

    async def stop(self) -> None:
        """End what is under way, a batch at most, and close the index."""
        self._stopping = True
        self._news.set()
        await self._tasks.finish()
        await self._sweeps.cancel()
        await self._close()

    def content_changed(self, room: bytes | None = None) -> None:
        """Something was committed that the index has to hear of.

        Args:
            room: Id of the room where something may be new; None when only what is
                known may have changed, as when its time is over.
        """
        if room is not None:
            self._waiting[room] = None
        self._changes_due = True
        self._settled.clear()
        self._news.set()

    def room_left(self, room: bytes) -> None:
        """Forget a room; to be called when the profile's database says it was left."""
        self._waiting.pop(room, None)
        self._leaving[room] = None
        self._settled.clear()
        self._news.set()

    async def settled(self) -> None:
        """Wait until everything told so far is indexed."""
        await self._settled.wait()

    @property
    def is_whole(self) -> bool:
        """False while the index is being built, or a large room is added to it."""
        return self._came_to_rest and not self._in_bulk

    async def catch_up(self) -> None:
        """Wait a little for the index to know what came before this moment.

        Who searches while it is being built gets what is there.
        """
        limit_s = self._pace.patience_s
        if self._in_bulk:
            limit_s += self._began_at - self._now_s()
        self._askers += 1
        if not self._settled.is_set():
            self._news.set()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, limit_s)):
                    await self._opened.wait()
                    await self._settled.wait()
        finally:
            self._askers -= 1

    def replace(self) -> None:
        """Have the worker throw the index away and build another one."""
        self._afresh = True
        self._came_to_rest = False
        self._settled.clear()
        self._opened.clear()
        self._news.set()

    async def _run(self) -> None:
        failures = 0
        while not self._stopping:
            try:
                if self.index is None:
                    await self._open()
                if await self._step():
                    failures = 0
                else:
                    await self._rest()
            except IndexDamagedError as error:
                _LOG.warning("the search index is built anew: %s", error)
                self.replace()
                await self._close()
                # At once, unless it is always so.
                await self._pause(failures)
                failures += 1
            except (StoreError, OSError) as error:
                _LOG.warning("the search index has to wait: %s", error)
                failures += 1
                await self._pause(failures)

    async def _open(self) -> None:
        """Open the index, find out where to go on, and forget what is not so."""
        index = await asyncio.to_thread(
            SearchIndex.open, self._folder, key=self._key, afresh=self._afresh
        )
        self._afresh = False
        try:
            await self._begin(index)
        except BaseException:
            await asyncio.to_thread(index.close)
            raise
        self.index = index
        self._opened.set()

    async def _begin(self, index: SearchIndex) -> None:
        kept = await self._of_index(index.marks())
        dropped = await self._read(source.dropped)
        if index.rebuild is not None:
            _LOG.info("the search index is new: %s", index.rebuild.value)
            marks = {CHANGES: source.encode_number(dropped)}
            await self._of_index(index.apply(marks=marks))
        elif int.from_bytes(kept.get(CHANGES, b""), "big") < dropped:
            # A power cut took commits that it had, or it is an old copy.
            raise IndexDamagedError("it has not heard of changes")
        self._marks, stale = await self._read(
            lambda connection: source.review(connection, kept)
        )
        for room in stale:
            self._sweep(index, room)
        self._waiting = dict.fromkeys([*self._waiting, *self._marks])
        self._changes_due = True
        self._changes_at = 0.0
        self._began_at = self._now_s()
        self._untidy_since = self._began_at

    async def _close(self) -> None:
        self._opened.clear()
        index, self.index = self.index, None
        if index is not None:
            await asyncio.to_thread(index.close)

    async def _step(self) -> bool:
        """Do one batch of what is most urgent; False when nothing is due now."""
        index = self.index
        assert index is not None, "it was opened"
        if self._afresh:
            raise IndexDamagedError("a search found it damaged")
        if self._leaving:
            room = next(iter(self._leaving))
            self._sweep(index, room)
            self._marks.pop(room, None)
            del self._leaving[room]
        elif self._changes_due and self._is_time(self._changes_at):
            await self._take_changes(index)
        elif self._waiting and self._is_time(self._arrivals_at):
            room = next(iter(self._waiting))
            del self._waiting[room]
            try:
                await self._take_arrivals(index, room)
            except BaseException:
                self._waiting[room] = None
                raise
            if not self._waiting:
                self._arrivals_at = self._now_s() + self._pace.arrivals_s
        else:
            return False
        if self._untidy_since is None:
            self._untidy_since = self._now_s()
        return True

    async def _take_changes(self, index: SearchIndex) -> None:
        """Index what is edited or reappeared, and take out what is gone."""
        self._changes_due = False
        self._changes_at = self._now_s() + self._pace.changes_s
        try:
            marks = self._marks
            found = await self._read(
                lambda connection: source.changes(connection, marks)
            )
            if not found.through:
                return
            await self._apply(
                index.apply(
                    put=found.put,
                    removed=found.removed,
                    marks={CHANGES: source.encode_number(found.through)},
                )
            )
            await asyncio.wrap_future(
                self._database.write(
                    lambda connection: source.drop(connection, found.through)
                )
            )
            if found.wiped:
                # They stand in its log until that is emptied.
                await self._emptied(self._database.empty_log())
        except BaseException:
            self._changes_due = True
            raise
        if found.more:
            self._changes_due = True
            self._changes_at = 0.0

    async def _take_arrivals(self, index: SearchIndex, room: bytes) -> None:
        """Index a batch of what is new in a room."""
        mark = self._marks.get(room, Mark())
        found = await self._read(
            lambda connection: source.arrivals(connection, room, mark)
        )
        if found is None:
            return
        if found.mark != mark:
            marks = {room: found.mark.encode()}
            await self._apply(index.apply(put=found.put, marks=marks))
            self._marks[room] = found.mark
        if found.more:
            self._in_bulk = True
            self._waiting[room] = None

    async def _rest(self) -> None:
        """Wait for news; rewrite the file when there are none for long."""
        due_s = self._due_s()
        # Nothing was awaited since there was nothing to do: no news are lost.
        self._news.clear()
        try:
            async with asyncio.timeout(due_s):
                await self._news.wait()
        except TimeoutError:
            if not self._changes_due and not self._waiting:
                await self._tidy()

    def _due_s(self) -> float | None:
        """When there is something to do without news, from now; None for never."""
        times = []
        if self._waiting:
            times.append(self._arrivals_at)
        else:
            self._in_bulk = False
            self._came_to_rest = True
        if self._changes_due:
            times.append(self._changes_at)
        if times:
            return max(0.0, min(times) - self._now_s())
        self._settled.set()
        if self._log_full:
            return self._pace.retry_s
        if self._untidy_since is None:
            return None
        latest_s = self._untidy_since + self._pace.untidy_s - self._now_s()
        return max(0.0, min(self._pace.quiet_s, latest_s))

    async def _tidy(self) -> None:
        """Leave no trace of what was taken out."""
        index = self.index
        assert index is not None, "it was opened"
        log_full, self._log_full = self._log_full, False
        if log_full:
            await self._emptied(self._database.empty_log())
        if log_full or await self._of_index(index.has_traces()):
            await self._apply(index.compact())
        self._untidy_since = None

    def _sweep(self, index: SearchIndex, room: bytes) -> None:
        """Have a room taken out; nothing of it is found from now on."""

        async def sweep(done: Future[None]) -> None:
            try:
                await asyncio.wrap_future(done)
            except DatabaseCorruptError:
                if self.index is index:
                    self.replace()
            except StoreError as error:
                # What is left of it goes after the next opening.
                _LOG.info("a room waits to leave the search index: %s", error.code)

        self._sweeps.spawn(sweep(index.remove_room(room)))

    async def _apply(self, done: Future[None]) -> None:
        """Wait for a job of the index that takes words out."""
        await self._emptied(self._of_index(done))

    async def _emptied(self, done: Future[None] | Awaitable[None]) -> None:
        """Wait for work that ends with an empty log, or note that this is due."""
        try:
            await (asyncio.wrap_future(done) if isinstance(done, Future) else done)
        except EnvironmentFault as error:
            if error.code != "busy":
                raise
            self._log_full = True

    async def _of_index(self, asked: Future[T]) -> T:
        """An answer of the index.

        Raises:
            IndexDamagedError: It can give none.
        """
        try:
            return await asyncio.wrap_future(asked)
        except DatabaseCorruptError as error:
            raise IndexDamagedError(str(error)) from error

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self._database.read(work))

    async def _pause(self, failures: int) -> None:
        """Wait longer each time, but not when it is time to end."""
        if not failures:
            return
        most = self._pace.max_retry_s
        pause_s = min(self._pace.retry_s * 2 ** min(failures - 1, 16), most)
        deadline = self._now_s() + pause_s
        while not self._stopping and (left_s := deadline - self._now_s()) > 0:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._news.wait()

    def _is_time(self, at_s: float) -> bool:
        """Whether to go on with what is due then: at once when somebody searches."""
        return bool(self._askers) or self._now_s() >= at_s

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()
