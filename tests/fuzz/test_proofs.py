"""Invariant: no damaged proof teaches a node, block or length that is not the tree's.

What is asked for is damaged too: a request is answered or refused. Whoever verifies
here looks at signatures by comparing the tree's hash with the true one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from store.errors import BlockMissingError, InvalidRequestError, RemoteProtocolError
from store.hypercore.merkle_tree import tree_hash
from store.hypercore.messages import WireData, decode_data, encode_data
from store.hypercore.proofs import (
    NO_NODES,
    build_proof,
    continue_reorg,
    nodes_needed,
    start_reorg,
    verify_block,
    verify_proof,
)
from store.hypercore.records import (
    BlockProof,
    BlockRequest,
    HashProof,
    Head,
    Node,
    Proof,
    Request,
    SeekRequest,
    UpgradeProof,
    UpgradeRequest,
)
from tests.fuzz.mutations import mutated
from tests.helpers.vectors import load_vectors
from tests.unit.store.hypercore.trees import Nodes, Tree, damaged

VECTORS = load_vectors("hypercore-proofs")
TREE = Tree(
    [bytes.fromhex(block) for block in load_vectors("hypercore-tree")["blocks"]]
)
ANSWERS = [
    bytes.fromhex(case["dataEncoded"])
    for case in VECTORS["cases"]
    if "dataEncoded" in case
]
OWN = {length: TREE.at(length) for length in (0, 5, 7, 8, 16, 19, 20)}
NUMBERS = st.integers(-1, 45) | st.sampled_from((2**32, 2**52, 2**53 - 1))
PROLOGUES = st.sampled_from((None, (8, tree_hash(OWN[8].head.roots)), (5, bytes(32))))
BIG = Node(15, 2**53 - 1, bytes(32))
ODD = [
    Proof(
        0,
        block=BlockProof(0, TREE.blocks[0], ()),
        hash=HashProof(0, [TREE.nodes[0]]),
    ),
    Proof(0, block=BlockProof(2**53 - 1, b"", ())),
    Proof(0, block=BlockProof(0, TREE.blocks[0], [BIG._replace(index=2)])),
    Proof(0, block=BlockProof(0, TREE.blocks[0], [BIG._replace(index=2, hash=b"")])),
    Proof(0, block=BlockProof(0, TREE.blocks[0], [TREE.nodes[2]] * 65)),
    TREE.prove(
        Request(0, BlockRequest(0, 3), seek=SeekRequest(OWN[7].head.byte_length - 1, 0))
    ),
    Proof(0, hash=HashProof(2**53 + 1, [BIG._replace(index=2**53 + 1)])),
    Proof(0, hash=HashProof(0, [TREE.nodes[0]] * 65)),
    Proof(0, hash=HashProof(15, [BIG, BIG._replace(index=47)])),
    Proof(0, hash=HashProof(15, [BIG._replace(hash=b"")])),
    Proof(0, upgrade=UpgradeProof(0, 20, [TREE.nodes[15]] * 129, (), b"")),
    Proof(
        0,
        upgrade=UpgradeProof(0, 16, [BIG], [BIG._replace(index=35)], b""),
    ),
]


def _verify(proof: Proof, own: Tree, nodes: Any, prologue: Any) -> None:
    try:
        verified = verify_proof(proof, own.head, nodes, prologue=prologue)
    except RemoteProtocolError:
        return
    if verified.upgraded and tree_hash(verified.roots) != tree_hash(TREE.head.roots):
        return
    assert all(TREE.nodes[node.index].hash == node.hash for node in verified.nodes)
    if proof.block is not None and proof[2:] == (None, None, None, None):
        plain = None if verified.mended else verified.nodes
        assert verify_block(proof.block, own.head, nodes) == plain
    assert verified.length in (own.head.length, TREE.head.length)
    assert verified.byte_length == sum(map(len, TREE.blocks[: verified.length]))
    if verified.block is not None:
        assert verified.block.value == TREE.blocks[verified.block.index]


@given(mutated(ANSWERS), st.sampled_from(sorted(OWN)), PROLOGUES)
@settings(max_examples=1500)
@example(ANSWERS[0], 20, None)
@example(ANSWERS[0], 0, None)
def test_damaged_answers_on_the_wire(data: bytes, length: int, prologue: Any) -> None:
    with suppress(RemoteProtocolError):
        proof = decode_data(data).proof
        _verify(proof, OWN[length], OWN[length].nodes, prologue)
        _verify(proof, OWN[length], Nodes.of(OWN[length].head.roots), prologue)
        _verify(proof, OWN[length], NO_NODES, prologue)


@given(st.data())
@settings(max_examples=1500)
def test_damaged_parts(data: st.DataObject) -> None:
    proof = data.draw(
        st.sampled_from(ODD)
        | st.sampled_from(ANSWERS).map(lambda answer: decode_data(answer).proof)
    )
    for _ in range(data.draw(st.integers(0, 3))):
        proof = data.draw(damaged(proof, TREE))
    own = OWN[data.draw(st.sampled_from(sorted(OWN)))]
    _verify(proof, own, own.nodes, data.draw(PROLOGUES))


def _maybe(kind: Any) -> st.SearchStrategy[Any]:
    return st.none() | st.builds(kind, NUMBERS, NUMBERS)


REQUESTS = st.builds(
    Request,
    st.just(0),
    block=_maybe(BlockRequest),
    hash=_maybe(BlockRequest),
    seek=st.none() | st.builds(SeekRequest, st.integers(0, 600), st.integers(0, 8)),
    upgrade=_maybe(UpgradeRequest),
)
WHOLE = UpgradeRequest(0, 20)
SPARSE = Nodes(
    (index, node) for index, node in TREE.nodes.items() if index not in (3, 8, 10, 33)
)


@given(REQUESTS, st.sampled_from((TREE.nodes, SPARSE)), st.booleans())
@settings(max_examples=1500)
@example(Request(0, upgrade=UpgradeRequest(0, 1)), TREE.nodes, False)
@example(Request(0, block=BlockRequest(-1, 0)), TREE.nodes, True)
@example(Request(0, upgrade=WHOLE, seek=SeekRequest(200, 0)), TREE.nodes, True)
@example(
    Request(0, BlockRequest(3, 0), seek=SeekRequest(9, 0), upgrade=WHOLE),
    TREE.nodes,
    True,
)
@example(
    Request(0, BlockRequest(15, 0), upgrade=UpgradeRequest(5, 6)), TREE.nodes, True
)
@example(
    Request(0, hash=BlockRequest(11, 0), upgrade=UpgradeRequest(5, 6)), TREE.nodes, True
)
@example(Request(0, hash=BlockRequest(9, 1), seek=SeekRequest(61, 0)), SPARSE, True)
@example(Request(0, hash=BlockRequest(20, 3), seek=SeekRequest(130, 0)), SPARSE, True)
@example(Request(0, hash=BlockRequest(9, 1), seek=SeekRequest(60, 0)), SPARSE, True)
@example(Request(0, hash=BlockRequest(22, 2), seek=SeekRequest(128, 0)), SPARSE, True)
@example(Request(0, hash=BlockRequest(9, 0), seek=SeekRequest(50, 0)), SPARSE, True)
@example(Request(0, upgrade=WHOLE, seek=SeekRequest(388, 0)), SPARSE, True)
@example(Request(0, upgrade=WHOLE, seek=SeekRequest(0, 0)), SPARSE, True)
@example(
    Request(0, upgrade=UpgradeRequest(0, 16), seek=SeekRequest(600, 0)), SPARSE, True
)
@example(
    Request(0, upgrade=UpgradeRequest(0, 16), seek=SeekRequest(100, 0)), SPARSE, True
)
def test_any_request_is_answered_or_refused(
    request: Request, nodes: Nodes, full: bool
) -> None:
    head = TREE.head if full else Head()
    asked = request.block
    block = TREE.blocks[asked.index] if asked and 0 <= asked.index < 20 else None
    try:
        proof = build_proof(request, head, nodes, block)
    except (InvalidRequestError, BlockMissingError):
        return
    needed = nodes_needed(request, head)
    assert needed or not proof.upgrade
    assert (proof.upgrade is not None) == (request.upgrade is not None and full)
    start = request.upgrade.start if request.upgrade else 20
    own = TREE.at(start)
    assert decode_data(encode_data(WireData(1, proof))).proof is not None
    if proof.upgrade:
        assert verify_proof(proof, own.head, TREE.nodes).roots == TREE.head.roots


@given(st.data())
@settings(max_examples=500)
def test_a_damaged_fork_is_refused_or_finished(data: st.DataObject) -> None:
    shared = data.draw(st.integers(0, 20))
    ours = Tree([*TREE.blocks[:shared], *(b"other" for _ in range(shared, 18))])
    whole = TREE.prove(Request(1, upgrade=UpgradeRequest(0, 20)))
    with suppress(RemoteProtocolError):
        start_reorg(Proof(1), ours.head, ours.nodes)
    with suppress(RemoteProtocolError):
        stray = HashProof(5, [TREE.nodes[5]])
        start_reorg(whole._replace(hash=stray), ours.head, ours.nodes)
    honest = whole
    batch = None
    for _ in range(60):
        spoiled = data.draw(st.just(honest) | damaged(honest, TREE))
        late = TREE.prove(Request(1, hash=BlockRequest(0, 0)))
        for proof in (spoiled, late, honest):
            with suppress(RemoteProtocolError):
                if batch is None:
                    begun = start_reorg(proof, ours.head, ours.nodes)
                    if tree_hash(begun.head.roots) == tree_hash(TREE.head.roots):
                        batch = begun
                else:
                    batch = continue_reorg(batch, proof, ours.nodes)
        assert batch is not None
        assert all(TREE.nodes[node.index] == node for node in batch.nodes)
        if batch.want is None:
            break
        want = BlockRequest(2 * batch.want.start, batch.want.nodes)
        honest = TREE.prove(Request(1, hash=want))
    assert batch is not None
    assert batch.is_finished
