"""Entries of the index: kept, replaced, taken out; to be run by ``store.database``.

Deleting is thorough: afterwards no page of the file holds a word that no other entry
has. FTS5's secure-delete takes words out of the lists at once and SQLite overwrites
what becomes free; but FTS5 also keeps the first word of each page of its lists in a
directory, and leaves it there when that very word goes. ``_mend_directory`` puts the
page's next word in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from store.database import Connection
from store.search.query import tags
from store.search.schema import (
    MAX_TIME_MS,
    PREFIX_INDEX_CHARS,
    SLOT_BITS,
    SLOT_COUNT,
    first_id,
)
from store.search.words import normalise, words

MAX_MARK_BYTES = 4_096
MAX_LOOKUPS = 20_000
"""Beyond so many the directory of the lists is read through instead."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as it shall be found."""

    room: bytes
    message: bytes
    """Its id, unique in the room."""
    author: bytes
    time_ms: int
    """Milliseconds since 1970, by which it is ordered."""
    text: str
    has_file: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    """An entry as it lies in its table."""

    id: int
    room: int
    author: int
    has_file: bool
    text: str
    """Normalised."""

    @property
    def tags(self) -> str:
        return tags(room=self.room, author=self.author, has_file=self.has_file)


FIND = (
    "SELECT id, room, author, has_file, text FROM entry"
    " WHERE substr(message, 1, 8) = substr(?1, 1, 8) AND message = ?1 AND room = ?2"
)


def apply(
    connection: Connection,
    put: Iterable[Entry],
    removed: Iterable[tuple[bytes, bytes]],
    marks: Mapping[bytes, bytes],
) -> bool:
    """Keep entries, take others out and remember how far the sources are indexed.

    Args:
        connection: The writer's.
        put: Entries; one whose room and message are known replaces that one.
        removed: Room and message of each to be taken out; unknown ones are passed over.
        marks: By room.

    Returns:
        Whether words were taken out.
    """
    rooms = _Numbers(connection, "room")
    authors = _Numbers(connection, "author")
    gone: dict[int, _Row] = {}
    for room, message in removed:
        row = _find(connection, rooms.known(room), message)
        if row is not None:
            gone[row.id] = row
    latest = {(entry.room, entry.message): entry for entry in put}
    fresh: list[tuple[Entry, _Row | None]] = []
    for entry in sorted(latest.values(), key=lambda entry: entry.time_ms):
        old = _find(connection, rooms.known(entry.room), entry.message)
        if old is not None:
            gone[old.id] = old
        fresh.append((entry, old))
    _take_out(connection, list(gone.values()))
    rows = []
    # Those that keep their numbers come before somebody else takes these.
    fresh.sort(key=lambda pair: not _same_second(*pair))
    for entry, old in fresh:
        row = _insert(
            connection,
            entry,
            old,
            room=rooms.number(entry.room),
            author=authors.number(entry.author),
        )
        rows.append((row.id, words(row.text), row.tags))
    # The lists take ascending numbers best.
    rows.sort()
    connection.executemany(
        "INSERT INTO words (rowid, body, tags) VALUES (?, ?, ?)", rows
    )
    for room, mark in marks.items():
        connection.execute(
            "UPDATE room SET mark = ? WHERE id = ?", (mark, rooms.number(room))
        )
    return bool(gone)


def mark(connection: Connection, room: bytes) -> bytes | None:
    """How far the source of a room is indexed; None when nothing is."""
    for (found,) in connection.execute("SELECT mark FROM room WHERE key = ?", (room,)):
        return None if found is None else bytes(found)
    return None


def marks(connection: Connection) -> dict[bytes, bytes]:
    """The marks of all rooms that have one."""
    return dict(
        connection.execute(
            "SELECT key, mark FROM room WHERE key IS NOT NULL AND mark IS NOT NULL"
        )
    )


def has_traces(connection: Connection) -> bool:
    """Tell whether the slack of pages may hold what was removed."""
    found = connection.execute("SELECT count(*) FROM fact WHERE name = 'traces'").get
    return bool(found)


def forget_traces(connection: Connection) -> None:
    """Note that the file was rewritten."""
    connection.execute("DELETE FROM fact WHERE name = 'traces'")


def hide_room(connection: Connection, room: bytes) -> bool:
    """Let a room be found no more; its entries wait for ``sweep``.

    Returns:
        Whether there is anything to sweep.
    """
    connection.execute("UPDATE room SET key = NULL, mark = NULL WHERE key = ?", (room,))
    return bool(connection.changes())


def sweep(connection: Connection, limit: int) -> bool:
    """Take out at most so many entries of hidden rooms.

    Returns:
        Whether there are more.
    """
    hidden = connection.execute("SELECT id FROM room WHERE key IS NULL LIMIT 1").get
    if hidden is None:
        return False
    found = connection.execute(
        "SELECT e.id, e.room, e.author, e.has_file, e.text FROM words w"
        " CROSS JOIN entry e ON e.id = w.rowid WHERE w.words MATCH ? LIMIT ?",
        (f'tags : "r{hidden}"', limit),
    )
    rows = [_row(values) for values in found]
    if rows:
        _take_out(connection, rows)
        return True
    connection.execute("DELETE FROM room WHERE id = ?", (hidden,))
    _forget_authors(connection)
    return bool(connection.execute("SELECT count(*) FROM room WHERE key IS NULL").get)


def _forget_authors(connection: Connection) -> None:
    """Drop those that no entry is by."""
    numbers = connection.execute("SELECT id FROM author").fetchall()
    for (number,) in numbers:
        found = connection.execute(
            "SELECT 1 FROM words WHERE words MATCH ? LIMIT 1", (f'tags : "a{number}"',)
        ).get
        if found is None:
            connection.execute("DELETE FROM author WHERE id = ?", (number,))


class _Numbers:
    """The short numbers that stand for keys of rooms or authors."""

    def __init__(self, connection: Connection, table: str) -> None:
        self._connection = connection
        self._table = table
        self._numbers: dict[bytes, int] = {}

    def known(self, key: bytes) -> int | None:
        """The number of a key, if it has one."""
        if key not in self._numbers:
            found = self._connection.execute(
                f"SELECT id FROM {self._table} WHERE key = ?", (key,)
            ).get
            if found is None:
                return None
            self._numbers[key] = int(found)
        return self._numbers[key]

    def number(self, key: bytes) -> int:
        """The number of a key, which gets one if it has none."""
        number = self.known(key)
        if number is None:
            self._connection.execute(
                f"INSERT INTO {self._table} (key) VALUES (?)", (key,)
            )
            number = self._numbers[key] = self._connection.last_insert_rowid()
        return number


def _row(values: Sequence[object]) -> _Row:
    id, room, author, has_file, text = values
    return _Row(id, room, author, bool(has_file), text)  # type: ignore[arg-type]


def _find(connection: Connection, room: int | None, message: bytes) -> _Row | None:
    if room is None:
        return None
    for values in connection.execute(FIND, (message, room)):
        return _row(values)
    return None


def _insert(
    connection: Connection, entry: Entry, old: _Row | None, *, room: int, author: int
) -> _Row:
    """Keep an entry in the table; one of the same time keeps its number."""
    time_ms = max(0, min(entry.time_ms, MAX_TIME_MS))
    if old is not None and _same_second(entry, old):
        id = old.id
    else:
        id = _free_id(connection, first_id(time_ms))
        time_ms = max(time_ms, (id >> SLOT_BITS) * 1_000)
    row = _Row(id, room, author, entry.has_file, normalise(entry.text))
    connection.execute(
        "INSERT INTO entry (id, room, author, message, time_ms, has_file, text)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (row.id, room, author, entry.message, time_ms, row.has_file, row.text),
    )
    return row


def _same_second(entry: Entry, old: _Row | None) -> bool:
    """Tell whether an entry can have the number of the one it replaces."""
    if old is None:
        return False
    time_ms = max(0, min(entry.time_ms, MAX_TIME_MS))
    return old.id >> SLOT_BITS == first_id(time_ms) >> SLOT_BITS


def _free_id(connection: Connection, first: int) -> int:
    """A number behind the others of a second, or of the next that has room."""
    while True:
        end = first + SLOT_COUNT - 1
        last = connection.execute(
            "SELECT max(id) FROM entry WHERE id BETWEEN ? AND ?", (first, end)
        ).get
        if last is None:
            return first
        if last < end:
            return int(last) + 1
        first += SLOT_COUNT


def _take_out(connection: Connection, rows: list[_Row]) -> None:
    """Take entries out of the table and of the lists, and let nothing remain."""
    if not rows:
        return
    rows.sort(key=lambda row: row.id)
    bodies = [words(row.text) for row in rows]
    connection.executemany(
        "INSERT INTO words (words, rowid, body, tags) VALUES ('delete', ?, ?, ?)",
        [(row.id, body, row.tags) for row, body in zip(rows, bodies, strict=True)],
    )
    connection.executemany(
        "DELETE FROM entry WHERE id = ?", [(row.id,) for row in rows]
    )
    # Only now FTS5 writes to its pages.
    connection.execute("INSERT INTO words (words) VALUES ('flush')")
    _mend_directory(connection, {word for body in bodies for word in body.split()})
    connection.execute(
        "INSERT INTO fact (name, value) VALUES ('traces', '') ON CONFLICT DO NOTHING"
    )


def _mend_directory(connection: Connection, removed: set[str]) -> None:
    """Replace words in the directory of pages that went from the pages.

    ``words_idx`` tells for each page of a list the first word on it, or a beginning of
    that word that tells it from the last word before. Any value between these two
    serves, so the first word that is really on the page does.
    """
    keys = {b"0" + word.encode() for word in removed}
    for number, chars in enumerate(PREFIX_INDEX_CHARS, 1):
        keys |= {
            b"%d" % number + word[:chars].encode()
            for word in removed
            if len(word) >= chars
        }
    segments = _segments(connection)
    if len(keys) * len(segments) <= MAX_LOOKUPS:
        _mend_by_keys(connection, segments, keys)
        return
    beginnings = {key[:size] for key in keys for size in range(2, len(key) + 1)}
    found = [
        (segment, bytes(term), page)
        for segment, term, page in connection.execute(
            "SELECT segid, term, pgno FROM words_idx"
        )
        if bytes(term) in beginnings
    ]
    for segment, term, page in found:
        _mend_page(connection, segment, term, page)


def _mend_by_keys(
    connection: Connection, segments: list[int], keys: set[bytes]
) -> None:
    """Look up each word: it, or a beginning of it, comes last before its place."""
    for segment in segments:
        for key in keys:
            found = connection.execute(
                "SELECT term, pgno FROM words_idx WHERE segid = ? AND term <= ?"
                " ORDER BY term DESC LIMIT 1",
                (segment, key),
            ).get
            if found is not None:
                term = bytes(found[0])
                if len(term) > 1 and key.startswith(term):
                    _mend_page(connection, segment, term, found[1])


def _mend_page(connection: Connection, segment: int, term: bytes, page: int) -> None:
    """Let the directory name the first word of a page, if it names one that went."""
    first = _first_word(connection, segment, page >> 1)
    if first is not None and not first.startswith(term):
        connection.execute(
            "UPDATE words_idx SET term = ? WHERE segid = ? AND term = ?",
            (first, segment, term),
        )


def _segments(connection: Connection) -> list[int]:
    """The numbers of the lists that FTS5 keeps side by side, by jumps in an index."""
    found: list[int] = []
    while True:
        after = found[-1] if found else -1
        number = connection.execute(
            "SELECT min(segid) FROM words_idx WHERE segid > ?", (after,)
        ).get
        if number is None:
            return found
        found.append(int(number))


def _first_word(connection: Connection, segment: int, page: int) -> bytes | None:
    """The first word that begins on a page of a list, with the sign of its index.

    A page is two bytes of where its first number is, two of where its content ends,
    the content, and from there on the distances of the words: a varint each. The first
    word is whole: a varint of its length and its bytes.
    """
    data = connection.execute(
        "SELECT block FROM words_data WHERE id = ?", (segment << 37 | page,)
    ).get
    if data is None or len(data) < 4:
        return None
    end = int.from_bytes(data[2:4], "big")
    if end >= len(data):
        return None
    at, _ = _varint(data, end)
    size, at = _varint(data, at)
    return bytes(data[at : at + size])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number in SQLite's form, most significant group first, and where it ends."""
    value = 0
    for byte in data[at : at + 9]:
        at += 1
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return value, at
