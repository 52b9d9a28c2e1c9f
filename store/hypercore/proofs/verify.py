"""Checks proofs of strangers against what is known of a tree.

Nodes are folded upwards: two siblings give their parent, until a node comes out that is
stored here or that a signed tree is made of. Every list in a proof is short and its
order is fixed by the tree, so each node is compared with the one place where it may
stand, and a hostile proof costs no more than an honest one.

Signatures are not looked at: an upgraded tree is worth nothing until the caller has
verified the signature over its hash. Follows npm hypercore 11.37.1
(``lib/merkle-tree.js``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from store.errors import RemoteProtocolError
from store.hypercore import flat_tree
from store.hypercore.merkle_tree import (
    MAX_LENGTH,
    MAX_TREE_BYTES,
    TreeBatch,
    leaf_hash,
    parent,
    tree_hash,
)
from store.hypercore.records import (
    BlockProof,
    Head,
    Node,
    NodeSource,
    Proof,
    UpgradeProof,
)

MAX_PATH_NODES: Final = 64
"""Nodes from a leaf to a root: a tree has at most 53 levels."""

MAX_UPGRADE_NODES: Final = 128
"""Nodes that lead from one length to another: up from the old end, down to the new."""

_HASH_BYTES: Final = 32


class VerifiedTree(NamedTuple):
    """What a proof showed."""

    nodes: Sequence[Node]
    """True nodes; the stored one that they were measured by is not among them. If the
    tree was upgraded they are only true when its signature is."""
    roots: tuple[Node, ...]
    length: int
    """Blocks."""
    byte_length: int
    upgraded: bool
    """The tree is longer than it was, and its signature has to be verified."""
    block: BlockProof | None
    """The block, when there was one."""
    mended: Node | None = None
    """The stored node that it was measured by, with another size than the stored one:
    a peer that shifted bytes between two siblings is put right by this."""


class _NoNodes:
    """A source of nothing."""

    def node(self, _index: int, /) -> Node | None:
        return None


NO_NODES: Final[NodeSource] = _NoNodes()
"""With it and an empty ``Head`` a proof is verified by its signature alone."""


def verify_proof(
    proof: Proof,
    head: Head,
    source: NodeSource,
    *,
    prologue: tuple[int, bytes] | None = None,
) -> VerifiedTree:
    """Checks a proof; the fork it is about is the caller's to compare.

    An upgrade that ends before the own length is left aside, because it was overtaken.
    One that was made for another start than ``head.length`` may also be overtaken: then
    a refusal with ``invalid-operation`` does not show that the peer lied.

    Args:
        proof: Anything a decoder lets through.
        head: The own tree.
        source: Its nodes.
        prologue: Length and tree hash that the log must start with.

    Raises:
        RemoteProtocolError: ``invalid-checksum`` for a block or hash that is not the
            tree's, ``invalid-operation`` for nodes that do not belong where they are,
            ``invalid-proof`` for impossible sizes or a wrong prologue.
        NotInMemoryError: The node to measure by has to be loaded first.
    """
    nodes: list[Node] = []
    root = fold(proof, nodes)
    upgrade = proof.upgrade
    if upgrade is None:
        mended = None
        if root is not None:
            mended = _measure(nodes, head, source, was_given=_was_given(proof, nodes))
        roots, length, size = head.roots, head.length, head.byte_length
        return VerifiedTree(nodes, roots, length, size, False, proof.block, mended)
    batch = TreeBatch(head.roots, head.length, head.byte_length)
    mended = None
    if grow(batch, upgrade, root, prologue=prologue):
        nodes.pop()
    elif root is not None:
        mended = _measure(nodes, head, source, was_given=_was_given(proof, nodes))
    nodes += batch.nodes
    return VerifiedTree(
        nodes,
        batch.roots,
        batch.length,
        batch.byte_length,
        batch.length > head.length,
        proof.block,
        mended,
    )


def verify_block(
    block: BlockProof, head: Head, source: NodeSource
) -> list[Node] | None:
    """What ``verify_proof`` does for a block that nothing comes with.

    Returns:
        Its nodes; None when there is one to be mended besides.
    """
    nodes: list[Node] = []
    if not 0 <= block.index < MAX_LENGTH:
        raise _refused(f"block {block.index} is out of range")
    value = block.value
    leaf = Node(2 * block.index, len(value), leaf_hash(value))
    _fold_block(leaf, block.nodes, nodes)
    return nodes if _measure(nodes, head, source, was_given=False) is None else None


def missing_levels(index: int, head: Head, source: NodeSource) -> int:
    """The levels above a node, itself counted, that are neither stored nor too high.

    This is the number that a request for the node carries. It is 0 for a node outside
    the tree, where only an upgrade can tell.

    Args:
        index: The node's index; ``2 * block`` for a block.

    Raises:
        NotInMemoryError: A node has to be loaded to know.
    """
    end = 2 * head.length
    levels = 0
    while flat_tree.right_span(index) < end and source.node(index) is None:
        levels += 1
        index = flat_tree.parent(index)
    return levels


def fold(proof: Proof, nodes: list[Node]) -> Node | None:
    """Folds seek, block and hash of a proof into the one node they lead to.

    Args:
        nodes: Gets every node met on the way; the result comes last.

    Raises:
        RemoteProtocolError: Nodes are not where they should be, or impossible.
    """
    block, wanted, seek = proof.block, proof.hash, proof.seek
    if block is not None and wanted is not None:
        raise _refused("a block and a hash in one proof")
    sought = None
    if seek is not None and seek.nodes:
        sought = _fold_path(seek.nodes[0].index, None, seek.nodes, None, nodes)
    if block is not None:
        if not 0 <= block.index < MAX_LENGTH:
            raise _refused(f"block {block.index} is out of range")
        value = block.value
        leaf = Node(2 * block.index, len(value), leaf_hash(value))
        if sought is None:
            return _fold_block(leaf, block.nodes, nodes)
        return _fold_path(leaf.index, leaf, block.nodes, sought, nodes)
    if wanted is not None:
        return _fold_path(wanted.index, None, wanted.nodes, sought, nodes)
    return sought


def grow(
    batch: TreeBatch,
    upgrade: UpgradeProof,
    folded: Node | None = None,
    *,
    prologue: tuple[int, bytes] | None = None,
) -> bool:
    """Lets a tree grow by the nodes of an upgrade, without looking at its signature.

    Args:
        batch: Grows to the signed length; worthless when an error is raised.
        upgrade: The proof.
        folded: A node that may stand in where the upgrade leaves one out.
        prologue: Length and tree hash that the log must start with.

    Returns:
        Whether ``folded`` became a part of the tree.

    Raises:
        RemoteProtocolError: As for ``verify_proof``.
    """
    start, end = upgrade.start, upgrade.start + upgrade.length
    if start < 0 or upgrade.length <= 0 or end > MAX_LENGTH:
        raise _refused(f"an upgrade from {start} to {end} blocks")
    for given in (upgrade.nodes, upgrade.additional_nodes):
        if len(given) > MAX_UPGRADE_NODES:
            raise _refused(f"{len(given)} nodes in an upgrade")
    if prologue and start < prologue[0] and (start or end < prologue[0]):
        raise RemoteProtocolError(
            "an upgrade without the prologue", code="invalid-proof"
        )
    if end < batch.length:
        return False
    queue = _Queue(upgrade.nodes, folded)
    _reach(batch, end, queue)
    if (
        prologue
        and batch.length == prologue[0]
        and tree_hash(batch.roots) != prologue[1]
    ):
        raise RemoteProtocolError("another prologue", code="invalid-proof")
    _add_more(batch, upgrade.additional_nodes)
    if batch.length > MAX_LENGTH or batch.byte_length > MAX_TREE_BYTES:
        raise RemoteProtocolError("a tree beyond all limits", code="invalid-proof")
    return folded is not None and queue.extra is None


class _Queue:
    """The nodes of a list, to be taken in order, and one that is used where it fits."""

    __slots__ = ("_nodes", "_taken", "extra")

    def __init__(self, nodes: Sequence[Node], extra: Node | None) -> None:
        self._nodes = nodes
        self._taken = 0
        self.extra = extra

    @property
    def is_used_up(self) -> bool:
        return self.extra is None and self._taken == len(self._nodes)

    def take(self, index: int) -> Node:
        """The node with an index, which must be the next one."""
        extra = self.extra
        if extra is not None and extra.index == index:
            self.extra = None
            return extra
        if self._taken == len(self._nodes):
            raise _refused(f"node {index} is not in the proof")
        node = self._nodes[self._taken]
        if node.index != index:
            raise _refused(f"node {node.index} in the place of {index}")
        self._taken += 1
        _check_node(node)
        return node


def _fold_path(
    index: int,
    node: Node | None,
    given: Sequence[Node],
    extra: Node | None,
    nodes: list[Node],
) -> Node:
    """Folds a node with its siblings upwards until all of them are used."""
    if len(given) > MAX_PATH_NODES:
        raise _refused(f"{len(given)} nodes on one path")
    if not 0 <= index <= 2 * MAX_LENGTH:
        raise _refused(f"node {index} is out of range")
    queue = _Queue(given, extra)
    if node is None:
        node = queue.take(index)
    # What stands in was put on the list when it was folded itself.
    if node is not extra:
        nodes.append(node)
    while not queue.is_used_up:
        beside = queue.take(flat_tree.sibling(node.index))
        node = parent(node, beside)
        if beside is not extra:
            nodes.append(beside)
        nodes.append(node)
    if node.size > MAX_TREE_BYTES:
        raise RemoteProtocolError("nodes beyond all limits", code="invalid-proof")
    return node


def _fold_block(leaf: Node, given: Sequence[Node], nodes: list[Node]) -> Node:
    """What ``_fold_path`` does when nothing stands in: nearly every proof there is."""
    if len(given) > MAX_PATH_NODES:
        raise _refused(f"{len(given)} nodes on one path")
    nodes.append(leaf)
    node = leaf
    for beside in given:
        index, size, digest = beside
        at = node.index
        if index != at ^ (((at + 1) & -(at + 1)) << 1):
            raise _refused(f"node {index} in the place of {flat_tree.sibling(at)}")
        if not 0 <= size <= MAX_TREE_BYTES or len(digest) != _HASH_BYTES:
            _check_node(beside)
        node = parent(node, beside)
        nodes += (beside, node)
    if node.size > MAX_TREE_BYTES:
        raise RemoteProtocolError("nodes beyond all limits", code="invalid-proof")
    return node


def _reach(batch: TreeBatch, end: int, queue: _Queue) -> None:
    """Lets a tree grow to ``end`` blocks."""
    targets = flat_tree.full_roots(end)
    roots = batch.roots
    same = 0
    while same < min(len(roots), len(targets)) and roots[same].index == targets[same]:
        same += 1
    if same < len(roots):
        # Old roots remain: the next new one holds all of them, since it ends later.
        target = targets[same]
        at = roots[-1].index
        while at != target:
            batch.append_root(queue.take(flat_tree.sibling(at)))
            last = batch.last_root
            assert last is not None
            at = last.index
        same += 1
    for target in targets[same:]:
        batch.append_root(queue.take(target))


def _add_more(batch: TreeBatch, given: Sequence[Node]) -> None:
    """Lets a tree grow to where the last of some nodes ends.

    By these and no others: two siblings in place of the node over them would be bound
    by their sum only, so that bytes could be shifted between them.
    """
    if not given:
        return
    end = flat_tree.right_span(given[-1].index) // 2 + 1
    if not batch.length < end <= MAX_LENGTH:
        raise _refused(f"nodes that lead from {batch.length} to {end} blocks")
    queue = _Queue(given, None)
    _reach(batch, end, queue)
    if not queue.is_used_up:
        raise _refused("more nodes than lead to the end")


def _was_given(proof: Proof, nodes: list[Node]) -> bool:
    """The folded node was not computed from anything."""
    return proof.block is None and len(nodes) == 1


def _measure(
    nodes: list[Node], head: Head, source: NodeSource, *, was_given: bool
) -> Node | None:
    """Compares the folded node, taken off the list, with the stored one.

    Returns:
        The folded one, if it mends the stored one.
    """
    root = nodes.pop()
    if flat_tree.right_span(root.index) >= 2 * head.length:
        raise _refused(f"node {root.index} is behind {head.length} blocks")
    known = source.node(root.index)
    if known is None:
        raise _refused(f"node {root.index} leads to nothing known")
    if known.hash != root.hash or (was_given and known.size != root.size):
        raise RemoteProtocolError(
            f"node {root.index} is another one", code="invalid-checksum"
        )
    # A hash that was computed binds its size: if the stored size differs, it came from
    # a peer that shifted bytes between two siblings.
    return None if known.size == root.size else root


def _check_node(node: Node) -> None:
    if not 0 <= node.size <= MAX_TREE_BYTES or len(node.hash) != _HASH_BYTES:
        raise RemoteProtocolError(
            f"node {node.index} cannot be a node", code="invalid-proof"
        )


def _refused(message: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code="invalid-operation")
