"""Proofs of strangers: honest ones teach, all others are refused or teach nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from store.errors import RemoteProtocolError
from store.hypercore import flat_tree
from store.hypercore.merkle_tree import TreeBatch, tree_hash
from store.hypercore.proofs import (
    NO_NODES,
    VerifiedTree,
    grow,
    missing_levels,
    verify_block,
    verify_proof,
)
from store.hypercore.proofs.verify import MAX_PATH_NODES, MAX_UPGRADE_NODES
from store.hypercore.records import (
    BlockProof,
    BlockRequest,
    HashProof,
    Head,
    Node,
    NotInMemoryError,
    Proof,
    Request,
    SeekProof,
    UpgradeProof,
    UpgradeRequest,
)
from tests.helpers.vectors import load_vectors
from tests.unit.store.hypercore.trees import (
    BLOCKS,
    Disk,
    Nodes,
    Tree,
    damaged,
    proven,
    request_of,
)

TREE = Tree(
    [bytes.fromhex(block) for block in load_vectors("hypercore-tree")["blocks"]]
)
PROOFS = load_vectors("hypercore-proofs")
HONEST = [case for case in PROOFS["cases"] if "error" not in case]
ROOTS = Nodes.of(TREE.head.roots)
EMPTY = Head()


def _code(proof: Proof, head: Head, nodes: Any, **options: Any) -> str:
    with pytest.raises(RemoteProtocolError) as refused:
        verify_proof(proof, head, nodes, **options)
    return refused.value.code


def _ask(**parts: Any) -> Proof:
    return TREE.prove(Request(0, **parts))


@pytest.mark.parametrize("case", HONEST, ids=lambda case: case["name"])
def test_the_published_proofs(case: dict[str, Any]) -> None:
    request = request_of(case["request"])
    own = TREE.at(request.upgrade.start if request.upgrade else 20)
    verified = verify_proof(TREE.prove(request), own.head, own.nodes)
    assert verified.roots == TREE.head.roots
    assert (verified.length, verified.byte_length) == (20, 568)
    assert verified.upgraded == (request.upgrade is not None)
    assert all(TREE.nodes[node.index] == node for node in verified.nodes)
    wanted = request.block and TREE.blocks[request.block.index]
    assert (verified.block and verified.block.value) == wanted


@pytest.mark.parametrize("case", PROOFS["missingNodes"], ids=str)
def test_the_published_levels(case: dict[str, Any]) -> None:
    nodes = Nodes(ROOTS)
    if "proof of block 5" in case["have"]:
        learned = verify_proof(_ask(block=BlockRequest(5, 4)), TREE.head, nodes)
        nodes |= Nodes.of(learned.nodes)
    found = missing_levels(2 * case["block"], TREE.head, nodes)
    assert found == case["missingNodes"]


def test_levels_of_what_is_outside_or_on_the_disk() -> None:
    assert missing_levels(40, TREE.head, TREE.nodes) == 0
    assert missing_levels(31, TREE.head, NO_NODES) == 0
    assert missing_levels(35, TREE.head, NO_NODES) == 1
    with pytest.raises(NotInMemoryError):
        missing_levels(4, TREE.head, Disk(TREE.nodes))


def test_the_published_refusals() -> None:
    wanted = {case["name"]: case["result"] for case in PROOFS["rejected"]}
    proof = _ask(block=BlockRequest(5, 4))
    assert proof.block is not None
    value, nodes = proof.block.value, list(proof.block.nodes)
    spoiled = {
        "wrong block value": BlockProof(5, value[:-1] + b"!", nodes),
        "wrong node hash": BlockProof(
            5, value, [*nodes[:-1], nodes[-1]._replace(hash=bytes(32))]
        ),
        "extra node": BlockProof(5, value, [*nodes, TREE.nodes[35]]),
    }
    for name, block in spoiled.items():
        code = _code(proof._replace(block=block), TREE.head, TREE.nodes)
        assert code == wanted[name].lower().replace("_", "-")


def test_the_last_published_refusal_is_the_signatures() -> None:
    # Whether a signature fits is not decided here: the tree comes out as it was given.
    proof = _ask(upgrade=UpgradeRequest(0, 20))
    assert proof.upgrade is not None
    forged = proof._replace(upgrade=proof.upgrade._replace(signature=b"forged"))
    assert verify_proof(forged, EMPTY, NO_NODES) == verify_proof(proof, EMPTY, NO_NODES)


@settings(max_examples=300)
@given(proven())
def test_every_answer_teaches_true_nodes(given_: tuple[Tree, Tree, Proof]) -> None:
    tree, own, proof = given_
    verified = verify_proof(proof, own.head, own.nodes)
    assert {node.index: node for node in verified.nodes}.items() <= tree.nodes.items()
    assert len({node.index for node in verified.nodes}) == len(verified.nodes)
    expected = tree if proof.upgrade else own
    assert verified.roots == expected.head.roots
    assert verified.byte_length == expected.head.byte_length
    assert verified.upgraded == (proof.upgrade is not None)


def _judged(tree: Tree, own: Tree, proof: Proof) -> VerifiedTree | None:
    """What is learned of a proof, by somebody who also looks at the signature."""
    try:
        verified = verify_proof(proof, own.head, own.nodes)
    except RemoteProtocolError:
        return None
    if verified.upgraded and tree_hash(verified.roots) != tree_hash(tree.head.roots):
        return None
    return verified


@settings(max_examples=1500)
@given(st.data())
def test_a_damaged_proof_teaches_nothing_false(data: st.DataObject) -> None:
    tree, own, proof = data.draw(proven())
    verified = _judged(tree, own, data.draw(damaged(proof, tree)))
    if verified is not None:
        learned = {node.index: node for node in verified.nodes}
        assert learned.items() <= tree.nodes.items()
        if verified.block is not None:
            assert verified.block.value == tree.blocks[verified.block.index]


@settings(max_examples=500)
@given(st.data(), st.integers(2, 6))
def test_much_damage_teaches_no_false_hash(data: st.DataObject, times: int) -> None:
    tree, own, proof = data.draw(proven())
    for _ in range(times):
        proof = data.draw(damaged(proof, tree))
    verified = _judged(tree, own, proof)
    if verified is not None:
        assert all(tree.nodes[node.index].hash == node.hash for node in verified.nodes)
        if verified.block is not None:
            assert verified.block.value == tree.blocks[verified.block.index]


@given(BLOCKS, st.data())
@example([b"x"] * 16, None)
def test_a_sparse_reader_asks_for_just_what_it_lacks(
    blocks: list[bytes], data: st.DataObject | None
) -> None:
    tree = Tree(blocks)
    nodes = Nodes.of(tree.head.roots)
    order = range(len(blocks))
    places = data.draw(st.permutations(order)) if data else list(order)
    for index in places:
        levels = missing_levels(2 * index, tree.head, nodes)
        proof = tree.prove(Request(0, block=BlockRequest(index, levels)))
        verified = verify_proof(proof, tree.head, nodes)
        new = Nodes.of(verified.nodes)
        assert not new.keys() & nodes.keys(), "what is stored is not learned again"
        nodes |= new
        assert missing_levels(2 * index, tree.head, nodes) == 0
    assert nodes == tree.nodes


@settings(max_examples=200)
@given(proven())
def test_a_proof_is_verified_again_once_its_node_is_loaded(
    given_: tuple[Tree, Tree, Proof],
) -> None:
    _, own, proof = given_
    disk = Disk(own.nodes)
    wanted = verify_proof(proof, own.head, own.nodes)
    try:
        verified = verify_proof(proof, own.head, disk)
    except NotInMemoryError as error:
        disk.load(error.index)
        verified = verify_proof(proof, own.head, disk)
    assert verified == wanted


def test_an_upgrade_that_was_overtaken_is_left_aside() -> None:
    overtaken = _ask(upgrade=UpgradeRequest(5, 2), block=BlockRequest(3, 2))
    own = TREE.at(10)
    verified = verify_proof(overtaken, own.head, own.nodes)
    assert not verified.upgraded
    assert verified.roots == own.head.roots
    assert verified.block is not None
    for start in (0, 5):
        same = own.prove(Request(0, upgrade=UpgradeRequest(start, 10 - start)))
        assert not verify_proof(same, own.head, own.nodes).upgraded
    grown = verify_proof(_ask(upgrade=UpgradeRequest(5, 5)), own.head, own.nodes)
    assert grown.upgraded, "what comes after its end still helps"
    assert grown.roots == TREE.head.roots


def test_a_patch_grows_a_tree() -> None:
    proof = _ask(upgrade=UpgradeRequest(7, 13))
    assert proof.upgrade is not None
    own = TREE.at(7).head
    batch = TreeBatch(own.roots, own.length, own.byte_length)
    assert not grow(batch, proof.upgrade)
    assert batch.roots == TREE.head.roots


def _upgrade(start: int, length: int, *nodes: int, more: Any = ()) -> Proof:
    return Proof(
        0,
        upgrade=UpgradeProof(
            start,
            length,
            [TREE.nodes[index] for index in nodes],
            [TREE.nodes[index] for index in more],
            b"",
        ),
    )


@pytest.mark.parametrize(
    "proof",
    [
        _upgrade(0, 0),
        _upgrade(-3, 5, 1),
        _upgrade(0, 2**53),
        _upgrade(2**53 - 1, 1),
        _upgrade(0, 2**52 - 1, 15, 33),
        _upgrade(0, 20, 15),
        _upgrade(0, 20, 35, 15),
        _upgrade(0, 16, 15, more=(35, 33)),
        _upgrade(0, 16, 15, more=(34,)),
        _upgrade(0, 20, *([15] * (MAX_UPGRADE_NODES + 1))),
        _upgrade(0, 16, 15, more=[35] * (MAX_UPGRADE_NODES + 1)),
        Proof(0, block=BlockProof(-1, b"", ())),
        Proof(0, block=BlockProof(2**53 - 1, b"", ())),
        Proof(0, block=BlockProof(20, b"", ())),
        Proof(0, block=BlockProof(0, TREE.blocks[0], [TREE.nodes[2]] * 65)),
        Proof(0, hash=HashProof(2**53 + 1, [Node(2**53 + 1, 0, bytes(32))])),
        Proof(0, hash=HashProof(-1, [Node(-1, 0, bytes(32))])),
        Proof(0, hash=HashProof(15, ())),
        Proof(0, hash=HashProof(15, [TREE.nodes[35]])),
        Proof(0, hash=HashProof(40, [Node(40, 0, bytes(32))])),
        Proof(0, seek=SeekProof(0, [TREE.nodes[0], TREE.nodes[5]])),
        Proof(
            0,
            block=BlockProof(0, TREE.blocks[0], ()),
            hash=HashProof(0, [TREE.nodes[0]]),
        ),
    ],
    ids=str,
)
def test_nodes_out_of_place(proof: Proof) -> None:
    head = EMPTY if proof.upgrade else TREE.head
    assert _code(proof, head, ROOTS) == "invalid-operation"


@pytest.mark.parametrize(
    "node",
    [
        Node(15, -1, bytes(32)),
        Node(15, 2**53, bytes(32)),
        Node(15, 5, bytes(31)),
        Node(15, 5, b""),
    ],
    ids=str,
)
def test_impossible_nodes(node: Node) -> None:
    upgrade = UpgradeProof(0, 16, [node], (), b"")
    assert _code(Proof(0, upgrade=upgrade), EMPTY, NO_NODES) == "invalid-proof"
    of_hash = Proof(0, hash=HashProof(15, [node]))
    assert _code(of_hash, TREE.head, TREE.nodes) == "invalid-proof"


def test_sizes_may_not_add_up_to_more_than_a_tree_can_hold() -> None:
    big = [Node(index, 2**53 - 1, bytes(32)) for index in (1, 5, 11)]
    path = Proof(0, hash=HashProof(1, big))
    assert _code(path, TREE.head, TREE.nodes) == "invalid-proof"
    upgrade = UpgradeProof(0, 20, [big[0]._replace(index=15)], (), b"")
    more = upgrade._replace(length=16, additional_nodes=[big[0]._replace(index=35)])
    assert _code(Proof(0, upgrade=more), EMPTY, NO_NODES) == "invalid-proof"


def test_bytes_that_were_shifted_between_siblings_are_put_right_by_the_block() -> None:
    # The format binds the sizes of two unknown siblings by their sum only.
    low, high = TREE.nodes[8], TREE.nodes[10]
    shifted = [low._replace(size=low.size + 3), high._replace(size=high.size - 3)]
    lie = Proof(0, hash=HashProof(8, shifted))
    nodes = Nodes({9: TREE.nodes[9]})
    nodes |= Nodes.of(verify_proof(lie, TREE.head, nodes).nodes)
    assert nodes[8] == shifted[0]
    assert _code(Proof(0, hash=HashProof(8, [low])), TREE.head, nodes) == (
        "invalid-checksum"
    )
    proof = _ask(block=BlockRequest(4, 0))
    verified = verify_proof(proof, TREE.head, nodes)
    assert not verified.nodes
    assert verified.mended == low
    assert proof.block is not None
    assert verify_block(proof.block, TREE.head, nodes) is None


def test_bytes_cannot_be_shifted_between_the_nodes_of_an_upgrade() -> None:
    low, high = TREE.nodes[32], TREE.nodes[34]
    shifted = [low._replace(size=low.size + 3), high._replace(size=high.size - 3)]
    honest = _ask(upgrade=UpgradeRequest(0, 16)).upgrade
    assert honest is not None
    assert [node.index for node in honest.additional_nodes] == [35]
    for pair in (shifted, [low, high]):
        more = honest._replace(additional_nodes=[*pair, TREE.nodes[37]])
        assert _code(Proof(0, upgrade=more), EMPTY, NO_NODES) == "invalid-operation"


@pytest.mark.parametrize("more", [[35, 35], [37], [2**54 - 2], [15], [33, 37, 36]])
def test_nodes_that_do_not_follow_an_upgrade(more: list[int]) -> None:
    honest = _ask(upgrade=UpgradeRequest(0, 16)).upgrade
    assert honest is not None
    given = [Node(index, 1, bytes(32)) for index in more]
    proof = Proof(0, upgrade=honest._replace(additional_nodes=given))
    assert _code(proof, EMPTY, NO_NODES) == "invalid-operation"


def test_the_prologue_comes_first_and_whole() -> None:
    prologue = 8, tree_hash(TREE.at(8).head.roots)
    other = 8, bytes(32)
    for start, length in ((0, 8), (0, 12), (0, 20), (8, 4)):
        proof = _ask(upgrade=UpgradeRequest(start, length))
        own = TREE.at(start)
        found = verify_proof(proof, own.head, own.nodes, prologue=prologue)
        assert found.roots == TREE.head.roots
    for start, length in ((0, 7), (3, 12), (7, 1)):
        proof = _ask(upgrade=UpgradeRequest(start, length))
        own = TREE.at(start)
        assert _code(proof, own.head, own.nodes, prologue=prologue) == "invalid-proof"
    exact = _ask(upgrade=UpgradeRequest(0, 8))
    assert _code(exact, EMPTY, NO_NODES, prologue=other) == "invalid-proof"


def test_no_path_is_longer_than_a_tree_is_high() -> None:
    assert flat_tree.depth(2**53 - 1) < MAX_PATH_NODES
    assert len(flat_tree.growth(2**51 + 1, 2**52 - 1)) < MAX_UPGRADE_NODES
