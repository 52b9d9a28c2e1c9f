"""The seal around every entry of a room's logs: one key for one block.

A block is::

    uint version (1) | fixed16 epoch id | fixed16 salt | fixed16 commitment
    | ciphertext | 16-byte tag

    block key    H(epoch key, ns 1 | room id | writer | u64 sequence | salt)
    commitment   first 16 bytes of H(ns 2 | block key)
    ciphertext   XChaCha20-Poly1305 under the block key, with a nonce of zeros (the key
                 is used once) and as associated data
                 version | epoch id | room id | writer | u64 sequence

H is BLAKE2b-256, H(key, ...) is keyed, ns is ``namespace("covey/room-epoch", n)``; u64
is little endian. XChaCha20-Poly1305 alone may open under two keys that somebody has
sought out; the commitment fits one only. So what is said stays what was said whoever
opens it, and one block can be shown to somebody outside the room by giving away its
block key, which opens nothing else.

Which epoch's key is known or in use is the business of ``app/rooms/epochs.py``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, NamedTuple

from nacl import bindings, exceptions

from net.crypto import blake2b_256, namespace
from net.errors import LocalProtocolError, RemoteProtocolError

BLOCK_VERSION: Final = 1
EPOCH_KEY_BYTES: Final = 32
EPOCH_ID_BYTES: Final = 16
SALT_BYTES: Final = 16
COMMITMENT_BYTES: Final = 16
TAG_BYTES: Final = 16
HEADER_BYTES: Final = 1 + EPOCH_ID_BYTES + SALT_BYTES + COMMITMENT_BYTES
SEAL_BYTES: Final = HEADER_BYTES + TAG_BYTES
"""What the seal adds to an entry."""
MAX_BLOCK_BYTES: Final = 72 * 1024
"""A message of 64 KiB with its envelope and seal; larger blocks mean nothing."""

_NAME: Final = "covey/room-epoch"
_EPOCH: Final = namespace(_NAME, 0)
_BLOCK: Final = namespace(_NAME, 1)
_COMMITMENT: Final = hashlib.blake2b(namespace(_NAME, 2), digest_size=32)

_VERSION: Final = bytes((BLOCK_VERSION,))
_SALT_AT: Final = 1 + EPOCH_ID_BYTES
_COMMITMENT_AT: Final = _SALT_AT + SALT_BYTES
_NONCE: Final = bytes(24)

_encrypt = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt
_decrypt = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt


class Header(NamedTuple):
    """What of a block can be read without a key.

    Attributes:
        epoch: Id of the epoch whose key it was sealed under, 16 bytes.
        salt: 16 random bytes.
        commitment: To the block key, 16 bytes.
    """

    epoch: bytes
    salt: bytes
    commitment: bytes


def fingerprint(epoch_key: bytes) -> bytes:
    """32 bytes that one epoch key has, and that tell nothing of it."""
    return blake2b_256(_EPOCH, epoch_key)


def epoch_id(epoch_key: bytes) -> bytes:
    """What an epoch is named by in blocks: the start of its key's fingerprint.

    That of epoch 0 is the id of the room key.
    """
    return fingerprint(epoch_key)[:EPOCH_ID_BYTES]


def read_header(block: bytes) -> Header:
    """The readable part of a block.

    Raises:
        RemoteProtocolError: ``version``, ``too-short`` or ``too-large``.
    """
    _check(block)
    return Header(
        block[1:_SALT_AT],
        block[_SALT_AT:_COMMITMENT_AT],
        block[_COMMITMENT_AT:HEADER_BYTES],
    )


def read_epoch(block: bytes) -> bytes:
    """Id of the epoch whose key a block was sealed under; raises as ``read_header``."""
    _check(block)
    return block[1:_SALT_AT]


def block_key(
    epoch_key: bytes, *, room: bytes, writer: bytes, sequence: int, salt: bytes
) -> bytes:
    """The key that one block is sealed under; from it no other key follows."""
    place = writer + sequence.to_bytes(8, "little")
    return blake2b_256(_BLOCK, room, place, salt, key=epoch_key)


def open_with_block_key(
    block: bytes, key: bytes, *, room: bytes, writer: bytes, sequence: int
) -> bytes:
    """What a block says, for somebody who was given its own key alone.

    Raises:
        RemoteProtocolError: As for ``EpochSeal.open``.
    """
    _check(block)
    if _commitment(key) != block[_COMMITMENT_AT:HEADER_BYTES]:
        raise _does_not_fit()
    place = writer + sequence.to_bytes(8, "little")
    return _open(block, key, block[:_SALT_AT] + room + place)


class EpochSeal:
    """Seals and opens the blocks of one epoch of one room.

    Attributes:
        id: Of the epoch, 16 bytes.
    """

    __slots__ = ("_associated", "_head", "_keyed", "id")

    def __init__(self, epoch_key: bytes, room: bytes) -> None:
        assert len(epoch_key) == EPOCH_KEY_BYTES
        assert len(room) == 32
        self.id = epoch_id(epoch_key)
        self._head = _VERSION + self.id
        self._associated = self._head + room
        # Everything of the derivation that all blocks of the epoch have in common.
        self._keyed = hashlib.blake2b(_BLOCK + room, digest_size=32, key=epoch_key)

    def key(self, *, writer: bytes, sequence: int, salt: bytes) -> bytes:
        """As ``block_key``."""
        state = self._keyed.copy()
        state.update(writer + sequence.to_bytes(8, "little") + salt)
        return state.digest()

    def seal(
        self,
        plaintext: bytes,
        *,
        writer: bytes,
        sequence: int,
        entropy: Callable[[int], bytes],
    ) -> bytes:
        """An entry as the block of its place.

        Args:
            plaintext: At most ``MAX_BLOCK_BYTES - SEAL_BYTES``.
            writer: Key of the device in whose log it stands, 32 bytes.
            sequence: Its number there.
            entropy: Must never give the same 16 bytes twice for one place.

        Raises:
            LocalProtocolError: ``too-large``: nobody would open it.
        """
        assert len(writer) == 32
        if len(plaintext) > MAX_BLOCK_BYTES - SEAL_BYTES:
            raise LocalProtocolError("too large for a block", code="too-large")
        salt = entropy(SALT_BYTES)
        assert len(salt) == SALT_BYTES
        place = writer + sequence.to_bytes(8, "little")
        state = self._keyed.copy()
        state.update(place + salt)
        key = state.digest()
        sealed = _encrypt(plaintext, self._associated + place, _NONCE, key)
        return self._head + salt + _commitment(key) + sealed

    def open(self, block: bytes, *, writer: bytes, sequence: int) -> bytes:
        """The inverse of ``seal``.

        Raises:
            RemoteProtocolError: ``version``, ``too-short`` or ``too-large``: it is no
                block; ``epoch``: it names another epoch; ``commitment``: it was sealed
                under another key, which one of another place or room is; ``seal``: it
                was changed.
        """
        _check(block)
        if block[1:_SALT_AT] != self.id:
            raise RemoteProtocolError("a block of another epoch", code="epoch")
        place = writer + sequence.to_bytes(8, "little")
        state = self._keyed.copy()
        state.update(place + block[_SALT_AT:_COMMITMENT_AT])
        key = state.digest()
        if _commitment(key) != block[_COMMITMENT_AT:HEADER_BYTES]:
            raise _does_not_fit()
        return _open(block, key, self._associated + place)


def _check(block: bytes) -> None:
    if len(block) < SEAL_BYTES:
        raise RemoteProtocolError("the block is too short", code="too-short")
    if len(block) > MAX_BLOCK_BYTES:
        raise RemoteProtocolError("the block is too large", code="too-large")
    # Longer spellings of the same number are not taken: one block has one form.
    if block[0] != BLOCK_VERSION:
        raise RemoteProtocolError(f"block version {block[0]}", code="version")


def _commitment(key: bytes) -> bytes:
    state = _COMMITMENT.copy()
    state.update(key)
    return state.digest()[:COMMITMENT_BYTES]


def _does_not_fit() -> RemoteProtocolError:
    return RemoteProtocolError("the block is of another key", code="commitment")


def _open(block: bytes, key: bytes, associated: bytes) -> bytes:
    try:
        return bytes(_decrypt(block[HEADER_BYTES:], associated, _NONCE, key))
    except exceptions.CryptoError as error:
        raise RemoteProtocolError("the block does not open", code="seal") from error
