"""Where a blob lies in its core, and how that is written as JSON.

Leaves reading the blocks to ``hyperblobs``. Follows npm hyperblobs 2.12.1; the JSON
form is the one npm hyperdrive 13.3.4 keeps in its entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from store.errors import RemoteProtocolError

MAX_OFFSET: Final = 2**53 - 1
"""Highest block or byte position that npm's numbers can tell exactly."""

_MEMBERS: Final = ("blockOffset", "byteOffset", "blockLength", "byteLength")


@dataclass(frozen=True, slots=True)
class BlobId:
    """A run of consecutive blocks; with ``block_map`` they are the blob's map."""

    block_offset: int
    """Index of the first block."""
    block_length: int
    """Blocks; none for an empty blob."""
    byte_offset: int
    """Bytes of the core before the first block, without padding."""
    byte_length: int
    """Bytes of the blocks, without padding."""
    block_map: bool = False
    """The blocks list which other blocks hold the bytes."""

    @property
    def block_end(self) -> int:
        """Index after the last block."""
        return self.block_offset + self.block_length

    def to_json(self) -> dict[str, int | bool]:
        """The members in the order in which upstream writes them."""
        members: dict[str, int | bool] = {
            "blockOffset": self.block_offset,
            "byteOffset": self.byte_offset,
            "blockLength": self.block_length,
            "byteLength": self.byte_length,
        }
        if self.block_map:
            members["blockMap"] = True
        return members

    @classmethod
    def from_json(cls, value: object) -> BlobId:
        """Read what ``to_json`` wrote; members of other names are skipped.

        Raises:
            RemoteProtocolError: It is no object of four natural numbers below 2^53
                whose ends are below 2^53 as well.
        """
        if not isinstance(value, dict):
            raise RemoteProtocolError("the blob id is no object")
        block_offset, byte_offset, block_length, byte_length = (
            _natural(value.get(name)) for name in _MEMBERS
        )
        if max(block_offset + block_length, byte_offset + byte_length) > MAX_OFFSET:
            raise RemoteProtocolError("the blob ends too far out", code="too-large")
        if block_length == 0 != byte_length:
            raise RemoteProtocolError("the blob has bytes and no block")
        mapped = value.get("blockMap", False)
        if mapped not in (True, False, None):
            raise RemoteProtocolError("blockMap is neither true nor false")
        return cls(block_offset, block_length, byte_offset, byte_length, mapped is True)


def _natural(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_OFFSET:
        raise RemoteProtocolError("the blob id holds no natural number")
    return value
