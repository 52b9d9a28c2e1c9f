"""A signed tree of a log as somebody else tells it, no node of it believed unproven.

The roots come first, with a signature; every node after that comes with its sibling,
below a node that is known. So whoever tells lies is found out at once, and what was
told stays true whatever becomes of the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from store.errors import RemoteProtocolError
from store.hypercore import flat_tree
from store.hypercore.fork_proof import History
from store.hypercore.inventory import MAX_CORE_LENGTH
from store.hypercore.manifest import Manifest
from store.hypercore.merkle_tree import parent, tree_hash
from store.hypercore.records import Head, Node
from store.hypercore.signatures import TreeState, verify_signature

MAX_ASKED_NODES: Final = 64
"""Nodes asked for at a time."""
_LEVELS_BELOW: Final = 3
"""Levels asked for below what is needed, to be asked less often."""
_MAX_DEPTH: Final = 53


class ToldHistory:
    """One history, as far as it was told.

    Attributes:
        length: Blocks of the signed tree.
        signature: Its signature field.
    """

    def __init__(
        self,
        manifest: Manifest,
        key: bytes,
        *,
        length: int,
        signature: bytes,
        roots: Iterable[Node],
    ) -> None:
        """Begin with the roots.

        Args:
            manifest: The log's, known to belong to the key.
            key: The log's.
            length: Blocks of the tree.
            signature: Its signature field.
            roots: As many as a tree of that length has; others are left out.

        Raises:
            RemoteProtocolError: This is no signed tree of the log.
        """
        if not 0 < length <= MAX_CORE_LENGTH:
            raise RemoteProtocolError("no tree has that length", code="invalid-proof")
        told = {node.index: node for node in roots}
        found = [told.get(index) for index in flat_tree.full_roots(length)]
        known = [root for root in found if root is not None]
        tree = TreeState(tree_hash(known), length, 0, known)
        if len(known) < len(found) or not verify_signature(
            manifest, key, tree, signature
        ):
            raise RemoteProtocolError("the tree is not signed", code="invalid-proof")
        self.length = length
        self.signature = signature
        self._nodes = {root.index: root for root in known}

    @property
    def nodes(self) -> Iterable[Node]:
        """Every node that is known."""
        return self._nodes.values()

    @property
    def head(self) -> Head:
        """The signed tree."""
        roots = tuple(self._nodes[at] for at in flat_tree.full_roots(self.length))
        size = sum(root.size for root in roots)
        return Head(0, self.length, size, roots, self.signature)

    @property
    def history(self) -> History:
        """It, to be held against another one."""
        return History(self.length, self.signature, self._nodes.get)

    def wanted(self, index: int) -> list[int]:
        """What to ask for to know a node: what leads to it, and some below it.

        Args:
            index: Of a node inside the tree that is not known.
        """
        wanted: list[int] = []
        at = index
        while at not in self._nodes and flat_tree.depth(at) < _MAX_DEPTH:
            wanted += (at, flat_tree.sibling(at))
            at = flat_tree.parent(at)
        level = [index, flat_tree.sibling(index)]
        for _ in range(_LEVELS_BELOW):
            level = [
                child
                for at in level
                for child in (flat_tree.left_child(at), flat_tree.right_child(at))
                if child is not None
            ]
            wanted += level
        return wanted[:MAX_ASKED_NODES]

    def learn(self, nodes: Iterable[Node]) -> bool:
        """Take nodes that were told; tells whether any of them was news.

        Raises:
            RemoteProtocolError: ``invalid-checksum``: one of them is another one.
        """
        told = {node.index: node for node in nodes}
        news = False
        # From the top, so that what is below can be measured by what is above.
        for index in sorted(told, key=flat_tree.depth, reverse=True):
            beside, above = flat_tree.sibling(index), flat_tree.parent(index)
            if index in self._nodes or beside not in told or above not in self._nodes:
                continue
            made = parent(told[index], told[beside])
            if made.hash != self._nodes[above].hash:
                raise RemoteProtocolError(
                    f"node {above} is another one", code="invalid-checksum"
                )
            self._nodes[index], self._nodes[beside] = told[index], told[beside]
            news = True
        return news
