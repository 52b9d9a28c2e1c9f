"""The symmetric half of a Noise handshake: chaining key, hash and one cipher key.

Knows nothing of patterns and key pairs; ``net.noise.handshake`` feeds it. Follows the
Noise specification, revision 34, with ChaCha20-Poly1305 and BLAKE2b-512 as npm
noise-handshake 4.2.0 uses them.
"""

from __future__ import annotations

from typing import Final

from net.constants import MAX_NOISE_MESSAGE_BYTES
from net.crypto import (
    AEAD_TAG_BYTES,
    blake2b_512,
    chacha20poly1305_open,
    chacha20poly1305_seal,
    hkdf_blake2b,
)
from net.errors import LocalProtocolError, RemoteProtocolError

KEY_BYTES: Final = 32
_HASH_BYTES: Final = 64


class SymmetricState:
    """Absorbs names, keys and secrets; encrypts with what it has absorbed.

    Moved by ``mix_*``, ``encrypt`` and ``decrypt``, which both sides must call in the
    same order with the same bytes.

    Attributes:
        hash: 64 bytes over everything seen so far.
    """

    __slots__ = ("_chaining_key", "_counter", "_key", "hash")

    def __init__(self, protocol_name: bytes) -> None:
        if len(protocol_name) <= _HASH_BYTES:
            self.hash = protocol_name.ljust(_HASH_BYTES, b"\0")
        else:
            self.hash = blake2b_512(protocol_name)
        self._chaining_key = self.hash
        self._key: bytes | None = None
        self._counter = 0

    @property
    def has_key(self) -> bool:
        """True once a secret was mixed in, so that payloads are encrypted."""
        return self._key is not None

    def mix_hash(self, data: bytes) -> None:
        """Bind ``data`` to the handshake."""
        self.hash = blake2b_512(self.hash, data)

    def mix_key(self, secret: bytes) -> None:
        """Derive the next cipher key from a shared secret."""
        self._chaining_key, output = hkdf_blake2b(self._chaining_key, secret, 2)
        self._use_key(output)

    def mix_key_and_hash(self, secret: bytes) -> None:
        """Derive the next cipher key from a secret and bind the secret as well."""
        self._chaining_key, bound, output = hkdf_blake2b(self._chaining_key, secret, 3)
        self.mix_hash(bound)
        self._use_key(output)

    def encrypt(self, plaintext: bytes) -> bytes:
        """Encrypt and bind; before any key, pass through and bind."""
        if len(plaintext) + AEAD_TAG_BYTES > MAX_NOISE_MESSAGE_BYTES:
            raise LocalProtocolError("a handshake payload above 65519 bytes")
        ciphertext = plaintext
        if self._key is not None:
            ciphertext = chacha20poly1305_seal(
                plaintext, self.hash, self._next_nonce(), self._key
            )
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt(self, ciphertext: bytes) -> bytes:
        """The inverse of ``encrypt``.

        Raises:
            RemoteProtocolError: The other side has seen other bytes or other secrets.
        """
        if len(ciphertext) > MAX_NOISE_MESSAGE_BYTES:
            raise RemoteProtocolError("a handshake message above 65535 bytes")
        plaintext = ciphertext
        if self._key is not None:
            plaintext = chacha20poly1305_open(
                ciphertext, self.hash, self._next_nonce(), self._key
            )
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[bytes, bytes]:
        """Two transport keys of 32 bytes: the initiator's, then the responder's."""
        first, second = hkdf_blake2b(self._chaining_key, b"", 2)
        return first[:KEY_BYTES], second[:KEY_BYTES]

    def _use_key(self, output: bytes) -> None:
        self._key = output[:KEY_BYTES]
        self._counter = 0

    def _next_nonce(self) -> bytes:
        nonce = bytes(4) + self._counter.to_bytes(8, "little")
        self._counter += 1
        return nonce
