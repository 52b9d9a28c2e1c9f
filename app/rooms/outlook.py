"""What this device needs to know to write into a room: as of some moment, frozen.

It comes out of every transaction, so that what a person says is judged and sealed at
once where it is said, without a way to the writer thread and back. Older than what is
there by now it is still true: an entry links to what its author had seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.errors import UserFacingError
from app.rooms.operations import Body, Operation, encode_operation
from app.rooms.roles import SPEECH, Right
from net.constants import MAX_SAFE_UINT
from store.autobase import Link, encode_entry

Sealer = Callable[[bytes, int], bytes]
"""Makes a block of an entry and its number."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """How an entry is written now."""

    length: int
    """Of the own log, as far as it is derived: the number of the next entry."""
    clock: int
    """The highest of all entries that are here."""
    links: tuple[Link, ...]
    """What the next entry links to."""
    seal: Sealer | None
    """None while the key in use is not here."""
    is_member: bool
    rights: frozenset[Right] = frozenset()
    muted_until_ms: int = 0
    farewell: str = ""
    """How this person came to be out, as a sentence."""

    def require(self, right: Right) -> None:
        """Refuse what this person may not do now.

        Raises:
            UserFacingError: ``not-a-member``, ``read-only`` or ``muted``.
        """
        if not self.is_member:
            raise not_a_member(self.farewell)
        if right not in self.rights:
            raise UserFacingError("read-only", "You may read this room, but not write.")
        if right in SPEECH and self.muted_until_ms > self.clock:
            raise UserFacingError("muted", "You may not write in this room for now.")

    def draft(self, body: Body | Operation, *, now_ms: int, behind: int = 0) -> bytes:
        """A block, sealed for its place: so many behind ``length``.

        Args:
            body: What it says; with the time when that was said, if not now.
            now_ms: The wall clock.
            behind: How many are written before it. The first of several links for all:
                the others stand behind it.

        Raises:
            UserFacingError: ``no-room-key``: the key in use is not here.
        """
        if self.seal is None:
            raise UserFacingError(
                "no-room-key",
                "The room has a new key that has not come here yet: try again when"
                " another member is online.",
            )
        links = () if behind else self.links
        clock = min(max(now_ms, self.clock + 1) + behind, MAX_SAFE_UINT)
        said = body if isinstance(body, Operation) else Operation(now_ms, body)
        payload = encode_operation(said)
        return self.seal(encode_entry(clock, links, payload), self.length + behind)


def not_a_member(farewell: str = "") -> UserFacingError:
    """What is said to somebody who is out.

    Args:
        farewell: How that came, as a sentence, if it is known.
    """
    return UserFacingError(
        "not-a-member", farewell or "You are not a member of this room any more."
    )
