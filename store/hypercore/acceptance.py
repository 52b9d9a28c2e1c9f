"""What a peer's proof does to a core: verified, signature included, and made a change.

Nothing here waits or reads a disk: a node that has to be loaded raises
``NotInMemoryError`` before anything has changed. Follows npm hypercore 11.37.1
(``lib/core.js``, ``lib/verifier.js``).
"""

from __future__ import annotations

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore import flat_tree
from store.hypercore.fork_proof import is_ended, is_proven_end
from store.hypercore.inventory import MAX_CORE_LENGTH
from store.hypercore.manifest import Manifest
from store.hypercore.merkle_tree import tree_hash
from store.hypercore.proofs import (
    NO_NODES,
    ReorgBatch,
    VerifiedTree,
    start_reorg,
    verify_block,
    verify_proof,
)
from store.hypercore.records import Change, Head, NodeSource, Proof
from store.hypercore.signatures import TreeState, verify_signature
from store.hypercore.state import CoreState

_NOTHING_ELSE = (None, None, None, None)
"""What follows the block of a proof that proves nothing more."""


def accept(state: CoreState, proof: Proof) -> Change:
    """Make the change that a proof of our own fork stands for.

    Returns:
        A change that ``CoreState.advance`` has to take next; it may be empty.

    Raises:
        NotInMemoryError: A node has to be loaded first.
        RemoteProtocolError: ``invalid-proof``, ``invalid-checksum``,
            ``invalid-operation``, ``invalid-signature``, ``invalid-manifest``,
            ``outdated`` or ``too-large``.
        LocalProtocolError: ``conflict``: the log is frozen.
    """
    _check_thawed(state)
    tip = state.tip
    if proof.fork != tip.fork:
        raise RemoteProtocolError("a proof of another fork", code="invalid-operation")
    if proof.upgrade is not None and state.ended and tip.is_whole:
        raise RemoteProtocolError("the log has ended", code="outdated")
    manifest = state.known_manifest(proof.manifest)
    if not tip.is_whole:
        verified = verify_proof(proof, Head(), NO_NODES, prologue=_prologue(manifest))
        if not verified.upgraded or verified.length < tip.length:
            raise RemoteProtocolError(
                "this does not repair the tree", code="invalid-operation"
            )
    else:
        verified = verify_proof(proof, tip, state, prologue=_prologue(manifest))
    head = tip
    if verified.upgraded and proof.upgrade is not None:
        head = _signed_head(
            state, manifest, proof.fork, verified, proof.upgrade.signature
        )
    # A stored node stays: the sizes of a new one may not be vouched for.
    nodes = [
        node
        for node in verified.nodes
        if not tip.is_whole or not state.has_node(node.index)
    ]
    if verified.mended is not None:
        nodes.append(verified.mended)
    blocks = {}
    if proof.block is not None and not state.has_block(proof.block.index):
        blocks = {proof.block.index: proof.block.value}
    if proof.manifest is not None or verified.upgraded:
        state.learn_manifest(manifest)
    return Change(
        base=tip,
        head=head,
        nodes=nodes,
        blocks=blocks,
    )


def join(state: CoreState, proof: Proof) -> bool:
    """Add what the proof of a block alone brings to a change that waits.

    Returns:
        False, with nothing done, when ``accept`` has to make a change of its own.

    Raises:
        NotInMemoryError: A node has to be loaded first.
        RemoteProtocolError: As for ``accept``.
        LocalProtocolError: ``conflict``: the log is frozen.
    """
    block, tip = proof.block, state.tip
    if (
        block is None
        or not state.takes_more
        or proof[2:] != _NOTHING_ELSE
        or proof.fork != tip.fork
        or not tip.is_whole
    ):
        return False
    _check_thawed(state)
    nodes = verify_block(block, tip, state)
    if nodes is None:
        return False
    state.join(nodes, block)
    return True


def begin_reorg(state: CoreState, proof: Proof) -> ReorgBatch:
    """Begin to follow a peer to a higher fork.

    Args:
        state: The core.
        proof: Of the whole tree of that fork.

    Raises:
        NotInMemoryError: A node has to be loaded first.
        RemoteProtocolError: It does not show a signed tree of a higher fork.
        LocalProtocolError: ``conflict``: the log is frozen.
    """
    _check_thawed(state)
    if proof.fork <= state.tip.fork:
        raise RemoteProtocolError("no higher fork", code="invalid-operation")
    manifest = state.known_manifest(proof.manifest)
    batch = start_reorg(proof, state.tip, state, prologue=_prologue(manifest))
    if batch.head.length > MAX_CORE_LENGTH:
        raise RemoteProtocolError("the log is too long to keep", code="too-large")
    if not _is_signed(state, manifest, batch.head):
        raise RemoteProtocolError(
            "the fork's signature is wrong", code="invalid-signature"
        )
    # Bound by the key, and now also by a signature: it need not wait for the change.
    state.learn_manifest(manifest)
    return batch


def finish_reorg(state: CoreState, batch: ReorgBatch) -> Change:
    """Make the change that takes the new fork in place of our tree.

    Raises:
        LocalProtocolError: Our tree has changed meanwhile; begin again.
    """
    change = batch.change()
    if change.base is not state.tip:
        raise LocalProtocolError(
            "the tree has changed meanwhile", code="invalid-operation"
        )
    shared = 2 * batch.ancestors
    return Change(
        base=change.base,
        head=change.head,
        nodes=[
            node
            for node in change.nodes
            if flat_tree.right_span(node.index) >= shared
            or not state.planned.has_node(node.index)
        ],
        truncated_to=change.truncated_to,
    )


def contradicts(state: CoreState, proof: Proof, source: NodeSource) -> bool:
    """Tells whether a proof shows a signed tree of our fork that is not ours.

    Args:
        state: The core.
        proof: Of a tree of our fork from 0 on.
        source: Our nodes.

    Raises:
        NotInMemoryError: A node has to be loaded first.
        RemoteProtocolError: It shows no signed tree at all.
    """
    upgrade = proof.upgrade
    if upgrade is None or upgrade.start or proof.fork != state.fork:
        return False
    length = upgrade.length
    if not 0 < length <= state.length or state.needs_repair:
        return False
    manifest = state.known_manifest(proof.manifest)
    shown = verify_proof(proof, Head(), NO_NODES, prologue=_prologue(manifest))
    _signed_head(state, manifest, proof.fork, shown, upgrade.signature)
    theirs = {node.index: node for node in (*shown.nodes, *shown.roots)}
    for index in flat_tree.full_roots(length):
        ours = source.node(index)
        if ours is None or index not in theirs:
            return False
        if ours.hash != theirs[index].hash:
            return True
    return False


def _signed_head(
    state: CoreState,
    manifest: Manifest,
    fork: int,
    verified: VerifiedTree,
    signature: bytes,
) -> Head:
    head = Head(fork, verified.length, verified.byte_length, verified.roots, signature)
    if head.length > MAX_CORE_LENGTH:
        raise RemoteProtocolError("the log is too long to keep", code="too-large")
    if not _is_signed(state, manifest, head):
        raise RemoteProtocolError("the signature is wrong", code="invalid-signature")
    return head


def _is_signed(state: CoreState, manifest: Manifest, head: Head) -> bool:
    if state.may_end and is_ended(head.signature):
        return is_proven_end(manifest, state.key, head)
    tree = TreeState(tree_hash(head.roots), head.length, head.fork, head.roots)
    return verify_signature(manifest, state.key, tree, head.signature)


def _prologue(manifest: Manifest) -> tuple[int, bytes] | None:
    prologue = manifest.prologue
    if prologue is None or manifest.version == 0:
        return None
    return prologue.length, prologue.hash


def _check_thawed(state: CoreState) -> None:
    if state.frozen:
        raise LocalProtocolError(
            "the log has two histories and takes nothing more", code="conflict"
        )
