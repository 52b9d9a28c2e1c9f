"""What stands under a message on a page that a member tells: signs and answers.

Told as counts, without who gave them; nothing of it is held against the logs later, for
it changes at any time: what the logs say takes its place. Parts of a row of
``app/rooms/pages.py``::

    reactions  array (string sign | uint count | uint 1 if the asker is among them)
    poll       uint flags (1: several may be chosen, 2: it closes) | uint voters
               | array (string answer | uint count | uint 1 if the asker chose it)
               | [2: uint closes at, ms]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.rooms.operations.contents import (
    MAX_EMOJI_BYTES,
    MAX_OPTION_BYTES,
    MAX_OPTIONS,
)
from app.snapshots import PollOptionSnapshot, PollSnapshot, ReactionSnapshot
from net.encoding import Reader, Writer

if TYPE_CHECKING:
    from store.contents import MessageRow, Reaction, Tally

MAX_SIGNS: Final = 16
"""Different signs told of one message: those that came first."""
MAX_RESPONSE_BYTES: Final = (
    MAX_SIGNS * (MAX_EMOJI_BYTES + 20) + MAX_OPTIONS * (MAX_OPTION_BYTES + 20) + 64
)
_MULTIPLE, _CLOSES = 1, 2


@dataclass(frozen=True, slots=True)
class PageCount:
    """A sign or an answer, and how many people gave it."""

    text: str
    count: int
    mine: bool
    """The asker is among them."""


@dataclass(frozen=True, slots=True)
class PagePoll:
    """What can be chosen, and what was."""

    options: tuple[PageCount, ...]
    voters: int
    multiple: bool
    closes_at: int | None


def told_reactions(found: Iterable[Reaction], asker: bytes) -> tuple[PageCount, ...]:
    """The signs under a message, for an asker of that identity."""
    told = (PageCount(r.emoji, len(r.identities), asker in r.identities) for r in found)
    return tuple(told)[:MAX_SIGNS]


def told_poll(
    message: MessageRow, tally: Tally | None, asker: bytes
) -> PagePoll | None:
    """What a message asks and what was answered; None when it asks nothing."""
    poll = message.poll
    if poll is None or message.deleted:
        return None
    counts = tally.counts if tally is not None else ()
    votes = dict(tally.votes) if tally is not None else {}
    chosen = votes.get(asker, ())
    options = tuple(
        PageCount(text, counts[at] if at < len(counts) else 0, at in chosen)
        for at, text in enumerate(poll.options)
    )
    return PagePoll(options, len(votes), poll.multiple, poll.closes_at)


def write_reactions(writer: Writer, reactions: Iterable[PageCount]) -> None:
    """The bytes drawn above."""
    writer.array(tuple(reactions), _write_count)


def read_reactions(reader: Reader) -> tuple[PageCount, ...]:
    """The inverse of ``write_reactions``; raises ``RemoteProtocolError``."""
    found = reader.array(
        lambda item: _read_count(item, MAX_EMOJI_BYTES), max_count=MAX_SIGNS
    )
    return tuple(found)


def write_poll(writer: Writer, poll: PagePoll) -> None:
    """The bytes drawn above."""
    closes = poll.closes_at is not None
    writer.uint(_MULTIPLE * poll.multiple | _CLOSES * closes).uint(poll.voters)
    writer.array(poll.options, _write_count)
    if poll.closes_at is not None:
        writer.uint(poll.closes_at)


def read_poll(reader: Reader) -> PagePoll:
    """The inverse of ``write_poll``; raises ``RemoteProtocolError``."""
    flags, voters = reader.uint(), reader.uint()
    options = reader.array(
        lambda item: _read_count(item, MAX_OPTION_BYTES), max_count=MAX_OPTIONS
    )
    closes_at = reader.uint() if flags & _CLOSES else None
    return PagePoll(tuple(options), voters, bool(flags & _MULTIPLE), closes_at)


def reaction_snapshots(told: Iterable[PageCount]) -> tuple[ReactionSnapshot, ...]:
    """As clients show them."""
    return tuple(ReactionSnapshot(it.text, it.count, it.mine) for it in told)


def poll_snapshot(told: PagePoll | None) -> PollSnapshot | None:
    """As clients show it."""
    if told is None:
        return None
    return PollSnapshot(
        options=tuple(
            PollOptionSnapshot(it.text, it.count, it.mine) for it in told.options
        ),
        multiple=told.multiple,
        closes_at=told.closes_at,
        voters=told.voters,
    )


def _write_count(writer: Writer, told: PageCount) -> None:
    writer.string(told.text).uint(told.count).uint(int(told.mine))


def _read_count(reader: Reader, max_bytes: int) -> PageCount:
    text = reader.string(max_bytes=max_bytes)
    return PageCount(text, reader.uint(), bool(reader.uint()))
