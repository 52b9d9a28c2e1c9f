"""What is asked and answered in the words of clients: names, snapshots. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from app.errors import UserFacingError
from app.rooms.facts import MemberFact, RoomFacts
from app.search.searching import Found
from app.snapshots import MessageSnapshot, SearchHit
from store.search.query import MAX_FILTER_KEYS

MIN_PREFIX = 4
"""Letters of an identity key that name somebody."""


def author_keys(rooms: Iterable[RoomFacts], text: str) -> tuple[bytes, ...]:
    """The keys under which somebody's messages may be indexed.

    Everybody of that name is meant, who is in one of the rooms or was.

    Args:
        rooms: Where to look for them.
        text: A name, an identity key in hex, or its beginning.

    Raises:
        UserFacingError: ``unknown-member``.
    """
    identities: dict[bytes, None] = {}
    devices: dict[bytes, None] = {}
    for facts in rooms:
        for member in facts.members.values():
            if _is_meant(member, text):
                identities[member.identity] = None
        for key, device in facts.devices.items():
            # What came before it was known whose device it is stands under its key.
            if device.identity in identities:
                devices[key] = None
    if not identities:
        raise UserFacingError("unknown-member", f"There is nobody called {text}.")
    return (*identities, *devices)[:MAX_FILTER_KEYS]


def search_hit(message: MessageSnapshot, room_name: str, found: Found) -> SearchHit:
    """A message that was found, as clients get it."""
    return SearchHit(
        message=message,
        room_name=room_name,
        snippet=found.snippet.text,
        ranges=found.snippet.ranges,
        cut_before=found.snippet.cut_before,
        cut_after=found.snippet.cut_after,
        cursor=found.cursor,
    )


def _is_meant(member: MemberFact, text: str) -> bool:
    if member.name.casefold() == text.casefold():
        return True
    return len(text) >= MIN_PREFIX and member.identity.hex().startswith(text.lower())
