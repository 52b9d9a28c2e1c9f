"""Messages as they are read: pages both ways, threads, pins, one by its id.

Every question is a walk along an index from a known place, so it costs what it gives.
Pages hold what is shown and has not expired; what is deleted keeps its place without
words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from store.autobase import Place
from store.contents.bodies import separate
from store.database import Connection
from store.errors import LocalProtocolError

MAX_PAGE: Final = 1_000
"""Messages given at once."""
MAX_PREVIEW_CHARS: Final = 200
"""Of a message that is answered."""
MAX_REPLIES_COUNTED: Final = 1_000
"""Messages of one thread."""

COLUMNS: Final = (
    "m.arrival, m.room, m.id, m.device, w.identity, m.sequence, m.clock, m.kind,"
    " m.sent_at, m.expires_at, m.reply_to, m.thread, m.shown, m.deleted, m.expired,"
    " m.wiped, m.pinned, coalesce(e.text, m.text), e.sent_at,"
    " CASE WHEN e.id IS NULL THEN m.mentions ELSE e.detail END, m.forwarded_from,"
    " m.body, p.options, p.multiple, p.closes_at"
)
"""What ``read_messages`` reads."""
# CROSS JOIN keeps SQLite from beginning with anything but the messages.
JOINS: Final = (
    " CROSS JOIN writer w ON w.id = m.writer"
    " LEFT JOIN change e ON e.id = m.edit LEFT JOIN poll p ON p.content = m.arrival"
)
"""Whatever the columns need besides ``content m``."""
SELECT: Final = f"SELECT {COLUMNS} FROM content m{JOINS}"
"""Begins questions for messages; what follows may name ``m``."""
_LISTED = "m.room = ? AND m.shown = 1 AND m.expired = 0"
_PLACE = "m.clock, m.device, m.sequence"
_DOWN = "ORDER BY m.clock DESC, m.device DESC, m.sequence DESC LIMIT ?"
_UP = f"ORDER BY {_PLACE} LIMIT ?"


@dataclass(frozen=True, slots=True)
class PollRow:
    """What can be chosen."""

    options: tuple[str, ...]
    """Empty while the words are wiped."""
    multiple: bool
    closes_at: int | None
    """Milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message, poll, or content of a newer version, as it stands now."""

    number: int
    """Ascends as they arrive here."""
    room: int
    """Row of the room."""
    id: bytes
    device: bytes
    """Key of the device that wrote it."""
    identity: bytes | None
    """Whose device that is, once known."""
    sequence: int
    clock: int
    kind: int
    """Number of the operation."""
    sent_at: int
    """Milliseconds since 1970, as its author says."""
    expires_at: int | None
    reply_to: bytes | None
    thread: bytes | None
    """Id of the root of its thread."""
    shown: bool
    """The rules let it count."""
    deleted: bool
    expired: bool
    wiped: bool
    """Its words are not here; if it is neither deleted nor expired, not yet again."""
    pinned: bool
    text: str
    """By the last edit that counts."""
    edited_at: int | None
    """Milliseconds since 1970, as its author says."""
    mentions: tuple[bytes, ...]
    """Identities, by the last edit that counts."""
    forwarded_from: str | None
    body: bytes | None
    """Of a kind or schema that only a newer version can read."""
    poll: PollRow | None

    @property
    def place(self) -> Place:
        """Where it stands: they compare as the messages follow each other."""
        return Place(self.clock, self.device, self.sequence)


@dataclass(frozen=True, slots=True)
class Preview:
    """What is shown of a message above an answer to it."""

    id: bytes
    device: bytes
    identity: bytes | None
    kind: int
    text: str
    """Its beginning; empty when it cannot be read here."""
    visible: bool
    """It is shown, and neither deleted nor expired."""
    deleted: bool


@dataclass(frozen=True, slots=True)
class ThreadSize:
    """What hangs on a message."""

    count: int
    """At most ``MAX_REPLIES_COUNTED``."""
    last_sent_at: int
    """Of the last one in the order; milliseconds since 1970."""


def page(
    connection: Connection,
    room: int,
    *,
    limit: int,
    before: bytes | None = None,
    after: bytes | None = None,
    around: bytes | None = None,
) -> list[MessageRow]:
    """Messages of a room, oldest first.

    At most one of the three is given; without one it is the newest. Nothing is found
    from an unknown id on; one that is hidden or expired still tells a place.

    Args:
        connection: A reader's.
        room: Row of the room.
        limit: At most this many, and never more than ``MAX_PAGE``.
        before: Id of a message; the page ends before it.
        after: Id of a message; the page begins behind it.
        around: Id of a message in the middle of the page.

    Raises:
        LocalProtocolError: Several anchors were given.
    """
    return _walk(connection, _LISTED, (room,), limit, (before, after, around))


def thread(
    connection: Connection,
    room: int,
    root: bytes,
    *,
    limit: int,
    before: bytes | None = None,
    after: bytes | None = None,
    around: bytes | None = None,
) -> list[MessageRow]:
    """Messages of a thread without its root; otherwise like ``page``."""
    condition = f"{_LISTED} AND m.thread = ?"
    return _walk(connection, condition, (room, root), limit, (before, after, around))


def _walk(
    connection: Connection,
    condition: str,
    values: tuple[Any, ...],
    limit: int,
    anchors: tuple[bytes | None, bytes | None, bytes | None],
) -> list[MessageRow]:
    limit = max(0, min(limit, MAX_PAGE))
    given = [anchor for anchor in anchors if anchor is not None]
    if len(given) > 1:
        raise LocalProtocolError("a page has one anchor at most")
    select = f"{SELECT} WHERE {condition}"
    if not given:
        found = connection.execute(f"{select} {_DOWN}", (*values, limit))
        return [_message(row) for row in found][::-1]
    anchor = place(connection, values[0], given[0])
    if anchor is None:
        return []
    before, after, _ = anchors
    rows: list[MessageRow] = []
    if after is None:
        sign = "<" if before is not None else "<="
        most = limit if before is not None else (limit + 1) // 2
        found = connection.execute(
            f"{select} AND ({_PLACE}) {sign} (?, ?, ?) {_DOWN}",
            (*values, *anchor, most),
        )
        rows = [_message(row) for row in found][::-1]
    if before is None:
        found = connection.execute(
            f"{select} AND ({_PLACE}) > (?, ?, ?) {_UP}",
            (*values, *anchor, limit - len(rows)),
        )
        rows += (_message(row) for row in found)
    return rows


def place(connection: Connection, room: int, id: bytes) -> Place | None:
    """Where a message stands, shown or not."""
    for clock, device, sequence in connection.execute(
        "SELECT clock, device, sequence FROM content WHERE room = ? AND id = ?",
        (room, id),
    ):
        return Place(clock, device, sequence)
    return None


def pins(
    connection: Connection, room: int, *, limit: int = MAX_PAGE
) -> list[MessageRow]:
    """Messages that are pinned, the newest of them at most, oldest first."""
    found = connection.execute(
        f"{SELECT} WHERE {_LISTED} AND m.pinned = 1 AND m.deleted = 0 {_DOWN}",
        (room, max(0, min(limit, MAX_PAGE))),
    )
    return [_message(row) for row in found][::-1]


def message(connection: Connection, room: int, id: bytes) -> MessageRow | None:
    """One message by its id, shown or not."""
    for row in connection.execute(
        f"{SELECT} WHERE m.room = ? AND m.id = ?", (room, id)
    ):
        return _message(row)
    return None


def own_between(
    connection: Connection, room: int, device: bytes, start: int, end: int
) -> list[MessageRow]:
    """The newest messages of one log with ``start <= sequence < end``, oldest first."""
    found = connection.execute(
        f"{SELECT} WHERE m.writer = (SELECT id FROM writer WHERE room = ? AND key = ?)"
        " AND m.sequence >= ? AND m.sequence < ? AND m.shown = 1 AND m.expired = 0"
        " ORDER BY m.sequence DESC LIMIT ?",
        (room, device, start, end, MAX_PAGE),
    )
    return [_message(row) for row in found][::-1]


def ids_with_prefix(connection: Connection, room: int, prefix: bytes) -> list[bytes]:
    """At most two ids that begin with ``prefix``: enough to tell whether it is one."""
    end = prefix + b"\xff" * (32 - len(prefix))
    found = connection.execute(
        "SELECT id FROM content WHERE room = ? AND id BETWEEN ? AND ? LIMIT 2",
        (room, prefix, end),
    )
    return [id for (id,) in found]


def previews(
    connection: Connection, room: int, ids: Iterable[bytes]
) -> dict[bytes, Preview]:
    """What to show of the messages that those of a page answer, in one question.

    Args:
        connection: A reader's.
        room: Row of the room.
        ids: At most ``MAX_PAGE``; unknown ones are left out.
    """
    wanted = list(dict.fromkeys(ids))[:MAX_PAGE]
    if not wanted:
        return {}
    places = ", ".join("?" * len(wanted))
    found = connection.execute(
        "SELECT m.id, m.device, w.identity, m.kind,"
        " substr(coalesce(e.text, m.text), 1, ?),"
        " m.shown AND NOT m.deleted AND NOT m.expired, m.deleted"
        " FROM content m CROSS JOIN writer w ON w.id = m.writer"
        " LEFT JOIN change e ON e.id = m.edit"
        f" WHERE m.room = ? AND m.id IN ({places})",
        (MAX_PREVIEW_CHARS, room, *wanted),
    )
    return {
        id: Preview(
            id,
            device,
            identity,
            kind,
            text if visible else "",
            bool(visible),
            bool(deleted),
        )
        for id, device, identity, kind, text, visible, deleted in found
    }


def thread_sizes(
    connection: Connection, room: int, roots: Sequence[bytes]
) -> dict[bytes, ThreadSize]:
    """How much hangs on each of these messages; on those left out, nothing."""
    sizes = {}
    for root in roots[:MAX_PAGE]:
        count = connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM content WHERE room = ? AND thread = ?"
            " AND shown = 1 AND expired = 0 LIMIT ?)",
            (room, root, MAX_REPLIES_COUNTED),
        ).get
        if count:
            last = thread(connection, room, root, limit=1)
            sizes[root] = ThreadSize(int(count), last[0].sent_at)
    return sizes


def _message(values: Sequence[Any]) -> MessageRow:
    fields = list(values)
    options, multiple, closes_at = fields[22:]
    poll = None
    if options is not None:
        poll = PollRow(tuple(json.loads(options)), bool(multiple), closes_at)
    fields[12:17] = map(bool, fields[12:17])
    fields[19] = separate(fields[19])
    fields[22:] = [poll]
    return MessageRow(*fields)


def read_messages(rows: Iterable[Sequence[Any]]) -> list[MessageRow]:
    """What a question that begins with ``SELECT`` found."""
    return [_message(row) for row in rows]
