"""The few pieces of the protobuf wire format that Hyperbee uses.

A message is a run of fields: a varint tag ``field << 3 | type``, then the value. Types
are 0 (varint), 1 (8 bytes), 2 (varint length and as many bytes) and 5 (4 bytes); groups
(3, 4) are refused as upstream does. A varint has 7 bits a byte, lowest first, the high
bit saying that more follow. A packed list is a field of type 2 full of varints.

Follows the protobuf encoding specification and npm protocol-buffers-encodings.
"""

from __future__ import annotations

from collections.abc import Iterator

from store.errors import RemoteProtocolError

VARINT = 0
FIXED64 = 1
BYTES = 2
FIXED32 = 5

MAX_VARINT = 2**53 - 1
"""Upstream's numbers are doubles."""

MAX_VARINT_BYTES = 8

MAX_REMEMBERED_VARINTS = 16_384

Field = tuple[int, int, int, int]
"""Number, type, and where the value lies; for a varint its value and the end."""


class _Varints(dict[int, bytes]):
    """Encoded numbers, remembered: a put writes some sixty, mostly the same again."""

    def __missing__(self, number: int) -> bytes:
        if len(self) >= MAX_REMEMBERED_VARINTS:
            self.clear()
        encoded = self[number] = _encode(number)
        return encoded


def _encode(number: int) -> bytes:
    assert 0 <= number <= MAX_VARINT, number
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_varints = _Varints()
varint = _varints.__getitem__
"""``varint(number) -> bytes``."""


def packed(numbers: list[int]) -> bytes:
    """The varints of a list, one after the other."""
    return b"".join(map(varint, numbers))


def field(number: int, value: bytes) -> bytes:
    """A field of bytes."""
    return varint(number << 3 | BYTES) + varint(len(value)) + value


def number_field(number: int, value: int) -> bytes:
    """A field of one varint."""
    return varint(number << 3) + varint(value)


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Takes a varint from ``at`` and says where it ends.

    Raises:
        RemoteProtocolError: It is cut off or too large.
    """
    if at < end and data[at] < 0x80:
        return data[at], at + 1
    value = shift = 0
    for position in range(at, min(end, at + MAX_VARINT_BYTES)):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > MAX_VARINT:
                break
            return value, position + 1
        shift += 7
    raise RemoteProtocolError("a number is cut off or too large")


def read_packed(data: bytes, at: int, end: int, max_count: int) -> list[int]:
    """Takes all varints of a packed list.

    Raises:
        RemoteProtocolError: One is malformed, or there are more than ``max_count``.
    """
    numbers: list[int] = []
    while at < end:
        byte = data[at]
        if byte < 0x80:
            at += 1
            numbers.append(byte)
        else:
            number, at = read_varint(data, at, end)
            numbers.append(number)
        if len(numbers) > max_count:
            raise RemoteProtocolError("a list is too long", code="too-large")
    return numbers


def read_fields(data: bytes, at: int, end: int) -> Iterator[Field]:
    """Yields the fields of a message: number, type, start and end of the value.

    A varint's value stands in the place of its start.

    Raises:
        RemoteProtocolError: The message is cut off, or a type is unknown.
    """
    while at < end:
        tag, at = read_varint(data, at, end)
        kind = tag & 7
        if kind == BYTES:
            size, start = read_varint(data, at, end)
            at = start + size
        elif kind == VARINT:
            start, at = read_varint(data, at, end)
        elif kind in (FIXED64, FIXED32):
            start = at
            at += 8 if kind == FIXED64 else 4
        else:
            raise RemoteProtocolError("a field has an unknown type")
        if at > end:
            raise RemoteProtocolError("a field is cut off")
        yield tag >> 3, kind, start, at
