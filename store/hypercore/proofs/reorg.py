"""Finds out how much of a log is the same after its writer has rewritten it.

A peer on a higher fork proves its whole tree from nothing. The first root that is not
stored here in the same way holds the first block that differs; hash requests for blocks
below it show its children, of which again the first that differs is followed, down to
one block. What was never stored here counts as different, so too little may be kept,
never too much. Follows npm hypercore 11.37.1 (``lib/merkle-tree.js``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from store.errors import RemoteProtocolError
from store.hypercore import flat_tree
from store.hypercore.merkle_tree import TreeBatch
from store.hypercore.proofs.verify import fold, grow
from store.hypercore.records import Change, Head, Node, NodeSource, Proof


class ReorgWant(NamedTuple):
    """What brings a reorg on: the path of any one block of a range.

    The request is ``hash`` with the block's leaf and these ``nodes``, on the new fork.
    """

    start: int
    """The first block of the range."""
    end: int
    """The block behind the last one."""
    nodes: int
    """Levels of the path."""


@dataclass(frozen=True, slots=True)
class ReorgBatch:
    """A search for the last block that two forks share.

    It never changes: each step returns the next one, so a step that needs nodes from
    the disk can be done again.
    """

    base: Head
    """The own tree."""
    head: Head
    """The tree of the new fork, with its signature."""
    nodes: Sequence[Node]
    """Nodes of the new tree that are known so far."""
    ancestors: int
    """Blocks that are known to be the same."""
    want: ReorgWant | None
    """None when ``ancestors`` is all there is to know."""
    diff: Node | None = None
    """The node of the new tree that holds the first difference."""

    @property
    def is_finished(self) -> bool:
        """Whether the new tree can take the place of the own one."""
        return self.want is None

    def change(self) -> Change:
        """What makes the own tree the new one."""
        assert self.is_finished
        return Change(
            base=self.base,
            head=self.head,
            nodes=self.nodes,
            truncated_to=self.ancestors,
        )


def start_reorg(
    proof: Proof,
    head: Head,
    source: NodeSource,
    *,
    prologue: tuple[int, bytes] | None = None,
) -> ReorgBatch:
    """Begins with the proof of the whole new tree.

    The caller compares the forks, verifies the signature over the new ``head``, and
    trusts nothing of the result before that.

    Args:
        proof: An upgrade from 0, perhaps with a block or hash in it.
        head: The own tree.
        source: Its nodes.
        prologue: Length and tree hash that the log must start with.

    Raises:
        RemoteProtocolError: As for ``verify_proof``.
        NotInMemoryError: A node has to be loaded first.
    """
    upgrade = proof.upgrade
    if upgrade is None or upgrade.start:
        raise RemoteProtocolError("a fork is not proven from 0", code="invalid-proof")
    nodes: list[Node] = []
    root = fold(proof, nodes)
    batch = TreeBatch()
    if root is not None:
        nodes.pop()
    if not grow(batch, upgrade, root, prologue=prologue) and root is not None:
        raise RemoteProtocolError("a part outside the new tree", code="invalid-proof")
    nodes += batch.nodes
    begun = ReorgBatch(
        base=head,
        head=Head(
            fork=proof.fork,
            length=batch.length,
            byte_length=batch.byte_length,
            roots=batch.roots,
            signature=upgrade.signature,
        ),
        nodes=nodes,
        ancestors=min(batch.length, head.length),
        want=None,
    )
    for new in batch.roots:
        if not _is_stored(new, source):
            return _narrowed(begun, new, nodes, source)
    return begun


def continue_reorg(batch: ReorgBatch, proof: Proof, source: NodeSource) -> ReorgBatch:
    """Goes on with an answer to what the batch wants.

    An answer to an earlier want leaves the batch as it is.

    Raises:
        RemoteProtocolError: The answer does not belong to the new tree.
        NotInMemoryError: A node has to be loaded first.
    """
    found: list[Node] = []
    root = fold(proof, found)
    diff = batch.diff
    if root is None or diff is None or batch.is_finished or root.index != diff.index:
        return batch
    if root.hash != diff.hash or root.size != diff.size:
        raise RemoteProtocolError(
            f"node {root.index} is another one", code="invalid-checksum"
        )
    found.pop()
    grown = replace(batch, nodes=[*batch.nodes, *found])
    return _narrowed(grown, diff, found, source)


def _narrowed(
    batch: ReorgBatch, diff: Node, nodes: Iterable[Node], source: NodeSource
) -> ReorgBatch:
    """Follows the first difference down as far as nodes of the new tree are known."""
    known = {node.index: node for node in nodes}
    while diff.index & 1:
        half = flat_tree.leaf_count(diff.index) >> 1
        left, right = known.get(diff.index - half), known.get(diff.index + half)
        if left is None or right is None:
            break
        diff = right if _is_stored(left, source) else left
    start = flat_tree.left_span(diff.index) // 2
    end = min(batch.base.length, start + flat_tree.leaf_count(diff.index))
    want = None
    if diff.index & 1 and start < end:
        want = ReorgWant(start, end, flat_tree.depth(diff.index))
    return replace(batch, ancestors=min(start, batch.base.length), want=want, diff=diff)


def _is_stored(node: Node, source: NodeSource) -> bool:
    known = source.node(node.index)
    return known is not None and known.hash == node.hash
