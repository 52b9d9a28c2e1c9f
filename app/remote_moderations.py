"""Who is who from outside: the methods of ``app/moderations.py`` as calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

from app.snapshots import RoomDetails

CALLS: Final[dict[str, dict[str, Any]]] = {
    "set_role": {"room": str, "member": str, "role": str},
    "kick": {"room": str, "member": str},
    "ban": {"room": str, "member": str},
    "unban": {"room": str, "member": str},
    "mute": {"room": str, "member": str, "until_ms": int | None},
    "details": {"room": str},
    "close_invite": {"room": str, "key": str},
    "rotate_key": {"room": str},
    "configure": {
        "room": str,
        "name": str | None,
        "description": str | None,
        "retention_ms": int | None,
        "admits_from": str | None,
    },
}
"""Methods of ``Moderations`` that clients may call, with their arguments' types."""


class RemoteModerations(ABC):
    """Changes who is who in the rooms of the core's profile."""

    @abstractmethod
    async def _call(self, kind: Any, call: str, /, **arguments: Any) -> Any:
        """Ask the core, and read the answer as a value of that kind."""

    async def set_role(self, room: str, member: str, role: str) -> None:
        """See ``Moderations.set_role``."""
        await self._call(None, "set_role", room=room, member=member, role=role)

    async def kick(self, room: str, member: str) -> None:
        """See ``Moderations.kick``."""
        await self._call(None, "kick", room=room, member=member)

    async def ban(self, room: str, member: str) -> None:
        """See ``Moderations.ban``."""
        await self._call(None, "ban", room=room, member=member)

    async def unban(self, room: str, member: str) -> None:
        """See ``Moderations.unban``."""
        await self._call(None, "unban", room=room, member=member)

    async def mute(
        self, room: str, member: str, *, until_ms: int | None = None
    ) -> None:
        """See ``Moderations.mute``."""
        await self._call(None, "mute", room=room, member=member, until_ms=until_ms)

    async def details(self, room: str) -> RoomDetails:
        """See ``Moderations.details``."""
        found: RoomDetails = await self._call(RoomDetails, "details", room=room)
        return found

    async def close_invite(self, room: str, key: str) -> None:
        """See ``Moderations.close_invite``."""
        await self._call(None, "close_invite", room=room, key=key)

    async def rotate_key(self, room: str) -> None:
        """See ``Moderations.rotate_key``."""
        await self._call(None, "rotate_key", room=room)

    async def configure(
        self,
        room: str,
        *,
        name: str | None = None,
        description: str | None = None,
        retention_ms: int | None = None,
        admits_from: str | None = None,
    ) -> None:
        """See ``Moderations.configure``."""
        await self._call(
            None,
            "configure",
            room=room,
            name=name,
            description=description,
            retention_ms=retention_ms,
            admits_from=admits_from,
        )
