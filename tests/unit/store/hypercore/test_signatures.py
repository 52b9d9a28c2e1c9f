from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from net.crypto import KeyPair, sign
from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore import flat_tree, signatures
from store.hypercore.manifest import (
    Manifest,
    Prologue,
    Signer,
    create_manifest,
    decode_manifest,
    default_manifest,
    manifest_key,
)
from store.hypercore.merkle_tree import TreeBatch, tree_hash
from store.hypercore.records import Head, Node
from store.hypercore.signatures import (
    PartialSignature,
    TreeState,
    assemble,
    compat_signable,
    decode_signature,
    patch_indexes,
    sign_tree,
    signable,
    signable_length,
    state_of,
    verify_signature,
)
from tests.helpers.vectors import load_vectors

VECTORS = load_vectors("hypercore-signatures")
TREE = load_vectors("hypercore-tree")
BLOCKS = [bytes.fromhex(block) for block in TREE["blocks"]]
KEY_PAIRS = [KeyPair.from_seed(bytes((seed,)) * 32) for seed in range(1, 6)]
CASES = VECTORS["cases"]


def _tree(length: int, *, fork: int = 0) -> TreeState:
    batch = TreeBatch()
    batch.extend(BLOCKS[:length])
    return TreeState(tree_hash(batch.roots), length, fork, batch.roots)


def _manifest_of(case: dict[str, Any]) -> Manifest:
    if "manifest" in case:
        return decode_manifest(bytes.fromhex(case["manifest"]))
    return default_manifest(bytes.fromhex(case["key"]))


def _patch(length: int, blocks: int) -> list[Node]:
    """The nodes that lead from one length to another, out of the tree itself."""
    batch = TreeBatch()
    batch.extend(BLOCKS[: length + blocks])
    nodes = {node.index: node for node in batch.nodes}
    return [nodes[index] for index in patch_indexes(length, blocks)]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_vectors_verify(case: dict[str, Any]) -> None:
    manifest, key = _manifest_of(case), bytes.fromhex(case["key"])
    tree = _tree(case["length"], fork=case["fork"])
    if "treeHash" in case:
        assert tree.hash.hex() == case["treeHash"]
    signature = bytes.fromhex(case["signature"])
    legacy = "legacy" in case["name"]
    assert verify_signature(manifest, key, tree, signature, legacy=legacy)
    for wrong in (
        tree._replace(fork=tree.fork + 1),
        tree._replace(hash=bytes(32)),
        _tree(case["length"] + 1, fork=case["fork"]),
    ):
        assert not verify_signature(manifest, key, wrong, signature, legacy=legacy)
    damaged = signature[:20] + bytes((signature[20] ^ 1,)) + signature[21:]
    assert not verify_signature(manifest, key, tree, damaged, legacy=legacy)
    for nothing in (None, b""):
        assert not verify_signature(manifest, key, tree, nothing, legacy=legacy)


def test_what_is_signed() -> None:
    for case in CASES:
        if "signable" not in case:
            continue
        manifest, key = _manifest_of(case), bytes.fromhex(case["key"])
        digest = bytes.fromhex(case.get("treeHash", CASES[0]["treeHash"]))
        place = (digest, case["length"], case["fork"])
        if "compat" in case["name"]:
            told = compat_signable(*place, legacy="legacy" in case["name"])
        elif manifest.version == 0:
            told = signable(manifest.signers[0].namespace, *place)
        else:
            told = signable(key, *place)
        assert told.hex() == case["signable"]


def test_single_signers_sign_as_upstream_does() -> None:
    signed = 0
    for case in CASES:
        manifest, key = _manifest_of(case), bytes.fromhex(case["key"])
        if len(manifest.signers) == 1 and "legacy" not in case["name"]:
            tree = _tree(case["length"], fork=case["fork"])
            field = sign_tree(manifest, key, KEY_PAIRS[0], tree)
            assert field.hex() == case["signature"]
            signed += 1
    assert signed >= 4


def test_every_length_of_a_log() -> None:
    key = bytes.fromhex(TREE["core"]["key"])
    manifest = decode_manifest(bytes.fromhex(TREE["core"]["manifest"]))
    for case in TREE["lengths"]:
        tree = _tree(case["length"])
        assert (
            sign_tree(manifest, key, KEY_PAIRS[0], tree).hex()
            == case["signatureStored"]
        )
        assert signable(key, tree.hash, tree.length, 0).hex() == case["signable"]


def test_truncations() -> None:
    manifest = default_manifest(KEY_PAIRS[0].public_key)
    key = manifest_key(manifest)
    for step in VECTORS["truncation"]["steps"]:
        length = step.get("truncateTo", step.get("length"))
        tree = _tree(length, fork=step["fork"])._replace(
            hash=bytes.fromhex(step["treeHash"])
        )
        field = sign_tree(manifest, key, KEY_PAIRS[0], tree)
        assert field.hex() == step["signature"]
        assert verify_signature(manifest, key, tree, field)


def _partial(manifest: Manifest, place: int, tree: TreeState) -> PartialSignature:
    key = manifest_key(manifest)
    return PartialSignature(place, sign_tree(manifest, key, KEY_PAIRS[place], tree))


def _several(version: int, *, allow_patch: bool = False) -> Manifest:
    signers = [Signer(key_pair.public_key) for key_pair in KEY_PAIRS[:3]]
    return create_manifest(signers, version=version, allow_patch=allow_patch)


def test_several_signers_assemble_as_upstream_does() -> None:
    assembled = 0
    for case in CASES:
        manifest, key = _manifest_of(case), bytes.fromhex(case["key"])
        if len(manifest.signers) != 3:
            continue
        length = case["length"]
        parts = []
        for proof in decode_signature(
            manifest, bytes.fromhex(case["signature"])
        ).proofs:
            tree = _tree(length + proof.patch)
            part = _partial(manifest, proof.signer, tree)
            assert part.signature == proof.signature
            nodes = _patch(length, proof.patch)
            parts.append(
                PartialSignature(part.signer, part.signature, proof.patch, nodes)
            )
        field = assemble(manifest, parts)
        assert field.hex() == case["signature"]
        assert verify_signature(manifest, key, _tree(length), field)
        assembled += 1
    assert assembled == 3


@pytest.mark.parametrize("version", [0, 1])
def test_quorum(version: int) -> None:
    manifest = _several(version)
    key, tree = manifest_key(manifest), _tree(5)
    parts = [_partial(manifest, place, tree) for place in range(3)]

    def verifies(*chosen: PartialSignature) -> bool:
        return verify_signature(manifest, key, tree, assemble(manifest, chosen))

    assert verifies(parts[0], parts[2])
    assert verifies(parts[2], parts[1])
    assert not verifies(parts[1])
    assert not verifies(parts[1], parts[1])
    assert not verifies(parts[0], PartialSignature(7, parts[1].signature))
    assert not verifies(parts[0], PartialSignature(1, parts[2].signature))
    # What follows the quorum is not looked at, in neither direction.
    wrong = PartialSignature(2, bytes(64))
    assert verifies(parts[0], parts[1], wrong)
    assert not verifies(parts[0], wrong, parts[1])


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(("length", "more"), [(0, 3), (5, 3), (5, 1), (8, 9), (3, 17)])
def test_patches(version: int, length: int, more: int) -> None:
    manifest = _several(version, allow_patch=True)
    key, tree = manifest_key(manifest), _tree(length)
    exact = _partial(manifest, 0, tree)
    longer = _partial(manifest, 1, _tree(length + more))
    nodes = _patch(length, more)

    def verifies(blocks: int, given: Sequence[Node], of: Manifest = manifest) -> bool:
        patched = PartialSignature(1, longer.signature, blocks, given)
        field = assemble(manifest, [exact, patched])
        return verify_signature(of, key, tree, field)

    assert verifies(more, nodes)
    assert not verifies(more + 1, nodes)
    assert not verifies(more, nodes[:-1] or [Node(1000, 1, bytes(32))])
    assert not verifies(more, [nodes[0]._replace(hash=bytes(32)), *nodes[1:]])
    assert not verifies(signatures.MAX_PATCH_BLOCKS + 1, nodes)
    strict = create_manifest(manifest.signers, version=version)
    assert not verifies(more, nodes, strict)


def test_patch_indexes_complete_a_tree() -> None:
    for length in range(40):
        for blocks in range(40):
            end = length
            for index in patch_indexes(length, blocks):
                assert flat_tree.left_span(index) == 2 * end
                end = flat_tree.right_span(index) // 2 + 1
            assert end == length + blocks


def test_signable_length() -> None:
    assert signable_length([3, 9, 5], 2) == 5
    assert signable_length([3, 9, 5], 3) == 3
    assert signable_length([3, 9, 5], 0) == 9
    assert signable_length([3, 9, 5], 4) == 0


def test_prologues() -> None:
    tree = _tree(5)
    static = create_manifest([], prologue=Prologue(tree.hash, 5))
    key = manifest_key(static)
    assert verify_signature(static, key, tree, None)
    assert verify_signature(static, key, tree, b"whatever")
    assert not verify_signature(static, key, _tree(4), None)
    assert not verify_signature(static, key, tree._replace(hash=bytes(32)), None)
    assert not verify_signature(static, key, _tree(6), b"\0\0")
    signed = create_manifest(
        [Signer(KEY_PAIRS[0].public_key)], prologue=Prologue(tree.hash, 5)
    )
    key = manifest_key(signed)
    assert verify_signature(signed, key, tree, None)
    early = _tree(4)
    field = sign_tree(signed, key, KEY_PAIRS[0], early)
    assert not verify_signature(signed, key, early, field)
    late = _tree(6)
    field = sign_tree(signed, key, KEY_PAIRS[0], late)
    assert verify_signature(signed, key, late, field)


def test_strangers_cannot_sign() -> None:
    manifest = default_manifest(KEY_PAIRS[0].public_key)
    with pytest.raises(LocalProtocolError) as caught:
        sign_tree(manifest, manifest_key(manifest), KEY_PAIRS[1], _tree(1))
    assert caught.value.code == "not-writable"
    with pytest.raises(LocalProtocolError):
        assemble(manifest, [PartialSignature(0, b"short")])


def test_damaged_fields_are_the_peers_fault() -> None:
    manifest = _several(1, allow_patch=True)
    field = bytes.fromhex(
        next(case["signature"] for case in CASES if "patch nodes" in case["name"])
    )
    for size in range(len(field)):
        with pytest.raises(RemoteProtocolError):
            decode_signature(manifest, field[:size])
    for huge in (
        b"\xfd\x01\x01",
        b"\0\xfd\x01\x10",
        bytes(signatures.MAX_SIGNATURE_BYTES + 1),
    ):
        with pytest.raises(RemoteProtocolError) as caught:
            decode_signature(manifest, huge)
        assert caught.value.code == "too-large"


def test_heads_as_states() -> None:
    tree = _tree(5, fork=2)
    head = Head(fork=2, length=5, roots=tuple(tree.roots), signature=b"x")
    assert state_of(head) == tree


def test_legacy_signatures_only_where_allowed() -> None:
    manifest = default_manifest(KEY_PAIRS[0].public_key)
    key, tree = KEY_PAIRS[0].public_key, _tree(5)
    message = compat_signable(tree.hash, 5, 0, legacy=True)
    signature = sign(message, KEY_PAIRS[0].secret_key)
    assert verify_signature(manifest, key, tree, signature, legacy=True)
    assert not verify_signature(manifest, key, tree, signature)
