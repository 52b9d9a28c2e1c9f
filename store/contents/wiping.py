"""Words that are gone: expiry, blocks to be cleared, and blocks to be read again.

Deletions that count blank words at once (``effects``); here is what time does, and the
two lists that outlive a crash: which blocks of the logs still hold words that are
deleted, and which ones hold words that are wanted again. Clearing and reading blocks is
the caller's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from store.contents.bodies import (
    EDIT,
    MESSAGE,
    POLL,
    EditBody,
    MessageBody,
    NewContent,
    PollBody,
    UnreadBody,
    joined,
)
from store.contents.effects import Effects, Outcome
from store.contents.putting import author, options_text
from store.database import Connection


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a log."""

    writer: bytes
    """Device key."""
    sequence: int


def due(connection: Connection, now_ms: int, *, limit: int) -> list[int]:
    """Numbers of messages of any room whose time is over, the oldest first.

    Args:
        connection: Anybody's.
        now_ms: Milliseconds since 1970.
        limit: At most this many.
    """
    found = connection.execute(
        "SELECT arrival FROM content WHERE expires_at IS NOT NULL AND expired = 0"
        " AND expires_at <= ? ORDER BY expires_at LIMIT ?",
        (now_ms, limit),
    )
    return [number for (number,) in found]


def next_due_ms(connection: Connection) -> int | None:
    """When the next message's time is over, in any room."""
    found = connection.execute(
        "SELECT min(expires_at) FROM content WHERE expires_at IS NOT NULL"
        " AND expired = 0"
    ).get
    return None if found is None else int(found)


def older_than(
    connection: Connection, room: int, clock: int, *, limit: int
) -> list[int]:
    """Numbers of a room's messages before a clock, shown or not: for its retention.

    Clocks are milliseconds that cannot lie far ahead; what authors say of the time of
    sending could keep a message for ever.
    """
    numbers: list[int] = []
    for shown in (1, 0):
        found = connection.execute(
            f"SELECT arrival FROM content WHERE room = ? AND shown = {shown}"
            " AND expired = 0 AND clock < ? ORDER BY clock LIMIT ?",
            (room, clock, limit - len(numbers)),
        )
        numbers += (number for (number,) in found)
    return numbers


def oldest_clock(connection: Connection, room: int) -> int | None:
    """The lowest clock of a message that is not expired."""
    clocks = [
        connection.execute(
            f"SELECT min(clock) FROM content WHERE room = ? AND shown = {shown}"
            " AND expired = 0",
            (room,),
        ).get
        for shown in (1, 0)
    ]
    return min((int(clock) for clock in clocks if clock is not None), default=None)


def expire(connection: Connection, numbers: Iterable[int]) -> Outcome:
    """Let messages disappear for good; their ids stay, so that replies point somewhere.

    Args:
        connection: The writer's.
        numbers: As ``due`` and ``older_than`` give them.
    """
    effects = Effects(connection)
    for number in numbers:
        effects.wipe(number)
        connection.execute(
            "UPDATE content SET expired = 1, pinned = 0, edit = NULL WHERE arrival = ?",
            (number,),
        )
        connection.execute("DELETE FROM change WHERE target = ?", (number,))
        connection.execute("DELETE FROM poll WHERE content = ?", (number,))
        effects.mark(number)
    return effects.outcome()


def to_clear(connection: Connection, room: int, *, limit: int) -> list[Block]:
    """Blocks of a room whose words are deleted or expired, until ``cleared``."""
    return _listed(connection, "content_clear", room, limit)


def cleared(connection: Connection, room: int, blocks: Iterable[Block]) -> None:
    """These blocks hold nothing any more."""
    _drop(connection, "content_clear", room, blocks)


def to_reread(connection: Connection, room: int, *, limit: int) -> list[Block]:
    """Blocks of a room whose words are wanted again, until ``restore``."""
    return _listed(connection, "content_reread", room, limit)


def give_up(connection: Connection, room: int, blocks: Iterable[Block]) -> None:
    """Nobody has these blocks: what stood in them stays empty."""
    _drop(connection, "content_reread", room, blocks)


def restore(
    connection: Connection, room: int, device: bytes, rows: Sequence[NewContent]
) -> Outcome:
    """Put words back that were wiped; what is not wanted any more is left out.

    Args:
        connection: The writer's.
        room: Row of the room.
        device: Whose log.
        rows: As they were put. Of each only place, kind and body are looked at.
    """
    by = author(connection, room, device)
    effects = Effects(connection)
    for row in rows:
        where = (by.writer, row.sequence)
        wanted = connection.execute(
            "DELETE FROM content_reread WHERE writer = ? AND sequence = ? RETURNING 1",
            where,
        ).fetchall()
        if not wanted:
            continue
        if row.kind == EDIT:
            number = _restore_edit(connection, where, cast(EditBody, row.body))
        else:
            number = _restore_content(connection, where, row)
        effects.refresh(number)
        effects.mark(number)
    return effects.outcome()


def _restore_edit(
    connection: Connection, where: tuple[int, int], body: EditBody
) -> int:
    found: list[tuple[Any, ...]] = connection.execute(
        "UPDATE change SET text = ?, detail = ? WHERE writer = ? AND sequence = ?"
        " RETURNING target",
        (body.text, joined(body.mentions), *where),
    ).fetchall()
    return int(found[0][0])


def _restore_content(
    connection: Connection, where: tuple[int, int], row: NewContent
) -> int:
    text, mentions, forwarded, unread = "", None, None, None
    if row.kind == MESSAGE:
        message = cast(MessageBody, row.body)
        text, mentions = message.text, joined(message.mentions)
        forwarded = message.forwarded_from
    elif row.kind == POLL:
        text = cast(PollBody, row.body).question
    else:
        unread = cast(UnreadBody, row.body).body
    found: list[tuple[Any, ...]] = connection.execute(
        "UPDATE content SET text = ?, mentions = ?, forwarded_from = ?, body = ?,"
        " wiped = 0 WHERE writer = ? AND sequence = ? RETURNING arrival",
        (text, mentions, forwarded, unread, *where),
    ).fetchall()
    number = int(found[0][0])
    if row.kind == POLL:
        connection.execute(
            "UPDATE poll SET options = ? WHERE content = ?",
            (options_text(cast(PollBody, row.body)), number),
        )
    return number


def _listed(connection: Connection, table: str, room: int, limit: int) -> list[Block]:
    found = connection.execute(
        f"SELECT w.key, b.sequence FROM writer w CROSS JOIN {table} b"
        " ON b.writer = w.id WHERE w.room = ? ORDER BY w.key, b.sequence LIMIT ?",
        (room, limit),
    )
    return [Block(*values) for values in found]


def _drop(
    connection: Connection, table: str, room: int, blocks: Iterable[Block]
) -> None:
    connection.executemany(
        f"DELETE FROM {table} WHERE writer = (SELECT id FROM writer WHERE room = ?"
        " AND key = ?) AND sequence = ?",
        [(room, block.writer, block.sequence) for block in blocks],
    )


def forget(connection: Connection, room: int) -> None:
    """Forget everything that was said in a room, and every list about it.

    The row of a device's own log may stay without it.
    """
    for table in ("content_clear", "content_reread", "change"):
        connection.execute(
            f"DELETE FROM {table} WHERE writer IN"
            " (SELECT id FROM writer WHERE room = ?)",
            (room,),
        )
    connection.execute("DELETE FROM content WHERE room = ?", (room,))
