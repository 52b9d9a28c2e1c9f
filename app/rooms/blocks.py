"""What names the logs of a room, and messages.

Each writing device of a room has one Hypercore. Its manifest follows from the room key
and the device key, so that every member computes the log's key and nobody else tells
two logs apart by theirs. A block (``app/rooms/seals.py``) has an id, by which a message
is named everywhere: BLAKE2b-256 over namespace, log key, uint sequence and the block.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.rooms import keys
from net.crypto import blake2b_256, namespace
from net.encoding import Writer
from store.hypercore.manifest import Manifest, Signer, create_manifest, manifest_key

MAX_WRITERS = 2_000
"""Logs kept for one room."""
MAX_LOG_LENGTH = 1 << 32

NO_HASH = bytes(32)

_BLOCK_ID = namespace("covey/room-log", 0)


@dataclass(frozen=True, slots=True)
class LogHead:
    """How far a log reaches here, durably and without a gap."""

    length: int
    """Blocks."""
    hash: bytes = NO_HASH
    """Of the tree's signature; ``NO_HASH`` where more is signed than lies here."""
    fork: int = 0
    forked: bool = False
    """Its writer has signed two histories: the log takes nothing more."""


def log_manifest(device: bytes, room_key: bytes) -> Manifest:
    """Who may write a device's log: the device, for this room."""
    signer = Signer(device, keys.log_namespace(room_key))
    return create_manifest([signer], version=1)


def log_key(device: bytes, room_key: bytes) -> bytes:
    """The key of a device's log."""
    return manifest_key(log_manifest(device, room_key))


def block_id(log_key: bytes, sequence: int, block: bytes) -> bytes:
    """What a message is named by."""
    place = Writer().fixed(log_key, 32).uint(sequence).finish()
    return blake2b_256(_BLOCK_ID, place, block)
