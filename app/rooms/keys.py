"""What is derived from a room's key, and the seal around every payload.

The room key is random. Everything else follows from it: the room's id (which also
binds its founder), the topic its members meet at, and what they prove to each other.
Keys have an epoch named in every block; until keys are rotated it is always 0.

A sealed payload is a random 24-byte nonce and XChaCha20-Poly1305 of the operation,
bound to the room, the writer and the place in its log::

    fixed24 nonce | ciphertext | 16-byte tag
"""

from __future__ import annotations

from collections.abc import Callable

from nacl import bindings, exceptions

from net.crypto import blake2b_256, namespace
from net.encoding import Writer
from net.errors import RemoteProtocolError

ROOM_KEY_BYTES = 32
NONCE_BYTES = 24
TAG_BYTES = 16
KEY_EPOCH = 0

_NAME = "covey/room"
_ROOM_ID = namespace(_NAME, 0)
_TOPIC = namespace(_NAME, 1)
_PROOF = namespace(_NAME, 2)
_CHANNEL = namespace(_NAME, 3)
_SEAL = namespace(_NAME, 4)
_DEVICE = namespace(_NAME, 5)
_LOG = namespace(_NAME, 6)


def room_id(room_key: bytes, founder: bytes) -> bytes:
    """The room's name, 32 bytes; binds the key and the founder's device."""
    return blake2b_256(_ROOM_ID, founder, key=room_key)


def room_topic(room_key: bytes) -> bytes:
    """Where the members meet: known to those who hold the key only."""
    return blake2b_256(_TOPIC, key=room_key)


def channel_id(room_key: bytes, handshake_hash: bytes) -> bytes:
    """Names the room on one connection, without telling it to a stranger."""
    return blake2b_256(_CHANNEL, handshake_hash, key=room_key)


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


def seal_payload(
    plaintext: bytes,
    *,
    room_key: bytes,
    room: bytes,
    writer: bytes,
    sequence: int,
    entropy: Callable[[int], bytes],
) -> bytes:
    """Encrypt an operation for its place in a log."""
    nonce = entropy(NONCE_BYTES)
    sealed = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        plaintext, _binding(room, writer, sequence), nonce, _seal_key(room_key)
    )
    return nonce + bytes(sealed)


def open_payload(
    payload: bytes, *, room_key: bytes, room: bytes, writer: bytes, sequence: int
) -> bytes:
    """The inverse of ``seal_payload``.

    Raises:
        RemoteProtocolError: It was not sealed with this key for this place.
    """
    if len(payload) < NONCE_BYTES + TAG_BYTES:
        raise RemoteProtocolError("the payload is too short", code="too-short")
    try:
        return bytes(
            bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                payload[NONCE_BYTES:],
                _binding(room, writer, sequence),
                payload[:NONCE_BYTES],
                _seal_key(room_key),
            )
        )
    except exceptions.CryptoError as error:
        raise RemoteProtocolError("the payload does not open", code="seal") from error


def _seal_key(room_key: bytes) -> bytes:
    return blake2b_256(_SEAL, key=room_key)


def _binding(room: bytes, writer: bytes, sequence: int) -> bytes:
    return Writer().fixed(room, 32).fixed(writer, 32).uint(sequence).finish()
