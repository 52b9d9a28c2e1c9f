"""New contents of one log, in the transaction that derives them.

Messages go in many at a time, without a look at anything. A change is looked at alone:
it is kept if what it changes is here and fits. What is refused would mean nothing
whatever the rules said, and for everybody alike: it follows from the target and from
the changes of the same log before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from store.contents.bodies import (
    CHANGES,
    DELETE,
    EDIT,
    MAX_CHANGES,
    MAX_EDITS,
    MESSAGE,
    PIN,
    POLL,
    REACT,
    VOTE,
    Allows,
    DeleteBody,
    EditBody,
    MessageBody,
    NewContent,
    PinBody,
    PollBody,
    ReactBody,
    UnreadBody,
    VoteBody,
    joined,
)
from store.contents.effects import Effects, Outcome
from store.database import Connection

_INSERT = (
    "INSERT INTO content (room, writer, device, id, sequence, clock, kind, sent_at,"
    " expires_at, reply_to, thread, shown, mentioning, text, mentions, forwarded_from,"
    " body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class Author(NamedTuple):
    """The log that contents come from."""

    room: int
    writer: int
    """Row."""
    device: bytes
    who: bytes
    """Identity; the device while it is unknown."""


def author(connection: Connection, room: int, device: bytes) -> Author:
    """The row of a log that was begun."""
    for writer, who in connection.execute(
        "SELECT id, coalesce(identity, key) FROM writer WHERE room = ? AND key = ?",
        (room, device),
    ):
        return Author(room, writer, device, who)
    raise AssertionError("contents come from a log that was begun")


def put(
    connection: Connection,
    room: int,
    device: bytes,
    rows: Sequence[NewContent],
    *,
    allows: Allows | None = None,
) -> Outcome:
    """Keep new contents.

    Args:
        connection: The writer's.
        room: Row of the room.
        device: Whose log; it was begun (``store.rooms.begin_log``).
        rows: In the order of the log; none was put before. Changes come behind what
            they change.
        allows: Asked about every deletion and what it deletes, in place of what the
            row says of it. Words that are wiped are hard to get back.
    """
    by = author(connection, room, device)
    effects = Effects(connection)
    plain: list[tuple[object, ...]] = []
    for row in rows:
        if row.kind == MESSAGE:
            plain.append(_message(by, row))
            continue
        # What stands before may be what it changes.
        connection.executemany(_INSERT, plain)
        plain.clear()
        if row.kind in CHANGES:
            _put_change(connection, by, row, effects, allows)
        elif row.kind == POLL:
            _put_poll(connection, by, row)
        else:
            connection.execute(_INSERT, _unread(by, row))
    connection.executemany(_INSERT, plain)
    return effects.outcome()


def _message(by: Author, row: NewContent) -> tuple[object, ...]:
    body = cast(MessageBody, row.body)
    sent_at, lifetime_ms, mentions = row.sent_at, body.lifetime_ms, body.mentions
    return (
        by.room,
        by.writer,
        by.device,
        row.id,
        row.sequence,
        row.clock,
        MESSAGE,
        sent_at,
        None if lifetime_ms is None else sent_at + lifetime_ms,
        body.reply_to,
        body.thread,
        row.shown,
        1 if mentions else 0,
        body.text,
        joined(mentions) if mentions else None,
        body.forwarded_from,
        None,
    )


def _other(
    by: Author, row: NewContent, text: str, body: bytes | None
) -> tuple[object, ...]:
    head = (by.room, by.writer, by.device, row.id, row.sequence, row.clock, row.kind)
    return (
        *head,
        *(row.sent_at, None, None, None, row.shown),
        *(0, text, None, None, body),
    )


def _unread(by: Author, row: NewContent) -> tuple[object, ...]:
    return _other(by, row, "", cast(UnreadBody, row.body).body)


def _put_poll(connection: Connection, by: Author, row: NewContent) -> None:
    body = cast(PollBody, row.body)
    connection.execute(_INSERT, _other(by, row, body.question, None))
    connection.execute(
        "INSERT INTO poll VALUES (?, ?, ?, ?, ?)",
        (
            connection.last_insert_rowid(),
            options_text(body),
            len(body.options),
            body.multiple,
            body.closes_at,
        ),
    )


def options_text(body: PollBody) -> str:
    """The answers of a poll as they are stored."""
    return json.dumps(list(body.options), ensure_ascii=False)


class _Target(NamedTuple):
    """What a change says something of."""

    number: int
    device: bytes
    kind: int
    deleted: int
    expired: int
    option_count: int | None
    multiple: int | None
    closes_at: int | None


def _put_change(
    connection: Connection,
    by: Author,
    row: NewContent,
    effects: Effects,
    allows: Allows | None,
) -> None:
    if row.kind == DELETE:
        ids = [named.id for named in cast(DeleteBody, row.body).targets]
    else:
        ids = [cast(EditBody, row.body).target]
    for id in dict.fromkeys(ids):
        target = _target(connection, by.room, id)
        if target is None or not _fits(connection, by, row, target):
            effects.refused += 1
            if target is not None and row.kind == EDIT and target.expired:
                effects.clear_block(by.writer, row.sequence)
            continue
        if row.kind == DELETE and allows is not None:
            allowed = allows(row.clock, row.sequence, target.device)
            row = row._replace(allowed=allowed)
        _insert(connection, by, row, target)
        if row.kind == EDIT and target.deleted:
            effects.clear_block(by.writer, row.sequence)
        if row.kind in (EDIT, DELETE, PIN):
            effects.refresh(target.number)
        elif row.shown:
            effects.touch(target.number)


def _target(connection: Connection, room: int, id: bytes) -> _Target | None:
    for values in connection.execute(
        "SELECT m.arrival, m.device, m.kind, m.deleted, m.expired, p.option_count,"
        " p.multiple, p.closes_at FROM content m"
        " LEFT JOIN poll p ON p.content = m.arrival WHERE m.room = ? AND m.id = ?",
        (room, id),
    ):
        return _Target(*values)
    return None


def _fits(connection: Connection, by: Author, row: NewContent, target: _Target) -> bool:
    """Whether a change can ever mean something."""
    if target.expired or (row.kind == EDIT and target.kind != MESSAGE):
        return False
    if row.kind == VOTE:
        choices = cast(VoteBody, row.body).choices
        if target.option_count is None:
            return False
        if target.closes_at is not None and row.sent_at > target.closes_at:
            return False
        if len(choices) > 1 and not target.multiple:
            return False
        if any(choice >= target.option_count for choice in choices):
            return False
    count = connection.execute(
        "SELECT count(*) FROM change WHERE target = ? AND kind = ? AND identity = ?"
        " AND writer = ?",
        (target.number, row.kind, _slot(by, row), by.writer),
    ).get
    return int(count) < (MAX_EDITS if row.kind == EDIT else MAX_CHANGES)


def _slot(by: Author, row: NewContent) -> bytes:
    """Whose: a pin is everybody's, so the last one counts whoever set it."""
    return b"" if row.kind == PIN else by.who


def _insert(
    connection: Connection, by: Author, row: NewContent, target: _Target
) -> None:
    value, enabled, text = "", True, ""
    detail: bytes | None = None
    body: Any = row.body
    if row.kind == EDIT and not target.deleted:
        text, detail = body.text, joined(body.mentions)
    elif row.kind == REACT:
        react = cast(ReactBody, body)
        value, enabled = react.emoji, react.on
    elif row.kind == PIN:
        enabled = cast(PinBody, body).on
    elif row.kind == VOTE:
        detail = bytes(cast(VoteBody, body).choices)
    connection.execute(
        "INSERT INTO change (target, writer, device, sequence, clock, kind, sent_at,"
        " identity, value, shown, allowed, enabled, text, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(target.number, by.writer, by.device, row.sequence, row.clock),
            *(row.kind, row.sent_at, _slot(by, row), value),
            *(row.shown, row.allowed, enabled, text, detail),
        ),
    )
