"""Flat numbering, against the published numbers and against its definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from store.hypercore import flat_tree
from tests.helpers.vectors import load_vectors

INDEXES = st.integers(0, 2**53)


def test_the_published_roots() -> None:
    for case in load_vectors("hypercore-tree")["flatTree"]["fullRoots"]:
        assert flat_tree.full_roots(case["length"]) == case["roots"]


@given(st.integers(0, 52), st.integers(0, 2**40))
def test_depth_and_offset_make_the_index(depth: int, offset: int) -> None:
    index = flat_tree.index(depth, offset)
    assert (flat_tree.depth(index), flat_tree.offset(index)) == (depth, offset)
    assert flat_tree.parent(index) == flat_tree.index(depth + 1, offset >> 1)
    assert flat_tree.sibling(index) == flat_tree.index(depth, offset ^ 1)
    assert flat_tree.left_span(index) == offset << (depth + 1)
    assert flat_tree.right_span(index) == ((offset + 1) << (depth + 1)) - 2
    assert flat_tree.leaf_count(index) == 2**depth
    assert flat_tree.count(index) == 2 ** (depth + 1) - 1


@given(INDEXES)
def test_children_and_parent_agree(index: int) -> None:
    left, right = flat_tree.left_child(index), flat_tree.right_child(index)
    if index % 2 == 0:
        assert left is None
        assert right is None
        return
    assert left is not None
    assert right is not None
    assert left < index < right
    assert flat_tree.parent(left) == flat_tree.parent(right) == index
    assert flat_tree.sibling(left) == right
    assert flat_tree.left_span(left) == flat_tree.left_span(index)
    assert flat_tree.right_span(right) == flat_tree.right_span(index)


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_node_holds_what_is_between_its_leaves(index: int, other: int) -> None:
    first, last = flat_tree.left_span(index), flat_tree.right_span(index)
    assert flat_tree.contains(index, other) == (first <= other <= last)


@given(st.integers(0, 2**53))
def test_roots_lie_side_by_side_and_get_smaller(length: int) -> None:
    roots = flat_tree.full_roots(length)
    assert len(roots) == length.bit_count()
    at, last_depth = 0, 99
    for root in roots:
        assert flat_tree.left_span(root) == at
        assert flat_tree.depth(root) < last_depth
        at, last_depth = flat_tree.right_span(root) + 2, flat_tree.depth(root)
    assert at == 2 * length


@given(st.integers(0, 2**40), st.integers(1, 2**40))
def test_growth_covers_exactly_what_is_new(start: int, more: int) -> None:
    at = 2 * start
    for index in flat_tree.growth(start, start + more):
        assert flat_tree.left_span(index) == at
        at = flat_tree.right_span(index) + 2
    assert at == 2 * (start + more)


@given(st.integers(0, 70), st.integers(0, 70))
def test_crossing_nodes_reach_over_the_boundary(length: int, tree_length: int) -> None:
    wanted = []
    for index in range(2 * tree_length):
        first, last = flat_tree.left_span(index), flat_tree.right_span(index)
        if first < 2 * length <= last < 2 * tree_length:
            wanted.append(index)
    found = flat_tree.crossing(length, tree_length)
    assert sorted(found) == wanted
    assert found == sorted(found, key=flat_tree.depth)
