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
        " VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (room) DO UPDATE"
        " SET left_at = NULL, joined_at = excluded.joined_at",
        (room, key, founder, name, kind, joined_at),
    )
    found = [row for row in list_rooms(connection) if row.room == room]
    assert len(found) == 1, "a room that was just kept is there"
    return found[0]


def list_rooms(connection: Connection) -> list[RoomRow]:
    """Every room, in the order in which they came."""
    return [
        RoomRow(*values)
        for values in connection.execute(
            "SELECT id, room, key, founder, name, kind, joined_at, left_at"
            " FROM room ORDER BY id"
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


def remove_room(connection: Connection, row: int) -> None:
    """Forget a room with its key, its logs and its messages."""
    connection.execute("DELETE FROM room WHERE id = ?", (row,))


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
