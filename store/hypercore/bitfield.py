"""One bit a block: which blocks are here, in pages of 32,768 bits.

Bit ``i`` is bit ``i & 7`` of byte ``i >> 3`` of the whole, lowest first. A page without
a one takes no memory, and neither does a page of ones only: it is a mark for one shared
page, so a complete log costs nothing but the marks. Follows npm hypercore 11.37.1
(``lib/bitfield.js``, ``lib/remote-bitfield.js``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from store.errors import LocalProtocolError

PAGE_BITS = 32_768
"""Bits of a page."""

PAGE_BYTES = PAGE_BITS // 8
"""Bytes of a page."""

MAX_PAGES = 2**16
"""Pages that one bitfield may have, unless it is told otherwise: 2 ** 31 bits."""

_SHIFT = 15
_MASK = PAGE_BITS - 1
_ZEROS = bytes(PAGE_BYTES)
_ONES = b"\xff" * PAGE_BYTES


class Bitfield:
    """A growing row of bits, zero wherever nothing was set.

    Args:
        full_length: Bits from 0 on that are ones at the start. They are not dirty.
        max_pages: No bit can be set at or behind ``max_pages * 32768``.
    """

    __slots__ = ("_counts", "_dirty", "_max_pages", "_pages")

    def __init__(self, *, full_length: int = 0, max_pages: int = MAX_PAGES) -> None:
        self._max_pages = max_pages
        # A page of ones is always the shared one: it is copied before it changes.
        self._pages: dict[int, bytearray | bytes] = {}
        self._counts: dict[int, int] = {}
        self._dirty: set[int] = set()
        if full_length:
            self.set_range(0, full_length)
            self._dirty.clear()

    def get(self, index: int) -> bool:
        """Tells whether a bit is one."""
        page = self._pages.get(index >> _SHIFT)
        if page is None:
            return False
        return bool(page[(index & _MASK) >> 3] >> (index & 7) & 1)

    def set(self, index: int, *, value: bool = True) -> bool:
        """Changes one bit.

        Returns:
            Whether it was different before.

        Raises:
            LocalProtocolError: The bit is beyond the limit.
        """
        number = index >> _SHIFT
        page = self._pages.get(number)
        at, bit = (index & _MASK) >> 3, 1 << (index & 7)
        if bool(page is not None and page[at] & bit) == value:
            return False
        page = self._writable(number)
        page[at] ^= bit
        self._changed(number, 1 if value else -1)
        return True

    def set_all(self, indexes: Iterable[int]) -> None:
        """Makes bits ones; cheap for those whose neighbours in order share a page.

        Raises:
            LocalProtocolError: A bit is beyond the limit; those before it are set.
        """
        number, by = -1, 0
        page: bytearray | None = None
        for index in indexes:
            if index >> _SHIFT != number:
                if by:
                    self._changed(number, by)
                number, by = index >> _SHIFT, 0
                full = self._pages.get(number) is _ONES
                page = None if full else self._writable(number)
            if page is not None:
                at, bit = (index & _MASK) >> 3, 1 << (index & 7)
                if not page[at] & bit:
                    page[at] |= bit
                    by += 1
        if by:
            self._changed(number, by)

    def set_range(self, start: int, end: int, *, value: bool = True) -> None:
        """Makes all bits from ``start`` to before ``end`` the same.

        Raises:
            LocalProtocolError: A bit to set is beyond the limit.
        """
        if start >= end:
            return
        first, last = start >> _SHIFT, (end - 1) >> _SHIFT
        if value:
            self._check(first, last)
        numbers: Iterator[int] | list[int] = iter(range(first, last + 1))
        if not value and last - first > len(self._pages):
            # Zeros need no work where there is no page.
            numbers = [number for number in self._pages if first <= number <= last]
        for number in numbers:
            base = number << _SHIFT
            low, high = max(start - base, 0), min(end - base, PAGE_BITS)
            if high - low == PAGE_BITS:
                self._replace(number, _ONES if value else _ZEROS)
            else:
                self._set_within(number, low, high, value=value)

    def truncate(self, length: int) -> None:
        """Clears every bit from ``length`` on."""
        if self._pages:
            self.set_range(length, (max(self._pages) + 1) << _SHIFT, value=False)

    def insert(self, start: int, data: bytes) -> None:
        """Puts the bits of a message or of a stored page in place of those here.

        Args:
            start: The index of the first bit, a multiple of 8.
            data: Eight bits a byte.

        Raises:
            LocalProtocolError: ``start`` is uneven, or a bit is beyond the limit.
        """
        if start < 0 or start & 7:
            raise LocalProtocolError("bits are inserted at whole bytes")
        view = memoryview(data)
        at = start >> 3
        while view:
            number, low = divmod(at, PAGE_BYTES)
            part = bytes(view[: PAGE_BYTES - low])
            old = self._pages.get(number, _ZEROS)
            if len(part) == PAGE_BYTES:
                self._replace(number, part)
            elif old[low : low + len(part)] != part:
                new = bytearray(old)
                new[low : low + len(part)] = part
                self._replace(number, new)
            view = view[len(part) :]
            at += len(part)

    def first_unset(self, start: int = 0) -> int:
        """The first bit from ``start`` on that is zero; there always is one."""
        number, low = start >> _SHIFT, start & _MASK
        while True:
            page = self._pages.get(number)
            if page is None:
                return (number << _SHIFT) + low
            if page is not _ONES:
                found = _first_other(page, low, b"\xff")
                if found < PAGE_BITS:
                    return (number << _SHIFT) + found
            number, low = number + 1, 0

    def first_set(self, start: int = 0) -> int | None:
        """The first bit from ``start`` on that is one; None when all are zero."""
        number, low = start >> _SHIFT, start & _MASK
        page = self._pages.get(number)
        if page is not None:
            found = _first_other(page, low, b"\0")
            if found < PAGE_BITS:
                return (number << _SHIFT) + found
        # A page that exists holds a one, so the next page decides.
        following = min((key for key in self._pages if key > number), default=None)
        if following is None:
            return None
        return (following << _SHIFT) + _first_other(self._pages[following], 0, b"\0")

    def count(self, start: int = 0, end: int | None = None) -> int:
        """How many bits are ones, of all or of ``start`` to before ``end``."""
        if not self._pages:
            return 0
        top = (max(self._pages) + 1) << _SHIFT
        end = top if end is None else min(end, top)
        total = 0
        for number, ones in self._counts.items():
            base = number << _SHIFT
            low, high = max(start - base, 0), min(end - base, PAGE_BITS)
            if high - low == PAGE_BITS:
                total += ones
            elif low < high:
                total += _count_within(self._pages[number], low, high)
        return total

    def words(self, start: int, count: int) -> bytes:
        """The bits as peers send them: 32-bit words, little endian.

        Args:
            start: The index of the first bit, a multiple of 32.
            count: Words. The caller bounds them.

        Raises:
            LocalProtocolError: ``start`` is within a word.
        """
        if start < 0 or start & 31:
            raise LocalProtocolError("words of bits start at multiples of 32")
        at, left = start >> 3, 4 * count
        parts = []
        while left > 0:
            number, low = divmod(at, PAGE_BYTES)
            part = self._pages.get(number, _ZEROS)[low : low + left]
            parts.append(part)
            at += len(part)
            left -= len(part)
        return b"".join(parts)

    def page(self, number: int) -> bytes:
        """A copy of one page."""
        return bytes(self._pages.get(number, _ZEROS))

    def load_page(self, number: int, data: bytes) -> None:
        """Puts a stored page in place; it does not count as changed.

        Args:
            number: Which one.
            data: Its bytes; zeros at the end may be left out.

        Raises:
            LocalProtocolError: It is larger than a page, or beyond the limit.
        """
        if len(data) > PAGE_BYTES:
            raise LocalProtocolError("a page of a bitfield has 4096 bytes")
        was_dirty = number in self._dirty
        self._replace(number, data.ljust(PAGE_BYTES, b"\0"))
        if not was_dirty:
            self._dirty.discard(number)

    def pages(self) -> list[int]:
        """The numbers of all pages that hold a one, in order."""
        return sorted(self._pages)

    def take_dirty_pages(self) -> dict[int, bytes]:
        """The pages that changed since the last call; one of zeros may be deleted."""
        taken = {number: self.page(number) for number in sorted(self._dirty)}
        self._dirty.clear()
        return taken

    def _check(self, first: int, last: int) -> None:
        if first < 0 or last >= self._max_pages:
            raise LocalProtocolError(
                f"a bitfield ends at {self._max_pages << _SHIFT} bits", code="too-large"
            )

    def _writable(self, number: int) -> bytearray:
        page = self._pages.get(number)
        if isinstance(page, bytearray):
            return page
        self._check(number, number)
        fresh = bytearray(_ZEROS if page is None else page)
        self._pages[number] = fresh
        self._counts.setdefault(number, 0)
        return fresh

    def _changed(self, number: int, by: int) -> None:
        """Books a change of a page that ``_writable`` gave out."""
        self._dirty.add(number)
        ones = self._counts[number] = self._counts[number] + by
        if ones == PAGE_BITS:
            self._pages[number] = _ONES
        elif ones == 0:
            del self._pages[number], self._counts[number]

    def _replace(self, number: int, data: bytes | bytearray) -> None:
        old = self._pages.get(number, _ZEROS)
        if old is data or old == data:
            return
        self._check(number, number)
        self._dirty.add(number)
        if data is _ONES or data is _ZEROS:
            # Whole ranges of pages are made the same.
            ones = 0 if data is _ZEROS else PAGE_BITS
        else:
            ones = int.from_bytes(data, "little").bit_count()
        if ones == 0:
            del self._pages[number], self._counts[number]
            return
        self._counts[number] = ones
        self._pages[number] = _ONES if ones == PAGE_BITS else bytearray(data)

    def _set_within(self, number: int, low: int, high: int, *, value: bool) -> None:
        """Sets a part of one page, given by bits of the page."""
        page = self._pages.get(number)
        ones = 0 if page is None else _count_within(page, low, high)
        by = high - low - ones if value else -ones
        if by == 0:
            return
        page = self._writable(number)
        first, end = low >> 3, (high + 7) >> 3
        size = 8 * (end - first)
        mask = ((1 << (high - low)) - 1) << (low & 7)
        bits = int.from_bytes(page[first:end], "little")
        bits = bits | mask if value else bits & ~mask
        page[first:end] = bits.to_bytes(size // 8, "little")
        self._changed(number, by)


def _count_within(page: bytes | bytearray, low: int, high: int) -> int:
    first, end = low >> 3, (high + 7) >> 3
    bits = int.from_bytes(page[first:end], "little") >> (low & 7)
    return (bits & ((1 << (high - low)) - 1)).bit_count()


def _first_other(page: bytes | bytearray, low: int, skipped: bytes) -> int:
    """The first bit from ``low`` on that differs from those of a byte of equal bits."""
    at = low >> 3
    flip = skipped[0]
    rest = (page[at] ^ flip) >> (low & 7) << (low & 7)
    if not rest:
        tail = page[at + 1 :]
        left = len(tail.lstrip(skipped))
        if not left:
            return PAGE_BITS
        at = PAGE_BYTES - left
        rest = page[at] ^ flip
    return 8 * at + (rest & -rest).bit_length() - 1
