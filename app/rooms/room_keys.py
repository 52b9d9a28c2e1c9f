"""The keys of one room as they come and go: stored, found in acts, asked for.

``RoomKeys`` belongs to the ``RoomView`` and lives in the writer thread; sealing and
opening is the business of ``KeyRing``, which it fills.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from app.rooms.epochs import (
    MAX_PREVIOUS,
    MAX_ROTATION_DEVICES,
    BodyHead,
    make_rotation,
    open_rotation,
    read_head,
)
from app.rooms.key_ring import KeyRing, loose_keys, unlock
from app.rooms.operations import Rotate
from app.rooms.seals import EPOCH_KEY_BYTES, epoch_id
from net.crypto import KeyPair
from net.errors import RemoteProtocolError
from store import rooms
from store.database import Connection
from store.rooms import RoomRow


class RoomKeys:
    """Keeps the keys of one room.

    Attributes:
        ring: Those that are here.
    """

    def __init__(self, row: RoomRow, device: KeyPair) -> None:
        """Begin with the room key; see ``load``.

        Args:
            row: The room as stored.
            device: This device's key pair: what is sealed to it opens.
        """
        self.ring = KeyRing(row.room, (row.key,))
        self.first = epoch_id(row.key)
        self._row = row
        self._device = device
        self._heads: dict[bytes, BodyHead] = {}

    def load(self, connection: Connection) -> None:
        """Read the keys that are stored."""
        for key in rooms.keys(connection, self._row.row):
            self.ring.add(key)

    def know(self, body: Rotate) -> None:
        """Hear of a rotation whose keys are stored already, or lacking."""
        try:
            head = read_head(body.body)
        except RemoteProtocolError:
            return
        self._heads[head.fingerprint] = head

    def take(self, connection: Connection, body: Rotate) -> bool:
        """Take the keys that an act gives to this device.

        Returns:
            Whether there are new ones.
        """
        self.know(body)
        try:
            key = open_rotation(body.body, body.devices, self._device, epoch=body.epoch)
        except RemoteProtocolError:
            # Whoever made it sealed nonsense; it may be had from others.
            key = None
        return self.add(connection, () if key is None else (key,))

    def add(
        self, connection: Connection, keys: Iterable[bytes], *, asked: bool = False
    ) -> bool:
        """Keep keys, and those they lead back to.

        Args:
            connection: The writer's.
            keys: 32 bytes each.
            asked: Take only what is missing.

        Returns:
            Whether there are new ones.
        """
        missing = set(self.ring.missing)
        wanted = [key for key in keys if not asked or epoch_id(key) in missing]
        try:
            new = [key for key in wanted if self.ring.add(key)]
            new += unlock(self.ring, self._heads.values())
        except RemoteProtocolError:
            # Somebody fills the ring on purpose; what is in it still opens.
            return False
        rooms.add_keys(connection, self._row.row, new)
        return bool(new)

    def rotation(
        self, devices: Sequence[bytes], *, entropy: Callable[[int], bytes]
    ) -> Rotate:
        """A new key for some devices; others ask for it when they need it.

        Args:
            devices: Those that shall have it.
            entropy: Gives random bytes.
        """
        previous = loose_keys(self.ring, self._heads.values())[-MAX_PREVIOUS:]
        named = sorted(devices, key=lambda device: device != self._device.public_key)
        shared = make_rotation(
            entropy(EPOCH_KEY_BYTES),
            previous,
            named[:MAX_ROTATION_DEVICES],
            entropy=entropy,
        )
        return Rotate(shared.epoch, shared.devices, shared.body)

    def of(self, epochs: Iterable[bytes]) -> list[bytes]:
        """The keys of these epochs, as far as they are here."""
        return [self.ring.key(epoch) for epoch in epochs if epoch in self.ring]
