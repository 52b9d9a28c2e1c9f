"""What is new: unread messages and mentions, and what the search must look at.

Messages get ascending numbers as they arrive here, whatever their place in the order;
what is above the mark of a room is unread, and what is above that of the search index
is not yet found by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from store.contents.bodies import separate
from store.contents.pages import (
    COLUMNS,
    JOINS,
    SELECT,
    MessageRow,
    page,
    read_messages,
)
from store.database import Connection

MAX_COUNTED: Final = 10_000
"""Unread messages beyond the newest so many are not counted."""
MAX_MENTIONS_COUNTED: Final = 1_000
"""The same for those that mention anybody."""

_UNREAD = (
    " FROM content m WHERE m.room = :room AND m.arrival >"
    " (SELECT read_arrival FROM room WHERE id = :room) AND m.shown = 1"
    " AND m.deleted = 0 AND m.expired = 0 AND m.writer NOT IN (SELECT id FROM writer"
    " WHERE room = :room AND coalesce(identity, key) = :me)"
)

_REFERRING = (("poll", "content"), ("change", "target"), ("content_changed", "content"))
"""What names a message by its number."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the room list shows beside the last message."""

    unread: int
    """At most ``MAX_COUNTED``."""
    mentions: int
    """Those that call this person among the newest ``MAX_MENTIONS_COUNTED`` unread ones
    that call anybody."""
    last: MessageRow | None


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A message that the search index must look at again."""

    serial: int
    """To be dropped by."""
    message: MessageRow
    """As it is now: to be found if shown, neither deleted nor expired nor wiped."""


def counts(connection: Connection, room: int, *, me: bytes) -> Counts:
    """Unread messages, those that call this person, and the newest one.

    Args:
        connection: A reader's.
        room: Row of the room.
        me: This person's identity; what any device of it wrote is not unread.
    """
    values = {"room": room, "me": me, "most": MAX_COUNTED}
    unread = connection.execute(
        f"SELECT count(*) FROM (SELECT 1{_UNREAD} LIMIT :most)", values
    ).get
    values["most"] = MAX_MENTIONS_COUNTED
    named = connection.execute(
        "SELECT CASE WHEN m.edit IS NULL THEN m.mentions ELSE"
        f" (SELECT detail FROM change WHERE id = m.edit) END{_UNREAD}"
        " AND m.mentioning = 1 ORDER BY m.arrival DESC LIMIT :most",
        values,
    )
    mentions = sum(me in separate(mentions) for (mentions,) in named)
    newest = page(connection, room, limit=1)
    return Counts(int(unread), mentions, newest[0] if newest else None)


def mark_read(connection: Connection, room: int, *, up_to: bytes | None = None) -> bool:
    """Count what has arrived so far as read; never less than before.

    Args:
        connection: The writer's.
        room: Row of the room.
        up_to: Id of the last message that was read; None for everything.

    Returns:
        Whether that was news.
    """
    if up_to is None:
        which, values = "SELECT max(arrival) FROM content WHERE room = ?1", (room,)
    else:
        which = "SELECT arrival FROM content WHERE room = ?1 AND id = ?2"
        values = (room, up_to)  # type: ignore[assignment]
    moved = connection.execute(
        f"UPDATE room SET read_arrival = ({which}) WHERE id = ?1"
        f" AND read_arrival < ({which}) RETURNING 1",
        values,
    ).fetchall()
    return bool(moved)


def unread_ids(connection: Connection, room: int) -> list[bytes]:
    """What is not read, in the order of arrival; the newest ``MAX_COUNTED``."""
    found = connection.execute(
        "SELECT id FROM (SELECT id, arrival FROM content WHERE room = ?1 AND arrival >"
        " (SELECT read_arrival FROM room WHERE id = ?1)"
        " ORDER BY arrival DESC LIMIT ?2) ORDER BY arrival",
        (room, MAX_COUNTED),
    )
    return [bytes(id) for (id,) in found]


def newest_ids(connection: Connection, room: int, *, limit: int) -> list[bytes]:
    """What is shown, the newest first."""
    found = connection.execute(
        "SELECT id FROM content WHERE room = ? AND shown = 1 AND expired = 0"
        " ORDER BY clock DESC, device DESC, sequence DESC LIMIT ?",
        (room, limit),
    )
    return [bytes(id) for (id,) in found]


def last_number(connection: Connection) -> int:
    """The highest number of a message, of whatever room."""
    return int(connection.execute("SELECT coalesce(max(arrival), 0) FROM content").get)


def number_anew(
    connection: Connection, room: int, unread: list[bytes], *, above: int
) -> None:
    """Give what was derived anew numbers that nothing had, what was unread the last.

    So nobody who read a number before means another message by it, and all is read
    but that.

    Args:
        connection: The writer's.
        room: Row of the room.
        unread: Ids that ``unread_ids`` gave before; those that are gone are left out.
        above: What ``last_number`` gave before.
    """
    # Until the commit, what names a message may name one that is just being moved.
    connection.execute("PRAGMA defer_foreign_keys = ON")
    for table, column in _REFERRING:
        connection.execute(
            f"UPDATE {table} SET {column} = {column} + ?1 WHERE {column} IN"
            " (SELECT arrival FROM content WHERE room = ?2)",
            (above, room),
        )
    connection.execute(
        "UPDATE content SET arrival = arrival + ? WHERE room = ?", (above, room)
    )
    connection.execute(
        "UPDATE room SET read_arrival = coalesce((SELECT max(arrival) FROM content"
        " WHERE room = ?1), 0) WHERE id = ?1",
        (room,),
    )
    last = last_number(connection)
    for id in unread:
        old = connection.execute(
            "SELECT arrival FROM content WHERE room = ? AND id = ?", (room, id)
        ).get
        if old is None:
            continue
        last += 1
        move = (last, old)
        connection.execute("UPDATE content SET arrival = ? WHERE arrival = ?", move)
        for table, column in _REFERRING:
            connection.execute(
                f"UPDATE {table} SET {column} = ? WHERE {column} = ?", move
            )


def arrived(
    connection: Connection, room: int, *, after: int, limit: int
) -> list[MessageRow]:
    """What arrived here behind a number, as it is now, in the order of arrival.

    Also what is hidden, deleted or expired by now: its number must be passed, too.
    """
    found = connection.execute(
        f"{SELECT} WHERE m.room = ? AND m.arrival > ? ORDER BY m.arrival LIMIT ?",
        (room, after, limit),
    )
    return read_messages(found)


def changed(connection: Connection, *, limit: int) -> list[ChangedRow]:
    """Messages of any room that were edited, wiped, hidden or reappeared."""
    found: list[tuple[Any, ...]] = connection.execute(
        f"SELECT c.serial, {COLUMNS} FROM content_changed c"
        f" CROSS JOIN content m ON m.arrival = c.content{JOINS}"
        " ORDER BY c.serial LIMIT ?",
        (limit,),
    ).fetchall()
    messages = read_messages(row[1:] for row in found)
    return [
        ChangedRow(row[0], message)
        for row, message in zip(found, messages, strict=True)
    ]


def drop_changed(connection: Connection, through: int) -> None:
    """Forget what was looked at; what changed again meanwhile has a higher number."""
    connection.execute("DELETE FROM content_changed WHERE serial <= ?", (through,))
