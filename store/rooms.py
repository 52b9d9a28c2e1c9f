"""The rooms of a profile: their rows, and who acknowledged how much of which log.

Functions of a connection, to be run by ``store.database``. What a room means is the
business of ``app/rooms``.
"""

from __future__ import annotations

from dataclasses import dataclass

from store.database import Connection


@dataclass(frozen=True, slots=True)
class RoomRow:
    """One room as it is stored."""

    row: int
    room: bytes
    key: bytes
    founder: bytes
    name: str
    kind: str
    joined_at: int
    """Milliseconds since 1970."""
    left_at: int | None


def add_room(
    connection: Connection,
    *,
    room: bytes,
    key: bytes,
    founder: bytes,
    name: str,
    kind: str,
    joined_at: int,
) -> RoomRow:
    """Keep a room; one that was left before is kept again with its logs."""
    connection.execute(
        "INSERT INTO room (room, key, founder, name, kind, joined_at)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (room) DO UPDATE SET left_at = NULL,"
        " key = excluded.key, name = excluded.name, joined_at = excluded.joined_at",
        (room, key, founder, name, kind, joined_at),
    )
    found = [row for row in list_rooms(connection) if row.room == room]
    assert len(found) == 1, "a room that was just kept is there"
    return found[0]


def list_rooms(connection: Connection) -> list[RoomRow]:
    """Every room that is not forgotten, in the order in which they came."""
    return [
        RoomRow(*values)
        for values in connection.execute(
            "SELECT id, room, key, founder, name, kind, joined_at, left_at"
            " FROM room WHERE length(key) > 0 ORDER BY id"
        )
    ]


def set_title(connection: Connection, row: int, *, name: str, kind: str) -> None:
    """Remember what the room's own entries say it is."""
    connection.execute(
        "UPDATE room SET name = ?, kind = ? WHERE id = ?", (name, kind, row)
    )


def set_left(connection: Connection, row: int, left_at: int) -> None:
    """Remember that the profile left the room and only its farewell is still due."""
    connection.execute("UPDATE room SET left_at = ? WHERE id = ?", (left_at, row))


def forget_room(connection: Connection, row: int, own_device: bytes) -> None:
    """Forget a room: its key, its name, its messages and what others wrote.

    The device's own log stays, sealed and unreadable without the key: whoever comes
    back must go on where it ended, for others still hold it.
    """
    connection.execute("DELETE FROM message WHERE room = ?", (row,))
    connection.execute(
        "DELETE FROM writer WHERE room = ? AND key <> ?", (row, own_device)
    )
    writers = "(SELECT id FROM writer WHERE room = ?)"
    for table in ("operation", "held"):
        connection.execute(f"DELETE FROM {table} WHERE writer IN {writers}", (row,))
    connection.execute(
        "UPDATE writer SET clock = 0, operations = 0 WHERE room = ?", (row,)
    )
    connection.execute(
        "UPDATE room SET key = x'', name = '', read_arrival = 0 WHERE id = ?", (row,)
    )


def set_held(
    connection: Connection, row: int, *, writer: bytes, device: bytes, length: int
) -> None:
    """Remember that ``device`` holds ``length`` entries of ``writer``; never less."""
    connection.execute(
        "INSERT INTO held (writer, device, length)"
        " SELECT id, ?, ? FROM writer WHERE room = ? AND key = ?"
        " ON CONFLICT (writer, device) DO UPDATE"
        " SET length = max(length, excluded.length)",
        (device, length, row, writer),
    )


def held_lengths(connection: Connection, row: int, writer: bytes) -> dict[bytes, int]:
    """How many entries of ``writer`` each other device acknowledged."""
    found = connection.execute(
        "SELECT device, held.length FROM held JOIN writer ON writer.id = held.writer"
        " WHERE room = ? AND key = ?",
        (row, writer),
    )
    return {device: int(length) for device, length in found}
