"""Searches: functions of a reader's connection.

The newest hits are read from the newest end of the lists, so a page costs what is on
it. The best ones are ranked among the newest ``MAX_RANKED`` hits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from store.database import Connection
from store.search.query import SearchQuery, Term, expression, parse, tag_filter
from store.search.schema import MAX_TIME_MS, SLOT_BITS
from store.search.snippet import Snippet, snippet

MAX_PAGE = 200
"""Hits given at once."""
MAX_RANKED = 10_000
"""Newest hits among which the best are looked for."""

_COLUMNS = (
    "SELECT e.id, r.key, e.message, a.key, e.has_file, e.text{more} FROM words w"
    " CROSS JOIN entry e ON e.id = w.rowid"
    " CROSS JOIN room r ON r.id = e.room AND r.key IS NOT NULL"
    " CROSS JOIN author a ON a.id = e.author"
)
NEWEST = (
    _COLUMNS.format(more="") + " WHERE w.words MATCH ? AND w.rowid >= ? AND w.rowid < ?"
    " ORDER BY w.rowid DESC LIMIT ?"
)
_ALL = (
    "SELECT e.id, r.key, e.message, a.key, e.has_file, e.text FROM entry e"
    " CROSS JOIN room r ON r.id = e.room AND r.key IS NOT NULL"
    " CROSS JOIN author a ON a.id = e.author"
    " WHERE e.id >= ? AND e.id < ? ORDER BY e.id DESC LIMIT ?"
)
RANKED = (
    "SELECT rowid, bm25(words, 1.0, 0.0) AS score FROM words WHERE words MATCH ?"
    " AND rowid >= ? AND rowid < ? ORDER BY rowid DESC LIMIT ?"
)
BEST = (
    "SELECT e.id, r.key, e.message, a.key, e.has_file, e.text"
    f" FROM ({RANKED}) AS w"
    " CROSS JOIN entry e ON e.id = w.rowid"
    " CROSS JOIN room r ON r.id = e.room AND r.key IS NOT NULL"
    " CROSS JOIN author a ON a.id = e.author"
    " ORDER BY w.score, w.rowid DESC LIMIT ? OFFSET ?"
)
_END = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry that was found."""

    position: int
    """Orders hits by time; for going on behind it."""
    room: bytes
    message: bytes
    author: bytes
    time_ms: int
    """Milliseconds since 1970."""
    has_file: bool
    snippet: Snippet


def newest(
    connection: Connection, query: SearchQuery, *, limit: int, before: int | None = None
) -> list[Hit]:
    """The newest hits, newest first.

    Args:
        connection: A reader's.
        query: What is looked for.
        limit: At most this many, and never more than ``MAX_PAGE``.
        before: Position of a hit; only older ones are given.
    """
    terms, match = _match(connection, query)
    if match is None:
        return []
    low, high = _bounds(query)
    if before is not None:
        high = min(high, before)
    limit = max(0, min(limit, MAX_PAGE))
    if match:
        found = connection.execute(NEWEST, (match, low, high, limit))
    else:
        found = connection.execute(_ALL, (low, high, limit))
    return [_hit(values, terms) for values in found]


def best(
    connection: Connection, query: SearchQuery, *, limit: int, skip: int = 0
) -> list[Hit]:
    """The hits that fit best among the newest ``MAX_RANKED``, best first.

    Without any word in the query they are the newest ones.

    Args:
        connection: A reader's.
        query: What is looked for.
        limit: At most this many, and never more than ``MAX_PAGE``.
        skip: How many of the best were given before.
    """
    terms, match = _match(connection, query)
    if match is None:
        return []
    low, high = _bounds(query)
    limit, skip = max(0, min(limit, MAX_PAGE)), max(0, min(skip, MAX_RANKED))
    if match:
        values = (match, low, high, MAX_RANKED, limit, skip)
        return [_hit(row, terms) for row in connection.execute(BEST, values)]
    found = connection.execute(_ALL, (low, high, limit + skip))
    return [_hit(row, terms) for row in found.fetchall()[skip:]]


def _match(
    connection: Connection, query: SearchQuery
) -> tuple[tuple[Term, ...], str | None]:
    """The terms, and what FTS5 shall match: "" for anything, None for nothing."""
    terms = parse(query.text, typing=query.typing)
    if query.text.strip() and not terms:
        # Only signs that are never looked for.
        return terms, None
    rooms = _numbers(connection, "room", query.rooms)
    authors = _numbers(connection, "author", query.authors)
    if (query.rooms and not rooms) or (query.authors and not authors):
        return terms, None
    conditions = tag_filter(rooms=rooms, authors=authors, has_file=query.has_file)
    if terms:
        conditions.insert(0, expression(terms))
    return terms, " AND ".join(conditions)


def _numbers(connection: Connection, table: str, keys: Sequence[bytes]) -> list[int]:
    found = []
    for key in dict.fromkeys(keys):
        rows = connection.execute(f"SELECT id FROM {table} WHERE key = ?", (key,))
        found += [int(number) for (number,) in rows]
    return found


def _bounds(query: SearchQuery) -> tuple[int, int]:
    """The first number of an entry that fits and the one behind the last."""
    low, high = 0, _END
    if query.since_ms is not None:
        low = max(0, min(query.since_ms, MAX_TIME_MS + 1)) << SLOT_BITS
    if query.until_ms is not None:
        high = max(0, min(query.until_ms, MAX_TIME_MS + 1)) << SLOT_BITS
    return low, high


def _hit(values: Sequence[object], terms: Sequence[Term]) -> Hit:
    id, room, message, author, has_file, text = values
    assert isinstance(id, int)
    return Hit(
        id,
        bytes(room),  # type: ignore[call-overload]
        bytes(message),  # type: ignore[call-overload]
        bytes(author),  # type: ignore[call-overload]
        id >> SLOT_BITS,
        bool(has_file),
        snippet(str(text), terms),
    )
