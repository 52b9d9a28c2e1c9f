"""The cryptographic face of Covey: keys, hashes, boxes and the secret stream's cipher.

Thin names over libsodium (through PyNaCl) and ``hashlib``. What a peer can make fail
raises ``RemoteProtocolError`` or returns False or None, as each function says. The
protocols that combine these stand in ``net.noise``. Follows npm hypercore-crypto 3.7.0,
npm noise-curve-ed 2.1.0 and npm sodium-secretstream 1.2.0.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from nacl import bindings
from nacl._sodium import ffi as _ffi  # type: ignore[import-not-found, unused-ignore]
from nacl._sodium import lib as _lib
from nacl.exceptions import BadSignatureError, CryptoError

from net.constants import (
    HASH_BYTES,
    PUBLIC_KEY_BYTES,
    SECRET_KEY_BYTES,
    SEED_BYTES,
    SIGNATURE_BYTES,
)
from net.errors import LocalProtocolError, RemoteProtocolError

_Bytes: TypeAlias = bytes | bytearray | memoryview

AEAD_TAG_BYTES: Final = 16
"""What ChaCha20-Poly1305 and a secret box add to a plaintext."""

SECRETBOX_NONCE_BYTES: Final = 24
"""Nonce of a secret box."""

STREAM_HEADER_BYTES: Final = 24
"""Header that starts a secret stream."""

STREAM_OVERHEAD_BYTES: Final = 17
"""What a secret stream adds to each plaintext: an encrypted tag byte and a MAC."""

_STREAM_STATE_BYTES: Final = 52
_MAX_SCRATCH_BYTES: Final = 256 * 1024
_MIN_SCRATCH_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An Ed25519 key pair: a name in the network, for signatures and for Noise."""

    public_key: bytes
    """32 bytes, a compressed point."""

    secret_key: bytes = field(repr=False)
    """64 bytes, seed and public key."""

    scalar: bytes | None = field(default=None, repr=False)
    """32 bytes for a key that was derived from another one and has no seed."""

    def __post_init__(self) -> None:
        if len(self.public_key) != PUBLIC_KEY_BYTES:
            raise LocalProtocolError("a public key has 32 bytes")
        if len(self.secret_key) != SECRET_KEY_BYTES:
            raise LocalProtocolError("a secret key has 64 bytes")

    @classmethod
    def from_seed(cls, seed: bytes) -> KeyPair:
        """The key pair that belongs to 32 secret bytes."""
        if len(seed) != SEED_BYTES:
            raise LocalProtocolError("the seed of a key pair has 32 bytes")
        public_key, secret_key = bindings.crypto_sign_seed_keypair(seed)
        return cls(public_key=public_key, secret_key=secret_key)

    @classmethod
    def generate(cls) -> KeyPair:
        """A new key pair; libsodium draws the seed."""
        public_key, secret_key = bindings.crypto_sign_keypair()
        return cls(public_key=public_key, secret_key=secret_key)

    def dh_scalar(self) -> bytes:
        """The 32-byte number that a Diffie-Hellman with this key multiplies by."""
        if self.scalar is not None:
            return self.scalar
        return ed25519_scalar(self.secret_key[:SEED_BYTES])


def ed25519_scalar(seed: bytes) -> bytes:
    """The clamped scalar that a seed stands for."""
    scalar = bytearray(hashlib.sha512(seed).digest()[:32])
    scalar[0] &= 248
    scalar[31] = scalar[31] & 127 | 64
    return bytes(scalar)


def scalarmult_ed25519(scalar: bytes, public_key: bytes) -> bytes:
    """Multiply a point by a scalar as it is (no clamping).

    Returns:
        A compressed Edwards point, 32 bytes.

    Raises:
        RemoteProtocolError: The public key is not a canonical point of the main
            subgroup.
    """
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise RemoteProtocolError("a public key has 32 bytes", code="bad-key")
    try:
        return bindings.crypto_scalarmult_ed25519_noclamp(scalar, public_key)
    except CryptoError as error:
        raise RemoteProtocolError("not a usable public key", code="bad-key") from error


def dh(key_pair: KeyPair, public_key: bytes) -> bytes:
    """The secret shared by a key pair and another's public key; may raise as above."""
    return scalarmult_ed25519(key_pair.dh_scalar(), public_key)


def sign(message: bytes, secret_key: bytes) -> bytes:
    """A detached Ed25519 signature, 64 bytes."""
    if len(secret_key) != SECRET_KEY_BYTES:
        raise LocalProtocolError("a secret key has 64 bytes")
    return bindings.crypto_sign(message, secret_key)[:SIGNATURE_BYTES]


def verify(message: bytes, signature: bytes, public_key: bytes) -> bool:
    """True when the signature is right; wrong sizes are wrong signatures."""
    if len(signature) != SIGNATURE_BYTES or len(public_key) != PUBLIC_KEY_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def blake2b_256(*parts: _Bytes, key: bytes = b"") -> bytes:
    """BLAKE2b-256 over the parts one after the other, keyed if there is a key."""
    state = hashlib.blake2b(digest_size=HASH_BYTES, key=key)
    for part in parts:
        state.update(part)
    return state.digest()


def blake2b_512(*parts: _Bytes) -> bytes:
    """BLAKE2b-512 over the parts one after the other."""
    state = hashlib.blake2b()
    for part in parts:
        state.update(part)
    return state.digest()


def namespace(name: str, index: int) -> bytes:
    """The 32 bytes that separate one use of a key from another.

    BLAKE2b-256 over the hash of the name and one byte of index.
    """
    return blake2b_256(blake2b_256(name.encode()), bytes((index,)))


def discovery_key(key: bytes) -> bytes:
    """What may be shown to strangers in place of a key, 32 bytes."""
    return blake2b_256(b"hypercore", key=key)


def hmac_blake2b(key: bytes, message: bytes) -> bytes:
    """The classic HMAC (not keyed BLAKE2b) over BLAKE2b-512, 64 bytes."""
    return hmac.new(key, message, hashlib.blake2b).digest()


def hkdf_blake2b(chaining_key: bytes, input_key: bytes, count: int) -> list[bytes]:
    """``count`` outputs of 64 bytes, as the Noise specification derives them."""
    secret = hmac_blake2b(chaining_key, input_key)
    outputs: list[bytes] = []
    previous = b""
    for index in range(1, count + 1):
        previous = hmac_blake2b(secret, previous + bytes((index,)))
        outputs.append(previous)
    return outputs


def chacha20poly1305_seal(
    plaintext: bytes, associated: bytes, nonce: bytes, key: bytes
) -> bytes:
    """ChaCha20-Poly1305 with a 12-byte nonce: ciphertext, then the 16-byte tag."""
    return bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
        plaintext, associated, nonce, key
    )


def chacha20poly1305_open(
    ciphertext: bytes, associated: bytes, nonce: bytes, key: bytes
) -> bytes:
    """The inverse of ``chacha20poly1305_seal``.

    Raises:
        RemoteProtocolError: Key, nonce, associated data or ciphertext are not what was
            sealed.
    """
    if len(ciphertext) < AEAD_TAG_BYTES:
        raise RemoteProtocolError("a ciphertext without a tag", code="bad-mac")
    try:
        return bindings.crypto_aead_chacha20poly1305_ietf_decrypt(
            ciphertext, associated, nonce, key
        )
    except CryptoError as error:
        raise RemoteProtocolError("decryption failed", code="bad-mac") from error


def secretbox_seal(plaintext: bytes, nonce: bytes, key: bytes) -> bytes:
    """XSalsa20-Poly1305 with a 24-byte nonce: the 16-byte MAC, then the ciphertext."""
    return bindings.crypto_secretbox_easy(plaintext, nonce, key)


def secretbox_open(box: bytes, nonce: bytes, key: bytes) -> bytes | None:
    """The inverse of ``secretbox_seal``; None when it was not sealed so."""
    if len(box) < AEAD_TAG_BYTES:
        return None
    try:
        return bindings.crypto_secretbox_open_easy(box, nonce, key)
    except CryptoError:
        return None


class StreamCipher:
    """One direction of libsodium's secret stream, started from a header of ours.

    libsodium draws the header itself when a stream is opened for sending, but the two
    directions keep the same state, so the receiving constructor serves both.
    """

    __slots__ = ("_scratch", "_scratch_bytes", "_state", "_view")

    def __init__(self, key: bytes, header: bytes) -> None:
        if len(key) != 32 or len(header) != STREAM_HEADER_BYTES:
            raise LocalProtocolError("a secret stream needs 32 and 24 bytes")
        self._state: Any = _ffi.new("unsigned char[]", _STREAM_STATE_BYTES)
        self._scratch_bytes = 0
        self._scratch, self._view = self._room_for(_MIN_SCRATCH_BYTES)
        status = _lib.crypto_secretstream_xchacha20poly1305_init_pull(
            self._state, header, key
        )
        assert status == 0, "starting a secret stream cannot fail"

    def seal(self, plaintext: _Bytes, *, prefix: bytes = b"") -> bytes:
        """Encrypt the next message; 17 bytes longer than the plaintext.

        Returns:
            ``prefix`` in clear, then the encrypted message, in one piece.
        """
        size = len(plaintext)
        start = len(prefix)
        total = start + size + STREAM_OVERHEAD_BYTES
        scratch, view = self._scratch, self._view
        if total > self._scratch_bytes:
            scratch, view = self._room_for(total)
        view[:start] = prefix
        status = _lib.crypto_secretstream_xchacha20poly1305_push(
            self._state,
            scratch + start,
            _ffi.NULL,
            _ffi.from_buffer(plaintext),
            size,
            _ffi.NULL,
            0,
            0,
        )
        assert status == 0, "sealing a message cannot fail"
        sealed: bytes = view[:total]
        return sealed

    def open(self, ciphertext: _Bytes) -> bytes:
        """Decrypt the next message.

        Raises:
            RemoteProtocolError: It is too short, or not the next one of this stream.
        """
        size = len(ciphertext) - STREAM_OVERHEAD_BYTES
        if size < 0:
            raise RemoteProtocolError("a frame without a tag", code="bad-mac")
        scratch, view = self._scratch, self._view
        if size > self._scratch_bytes:
            scratch, view = self._room_for(size)
        status = _lib.crypto_secretstream_xchacha20poly1305_pull(
            self._state,
            scratch,
            _ffi.NULL,
            _ffi.NULL,
            _ffi.from_buffer(ciphertext),
            size + STREAM_OVERHEAD_BYTES,
            _ffi.NULL,
            0,
        )
        if status != 0:
            raise RemoteProtocolError("decryption failed", code="bad-mac")
        plaintext: bytes = view[:size]
        return plaintext

    def _room_for(self, size: int) -> tuple[Any, Any]:
        # One warm buffer for all messages costs less than a fresh, zeroed one for each;
        # very large messages do not keep theirs.
        rounded = 1 << (size - 1).bit_length()
        scratch = _ffi.new("unsigned char[]", rounded)
        view = _ffi.buffer(scratch)
        if rounded <= _MAX_SCRATCH_BYTES:
            self._scratch, self._view = scratch, view
            self._scratch_bytes = rounded
        return scratch, view
