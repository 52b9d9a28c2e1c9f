"""Arithmetic of bytes and blocks: cutting a blob, and finding a part of one.

Pure; ``hyperblobs`` reads and writes what is computed here. Follows npm hyperblobs
2.12.1.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from store.errors import LocalProtocolError
from store.hyperblobs.block_map import MapEntry


class Part(NamedTuple):
    """Which bytes of which blocks are wanted, in order."""

    indexes: Sequence[int]
    """The blocks, maybe more than needed."""
    skip: int
    """Bytes of the first block before the part."""
    size: int
    """Bytes of the part."""


def split(data: bytes | bytearray | memoryview, block_bytes: int) -> Iterator[bytes]:
    """Cut bytes into blocks of one size, the last one shorter."""
    assert block_bytes > 0
    view = memoryview(data).cast("B")
    for start in range(0, len(view), block_bytes):
        yield bytes(view[start : start + block_bytes])


def window(
    size: int, *, start: int = 0, length: int | None = None, end: int | None = None
) -> tuple[int, int]:
    """Which bytes of a blob a reader asked for.

    Args:
        size: Bytes of the blob.
        start: The first one wanted.
        length: How many; or
        end: the last one wanted, inclusive.

    Returns:
        The first byte and the one after the last, both within the blob.

    Raises:
        LocalProtocolError: A negative number, or both ``length`` and ``end``.
    """
    if start < 0 or (length or 0) < 0 or (end or 0) < 0:
        raise LocalProtocolError("a negative range", code="bad-argument")
    if length is not None and end is not None:
        raise LocalProtocolError(
            "length and end exclude each other", code="bad-argument"
        )
    stop = size
    if length is not None:
        stop = start + length
    elif end is not None:
        stop = end + 1
    start = min(start, size)
    return start, max(start, min(stop, size))


def mapped_part(entries: Sequence[MapEntry], start: int, stop: int) -> Part:
    """The blocks of a mapped blob that hold its bytes ``start`` to ``stop``."""
    if start == stop:
        return Part((), 0, 0)
    ends = list(accumulate(entry.byte_length for entry in entries))
    first, last = bisect_right(ends, start), bisect_left(ends, stop)
    skip = start - (ends[first] - entries[first].byte_length)
    indexes = [entry.block for entry in entries[first : last + 1]]
    return Part(indexes, skip, stop - start)


def runs(indexes: Iterable[int]) -> list[tuple[int, int]]:
    """Sorted ranges (first, one after the last) that cover exactly these indexes."""
    found: list[tuple[int, int]] = []
    for index in sorted(set(indexes)):
        if found and found[-1][1] == index:
            found[-1] = found[-1][0], index + 1
        else:
            found.append((index, index + 1))
    return found
