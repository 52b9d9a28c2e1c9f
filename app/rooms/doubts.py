"""Which messages that somebody told of a room's history were not true.

Told before the logs were here (``app/rooms/previews.py``), held against the tables when
they are. What cannot be decided counts for nobody. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from app.rooms.blocks import LogHead
from app.rooms.facts import RoomFacts
from app.rooms.pages import PageRow
from store.contents.standing import Standing


@dataclass(frozen=True, slots=True)
class Logs:
    """What is known here of a room's logs."""

    facts: RoomFacts
    heads: Mapping[bytes, LogHead]
    """The head of every log here, by writer."""
    derived: Mapping[bytes, int]
    """How much of each is understood."""


@dataclass(frozen=True, slots=True)
class Told:
    """A message, and who says that it is so."""

    row: PageRow
    source: bytes
    """Identity of the member."""
    is_first: bool
    """It came with the lengths of the logs: these reach beyond what made it so."""
    page: bytes
    """What it came in, signed."""


def is_false(
    one: Told, stands: Standing | None, logs: Logs, behind: Collection[bytes]
) -> bool:
    """True when a message was made up, or changed.

    Args:
        one: The message as told.
        stands: As it stands here; None when it does not.
        logs: What is known of the room's logs.
        behind: Logs that are not here as far as was told.
    """
    if stands is None:
        return _should_be_here(one, logs, behind)
    row = one.row
    if (row.place, row.sent_at, row.reply_to) != (
        stands.place,
        stands.sent_at,
        stands.reply_to,
    ):
        return True
    if None not in (row.identity, stands.identity) and row.identity != stands.identity:
        return True
    if not one.is_first and (row.deleted or row.edited_at is not None):
        # Somebody may have changed it after the lengths were told.
        return False
    if row.deleted:
        return not stands.deleted
    return stands.readable and not stands.said


def _should_be_here(one: Told, logs: Logs, behind: Collection[bytes]) -> bool:
    """True when a message that is not here cannot be on its way."""
    device, sequence = one.row.device, one.row.sequence
    fact, head = logs.facts.devices.get(device), logs.heads.get(device)
    if one.row.deleted or (head is not None and head.forked):
        return False
    cut = fact.wanted_length if fact is not None else None
    if cut is not None and sequence >= cut:
        # Whoever told it had perhaps not heard of its author's going.
        return False
    if sequence < logs.derived.get(device, 0):
        return True
    return one.is_first and device not in behind


def doubt_sentence(name: str, count: int) -> str:
    """The sentence for a person."""
    if count == 1:
        return (
            f"One message that {name} showed you of this room's history turned out not"
            " to be true; it is gone."
        )
    return (
        f"{count} messages that {name} showed you of this room's history turned out not"
        " to be true; they are gone."
    )
