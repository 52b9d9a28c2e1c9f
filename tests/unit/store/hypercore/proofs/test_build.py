"""Answers to requests, against the published ones and against what cannot be asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import BlockMissingError, InvalidRequestError
from store.hypercore.proofs import build_proof, nodes_needed
from store.hypercore.records import (
    BlockRequest,
    Head,
    NotInMemoryError,
    Proof,
    Request,
    SeekRequest,
    UpgradeRequest,
)
from tests.helpers.vectors import load_vectors
from tests.unit.store.hypercore.trees import (
    BLOCKS,
    Disk,
    Nodes,
    Tree,
    as_vector,
    request_of,
    requests,
)

VECTORS = load_vectors("hypercore-tree")
TREE = Tree(
    [bytes.fromhex(block) for block in VECTORS["blocks"]],
    signature=bytes.fromhex(VECTORS["lengths"][-1]["signatureStored"]),
)
CASES = load_vectors("hypercore-proofs")["cases"]
FAR = st.integers(0, 50) | st.sampled_from((2**32, 2**52, 2**53 - 1))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_published_answers(case: dict[str, Any]) -> None:
    request = request_of(case["request"])
    if "error" in case:
        with pytest.raises(InvalidRequestError) as refused:
            TREE.prove(request)
        assert refused.value.code == "invalid-operation" == _code(case["error"])
    else:
        assert as_vector(TREE.prove(request)) == case["proof"]


def _code(name: str) -> str:
    return name.lower().replace("_", "-")


def test_an_empty_tree_proves_nothing() -> None:
    request = Request(0, block=BlockRequest(0, 0), upgrade=UpgradeRequest(0, 1))
    assert build_proof(request, Head(fork=3), Nodes()) == Proof(3)


def test_a_block_that_is_not_given_is_missing() -> None:
    with pytest.raises(BlockMissingError):
        build_proof(Request(0, block=BlockRequest(3, 1)), TREE.head, TREE.nodes)


def test_a_node_that_is_not_stored_is_refused() -> None:
    roots = Nodes.of(TREE.head.roots)
    for request in (
        Request(0, block=BlockRequest(3, 1)),
        Request(0, upgrade=UpgradeRequest(0, 5)),
        Request(0, hash=BlockRequest(20, 1), seek=SeekRequest(200, 0)),
        Request(0, upgrade=UpgradeRequest(0, 5), seek=SeekRequest(20, 0)),
    ):
        with pytest.raises(InvalidRequestError):
            build_proof(request, TREE.head, roots, b"")


def test_a_seek_goes_as_deep_as_sizes_are_stored() -> None:
    nodes = Nodes(TREE.nodes)
    request = Request(0, upgrade=UpgradeRequest(0, 20), seek=SeekRequest(100, 0))
    deep = build_proof(request, TREE.head, nodes)
    assert deep.seek is not None
    assert deep.seek.nodes[0].index == 14
    for leaf in (8, 10, 12, 14):
        del nodes[leaf]
    shallow = build_proof(request, TREE.head, nodes)
    assert shallow.seek is not None
    assert shallow.seek.nodes[0].index == 13


@pytest.mark.parametrize(
    "request_",
    [
        Request(0, block=BlockRequest(20, 0)),
        Request(0, block=BlockRequest(-1, 0)),
        Request(0, block=BlockRequest(0, -1)),
        Request(0, block=BlockRequest(0, 2**53 - 1)),
        Request(0, hash=BlockRequest(31, 0)),
        Request(0, hash=BlockRequest(39, 0)),
        Request(0, hash=BlockRequest(2**53 - 1, 0)),
        Request(0, upgrade=UpgradeRequest(0, 0)),
        Request(0, upgrade=UpgradeRequest(-1, 5)),
        Request(0, upgrade=UpgradeRequest(20, 1)),
        Request(0, upgrade=UpgradeRequest(2**53 - 1, 2**53 - 1)),
        Request(0, block=BlockRequest(15, 0), upgrade=UpgradeRequest(5, 6)),
        Request(0, hash=BlockRequest(11, 0), upgrade=UpgradeRequest(5, 6)),
        Request(0, block=BlockRequest(3, 1), seek=SeekRequest(2**53 - 1, 0)),
        Request(0, block=BlockRequest(8, 1), seek=SeekRequest(1, 0)),
    ],
)
def test_what_no_tree_can_answer(request_: Request) -> None:
    with pytest.raises(InvalidRequestError):
        build_proof(request_, TREE.head, TREE.nodes, b"")


@given(st.data())
def test_any_numbers_are_answered_or_refused(data: st.DataObject) -> None:
    def maybe(kind: Any) -> Any:
        return (
            kind(data.draw(FAR), data.draw(FAR)) if data.draw(st.booleans()) else None
        )

    request = Request(
        0,
        block=maybe(BlockRequest),
        hash=maybe(BlockRequest),
        seek=maybe(SeekRequest),
        upgrade=maybe(UpgradeRequest),
    )
    try:
        proof = TREE.prove(request)
    except (InvalidRequestError, BlockMissingError):
        return
    assert (proof.upgrade is None) == (request.upgrade is None)


@given(st.data())
def test_the_nodes_an_answer_needs_are_known_before(data: st.DataObject) -> None:
    tree = Tree(data.draw(BLOCKS))
    have = data.draw(st.integers(0, tree.head.length))
    request = data.draw(requests(have, tree.head.length))
    try:
        wanted = tree.prove(request)
    except InvalidRequestError:
        return
    disk = Disk(tree.nodes)
    for index in set(nodes_needed(request, tree.head)):
        disk.load(index)
    block = request.block and tree.blocks[request.block.index]
    while True:
        try:
            proof = build_proof(request, tree.head, disk, block)
            break
        except NotInMemoryError as error:
            assert request.seek is not None, "only a seek needs more"
            disk.load(error.index)
    assert proof == wanted
