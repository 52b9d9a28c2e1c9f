"""Walking a tree in order of its keys, either way, and its blocks in order of time.

A cursor is a stack of frames, one for each node from the root down. A frame's position
counts ``child 0, key 0, child 1, key 1, ...``, so an odd one is a key; it names what
comes next. What is yielded must ascend (or descend) strictly: a tree whose pointers
repeat a part of it is refused when the first key comes again, so that nobody can make a
walk endless.

Follows npm hyperbee 2.27.3 ``iterators/range.js`` and ``iterators/history.js``.
"""

from __future__ import annotations

from collections.abc import Sequence

from store.errors import RemoteProtocolError
from store.hyperbee.blocks import Block, Node
from store.hyperbee.lookup import (
    MAX_DEPTH,
    checked_child,
    load_child,
    search,
    too_deep,
)
from store.hyperbee.records import Bounds, Pages, Steps

MAX_AHEAD = 256
"""Blocks asked for at once while walking a log that is not all here."""

MAX_SCOUTED = 1_024
"""Positions looked at to find them."""


MAX_TAKEN_BYTES = 4 * 1024 * 1024
"""Taken at once before it is looked whether anybody wants more."""


class Cursor:
    """A place in a tree, from which entries are taken one after the other.

    Attributes:
        ended: Whether there is nothing more.
        last_key: The key taken last, or None.
    """

    def __init__(
        self,
        pages: Pages,
        root: Node | None,
        bounds: Bounds,
        *,
        reverse: bool = False,
        limit: int | None = None,
    ) -> None:
        self.last_key: bytes | None = None
        self._pages = pages
        self._root = root
        self._bounds = bounds
        self._reverse = reverse
        self._step = -1 if reverse else 1
        self._left = limit
        self._nodes: list[Node] = []
        self._positions: list[int] = []
        self._sought = False
        self.ended = False

    def resume(self, places: Sequence[tuple[int, int, int]]) -> Steps[None]:
        """Begin in the middle, at frames another side told.

        Args:
            places: Block, level and position of each frame.

        Raises:
            RemoteProtocolError: They name nodes that are not there.
        """
        if len(places) > MAX_DEPTH:
            raise too_deep()
        for seq, level, position in places:
            block = self._pages.block(seq) or (yield (seq,))
            self._push(checked_child(block, level), position)
        self._sought = True

    def take(self, count: int) -> Steps[list[Block]]:
        """The next entries' blocks, at most ``count`` and ``MAX_TAKEN_BYTES``.

        Raises:
            RemoteProtocolError: The tree is not one.
        """
        if self._left is not None:
            count = min(count, self._left)
        taken: list[Block] = []
        if count <= 0 or self.ended:
            self.ended = True
            return taken
        if not self._sought and self._root is None:
            self.ended = True
            return taken
        if not self._sought:
            self._sought = True
            yield from self._seek()
        pages, step = self._pages, self._step
        room = MAX_TAKEN_BYTES
        while len(taken) < count and room > 0:
            if not self._nodes:
                self.ended = True
                break
            node, position = self._nodes[-1], self._positions[-1]
            slot = position >> 1
            if position < 0 or position > 2 * len(node.seqs):
                self._nodes.pop()
                self._positions.pop()
            elif not position & 1:
                if node.children:
                    child = yield from self._child(node, slot)
                    self._positions[-1] = position + step
                    self._push(child, 2 * len(child.seqs) if self._reverse else 0)
                else:
                    self._positions[-1] = position + step
            else:
                key = node.keys[slot]
                if key is not None and self._is_past(key):
                    self._stop()
                    break
                seq = node.seqs[slot]
                block = pages.block(seq) or (yield self._ahead(seq))
                self._positions[-1] = position + step
                if self._is_past(block.key):
                    self._stop()
                    break
                self._check_order(block.key)
                taken.append(block)
                room -= block.cost_bytes
        if self._left is not None:
            self._left -= len(taken)
        return taken

    def _seek(self) -> Steps[None]:
        """Go to where the range begins, with the way there on the stack."""
        bounds, step = self._bounds, self._step
        start = bounds.upper if self._reverse else bounds.lower
        inclusive = bounds.upper_inclusive if self._reverse else bounds.lower_inclusive
        node = self._root
        assert node is not None
        if start is None:
            self._push(node, 2 * len(node.seqs) if self._reverse else 0)
            return
        while True:
            slot, found = yield from search(node, start, self._pages)
            if found:
                self._push(node, 2 * slot + 1 + (0 if inclusive else step))
                return
            self._push(node, 2 * slot + step)
            if not node.children:
                return
            node = yield from load_child(node, slot, self._pages)

    def _child(self, node: Node, slot: int) -> Steps[Node]:
        child = node.children[slot]
        if child.node is not None:
            return child.node
        block = self._pages.block(child.seq) or (yield self._ahead(child.seq))
        return checked_child(block, child.level)

    def _push(self, node: Node, position: int) -> None:
        if len(self._nodes) >= MAX_DEPTH:
            raise too_deep()
        self._nodes.append(node)
        self._positions.append(position)

    def _stop(self) -> None:
        self._nodes.clear()
        self._positions.clear()
        self.ended = True

    def _is_past(self, key: bytes) -> bool:
        if self._reverse:
            return self._bounds.starts_after(key)
        return self._bounds.ends_before(key)

    def _check_order(self, key: bytes) -> None:
        last, bounds = self.last_key, self._bounds
        if last is not None:
            wrong = key >= last if self._reverse else key <= last
        elif self._reverse:
            wrong = bounds.ends_before(key)
        else:
            # Or who begins anew behind the last key would never come to an end.
            wrong = bounds.starts_after(key)
        if wrong:
            raise RemoteProtocolError("the tree's keys are not in order")
        self.last_key = key

    def _ahead(self, first: int) -> Sequence[int]:
        """The block needed now, and those that will be needed soon, in order.

        It goes on as the cursor would, passing over nodes that are not here yet.
        """
        pages = self._pages
        if not pages.ahead:
            return (first,)
        most = MAX_AHEAD
        if self._left is not None:
            most = min(most, 2 * self._left + MAX_DEPTH)
        wanted = {first: None}
        nodes, positions = self._nodes.copy(), self._positions.copy()
        for _ in range(MAX_SCOUTED):
            if not nodes or len(wanted) >= most:
                break
            node, position = nodes[-1], positions[-1]
            slot = position >> 1
            if position < 0 or position > 2 * len(node.seqs):
                nodes.pop()
                positions.pop()
                continue
            positions[-1] = position + self._step
            if position & 1:
                key = node.keys[slot]
                if key is not None and self._is_past(key):
                    break
                if pages.block(node.seqs[slot]) is None:
                    wanted[node.seqs[slot]] = None
            elif node.children and len(nodes) < MAX_DEPTH:
                child = node.children[slot]
                block = None if child.node else pages.block(child.seq)
                if block is None:
                    wanted[child.seq] = None
                else:
                    try:
                        below = block.node(child.level)
                    except RemoteProtocolError:
                        # The cursor itself may never get there.
                        break
                    nodes.append(below)
                    positions.append(2 * len(below.seqs) if self._reverse else 0)
        return tuple(wanted)


class History:
    """The entries in order of time.

    Args:
        pages: The blocks in memory.
        start: The first block, 1 or more.
        end: The block after the last.
        reverse: Whether to begin with the last.
        limit: At most so many.
    """

    def __init__(
        self,
        pages: Pages,
        start: int,
        end: int,
        *,
        reverse: bool = False,
        limit: int | None = None,
    ) -> None:
        self._pages = pages
        seqs = range(max(start, 1), max(end, 1))
        self._seqs = seqs[::-1] if reverse else seqs
        if limit is not None:
            self._seqs = self._seqs[: max(limit, 0)]
        self._at = 0

    def take(self, count: int) -> Steps[list[Block]]:
        """The next blocks, at most ``count`` and ``MAX_TAKEN_BYTES``."""
        taken: list[Block] = []
        room = MAX_TAKEN_BYTES
        for seq in self._seqs[self._at : self._at + count]:
            if room <= 0:
                break
            block = self._pages.block(seq)
            if block is None:
                ahead = MAX_AHEAD if self._pages.ahead else 1
                block = yield self._seqs[self._at : self._at + ahead]
            self._at += 1
            taken.append(block)
            room -= block.cost_bytes
        return taken


def history_bounds(
    version: int,
    gt: int | None,
    gte: int | None,
    lt: int | None,
    lte: int | None,
) -> tuple[int, int]:
    """First block and the one after the last; negative numbers count from the end."""

    def at(value: int) -> int:
        return value + version if value < 0 else value

    start = 1
    if gt is not None:
        start = at(gt) + 1
    elif gte is not None:
        start = at(gte)
    end = version
    if lte is not None:
        end = at(lte) + 1
    elif lt is not None:
        end = at(lt)
    return max(start, 1), min(max(end, 1), version)
