"""Nodes and blocks from the disk, each checked before anybody sees it.

A node is believed when it and its sibling make up their parent, and so on up to a node
that was checked before, or a root; a block, when its leaf is and has its hash. What
fails is looked into: a pair of nodes that its children or blocks can tell again is
mended on the spot, everything else is named as damaged. Runs in a reader's thread of
the database; what came of it is taken over on the loop by ``core``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from store.database import Connection
from store.hypercore import flat_tree
from store.hypercore.depot import (
    BlockPlace,
    read_block_run,
    read_blocks,
    read_node_range,
    read_nodes,
)
from store.hypercore.merkle_tree import leaf, leaf_hash, parent
from store.hypercore.records import Node, NodeSource, NotInMemoryError

MAX_AHEAD_BLOCKS = 256
MAX_AHEAD_BYTES = 512 * 1024
"""What is read beyond what was asked for, when blocks are read in order."""
MAX_VISIT_BYTES = 16 * 1024 * 1024
"""A visit reads no more once its blocks are together as long as that."""
MAX_AHEAD_PLACED = 8
"""The same for blocks that lie in a file, which are large."""


@dataclass(slots=True)
class Found:
    """What a visit to the disk brought."""

    nodes: dict[int, Node] = field(default_factory=dict)
    """Checked."""
    blocks: dict[int, bytes] = field(default_factory=dict)
    """Checked."""
    damaged_blocks: set[int] = field(default_factory=set)
    """Blocks that are not there, or not what their leaf says."""
    damaged_below: set[int] = field(default_factory=set)
    """Checked nodes whose children are damaged beyond mending."""
    mended: list[Node] = field(default_factory=list)
    """Nodes that were damaged and are told anew."""

    @property
    def is_damaged(self) -> bool:
        """Whether anything was not as it should be."""
        return bool(self.damaged_blocks or self.damaged_below or self.mended)


class DiskTree:
    """The ``NodeSource`` of one visit: what is known, else the disk."""

    def __init__(
        self,
        connection: Connection,
        number: int,
        length: int,
        known: Callable[[int], Node | None],
        place: BlockPlace | None = None,
    ) -> None:
        """Begin a visit.

        Args:
            connection: A reader's.
            number: Of the core's row.
            length: Blocks of the tree.
            known: Nodes checked before, the roots among them.
            place: Where the blocks lie, if not in the table.
        """
        self.found = Found()
        self._connection = connection
        self._number = number
        self._end = 2 * length
        self._known = known
        self._place = place
        self._rows: dict[int, Node] = {}

    def node(self, index: int) -> Node | None:
        """A checked node; None when it is not stored or damaged."""
        node = self._checked(index)
        if node is not None:
            return node
        path = [index]
        at = flat_tree.parent(index)
        while (above := self._checked(at)) is None:
            if flat_tree.right_span(at) >= self._end:
                return None
            path.append(at)
            at = flat_tree.parent(at)
        self._fetch(path)
        for step in reversed(path):
            if not self._check_pair(above, step):
                return None
            above = self.found.nodes[step]
        return above

    def prefetch(self, start: int, end: int) -> None:
        """Read the nodes among and between these blocks at once."""
        self._rows.update(
            read_node_range(self._connection, self._number, 2 * start, 2 * end - 1)
        )

    def read_blocks(self, indexes: Sequence[int]) -> None:
        """Read blocks, wherever in the log they are, the first in any case."""
        first, rest = indexes[:1], indexes[1:]
        raw = self._raw_blocks(first)
        if rest:
            raw |= self._raw_blocks(rest)
        whole = sum(map(len, raw.values())) < MAX_VISIT_BYTES
        self._check_blocks(raw, indexes if whole else raw)

    def read_ahead(self, start: int, end: int) -> None:
        """Read blocks one after the other, the first in any case."""
        if self._place is not None:
            self.read_blocks(range(start, min(end, start + MAX_AHEAD_PLACED)))
            return
        raw = read_block_run(
            self._connection, self._number, start, end, max_bytes=MAX_AHEAD_BYTES
        )
        self.prefetch(start, max(raw, default=start) + 1)
        self._check_blocks(raw, {start, *raw})

    def _checked(self, index: int) -> Node | None:
        node = self.found.nodes.get(index)
        return self._known(index) if node is None else node

    def _fetch(self, path: Iterable[int]) -> None:
        lacking = [
            index
            for step in path
            for index in (step, flat_tree.sibling(step))
            if index not in self._rows
        ]
        if lacking:
            self._rows.update(read_nodes(self._connection, self._number, lacking))

    def _check_pair(self, above: Node, index: int) -> bool:
        """Believe a node and its sibling if they make up the node above."""
        beside = flat_tree.sibling(index)
        low, high = min(index, beside), max(index, beside)
        left, right = self._rows.get(low), self._rows.get(high)
        if left is not None and right is not None and parent(left, right) == above:
            self.found.nodes[low], self.found.nodes[high] = left, right
            return True
        if left is None and right is None and above.index not in self._rows:
            return False
        return self._mend(above, low, high)

    def _mend(self, above: Node, low: int, high: int) -> bool:
        candidates = []
        for index in (low, high):
            row, told = self._rows.get(index), self._told_anew(index)
            candidates.append([it for it in (row, told) if it is not None])
        for left in candidates[0]:
            for right in candidates[1]:
                if parent(left, right) == above:
                    for node in (left, right):
                        self.found.nodes[node.index] = node
                        if self._rows.get(node.index) != node:
                            self.found.mended.append(node)
                    return True
        if any(candidates):
            self.found.damaged_below.add(above.index)
        return False

    def _told_anew(self, index: int) -> Node | None:
        """A node as what lies below it tells."""
        if index & 1 == 0:
            block = self._raw_blocks([index // 2]).get(index // 2)
            return None if block is None else leaf(index // 2, block)
        half = flat_tree.leaf_count(index) >> 1
        below = read_nodes(self._connection, self._number, [index - half, index + half])
        if len(below) < 2:
            return None
        return parent(below[index - half], below[index + half])

    def _raw_blocks(self, indexes: Sequence[int]) -> dict[int, bytes]:
        if self._place is not None:
            return self._place.read(indexes)
        return read_blocks(
            self._connection, self._number, indexes, max_bytes=MAX_VISIT_BYTES
        )

    def _check_blocks(self, raw: dict[int, bytes], wanted: Iterable[int]) -> None:
        for index in wanted:
            block, node = raw.get(index), self.node(2 * index)
            if (
                block is not None
                and node is not None
                and node.size == len(block)
                and node.hash == leaf_hash(block)
            ):
                self.found.blocks[index] = block
            else:
                self.found.damaged_blocks.add(index)


class LayeredNodes:
    """The ``NodeSource`` of work that goes on in a reader's thread.

    What the core says first, and the disk where it says that it has to be loaded.
    """

    def __init__(self, core: NodeSource, disk: DiskTree) -> None:
        self._core = core
        self._disk = disk

    def node(self, index: int) -> Node | None:
        """See ``NodeSource``; never raises ``NotInMemoryError``."""
        try:
            return self._core.node(index)
        except NotInMemoryError:
            return self._disk.node(index)
