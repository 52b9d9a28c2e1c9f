"""Rewritten logs: what they share with the old one is found, block by block."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.errors import RemoteProtocolError
from store.hypercore import flat_tree
from store.hypercore.merkle_tree import tree_hash
from store.hypercore.proofs import (
    ReorgBatch,
    continue_reorg,
    missing_levels,
    start_reorg,
    verify_proof,
)
from store.hypercore.records import (
    BlockRequest,
    Change,
    HashProof,
    NotInMemoryError,
    Proof,
    Request,
    SeekRequest,
    UpgradeRequest,
)
from tests.unit.store.hypercore.trees import Disk, Nodes, Tree, damaged

MAX_STEPS = 60


def _logs(shared: int, old: int, new: int) -> tuple[Tree, Tree]:
    same = [b"same %d" % index for index in range(shared)]
    return (
        Tree([*same, *(b"old %d" % index for index in range(old))]),
        Tree([*same, *(b"new! %d" % index for index in range(new))], fork=1),
    )


def _whole(tree: Tree, *, length: int | None = None) -> Proof:
    asked = UpgradeRequest(0, tree.head.length if length is None else length)
    return tree.prove(Request(1, upgrade=asked))


def _answer(batch: ReorgBatch, tree: Tree, block: int) -> Proof:
    want = batch.want
    assert want is not None
    assert want.start <= block < want.end
    return tree.prove(Request(1, hash=BlockRequest(2 * block, want.nodes)))


def _first(batch: ReorgBatch, tree: Tree) -> Proof:
    assert batch.want is not None
    return _answer(batch, tree, batch.want.start)


def _applied(change: Change, nodes: Nodes) -> Nodes:
    """What is stored once a change is made."""
    cut = change.truncated_to
    assert cut is not None
    gone = set(flat_tree.crossing(cut, change.base.length))
    kept = [
        node
        for node in nodes.values()
        if node.index < 2 * cut and node.index not in gone
    ]
    return Nodes.of([*kept, *change.nodes])


def _check_result(batch: ReorgBatch, old: Nodes, new: Tree) -> None:
    assert batch.is_finished
    assert batch.head == new.head
    stored = _applied(batch.change(), old)
    assert stored.items() <= new.nodes.items(), "something of the old log remained"
    assert all(root.index in stored for root in new.head.roots)


@settings(max_examples=300)
@given(st.integers(0, 40), st.integers(0, 20), st.integers(0, 20), st.data())
def test_all_that_is_shared_is_kept(
    shared: int, old: int, new: int, data: st.DataObject
) -> None:
    ours, theirs = _logs(shared, old, new)
    if not theirs.blocks:
        return
    length = data.draw(st.integers(1, theirs.head.length))
    batch = start_reorg(_whole(theirs, length=length), ours.head, ours.nodes)
    steps = 0
    while batch.want is not None:
        assert batch.ancestors <= shared
        block = data.draw(st.integers(batch.want.start, batch.want.end - 1))
        if block >= theirs.head.length:
            block = batch.want.start
        batch = continue_reorg(batch, _answer(batch, theirs, block), ours.nodes)
        steps += 1
        assert steps < MAX_STEPS
    assert batch.ancestors == shared
    _check_result(batch, ours.nodes, theirs)


@settings(max_examples=200)
@given(st.integers(0, 40), st.integers(0, 20), st.integers(1, 20), st.data())
def test_what_was_never_stored_is_not_kept(
    shared: int, old: int, new: int, data: st.DataObject
) -> None:
    ours, theirs = _logs(shared, old, new)
    nodes = Nodes.of(ours.head.roots)
    for index in data.draw(st.sets(st.integers(0, max(0, shared + old - 1)))):
        if index < len(ours.blocks):
            levels = missing_levels(2 * index, ours.head, nodes)
            proof = ours.prove(Request(0, block=BlockRequest(index, levels)))
            nodes |= Nodes.of(verify_proof(proof, ours.head, nodes).nodes)
    batch = start_reorg(_whole(theirs), ours.head, nodes)
    for _ in range(MAX_STEPS):
        if batch.want is None:
            break
        batch = continue_reorg(batch, _first(batch, theirs), nodes)
    assert batch.ancestors <= shared
    _check_result(batch, nodes, theirs)


def test_a_shortened_log_needs_no_more_than_its_head() -> None:
    ours, theirs = _logs(9, 5, 0)
    batch = start_reorg(_whole(theirs), ours.head, ours.nodes)
    assert batch.is_finished
    assert batch.ancestors == 9
    assert batch.change().truncated_to == 9
    assert batch.change().base is ours.head


def test_a_first_fork_onto_nothing() -> None:
    ours, theirs = _logs(0, 0, 7)
    batch = start_reorg(_whole(theirs), ours.head, ours.nodes)
    assert batch.is_finished
    assert batch.ancestors == 0


def test_a_block_that_comes_with_the_proof_shortens_the_search() -> None:
    ours, theirs = _logs(5, 11, 11)
    request = Request(1, upgrade=UpgradeRequest(0, 16), block=BlockRequest(5, 0))
    batch = start_reorg(theirs.prove(request), ours.head, ours.nodes)
    assert batch.is_finished
    assert batch.ancestors == 5
    _check_result(batch, ours.nodes, theirs)


def test_every_step_can_be_done_again_from_the_disk() -> None:
    ours, theirs = _logs(5, 11, 11)
    disk = Disk(ours.nodes)
    loads = 0
    proof, batch = _whole(theirs), None
    while True:
        try:
            batch = (
                continue_reorg(batch, proof, disk)
                if batch
                else start_reorg(proof, ours.head, disk)
            )
        except NotInMemoryError as error:
            disk.load(error.index)
            loads += 1
            continue
        if batch.is_finished:
            break
        proof = _first(batch, theirs)
    assert loads
    assert batch.ancestors == 5


def test_late_and_needless_answers_change_nothing() -> None:
    ours, theirs = _logs(5, 11, 11)
    begun = start_reorg(_whole(theirs), ours.head, ours.nodes)
    late = _answer(begun, theirs, 15)
    batch = continue_reorg(begun, late, ours.nodes)
    assert not batch.is_finished
    assert continue_reorg(batch, late, ours.nodes) is batch
    assert continue_reorg(batch, _whole(theirs), ours.nodes) is batch
    done = continue_reorg(batch, _first(batch, theirs), ours.nodes)
    while not done.is_finished:
        done = continue_reorg(done, _first(done, theirs), ours.nodes)
    assert continue_reorg(done, late, ours.nodes) is done


@pytest.mark.parametrize(
    "request_",
    [
        Request(1, upgrade=UpgradeRequest(3, 2)),
        Request(1, block=BlockRequest(3, 2)),
        Request(1, block=BlockRequest(3, 0), upgrade=UpgradeRequest(4, 2)),
        Request(1, hash=BlockRequest(8, 1), seek=SeekRequest(26, 0)),
    ],
)
def test_a_fork_is_proven_from_the_start(request_: Request) -> None:
    ours, theirs = _logs(2, 4, 4)
    with pytest.raises(RemoteProtocolError):
        start_reorg(theirs.prove(request_), ours.head, ours.nodes)


def test_a_part_that_is_not_of_the_new_tree_is_refused() -> None:
    ours, theirs = _logs(2, 4, 4)
    stray = _whole(theirs)._replace(hash=HashProof(5, [theirs.nodes[5]]))
    with pytest.raises(RemoteProtocolError) as refused:
        start_reorg(stray, ours.head, ours.nodes)
    assert refused.value.code == "invalid-proof"


def test_the_prologue_holds_in_every_fork() -> None:
    ours, theirs = _logs(4, 2, 3)
    prologue = 4, tree_hash(ours.at(4).head.roots)
    batch = start_reorg(_whole(theirs), ours.head, ours.nodes, prologue=prologue)
    assert batch.head == theirs.head
    with pytest.raises(RemoteProtocolError) as refused:
        start_reorg(
            _whole(theirs, length=4), ours.head, ours.nodes, prologue=(4, bytes(32))
        )
    assert refused.value.code == "invalid-proof"


def test_a_wrong_hash_is_the_peers_fault() -> None:
    ours, theirs = _logs(5, 11, 11)
    batch = start_reorg(_whole(theirs), ours.head, ours.nodes)
    for liar in (ours, _logs(6, 10, 10)[1]):
        with pytest.raises(RemoteProtocolError) as refused:
            continue_reorg(batch, _first(batch, liar), ours.nodes)
        assert refused.value.code == "invalid-checksum"


@settings(max_examples=300)
@given(st.integers(0, 16), st.integers(1, 16), st.integers(1, 16), st.data())
def test_damaged_answers_bring_nothing_of_another_tree(
    shared: int, old: int, new: int, data: st.DataObject
) -> None:
    ours, theirs = _logs(shared, old, new)
    batch = start_reorg(_whole(theirs), ours.head, ours.nodes)
    for _ in range(MAX_STEPS):
        if batch.want is None:
            break
        honest = _first(batch, theirs)
        try:
            batch = continue_reorg(
                batch, data.draw(damaged(honest, theirs)), ours.nodes
            )
        except RemoteProtocolError:
            batch = continue_reorg(batch, honest, ours.nodes)
    assert batch.ancestors <= shared
    for node in batch.nodes:
        assert theirs.nodes[node.index] == node
