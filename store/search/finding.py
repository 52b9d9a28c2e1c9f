"""Searches: functions of a reader's connection.

The newest hits are read from the newest end of the lists, so a page costs what is on
it. The best ones are ranked among the newest ``MAX_RANKED`` hits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from store.database import Connection
from store.search.query import SearchQuery, Term, expression, parse, tag_filter
from store.search.schema import MAX_TIME_MS, first_id
from store.search.snippet import Snippet, snippet

MAX_PAGE = 200
"""Hits given at once."""
MAX_RANKED = 10_000
"""Newest hits among which the best are looked for."""

_NEVER = MAX_TIME_MS + 1_000
_COLUMNS = "SELECT e.id, r.key, e.message, a.key, e.time_ms, e.has_file, e.text"
_NAMES = (
    " CROSS JOIN room r ON r.id = e.room AND r.key IS NOT NULL"
    " CROSS JOIN author a ON a.id = e.author"
)
_TIMES = "e.time_ms >= ? AND e.time_ms < ?"
NEWEST = (
    f"{_COLUMNS} FROM words w CROSS JOIN entry e ON e.id = w.rowid{_NAMES}"
    f" WHERE w.words MATCH ? AND w.rowid >= ? AND w.rowid < ? AND {_TIMES}"
    " ORDER BY w.rowid DESC LIMIT ?"
)
NEWEST_OF_ALL = (
    f"{_COLUMNS} FROM entry e{_NAMES} WHERE e.id >= ? AND e.id < ? AND {_TIMES}"
    " ORDER BY e.id DESC LIMIT ?"
)
_RANKED = (
    "SELECT rowid, bm25(words, 1.0, 0.0) AS score FROM words WHERE words MATCH ?"
    f" AND rowid >= ? AND rowid < ? ORDER BY rowid DESC LIMIT {MAX_RANKED}"
)
BEST = (
    f"{_COLUMNS} FROM ({_RANKED}) AS w CROSS JOIN entry e ON e.id = w.rowid{_NAMES}"
    f" WHERE {_TIMES} ORDER BY w.score, w.rowid DESC LIMIT ? OFFSET ?"
)


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
    low, high, since, until = _bounds(query)
    if before is not None:
        high = min(high, before)
    limit = max(0, min(limit, MAX_PAGE))
    if match:
        values: tuple[object, ...] = (match, low, high, since, until, limit)
    else:
        values = (low, high, since, until, limit)
    statement = NEWEST if match else NEWEST_OF_ALL
    return [_hit(row, terms) for row in connection.execute(statement, values)]


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
    low, high, since, until = _bounds(query)
    limit, skip = max(0, min(limit, MAX_PAGE)), max(0, min(skip, MAX_RANKED))
    if match:
        values = (match, low, high, since, until, limit, skip)
        return [_hit(row, terms) for row in connection.execute(BEST, values)]
    found = connection.execute(NEWEST_OF_ALL, (low, high, since, until, limit + skip))
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


def _bounds(query: SearchQuery) -> tuple[int, int, int, int]:
    """Of numbers and of times: the first that fits and the one behind the last."""
    since = 0 if query.since_ms is None else max(0, min(query.since_ms, _NEVER))
    until = _NEVER if query.until_ms is None else max(0, min(query.until_ms, _NEVER))
    return first_id(since), first_id(until + 999), since, until


def _hit(values: Sequence[object], terms: Sequence[Term]) -> Hit:
    id, room, message, author, time_ms, has_file, text = values
    return Hit(
        id,  # type: ignore[arg-type]
        bytes(room),  # type: ignore[call-overload]
        bytes(message),  # type: ignore[call-overload]
        bytes(author),  # type: ignore[call-overload]
        time_ms,  # type: ignore[arg-type]
        bool(has_file),
        snippet(str(text), terms),
    )
