"""The blocks of a room's logs, and what names logs and messages.

Each writing device of a room has one Hypercore. Its manifest follows from the room key
and the device key, so that every member computes the log's key and nobody else tells
two logs apart by theirs. A block is::

    uint version (1) | uint key epoch | rest: sealed operation (``app/rooms/keys.py``)

and its id, by which a message is named everywhere, is BLAKE2b-256 over namespace, log
key, uint sequence and the block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.rooms import keys
from net.crypto import blake2b_256, namespace
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError
from store.hypercore.manifest import Manifest, Signer, create_manifest, manifest_key

BLOCK_VERSION = 1
MAX_BLOCK_BYTES = 72 * 1024
"""A message of 64 KiB with its envelope and seal; larger blocks mean nothing."""
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


def seal_block(
    plaintext: bytes,
    *,
    room_key: bytes,
    room: bytes,
    writer: bytes,
    sequence: int,
    entropy: Callable[[int], bytes],
) -> bytes:
    """An operation as the block of its place."""
    sealed = keys.seal_payload(
        plaintext,
        room_key=room_key,
        room=room,
        writer=writer,
        sequence=sequence,
        entropy=entropy,
    )
    return Writer().uint(BLOCK_VERSION).uint(keys.KEY_EPOCH).raw(sealed).finish()


def open_block(
    block: bytes, *, room_key: bytes, room: bytes, writer: bytes, sequence: int
) -> bytes:
    """The inverse of ``seal_block``.

    Raises:
        RemoteProtocolError: It is no block of this version, too large, or was not
            sealed with this key for this place.
    """
    if len(block) > MAX_BLOCK_BYTES:
        raise RemoteProtocolError("the block is too large", code="too-large")
    reader = Reader(block)
    version = reader.uint()
    if version != BLOCK_VERSION:
        raise RemoteProtocolError(f"block version {version}", code="version")
    epoch = reader.uint()
    if epoch != keys.KEY_EPOCH:
        raise RemoteProtocolError(f"no key of epoch {epoch}", code="epoch")
    return keys.open_payload(
        reader.raw(), room_key=room_key, room=room, writer=writer, sequence=sequence
    )
