"""Changing a tree: puts and deletions, and the blocks they are written as.

The tree's changed parts stay in memory from one write to the next, so that a run of
puts reads almost nothing. A write marks the nodes it changes and puts them, depth
first, into its block. A batch is a run of writes whose blocks are encoded together: all
but the last then drop the nodes that later blocks of the batch replace, the root's
first, each gap filled by the last node of its block.

A node has four to eight keys (the root fewer); nine are split 4 - 1 - 4, three are
filled up from a neighbour or merged with one.

Follows npm hyperbee 2.27.3 ``index.js`` (``Batch``) to the byte, which goes as far as
what a block keeps that nothing points to.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from store.errors import LocalProtocolError
from store.hyperbee.blocks import MAX_KEYS, MAX_LEVELS, Block, Child, Node, encode_block
from store.hyperbee.lookup import MAX_DEPTH, checked_child, search, too_deep
from store.hyperbee.records import Pages, Steps

MIN_KEYS = 4

MAX_LOADED_NODES = 16_384
"""Kept between writes; with more the tree is let go and read again as needed."""

Accept = Callable[[Block], bool]
"""Is given the entry that would be replaced and decides whether to write."""

Slots = list[Child | None]
"""The nodes of one block by level, as the pointers to them."""


class _Pending:
    """A block that is not encoded yet."""

    __slots__ = ("key", "seq", "slots", "value")

    def __init__(self, seq: int, key: bytes, value: bytes | None, slots: Slots) -> None:
        self.seq = seq
        self.key = key
        self.value = value
        self.slots = slots


class Editor:
    """The newest state of one tree, with what is written but not in the log yet.

    Operations are generators of ``Steps`` and must not overlap. One that fails or is
    abandoned leaves the tree in pieces: ``reset`` it.

    Attributes:
        pages: The blocks in memory, those of writes on the way included.
        length: The log's length with everything written so far.
        root: The tree; None while it is not loaded.
    """

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.length = 0
        self.root: Node | None = None
        self._pending: list[_Pending] = []
        self._loaded_count = 0

    @property
    def pending_count(self) -> int:
        """Writes that ``take_blocks`` would give."""
        return len(self._pending)

    def reset(self, length: int) -> None:
        """Forget the tree and every pending write; the log has ``length`` blocks."""
        self.length = length
        self.root = None
        self._pending.clear()
        self._loaded_count = 0

    def load_root(self) -> Steps[Node]:
        """The root, empty when nothing was written yet."""
        root = self.root
        if root is None:
            if self.length < 2:
                root = Node([], [], [])
            else:
                seq = self.length - 1
                block = self.pages.block(seq) or (yield (seq,))
                root = block.node(0).copy()
            self.root = root
        return root

    def put(
        self, key: bytes, value: bytes | None, accept: Accept | None = None
    ) -> Steps[int | None]:
        """Write a value; gives the block's number, or None when refused.

        Args:
            key: Encoded.
            value: Encoded; None to store none.
            accept: Asked when the key exists.
        """
        root = yield from self.load_root()
        seq = self.length
        stack: list[tuple[Node, int]] = []
        node = root
        while True:
            try:
                position = bisect_left(node.keys, key)
                found = position < len(node.keys) and node.keys[position] == key
            except TypeError:
                position, found = yield from search(node, key, self.pages)
            if node.children:
                # Also when the write is refused in the end: so does upstream.
                node.changed = True
            if found:
                if not (yield from self._accepted(accept, node.seqs[position])):
                    return None
                node.seqs[position] = seq
                node.changed = True
                return self._write(root, key, value)
            if not node.children:
                break
            stack.append((node, position))
            if len(stack) >= MAX_DEPTH:
                raise too_deep()
            child = node.children[position].node
            node = (yield from self._child(node, position)) if child is None else child
        node.seqs.insert(position, seq)
        node.keys.insert(position, key)
        node.changed = True
        while len(node.seqs) > MAX_KEYS:
            right, median_seq, median_key = _split(node)
            self._loaded_count += 1
            if not stack:
                pointers = [Child(0, 0, node), Child(0, 0, right)]
                root = Node([median_seq], [median_key], pointers)
                root.changed = True
                break
            node, position = stack.pop()
            node.seqs.insert(position, median_seq)
            node.keys.insert(position, median_key)
            node.children.insert(position + 1, Child(0, 0, right))
            node.changed = True
        return self._write(root, key, value)

    def delete(self, key: bytes, accept: Accept | None = None) -> Steps[int | None]:
        """Write a deletion; gives the block's number, or None without the key.

        Args:
            key: Encoded.
            accept: As for ``put``.
        """
        node = yield from self.load_root()
        if self.length < 2:
            return None
        stack: list[Node] = []
        while True:
            stack.append(node)
            if len(stack) >= MAX_DEPTH:
                raise too_deep()
            position, found = yield from search(node, key, self.pages)
            if found:
                break
            if not node.children:
                return None
            node = yield from self._child(node, position)
        if not (yield from self._accepted(accept, node.seqs[position])):
            return None
        if node.children:
            yield from self._replace_by_neighbour(node, position, stack)
        else:
            del node.seqs[position], node.keys[position]
        for node in stack:
            node.changed = True
        root = yield from self._rebalance(stack)
        return self._write(root, key, None)

    def forget_marks(self) -> None:
        """Undo the marks of a refused write, unless other writes are pending."""
        if self.root is not None and self.root.changed and not self._pending:
            _unmark(self.root)

    def take_blocks(self) -> list[bytes]:
        """Encode the pending writes; they count as being in the log from now on."""
        pending = self._pending
        encoded = []
        for item in pending[:-1]:
            _drop_replaced(item)
            encoded.append(_encode(item))
        if pending:
            encoded.append(_encode(pending[-1]))
        self._pending = []
        if self._loaded_count > MAX_LOADED_NODES:
            self.reset(self.length)
        return encoded

    def _accepted(self, accept: Accept | None, seq: int) -> Steps[bool]:
        if accept is None:
            return True
        return accept(self.pages.block(seq) or (yield (seq,)))

    def _child(self, node: Node, position: int) -> Steps[Node]:
        """The child at a position, in memory and ours to change from now on."""
        child = node.children[position]
        if child.node is None:
            block = self.pages.block(child.seq) or (yield (child.seq,))
            child.node = checked_child(block, child.level).copy()
            self._loaded_count += 1
        return child.node

    def _write(self, root: Node, key: bytes, value: bytes | None) -> int:
        seq = self.length
        slots: Slots = []
        _collect(root, slots, seq)
        slots[0] = Child(seq, 0, root)
        if len(slots) > MAX_LEVELS:
            raise LocalProtocolError(
                "too many writes of the batch were refused", code="too-large"
            )
        self._pending.append(_Pending(seq, key, value, slots))
        self.root = root
        self.length = seq + 1
        return seq

    def _replace_by_neighbour(
        self, node: Node, position: int, stack: list[Node]
    ) -> Steps[None]:
        """Move the next key below into a slot: from the leaf that has more of them."""
        before = yield from self._edge(node, position, last=True)
        after = yield from self._edge(node, position + 1, last=False)
        if len(before[-1].seqs) < len(after[-1].seqs):
            path, taken = after, 0
        else:
            path, taken = before, -1
        stack += path
        node.seqs[position] = path[-1].seqs.pop(taken)
        node.keys[position] = path[-1].keys.pop(taken)

    def _edge(self, node: Node, position: int, *, last: bool) -> Steps[list[Node]]:
        """The nodes from a child down to its last or first leaf."""
        path = [(yield from self._child(node, position))]
        while path[-1].children:
            if len(path) >= MAX_DEPTH:
                raise too_deep()
            edge = len(path[-1].seqs) if last else 0
            path.append((yield from self._child(path[-1], edge)))
        return path

    def _rebalance(self, stack: list[Node]) -> Steps[Node]:
        """Fill up nodes that have too few keys, from the leaf up; gives the root."""
        root = stack[0]
        while len(stack) > 1:
            node = stack.pop()
            if len(node.seqs) >= MIN_KEYS:
                return root
            parent = stack[-1]
            at = next(i for i, c in enumerate(parent.children) if c.node is node)
            left = (yield from self._child(parent, at - 1)) if at else None
            right = None
            if at + 1 < len(parent.children):
                right = yield from self._child(parent, at + 1)
            if left is not None and len(left.seqs) > MIN_KEYS:
                _rotate_right(parent, at - 1, left, node)
                return root
            if right is not None and len(right.seqs) > MIN_KEYS:
                _rotate_left(parent, at, node, right)
                return root
            if left is not None:
                _merge(parent, at - 1, left, node)
            elif right is not None:
                _merge(parent, at, node, right)
        if not root.seqs and root.children:
            return (yield from self._child(root, 0))
        return root


def _collect(node: Node, slots: Slots, seq: int) -> int:
    """Give the changed nodes below a node their places in a block, depth first."""
    level = len(slots)
    slots.append(None)
    node.changed = False
    for child in node.children:
        if child.node is not None and child.node.changed:
            child.seq = seq
            child.level = _collect(child.node, slots, seq)
            slots[child.level] = child
    return level


def _unmark(node: Node) -> None:
    node.changed = False
    for child in node.children:
        if child.node is not None and child.node.changed:
            _unmark(child.node)


def _drop_replaced(item: _Pending) -> None:
    slots = item.slots
    slots[0] = None
    level = 0
    while level < len(slots):
        child = slots[level]
        if child is not None and child.seq == item.seq:
            child.level = level
            level += 1
        elif level == len(slots) - 1:
            slots.pop()
        else:
            slots[level] = slots.pop()


def _encode(item: _Pending) -> bytes:
    nodes = [c.node for c in item.slots if c is not None and c.node is not None]
    assert len(nodes) == len(item.slots)
    return encode_block(item.key, item.value, nodes)


def _split(node: Node) -> tuple[Node, int, bytes | None]:
    """Cut the upper half off; gives it, and the key between the halves."""
    right = Node(
        node.seqs[MIN_KEYS + 1 :],
        node.keys[MIN_KEYS + 1 :],
        node.children[MIN_KEYS + 1 :],
    )
    right.changed = True
    seq, key = node.seqs[MIN_KEYS], node.keys[MIN_KEYS]
    del node.seqs[MIN_KEYS:], node.keys[MIN_KEYS:], node.children[MIN_KEYS + 1 :]
    return right, seq, key


def _rotate_right(parent: Node, at: int, left: Node, node: Node) -> None:
    """Move a key from the left neighbour over the parent."""
    left.changed = True
    node.seqs.insert(0, parent.seqs[at])
    node.keys.insert(0, parent.keys[at])
    if left.children:
        node.children.insert(0, left.children.pop())
    parent.seqs[at] = left.seqs.pop()
    parent.keys[at] = left.keys.pop()


def _rotate_left(parent: Node, at: int, node: Node, right: Node) -> None:
    """Move a key from the right neighbour over the parent."""
    right.changed = True
    node.seqs.append(parent.seqs[at])
    node.keys.append(parent.keys[at])
    if right.children:
        node.children.append(right.children.pop(0))
    parent.seqs[at] = right.seqs.pop(0)
    parent.keys[at] = right.keys.pop(0)


def _merge(parent: Node, at: int, left: Node, right: Node) -> None:
    """Put the parent's key and the right node into the left one."""
    left.changed = True
    left.seqs += (parent.seqs[at], *right.seqs)
    left.keys += (parent.keys[at], *right.keys)
    left.children += right.children
    # Nobody is to take the freed node for one that its block still has to hold.
    parent.children[at + 1].seq = 0
    del parent.seqs[at], parent.keys[at], parent.children[at + 1]
    parent.changed = True
