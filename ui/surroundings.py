"""The parts of the seam around the talk: rule over a room, people, search, oneself.

Pieces of :class:`ui.gateway.Core`; :mod:`app.client` fits them, and so do the invented
ones of :mod:`ui.sample`. Failures are as for the whole.
"""

from __future__ import annotations

from typing import Any, Protocol

from app.snapshots import (
    ContactSnapshot,
    DeviceSnapshot,
    ProfileSnapshot,
    RequestSnapshot,
    RoomDetails,
    RoomSnapshot,
    SearchHit,
    SharingSnapshot,
)


class Rule(Protocol):
    """Who is who in a room, and who comes in."""

    async def details(self, room: str) -> RoomDetails:
        """What the room is about, its invites, who is banned, what one may do."""

    async def invite(
        self,
        room: str,
        *,
        role: str = "member",
        expires_ms: int | None = None,
        uses: int | None = None,
        approval: bool = False,
    ) -> str:
        """Make an invite link for a room."""

    async def revoke(self, link: str) -> None:
        """Let an invite let nobody in any more, by its link."""

    async def close_invite(self, room: str, key: str) -> None:
        """The same by its key, as ``details`` tells it."""

    async def requests(self, room: str) -> list[RequestSnapshot]:
        """Who waits to be let into a room by a person, oldest first."""

    async def approve(self, room: str, id: str) -> None:
        """Let in who waits."""

    async def deny(self, room: str, id: str) -> None:
        """Decline who waits."""

    async def set_role(self, room: str, member: str, role: str) -> None:
        """Change a member's rank."""

    async def kick(self, room: str, member: str) -> None:
        """Remove a member."""

    async def ban(self, room: str, member: str) -> None:
        """Remove somebody for good."""

    async def unban(self, room: str, member: str) -> None:
        """Let invites made from now on let somebody in again."""

    async def mute(
        self, room: str, member: str, *, until_ms: int | None = None
    ) -> None:
        """Let somebody not speak until then; None for good, 0 to speak again."""

    async def rotate_key(self, room: str) -> None:
        """Give a room a new key."""

    async def configure(
        self,
        room: str,
        *,
        name: str | None = None,
        description: str | None = None,
        retention_ms: int | None = None,
        admits_from: str | None = None,
    ) -> None:
        """Change what holds for a whole room; None leaves a thing as it is."""

    async def audit(self, room: str, file: str) -> dict[str, Any]:
        """Write every act of a room with its proofs into a new file."""


class People(Protocol):
    """Whom one knows."""

    async def dm(
        self, who: str, *, greeting: str = "", timeout_s: float | None = None
    ) -> RoomSnapshot:
        """The room of two with somebody; asks them first where need be."""

    async def contacts(self) -> list[ContactSnapshot]:
        """Everybody known, asking or blocked."""

    async def accept_contact(
        self, who: str, *, timeout_s: float | None = None
    ) -> RoomSnapshot:
        """Let somebody write directly."""

    async def decline_contact(self, who: str) -> None:
        """Do not."""

    async def block_contact(self, who: str) -> None:
        """Hear nothing more from somebody directly."""

    async def unblock_contact(self, who: str) -> None:
        """Hear from somebody again."""

    async def safety_number(self, who: str) -> str:
        """Sixty digits that both sides see alike."""


class Keeping(Protocol):
    """Texts that the window keeps, encrypted, by name."""

    async def preference(self, name: str) -> str:
        """What is kept under a name; empty when nothing is."""

    async def set_preference(self, name: str, value: str) -> None:
        """Keep a text under a name of small letters and hyphens."""


class Lookup(Protocol):
    """Finding what was said."""

    async def search(
        self,
        query: str,
        *,
        room: str | None = None,
        author: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> list[SearchHit]:
        """Messages with these words, the newest first."""

    async def search_is_whole(self) -> bool:
        """False while there may be more to find."""


class Oneself(Protocol):
    """This person's name, devices and what others may see."""

    async def set_profile(
        self, *, name: str | None = None, picture: str | None = None
    ) -> ProfileSnapshot:
        """Be seen otherwise."""

    async def devices(self) -> list[DeviceSnapshot]:
        """Every device of this person."""

    async def link_device(self) -> str:
        """A link for one further device."""

    async def wait_linked(self, link: str) -> DeviceSnapshot:
        """Wait until a device came by a link."""

    async def revoke_device(self, device: str) -> None:
        """Put a device out of everything."""

    async def sharing(self) -> SharingSnapshot:
        """What others may see of this person."""

    async def set_sharing(
        self, *, typing: bool | None = None, presence: bool | None = None
    ) -> SharingSnapshot:
        """Let others see more or less."""
