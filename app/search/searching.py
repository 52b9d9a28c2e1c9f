"""The search of a profile, as its messenger uses it: fed with news, asked by clients.

What is found is read again before it is shown, so nothing that was deleted is seen
while the index has not heard of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.errors import UserFacingError
from app.faults import explained
from app.search import source
from app.search.indexer import Indexer, Pace
from app.search.source import Read
from store.contents import MessageRow
from store.database import Connection, Database
from store.errors import DatabaseCorruptError, StoreError
from store.search import Hit, SearchQuery, Snippet

MAX_HITS: Final = 200
"""Given in one answer."""
MAX_ANSWER_CHARS: Final = 2 * 1024 * 1024
"""Text given in one answer; a page is shorter rather than larger."""
MAX_TRIES: Final = 3
"""Of a search whose index is found to be damaged, or is closed under it."""
_PACE: Final = Pace()


@dataclass(frozen=True, slots=True)
class Found:
    """A message that was found, as it is now."""

    room: bytes
    message: MessageRow
    snippet: Snippet
    cursor: int
    """To go on behind it."""


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
        """Make a search that does nothing yet.

        Args:
            folder: The profile's, where the index lies.
            database: The profile's.
            key: 32 bytes, under which the index is encrypted; None for a plain file.
            pace: How long to wait for what.
        """
        self._database = database
        self._indexer = Indexer(folder, database, key=key, pace=pace)

    def start(self) -> None:
        """Begin to open the index and to catch up; waits for neither."""
        self._indexer.start()

    async def stop(self) -> None:
        """End what is under way, a batch at most, and close the index."""
        await self._indexer.stop()

    def content_changed(self, room: bytes | None = None) -> None:
        """Something was committed that the index has to hear of.

        Args:
            room: Id of the room where something may be new; None when only what is
                known may have changed, as when its time is over.
        """
        self._indexer.content_changed(room)

    def room_left(self, room: bytes) -> None:
        """Forget a room; to be called when the profile's database says it was left."""
        self._indexer.room_left(room)

    async def settled(self) -> None:
        """Wait until everything told so far is indexed."""
        await self._indexer.settled()

    @property
    def is_whole(self) -> bool:
        """False while there is more to be found than the index knows, by far."""
        return self._indexer.is_whole

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
            await self._indexer.catch_up()
            while len(found) < limit:
                hits = await self._hits(query, limit=limit, before=before, best=best)
                read = await asyncio.wrap_future(
                    self._database.read(_reading(hits, query, listed))
                )
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
            index = self._indexer.index
            if index is None:
                break
            try:
                if best:
                    asked = index.best(query, limit=limit, skip=before or 0)
                else:
                    asked = index.newest(query, limit=limit, before=before)
                return await asyncio.wrap_future(asked)
            except DatabaseCorruptError:
                if self._indexer.index is index:
                    self._indexer.replace()
            except StoreError as error:
                if error.code != "closed":
                    raise
            await self._indexer.catch_up()
        raise UserFacingError(
            "search-unavailable",
            "The search index cannot be used at the moment: try again in a minute.",
        )


def _reading(
    hits: list[Hit], query: SearchQuery, listed: Mapping[bytes, int]
) -> Callable[[Connection], list[Read | None]]:
    return lambda connection: source.read_hits(connection, hits, query, listed)


def _found(hit: Hit, now: Read, *, cursor: int) -> Found:
    return Found(hit.room, now.message, now.snippet, cursor)
