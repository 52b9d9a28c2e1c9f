"""What a person wrote and has not said yet: drafts, and what waits for its time.

Functions of a connection, to be run by ``store.database``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from store.database import Connection
from store.errors import LocalProtocolError

MAX_SCHEDULED: Final = 1_000
"""Messages that wait for their time, in all rooms together."""

_COLUMNS = "SELECT id, room, send_at, data, tried, problem FROM scheduled"


@dataclass(frozen=True, slots=True)
class ScheduledRow:
    """Something to be said at a time."""

    id: int
    """Never given twice."""
    room: int
    """Row of the room."""
    send_at: int
    """Milliseconds since 1970."""
    data: bytes
    """The encoded operation."""
    tried: int | None
    """Length of the own log before it was written, if that was begun."""
    problem: str
    """Why it is not tried again; empty while it waits."""


def draft(connection: Connection, room: int) -> str:
    """What is not said yet in a room; mostly empty."""
    found = connection.execute("SELECT text FROM draft WHERE room = ?", (room,)).get
    return "" if found is None else str(found)


def set_draft(connection: Connection, room: int, text: str) -> None:
    """Keep what is not said yet in a room; nothing when it is empty."""
    if text:
        connection.execute(
            "INSERT INTO draft (room, text) VALUES (?, ?)"
            " ON CONFLICT (room) DO UPDATE SET text = excluded.text",
            (room, text),
        )
    else:
        connection.execute("DELETE FROM draft WHERE room = ?", (room,))


def schedule(connection: Connection, room: int, *, send_at: int, data: bytes) -> int:
    """Keep something to be said at a time.

    Returns:
        Its number.

    Raises:
        LocalProtocolError: ``too-many``.
    """
    if connection.execute("SELECT count(*) FROM scheduled").get >= MAX_SCHEDULED:
        raise LocalProtocolError("too much waits for its time", code="too-many")
    connection.execute(
        "INSERT INTO scheduled (room, send_at, data) VALUES (?, ?, ?)",
        (room, send_at, data),
    )
    return connection.last_insert_rowid()


def scheduled(connection: Connection) -> list[ScheduledRow]:
    """All that waits in any room, and what could not be said; by time."""
    found = connection.execute(f"{_COLUMNS} ORDER BY send_at, id")
    return [ScheduledRow(*values) for values in found]


def due_now(connection: Connection, now_ms: int, *, limit: int) -> list[ScheduledRow]:
    """What is to be said now, by time."""
    found = connection.execute(
        f"{_COLUMNS} WHERE problem = '' AND send_at <= ? ORDER BY send_at, id LIMIT ?",
        (now_ms, limit),
    )
    return [ScheduledRow(*values) for values in found]


def next_send_ms(connection: Connection) -> int | None:
    """When something is to be said next."""
    found = connection.execute(
        "SELECT min(send_at) FROM scheduled WHERE problem = ''"
    ).get
    return None if found is None else int(found)


def set_tried(connection: Connection, id: int, length: int) -> None:
    """Remember where the own log ended before this is written to it."""
    connection.execute("UPDATE scheduled SET tried = ? WHERE id = ?", (length, id))


def set_problem(connection: Connection, id: int, problem: str) -> None:
    """Remember why this is not tried again."""
    connection.execute("UPDATE scheduled SET problem = ? WHERE id = ?", (problem, id))


def drop_scheduled(connection: Connection, id: int) -> bool:
    """Forget something that waits, or was said; whether it was there."""
    gone = connection.execute("DELETE FROM scheduled WHERE id = ? RETURNING 1", (id,))
    return bool(gone.fetchall())


def forget(connection: Connection, room: int) -> None:
    """Forget what was not said in a room."""
    for table in ("draft", "scheduled"):
        connection.execute(f"DELETE FROM {table} WHERE room = ?", (room,))
