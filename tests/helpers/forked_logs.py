"""Logs with two histories, and what proves it, made with the key that signs them."""

from __future__ import annotations

from collections.abc import Sequence

from net.crypto import KeyPair
from store.hypercore.fork_proof import (
    ForkProof,
    History,
    first_difference,
    prove_fork,
)
from store.hypercore.manifest import Manifest, manifest_key
from store.hypercore.merkle_tree import TreeBatch, tree_hash
from store.hypercore.signatures import TreeState, sign_alone


def history(blocks: Sequence[bytes], manifest: Manifest, pair: KeyPair) -> History:
    """A whole signed tree."""
    batch = TreeBatch()
    batch.extend(blocks)
    nodes = {node.index: node for node in batch.nodes}
    tree = TreeState(tree_hash(batch.roots), batch.length, 0, batch.roots)
    signature = sign_alone(manifest, manifest_key(manifest), pair, tree)
    return History(batch.length, signature, nodes.get)


def fork_proof(
    one: Sequence[bytes], other: Sequence[bytes], manifest: Manifest, pair: KeyPair
) -> ForkProof:
    """What proves that both are the same log."""
    left, right = (history(blocks, manifest, pair) for blocks in (one, other))
    block = first_difference(left, right)
    assert block is not None, "they differ"
    return prove_fork(left, right, block)
