"""What clients change of who is who in a room.

``Moderation`` belongs to one room and lives on the network's loop. It finds whom a
person means; whether it is allowed is decided where it is written
(``app/rooms/proposals.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.errors import UserFacingError
from app.rooms import proposals
from app.rooms.facts import MemberFact
from app.rooms.operations import Settings
from app.rooms.roles import ROLE_WORDS

if TYPE_CHECKING:
    from app.rooms.room import Room

FOR_EVER_MS = (1 << 53) - 1
"""Until when somebody is muted for good."""


class Moderation:
    """Changes who is who in one room."""

    def __init__(self, room: Room) -> None:
        """Act in a room that is loaded."""
        self._room = room

    async def set_role(self, member: str, role: str) -> None:
        """Change a member's rank.

        Raises:
            UserFacingError: ``unknown-role``, ``unknown-member``, ``not-allowed``.
        """
        wanted = ROLE_WORDS.get(role)
        if wanted is None:
            raise UserFacingError(
                "unknown-role", f"There is no role {role}: use {', '.join(ROLE_WORDS)}."
            )
        identity = self.find(member).identity
        await self._room.write(
            lambda view: proposals.role_change(view, identity, wanted)
        )

    async def remove(self, member: str, *, ban: bool = False) -> None:
        """Remove somebody from the room; the key turns at once.

        Args:
            member: See ``find``.
            ban: No invite lets that person in before ``lift_ban``.

        Raises:
            UserFacingError: ``unknown-member``, ``not-allowed``.
        """
        # Who is out already can still be banned.
        identity = self.find(member, absent=ban).identity
        if identity == self._room.identity:
            raise UserFacingError("not-allowed", "To go yourself, leave the room.")
        await self._room.write(lambda view: proposals.removal(view, identity, ban=ban))
        await self._room.turning.turn()

    async def lift_ban(self, member: str) -> None:
        """Let invites made from now on let somebody in again."""
        identity = self.find(member, absent=True).identity
        await self._room.write(lambda view: proposals.ban_lift(view, identity))

    async def mute(self, member: str, *, until_ms: int = FOR_EVER_MS) -> None:
        """Let somebody not speak until a time, in ms since 1970; 0: speak again."""
        identity = self.find(member).identity
        await self._room.write(lambda view: proposals.mute(view, identity, until_ms))

    async def close_invite(self, invite_key: bytes) -> None:
        """Let an invite let nobody in any more."""
        await self._room.write(lambda view: proposals.invite_closing(view, invite_key))

    async def change_settings(self, settings: Settings) -> None:
        """Change what holds for the whole room."""
        await self._room.write(lambda view: proposals.settings_change(view, settings))

    async def rotate(self) -> None:
        """Turn the room's key now."""
        await self._room.write(proposals.rotation)

    def find(self, text: str, *, absent: bool = False) -> MemberFact:
        """A member by identity key, a prefix of it, or exact name.

        Args:
            text: Typed by a person.
            absent: Those who are out are meant as well.

        Raises:
            UserFacingError: ``unknown-member`` or ``ambiguous``.
        """
        members = self._room.facts.members.values()
        there = [m for m in members if m.present or absent]
        found = [m for m in there if m.name == text] or [
            m for m in there if text and m.identity.hex().startswith(text.lower())
        ]
        if not found:
            raise UserFacingError(
                "unknown-member", f"Nobody in this room is called {text}."
            )
        if len(found) > 1:
            raise UserFacingError(
                "ambiguous", f"Several members are called {text}: use the identity key."
            )
        return found[0]
