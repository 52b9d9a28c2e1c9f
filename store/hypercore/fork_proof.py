"""What proves to anybody that a log has two histories, and from which block on.

Two trees of the same log that its signer signed, and of each what leads from its roots
to the first block in which they differ. So a proof needs nothing else to be believed,
names one place that nobody can move, and stays small however long the log is::

    uint version (1) | uint length: blocks that both histories share
    node of each full root of that length, as both have it
    twice, the lower leaf hash first:
      uint length of the tree | buffer signature field
      node: the block behind the shared ones
      node of each that leads from there to the tree's roots (flat_tree.growth)

    node: uint size | fixed32 hash; which one it is follows from the lengths

A log that ends there for good is a ``Head`` of the shared length, with the proof in
place of a signature (``ended_head``): whoever has the log up to there, or fetches it,
needs to know no more. Both trees are of fork number 0: this is for logs that never
begin anew. Not in npm hypercore, which leaves a log alone that has two histories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from store.errors import NodeMissingError, RemoteProtocolError
from store.hypercore import flat_tree
from store.hypercore.inventory import MAX_CORE_LENGTH
from store.hypercore.manifest import Manifest
from store.hypercore.merkle_tree import MAX_TREE_BYTES, TreeBatch, tree_hash
from store.hypercore.records import Head, Node
from store.hypercore.signatures import TreeState, verify_signature
from store.hypercore.wire import read_buffer, read_bytes, read_count, read_uint
from store.hypercore.wire import write_uint as _uint

VERSION: Final = 1
MAX_BRANCH_SIGNATURE_BYTES: Final = 2048
"""Of one signature field: logs of many signers are frozen without such a proof."""
MAX_FORK_PROOF_BYTES: Final = 24 * 1024
"""More than the longest log of two histories needs."""
ENDED: Final = b"\0covey/fork"
"""Begins what stands in place of a signature; no signature begins so, for it would be
of nobody."""

_HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Branch:
    """One of two histories."""

    length: int
    """Blocks of a tree that its signer signed."""
    signature: bytes
    """The signature field of that tree."""
    leaf: Node
    """The first block that the other one does not have."""
    beside: tuple[Node, ...]
    """What leads from there to the tree's roots."""

    def grown(self, common: Sequence[Node]) -> TreeBatch:
        """The whole tree, with every node of it that the proof shows.

        Args:
            common: The roots of what both histories share.
        """
        size = sum(node.size for node in common)
        batch = TreeBatch(common, self.leaf.index // 2, size)
        for node in (self.leaf, *self.beside):
            batch.append_root(node)
        return batch


@dataclass(frozen=True, slots=True)
class ForkProof:
    """Two histories of one log."""

    length: int
    """Blocks that both share: the one behind is the first that differs."""
    common: tuple[Node, ...]
    """The roots of the tree of that length."""
    branches: tuple[Branch, Branch]

    def encode(self) -> bytes:
        """The bytes; see the module."""
        parts = [_uint(VERSION), _uint(self.length)]
        parts += [_node(node) for node in self.common]
        for branch in self.branches:
            parts += (
                _uint(branch.length),
                _uint(len(branch.signature)),
                branch.signature,
                _node(branch.leaf),
                *(_node(node) for node in branch.beside),
            )
        return b"".join(parts)

    def is_signed(self, manifest: Manifest, key: bytes) -> bool:
        """Tells whether the log's signer signed both histories.

        Args:
            manifest: The log's, known to belong to the key.
            key: The log's.

        Raises:
            RemoteProtocolError: A signature field is malformed.
        """
        return all(
            verify_signature(
                manifest,
                key,
                TreeState(tree_hash(batch.roots), batch.length, 0, tuple(batch.roots)),
                branch.signature,
            )
            for branch in self.branches
            for batch in (branch.grown(self.common),)
        )

    def nodes(self, branch: Branch) -> dict[int, Node]:
        """Every node of one history that the proof shows, by index."""
        known = {node.index: node for node in self.common}
        known.update((it.index, it) for it in branch.grown(self.common).nodes)
        return known


def decode_fork_proof(data: bytes) -> ForkProof:
    """The inverse of ``ForkProof.encode``; who signed it is not looked at.

    Raises:
        RemoteProtocolError: It is malformed, or shows no difference.
    """
    if len(data) > MAX_FORK_PROOF_BYTES:
        raise RemoteProtocolError("a proof of a fork is too large", code="too-large")
    version, at = read_uint(data, 0)
    if version != VERSION:
        raise RemoteProtocolError("a proof of another version", code="version")
    length, at = read_count(data, at, max_count=MAX_CORE_LENGTH - 1)
    common, at = _read_nodes(data, at, flat_tree.full_roots(length))
    first, at = _read_branch(data, at, length)
    second, at = _read_branch(data, at, length)
    if at != len(data):
        raise RemoteProtocolError("bytes behind a proof of a fork", code="too-long")
    if first.leaf.hash >= second.leaf.hash:
        raise RemoteProtocolError(
            "two histories that do not differ, or in disorder", code="invalid-proof"
        )
    proof = ForkProof(length, common, (first, second))
    for branch in proof.branches:
        sizes = (*common, branch.leaf, *branch.beside)
        if sum(node.size for node in sizes) > MAX_TREE_BYTES:
            raise RemoteProtocolError("a tree is too large", code="too-large")
    return proof


def ended_head(proof: ForkProof) -> Head:
    """The state of a log that ends where its histories part."""
    size = sum(node.size for node in proof.common)
    signature = ENDED + proof.encode()
    return Head(0, proof.length, size, proof.common, signature)


def is_ended(signature: bytes) -> bool:
    """Tells whether a proof stands in place of a signature."""
    return signature.startswith(ENDED)


def proof_of(signature: bytes) -> ForkProof:
    """The proof that stands in place of a signature.

    Raises:
        RemoteProtocolError: It is malformed.
    """
    return decode_fork_proof(signature[len(ENDED) :])


def is_proven_end(manifest: Manifest, key: bytes, head: Head) -> bool:
    """Tells whether a log ends at a head for good, by what stands for its signature.

    Raises:
        RemoteProtocolError: That is malformed.
    """
    proof = proof_of(head.signature)
    shown = [(node.index, node.hash) for node in proof.common]
    roots = [(node.index, node.hash) for node in head.roots]
    return (head.fork, head.length, roots) == (
        0,
        proof.length,
        shown,
    ) and proof.is_signed(manifest, key)


@dataclass(frozen=True, slots=True)
class History:
    """A signed tree, as far as its nodes are known to somebody.

    ``node`` may raise ``NotInMemoryError``, which passes through ``first_difference``
    and ``prove_fork``.
    """

    length: int
    signature: bytes
    node: Callable[[int], Node | None]
    """A node of the tree; None where it is not known."""

    def known(self, index: int) -> Node:
        """A node that is needed.

        Raises:
            NodeMissingError: It is not known.
        """
        found = self.node(index)
        if found is None:
            start = flat_tree.left_span(index) // 2
            end = start + flat_tree.leaf_count(index)
            raise NodeMissingError(
                f"node {index} is not known", index=index, start=start, end=end
            )
        return found


def first_difference(one: History, other: History) -> int | None:
    """The first block in which two trees differ; None when neither does.

    Raises:
        NodeMissingError: Of ``other``'s, as its ``index`` says; or of ``one``'s, where
            ``other`` knows that node.
    """
    for root in flat_tree.full_roots(min(one.length, other.length)):
        if _is_same(one, other, root):
            continue
        while root & 1:
            half = flat_tree.leaf_count(root) >> 1
            # Both children are looked at, so that both are known for the proof.
            right, left = root + half, root - half
            other.known(right)
            root = right if _is_same(one, other, left) else left
        # Sizes may be lies where nobody has seen the blocks.
        return None if _is_same(one, other, root) else root // 2
    return None


def prove_fork(one: History, other: History, block: int) -> ForkProof:
    """The proof that two histories part at a block (``first_difference``).

    Raises:
        NodeMissingError: One of the nodes that it takes is not known.
    """
    common = tuple(one.known(index) for index in flat_tree.full_roots(block))
    branches = [
        Branch(
            it.length,
            it.signature,
            it.known(2 * block),
            tuple(it.known(index) for index in _beside(block, it.length)),
        )
        for it in (one, other)
    ]
    first, second = sorted(branches, key=lambda branch: branch.leaf.hash)
    return ForkProof(block, common, (first, second))


def _is_same(one: History, other: History, index: int) -> bool:
    theirs = other.known(index)
    return one.known(index).hash == theirs.hash


def _beside(block: int, length: int) -> Iterable[int]:
    return flat_tree.growth(block + 1, length) if length > block + 1 else ()


def _node(node: Node) -> bytes:
    return _uint(node.size) + node.hash


def _read_nodes(
    data: bytes, at: int, indexes: Iterable[int]
) -> tuple[tuple[Node, ...], int]:
    nodes = []
    for index in indexes:
        size, at = read_uint(data, at)
        digest, at = read_bytes(data, at, _HASH_BYTES)
        nodes.append(Node(index, size, digest))
    return tuple(nodes), at


def _read_branch(data: bytes, at: int, block: int) -> tuple[Branch, int]:
    length, at = read_count(data, at, max_count=MAX_CORE_LENGTH)
    if length <= block:
        raise RemoteProtocolError("a tree ends before it differs", code="invalid-proof")
    signature, at = read_buffer(data, at, max_bytes=MAX_BRANCH_SIGNATURE_BYTES)
    (leaf,), at = _read_nodes(data, at, (2 * block,))
    beside, at = _read_nodes(data, at, _beside(block, length))
    return Branch(length, signature, leaf, beside), at
