"""The Merkle tree of a log: its hashes, how it grows, and where its bytes lie.

Hashes are BLAKE2b-256 over a type byte and the content, so that no leaf can pass for a
parent: ``00 u64(size) block``, ``01 u64(size) left right``, and ``02`` with hash, index
and size of each root for the tree as a whole. Integers are little endian, sizes count
stored bytes.

A size is bound by a node's own hash, except that two given siblings whose children
nobody has seen are bound only by their sum: that is a property of the format.

Nothing here reads a disk: nodes come from a ``NodeSource``, whose ``NotInMemoryError``
passes through every function; none of them changes anything before it returns. Proofs
are built and verified in ``proofs``. Follows npm hypercore 11.37.1
(``lib/merkle-tree.js``) and npm hypercore-crypto 3.7.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from struct import Struct

from store.errors import LocalProtocolError, NodeMissingError
from store.hypercore import flat_tree
from store.hypercore.records import Head, Node, NodeSource

MAX_LENGTH = 2**52 - 1
"""Blocks of a tree: the index of its last node is still a safe integer."""

MAX_TREE_BYTES = 2**53 - 1
"""Bytes of a tree, and so of each of its nodes."""

# Makes a named tuple at half the price of calling its class.
_new = tuple.__new__

_leaf_head = Struct("<BQ").pack
_parent_body = Struct("<BQ32s32s").pack
_root_place = Struct("<QQ").pack

_COPY_BYTES = 4096
"""Blocks up to this size are joined with their header: cheaper than a second update."""


def leaf_hash(block: bytes) -> bytes:
    """The hash of a block's stored bytes."""
    size = len(block)
    if size <= _COPY_BYTES:
        return blake2b(_leaf_head(0, size) + block, digest_size=32).digest()
    state = blake2b(_leaf_head(0, size), digest_size=32)
    state.update(block)
    return state.digest()


def leaf(index: int, block: bytes) -> Node:
    """The leaf of block ``index`` (a block's number, not a node's)."""
    return Node(2 * index, len(block), leaf_hash(block))


def parent(left: Node, right: Node) -> Node:
    """The node above two siblings, which may come in either order."""
    if left.index > right.index:
        left, right = right, left
    low, size, digest = left
    high, more, beside = right
    size += more
    digest = blake2b(_parent_body(1, size, digest, beside), digest_size=32).digest()
    return _new(Node, ((low + high) >> 1, size, digest))


def tree_hash(roots: Iterable[Node]) -> bytes:
    """The hash of a whole tree, which is what gets signed."""
    state = blake2b(b"\2", digest_size=32)
    for index, size, digest in roots:
        state.update(digest + _root_place(index, size))
    return state.digest()


class TreeBatch:
    """A tree that grows to the right and remembers what is new.

    Attributes:
        length: Blocks.
        byte_length: Stored bytes.
        nodes: Every node made since the start, in the order they were made.
    """

    __slots__ = ("_roots", "byte_length", "length", "nodes")

    def __init__(
        self, roots: Sequence[Node] = (), length: int = 0, byte_length: int = 0
    ) -> None:
        self._roots = list(roots)
        self.length = length
        self.byte_length = byte_length
        self.nodes: list[Node] = []

    @property
    def roots(self) -> tuple[Node, ...]:
        """The full roots, left to right."""
        return tuple(self._roots)

    @property
    def last_root(self) -> Node | None:
        """The rightmost full root; None in an empty tree."""
        return self._roots[-1] if self._roots else None

    def append(self, block: bytes) -> None:
        """Adds one block, given as it is stored."""
        self.append_root(Node(2 * self.length, len(block), leaf_hash(block)))

    def extend(self, blocks: Iterable[bytes]) -> None:
        """Adds many blocks, given as they are stored."""
        roots, nodes = self._roots, self.nodes
        length, total = self.length, self.byte_length
        for block in blocks:
            size = len(block)
            if size <= _COPY_BYTES:
                digest = blake2b(_leaf_head(0, size) + block, digest_size=32).digest()
            else:
                digest = leaf_hash(block)
            node = Node(2 * length, size, digest)
            nodes.append(node)
            # As many old roots end here as the old length has one bits at its end.
            rest = length
            while rest & 1:
                rest >>= 1
                left = roots.pop()
                size += left.size
                body = _parent_body(1, size, left.hash, digest)
                digest = blake2b(body, digest_size=32).digest()
                node = Node((left.index + node.index) >> 1, size, digest)
                nodes.append(node)
            roots.append(node)
            length += 1
            total += len(block)
        self.length, self.byte_length = length, total

    def append_root(self, node: Node) -> None:
        """Adds a perfect tree that starts where this one ends.

        Raises:
            LocalProtocolError: The node starts elsewhere.
        """
        if flat_tree.left_span(node.index) != 2 * self.length:
            raise LocalProtocolError(
                f"node {node.index} does not continue a tree of {self.length} blocks",
                code="invalid-operation",
            )
        roots, nodes = self._roots, self.nodes
        self.length += flat_tree.leaf_count(node.index)
        self.byte_length += node.size
        nodes.append(node)
        while roots and roots[-1].index == flat_tree.sibling(node.index):
            node = parent(roots.pop(), node)
            nodes.append(node)
        roots.append(node)


def truncated_roots(length: int, source: NodeSource) -> tuple[Node, ...]:
    """The roots that a stored tree has at one of its earlier lengths.

    Raises:
        NodeMissingError: One of them is not stored.
        NotInMemoryError: One of them has to be loaded first.
    """
    return tuple(stored(source, index) for index in flat_tree.full_roots(length))


def stored(source: NodeSource, index: int) -> Node:
    """A node that must be stored.

    Raises:
        NodeMissingError: It is not.
        NotInMemoryError: It has to be loaded first.
    """
    node = source.node(index)
    if node is None:
        first = flat_tree.left_span(index) // 2
        raise NodeMissingError(
            f"node {index} is not stored",
            index=index,
            start=first,
            end=first + flat_tree.leaf_count(index),
        )
    return node


def byte_offset(index: int, head: Head, source: NodeSource) -> int:
    """Stored bytes before a node; ``2 * head.length`` stands for the end.

    Raises:
        LocalProtocolError: The node is outside the tree.
        NodeMissingError: Sizes on the way are not known.
        NotInMemoryError: A node has to be loaded first.
    """
    if index == 2 * head.length:
        return head.byte_length
    first = flat_tree.left_span(index)
    before = 0
    for root in head.roots:
        if flat_tree.right_span(root.index) < first:
            before += root.size
            continue
        at = root.index
        # Down to the highest node that starts there: what is passed lies before it.
        while flat_tree.left_span(at) != first:
            half = flat_tree.leaf_count(at) >> 1
            if first < at:
                at -= half
            else:
                before += stored(source, at - half).size
                at += half
        return before
    raise LocalProtocolError(
        f"node {index} lies behind {head.length} blocks", code="bad-argument"
    )


def byte_range(index: int, head: Head, source: NodeSource) -> tuple[int, int]:
    """Where the stored bytes below a node lie: offset and size.

    Args:
        index: The node's index; ``2 * block`` for a block.

    Raises:
        LocalProtocolError: The node is outside the tree.
        NodeMissingError: Sizes on the way are not known.
        NotInMemoryError: A node has to be loaded first.
    """
    if flat_tree.right_span(index) >= 2 * head.length:
        raise LocalProtocolError(
            f"node {index} lies behind {head.length} blocks", code="bad-argument"
        )
    offset = byte_offset(index, head, source)
    for root in head.roots:
        if root.index == index:
            return offset, root.size
    return offset, stored(source, index).size


def unpadded_size(node: Node, padding: int) -> int:
    """Bytes below a node without the padding of its blocks."""
    return (
        node.size - padding * flat_tree.leaf_count(node.index) if padding else node.size
    )


def seek(
    byte: int, head: Head, source: NodeSource, padding: int = 0
) -> tuple[int, int]:
    """Finds the block that holds a byte, and the byte's place in it.

    The end of the log is ``(head.length, 0)``. Where a subtree ends exactly at the
    byte, the block behind it is meant, even if that block is empty.

    Args:
        byte: Counted without padding.
        padding: Bytes of each block that do not count.

    Raises:
        LocalProtocolError: The byte is negative or behind the end.
        NodeMissingError: The sizes that decide are not known; the error names the
            blocks among which the byte lies.
        NotInMemoryError: A node has to be loaded first.
    """
    if byte < 0 or byte > head.byte_length - padding * head.length:
        raise LocalProtocolError(f"byte {byte} is outside the log", code="bad-argument")
    if byte == 0:
        return 0, 0
    for root in head.roots:
        size = unpadded_size(root, padding)
        if byte > size:
            byte -= size
        elif byte == size:
            return flat_tree.right_span(root.index) // 2 + 1, 0
        else:
            return _seek_below(root.index, byte, source, padding)
    return head.length, 0


def _seek_below(
    index: int, byte: int, source: NodeSource, padding: int
) -> tuple[int, int]:
    while index & 1:
        half = flat_tree.leaf_count(index) >> 1
        left = source.node(index - half)
        if left is None:
            first = flat_tree.left_span(index) // 2
            raise NodeMissingError(
                f"node {index - half} is not stored",
                index=index - half,
                start=first,
                end=first + 2 * half,
            )
        size = unpadded_size(left, padding)
        if byte == size:
            return flat_tree.right_span(left.index) // 2 + 1, 0
        if byte < size:
            index -= half
        else:
            byte -= size
            index += half
    return index // 2, byte
