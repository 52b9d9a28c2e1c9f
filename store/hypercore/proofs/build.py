"""Builds the answer to a request from the nodes of a stored tree.

Which nodes an asker needs follows from the request alone, except for a seek, where the
stored sizes decide. A part of the answer may stand in for a node of another part: what
can be folded from a block or from a seek is not sent again. Which request may be
answered at all (fork, prologue, upload allowed) is for the caller to decide. Follows
npm hypercore 11.37.1 (``lib/merkle-tree.js``).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from store.errors import BlockMissingError, InvalidRequestError, NodeMissingError
from store.hypercore import flat_tree
from store.hypercore.merkle_tree import byte_offset, unpadded_size
from store.hypercore.records import (
    BlockProof,
    HashProof,
    Head,
    Node,
    NodeSource,
    Proof,
    Request,
    SeekProof,
    SeekRequest,
    UpgradeProof,
)

MAX_LEVELS: Final = 64
"""Levels of a path: a tree has at most 53."""


class _Target(NamedTuple):
    """The block or hash of a request, as a node."""

    node: int
    levels: int
    is_block: bool


class _Parts:
    """The node lists of a proof in the making."""

    __slots__ = ("_source", "_target", "seek", "target")

    def __init__(self, source: NodeSource, target: _Target | None) -> None:
        self._source = source
        self._target = target
        self.target: list[Node] | None = None
        self.seek: list[Node] | None = None

    @property
    def is_empty(self) -> bool:
        return self.target is None and self.seek is None

    def add(self, root: int, seek_at: int | None) -> None:
        """Proves the target, what is sought, or both, up to a common root."""
        if self._target is None:
            assert seek_at is not None
            self._add_seek(root, seek_at)
            return
        at = self._target.node
        nodes = [] if self._target.is_block else [need(self._source, at)]
        while at != root:
            beside = flat_tree.sibling(at)
            if (
                seek_at is not None
                and seek_at != beside
                and flat_tree.contains(beside, seek_at)
            ):
                self._add_seek(beside, seek_at)
            else:
                nodes.append(need(self._source, beside))
            at = flat_tree.parent(at)
        self.target = nodes

    def _add_seek(self, root: int, at: int) -> None:
        nodes = [need(self._source, at)]
        while at != root:
            nodes.append(need(self._source, flat_tree.sibling(at)))
            at = flat_tree.parent(at)
        self.seek = nodes


def build_proof(
    request: Request, head: Head, source: NodeSource, block: bytes | None = None
) -> Proof:
    """Answers a request.

    A seek alone proves nothing, and neither does anything about an empty tree: such
    answers have no parts. When both a block and a hash are asked for, the block wins.

    Args:
        request: Any numbers; nothing in it has been checked.
        head: The tree that is proven, and its signature.
        source: Its nodes.
        block: The stored bytes of the block that is asked for.

    Raises:
        InvalidRequestError: No such proof exists, or its nodes are not stored here.
        BlockMissingError: A block is asked for and not given.
        NotInMemoryError: A node has to be loaded first.
    """
    if head.length == 0:
        return Proof(head.fork)
    upgrade, seek = request.upgrade, request.seek
    start, end = 0, head.length
    if upgrade is not None:
        start, end = upgrade.start, upgrade.start + upgrade.length
    if not 0 <= start < end <= head.length:
        raise InvalidRequestError(f"no upgrade from {start} to {end} blocks")
    if upgrade is None and seek is None and block is not None and request.block:
        return _prove_block(request, head, source, block)
    target = _target_of(request)
    parts = _Parts(source, target)
    inside: int | None = None
    is_old = upgrade is None or (
        target is not None and flat_tree.right_span(target.node) < 2 * start
    )
    if target is not None and is_old:
        root = _ancestor(target, end)
        parts.add(root, _seek_below(root, seek, head, source) if seek else None)
    elif target is not None and seek is not None:
        raise InvalidRequestError("a seek and a block in the same upgrade")
    elif seek is not None and upgrade is not None:
        inside = _seek_from_start(end, seek, source)
    elif target is not None:
        inside = target.node
    upgrade_proof = None
    if upgrade is not None:
        nodes = []
        for index in flat_tree.growth(start, end):
            if (
                inside is not None
                and parts.is_empty
                and flat_tree.contains(index, inside)
            ):
                parts.add(index, inside)
            else:
                nodes.append(need(source, index))
        upgrade_proof = UpgradeProof(
            start, upgrade.length, nodes, _more(end, head, source), head.signature
        )
    return _assembled(request, head, parts, upgrade_proof, block)


def _prove_block(
    request: Request, head: Head, source: NodeSource, block: bytes
) -> Proof:
    """What nearly every request asks for: a block, and nothing else that matters."""
    assert request.block is not None, "asked before"
    index, levels = request.block
    if index < 0 or levels < 0:
        raise InvalidRequestError("a negative place in the tree")
    if levels > MAX_LEVELS or (index >> levels) + 1 << levels > head.length:
        raise InvalidRequestError(f"{levels} levels above block {index} are too many")
    at = 2 * index
    nodes = []
    for _ in range(levels):
        # Sibling and parent, by the step from a node to the next one of its level.
        step = (at + 1) & -(at + 1)
        nodes.append(need(source, at ^ (step << 1)))
        at = (at | step) & ~(step << 1)
    return Proof(head.fork, BlockProof(index, block, nodes))


def nodes_needed(request: Request, head: Head) -> list[int]:
    """The nodes that an answer will ask for, so that they can be loaded at once.

    A seek asks for more, which only the sizes on its way tell.

    Raises:
        InvalidRequestError: No such proof exists.
    """
    recorder = _Recorder()
    build_proof(request._replace(seek=None), head, recorder, b"")
    return recorder.asked


class _Recorder:
    """A source that has every node and remembers which ones were wanted."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def node(self, index: int) -> Node:
        self.asked.append(index)
        return Node(index, 0, b"")


def need(source: NodeSource, index: int) -> Node:
    """A node without which there is no proof.

    Raises:
        InvalidRequestError: It is not stored.
        NotInMemoryError: It has to be loaded first.
    """
    node = source.node(index)
    if node is None:
        raise InvalidRequestError(f"node {index} is not stored")
    return node


def _target_of(request: Request) -> _Target | None:
    if request.block is not None:
        wanted, node, is_block = request.block, 2 * request.block.index, True
    elif request.hash is not None:
        wanted, node, is_block = request.hash, request.hash.index, False
    else:
        return None
    if node < 0 or wanted.nodes < 0:
        raise InvalidRequestError("a negative place in the tree")
    return _Target(node, wanted.nodes, is_block)


def _ancestor(target: _Target, end: int) -> int:
    """Climbs the levels that the asker lacks, inside a tree of ``end`` blocks."""
    at = target.node
    levels = target.levels
    while flat_tree.right_span(at) < 2 * end:
        if levels == 0:
            return at
        levels -= 1
        at = flat_tree.parent(at)
    raise InvalidRequestError(
        f"{target.levels} levels above {target.node} are too many"
    )


def _more(end: int, head: Head, source: NodeSource) -> list[Node]:
    """What leads from the asked length to the signed one."""
    if end == head.length:
        return []
    return [need(source, index) for index in flat_tree.growth(end, head.length)]


def _assembled(
    request: Request,
    head: Head,
    parts: _Parts,
    upgrade: UpgradeProof | None,
    block: bytes | None,
) -> Proof:
    block_proof = hash_proof = seek_proof = None
    if request.block is not None:
        if parts.target is None:
            raise InvalidRequestError(f"block {request.block.index} is not in the tree")
        if block is None:
            raise BlockMissingError(f"block {request.block.index} is not stored")
        block_proof = BlockProof(request.block.index, block, parts.target)
    elif request.hash is not None:
        if parts.target is None:
            raise InvalidRequestError(f"node {request.hash.index} is not in the tree")
        hash_proof = HashProof(request.hash.index, parts.target)
    if request.seek is not None and parts.seek is not None:
        seek_proof = SeekProof(request.seek.bytes, parts.seek)
    return Proof(head.fork, block_proof, hash_proof, seek_proof, upgrade)


def _seek_from_start(length: int, seek: SeekRequest, source: NodeSource) -> int | None:
    """The node that covers a byte of a tree of ``length`` blocks, or None."""
    byte = seek.bytes
    for root in flat_tree.full_roots(length):
        size = unpadded_size(need(source, root), seek.padding)
        if byte == size:
            return root
        if byte < size:
            return _descend(root, byte, seek.padding, source)
        byte -= size
    return None


def _seek_below(root: int, seek: SeekRequest, head: Head, source: NodeSource) -> int:
    """The node that covers a byte, when that is below a given node."""
    try:
        offset = byte_offset(root, head, source)
    except NodeMissingError as error:
        raise InvalidRequestError(str(error)) from error
    byte = seek.bytes - offset + seek.padding * (flat_tree.left_span(root) // 2)
    if byte == 0:
        return root
    if not 0 < byte < unpadded_size(need(source, root), seek.padding):
        raise InvalidRequestError(f"byte {seek.bytes} is not below node {root}")
    return _descend(root, byte, seek.padding, source)


def _descend(at: int, byte: int, padding: int, source: NodeSource) -> int:
    """Goes down to where a byte lies, as far as sizes are stored."""
    if byte == 0:
        return at
    while at & 1:
        half = flat_tree.leaf_count(at) >> 1
        left = source.node(at - half)
        if left is None:
            return at
        size = unpadded_size(left, padding)
        if byte == size:
            return left.index
        if byte < size:
            at -= half
        else:
            byte -= size
            at += half
    return at
