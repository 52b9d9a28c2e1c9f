"""Proofs of two histories: against models, on paper, damaged, and as ends of logs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from net.crypto import KeyPair
from store.errors import NodeMissingError, RemoteProtocolError
from store.hypercore import flat_tree
from store.hypercore.fork_proof import (
    MAX_FORK_PROOF_BYTES,
    Branch,
    ForkProof,
    History,
    decode_fork_proof,
    ended_head,
    first_difference,
    is_ended,
    is_proven_end,
    proof_of,
    prove_fork,
)
from store.hypercore.inventory import MAX_CORE_LENGTH
from store.hypercore.manifest import Signer, create_manifest, manifest_key
from store.hypercore.merkle_tree import parent
from store.hypercore.records import Node
from store.hypercore.told_history import MAX_ASKED_NODES, ToldHistory
from tests.helpers.forked_logs import fork_proof, history
from tests.helpers.vectors import load_vectors

PAIR = KeyPair.from_seed(bytes(31) + b"\1")
MANIFEST = create_manifest([Signer(PAIR.public_key, bytes(32))], version=1)
KEY = manifest_key(MANIFEST)


def blocks(count: int, word: bytes = b"") -> list[bytes]:
    return [b"%d " % at + word for at in range(count)]


def halves(shared: int, one: int, other: int) -> tuple[list[bytes], list[bytes]]:
    common = blocks(shared)
    return common + blocks(one, b"one"), common + blocks(other, b"other")


def made(shared: int, one: int, other: int) -> ForkProof:
    return fork_proof(*halves(shared, one, other), MANIFEST, PAIR)


@given(st.integers(0, 70), st.integers(1, 40), st.integers(1, 40))
def test_the_first_difference_is_found_and_proven(
    shared: int, one: int, other: int
) -> None:
    proof = made(shared, one, other)
    assert proof.length == shared
    assert proof.is_signed(MANIFEST, KEY)
    assert decode_fork_proof(proof.encode()) == proof
    assert made(shared, other, one).length == shared
    head = ended_head(proof)
    assert is_ended(head.signature)
    assert proof_of(head.signature) == proof
    assert is_proven_end(MANIFEST, KEY, head)
    whole = history(blocks(shared), MANIFEST, PAIR)
    assert [whole.known(root.index) for root in head.roots] == list(head.roots)


def test_histories_that_go_on_from_each_other_do_not_differ() -> None:
    for short, long in ((0, 5), (3, 3), (4, 9), (7, 64)):
        one = history(blocks(short), MANIFEST, PAIR)
        other = history(blocks(long), MANIFEST, PAIR)
        assert first_difference(one, other) is None
        assert first_difference(other, one) is None


@given(st.integers(0, 300), st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_nodes_are_asked_for_one_after_the_other(
    shared: int, one: int, other: int, swapped: bool
) -> None:
    """Who knows only roots at first is told which nodes it takes."""
    ours, theirs = (history(it, MANIFEST, PAIR) for it in halves(shared, one, other))
    if swapped:
        ours, theirs = theirs, ours
    told = as_told(theirs)
    asked = 0
    while True:
        try:
            block = first_difference(ours, told.history)
            assert block == shared
            proof = prove_fork(ours, told.history, block)
            break
        except NodeMissingError as missing:
            wanted = told.wanted(missing.index)
            assert len(wanted) <= MAX_ASKED_NODES
            found = [theirs.node(index) for index in wanted]
            assert told.learn(node for node in found if node is not None)
            asked += 1
    assert asked <= 4
    assert proof.is_signed(MANIFEST, KEY)


def as_told(it: History) -> ToldHistory:
    return ToldHistory(
        MANIFEST,
        KEY,
        length=it.length,
        signature=it.signature,
        roots=[it.known(index) for index in flat_tree.full_roots(it.length)],
    )


def test_a_tree_that_is_told_is_believed_only_as_far_as_it_is_proven() -> None:
    whole = history(blocks(11), MANIFEST, PAIR)
    told = as_told(whole)
    nodes = [whole.known(index) for index in (3, 11)]
    assert not told.learn(nodes[:1])
    forged = nodes[0]._replace(hash=bytes(32))
    with pytest.raises(RemoteProtocolError) as caught:
        told.learn((forged, nodes[1]))
    assert caught.value.code == "invalid-checksum"
    assert not told.learn([whole.known(1), whole.known(5)])
    assert told.history.node(1) is None
    # What is above makes what is below known, in whatever order it comes.
    assert told.learn([whole.known(1), whole.known(5), *nodes])
    assert told.history.node(1) == whole.known(1)
    roots = [whole.known(index) for index in flat_tree.full_roots(11)]
    signature = whole.signature
    for length, made, by in (
        (11, roots[:2], signature),
        (11, [*roots[:2], forged], signature),
        (11, roots, b""),
        (10, roots, signature),
        (0, [], signature),
        (2**50, roots, signature),
    ):
        with pytest.raises(RemoteProtocolError) as caught:
            ToldHistory(MANIFEST, KEY, length=length, signature=by, roots=made)
        assert caught.value.code == "invalid-proof"


def test_what_is_not_known_here_is_said() -> None:
    one, other = halves(5, 3, 9)
    ours, theirs = (history(it, MANIFEST, PAIR) for it in (one, other))
    empty = History(theirs.length, theirs.signature, lambda _: None)
    with pytest.raises(NodeMissingError) as caught:
        first_difference(ours, empty)
    assert (caught.value.index, caught.value.start, caught.value.end) == (7, 0, 8)
    with pytest.raises(NodeMissingError):
        prove_fork(ours, empty, 5)


def test_sizes_that_lie_are_no_difference() -> None:
    """Of two signed trees with the same blocks, one tells other sizes."""
    ours = history(blocks(2), MANIFEST, PAIR)
    leaf = ours.known(0)
    told = {0: leaf._replace(size=leaf.size + 1), 2: ours.known(2)}
    told[1] = parent(told[0], told[2])
    assert told[1].hash != ours.known(1).hash
    assert first_difference(ours, replace(ours, node=told.get)) is None


@pytest.mark.parametrize("case", load_vectors("fork-proofs")["cases"])
def test_the_layout_stays(case: dict[str, object]) -> None:
    one, other = (
        [bytes.fromhex(block) for block in case[name]]  # type: ignore[attr-defined]
        for name in ("one", "other")
    )
    data = bytes.fromhex(str(case["proof"]))
    proof = decode_fork_proof(data)
    assert proof.length == case["length"]
    assert proof.is_signed(MANIFEST, KEY)
    assert fork_proof(one, other, MANIFEST, PAIR).encode() == data


def test_only_the_signer_proves_anything() -> None:
    proof = made(6, 2, 3)
    stranger = KeyPair.from_seed(bytes(31) + b"\2")
    other = create_manifest([Signer(stranger.public_key, bytes(32))], version=1)
    assert not proof.is_signed(other, manifest_key(other))
    one, two = proof.branches
    swapped = replace(
        proof,
        branches=(
            replace(one, signature=two.signature),
            replace(two, signature=one.signature),
        ),
    )
    assert not swapped.is_signed(MANIFEST, KEY)
    unsigned = replace(proof, branches=(one, replace(two, signature=b"")))
    assert not unsigned.is_signed(MANIFEST, KEY)


def test_nobody_moves_the_place() -> None:
    """Neither lower nor higher, with the same two signatures."""
    proof = made(6, 2, 3)
    head = ended_head(proof)
    shorter = replace(head, length=4, roots=head.roots[:1])
    longer = replace(head, length=7, roots=(*head.roots, proof.branches[0].leaf))
    other = replace(head, roots=(head.roots[0], proof.branches[0].leaf))
    for moved in (shorter, longer, other, replace(head, fork=1)):
        assert not is_proven_end(MANIFEST, KEY, moved)
    assert is_proven_end(MANIFEST, KEY, head)


def refused(proof: ForkProof | bytes) -> str:
    data = proof if isinstance(proof, bytes) else proof.encode()
    with pytest.raises(RemoteProtocolError) as caught:
        decode_fork_proof(data)
    return caught.value.code


def test_what_is_malformed_is_refused() -> None:
    proof = made(6, 2, 3)
    one, two = proof.branches
    data = proof.encode()
    assert refused(b"\2" + data[1:]) == "version"
    assert refused(data + b"\0") == "too-long"
    assert refused(data[:-1]) == "too-short"
    assert refused(b"") == "too-short"
    assert refused(bytes(MAX_FORK_PROOF_BYTES + 1)) == "too-large"
    assert refused(replace(proof, branches=(two, one))) == "invalid-proof"
    assert refused(replace(proof, branches=(one, one))) == "invalid-proof"
    assert refused(replace(proof, branches=(replace(one, length=6), two)))
    huge = replace(one, leaf=one.leaf._replace(size=2**53 - 1))
    assert refused(replace(proof, branches=(huge, two))) == "too-large"
    signature = bytes(3000)
    assert (
        refused(replace(proof, branches=(replace(one, signature=signature), two)))
        == "too-large"
    )


def test_the_longest_log_needs_no_more_than_is_allowed() -> None:
    digest = b"\xff" * 32
    most = 0
    for shared, length in (
        (MAX_CORE_LENGTH - 1, MAX_CORE_LENGTH),
        (MAX_CORE_LENGTH // 2 - 1, MAX_CORE_LENGTH - 1),
        (0, MAX_CORE_LENGTH - 1),
    ):
        beside = flat_tree.growth(shared + 1, length) if length > shared + 1 else []
        branches = [
            Branch(
                length,
                bytes(2048),
                Node(2 * shared, 2**40, bytes([number]) * 32),
                tuple(Node(index, 2**40, digest) for index in beside),
            )
            for number in range(2)
        ]
        common = tuple(Node(it, 2**40, digest) for it in flat_tree.full_roots(shared))
        proof = ForkProof(shared, common, (branches[0], branches[1]))
        assert decode_fork_proof(proof.encode()) == proof
        most = max(most, len(proof.encode()))
    assert most < MAX_FORK_PROOF_BYTES / 2
