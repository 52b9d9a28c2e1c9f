"""What clients ask about this person's devices: the part of the messenger for that.

What comes of it is the business of ``app/devices``.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path

from app.devices.devices import Devices
from app.devices.faces import read_picture
from app.devices.safety import safety_number
from app.snapshots import DeviceSnapshot, ProfileSnapshot


class OwnDevices(ABC):
    """Links, lists and revokes devices of this person.

    Attributes:
        stop_asked: Set when the core shall end.
    """

    stop_asked: asyncio.Event
    _devices: Devices

    @abstractmethod
    async def profile(self) -> ProfileSnapshot:
        """Who this profile is."""

    @abstractmethod
    def _person(self, who: str) -> tuple[bytes, str]:
        """Identity and name of somebody, by what a person typed."""

    async def safety_number(self, who: str) -> str:
        """Sixty digits that both sides see alike if nobody stands between them.

        Args:
            who: Somebody's identity key, a prefix of it, or a name.

        Raises:
            UserFacingError: ``unknown-person``, ``ambiguous``.
        """
        identity, _ = self._person(who)
        own = bytes.fromhex((await self.profile()).identity_key)
        return await asyncio.to_thread(safety_number, own, identity)

    async def set_profile(
        self, *, name: str | None = None, picture: str | None = None
    ) -> ProfileSnapshot:
        """Be seen otherwise, in all rooms and from all devices.

        Args:
            name: None to keep it.
            picture: A file of a PNG, JPEG or WebP picture of at most 32 KiB; None to
                keep it, empty for none.

        Raises:
            UserFacingError: ``bad-name``, ``file``, ``too-large``, ``bad-picture``,
                ``revoked``, ``not-a-member``, ``not-linked``, ``disk``.
        """
        data: bytes | None = None
        if picture is not None:
            data = b""
            if picture:
                data = await asyncio.to_thread(read_picture, Path(picture))
        await self._devices.set_face(name, data)
        return await self.profile()

    async def devices(self) -> list[DeviceSnapshot]:
        """Every device of this person, revoked ones too, the oldest first.

        Raises:
            UserFacingError: ``not-linked``.
        """
        return self._devices.list()

    async def link_device(self) -> str:
        """Make a link by which one further device becomes this person's.

        It holds a quarter of an hour, and while this core runs. Whoever shows it
        first is this person from then on: it is for one's own eyes only.

        Raises:
            UserFacingError: ``revoked``, ``not-a-member``, ``not-linked``,
                ``no-network``.
        """
        return self._devices.link()

    async def wait_linked(self, link: str) -> DeviceSnapshot:
        """Wait until a device came by a link; raises ``bad-link``, ``expired-link``."""
        return await self._devices.wait_linked(link)

    async def join_device(
        self, link: str, *, timeout_s: float | None = None
    ) -> ProfileSnapshot:
        """Become a device of who made a link; the core ends then: connect again.

        Args:
            link: As ``link_device`` gave it on the other device.
            timeout_s: How long to wait for that device; a minute when None.

        Raises:
            UserFacingError: ``bad-link``, ``version``, ``not-fresh``,
                ``nobody-online``, ``no-network``, ``disk``.
        """
        handover = await self._devices.join(link, timeout_s=timeout_s)
        self.stop_asked.set()
        return replace(
            await self.profile(),
            name=handover.name,
            identity_key=handover.proof.identity.hex(),
        )

    async def revoke_device(self, device: str) -> None:
        """Put one of this person's devices out of everything, for ever.

        Args:
            device: Its key, a prefix of it, or its exact name.

        Raises:
            UserFacingError: ``unknown-device``, ``ambiguous``, ``not-allowed``,
                ``revoked``, ``not-a-member``, ``not-linked``.
        """
        await self._devices.revoke(device)
