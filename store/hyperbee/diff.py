"""What differs between two versions of a tree, in order of the keys.

Two walks side by side, each at an item: a key, or a child not entered yet. Where both
are at the same item, both pass it, which skips whatever the versions share. Otherwise
the child that reaches further is entered, until keys face keys.

Follows npm hyperbee 2.27.3 ``iterators/diff.js``.
"""

from __future__ import annotations

from collections.abc import Iterator

from store.errors import RemoteProtocolError
from store.hyperbee.blocks import Block, Node
from store.hyperbee.lookup import (
    MAX_DEPTH,
    checked_child,
    load_key,
    search,
    too_deep,
)
from store.hyperbee.ranges import MAX_TAKEN_BYTES
from store.hyperbee.records import Bounds, Pages, Steps

Pair = tuple[Block | None, Block | None]

KEY_LEVEL = -1


class _Walk:
    """One side: a stack of nodes with the position of the next item in each."""

    def __init__(self, pages: Pages, root: Node | None, bounds: Bounds) -> None:
        self.nodes: list[Node] = []
        self.positions: list[int] = []
        self._pages = pages
        self._root = root
        self._bounds = bounds
        self._seeking = bounds.lower is not None
        self._last: bytes | None = None
        self._last_leaf: bytes | None = None
        self._entered: set[tuple[int, int]] = set()

    def open(self) -> Steps[None]:
        """Enter the root."""
        if self._root is not None and self._root.seqs:
            yield from self._enter(self._root, (0, 0))

    def item(self) -> tuple[int, int] | None:
        """Block and level of the next child, or block and ``KEY_LEVEL`` of a key."""
        while self.nodes:
            node, position = self.nodes[-1], self.positions[-1]
            if position > 2 * len(node.seqs) or (
                not node.children and position == 2 * len(node.seqs)
            ):
                self.nodes.pop()
                self.positions.pop()
            elif position & 1:
                return node.seqs[position >> 1], KEY_LEVEL
            elif node.children:
                child = node.children[position >> 1]
                return child.seq, child.level
            else:
                self.positions[-1] = position + 1
        return None

    def skip(self) -> None:
        """Pass the item."""
        self._seeking = False
        self.positions[-1] += 1

    def upper(self) -> Steps[bytes | None]:
        """The item's key, or the key after a child; None when nothing comes after."""
        for node, position in zip(
            reversed(self.nodes), reversed(self.positions), strict=True
        ):
            if position >> 1 < len(node.seqs):
                return (yield from load_key(node, position >> 1, self._pages))
        return None

    def descend(self, other: _Walk) -> Steps[None]:
        """Enter the child; ``other`` is walked beside, which tells what to wish for."""
        node, position = self.nodes[-1], self.positions[-1]
        child = node.children[position >> 1]
        block = self._pages.block(child.seq)
        if block is None:
            block = yield (child.seq, *self._wishes(other), *other._wishes(self))
        self.positions[-1] = position + 1
        place = (child.seq, child.level)
        yield from self._enter(checked_child(block, child.level), place)

    def take(self, other: _Walk) -> Steps[Block | None]:
        """The block of the key the walk is at; None, and the end, beyond the range.

        Raises:
            RemoteProtocolError: The keys do not ascend.
        """
        node, position = self.nodes[-1], self.positions[-1]
        seq = node.seqs[position >> 1]
        block = self._pages.block(seq)
        if block is None:
            block = yield (seq, *self._wishes(other), *other._wishes(self))
        if self._bounds.ends_before(block.key):
            self.nodes.clear()
            self.positions.clear()
            return None
        last = self._last
        if self._bounds.starts_after(block.key) or (
            last is not None and block.key <= last
        ):
            raise _unsorted()
        self._last = block.key
        self.skip()
        return block

    def _enter(self, node: Node, place: tuple[int, int]) -> Steps[None]:
        """Go on within a node; into none a second time, or it might never end."""
        if len(self.nodes) >= MAX_DEPTH:
            raise too_deep()
        if node.children:
            if place in self._entered:
                raise _unsorted()
            self._entered.add(place)
        position = 0
        if self._seeking:
            lower = self._bounds.lower
            assert lower is not None
            slot, found = yield from search(node, lower, self._pages)
            position = 2 * slot
            if found:
                self._seeking = False
                position += 1 if self._bounds.lower_inclusive else 2
        elif not node.children:
            # Leaves are many, and their keys tell the same as a list of them.
            first = yield from load_key(node, 0, self._pages)
            if self._last_leaf is not None and first <= self._last_leaf:
                raise _unsorted()
            self._last_leaf = first
        self.nodes.append(node)
        self.positions.append(position)

    def _wishes(self, other: _Walk) -> Iterator[int]:
        """Blocks of the present node that the other side's node does not share."""
        if not self._pages.ahead or not self.nodes:
            return
        shared = set()
        if other.nodes:
            shared.update(other.nodes[-1].seqs)
            shared.update(child.seq for child in other.nodes[-1].children)
        node = self.nodes[-1]
        for seq in (*node.seqs, *(child.seq for child in node.children)):
            if seq not in shared and self._pages.block(seq) is None:
                yield seq


def _unsorted() -> RemoteProtocolError:
    return RemoteProtocolError("the tree's keys are not in order")


class DiffWalk:
    """The differences between two trees whose blocks are those of one log.

    Args:
        pages: The blocks in memory.
        left: One root, or None.
        right: The other.
        bounds: Only keys within.
        limit: At most so many differences.
    """

    def __init__(
        self,
        pages: Pages,
        left: Node | None,
        right: Node | None,
        bounds: Bounds,
        *,
        limit: int | None = None,
    ) -> None:
        self._left = _Walk(pages, left, bounds)
        self._right = _Walk(pages, right, bounds)
        self._limit = limit
        self._opened = False

    def take(self, count: int) -> Steps[list[Pair]]:
        """The next differences, at most ``count``; none at the end.

        Raises:
            RemoteProtocolError: One of the trees is not one.
        """
        if not self._opened:
            self._opened = True
            yield from self._left.open()
            yield from self._right.open()
        if self._limit is not None:
            count = min(count, self._limit)
        taken: list[Pair] = []
        room = MAX_TAKEN_BYTES
        while len(taken) < count and room > 0:
            pair = yield from self._next()
            if pair is None:
                break
            if pair != (None, None):
                taken.append(pair)
                room -= sum(block.cost_bytes for block in pair if block is not None)
        if self._limit is not None:
            self._limit -= len(taken)
        return taken

    def _next(self) -> Steps[Pair | None]:
        """One step: a difference, a pair of Nones for none yet, None at the end."""
        left, right = self._left, self._right
        while True:
            one, two = left.item(), right.item()
            if one is None and two is None:
                return None
            if one == two:
                left.skip()
                right.skip()
            elif two is None or one is None:
                walk, other = (left, right) if two is None else (right, left)
                if walk.item()[1] != KEY_LEVEL:  # type: ignore[index]
                    yield from walk.descend(other)
                    continue
                block = yield from walk.take(other)
                return (block, None) if two is None else (None, block)
            elif one[1] == KEY_LEVEL or two[1] == KEY_LEVEL:
                if one[1] != two[1]:
                    walk, other = (
                        (right, left) if one[1] == KEY_LEVEL else (left, right)
                    )
                    yield from walk.descend(other)
                else:
                    return (yield from self._keys())
            else:
                yield from self._children()

    def _keys(self) -> Steps[Pair]:
        """Both sides are at keys: take the smaller, or both of the same."""
        left, right = self._left, self._right
        one, two = (yield from left.upper()), (yield from right.upper())
        assert one is not None
        assert two is not None
        first = (yield from left.take(right)) if one <= two else None
        second = (yield from right.take(left)) if two <= one else None
        return first, second

    def _children(self) -> Steps[None]:
        """Both sides are at children: enter the one that reaches further, or both."""
        left, right = self._left, self._right
        one, two = (yield from left.upper()), (yield from right.upper())
        if two is None or (one is not None and one <= two):
            yield from right.descend(left)
        if one is None or (two is not None and two <= one):
            yield from left.descend(right)
