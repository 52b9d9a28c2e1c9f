"""Finding one key in a tree.

Every function is a generator of ``Steps``: it yields the blocks it lacks. Trees come
from others, so every walk is bounded by ``MAX_DEPTH``, and no pointer leads forward.

Follows npm hyperbee 2.27.3 ``index.js`` (``Batch.get``, ``Batch.links``).
"""

from __future__ import annotations

from bisect import bisect_left

from store.errors import RemoteProtocolError
from store.hyperbee.blocks import Block, Node
from store.hyperbee.records import Pages, Steps

MAX_DEPTH = 32
"""Levels of a tree; 2^53 entries need 24."""


def load_root(pages: Pages, version: int) -> Steps[Node | None]:
    """The root of a version; None for an empty log."""
    if version < 2:
        return None
    block = pages.block(version - 1) or (yield (version - 1,))
    return block.node(0)


def load_child(node: Node, position: int, pages: Pages) -> Steps[Node]:
    """The child at a position.

    Raises:
        RemoteProtocolError: It cannot be a child.
    """
    child = node.children[position]
    if child.node is not None:
        return child.node
    block = pages.block(child.seq)
    if block is None:
        block = yield _wishes(child.seq, node, pages)
    return checked_child(block, child.level)


def checked_child(block: Block, level: int) -> Node:
    """A node that something points to; only roots may be empty."""
    node = block.node(level)
    if not node.seqs:
        raise RemoteProtocolError("a node below the root is empty")
    return node


def search(node: Node, key: bytes, pages: Pages) -> Steps[tuple[int, bool]]:
    """How many of a node's keys are smaller, and whether the next one is the key.

    Callers try ``bisect`` first, which does for a node whose keys are at hand.
    """
    keys = node.keys
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) >> 1
        other = keys[middle]
        if other is None:
            other = yield from load_key(node, middle, pages)
        if key == other:
            return middle, True
        if key < other:
            high = middle
        else:
            low = middle + 1
    return low, False


def load_key(node: Node, position: int, pages: Pages) -> Steps[bytes]:
    """The key at a position, kept in the node from now on unless it is long."""
    key: bytes | None = node.keys[position]
    if key is not None:
        return key
    seq = node.seqs[position]
    key = pages.key(seq)
    if key is None:
        key = (yield _wishes(seq, node, pages)).key
    # The node may have changed hands while the block was fetched.
    if len(key) <= pages.max_key_bytes and node.seqs[position] == seq:
        node.keys[position] = key
    return key


def find(
    pages: Pages, root: Node | None, root_block: Block | None, key: bytes
) -> Steps[Block | None]:
    """The block that holds a key, or None.

    Args:
        pages: The blocks in memory.
        root: The tree; None when it is empty.
        root_block: The block the root comes from, unless it is being changed.
        key: Encoded.
    """
    node, block = root, root_block
    if node is None:
        return None
    for _ in range(MAX_DEPTH):
        if block is not None and block.key == key:
            # On the way to a key nothing is newer than the block that wrote it.
            return None if block.is_deletion() else block
        try:
            position = bisect_left(node.keys, key)
            found = position < len(node.keys) and node.keys[position] == key
        except TypeError:
            position, found = yield from search(node, key, pages)
        if found:
            seq = node.seqs[position]
            return pages.block(seq) or (yield (seq,))
        if not node.children:
            return None
        child = node.children[position]
        if child.node is not None:
            node, block = child.node, None
        else:
            block = pages.block(child.seq)
            if block is None:
                block = yield _wishes(child.seq, node, pages)
            node = checked_child(block, child.level)
    raise too_deep()


def find_in_version(pages: Pages, version: int, key: bytes) -> Steps[Block | None]:
    """The block that holds a key at a version, or None."""
    if version < 2:
        return None
    block = pages.block(version - 1) or (yield (version - 1,))
    return (yield from find(pages, block.node(0), block, key))


def leads_to(pages: Pages, version: int, key: bytes, seq: int) -> Steps[bool]:
    """Tells whether the way from a version's root to a key touches a block."""
    node = yield from load_root(pages, version)
    if node is None or seq == version - 1:
        return node is not None
    for _ in range(MAX_DEPTH):
        if seq in node.seqs:
            return True
        position, found = yield from search(node, key, pages)
        if found or not node.children:
            return False
        if node.children[position].seq == seq:
            return True
        node = yield from load_child(node, position, pages)
    raise too_deep()


def too_deep() -> RemoteProtocolError:
    """The verdict on a tree whose pointers go on and on."""
    return RemoteProtocolError("the tree is too deep", code="too-large")


def _wishes(first: int, node: Node, pages: Pages) -> tuple[int, ...]:
    """The block needed, then the node's other ones: a path needs some of them."""
    if not pages.ahead:
        return (first,)
    wanted = {first: None}
    for seq, key in zip(node.seqs, node.keys, strict=True):
        if key is None and pages.key(seq) is None:
            wanted[seq] = None
    for child in node.children:
        if child.node is None and pages.block(child.seq) is None:
            wanted[child.seq] = None
    return tuple(wanted)
