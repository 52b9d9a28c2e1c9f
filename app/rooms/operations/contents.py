"""Contents: operations by which people speak, and how they become bytes.

Every body begins with a uint, its schema; this version knows schema 1::

    2 Message   string text, uint flags, [fixed32 entry replied to], [fixed32 root of
                the thread], [string forwarded from], [uint lifetime, ms],
                array fixed32 mentioned identity
                (flags: 1 reply, 2 thread, 4 forwarded, 8 lifetime)
    33 Edit     fixed32 target, string text, array fixed32 mentioned identity
    34 Delete   array (fixed32 id, fixed32 writer, uint sequence, uint clock,
                array (fixed32 writer, uint length) links)
    35 React    fixed32 target, string emoji, uint on (0 or 1)
    36 Pin      fixed32 target, uint on (0 or 1)
    37 Poll     string question, array string option, uint flags (1: multiple),
                uint closes at, ms (0: never)
    38 Vote     fixed32 target, array uint choice, ascending

Of a body in a newer schema nothing is read, and nothing lost: it is ``Newer``, which is
shown as something that needs an update. Which contents count is the business of the
rules, what is shown of them that of ``store/contents``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from unicodedata import category

from app.rooms.operations.values import read_name
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError
from store.autobase import Link

SCHEMA: Final = 1
"""Of the bodies drawn above."""
MAX_TEXT_BYTES = 64 * 1024
MAX_MENTIONS: Final = 64
"""Identities named in one message."""
MAX_LIFETIME_MS: Final = 10 * 366 * 24 * 3600 * 1000
"""Ten years: what shall stay longer need not disappear."""
MAX_DELETED: Final = 64
"""Entries that one deletion names."""
MAX_DELETED_LINKS: Final = 1_024
"""Links of all these together, so that a deletion fits in a block."""
MAX_ENTRY_LINKS: Final = 64
"""Links of one entry, as ``store/autobase`` has it."""
MAX_EMOJI_BYTES: Final = 64
MAX_QUESTION_BYTES: Final = 4 * 1024
MIN_OPTIONS: Final = 2
MAX_OPTIONS: Final = 20
MAX_OPTION_BYTES: Final = 512

_ID_BYTES = 32
_REPLY, _THREAD, _FORWARDED, _LIFETIME = 1, 2, 4, 8
_MULTIPLE = 1
# Controls, halves of characters, separators: nothing that one could see.
_UNSEEN = frozenset(("Cc", "Cs", "Zl", "Zp", "Zs"))
# They turn the direction of what stands around a reaction.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Message:
    """Somebody says something."""

    text: str
    reply_to: bytes | None = None
    """Hash of the entry it answers."""
    thread: bytes | None = None
    """Hash of the message at the root of the thread it stands in."""
    mentions: tuple[bytes, ...] = ()
    """Identities it calls."""
    forwarded_from: str | None = None
    """Name of who wrote it first, as whoever forwards it says."""
    lifetime_ms: int | None = None
    """It disappears so long after it was sent."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The author of a message says it in other words."""

    target: bytes
    text: str
    mentions: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Deleted:
    """An entry that a deletion names, with what keeps its place when it is gone."""

    id: bytes
    writer: bytes
    """Key of its log."""
    sequence: int
    clock: int
    links: tuple[Link, ...] = ()
    """By writer, ascending, as the entry had them."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Messages, and the edits of them, go everywhere."""

    targets: tuple[Deleted, ...]


@dataclass(frozen=True, slots=True)
class React:
    """Somebody puts a sign under a message, or takes it away."""

    target: bytes
    emoji: str
    on: bool


@dataclass(frozen=True, slots=True)
class Pin:
    """A message is put where all find it, or taken away from there."""

    target: bytes
    on: bool


@dataclass(frozen=True, slots=True)
class Poll:
    """A question with answers to choose from; it stands among the messages."""

    question: str
    options: tuple[str, ...]
    multiple: bool
    """Several may be chosen."""
    closes_at: int | None = None
    """Milliseconds since 1970; votes sent later do not count."""


@dataclass(frozen=True, slots=True)
class Vote:
    """Somebody's answer to a poll, in place of an earlier one."""

    target: bytes
    choices: tuple[int, ...]
    """Numbers of options, ascending; none takes the vote back."""


@dataclass(frozen=True, slots=True)
class Newer:
    """Contents in a schema that this version does not know."""

    type: int
    body: bytes
    """Whole, with the schema's number."""


Content = Message | Edit | Delete | React | Pin | Poll | Vote | Newer


def _write_message(writer: Writer, body: Message) -> None:
    given = (
        (_REPLY, body.reply_to),
        (_THREAD, body.thread),
        (_FORWARDED, body.forwarded_from),
        (_LIFETIME, body.lifetime_ms),
    )
    writer.uint(SCHEMA).string(body.text)
    writer.uint(sum(flag for flag, value in given if value is not None))
    if body.reply_to is not None:
        writer.fixed(body.reply_to, _ID_BYTES)
    if body.thread is not None:
        writer.fixed(body.thread, _ID_BYTES)
    if body.forwarded_from is not None:
        writer.string(body.forwarded_from)
    if body.lifetime_ms is not None:
        writer.uint(body.lifetime_ms)
    _write_mentions(writer, body.mentions)


def _read_message(reader: Reader) -> Message:
    text = reader.string(max_bytes=MAX_TEXT_BYTES)
    flags = _flags(reader, _REPLY | _THREAD | _FORWARDED | _LIFETIME)
    reply_to = reader.fixed(_ID_BYTES) if flags & _REPLY else None
    thread = reader.fixed(_ID_BYTES) if flags & _THREAD else None
    forwarded_from = read_name(reader) if flags & _FORWARDED else None
    lifetime_ms = reader.uint() if flags & _LIFETIME else None
    if lifetime_ms is not None and not 0 < lifetime_ms <= MAX_LIFETIME_MS:
        raise RemoteProtocolError("a lifetime that is none")
    mentions = _read_mentions(reader)
    return Message(text, reply_to, thread, mentions, forwarded_from, lifetime_ms)


def _write_edit(writer: Writer, body: Edit) -> None:
    writer.uint(SCHEMA).fixed(body.target, _ID_BYTES).string(body.text)
    _write_mentions(writer, body.mentions)


def _read_edit(reader: Reader) -> Edit:
    target = reader.fixed(_ID_BYTES)
    text = reader.string(max_bytes=MAX_TEXT_BYTES)
    return Edit(target, text, _read_mentions(reader))


def _write_delete(writer: Writer, body: Delete) -> None:
    writer.uint(SCHEMA).array(body.targets, _write_deleted)


def _write_deleted(writer: Writer, deleted: Deleted) -> None:
    writer.fixed(deleted.id, _ID_BYTES).fixed(deleted.writer, _ID_BYTES)
    writer.uint(deleted.sequence).uint(deleted.clock)
    writer.array(
        deleted.links, lambda out, link: out.fixed(link[0], _ID_BYTES).uint(link[1])
    )


def _read_delete(reader: Reader) -> Delete:
    targets = tuple(reader.array(_read_deleted, max_count=MAX_DELETED))
    if not targets:
        raise RemoteProtocolError("a deletion of nothing")
    if sum(len(deleted.links) for deleted in targets) > MAX_DELETED_LINKS:
        raise RemoteProtocolError("a deletion with too many links", code="too-large")
    return Delete(targets)


def _read_deleted(reader: Reader) -> Deleted:
    id, key = reader.fixed(_ID_BYTES), reader.fixed(_ID_BYTES)
    sequence, clock = reader.uint(), reader.uint()
    links = tuple(
        reader.array(
            lambda item: Link(item.fixed(_ID_BYTES), item.uint()),
            max_count=MAX_ENTRY_LINKS,
        )
    )
    # What no entry can have had must not fill the place of one.
    writers = [link.writer for link in links]
    if not clock or not all(link.length for link in links):
        raise RemoteProtocolError("a deleted entry that was none")
    if writers != sorted(set(writers)) or key in writers:
        raise RemoteProtocolError("links of a deleted entry that were none")
    return Deleted(id, key, sequence, clock, links)


def _write_react(writer: Writer, body: React) -> None:
    writer.uint(SCHEMA).fixed(body.target, _ID_BYTES)
    writer.string(body.emoji).uint(int(body.on))


def _read_react(reader: Reader) -> React:
    target = reader.fixed(_ID_BYTES)
    emoji = reader.string(max_bytes=MAX_EMOJI_BYTES)
    if not emoji or any(category(c) in _UNSEEN or c in _TURNING for c in emoji):
        raise RemoteProtocolError("a reaction that cannot be seen")
    return React(target, emoji, bool(_flags(reader, 1)))


def _write_pin(writer: Writer, body: Pin) -> None:
    writer.uint(SCHEMA).fixed(body.target, _ID_BYTES).uint(int(body.on))


def _read_pin(reader: Reader) -> Pin:
    return Pin(reader.fixed(_ID_BYTES), bool(_flags(reader, 1)))


def _write_poll(writer: Writer, body: Poll) -> None:
    writer.uint(SCHEMA).string(body.question)
    writer.array(body.options, lambda out, option: out.string(option))
    writer.uint(_MULTIPLE if body.multiple else 0).uint(body.closes_at or 0)


def _read_poll(reader: Reader) -> Poll:
    question = reader.string(max_bytes=MAX_QUESTION_BYTES)
    options = reader.array(
        lambda item: item.string(max_bytes=MAX_OPTION_BYTES), max_count=MAX_OPTIONS
    )
    if len(options) < MIN_OPTIONS:
        raise RemoteProtocolError("a poll without a choice")
    multiple = bool(_flags(reader, _MULTIPLE))
    return Poll(question, tuple(options), multiple, reader.uint() or None)


def _write_vote(writer: Writer, body: Vote) -> None:
    writer.uint(SCHEMA).fixed(body.target, _ID_BYTES)
    writer.array(body.choices, lambda out, choice: out.uint(choice))


def _read_vote(reader: Reader) -> Vote:
    target = reader.fixed(_ID_BYTES)
    choices = reader.array(lambda item: item.uint(), max_count=MAX_OPTIONS)
    # One spelling, and no option twice.
    if choices != sorted(set(choices)) or any(it >= MAX_OPTIONS for it in choices):
        raise RemoteProtocolError("a vote for what cannot be chosen")
    return Vote(target, tuple(choices))


def _write_mentions(writer: Writer, mentions: tuple[bytes, ...]) -> None:
    writer.array(mentions, lambda out, identity: out.fixed(identity, _ID_BYTES))


def _read_mentions(reader: Reader) -> tuple[bytes, ...]:
    found = reader.array(lambda item: item.fixed(_ID_BYTES), max_count=MAX_MENTIONS)
    return tuple(found)


def _flags(reader: Reader, known: int) -> int:
    flags = reader.uint()
    if flags & ~known:
        raise RemoteProtocolError(f"flags {flags}, which this schema has not")
    return flags


def _versioned(
    number: int, read: Callable[[Reader], Content]
) -> Callable[[Reader], Content]:
    """A reader that looks at the schema first."""

    def versioned(reader: Reader) -> Content:
        schema = reader.uint()
        if schema == SCHEMA:
            return read(reader)
        if not schema:
            raise RemoteProtocolError("schema 0 of a content")
        rest = reader.raw()
        return Newer(number, Writer().uint(schema).raw(rest).finish())

    return versioned


WRITERS: dict[type[Any], tuple[int, Callable[[Writer, Any], None]]] = {
    Message: (2, _write_message),
    Edit: (33, _write_edit),
    Delete: (34, _write_delete),
    React: (35, _write_react),
    Pin: (36, _write_pin),
    Poll: (37, _write_poll),
    Vote: (38, _write_vote),
}
READERS: dict[int, Callable[[Reader], Content]] = {
    2: _versioned(2, _read_message),
    33: _versioned(33, _read_edit),
    34: _versioned(34, _read_delete),
    35: _versioned(35, _read_react),
    36: _versioned(36, _read_pin),
    37: _versioned(37, _read_poll),
    38: _versioned(38, _read_vote),
}
