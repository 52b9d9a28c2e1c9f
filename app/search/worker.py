"""Keeps the search index of a profile up with its rooms, and answers searches.

One worker a profile, on the loop: it hands its work to the threads of the two files, a
batch at a time, and goes on from the marks of the index wherever it was ended. Nothing
in the index is truth: what is missing, damaged, outdated or behind what the profile
remembers is built anew, and what is found is read again before it is shown, so nothing
that was deleted is seen while the index has not heard of it.

Leaves what is indexed to ``app.search.source`` and how to ``store.search``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from app.errors import UserFacingError
from app.faults import explained
from app.search import source
from app.search.source import CHANGES, Mark, Read
from app.tasks import Tasks
from store.contents import MessageRow
from store.database import Connection, Database
from store.errors import DatabaseCorruptError, EnvironmentFault, StoreError
from store.search import Hit, SearchIndex, SearchQuery, Snippet

T = TypeVar("T")

MAX_HITS: Final = 200
"""Given in one answer."""
MAX_ANSWER_CHARS: Final = 2 * 1024 * 1024
"""Text given in one answer; a page is shorter rather than larger."""
MAX_TRIES: Final = 3
"""Of a search whose index is found to be damaged, or is closed under it."""

_LOG = logging.getLogger("covey.search")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the worker waits for what."""

    changes_s: float = 1.0
    """Between two looks at what was edited or deleted: taking words out rewrites the
    file, and they come in bursts."""
    quiet_s: float = 3_600.0
    """Without news, before the file is rewritten."""
    retry_s: float = 5.0
    """After the disk refused, doubled each time."""
    max_retry_s: float = 300.0
    patience_s: float = 2.0
    """That a search waits for the index to catch up."""


@dataclass(frozen=True, slots=True)
class Found:
    """A message that was found, as it is now."""

    room: bytes
    message: MessageRow
    snippet: Snippet
    cursor: int
    """To go on behind it."""


_PACE = Pace()


class IndexDamagedError(Exception):
    """The index can be used no more; another one must be made."""


class Searching:
    """The search of one profile; ``start`` it, and ``stop`` it before the database."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        *,
        key: bytes | None,
        pace: Pace = _PACE,
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
        self._index: SearchIndex | None = None
        self._afresh = False
        self._marks: dict[bytes, Mark] = {}
        # In the order of their turns.
        self._waiting: dict[bytes, None] = {}
        self._leaving: dict[bytes, None] = {}
        self._changes_due = False
        self._changes_at = 0.0
        self._in_bulk = False
        self._began_at = 0.0
        self._is_tidy = True
        self._log_full = False
        self._news = asyncio.Event()
        self._opened = asyncio.Event()
        self._fresh = asyncio.Event()
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
        self._fresh.clear()
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

    async def search(
        self,
        query: SearchQuery,
        listed: Mapping[bytes, int],
        *,
        limit: int,
        before: int | None = None,
        best: bool = False,
    ) -> list[Found]:
        """Find messages, the newest first.

        Args:
            query: What is looked for.
            listed: Rows of the rooms of which something may be shown, by their ids.
            limit: At most this many, and never more than ``MAX_HITS``.
            before: Cursor of a message of the same search: go on behind it.
            best: Those that fit best among the newest 10,000, best first.

        Raises:
            UserFacingError: ``search-unavailable``: the index cannot be opened now;
                ``disk`` and others of the database.
        """
        limit = max(0, min(limit, MAX_HITS))
        if before is not None:
            before = max(0, min(before, (1 << 62)))
        found: list[Found] = []
        size_chars = 0
        with explained():
            await self._catch_up()
            while len(found) < limit:
                hits = await self._hits(query, limit=limit, before=before, best=best)
                read = await self._read(_reading(hits, query, listed))
                for hit, now in zip(hits, read, strict=True):
                    before = (before or 0) + 1 if best else hit.position
                    if now is None or len(found) == limit:
                        continue
                    size_chars += len(now.message.text)
                    if found and size_chars > MAX_ANSWER_CHARS:
                        return found
                    found.append(_found(hit, now, cursor=before))
                if len(hits) < limit:
                    break
        return found

    async def _hits(
        self, query: SearchQuery, *, limit: int, before: int | None, best: bool
    ) -> list[Hit]:
        """What the index says; another index is asked when it is damaged."""
        for _ in range(MAX_TRIES):
            index = self._index
            if index is None:
                break
            try:
                if best:
                    asked = index.best(query, limit=limit, skip=before or 0)
                else:
                    asked = index.newest(query, limit=limit, before=before)
                return await asyncio.wrap_future(asked)
            except DatabaseCorruptError:
                if self._index is index:
                    self._replace()
            except StoreError as error:
                if error.code != "closed":
                    raise
            await self._catch_up()
        raise UserFacingError(
            "search-unavailable",
            "The search index cannot be used at the moment: try again in a minute.",
        )

    async def _catch_up(self) -> None:
        """Wait a little for the index to know what came before this moment.

        Who searches while it is being built gets what is there.
        """
        limit_s = self._pace.patience_s
        if self._in_bulk:
            limit_s += self._began_at - self._now_s()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, limit_s)):
                await self._opened.wait()
                await self._fresh.wait()

    async def _run(self) -> None:
        failures = 0
        while not self._stopping:
            try:
                if self._index is None:
                    await self._open()
                if await self._step():
                    failures = 0
                else:
                    await self._rest()
            except IndexDamagedError as error:
                _LOG.warning("the search index is built anew: %s", error)
                self._replace()
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
        afresh, self._afresh = self._afresh, False
        index = await asyncio.to_thread(
            SearchIndex.open, self._folder, key=self._key, afresh=afresh
        )
        try:
            await self._begin(index)
        except BaseException:
            await asyncio.to_thread(index.close)
            raise
        self._index = index
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
        self._is_tidy = False

    async def _close(self) -> None:
        self._opened.clear()
        index, self._index = self._index, None
        if index is not None:
            await asyncio.to_thread(index.close)

    def _replace(self) -> None:
        """Have the worker throw the index away and build another one."""
        self._afresh = True
        self._fresh.clear()
        self._settled.clear()
        self._opened.clear()
        self._news.set()

    async def _step(self) -> bool:
        """Do one batch of what is most urgent; False when nothing is due now."""
        index = self._index
        assert index is not None, "it was opened"
        if self._afresh:
            raise IndexDamagedError("a search found it damaged")
        if self._leaving:
            room = next(iter(self._leaving))
            self._sweep(index, room)
            self._marks.pop(room, None)
            del self._leaving[room]
        elif self._changes_due and self._now_s() >= self._changes_at:
            await self._take_changes(index)
        elif self._waiting:
            room = next(iter(self._waiting))
            del self._waiting[room]
            try:
                await self._take_arrivals(index, room)
            except BaseException:
                self._waiting[room] = None
                raise
        else:
            return False
        self._is_tidy = False
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
        self._in_bulk = False
        self._fresh.set()
        due_s: float | None = None
        if self._changes_due:
            due_s = max(0.0, self._changes_at - self._now_s())
        else:
            self._settled.set()
            if self._log_full:
                due_s = self._pace.retry_s
            elif not self._is_tidy:
                due_s = self._pace.quiet_s
        # Nothing was awaited since there was nothing to do: no news are lost.
        self._news.clear()
        try:
            async with asyncio.timeout(due_s):
                await self._news.wait()
        except TimeoutError:
            if not self._changes_due:
                await self._tidy()

    async def _tidy(self) -> None:
        """Leave no trace of what was taken out."""
        index = self._index
        assert index is not None, "it was opened"
        log_full, self._log_full = self._log_full, False
        if log_full:
            await self._emptied(self._database.empty_log())
        if log_full or await self._of_index(index.has_traces()):
            await self._apply(index.compact())
        self._is_tidy = True

    def _sweep(self, index: SearchIndex, room: bytes) -> None:
        """Have a room taken out; nothing of it is found from now on."""

        async def sweep(done: Future[None]) -> None:
            try:
                await asyncio.wrap_future(done)
            except DatabaseCorruptError:
                if self._index is index:
                    self._replace()
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

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()


def _reading(
    hits: list[Hit], query: SearchQuery, listed: Mapping[bytes, int]
) -> Callable[[Connection], list[Read | None]]:
    return lambda connection: source.read_hits(connection, hits, query, listed)


def _found(hit: Hit, now: Read, *, cursor: int) -> Found:
    return Found(hit.room, now.message, now.snippet, cursor)
