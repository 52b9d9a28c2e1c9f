"""The list of blocks that make up a blob, for blobs that share blocks.

A map is written behind the blocks it adds, in as many blocks as it needs. Each is::

    uint   version   0
    uint   count     at most 8192
    count times:
        uint  index        the block that holds the bytes
        uint  byte length  of that block, without padding

Leaves storing and finding equal blocks to ``hyperblobs``. Follows npm hyperblobs 2.12.1
(``lib/block-map.js``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore.records import MAX_BLOCK_BYTES
from store.hypercore.wire import read_count, read_uint, write_uint

MAP_VERSION: Final = 0
MAX_MAP_ENTRIES: Final = 8192
"""Entries in one block of a map."""
MAX_MAP_BLOCKS: Final = 64
"""Blocks of one map; upstream reads no longer ones."""
MAX_BLOCKS: Final = MAX_MAP_ENTRIES * MAX_MAP_BLOCKS
"""Entries of one map."""


class MapEntry(NamedTuple):
    """One block of a mapped blob."""

    block: int
    byte_length: int
    """Without padding."""


def encode_block_map(entries: Sequence[MapEntry]) -> list[bytes]:
    """Write a map; no entry needs no block.

    Raises:
        LocalProtocolError: More than ``MAX_BLOCKS`` entries.
    """
    if len(entries) > MAX_BLOCKS:
        raise LocalProtocolError("the blob has too many blocks", code="too-large")
    return [
        _encode_block(entries[start : start + MAX_MAP_ENTRIES])
        for start in range(0, len(entries), MAX_MAP_ENTRIES)
    ]


def _encode_block(entries: Sequence[MapEntry]) -> bytes:
    parts = [write_uint(MAP_VERSION), write_uint(len(entries))]
    for block, byte_length in entries:
        parts += (write_uint(block), write_uint(byte_length))
    return b"".join(parts)


def decode_block_map(blocks: Iterable[bytes]) -> list[MapEntry]:
    """Read the blocks of a map in their order.

    Raises:
        RemoteProtocolError: More than ``MAX_MAP_BLOCKS`` blocks, an unknown version,
            too many entries, entries no block can have, or bytes too few or too many.
    """
    entries: list[MapEntry] = []
    for number, block in enumerate(blocks):
        if number >= MAX_MAP_BLOCKS:
            raise RemoteProtocolError("the block map is too long", code="too-large")
        entries += _decode_block(block)
    return entries


def _decode_block(block: bytes) -> list[MapEntry]:
    version, at = read_uint(block, 0)
    if version != MAP_VERSION:
        raise RemoteProtocolError(f"block map version {version}", code="version")
    count, at = read_count(block, at, max_count=MAX_MAP_ENTRIES)
    entries = []
    for _ in range(count):
        index, at = read_uint(block, at)
        byte_length, at = read_uint(block, at)
        if byte_length > MAX_BLOCK_BYTES:
            raise RemoteProtocolError("no block has that size", code="too-large")
        entries.append(MapEntry(index, byte_length))
    if at != len(block):
        raise RemoteProtocolError("bytes after the block map")
    return entries
