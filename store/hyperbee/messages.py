"""Messages of the ``hyperbee`` extension: hints that save round trips.

    payload    compact: uint length, message
    message    1 cache, 2 get, 3 iterator (messages; any of them, usually one)
    cache      1 start, 2 end (varints; all blocks lie within), 3 packed blocks
    get        1 version, 2 key
    iterator   1 version, 2 gte, 3 gt, 4 lte, 5 lt (bytes, absent: open), 6 limit
               (0: none), 7 reverse, 8 packed checkpoint: block, level and position
               of each node on the way

Follows npm hyperbee 2.27.3 ``lib/messages.js``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from store.errors import RemoteProtocolError
from store.hyperbee.lookup import MAX_DEPTH
from store.hyperbee.protobuf import (
    BYTES,
    VARINT,
    field,
    number_field,
    packed,
    read_fields,
    read_packed,
)
from store.hyperbee.records import Bounds
from store.hypercore.wire import read_buffer, write_uint

MAX_MESSAGE_BYTES = 1024 * 1024

MAX_HINTED_BLOCKS = 4_096
"""In one message; upstream sends 128."""


class CacheHint(NamedTuple):
    """Blocks that the asker will need."""

    blocks: list[int]


class GetRequest(NamedTuple):
    """Which blocks does this look-up touch?"""

    version: int
    key: bytes


class IteratorRequest(NamedTuple):
    """Which blocks does this walk touch?"""

    version: int
    bounds: Bounds
    limit: int | None
    reverse: bool
    checkpoint: list[int]
    """Flat triples; empty to begin at the bounds. Not checked to be whole ones."""


def encode_payload(message: bytes) -> bytes:
    """A message as it travels: upstream's extensions put its length before it."""
    return write_uint(len(message)) + message


def decode_payload(data: bytes) -> bytes:
    """The inverse of ``encode_payload``.

    Raises:
        RemoteProtocolError: It is cut off or too large.
    """
    message, _ = read_buffer(data, 0, max_bytes=MAX_MESSAGE_BYTES)
    return message


Hint = CacheHint | GetRequest | IteratorRequest


def encode_cache(blocks: list[int]) -> bytes:
    """A hint that names blocks, at least one."""
    inner = number_field(1, min(blocks)) + number_field(2, max(blocks) + 1)
    return field(1, inner + field(3, packed(blocks)))


def encode_get(request: GetRequest) -> bytes:
    """A look-up."""
    return field(2, number_field(1, request.version) + field(2, request.key))


def encode_iterator(request: IteratorRequest) -> bytes:
    """A walk."""
    bounds = request.bounds
    inner = number_field(1, request.version)
    if bounds.lower is not None:
        inner += field(2 if bounds.lower_inclusive else 3, bounds.lower)
    if bounds.upper is not None:
        inner += field(4 if bounds.upper_inclusive else 5, bounds.upper)
    inner += number_field(6, request.limit or 0)
    inner += number_field(7, int(request.reverse))
    if request.checkpoint:
        inner += field(8, packed(request.checkpoint))
    return field(3, inner)


def decode_message(data: bytes) -> list[Hint]:
    """Decodes what a peer sent.

    Raises:
        RemoteProtocolError: It is malformed or too large.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise RemoteProtocolError("the message is too large", code="too-large")
    # The last of each kind counts, as in any protobuf message.
    found: dict[int, Hint] = {}
    for number, kind, start, end in read_fields(data, 0, len(data)):
        if not 1 <= number <= 3:
            continue
        if kind != BYTES:
            raise RemoteProtocolError("a part of the message is not a message")
        found[number] = _DECODERS[number](data, start, end)
    return list(found.values())


def _decode_cache(data: bytes, at: int, end: int) -> CacheHint:
    blocks: list[int] = []
    for number, kind, start, stop in read_fields(data, at, end):
        if number == 3:
            _expect(kind, BYTES)
            blocks += read_packed(data, start, stop, MAX_HINTED_BLOCKS - len(blocks))
    return CacheHint(blocks)


def _decode_get(data: bytes, at: int, end: int) -> GetRequest:
    version = 0
    key = b""
    for number, kind, start, stop in read_fields(data, at, end):
        if number == 1:
            _expect(kind, VARINT)
            version = start
        elif number == 2:
            _expect(kind, BYTES)
            key = data[start:stop]
    return GetRequest(version, key)


def _decode_iterator(data: bytes, at: int, end: int) -> IteratorRequest:
    numbers = {1: 0, 6: 0, 7: 0}
    ends: dict[int, bytes] = {}
    checkpoint: list[int] = []
    for number, kind, start, stop in read_fields(data, at, end):
        if number in numbers:
            _expect(kind, VARINT)
            numbers[number] = start
        elif 2 <= number <= 5:
            _expect(kind, BYTES)
            ends[number] = data[start:stop]
        elif number == 8:
            _expect(kind, BYTES)
            left = 3 * MAX_DEPTH - len(checkpoint)
            checkpoint += read_packed(data, start, stop, left)
    bounds = Bounds(
        lower=ends.get(3, ends.get(2)),
        lower_inclusive=3 not in ends,
        upper=ends.get(5, ends.get(4)),
        upper_inclusive=5 not in ends,
    )
    limit = numbers[6] or None
    return IteratorRequest(numbers[1], bounds, limit, bool(numbers[7]), checkpoint)


def _expect(kind: int, wanted: int) -> None:
    if kind != wanted:
        raise RemoteProtocolError("a field has the wrong type")


_DECODERS: dict[int, Callable[[bytes, int, int], Hint]] = {
    1: _decode_cache,
    2: _decode_get,
    3: _decode_iterator,
}
