"""What is known of messages that somebody else told of, and pages between two places.

For whoever shows messages before their logs are here: what was told is held against
what stands in the tables once these are level.
"""

from __future__ import annotations

from dataclasses import dataclass

from store.autobase import Place
from store.contents.bodies import EDIT
from store.contents.pages import MAX_PAGE, SELECT, MessageRow, read_messages
from store.database import Connection

_PLACE = "m.clock, m.device, m.sequence"


@dataclass(frozen=True, slots=True)
class Standing:
    """A message as it stands here, beside words that somebody gave for it."""

    place: Place
    identity: bytes | None
    sent_at: int
    """Milliseconds since 1970."""
    reply_to: bytes | None
    deleted: bool
    readable: bool
    """Its words are here."""
    said: bool
    """Its author wrote those words, at first or in an edit."""


def standing(
    connection: Connection, room: int, id: bytes, text: str
) -> Standing | None:
    """A message by its id; None when there is none.

    Args:
        connection: A reader's.
        room: Row of the room.
        id: Of the message.
        text: Words that somebody gave for it.
    """
    for clock, device, sequence, *values in connection.execute(
        f"SELECT {_PLACE}, w.identity, m.sent_at, m.reply_to, m.deleted,"
        " NOT (m.wiped OR m.expired OR m.deleted),"
        " m.text = ?3 OR EXISTS (SELECT 1 FROM change e"
        f" WHERE e.target = m.arrival AND e.kind = {EDIT} AND e.text = ?3"
        " AND e.identity = coalesce(w.identity, m.device))"
        " FROM content m CROSS JOIN writer w ON w.id = m.writer"
        " WHERE m.room = ?1 AND m.id = ?2",
        (room, id, text),
    ):
        identity, sent_at, reply_to, deleted, readable, said = values
        return Standing(
            Place(clock, device, sequence),
            identity,
            sent_at,
            reply_to,
            bool(deleted),
            bool(readable),
            bool(said),
        )
    return None


def page_between(
    connection: Connection,
    room: int,
    *,
    floor: Place | None,
    below: Place | None,
    limit: int,
) -> list[MessageRow]:
    """The newest messages with ``floor <= place < below``, oldest first.

    Args:
        connection: A reader's.
        room: Row of the room.
        floor: None for the beginning.
        below: None for the end.
        limit: At most this many, and never more than ``MAX_PAGE``.
    """
    condition, values = "m.room = ? AND m.shown = 1 AND m.expired = 0", [room]
    places: list[object] = []
    if floor is not None:
        condition += f" AND ({_PLACE}) >= (?, ?, ?)"
        places += floor
    if below is not None:
        condition += f" AND ({_PLACE}) < (?, ?, ?)"
        places += below
    found = connection.execute(
        f"{SELECT} WHERE {condition}"
        " ORDER BY m.clock DESC, m.device DESC, m.sequence DESC LIMIT ?",
        (*values, *places, max(0, min(limit, MAX_PAGE))),
    )
    return read_messages(found)[::-1]
