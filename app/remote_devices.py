"""This person's devices from outside: ``app/own_devices.py`` as calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

from app.snapshots import DeviceSnapshot, ProfileSnapshot

CALLS: Final[dict[str, dict[str, Any]]] = {
    "devices": {},
    "link_device": {},
    "wait_linked": {"link": str},
    "join_device": {"link": str, "timeout_s": float | None},
    "revoke_device": {"device": str},
    "safety_number": {"who": str},
    "set_profile": {"name": str | None, "picture": str | None},
}
"""Methods of ``OwnDevices`` that clients may call, with their arguments' types."""


class RemoteDevices(ABC):
    """Links, lists and revokes devices of the person of the core's profile."""

    @abstractmethod
    async def _call(self, kind: Any, call: str, /, **arguments: Any) -> Any:
        """Ask the core, and read the answer as a value of that kind."""

    async def devices(self) -> list[DeviceSnapshot]:
        """Every device of this person; see ``OwnDevices.devices``."""
        found: list[DeviceSnapshot] = await self._call(list[DeviceSnapshot], "devices")
        return found

    async def link_device(self) -> str:
        """Make a link for one further device; see ``OwnDevices.link_device``."""
        link: str = await self._call(str, "link_device")
        return link

    async def wait_linked(self, link: str) -> DeviceSnapshot:
        """Wait until a device came by a link; see ``OwnDevices.wait_linked``."""
        found: DeviceSnapshot = await self._call(
            DeviceSnapshot, "wait_linked", link=link
        )
        return found

    async def join_device(
        self, link: str, *, timeout_s: float | None = None
    ) -> ProfileSnapshot:
        """Become a device of who made a link; see ``OwnDevices.join_device``."""
        found: ProfileSnapshot = await self._call(
            ProfileSnapshot, "join_device", link=link, timeout_s=timeout_s
        )
        return found

    async def revoke_device(self, device: str) -> None:
        """Put a device out of everything; see ``OwnDevices.revoke_device``."""
        await self._call(None, "revoke_device", device=device)

    async def safety_number(self, who: str) -> str:
        """Sixty digits to compare; see ``OwnDevices.safety_number``."""
        found: str = await self._call(str, "safety_number", who=who)
        return found

    async def set_profile(
        self, *, name: str | None = None, picture: str | None = None
    ) -> ProfileSnapshot:
        """Be seen otherwise; see ``OwnDevices.set_profile``."""
        found: ProfileSnapshot = await self._call(
            ProfileSnapshot, "set_profile", name=name, picture=picture
        )
        return found
