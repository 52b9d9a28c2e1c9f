"""What the search index is filled from: the contents of rooms, as entries of it.

Functions of a connection to the profile's database. What arrived in a room is read
behind its mark, what changed since by the list of changes; the index keeps the mark in
the same transaction as the entries, so that it goes on wherever it was interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from store import contents, rooms
from store.contents import MessageRow
from store.database import Connection
from store.search import Entry, Hit, SearchQuery, Snippet
from store.search.query import parse
from store.search.snippet import snippet
from store.settings import get_setting, set_setting

BATCH_MESSAGES = 256
"""Read and indexed at a time: at most 16 MiB of text."""
CHANGES = b"changes"
"""Where the index has its mark of the list of changes; no room's id is as short."""

_DROPPED = "search-changes"
_NUMBER_BYTES = 8
_ID_BYTES = 32


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a room is indexed."""

    number: int = 0
    """Of the last message that was looked at, in the order of arrival."""
    id: bytes = bytes(_ID_BYTES)
    """Its id: so it shows when the contents were derived anew meanwhile."""

    def encode(self) -> bytes:
        """As the index keeps it."""
        return self.number.to_bytes(_NUMBER_BYTES, "big") + self.id

    @classmethod
    def decode(cls, data: bytes) -> Mark | None:
        """The inverse of ``encode``; None for what is no mark of a room."""
        if len(data) != _NUMBER_BYTES + _ID_BYTES or data[0] & 0x80:
            return None
        return cls(int.from_bytes(data[:_NUMBER_BYTES], "big"), data[_NUMBER_BYTES:])


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What arrived in a room behind its mark."""

    put: tuple[Entry, ...]
    mark: Mark
    """Behind these."""
    more: bool
    """There may be more."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What became different among what is indexed."""

    put: tuple[Entry, ...]
    removed: tuple[tuple[bytes, bytes], ...]
    """Room and message."""
    through: int
    """Up to where the list was read."""
    wiped: bool
    """Words went from the profile's database, too."""
    more: bool


@dataclass(frozen=True, slots=True)
class Read:
    """A message that was found, as it is now."""

    message: MessageRow
    snippet: Snippet


def listed_rooms(connection: Connection) -> dict[bytes, int]:
    """The rows of all rooms that are searched, by their ids: those not left."""
    return {
        room.room: room.row
        for room in rooms.list_rooms(connection)
        if room.left_at is None
    }


def review(
    connection: Connection, marks: Mapping[bytes, bytes]
) -> tuple[dict[bytes, Mark], list[bytes]]:
    """Hold the marks of an index against the rooms there are.

    Returns:
        The mark of every room to go on from, and which rooms the index must forget:
        they were left, or their contents are not those that were indexed.
    """
    known = listed_rooms(connection)
    good = dict.fromkeys(known, Mark())
    stale = []
    for room, data in marks.items():
        if room == CHANGES:
            continue
        mark = Mark.decode(data)
        if room in known and mark is not None and _fits(connection, known[room], mark):
            good[room] = mark
        else:
            stale.append(room)
    return good, stale


def arrivals(
    connection: Connection, room: bytes, mark: Mark, *, limit: int = BATCH_MESSAGES
) -> Arrivals | None:
    """What arrived in a room behind its mark, as it is now; None if it was left."""
    row = listed_rooms(connection).get(room)
    if row is None:
        return None
    found = contents.arrived(connection, row, after=mark.number, limit=limit)
    if found:
        mark = Mark(found[-1].number, found[-1].id)
    entries = (_entry(room, message) for message in found)
    put = tuple(entry for entry in entries if entry is not None)
    return Arrivals(put, mark, more=len(found) == limit)


def changes(
    connection: Connection, marks: Mapping[bytes, Mark], *, limit: int = BATCH_MESSAGES
) -> Changes:
    """What the list of changes says of messages that are indexed.

    Args:
        connection: A reader's.
        marks: How far each room is indexed: what lies behind is read when its turn
            comes, as it is then.
        limit: How many at most.
    """
    ids = {row: room for room, row in listed_rooms(connection).items()}
    found = contents.changed(connection, limit=limit)
    put = []
    removed = []
    for changed in found:
        message = changed.message
        room = ids.get(message.room)
        if room is None or message.number > marks.get(room, Mark()).number:
            continue
        entry = _entry(room, message)
        if entry is not None:
            put.append(entry)
        else:
            removed.append((room, message.id))
    return Changes(
        tuple(put),
        tuple(removed),
        through=found[-1].serial if found else 0,
        wiped=any(changed.message.wiped for changed in found),
        more=len(found) == limit,
    )


def dropped(connection: Connection) -> int:
    """Up to where the list of changes was indexed and forgotten."""
    found = get_setting(connection, _DROPPED)
    return int.from_bytes(found, "big") if found is not None else 0


def drop(connection: Connection, through: int) -> None:
    """Forget changes that are indexed, and remember which; in the writer's thread."""
    contents.drop_changed(connection, through)
    set_setting(connection, _DROPPED, encode_number(through))


def encode_number(number: int) -> bytes:
    """A number of the list of changes as it is kept."""
    return number.to_bytes(_NUMBER_BYTES, "big")


def read_hits(
    connection: Connection,
    hits: Sequence[Hit],
    query: SearchQuery,
    listed: Mapping[bytes, int],
) -> list[Read | None]:
    """The messages that were found, as they are now.

    Args:
        connection: A reader's.
        hits: What the index says.
        query: What was looked for.
        listed: Rows of the rooms of which something may be shown, by their ids.

    Returns:
        One for each hit; None for what is not to be read any more, or says something
        else by now: the index has not heard of it yet.
    """
    terms = parse(query.text, typing=query.typing)
    read: list[Read | None] = []
    for hit in hits:
        row = listed.get(hit.room)
        now = None if row is None else contents.message(connection, row, hit.message)
        if now is None or not _is_found(now):
            read.append(None)
            continue
        part = hit.snippet
        if now.edited_at is not None:
            part = snippet(_text(now), terms)
            if terms and not part.ranges:
                read.append(None)
                continue
        read.append(Read(now, part))
    return read


def _fits(connection: Connection, row: int, mark: Mark) -> bool:
    """Whether the message of a mark is the one that has its number."""
    found = contents.arrived(connection, row, after=mark.number - 1, limit=1)
    return bool(found) and (found[0].number, found[0].id) == (mark.number, mark.id)


def _is_found(message: MessageRow) -> bool:
    """Whether a message is to be found."""
    gone = message.deleted or message.expired or message.wiped
    return message.shown and not gone


def _text(message: MessageRow) -> str:
    """By which words a message is found."""
    if message.poll is None:
        return message.text
    return "\n".join((message.text, *message.poll.options))


def _entry(room: bytes, message: MessageRow) -> Entry | None:
    """A message as the index takes it; None for what is not to be found."""
    text = _text(message)
    if not text or not _is_found(message):
        return None
    return Entry(
        room=room,
        message=message.id,
        author=message.identity or message.device,
        # Who says it was sent later than it was written is not believed: it would
        # stand above everything for ever.
        time_ms=min(message.sent_at, message.clock),
        text=text,
    )
