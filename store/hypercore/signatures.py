"""Signatures of trees: what is signed, by how many, and whether it is right.

One signer's bytes are Ed25519 over the tree's hash, length and fork, after a context
that keeps them from meaning anything elsewhere. What is stored and sent, the *signature
field*, is those 64 bytes for compat cores and for a single signer of version 0; all
others have a list of *proofs*, each with its signer's place, and nodes that *patches*
refer to: a signer who has signed a longer tree vouches for its prefix, if the manifest
allows. Follows npm hypercore 11.37.1 (``lib/verifier.js``, ``lib/multisig.js``).

Layout from version 1 on (integers as in ``wire``): count and proofs ``signer, signature
(64), patch``; count and nodes ``index, size, hash (32)``. Version 0 has proofs ``flags,
signer, signature (64)`` and with flag 1 ``start, length``, count and places of nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple

from net.crypto import KeyPair, sign, verify
from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore import flat_tree
from store.hypercore.capabilities import TREE
from store.hypercore.manifest import MAX_SIGNERS, Manifest, is_compat
from store.hypercore.merkle_tree import TreeBatch, tree_hash
from store.hypercore.records import Head, Node
from store.hypercore.wire import read_bytes, read_count, read_uint, write_uint

MAX_PATCH_BLOCKS: Final = 2**52
"""Blocks by which a signed tree may be longer: lengths stay safe integers."""

MAX_PATCH_NODES: Final = 4096
"""Nodes of all patches of one signature field."""

MAX_SIGNATURE_BYTES: Final = 256 * 1024
"""A signature field; more cannot be of ``MAX_SIGNERS`` and ``MAX_PATCH_NODES``."""

_SIGNATURE_BYTES: Final = 64
_HASH_BYTES: Final = 32
_HAS_PATCH: Final = 1

_place = Struct("<QQ").pack


class SignerProof(NamedTuple):
    """One signer's part of a signature field."""

    signer: int
    """Place in the manifest."""

    signature: bytes
    """64 bytes."""

    patch: int
    """Blocks by which the tree it signed is longer."""


class MultiSignature(NamedTuple):
    """A signature field in its parts."""

    proofs: Sequence[SignerProof]
    nodes: Sequence[Node]
    """What the patches are made of."""


@dataclass(frozen=True, slots=True)
class PartialSignature:
    """What one signer hands to who assembles a signature of several."""

    signer: int
    """Place in the manifest."""

    signature: bytes
    """64 bytes, over a tree of ``patch`` more blocks than the assembled one."""

    patch: int = 0
    nodes: Sequence[Node] = ()
    """The roots that lead from the assembled length to the signed one."""


class TreeState(NamedTuple):
    """What a signature is about."""

    hash: bytes
    length: int
    """Blocks."""
    fork: int
    roots: Sequence[Node] = ()
    """Needed where patches are allowed."""


def state_of(head: Head) -> TreeState:
    """A head as a signature sees it."""
    return TreeState(tree_hash(head.roots), head.length, head.fork, head.roots)


def signable(context: bytes, digest: bytes, length: int, fork: int) -> bytes:
    """The 112 bytes that get signed: in the core's name or a namespace's, the tree."""
    return TREE + context + digest + _place(length, fork)


def compat_signable(
    digest: bytes, length: int, fork: int, *, legacy: bool = False
) -> bytes:
    """The 80 bytes signed in compat cores, 48 in those of before 2022."""
    return (b"" if legacy else TREE) + digest + _place(length, fork)


def sign_tree(
    manifest: Manifest, key: bytes, key_pair: KeyPair, tree: TreeState
) -> bytes:
    """Signs a tree.

    Returns:
        The signature field if this signature is all that is needed, else the signer's
        own 64 bytes for ``assemble``.

    Raises:
        LocalProtocolError: The key pair is no signer's (code ``not-writable``).
    """
    place = manifest.signer_for(key_pair.public_key)
    if place is None:
        raise LocalProtocolError(
            "the key pair is of no signer of this log", code="not-writable"
        )
    message = _signed_bytes(manifest, key, place, tree, legacy=False)
    signature = sign(message, key_pair.secret_key)
    alone = len(manifest.signers) == 1
    if is_compat(key, manifest) or manifest.version == 0 or not alone:
        return signature
    return assemble(manifest, [PartialSignature(place, signature)])


def sign_alone(
    manifest: Manifest, key: bytes, key_pair: KeyPair, tree: TreeState
) -> bytes:
    """The signature field of a log for which one signer's word is enough.

    Raises:
        LocalProtocolError: The key pair is no signer's (code ``not-writable``).
    """
    signature = sign_tree(manifest, key, key_pair, tree)
    place = manifest.signer_for(key_pair.public_key)
    if place is None or is_compat(key, manifest) or len(signature) != _SIGNATURE_BYTES:
        return signature
    if len(manifest.signers) == 1 and not manifest.allow_patch:
        return signature
    return assemble(manifest, [PartialSignature(place, signature)])


def assemble(manifest: Manifest, parts: Sequence[PartialSignature]) -> bytes:
    """The signature field of several signers' parts, at least the quorum of them."""
    if manifest.version == 0:
        return _assemble_version_0(parts)
    nodes: dict[int, Node] = {}
    proofs = []
    for part in parts:
        for node in part.nodes:
            nodes.setdefault(node.index, node)
        proofs += [_signer_head(part), write_uint(part.patch)]
    return b"".join(
        (write_uint(len(parts)), *proofs, write_uint(len(nodes)), *_nodes(nodes))
    )


def signable_length(lengths: Sequence[int], quorum: int) -> int:
    """The greatest length that so many signers have signed or passed; 0 if none."""
    if quorum > len(lengths):
        return 0
    return sorted(lengths, reverse=True)[max(quorum, 1) - 1]


def patch_indexes(length: int, blocks: int) -> list[int]:
    """The nodes that lead from a tree to one of ``blocks`` more, in their order."""
    indexes = []
    end = length + blocks
    while length < end:
        size = 1 << (end - length).bit_length() - 1
        if length:
            size = min(size, length & -length)
        indexes.append(flat_tree.index(size.bit_length() - 1, length // size))
        length += size
    return indexes


def verify_signature(
    manifest: Manifest,
    key: bytes,
    tree: TreeState,
    signature: bytes | None,
    *,
    legacy: bool = False,
) -> bool:
    """Tells whether a signature field makes a tree a state of the core.

    Args:
        manifest: The core's, already known to belong to the key.
        key: The core's.
        tree: The state.
        signature: The signature field; None or empty where there is none.
        legacy: Take signatures of a compat core of before 2022.

    Raises:
        RemoteProtocolError: The signature field is malformed.
    """
    if is_compat(key, manifest):
        message = compat_signable(tree.hash, tree.length, tree.fork, legacy=legacy)
        return verify(message, signature or b"", manifest.signers[0].public_key)
    prologue = manifest.prologue
    if (
        manifest.version >= 1
        and prologue is not None
        and tree.length <= prologue.length
    ):
        return tree.length == prologue.length and tree.hash == prologue.hash
    if not signature:
        return False
    alone = len(manifest.signers) == 1 and not manifest.allow_patch
    if manifest.version == 0 and alone:
        message = _signed_bytes(manifest, key, 0, tree, legacy=legacy)
        return verify(message, signature, manifest.signers[0].public_key)
    if manifest.quorum == 0:
        return False
    return _verify_proofs(manifest, key, tree, decode_signature(manifest, signature))


def decode_signature(manifest: Manifest, field: bytes) -> MultiSignature:
    """A signature field in its parts, where it has any.

    Raises:
        RemoteProtocolError: It is malformed or too large.
    """
    if len(field) > MAX_SIGNATURE_BYTES:
        raise RemoteProtocolError("the signature is too large", code="too-large")
    read_proof = _read_proof_version_0 if manifest.version == 0 else _read_proof
    count, at = read_count(field, 0, max_count=MAX_SIGNERS)
    proofs = []
    for _ in range(count):
        proof, at = read_proof(field, at)
        proofs.append(proof)
    count, at = read_count(field, at, max_count=MAX_PATCH_NODES)
    nodes = []
    for _ in range(count):
        node, at = _read_node(field, at)
        nodes.append(node)
    return MultiSignature(proofs, nodes)


def _verify_proofs(
    manifest: Manifest, key: bytes, tree: TreeState, field: MultiSignature
) -> bool:
    if len(field.proofs) < manifest.quorum:
        return False
    nodes = {node.index: node for node in field.nodes}
    seen: set[int] = set()
    # More proofs than the quorum are ignored, so that nobody pays for checking them.
    for proof in field.proofs[: manifest.quorum]:
        if proof.signer >= len(manifest.signers) or proof.signer in seen:
            return False
        seen.add(proof.signer)
        signed: TreeState | None = tree
        if proof.patch and manifest.allow_patch:
            signed = _patched(tree, proof.patch, nodes)
        if signed is None:
            return False
        message = _signed_bytes(manifest, key, proof.signer, signed, legacy=False)
        public_key = manifest.signers[proof.signer].public_key
        if not verify(message, proof.signature, public_key):
            return False
    return True


def _patched(
    tree: TreeState, blocks: int, nodes: Mapping[int, Node]
) -> TreeState | None:
    """The longer tree that a patch makes; None if it cannot."""
    length = tree.length + blocks
    if blocks > MAX_PATCH_BLOCKS or length > MAX_PATCH_BLOCKS:
        return None
    batch = TreeBatch(tree.roots, tree.length)
    for index in patch_indexes(tree.length, blocks):
        node = nodes.get(index)
        if node is None:
            return None
        batch.append_root(node)
    return TreeState(tree_hash(batch.roots), length, tree.fork, batch.roots)


def _signed_bytes(
    manifest: Manifest, key: bytes, signer: int, tree: TreeState, *, legacy: bool
) -> bytes:
    if is_compat(key, manifest):
        return compat_signable(tree.hash, tree.length, tree.fork, legacy=legacy)
    context = manifest.signers[signer].namespace if manifest.version == 0 else key
    return signable(context, tree.hash, tree.length, tree.fork)


def _assemble_version_0(parts: Sequence[PartialSignature]) -> bytes:
    places: dict[Node, int] = {}
    proofs = []
    for part in parts:
        proofs += [write_uint(_HAS_PATCH if part.patch else 0), _signer_head(part)]
        if part.patch:
            told = [places.setdefault(node, len(places)) for node in part.nodes]
            start = flat_tree.right_span(part.nodes[-1].index) // 2 + 1
            numbers = (start, part.patch, len(told), *told)
            proofs += map(write_uint, numbers)
    return b"".join(
        (
            write_uint(len(parts)),
            *proofs,
            write_uint(len(places)),
            *_nodes({place: node for node, place in places.items()}),
        )
    )


def _signer_head(part: PartialSignature) -> bytes:
    if len(part.signature) != _SIGNATURE_BYTES:
        raise LocalProtocolError("a signature has 64 bytes", code="bad-argument")
    return write_uint(part.signer) + part.signature


def _nodes(nodes: Mapping[int, Node]) -> list[bytes]:
    return [
        write_uint(node.index) + write_uint(node.size) + node.hash
        for node in nodes.values()
    ]


def _read_proof(field: bytes, at: int) -> tuple[SignerProof, int]:
    signer, at = read_uint(field, at)
    signature, at = read_bytes(field, at, _SIGNATURE_BYTES)
    patch, at = read_uint(field, at)
    return SignerProof(signer, signature, patch), at


def _read_proof_version_0(field: bytes, at: int) -> tuple[SignerProof, int]:
    flags, at = read_uint(field, at)
    signer, at = read_uint(field, at)
    signature, at = read_bytes(field, at, _SIGNATURE_BYTES)
    patch = 0
    if flags & _HAS_PATCH:
        _start, at = read_uint(field, at)
        patch, at = read_uint(field, at)
        # Which nodes a patch needs follows from the lengths.
        count, at = read_count(field, at, max_count=MAX_PATCH_NODES)
        for _ in range(count):
            _place_of_node, at = read_uint(field, at)
    return SignerProof(signer, signature, patch), at


def _read_node(field: bytes, at: int) -> tuple[Node, int]:
    index, at = read_uint(field, at)
    size, at = read_uint(field, at)
    digest, at = read_bytes(field, at, _HASH_BYTES)
    return Node(index, size, digest), at
