"""Flat numbering of binary trees: every node of every tree has one fixed number.

Leaf ``i`` has the index ``2 * i``; a parent lies in the middle between its children. A
node at ``depth`` (0 for leaves) and ``offset`` (counted from the left of that depth)
has the index ``(1 + 2 * offset) * 2 ** depth - 1``, so its depth is the number of one
bits at the end of the index. A tree of any length is a row of perfect trees, biggest
first: its *full roots*.

All functions take integers from 0 and are meant for indexes below ``2 ** 53``, which
those who read the wire make sure of. Follows npm flat-tree.
"""

from __future__ import annotations


def index(depth: int, offset: int) -> int:
    """The number of the node that stands ``offset`` from the left at a depth."""
    return ((1 + 2 * offset) << depth) - 1


def depth(index: int) -> int:
    """Levels above the leaves."""
    return (index ^ (index + 1)).bit_length() - 1


def offset(index: int) -> int:
    """Nodes of the same depth to the left."""
    return index >> (index ^ (index + 1)).bit_length()


def parent(index: int) -> int:
    """The node above."""
    step = (index + 1) & -(index + 1)
    return (index | step) & ~(step << 1)


def sibling(index: int) -> int:
    """The other child of the same parent."""
    return index ^ (((index + 1) & -(index + 1)) << 1)


def left_child(index: int) -> int | None:
    """The lower node below; None for a leaf."""
    return index - (((index + 1) & -(index + 1)) >> 1) if index & 1 else None


def right_child(index: int) -> int | None:
    """The higher node below; None for a leaf."""
    return index + (((index + 1) & -(index + 1)) >> 1) if index & 1 else None


def left_span(index: int) -> int:
    """The index of the first leaf below."""
    return index & (index + 1)


def right_span(index: int) -> int:
    """The index of the last leaf below."""
    return index + ((index + 1) & -(index + 1)) - 1


def leaf_count(index: int) -> int:
    """Leaves below, or 1 for a leaf."""
    return (index + 1) & -(index + 1)


def count(index: int) -> int:
    """Nodes of the subtree, the node itself among them."""
    return 2 * leaf_count(index) - 1


def contains(index: int, other: int) -> bool:
    """Tells whether ``other`` is the node itself or below it."""
    step = (index + 1) & -(index + 1)
    return index - step < other < index + step


def full_roots(length: int) -> list[int]:
    """The roots of a tree of ``length`` blocks, left to right."""
    roots = []
    start = 0
    while length:
        leaves = 1 << (length.bit_length() - 1)
        roots.append(start + leaves - 1)
        start += 2 * leaves
        length -= leaves
    return roots


def growth(start: int, end: int) -> list[int]:
    """The nodes that lead from the roots of one length to those of a longer one.

    Where a new root holds old roots, these are the right siblings on the way up from
    the last old leaf; then come the new roots as they are.

    Args:
        start: Blocks of the old tree.
        end: Blocks of the new tree, more than ``start``.
    """
    if start == 0:
        return full_roots(end)
    nodes = []
    last_leaf = 2 * start - 2
    for root in full_roots(end):
        if right_span(root) <= last_leaf:
            continue
        if contains(root, last_leaf):
            at = last_leaf
            while at != root:
                beside = sibling(at)
                if beside > at:
                    nodes.append(beside)
                at = parent(at)
        else:
            nodes.append(root)
    return nodes


def crossing(length: int, tree_length: int) -> list[int]:
    """The nodes of a tree that reach over a block boundary, from the bottom.

    These are what a truncation makes untrue besides all that starts behind it.

    Args:
        length: Blocks before the boundary.
        tree_length: Blocks of the whole tree.
    """
    if not 0 < length < tree_length:
        return []
    nodes = []
    at = parent(2 * length - 2)
    while right_span(at) < 2 * tree_length:
        if right_span(at) >= 2 * length:
            nodes.append(at)
        at = parent(at)
    return nodes
