"""The keys of one room that are here, by their epochs.

Seals under a key that is named, opens with the one a block names, and remembers which
are asked for and missing, so that a log can wait for its key. ``unlock`` walks back
from the keys that are here through rotations (``app/rooms/epochs.py``) to those before.
Storing the keys is left to others.

An id has 16 bytes of a hash, so that two keys of one id are not to be had. The ring
keeps one key of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from app.rooms.epochs import BodyHead, open_previous
from app.rooms.seals import (
    EPOCH_KEY_BYTES,
    EpochSeal,
    fingerprint,
    read_epoch,
    read_header,
)
from net.errors import LocalProtocolError, RemoteProtocolError

MAX_EPOCHS: Final = 10_000
"""Keys of one room: two centuries of weekly ones."""
MAX_MISSING: Final = 1_024
"""Ids remembered as missing; the one longest without a question goes."""


class MissingKeyError(RemoteProtocolError):
    """A block is sealed under a key that is not here (yet).

    Attributes:
        epoch: The id of the key, 16 bytes.
    """

    default_code = "no-key"

    def __init__(self, epoch: bytes) -> None:
        super().__init__(f"no key of epoch {epoch.hex()}")
        self.epoch = epoch


class KeyRing:
    """The keys of one room that are here."""

    __slots__ = ("_keys", "_missing", "_room", "_seals")

    def __init__(self, room: bytes, keys: Iterable[bytes]) -> None:
        """Begin with what is known.

        Args:
            room: The room's id, 32 bytes.
            keys: The room key, and those that were added before, 32 bytes each.
        """
        self._room = room
        self._keys: dict[bytes, bytes] = {}
        self._seals: dict[bytes, EpochSeal] = {}
        self._missing: dict[bytes, None] = {}
        for key in keys:
            self.add(key)

    def __contains__(self, epoch: object) -> bool:
        return epoch in self._seals

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def ids(self) -> tuple[bytes, ...]:
        """The epochs whose keys are here, in the order they came."""
        return tuple(self._seals)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keys, in the order they came."""
        return tuple(self._keys.values())

    @property
    def missing(self) -> tuple[bytes, ...]:
        """The epochs that were asked for and are not here."""
        return tuple(self._missing)

    def key(self, epoch: bytes) -> bytes:
        """The key of an epoch.

        Raises:
            MissingKeyError: It is not here.
        """
        if epoch not in self._keys:
            raise self._miss(epoch)
        return self._keys[epoch]

    def add(self, key: bytes) -> bool:
        """Take a key in.

        Returns:
            Whether it is new: then blocks that were refused may open.

        Raises:
            RemoteProtocolError: ``too-many``: the ring is full.
        """
        if len(key) != EPOCH_KEY_BYTES:
            raise LocalProtocolError("a key has 32 bytes", code="bad-argument")
        seal = EpochSeal(key, self._room)
        if seal.id in self._keys:
            return False
        if len(self._keys) >= MAX_EPOCHS:
            raise RemoteProtocolError("too many keys of one room", code="too-many")
        self._keys[seal.id] = key
        self._seals[seal.id] = seal
        self._missing.pop(seal.id, None)
        return True

    def seal(
        self,
        plaintext: bytes,
        *,
        epoch: bytes,
        writer: bytes,
        sequence: int,
        entropy: Callable[[int], bytes],
    ) -> bytes:
        """An entry as the block of its place, under the key of an epoch.

        Raises:
            MissingKeyError: The key is not here.
            LocalProtocolError: ``too-large``: nobody would open it.
        """
        return self._seal(epoch).seal(
            plaintext, writer=writer, sequence=sequence, entropy=entropy
        )

    def open(self, block: bytes, *, writer: bytes, sequence: int) -> bytes:
        """The inverse of ``seal``.

        Raises:
            MissingKeyError: ``no-key``: it may open when that key comes.
            RemoteProtocolError: As for ``EpochSeal.open``.
        """
        seal = self._seal(read_epoch(block))
        return seal.open(block, writer=writer, sequence=sequence)

    def block_key(self, block: bytes, *, writer: bytes, sequence: int) -> bytes:
        """The key of one block, to show it to somebody outside the room.

        Raises:
            RemoteProtocolError: As for ``open``; of what is sealed nothing is checked.
        """
        seal = self._seal(read_epoch(block))
        salt = read_header(block).salt
        return seal.key(writer=writer, sequence=sequence, salt=salt)

    def _seal(self, epoch: bytes) -> EpochSeal:
        seal = self._seals.get(epoch)
        if seal is None:
            raise self._miss(epoch)
        return seal

    def _miss(self, epoch: bytes) -> MissingKeyError:
        self._missing.pop(epoch, None)
        while len(self._missing) >= MAX_MISSING:
            del self._missing[next(iter(self._missing))]
        self._missing[epoch] = None
        return MissingKeyError(epoch)


def unlock(ring: KeyRing, heads: Iterable[BodyHead]) -> list[bytes]:
    """Add every key that rotations lead back to from the keys that are here.

    A rotation whose way back is false adds nothing, and hinders no other.

    Args:
        ring: Takes the keys in.
        heads: Of any rotations, in any order.

    Returns:
        The keys that are new.

    Raises:
        RemoteProtocolError: ``too-many``: the ring is full.
    """
    by_key: dict[bytes, list[BodyHead]] = {}
    for head in heads:
        by_key.setdefault(head.fingerprint, []).append(head)
    found: list[bytes] = []
    due = list(ring.keys)
    while due:
        key = due.pop()
        for head in by_key.pop(fingerprint(key), ()):
            new = [one for one in _before(head, key) if ring.add(one)]
            found += new
            due += new
    return found


def loose_keys(ring: KeyRing, heads: Iterable[BodyHead]) -> tuple[bytes, ...]:
    """The keys that no other key here leads back to, in the order they came.

    One, the newest, or several after rotations at once. They are what the next rotation
    carries (the last ``MAX_PREVIOUS`` of them), and what a newcomer is given.

    Args:
        ring: The keys that are here.
        heads: Of the rotations that count.
    """
    keys = ring.keys
    by_print = {fingerprint(key): key for key in keys}
    before: dict[bytes, set[bytes]] = {}
    for head in heads:
        key = by_print.get(head.fingerprint)
        if key is not None:
            before.setdefault(key, set()).update(_before(head, key))
    led_to = set().union(*before.values())
    loose: set[bytes] = set()
    reached: set[bytes] = set()
    # Somebody may have made rotations that lead in a circle: of each the last to come.
    for key in (*(one for one in keys if one not in led_to), *reversed(keys)):
        if key in reached:
            continue
        loose.add(key)
        due = [key]
        while due:
            here = due.pop()
            if here not in reached:
                reached.add(here)
                due += before.get(here, ())
    return tuple(key for key in keys if key in loose)


def _before(head: BodyHead, key: bytes) -> tuple[bytes, ...]:
    try:
        return open_previous(head, key)
    except RemoteProtocolError:
        return ()
