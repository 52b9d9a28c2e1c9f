"""The tree of a log: hashes as published, growth, and where bytes lie."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import LocalProtocolError, NodeMissingError
from store.hypercore import flat_tree
from store.hypercore.merkle_tree import (
    TreeBatch,
    byte_offset,
    byte_range,
    leaf,
    leaf_hash,
    parent,
    seek,
    tree_hash,
    truncated_roots,
)
from store.hypercore.records import NotInMemoryError
from tests.helpers.vectors import load_vectors
from tests.unit.store.hypercore.trees import BLOCKS, Disk, Nodes, Tree

VECTORS = load_vectors("hypercore-tree")
TREE = Tree([bytes.fromhex(block) for block in VECTORS["blocks"]])


def test_the_published_nodes() -> None:
    wanted = {
        node["index"]: (node["index"], node["size"], bytes.fromhex(node["hash"]))
        for node in VECTORS["nodes"]
    }
    assert TREE.nodes == wanted


def test_the_published_roots_and_hashes_of_every_length() -> None:
    assert tree_hash([]).hex() == VECTORS["emptyTreeHash"]
    for case in VECTORS["lengths"]:
        roots = truncated_roots(case["length"], TREE.nodes)
        assert [root.index for root in roots] == case["fullRootIndexes"]
        assert tree_hash(roots).hex() == case["treeHash"]
        assert sum(root.size for root in roots) == case["byteLength"]
        assert TREE.at(case["length"]).head.roots == roots


def test_the_published_seeks_and_offsets() -> None:
    for case in VECTORS["seeks"]:
        assert seek(case["byte"], TREE.head, TREE.nodes) == tuple(case["result"])
    for case in VECTORS["byteOffsets"]:
        offset, size = byte_range(2 * case["block"], TREE.head, TREE.nodes)
        assert size == case["size"]
        assert case["offset"] in (offset, None)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 100_000])
def test_big_blocks_are_hashed_like_small_ones(size: int) -> None:
    block = bytes(size)
    batch = TreeBatch()
    batch.extend([block])
    assert batch.nodes == [leaf(0, block)]
    assert batch.nodes[0].hash == leaf_hash(block)
    assert batch.byte_length == size


def test_a_parent_is_the_same_from_either_side() -> None:
    left, right = leaf(0, b"a"), leaf(1, b"bcd")
    (root,) = Tree([b"a", b"bcd"]).head.roots
    assert parent(left, right) == parent(right, left) == root


@given(BLOCKS, st.integers(0, 40))
def test_every_way_to_grow_gives_the_same_tree(blocks: list[bytes], cut: int) -> None:
    tree = Tree(blocks)
    cut = min(cut, len(blocks))
    start = tree.at(cut).head
    one, many, whole = (
        TreeBatch(start.roots, start.length, start.byte_length) for _ in range(3)
    )
    for block in blocks[cut:]:
        one.append(block)
    many.extend(blocks[cut:])
    for index in flat_tree.growth(cut, len(blocks)) if cut < len(blocks) else ():
        whole.append_root(tree.nodes[index])
    assert one.nodes == many.nodes
    for batch in (one, many, whole):
        assert batch.roots == tree.head.roots
        assert (batch.length, batch.byte_length) == (
            tree.head.length,
            tree.head.byte_length,
        )
        assert all(tree.nodes[node.index] == node for node in batch.nodes)
    assert Nodes.of([*tree.at(cut).nodes.values(), *one.nodes]) == tree.nodes


def test_a_root_from_elsewhere_is_refused() -> None:
    start = TREE.at(4).head
    batch = TreeBatch(start.roots, start.length, start.byte_length)
    before = batch.roots
    for index in (0, 3, 6, 7, 10, 12, 13):
        with pytest.raises(LocalProtocolError, match="does not continue"):
            batch.append_root(TREE.nodes[index])
    assert batch.roots == before
    assert batch.nodes == []
    assert batch.last_root == TREE.nodes[3]
    assert TreeBatch().last_root is None


@given(BLOCKS, st.integers(0, 2))
def test_byte_ranges_and_seeks_against_the_blocks(
    contents: list[bytes], padding: int
) -> None:
    blocks = [bytes(padding) + content for content in contents]
    tree = Tree(blocks)
    starts = [0, *accumulate(map(len, blocks))]
    for index in range(2 * len(blocks) - 1):
        first = flat_tree.left_span(index) // 2
        behind = first + flat_tree.leaf_count(index)
        if behind > len(blocks):
            with pytest.raises(LocalProtocolError):
                byte_range(index, tree.head, tree.nodes)
            continue
        wanted = starts[first], starts[behind] - starts[first]
        assert byte_range(index, tree.head, tree.nodes) == wanted
    assert byte_offset(2 * len(blocks), tree.head, tree.nodes) == starts[-1]
    with pytest.raises(LocalProtocolError):
        byte_offset(2 * len(blocks) + 2, tree.head, tree.nodes)
    plain = [0, *accumulate(map(len, contents))]
    for byte in range(plain[-1] + 1):
        block, offset = seek(byte, tree.head, tree.nodes, padding)
        assert plain[block] + offset == byte
        assert offset < len(contents[block]) if offset else block <= len(blocks)
    for byte in (-1, plain[-1] + 1):
        with pytest.raises(LocalProtocolError, match="outside"):
            seek(byte, tree.head, tree.nodes, padding)


def test_what_is_not_stored_is_named_with_the_blocks_that_tell() -> None:
    roots_only = Nodes.of(TREE.head.roots)
    assert byte_range(15, TREE.head, Nodes()) == (0, TREE.nodes[15].size)
    assert byte_offset(32, TREE.head, Nodes()) == TREE.nodes[15].size
    with pytest.raises(NodeMissingError) as of_seek:
        seek(100, TREE.head, roots_only)
    assert (of_seek.value.start, of_seek.value.end) == (0, 16)
    with pytest.raises(NodeMissingError) as of_range:
        byte_range(16, TREE.head, roots_only)
    assert (of_range.value.index, of_range.value.start, of_range.value.end) == (7, 0, 8)
    roots_only[7] = TREE.nodes[7]
    with pytest.raises(NodeMissingError) as nearer:
        seek(100, TREE.head, roots_only)
    assert (nearer.value.start, nearer.value.end) == (0, 8)
    with pytest.raises(NodeMissingError):
        truncated_roots(3, roots_only)


def test_nodes_on_the_disk_are_asked_for_one_after_the_other() -> None:
    disk = Disk(TREE.nodes)
    loads = 0
    while True:
        try:
            found = seek(100, TREE.head, disk), byte_range(14, TREE.head, disk)
            break
        except NotInMemoryError as error:
            disk.load(error.index)
            loads += 1
    assert found == (
        seek(100, TREE.head, TREE.nodes),
        byte_range(14, TREE.head, TREE.nodes),
    )
    assert loads > 3
