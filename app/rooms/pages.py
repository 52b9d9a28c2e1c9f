"""A page of a room's messages as one member tells it to another, signed.

For whoever has not got the logs yet (``app/rooms/previews.py``). Nothing of it is
believed for longer than the logs take to come; the signature of the device that gave it
is over room and asker as well, so that what was made up can be shown to others::

    AskPage    uint version (1) | uint number | uint limit | buffer id before
    Page       buffer statement | fixed64 signature
    statement  uint version (1) | uint number | buffer id before | uint flags
               (1: there are older ones, 2: the room follows) | array buffer row
               [ string name | uint kind | uint role of the asker | uint member count
               | array (fixed32 identity | uint role | string name)
               | array (fixed32 device | uint length of its log) ]
    row        fixed32 id | fixed32 device | uint sequence | uint clock | uint kind
               | uint sent at, ms | string author | string text | uint flags
               | [1: fixed32 identity] [2: fixed32 id answered] [4: fixed32 thread]
               [8: uint edited at, ms] [64: string forwarded from]
               [128: uint expires at, ms] [256: reactions] [512: poll]
               (app/rooms/page_responses.py); 16: deleted, 32: pinned

An empty id before asks for the newest. What stands behind a row's fields is left to
later versions.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from app.rooms.operations import MAX_NAME_BYTES, MAX_TEXT_BYTES
from app.rooms.page_responses import (
    MAX_RESPONSE_BYTES,
    PageCount,
    PagePoll,
    read_poll,
    read_reactions,
    write_poll,
    write_reactions,
)
from app.rooms.roles import Kind, Role
from net.crypto import KeyPair, namespace, sign, verify
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError
from store.autobase import Place

PAGE_VERSION: Final = 1
MAX_PAGE_BYTES: Final = 256 * 1024
"""A statement with its signature."""
MAX_ROWS: Final = 100
"""Messages of one page."""
MAX_ROW_BYTES: Final = MAX_TEXT_BYTES + 2 * MAX_NAME_BYTES + 512 + MAX_RESPONSE_BYTES
MAX_MEMBERS: Final = 200
"""Members named in one page."""
MAX_LENGTHS: Final = 1_000
"""Logs named in one page."""

_SIGNED = namespace("covey/room/page", 0)
_ID_BYTES = 32
_OLDER, _ROOM = 1, 2
_IDENTITY, _REPLY, _THREAD, _EDITED, _DELETED, _PINNED, _FORWARDED, _EXPIRES = (
    1 << bit for bit in range(8)
)
_REACTIONS, _POLL = 1 << 8, 1 << 9


@dataclass(frozen=True, slots=True)
class AskPage:
    """A wish for a page."""

    number: int
    """Names the question on this connection."""
    limit: int
    before: bytes = b""
    """Id of a message: the page ends before it; empty for the newest."""

    def encode(self) -> bytes:
        """The bytes drawn in the module's docstring."""
        writer = Writer().uint(PAGE_VERSION).uint(self.number).uint(self.limit)
        return writer.buffer(self.before).finish()


@dataclass(frozen=True, slots=True)
class PageRow:
    """One message as people read it."""

    id: bytes
    device: bytes
    sequence: int
    clock: int
    kind: int
    sent_at: int
    author: str
    """The author's name."""
    text: str
    identity: bytes | None = None
    reply_to: bytes | None = None
    thread: bytes | None = None
    edited_at: int | None = None
    deleted: bool = False
    pinned: bool = False
    forwarded_from: str | None = None
    expires_at: int | None = None
    reactions: tuple[PageCount, ...] = ()
    poll: PagePoll | None = None

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.clock, self.device, self.sequence)

    def encode(self) -> bytes:
        """The bytes drawn in the module's docstring."""
        writer = Writer().fixed(self.id, _ID_BYTES).fixed(self.device, 32)
        writer.uint(self.sequence).uint(self.clock).uint(self.kind)
        writer.uint(self.sent_at).string(self.author).string(self.text)
        flags = _DELETED * self.deleted | _PINNED * self.pinned
        optional = Writer()
        for flag, key in (
            (_IDENTITY, self.identity),
            (_REPLY, self.reply_to),
            (_THREAD, self.thread),
        ):
            if key is not None:
                flags |= flag
                optional.fixed(key, 32)
        if self.edited_at is not None:
            flags |= _EDITED
            optional.uint(self.edited_at)
        if self.forwarded_from is not None:
            flags |= _FORWARDED
            optional.string(self.forwarded_from)
        if self.expires_at is not None:
            flags |= _EXPIRES
            optional.uint(self.expires_at)
        if self.reactions:
            flags |= _REACTIONS
            write_reactions(optional, self.reactions)
        if self.poll is not None:
            flags |= _POLL
            write_poll(optional, self.poll)
        return writer.uint(flags).raw(optional.finish()).finish()


@dataclass(frozen=True, slots=True)
class PageMember:
    """One member as the page names it."""

    identity: bytes
    role: Role
    name: str


@dataclass(frozen=True, slots=True)
class PageRoom:
    """What the room is, told with the newest page."""

    name: str
    kind: Kind
    role: Role
    """The asker's."""
    member_count: int
    members: tuple[PageMember, ...]
    """Not all of them where there are many; whoever tells comes first."""
    lengths: tuple[tuple[bytes, int], ...]
    """How much of each log whoever tells has understood, by device."""


@dataclass(frozen=True, slots=True)
class Page:
    """Messages that follow each other, oldest first."""

    number: int
    before: bytes
    rows: tuple[PageRow, ...]
    older: bool
    """There is more before them."""
    room: PageRoom | None = None

    def encode(self) -> bytes:
        """The statement drawn in the module's docstring."""
        flags = _OLDER * self.older | _ROOM * (self.room is not None)
        writer = Writer().uint(PAGE_VERSION).uint(self.number).buffer(self.before)
        writer.uint(flags)
        writer.array(self.rows, lambda out, row: out.buffer(row.encode()))
        if (room := self.room) is not None:
            writer.string(room.name).uint(room.kind).uint(room.role)
            writer.uint(room.member_count)
            writer.array(
                room.members,
                lambda out, it: (
                    out.fixed(it.identity, 32).uint(it.role).string(it.name)
                ),
            )
            writer.array(room.lengths, lambda out, it: out.fixed(it[0], 32).uint(it[1]))
        return writer.finish()


def decode_ask(data: bytes) -> AskPage:
    """The inverse of ``AskPage.encode``; raises ``RemoteProtocolError``."""
    reader = Reader(data)
    _read_version(reader)
    number, limit = reader.uint(), reader.uint()
    return AskPage(number, min(limit, MAX_ROWS), _read_before(reader))


def decode_page(data: bytes) -> Page:
    """The inverse of ``Page.encode``.

    Raises:
        RemoteProtocolError: Malformed, too large, or its rows are out of order.
    """
    reader = Reader(data)
    _read_version(reader)
    number, before = reader.uint(), _read_before(reader)
    flags = reader.uint()
    rows = reader.array(
        lambda item: _read_row(item.buffer(max_bytes=MAX_ROW_BYTES)),
        max_count=MAX_ROWS,
    )
    if any(first.place >= second.place for first, second in pairwise(rows)):
        raise RemoteProtocolError("a page's rows are out of order", code="order")
    room = _read_room(reader) if flags & _ROOM else None
    return Page(number, before, tuple(rows), bool(flags & _OLDER), room)


def sign_page(page: Page, *, room: bytes, asker: bytes, device: KeyPair) -> bytes:
    """``Page`` as it travels, signed by the device that tells it.

    Args:
        page: What is told.
        room: The room's id.
        asker: Key of the device that asked.
        device: Key pair of the device that tells.
    """
    statement = page.encode()
    signature = sign(_signable(statement, room, asker), device.secret_key)
    return Writer().buffer(statement).fixed(signature, 64).finish()


def open_page(data: bytes, *, room: bytes, asker: bytes, device: bytes) -> Page:
    """The inverse of ``sign_page``.

    Args:
        data: What came.
        room: The room's id.
        asker: Key of the device that asked.
        device: Key of the device that told.

    Raises:
        RemoteProtocolError: Malformed, too large, or not signed by that device.
    """
    if len(data) > MAX_PAGE_BYTES:
        raise RemoteProtocolError("a page is too large", code="too-large")
    reader = Reader(data)
    statement, signature = reader.buffer(max_bytes=MAX_PAGE_BYTES), reader.fixed(64)
    if not verify(_signable(statement, room, asker), signature, device):
        raise RemoteProtocolError("a page is not signed", code="bad-signature")
    return decode_page(statement)


def _signable(statement: bytes, room: bytes, asker: bytes) -> bytes:
    return _SIGNED + room + asker + statement


def _read_version(reader: Reader) -> None:
    version = reader.uint()
    if version != PAGE_VERSION:
        raise RemoteProtocolError(f"page version {version}", code="version")


def _read_before(reader: Reader) -> bytes:
    before = reader.buffer(max_bytes=_ID_BYTES)
    if len(before) not in (0, _ID_BYTES):
        raise RemoteProtocolError("an id has 32 bytes", code="bad-id")
    return before


def _read_row(data: bytes) -> PageRow:
    reader = Reader(data)
    id, device = reader.fixed(_ID_BYTES), reader.fixed(32)
    sequence, clock, kind, sent_at = (reader.uint() for _ in range(4))
    author = reader.string(max_bytes=MAX_NAME_BYTES)
    text = reader.string(max_bytes=MAX_TEXT_BYTES)
    flags = reader.uint()
    return PageRow(
        id,
        device,
        sequence,
        clock,
        kind,
        sent_at,
        author,
        text,
        identity=reader.fixed(32) if flags & _IDENTITY else None,
        reply_to=reader.fixed(32) if flags & _REPLY else None,
        thread=reader.fixed(32) if flags & _THREAD else None,
        edited_at=reader.uint() if flags & _EDITED else None,
        deleted=bool(flags & _DELETED),
        pinned=bool(flags & _PINNED),
        forwarded_from=(
            reader.string(max_bytes=MAX_NAME_BYTES) if flags & _FORWARDED else None
        ),
        expires_at=reader.uint() if flags & _EXPIRES else None,
        reactions=read_reactions(reader) if flags & _REACTIONS else (),
        poll=read_poll(reader) if flags & _POLL else None,
    )


def _read_room(reader: Reader) -> PageRoom:
    name = reader.string(max_bytes=MAX_NAME_BYTES)
    kind, role = reader.uint(), reader.uint()
    count = reader.uint()
    members = reader.array(_read_member, max_count=MAX_MEMBERS)
    lengths = reader.array(
        lambda item: (item.fixed(32), item.uint()), max_count=MAX_LENGTHS
    )
    if len(dict(lengths)) < len(lengths):
        raise RemoteProtocolError("a log is named twice", code="twice")
    try:
        return PageRoom(
            name, Kind(kind), Role(role), count, tuple(members), tuple(lengths)
        )
    except ValueError as error:
        raise RemoteProtocolError("an unknown kind or role", code="bad-role") from error


def _read_member(reader: Reader) -> PageMember:
    identity, role = reader.fixed(32), reader.uint()
    name = reader.string(max_bytes=MAX_NAME_BYTES)
    try:
        return PageMember(identity, Role(role), name)
    except ValueError as error:
        raise RemoteProtocolError("an unknown role", code="bad-role") from error
