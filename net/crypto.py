"""The cryptographic face of Covey: keys, hashes, boxes and the secret stream's cipher.

Thin names over libsodium (through PyNaCl) and ``hashlib``. What a peer can make fail
raises ``RemoteProtocolError`` or returns False or None, as each function says. The
protocols that combine these stand in ``net.noise``. Follows npm hypercore-crypto 3.7.0,
npm noise-curve-ed 2.1.0 and npm sodium-secretstream 1.2.0.
"""

from __future__ import annotations

import ctypes
import hashlib
import hmac
import struct
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from nacl import _sodium, bindings
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

XSALSA20_KEY_BYTES: Final = 32
"""Key of the XSalsa20 stream."""

XSALSA20_NONCE_BYTES: Final = 24
"""Nonce of the XSalsa20 stream."""

XCHACHA20_NONCE_BYTES: Final = 24
"""Nonce of XChaCha20-Poly1305."""

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


def xchacha20poly1305_seal(
    plaintext: bytes, associated: bytes, nonce: bytes, key: bytes
) -> bytes:
    """XChaCha20-Poly1305 with a 24-byte nonce: ciphertext, then the 16-byte tag."""
    return bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        plaintext, associated, nonce, key
    )


def xchacha20poly1305_open(
    ciphertext: bytes, associated: bytes, nonce: bytes, key: bytes
) -> bytes:
    """The inverse of ``xchacha20poly1305_seal``.

    Raises:
        RemoteProtocolError: Key, nonce, associated data or ciphertext are not what was
            sealed.
    """
    if len(ciphertext) < AEAD_TAG_BYTES:
        raise RemoteProtocolError("a ciphertext without a tag", code="bad-mac")
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
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


def xsalsa20_xor(data: _Bytes, nonce: bytes, key: bytes) -> bytes:
    """XOR with the XSalsa20 key stream from its first byte: encrypts and decrypts.

    Nothing is authenticated: whoever uses this must know the bytes by a hash.

    Args:
        data: Any number of bytes.
        nonce: 24 bytes, never used for two plaintexts.
        key: 32 bytes.
    """
    if len(nonce) != XSALSA20_NONCE_BYTES or len(key) != XSALSA20_KEY_BYTES:
        raise LocalProtocolError("XSalsa20 needs a nonce of 24 and a key of 32 bytes")
    if _sodium_xsalsa20_xor is None:
        return _xsalsa20_xor_from_box(bytes(data), nonce, key)
    size = len(data)
    output = (ctypes.c_char * size)()
    status = _sodium_xsalsa20_xor(output, bytes(data), size, nonce, key)
    assert status == 0, "XOR with a key stream cannot fail"
    return output.raw


def _find_xsalsa20_xor() -> Any:
    # PyNaCl has no name for this function of libsodium, but its library shows it,
    # except where libraries show only what they are told to (Windows).
    try:
        library = ctypes.PyDLL(_sodium.__file__)
        function = library.crypto_stream_xsalsa20_xor
    except (AttributeError, OSError):
        return None
    function.argtypes = (
        *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_ulonglong),
        *(ctypes.c_char_p, ctypes.c_char_p),
    )
    function.restype = ctypes.c_int
    return function


_sodium_xsalsa20_xor: Final = _find_xsalsa20_xor()


def _xsalsa20_xor_from_box(data: bytes, nonce: bytes, key: bytes) -> bytes:
    """``xsalsa20_xor`` with nothing but a secret box: slower by about 100 us.

    A secret box encrypts with the key stream from byte 32 on, because the bytes before
    are its MAC's key; those are computed here.
    """
    sub_key = _salsa20_rounds(key, nonce[:16])
    words = struct.pack(
        "<8I", *(sub_key[place] for place in (0, 5, 10, 15, 6, 7, 8, 9))
    )
    counted = nonce[16:] + bytes(8)
    start = _salsa20_input(words, counted)
    mixed = _salsa20_rounds(words, counted)
    stream = struct.pack("<8I", *((mixed[i] + start[i]) & 0xFFFFFFFF for i in range(8)))
    head = bytes(left ^ right for left, right in zip(data, stream, strict=False))
    if len(data) <= len(stream):
        return head
    return head + secretbox_seal(data[len(stream) :], nonce, key)[AEAD_TAG_BYTES:]


def _salsa20_input(key: bytes, block: bytes) -> list[int]:
    """The 16 words that Salsa20 mixes: constants, key, and 16 bytes of nonce."""
    k = struct.unpack("<8I", key)
    b = struct.unpack("<4I", block)
    c = struct.unpack("<4I", b"expand 32-byte k")
    return [c[0], *k[:4], c[1], *b, c[2], *k[4:], c[3]]


_SALSA20_QUARTERS: Final = (
    *((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11)),
    *((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)),
)


def _salsa20_rounds(key: bytes, block: bytes) -> list[int]:
    """Twenty rounds of Salsa20, without the addition at the end."""
    x = _salsa20_input(key, block)
    for _ in range(10):
        for a, b, c, d in _SALSA20_QUARTERS:
            total = (x[a] + x[d]) & 0xFFFFFFFF
            x[b] ^= (total << 7 | total >> 25) & 0xFFFFFFFF
            total = (x[b] + x[a]) & 0xFFFFFFFF
            x[c] ^= (total << 9 | total >> 23) & 0xFFFFFFFF
            total = (x[c] + x[b]) & 0xFFFFFFFF
            x[d] ^= (total << 13 | total >> 19) & 0xFFFFFFFF
            total = (x[d] + x[c]) & 0xFFFFFFFF
            x[a] ^= (total << 18 | total >> 14) & 0xFFFFFFFF
    return x


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
