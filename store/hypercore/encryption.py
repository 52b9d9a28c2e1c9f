"""Encryption of single blocks, so that who carries a log need not be able to read it.

A stored block is 8 bytes of padding and the ciphertext, as long as the plaintext. The
padding is the fork, encrypted under a key of its own; with the block's index it is the
nonce, so an index that is written again after a truncation has another one. Nothing is
authenticated here: the Merkle tree is over the stored bytes. Follows npm hypercore
11.37.1 (``lib/default-encryption.js``).
"""

from __future__ import annotations

from struct import Struct
from typing import Final, Protocol

from net.crypto import XSALSA20_KEY_BYTES, blake2b_256, xsalsa20_xor
from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore.capabilities import DEFAULT_ENCRYPTION

PADDING_BYTES: Final = 8
"""What the default encryption adds to a block."""

_u64 = Struct("<Q").pack


class BlockEncryption(Protocol):
    """Turns blocks into what is stored and back; anything may take its place."""

    @property
    def padding_bytes(self) -> int:
        """Bytes by which a stored block is longer; the same for every block."""
        ...

    def encrypt(self, index: int, block: bytes, fork: int) -> bytes:
        """The stored form of a block that is appended at a fork."""
        ...

    def decrypt(self, index: int, stored: bytes) -> bytes:
        """The block of a stored form.

        Raises:
            RemoteProtocolError: It cannot be one.
        """
        ...


class DefaultEncryption:
    """What hypercore does with an encryption key.

    Args:
        key: The encryption key, 32 bytes.
        core_key: The core's.
        is_block_key: The key encrypts blocks as it is, whatever the core.
        compat: The core is a compat one, whose block keys are derived otherwise.
    """

    __slots__ = ("_blinding_key", "_block_key")

    padding_bytes = PADDING_BYTES

    def __init__(
        self,
        key: bytes,
        core_key: bytes,
        *,
        is_block_key: bool = False,
        compat: bool = False,
    ) -> None:
        if len(key) != XSALSA20_KEY_BYTES:
            raise LocalProtocolError(
                "an encryption key has 32 bytes", code="bad-argument"
            )
        self._block_key = (
            key if is_block_key else derive_block_key(key, core_key, compat=compat)
        )
        self._blinding_key = blake2b_256(self._block_key)

    @property
    def block_key(self) -> bytes:
        """What reads this core's blocks and no other's; may be given to readers."""
        return self._block_key

    @property
    def blinding_key(self) -> bytes:
        """What hides the fork in the padding."""
        return self._blinding_key

    def encrypt(self, index: int, block: bytes, fork: int) -> bytes:
        """The stored form of a block that is appended at a fork."""
        place = _u64(index)
        padding = xsalsa20_xor(_u64(fork), place + bytes(16), self._blinding_key)
        nonce = place + padding + bytes(8)
        return padding + xsalsa20_xor(block, nonce, self._block_key)

    def decrypt(self, index: int, stored: bytes) -> bytes:
        """The block of a stored form.

        Raises:
            RemoteProtocolError: It is shorter than its padding.
        """
        if len(stored) < PADDING_BYTES:
            raise RemoteProtocolError("an encrypted block without padding")
        nonce = _u64(index) + stored[:PADDING_BYTES] + bytes(8)
        return xsalsa20_xor(stored[PADDING_BYTES:], nonce, self._block_key)


def derive_block_key(key: bytes, core_key: bytes, *, compat: bool = False) -> bytes:
    """The key of one core's blocks, 32 bytes."""
    if compat:
        return blake2b_256(key, key=core_key)
    return blake2b_256(DEFAULT_ENCRYPTION, core_key, key)
