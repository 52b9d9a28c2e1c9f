"""Contacts and rooms of two from outside: ``app/directs.py`` as calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

from app.snapshots import ContactSnapshot, RoomSnapshot

CALLS: Final[dict[str, dict[str, Any]]] = {
    "dm": {"who": str, "greeting": str, "timeout_s": float | None},
    "contacts": {},
    "accept_contact": {"who": str, "timeout_s": float | None},
    "decline_contact": {"who": str},
    "block_contact": {"who": str},
    "unblock_contact": {"who": str},
}
"""Methods of ``Directs`` that clients may call, with their arguments' types."""


class RemoteDirects(ABC):
    """The contacts of the core's profile."""

    @abstractmethod
    async def _call(self, kind: Any, call: str, /, **arguments: Any) -> Any:
        """Ask the core, and read the answer as a value of that kind."""

    async def dm(
        self, who: str, *, greeting: str = "", timeout_s: float | None = None
    ) -> RoomSnapshot:
        """See ``Directs.dm``."""
        room: RoomSnapshot = await self._call(
            RoomSnapshot, "dm", who=who, greeting=greeting, timeout_s=timeout_s
        )
        return room

    async def contacts(self) -> list[ContactSnapshot]:
        """See ``Directs.contacts``."""
        found: list[ContactSnapshot] = await self._call(
            list[ContactSnapshot], "contacts"
        )
        return found

    async def accept_contact(
        self, who: str, *, timeout_s: float | None = None
    ) -> RoomSnapshot:
        """See ``Directs.accept_contact``."""
        room: RoomSnapshot = await self._call(
            RoomSnapshot, "accept_contact", who=who, timeout_s=timeout_s
        )
        return room

    async def decline_contact(self, who: str) -> None:
        """See ``Directs.decline_contact``."""
        await self._call(None, "decline_contact", who=who)

    async def block_contact(self, who: str) -> None:
        """See ``Directs.block_contact``."""
        await self._call(None, "block_contact", who=who)

    async def unblock_contact(self, who: str) -> None:
        """See ``Directs.unblock_contact``."""
        await self._call(None, "unblock_contact", who=who)
