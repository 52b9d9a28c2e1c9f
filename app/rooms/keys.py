"""What is derived from a room's first key, for as long as the room lasts.

The room key is random. Everything that names the room follows from it: the room's id
(which also binds its founder), the topic its members meet at, and what they prove to
each other. What is written is sealed under keys that turn (``app/rooms/seals.py``).
"""

from __future__ import annotations

from net.crypto import blake2b_256, namespace

ROOM_KEY_BYTES = 32

_NAME = "covey/room"
_ROOM_ID = namespace(_NAME, 0)
_TOPIC = namespace(_NAME, 1)
_PROOF = namespace(_NAME, 2)
_CHANNEL = namespace(_NAME, 3)
_DEVICE = namespace(_NAME, 5)
_LOG = namespace(_NAME, 6)
_ASIDE = namespace(_NAME, 7)


def room_id(room_key: bytes, founder: bytes) -> bytes:
    """The room's name, 32 bytes; binds the key and the founder's device."""
    return blake2b_256(_ROOM_ID, founder, key=room_key)


def room_topic(room_key: bytes) -> bytes:
    """Where the members meet: known to those who hold the key only."""
    return blake2b_256(_TOPIC, key=room_key)


def channel_id(room_key: bytes, handshake_hash: bytes) -> bytes:
    """Names the room on one connection, without telling it to a stranger."""
    return blake2b_256(_CHANNEL, handshake_hash, key=room_key)


def aside_id(room_key: bytes, handshake_hash: bytes) -> bytes:
    """Names what is asked beside the logs on one connection; like ``channel_id``."""
    return blake2b_256(_ASIDE, handshake_hash, key=room_key)


def log_namespace(room_key: bytes) -> bytes:
    """Stands in the manifests of the room's logs, so that no other room has these."""
    return blake2b_256(_LOG, key=room_key)


def key_proof(room_key: bytes, handshake_hash: bytes, *, from_initiator: bool) -> bytes:
    """Shows on one connection, and in one direction only, that one holds the key."""
    side = b"\x01" if from_initiator else b"\x00"
    return blake2b_256(_PROOF, handshake_hash, side, key=room_key)


def device_challenge(
    room: bytes, handshake_hash: bytes, *, from_initiator: bool
) -> bytes:
    """What a device signs to show that it is at this end of this connection."""
    side = b"\x01" if from_initiator else b"\x00"
    return _DEVICE + room + handshake_hash + side
