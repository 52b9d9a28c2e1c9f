"""What people wrote, in the order in which it is read, and the rules' operations.

Both are derived from the logs, in the transaction that says how far, and could be
derived again. Functions of a connection, to be run by ``store.database``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from store.autobase import Place
from store.database import Connection

MAX_PAGE = 1_000
"""Messages given at once."""

_COLUMNS = (
    "m.id, m.device, m.sequence, m.clock, m.text, m.sent_at, m.reply_to, m.mine,"
    " CASE WHEN m.mine THEN (SELECT count(*) FROM held WHERE held.writer = m.writer"
    " AND held.length > m.sequence) ELSE 0 END"
)
_ORDER = "m.clock, m.device, m.sequence"


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message as it is stored."""

    id: bytes
    device: bytes
    """Key of the device that wrote it."""
    sequence: int
    clock: int
    text: str
    sent_at: int
    """Milliseconds since 1970, as its author says."""
    reply_to: bytes | None
    mine: bool
    delivered_to: int = 0
    """Other devices that acknowledged it; counted for own messages."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a log is derived, and what counts from block to block."""

    length: int = 0
    """Blocks."""
    clock: int = 0
    """The highest so far."""
    operations: int = 0
    """Those of the rules that are kept."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the room list shows beside the last message."""

    unread: int
    last: MessageRow | None


def add_message(
    connection: Connection, row: int, message: MessageRow, *, shown: bool
) -> None:
    """Keep a message of a log that was begun."""
    connection.execute(
        "INSERT INTO message (room, id, writer, device, sequence, clock, text, sent_at,"
        " reply_to, mine, shown)"
        " SELECT ?, ?, id, ?, ?, ?, ?, ?, ?, ?, ? FROM writer"
        " WHERE room = ? AND key = ?",
        (
            row,
            message.id,
            message.device,
            message.sequence,
            message.clock,
            message.text,
            message.sent_at,
            message.reply_to,
            message.mine,
            shown,
            row,
            message.device,
        ),
    )


def add_operation(
    connection: Connection, row: int, *, place: Place, data: bytes
) -> None:
    """Keep an operation of the rules, opened and found authentic."""
    connection.execute(
        "INSERT INTO operation (writer, sequence, clock, data)"
        " SELECT id, ?, ?, ? FROM writer WHERE room = ? AND key = ?",
        (place.sequence, place.clock, data, row, place.writer),
    )


def operations(connection: Connection, row: int) -> Iterator[tuple[Place, bytes]]:
    """Place and bytes of every operation of the rules."""
    for clock, writer, sequence, data in connection.execute(
        "SELECT operation.clock, key, sequence, data FROM operation JOIN writer"
        " ON writer.id = operation.writer WHERE room = ?",
        (row,),
    ):
        yield Place(clock, writer, sequence), data


def progress(connection: Connection, row: int, writer: bytes) -> Progress:
    """How far a log is derived."""
    for values in connection.execute(
        "SELECT length, clock, operations FROM writer WHERE room = ? AND key = ?",
        (row, writer),
    ):
        return Progress(*values)
    return Progress()


def set_progress(
    connection: Connection, row: int, writer: bytes, progress: Progress
) -> None:
    """Remember what ``progress`` says next."""
    connection.execute(
        "UPDATE writer SET length = ?, clock = ?, operations = ?"
        " WHERE room = ? AND key = ?",
        (progress.length, progress.clock, progress.operations, row, writer),
    )


def page(
    connection: Connection, row: int, *, limit: int, before: bytes | None = None
) -> list[MessageRow]:
    """The newest messages, or those before a given one, oldest first.

    Args:
        connection: A reader's.
        row: The room.
        limit: At most this many, and never more than ``MAX_PAGE``.
        before: Id of a message; nothing is found before an unknown one.
    """
    limit = max(0, min(limit, MAX_PAGE))
    if before is None:
        bound, values = "", (row, limit)
    else:
        bound = (
            f" AND ({_ORDER}) < (SELECT clock, device, sequence FROM message"
            " WHERE room = ? AND id = ?)"
        )
        values = (row, row, before, limit)  # type: ignore[assignment]
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM message m WHERE m.room = ? AND m.shown{bound}"
        " ORDER BY m.clock DESC, m.device DESC, m.sequence DESC LIMIT ?",
        values,
    )
    return [_message(values) for values in found][::-1]


def message(connection: Connection, row: int, id: bytes) -> MessageRow | None:
    """One message by its id, shown or not."""
    for values in connection.execute(
        f"SELECT {_COLUMNS} FROM message m WHERE m.room = ? AND m.id = ?", (row, id)
    ):
        return _message(values)
    return None


def own_between(
    connection: Connection, row: int, device: bytes, start: int, end: int
) -> list[MessageRow]:
    """The newest messages of one log with ``start <= sequence < end``, oldest first."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM message m WHERE m.writer = (SELECT id FROM writer"
        " WHERE room = ? AND key = ?) AND m.shown AND m.sequence >= ?"
        " AND m.sequence < ? ORDER BY m.sequence DESC LIMIT ?",
        (row, device, start, end, MAX_PAGE),
    )
    return [_message(values) for values in found][::-1]


def ids_with_prefix(connection: Connection, row: int, prefix: bytes) -> list[bytes]:
    """At most two ids that begin with ``prefix``: enough to tell whether it is one."""
    end = prefix + b"\xff" * (32 - len(prefix))
    found = connection.execute(
        "SELECT id FROM message WHERE room = ? AND id BETWEEN ? AND ? LIMIT 2",
        (row, prefix, end),
    )
    return [id for (id,) in found]


def counts(connection: Connection, row: int) -> Counts:
    """Unread messages and the newest one."""
    unread = connection.execute(
        "SELECT count(*) FROM message JOIN room ON room.id = message.room"
        " WHERE message.room = ? AND arrival > read_arrival AND shown AND NOT mine",
        (row,),
    ).get
    newest = page(connection, row, limit=1)
    return Counts(int(unread), newest[0] if newest else None)


def mark_read(connection: Connection, row: int) -> None:
    """Count everything that has arrived so far as read."""
    connection.execute(
        "UPDATE room SET read_arrival ="
        " (SELECT coalesce(max(arrival), 0) FROM message WHERE room = room.id)"
        " WHERE id = ?",
        (row,),
    )


def reconsider(
    connection: Connection,
    row: int,
    shows: Callable[[bytes, int, int], bool],
    *,
    devices: Iterable[bytes],
) -> int:
    """Show and hide messages as the rules now say; returns how many changed.

    Args:
        connection: The writer's.
        row: The room.
        shows: Judges a message by its device, clock and sequence.
        devices: Whose messages to judge.
    """
    changes = []
    for device in devices:
        found = connection.execute(
            "SELECT arrival, clock, sequence, shown FROM message WHERE writer ="
            " (SELECT id FROM writer WHERE room = ? AND key = ?)",
            (row, device),
        )
        changes += [
            (not shown, arrival)
            for arrival, clock, sequence, shown in found
            if shows(device, clock, sequence) != bool(shown)
        ]
    connection.executemany("UPDATE message SET shown = ? WHERE arrival = ?", changes)
    return len(changes)


def _message(values: tuple[object, ...]) -> MessageRow:
    row = MessageRow(*values)  # type: ignore[arg-type]
    return MessageRow(
        row.id,
        row.device,
        row.sequence,
        row.clock,
        row.text,
        row.sent_at,
        row.reply_to,
        bool(row.mine),
        row.delivered_to,
    )
