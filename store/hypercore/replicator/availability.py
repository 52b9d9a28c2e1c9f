"""What a peer has, as far as it has told: ranges and bits, kept within bounds.

Most peers have everything up to a length, which is one number here. Bits beyond are
kept by pages. Follows npm hypercore 11.37.1 (``lib/remote-bitfield.js``).
"""

from __future__ import annotations

from typing import Final

from store.hypercore.bitfield import PAGE_BITS, Bitfield
from store.hypercore.replicator.wants import WANT_BLOCKS

MAX_PAGES: Final = 4096
"""Pages of 32,768 bits kept for one peer; what lies beyond them is not believed."""

MAX_BLOCKS_AHEAD: Final = 1 << 20
"""Bits kept of a peer behind the end of our tree, at most three times as many. How
long the peer says that the log is costs it nothing, so that this decides nothing."""

MAX_DENIED: Final = 64
"""Blocks kept that the peer said it had and then did not give."""

MAX_BITS: Final = MAX_PAGES * PAGE_BITS


def bits_end(length: int) -> int:
    """Where the bits end that are kept of a peer; whole batches are wanted before it.

    Args:
        length: Of our tree.
    """
    end = (length + MAX_BLOCKS_AHEAD + WANT_BLOCKS - 1) & -WANT_BLOCKS
    return min(end, MAX_BITS)


class Availability:
    """The blocks that one peer has.

    Attributes:
        contiguous: It has all blocks before this one.
    """

    __slots__ = ("_bits", "_denied", "contiguous")

    def __init__(self) -> None:
        self.contiguous = 0
        self._bits = Bitfield(max_pages=MAX_PAGES)
        self._denied: set[int] = set()

    def has(self, index: int) -> bool:
        """True when it told of this block."""
        if self._denied and index in self._denied:
            return False
        return index < self.contiguous or self._bits.get(index)

    def bits(self, start: int, count: int) -> int:
        """The blocks from ``start`` that it has, the first as the lowest bit.

        Args:
            start: A multiple of 32.
            count: A multiple of 32.
        """
        full = (1 << count) - 1
        if start + count <= self.contiguous:
            bits = full
        else:
            bits = int.from_bytes(self._bits.words(start, count >> 5), "little")
            if start < self.contiguous:
                bits |= (1 << (self.contiguous - start)) - 1
        for index in self._denied:
            if 0 <= index - start < count:
                bits &= ~(1 << (index - start))
        return bits

    def first_in(self, start: int, end: int) -> int | None:
        """The first block of the range that it has."""
        for index in range(start, min(end, self.contiguous)):
            if index not in self._denied:
                return index
        found = self._bits.first_set(max(start, self.contiguous))
        while found is not None and found in self._denied:
            found = self._bits.first_set(found + 1)
        return found if found is not None and found < end else None

    def covers(self, start: int, end: int) -> bool:
        """True when it is known to have the whole range."""
        if end <= self.contiguous:
            return True
        return self._bits.first_unset(max(start, self.contiguous)) >= end

    def add(self, start: int, end: int, *, bits_end: int) -> None:
        """It has a range.

        Args:
            start: Its first block; from 0 it is taken as it is, whatever its length.
            end: The block behind it.
            bits_end: Bits from there on are let go.
        """
        if start <= self.contiguous:
            self.contiguous = max(self.contiguous, end)
            if self._denied:
                self._denied = {at for at in self._denied if not start <= at < end}
            return
        end = min(end, bits_end)
        if start < end:
            self._bits.set_range(start, end)

    def drop(self, start: int, end: int, *, bits_end: int) -> None:
        """It has a range no longer; what it had behind it is remembered."""
        if start < self.contiguous:
            if end < self.contiguous:
                self._keep_as_bits(end, bits_end)
            self.contiguous = start
        self._bits.set_range(start, min(end, MAX_BITS), value=False)

    def replace(self, start: int, data: bytes, *, bits_end: int) -> None:
        """The truth about the blocks from ``start`` on, eight a byte."""
        end = start + 8 * len(data)
        if end > bits_end:
            data = data[: max(0, bits_end - start) // 8]
        if start < self.contiguous:
            if end < self.contiguous:
                self._keep_as_bits(end, bits_end)
            self.contiguous = start
        self._bits.insert(start, data)
        if start == self.contiguous:
            self.contiguous = max(start, self._bits.first_unset(start))

    def deny(self, index: int) -> None:
        """It told of the block and did not give it; believed until ``forgive``."""
        if len(self._denied) >= MAX_DENIED:
            self._denied.clear()
        self._denied.add(index)

    def forgive(self) -> None:
        """Believe again what it told of."""
        self._denied.clear()

    def truncate(self, length: int) -> None:
        """Nothing from ``length`` on counts any more."""
        self.contiguous = min(self.contiguous, length)
        self._bits.truncate(length)
        self._denied.clear()

    def _keep_as_bits(self, start: int, bits_end: int) -> None:
        """Write what ``contiguous`` says from ``start`` on into the bits."""
        end = min(self.contiguous, bits_end)
        if start < end:
            self._bits.set_range(start, end)
