"""A block encryption for tests: like the real one in shape, told apart by its key."""

from __future__ import annotations

import hashlib


class XorEncryption:
    """Eight bytes of padding and a stream that depends on key, index and fork."""

    padding_bytes = 8

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encrypt(self, index: int, block: bytes, fork: int) -> bytes:
        padding = self._stream(b"padding %d %d" % (index, fork), 8)
        return padding + self._mix(index, block)

    def decrypt(self, index: int, block: bytes) -> bytes:
        return self._mix(index, block[8:])

    def _mix(self, index: int, data: bytes) -> bytes:
        stream = self._stream(b"%d" % index, len(data))
        mixed = int.from_bytes(data, "little") ^ int.from_bytes(stream, "little")
        return mixed.to_bytes(len(data), "little")

    def _stream(self, name: bytes, size: int) -> bytes:
        return hashlib.shake_128(self._key + name).digest(size)
