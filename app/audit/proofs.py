"""That a block stands in a log: its hash led up to a root of the tree that was signed.

A log's key follows from its device and the room's log namespace, as in
``app/rooms/blocks.py``, so that nobody needs the room's key to know which log it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.audit.lines import LogLine
from net.errors import RemoteProtocolError
from store.errors import RemoteProtocolError as StoreProtocolError
from store.hypercore import flat_tree
from store.hypercore.fork_proof import decode_fork_proof, is_ended, is_proven_end
from store.hypercore.manifest import Manifest, Signer, create_manifest, manifest_key
from store.hypercore.merkle_tree import MAX_TREE_BYTES, leaf, parent, tree_hash
from store.hypercore.records import Head, Node
from store.hypercore.signatures import TreeState, verify_signature


def manifest_of(device: bytes, namespace: bytes) -> Manifest:
    """Who may write a device's log of the room with that log namespace."""
    return create_manifest([Signer(device, namespace)], version=1)


def path_length(sequence: int, length: int) -> int:
    """How many siblings lead from a block to the root above it."""
    return flat_tree.depth(_root_index(sequence, length))


def check_log(log: LogLine, namespace: bytes) -> None:
    """Check that a log's tree was signed by its device for this room.

    Raises:
        RemoteProtocolError: ``bad-log``, ``bad-fork`` or ``bad-signature``.
    """
    manifest = manifest_of(log.device, namespace)
    key = manifest_key(manifest)
    if key != log.key:
        raise RemoteProtocolError(
            "the log is not that of its device in this room", code="bad-log"
        )
    tree = TreeState(tree_hash(log.roots), log.length, 0, log.roots)
    try:
        if log.fork and not decode_fork_proof(log.fork).is_signed(manifest, key):
            raise RemoteProtocolError(
                "its device has not signed two histories", code="bad-fork"
            )
        if is_ended(log.signature):
            head = Head(0, log.length, 0, log.roots, log.signature)
            holds = is_proven_end(manifest, key, head)
        else:
            holds = verify_signature(manifest, key, tree, log.signature)
    except StoreProtocolError:
        holds = False
    if not holds:
        raise RemoteProtocolError(
            "its device has not signed this tree", code="bad-signature"
        )


def check_block(
    log: LogLine, sequence: int, block: bytes, siblings: Sequence[tuple[int, bytes]]
) -> None:
    """Check that a block stands in a log at a number.

    Args:
        log: Checked before.
        sequence: The block's number.
        block: Its bytes.
        siblings: Size and hash, from the bottom.

    Raises:
        RemoteProtocolError: ``bad-proof``.
    """
    if sequence >= log.length:
        raise RemoteProtocolError("it stands behind the end of its log", code="bad-log")
    if len(siblings) != path_length(sequence, log.length):
        raise RemoteProtocolError("its proof leads to no root", code="bad-proof")
    node = led_up(sequence, block, siblings)
    if node is None:
        raise RemoteProtocolError("its proof leads to no root", code="bad-proof")
    if node not in log.roots:
        raise RemoteProtocolError(
            "its block does not stand there in the signed log", code="bad-proof"
        )


def led_up(
    sequence: int, block: bytes, siblings: Sequence[tuple[int, bytes]]
) -> Node | None:
    """Where the way from a block ends; None when no tree is so large.

    Args:
        sequence: The block's number.
        block: Its bytes.
        siblings: Size and hash, from the bottom.
    """
    node = leaf(sequence, block)
    for size, digest in siblings:
        if node.size + size > MAX_TREE_BYTES:
            return None
        node = parent(node, Node(flat_tree.sibling(node.index), size, digest))
    return node


def _root_index(sequence: int, length: int) -> int:
    leaf_index = 2 * sequence
    return next(
        root
        for root in flat_tree.full_roots(length)
        if flat_tree.contains(root, leaf_index)
    )
