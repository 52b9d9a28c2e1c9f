"""What this person lets others see of them just now: asked for, kept, told to rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from app.faults import explained
from app.rooms.signals import Sharing
from app.snapshots import SharingSnapshot
from store.database import Connection, Database
from store.settings import get_setting, set_setting

if TYPE_CHECKING:
    from app.rooms.room import Room

_TYPING: Final = "share-typing"
_PRESENCE: Final = "share-presence"
_YES, _NO = b"1", b"0"


class Consent:
    """What the members of a profile's rooms may see of its person.

    Attributes:
        sharing: The same, as rooms read it.
    """

    def __init__(self, database: Database, rooms: Mapping[bytes, Room]) -> None:
        """Begin as everybody does; see ``load``.

        Args:
            database: The profile's.
            rooms: Those that are loaded, by id.
        """
        self.sharing = Sharing()
        self._database = database
        self._rooms = rooms

    async def load(self) -> None:
        """Take what was chosen before."""

        def look(connection: Connection) -> tuple[bytes | None, bytes | None]:
            return get_setting(connection, _TYPING), get_setting(connection, _PRESENCE)

        with explained():
            typing, presence = await asyncio.wrap_future(self._database.read(look))
        if typing is not None:
            self.sharing.typing = typing == _YES
        if presence is not None:
            self.sharing.presence = presence == _YES

    def snapshot(self) -> SharingSnapshot:
        """What others may see."""
        return SharingSnapshot(self.sharing.typing, self.sharing.presence)

    async def change(
        self, *, typing: bool | None, presence: bool | None
    ) -> SharingSnapshot:
        """Let others see more or less; None for as it is.

        Raises:
            UserFacingError: ``disk``.
        """
        given = ((_TYPING, typing), (_PRESENCE, presence))

        def keep(connection: Connection) -> None:
            for name, value in given:
                if value is not None:
                    set_setting(connection, name, _YES if value else _NO)

        with explained():
            await asyncio.wrap_future(self._database.write(keep))
        if typing is not None:
            self.sharing.typing = typing
        if presence is not None:
            self.sharing.presence = presence
        self._tell()
        return self.snapshot()

    def set_active(self, *, active: bool) -> None:
        """The person is at the computer, or not."""
        if active != self.sharing.active:
            self.sharing.active = active
            self._tell()

    def _tell(self) -> None:
        for room in self._rooms.values():
            room.signals.sharing_changed()
