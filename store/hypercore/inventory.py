"""What is stored of one core: which blocks, which nodes of the tree.

All blocks below the contiguous length are there, and with them every node whose leaves
are all among them; only what lies beyond has bits of its own for nodes, and pages in
the database. So a log that is held whole costs one number, whatever its length. Two of
these make a core's memory: what is committed, and what will be when everything that is
being written has been.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from store.hypercore import flat_tree
from store.hypercore.bitfield import MAX_PAGES, PAGE_BITS, Bitfield
from store.hypercore.depot import BLOCK_PAGES, NODE_PAGES, PageName
from store.hypercore.records import Node

MAX_CORE_LENGTH = MAX_PAGES * PAGE_BITS
"""Blocks of a core that can be kept here."""


_NO_BITS = bytes(PAGE_BITS // 8)


class Inventory:
    """The stored blocks and nodes of one core.

    Attributes:
        contiguous_length: Blocks stored from the start on without a gap.
        nodes: A bit for each stored node that does not follow from the contiguous
            length (and for some that do).
    """

    __slots__ = (
        "_bits",
        "_bits_to",
        "_ragged",
        "_written",
        "_written_to",
        "contiguous_length",
        "nodes",
    )

    def __init__(self, contiguous_length: int, pages: Mapping[PageName, bytes]) -> None:
        """Know what the database says.

        Args:
            contiguous_length: As stored.
            pages: The stored pages.
        """
        self._bits = Bitfield(full_length=contiguous_length)
        self.nodes = Bitfield(max_pages=2 * MAX_PAGES)
        self._written = set(pages)
        self._written_to = contiguous_length
        for (kind, number), bits in pages.items():
            if kind == NODE_PAGES:
                self.nodes.load_page(number, bits)
            else:
                self._bits.load_page(number, bits)
        self._bits.set_range(0, contiguous_length)
        self._bits.take_dirty_pages()
        self.contiguous_length = contiguous_length
        self._bits_to = contiguous_length
        self._ragged = False
        self._look(contiguous_length)

    @property
    def blocks(self) -> Bitfield:
        """A bit for each stored block."""
        if self._bits_to < self.contiguous_length:
            # Appending a block at a time need not touch them.
            self._bits.set_range(self._bits_to, self.contiguous_length)
            self._bits_to = self.contiguous_length
        return self._bits

    def copy(self, *, written: Inventory) -> Inventory:
        """The same, to go its own way.

        Args:
            written: Whose pages may have been written or not: both is borne.
        """
        other = Inventory(self.contiguous_length, {})
        bits = self.blocks
        for number in bits.pages():
            other._bits.load_page(number, bits.page(number))
        for number in self.nodes.pages():
            other.nodes.load_page(number, self.nodes.page(number))
        other._look(self.contiguous_length)
        other._written = self._written | written._written
        other._written_to = max(self.contiguous_length, written._written_to)
        return other

    def has_block(self, index: int) -> bool:
        """Tells whether a block is stored."""
        return index < self.contiguous_length or self._bits.get(index)

    def has_node(self, index: int) -> bool:
        """Tells whether a node is stored."""
        # The right span, written out: this is asked several times a block.
        behind = index + ((index + 1) & -(index + 1))
        return behind <= 2 * self.contiguous_length or self.nodes.get(index)

    def missing(self, start: int, end: int) -> Iterable[int]:
        """The blocks from ``start`` to before ``end`` that are not stored."""
        index = self.blocks.first_unset(start)
        while index < end:
            yield index
            index = self.blocks.first_unset(index + 1)

    def add(self, blocks: Mapping[int, bytes], nodes: Sequence[Node]) -> None:
        """Note blocks and nodes that come in."""
        if blocks:
            first, last = min(blocks), max(blocks)
            if last - first != len(blocks) - 1:
                self.blocks.set_all(blocks)
                self._look(self.contiguous_length)
            else:
                self.place(first, last + 1)
        bound = 2 * self.contiguous_length
        self.nodes.set_all(
            [
                index
                for index, _, _ in nodes
                if index + ((index + 1) & -(index + 1)) > bound
            ]
        )

    def place(self, start: int, end: int) -> None:
        """Note that blocks are where they belong already."""
        if start == self.contiguous_length and not self._ragged:
            self.contiguous_length = end
            return
        self.blocks.set_range(start, end)
        self._look(self.contiguous_length)

    def _look(self, start: int) -> None:
        """See how far blocks reach from one up to which they do, and what is behind."""
        end = self._bits.first_unset(start)
        self.contiguous_length = self._bits_to = end
        self._ragged = self._bits.first_set(end) is not None

    def truncate(self, length: int, before: int) -> None:
        """Note that everything from block ``length`` on is dropped.

        Args:
            length: Blocks that stay.
            before: Blocks of the tree so far.
        """
        self.blocks.set_range(length, before, value=False)
        self.nodes.set_range(2 * length, 2 * before, value=False)
        for index in flat_tree.crossing(length, before):
            self.nodes.set(index, value=False)
        self._look(min(self.contiguous_length, length))

    def clear(
        self, start: int, end: int, length: int, *, keeps_hashes: bool = False
    ) -> list[tuple[int, int]]:
        """Note that blocks are dropped, and the nodes that prove nothing any more.

        Args:
            start: First block to drop.
            end: Block behind the last one.
            length: Blocks of the tree.
            keeps_hashes: No node goes.

        Returns:
            Ranges of nodes that go with them, the end not included.
        """
        self.blocks.set_range(start, end, value=False)
        if start < self.contiguous_length:
            self._spell_out(start, self.contiguous_length)
        self._look(min(self.contiguous_length, start))
        ranges: list[tuple[int, int]] = []
        if keeps_hashes:
            return ranges
        for index in _covers(*self._empty_around(start, end, length)):
            low, high = flat_tree.left_span(index), flat_tree.right_span(index) + 1
            for span in ((low, index), (index + 1, high)):
                if span[0] < span[1]:
                    self.nodes.set_range(*span, value=False)
                    ranges.append(span)
        return ranges

    def take_pages(self) -> dict[PageName, bytes | None]:
        """The pages that a commit has to write; None for one to delete."""
        pages: dict[PageName, bytes | None] = {}
        contiguous = self.contiguous_length
        if self._ragged or self._written:
            self._take_block_pages(pages, contiguous)
        for number, bits in self.nodes.take_dirty_pages().items():
            self._take(pages, (NODE_PAGES, number), bits if bits != _NO_BITS else None)
        self._written_to = contiguous
        return pages

    def _take_block_pages(
        self, pages: dict[PageName, bytes | None], contiguous: int
    ) -> None:
        dirty = self.blocks.take_dirty_pages()
        if self._ragged:
            # What followed from the contiguous length, and does not any more.
            last = -(-self._written_to // PAGE_BITS)
            for number in range(contiguous // PAGE_BITS, last):
                dirty.setdefault(number, self._bits.page(number))
        for number, bits in dirty.items():
            if (number + 1) * PAGE_BITS > contiguous:
                keep = self._ragged and bits != _NO_BITS
                self._take(pages, (BLOCK_PAGES, number), bits if keep else None)

    def _take(
        self, pages: dict[PageName, bytes | None], name: PageName, bits: bytes | None
    ) -> None:
        if bits is not None:
            self._written.add(name)
            pages[name] = bits
        elif name in self._written:
            pages[name] = None

    def _spell_out(self, start: int, end: int) -> None:
        """Give bits to the nodes that will not follow from the contiguous length."""
        kept = [
            index
            for index in _ancestors(2 * end - 2, 2 * end)
            if self.nodes.get(index) or flat_tree.right_span(index) < 2 * end
        ]
        self.nodes.set_range(2 * start, 2 * end - 1)
        for index in _ancestors(2 * end - 2, 2 * end):
            self.nodes.set(index, value=index in kept)
        for index in _ancestors(2 * start, 2 * end):
            if flat_tree.right_span(index) < 2 * end:
                self.nodes.set(index)

    def _empty_around(self, start: int, end: int, length: int) -> tuple[int, int]:
        """The run without a block that holds a range which is empty now."""
        following = self.blocks.first_set(end)
        end = length if following is None else following
        if start > self.contiguous_length:
            start = self._run_start(start)
        return start, end

    def _run_start(self, end: int) -> int:
        """Where the run without a block begins that ends before ``end``."""
        low, step = end, 1
        while low > 0 and not self.blocks.count(max(0, low - step), low):
            low, step = max(0, low - step), 2 * step
        bottom = max(0, low - step)
        while bottom < low:
            middle = (bottom + low) // 2
            if not self.blocks.count(middle, low):
                low = middle
            elif middle == bottom:
                break
            else:
                bottom = middle
        return low


def _ancestors(leaf: int, bound: int) -> list[int]:
    """The nodes above a leaf whose index is below ``bound``."""
    found = []
    at = flat_tree.parent(leaf)
    # Above a node that begins at 0 and reaches over the bound, none comes back below.
    while flat_tree.left_span(at) or flat_tree.right_span(at) < bound:
        if at < bound:
            found.append(at)
        at = flat_tree.parent(at)
    return [*found, at] if at < bound else found


def _covers(start: int, end: int) -> list[int]:
    """The largest nodes whose leaves together are the blocks of a range."""
    found = []
    while start < end:
        size = start & -start if start else 1 << (end - start).bit_length()
        while start + size > end:
            size >>= 1
        found.append(2 * start + size - 1)
        start += size
    return found
