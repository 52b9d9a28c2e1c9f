"""Whole trees to prove from, partial ones to verify with, and proofs gone wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from store.errors import InvalidRequestError
from store.hypercore import flat_tree
from store.hypercore.merkle_tree import TreeBatch
from store.hypercore.proofs import build_proof
from store.hypercore.records import (
    BlockRequest,
    Head,
    Node,
    NotInMemoryError,
    Proof,
    Request,
    SeekRequest,
    UpgradeRequest,
)


class Nodes(dict[int, Node]):
    """A source that has all it has in memory."""

    def node(self, index: int, /) -> Node | None:
        return self.get(index)

    @classmethod
    def of(cls, nodes: Iterable[Node]) -> Nodes:
        return cls((node.index, node) for node in nodes)


class Disk:
    """A source whose every node has to be loaded before it is told."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._loaded: set[int] = set()

    def node(self, index: int, /) -> Node | None:
        if index not in self._loaded:
            raise NotInMemoryError(index)
        return self._nodes.get(index)

    def load(self, index: int) -> None:
        assert index not in self._loaded, "it was loaded before"
        self._loaded.add(index)


class Tree:
    """A whole log: its blocks, nodes and head."""

    def __init__(
        self, blocks: Sequence[bytes], *, fork: int = 0, signature: bytes = b"signed"
    ) -> None:
        batch = TreeBatch()
        batch.extend(blocks)
        self.blocks = list(blocks)
        self.nodes = Nodes.of(batch.nodes)
        self.head = Head(fork, batch.length, batch.byte_length, batch.roots, signature)

    def at(self, length: int) -> Tree:
        """The same log when it was shorter."""
        return Tree(self.blocks[:length], fork=self.head.fork)

    def prove(self, request: Request) -> Proof:
        asked = request.block
        block = None
        if asked is not None and asked.index < len(self.blocks):
            block = self.blocks[asked.index]
        return build_proof(request, self.head, self.nodes, block)


_PARTS: dict[str, Any] = {
    "block": BlockRequest,
    "hash": BlockRequest,
    "seek": SeekRequest,
    "upgrade": UpgradeRequest,
}


def request_of(parts: dict[str, dict[str, int]]) -> Request:
    """A request as the vectors write it."""
    return Request(0, **{name: _PARTS[name](**part) for name, part in parts.items()})


def _vector_nodes(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    return [{**node._asdict(), "hash": node.hash.hex()} for node in nodes]


def as_vector(proof: Proof) -> dict[str, Any]:
    """A proof as the vectors write it."""
    block, of_hash, seek, upgrade = proof.block, proof.hash, proof.seek, proof.upgrade
    return {
        "fork": proof.fork,
        "block": block
        and {
            "index": block.index,
            "value": block.value.hex(),
            "nodes": _vector_nodes(block.nodes),
        },
        "hash": of_hash
        and {"index": of_hash.index, "nodes": _vector_nodes(of_hash.nodes)},
        "seek": seek and {"bytes": seek.bytes, "nodes": _vector_nodes(seek.nodes)},
        "upgrade": upgrade
        and {
            "start": upgrade.start,
            "length": upgrade.length,
            "nodes": _vector_nodes(upgrade.nodes),
            "additionalNodes": _vector_nodes(upgrade.additional_nodes),
            "signature": upgrade.signature.hex(),
        },
    }


BLOCKS = st.lists(st.integers(0, 5), min_size=1, max_size=40).map(
    lambda sizes: [bytes([place]) * size for place, size in enumerate(sizes)]
)
"""The blocks of a log; some are empty, and so may be equal."""


@st.composite
def requests(draw: st.DrawFn, have: int, length: int) -> Request:
    """A request that makes sense to somebody who has ``have`` of ``length`` blocks."""
    upgrade = None
    if have < length and (have == 0 or draw(st.booleans())):
        upgrade = UpgradeRequest(have, draw(st.integers(1, length - have)))
    end = have + (upgrade.length if upgrade else 0)
    block = of_hash = seek = None
    kind = draw(st.sampled_from(("block", "hash", "nothing")))
    place = draw(st.integers(0, end - 1))
    index = 2 * place
    if kind == "hash":
        index = draw(st.sampled_from(_upwards(index, end)))
    levels = draw(st.integers(0, max(0, len(_upwards(index, have)) - 1)))
    if kind == "block":
        block = BlockRequest(place, levels)
    elif kind == "hash":
        of_hash = BlockRequest(index, levels)
    if draw(st.booleans()):
        seek = SeekRequest(draw(st.integers(0, 5 * length)), 0)
    return Request(0, block=block, hash=of_hash, seek=seek, upgrade=upgrade)


def _upwards(index: int, length: int) -> list[int]:
    """A node and those above it, in a tree of ``length`` blocks."""
    path = []
    while flat_tree.right_span(index) < 2 * length:
        path.append(index)
        index = flat_tree.parent(index)
    return path


@st.composite
def proven(draw: st.DrawFn) -> tuple[Tree, Tree, Proof]:
    """A tree, an earlier one, and what the one proves to the other."""
    tree = Tree(draw(BLOCKS))
    have = draw(st.integers(0, tree.head.length))
    request = draw(requests(have, tree.head.length))
    try:
        return tree, tree.at(have), tree.prove(request)
    except InvalidRequestError:
        # What remains of it is always possible where there is an upgrade.
        plain = request._replace(block=None, hash=None, seek=None)
        return tree, tree.at(have), tree.prove(plain)


@st.composite
def damaged(draw: st.DrawFn, proof: Proof, tree: Tree) -> Proof:
    """A proof with exactly one thing changed."""
    choices = [
        name for name in ("block", "hash", "seek", "upgrade") if getattr(proof, name)
    ]
    if not choices:
        return proof
    name = draw(st.sampled_from(choices))
    part = getattr(proof, name)
    return proof._replace(**{name: draw(_damaged_part(part, tree))})


@st.composite
def _damaged_part(draw: st.DrawFn, part: Any, tree: Tree) -> Any:
    fields = [name for name in part._fields if name not in ("signature", "bytes")]
    name = draw(st.sampled_from(fields))
    value = getattr(part, name)
    if isinstance(value, bytes):
        return part._replace(value=draw(_damaged_bytes(value)))
    if isinstance(value, int):
        return part._replace(**{name: draw(_other_number(value))})
    return part._replace(**{name: draw(_damaged_nodes(value, tree))})


def _other_number(value: int) -> st.SearchStrategy[int]:
    near = st.integers(-4, 4).map(lambda by: max(0, value + by))
    far = st.sampled_from((0, 2**32, 2**52 - 1, 2**53 - 1))
    return (near | far).filter(lambda other: other != value)


def _damaged_bytes(value: bytes) -> st.SearchStrategy[bytes]:
    return (
        st.just(value + b"\0") | st.just(value[:-1]) | st.just(bytes(len(value)))
    ).filter(lambda other: other != value)


@st.composite
def _damaged_nodes(draw: st.DrawFn, nodes: Sequence[Node], tree: Tree) -> list[Node]:
    changed = list(nodes)
    true = st.sampled_from(sorted(tree.nodes.values()))
    kind = draw(st.sampled_from(("insert", "many", "drop", "swap", "field", "other")))
    if kind == "many":
        return changed + [draw(true)] * 200
    at = draw(st.integers(0, max(0, len(changed) - 1)))
    if kind == "insert" or not changed:
        changed.insert(at, draw(true))
    elif kind == "drop":
        del changed[at]
    elif kind == "swap":
        changed[0], changed[at] = changed[at], changed[0]
    elif kind == "other":
        changed[at] = draw(true)
    else:
        changed[at] = draw(_damaged_node(changed[at]))
    return changed


def _damaged_node(node: Node) -> st.SearchStrategy[Node]:
    flipped = bytes(byte ^ 1 for byte in node.hash)
    return (
        _other_number(node.size).map(lambda size: node._replace(size=size))
        | _other_number(node.index).map(lambda index: node._replace(index=index))
        | st.sampled_from((flipped, bytes(32), b"")).map(
            lambda digest: node._replace(hash=digest)
        )
    )
