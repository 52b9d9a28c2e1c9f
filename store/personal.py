"""What a personal room keeps: records of one kind, and how far rooms were read.

Functions of a connection. What records mean is the business of ``app/devices``.
"""

from __future__ import annotations

from store.autobase import Place
from store.database import Connection

MAX_RECORDS = 200_000
"""Records read; the newest ones."""


def records(connection: Connection, room: int, kind: int) -> list[bytes]:
    """The bodies of all contents of a kind that count, in the order of their places.

    Args:
        connection: A reader's.
        room: Row of the room.
        kind: Number of the operation.
    """
    found = connection.execute(
        "SELECT body FROM content WHERE room = ? AND kind = ? AND shown = 1"
        " ORDER BY clock DESC, device DESC, sequence DESC LIMIT ?",
        (room, kind, MAX_RECORDS),
    )
    bodies = [bytes(body) for (body,) in found if body is not None]
    return bodies[::-1]


def place_of(connection: Connection, room: int, id: bytes | None) -> Place | None:
    """Where a content of a room stands, or the last that is shown.

    Args:
        connection: A reader's.
        room: Row of the room.
        id: Of a message; None for the last.
    """
    which = "shown = 1" if id is None else "id = ?2"
    for clock, device, sequence in connection.execute(
        f"SELECT clock, device, sequence FROM content WHERE room = ?1 AND {which}"
        " ORDER BY clock DESC, device DESC, sequence DESC LIMIT 1",
        (room,) if id is None else (room, id),
    ):
        return Place(clock, bytes(device), sequence)
    return None


def read_through(connection: Connection, room: int, place: Place) -> bool:
    """Count what arrived up to a place as read; never less than before.

    What stands behind it and arrived earlier ends that: it stays unread, with what
    arrived after it.

    Args:
        connection: The writer's.
        room: Row of the room.
        place: Of the last content that was read, on whatever device.

    Returns:
        Whether that was news.
    """
    later = connection.execute(
        "SELECT min(arrival) - 1 FROM content WHERE room = ? AND shown = 1"
        " AND (clock, device, sequence) > (?, ?, ?)",
        (room, place.clock, place.writer, place.sequence),
    ).get
    if later is None:
        later = connection.execute(
            "SELECT max(arrival) FROM content WHERE room = ?", (room,)
        ).get
    moved = connection.execute(
        "UPDATE room SET read_arrival = ?1 WHERE id = ?2 AND read_arrival < ?1"
        " RETURNING 1",
        (later or 0, room),
    ).fetchall()
    return bool(moved)
