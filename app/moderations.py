"""Who is who in rooms, as clients change it: the part of the messenger for that.

``app/remote_moderations.py`` has the same methods outside the core. A member is named
by identity key, an unambiguous prefix of it, or exact name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from app.errors import UserFacingError
from app.profile import clean_name
from app.rooms.moderation import FOR_EVER_MS
from app.rooms.operations import Settings
from app.rooms.operations.acts import MAX_DESCRIPTION_BYTES
from app.rooms.roles import ROLE_WORDS
from app.rooms.survey import survey
from app.snapshots import RoomDetails

if TYPE_CHECKING:
    from app.rooms.room import Room

MAX_RETENTION_MS = 100 * 366 * 24 * 3_600_000
"""What shall stay longer need not vanish."""


class Moderations(ABC):
    """Changes who is who in the rooms of a profile."""

    @abstractmethod
    def _find(self, text: str) -> Room:
        """The room of that id, prefix or name."""

    async def set_role(self, room: str, member: str, role: str) -> None:
        """Change a member's rank.

        Raises:
            UserFacingError: ``unknown-role``, ``unknown-member``, ``not-allowed``.
        """
        await self._find(room).moderation.set_role(member, role)

    async def kick(self, room: str, member: str) -> None:
        """Remove a member, who comes back only by an invite made from now on.

        Raises:
            UserFacingError: ``unknown-member``, ``not-allowed``.
        """
        await self._find(room).moderation.remove(member)

    async def ban(self, room: str, member: str) -> None:
        """Remove somebody for good: no invite lets them in before ``unban``."""
        await self._find(room).moderation.remove(member, ban=True)

    async def unban(self, room: str, member: str) -> None:
        """Let invites made from now on let somebody in again."""
        await self._find(room).moderation.lift_ban(member)

    async def mute(
        self, room: str, member: str, *, until_ms: int | None = None
    ) -> None:
        """Let somebody not speak for a while.

        Args:
            room: Which room.
            member: Whom.
            until_ms: Milliseconds since 1970; None for good, 0 to let speak again.
        """
        until = FOR_EVER_MS if until_ms is None else until_ms
        if not 0 <= until <= FOR_EVER_MS:
            raise UserFacingError("bad-time", "That is no time to mute somebody until.")
        await self._find(room).moderation.mute(member, until_ms=until)

    async def details(self, room: str) -> RoomDetails:
        """What a room is about, its invites, who is banned, and what one may do."""
        found = self._find(room)
        now_ms = found.now_ms()
        return await found.transact(
            lambda _, view: survey(view, found.id, found.identity, now_ms)
        )

    async def close_invite(self, room: str, key: str) -> None:
        """Let an invite let nobody in any more; ``key`` is that of ``details``.

        Raises:
            UserFacingError: ``unknown-invite``, ``not-allowed``.
        """
        try:
            invite_key = bytes.fromhex(key)
        except ValueError:
            invite_key = b""
        await self._find(room).moderation.close_invite(invite_key)

    async def rotate_key(self, room: str) -> None:
        """Give a room a new key, for the devices that are in it now."""
        await self._find(room).moderation.rotate()

    async def configure(
        self,
        room: str,
        *,
        name: str | None = None,
        description: str | None = None,
        retention_ms: int | None = None,
        admits_from: str | None = None,
    ) -> None:
        """Change what holds for a whole room; None leaves a thing as it is.

        Args:
            room: Which room.
            name: What it is called.
            description: What it is about.
            retention_ms: Messages vanish after so long; 0 for never.
            admits_from: The lowest rank that may let people in by an invite.

        Raises:
            UserFacingError: ``bad-name``, ``too-large``, ``bad-time``,
                ``unknown-role``, ``not-allowed``.
        """
        if (
            description is not None
            and len(description.encode()) > MAX_DESCRIPTION_BYTES
        ):
            raise UserFacingError("too-large", "The description is too long.")
        if retention_ms is not None and not 0 <= retention_ms <= MAX_RETENTION_MS:
            raise UserFacingError("bad-time", "Messages cannot be kept for that long.")
        if admits_from is not None and admits_from not in ROLE_WORDS:
            raise UserFacingError(
                "unknown-role",
                f"There is no role {admits_from}: use {', '.join(ROLE_WORDS)}.",
            )
        settings = Settings(
            name=None if name is None else clean_name(name),
            description=description,
            retention_ms=retention_ms,
            admits_from=None if admits_from is None else ROLE_WORDS[admits_from],
        )
        await self._find(room).moderation.change_settings(settings)
