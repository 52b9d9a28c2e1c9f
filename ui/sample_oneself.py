"""The invented core's part about oneself: name, devices, what others see."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import replace

from app.events import DevicesChanged
from app.snapshots import DeviceSnapshot, ProfileSnapshot, SharingSnapshot
from ui.bridge import Mailbox, pause

DEVICE_LINK = "covey://device/yq7r3kbnmtqwx5z1n8ohcdfsg46pjue9ay7w3rkbnmtqwx5z1n8oh"


class SampleOneself(ABC):
    """One person's devices in one process's memory.

    Attributes:
        shared: What others may see.
    """

    me: str
    now_ms: int
    _mail: Mailbox

    def __init__(self) -> None:
        self.shared = SharingSnapshot(typing=True, presence=True)
        self._own: list[DeviceSnapshot] = []
        self._came: list[DeviceSnapshot] = []

    @abstractmethod
    async def profile(self) -> ProfileSnapshot:
        """Who this profile is."""

    @abstractmethod
    def _refuse(self) -> None:
        """Fail, when everything shall."""

    async def set_profile(
        self, *, name: str | None = None, picture: str | None = None
    ) -> ProfileSnapshot:
        """Be called otherwise."""
        del picture
        self._refuse()
        self.me = name or self.me
        return await self.profile()

    async def devices(self) -> list[DeviceSnapshot]:
        """This one and those of :meth:`add_device`."""
        return [
            DeviceSnapshot(
                "00" * 32, "Desk", self.now_ms - 10**10, True, me=True, revoked=False
            ),
            *self._own,
        ]

    async def link_device(self) -> str:
        """A link that leads nowhere."""
        self._refuse()
        return DEVICE_LINK

    async def wait_linked(self, link: str) -> DeviceSnapshot:
        """Wait for :meth:`add_device`."""
        assert link == DEVICE_LINK
        while not self._came:
            await pause(0.01)
        return self._came.pop()

    async def revoke_device(self, device: str) -> None:
        """Put it out."""
        self._refuse()
        self._own = [
            replace(it, revoked=True, online=False) if it.key == device else it
            for it in self._own
        ]
        self._mail.post(DevicesChanged())

    async def sharing(self) -> SharingSnapshot:
        """What others may see."""
        return self.shared

    async def set_sharing(
        self, *, typing: bool | None = None, presence: bool | None = None
    ) -> SharingSnapshot:
        """Let them see more or less."""
        self._refuse()
        self.shared = SharingSnapshot(
            self.shared.typing if typing is None else typing,
            self.shared.presence if presence is None else presence,
        )
        return self.shared

    def add_device(self, name: str, *, online: bool = True) -> None:
        """A device came by the link."""
        key = hashlib.blake2b(name.encode(), digest_size=32).hexdigest()
        device = DeviceSnapshot(key, name, self.now_ms, online, me=False, revoked=False)
        self._own.append(device)
        self._came.append(device)
        self._mail.post(DevicesChanged())
