"""The invented core's part about finding what was said: see :mod:`ui.sample`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.snapshots import MessageSnapshot, SearchHit

if TYPE_CHECKING:
    from ui.sample import SampleRoom

SNIPPET_CHARS = 90


class SampleLookup:
    """Looks through the messages of one process's memory.

    Attributes:
        index_is_whole: False while there may be more to find.
        queries: What was asked, in order.
    """

    _rooms: dict[str, SampleRoom]

    def __init__(self) -> None:
        self.index_is_whole = True
        self.queries: list[str] = []

    async def search(
        self,
        query: str,
        *,
        room: str | None = None,
        author: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> list[SearchHit]:
        """Messages that hold every word, the newest first."""
        self.queries.append(query)
        words = query.casefold().split()
        found = [
            (message, held.snapshot.name)
            for held in self._rooms.values()
            for message in held.messages
            if (room is None or message.room == room)
            and (author is None or message.author == author)
            and (since_ms is None or message.sent_at >= since_ms)
            and (until_ms is None or message.sent_at < until_ms)
            and all(word in message.text.casefold() for word in words)
        ]
        found.sort(key=lambda it: -it[0].sent_at)
        start = 0 if before is None else before + 1
        return [
            _hit(message, name, words, at)
            for at, (message, name) in enumerate(found)
            if start <= at < start + limit
        ]

    async def search_is_whole(self) -> bool:
        """As set."""
        return self.index_is_whole


def _hit(
    message: MessageSnapshot, name: str, words: list[str], cursor: int
) -> SearchHit:
    text = message.text
    firsts = [text.casefold().find(word) for word in words]
    start = max(0, min(firsts, default=0) - 20)
    snippet = text[start : start + SNIPPET_CHARS]
    ranges = sorted(
        (at, at + len(word))
        for word in words
        if (at := snippet.casefold().find(word)) >= 0
    )
    return SearchHit(
        message,
        name,
        snippet,
        tuple(ranges),
        cut_before=start > 0,
        cut_after=start + SNIPPET_CHARS < len(text),
        cursor=cursor,
    )
