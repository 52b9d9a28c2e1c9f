"""What members tell each other of logs with two histories: the bytes.

On the channel of ``app/rooms/asides.py``::

    10 Fork     fixed32 writer | buffer proof (store/hypercore/fork_proof.py)
    11 AskTree  fixed32 writer | array uint index of a node; none for the roots
    12 Tree     fixed32 writer | uint length | buffer signature field
                | array (uint index, uint size, fixed32 hash)

``Fork`` is what everybody passes on. The other two find out where the histories part
when two hold one each: ``Tree`` tells which tree its sender has, and of the nodes that
were asked for those that it knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError
from store.hypercore.fork_proof import (
    MAX_BRANCH_SIGNATURE_BYTES,
    MAX_FORK_PROOF_BYTES,
)
from store.hypercore.records import Node
from store.hypercore.told_history import MAX_ASKED_NODES

FORK: Final = 10
ASK_TREE: Final = 11
TREE: Final = 12

_KEY_BYTES: Final = 32
_HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Fork:
    """A log has two histories."""

    writer: bytes
    proof: bytes

    def encode(self) -> bytes:
        """The bytes; see the module."""
        return Writer().fixed(self.writer, _KEY_BYTES).buffer(self.proof).finish()


@dataclass(frozen=True, slots=True)
class AskTree:
    """Asks for nodes of somebody's tree of a log."""

    writer: bytes
    indexes: tuple[int, ...] = ()
    """At most ``MAX_ASKED_NODES``; none for the roots."""

    def encode(self) -> bytes:
        """The bytes; see the module."""
        out = Writer().fixed(self.writer, _KEY_BYTES)
        out.array(self.indexes, lambda item, index: item.uint(index))
        return out.finish()


@dataclass(frozen=True, slots=True)
class Tree:
    """Nodes of the sender's tree of a log."""

    writer: bytes
    length: int
    """Blocks."""
    signature: bytes
    """The signature field of the tree of that length."""
    nodes: tuple[Node, ...]

    def encode(self) -> bytes:
        """The bytes; see the module."""
        out = Writer().fixed(self.writer, _KEY_BYTES).uint(self.length)
        out.buffer(self.signature).array(self.nodes, _write_node)
        return out.finish()


def decode_fork(data: bytes) -> Fork:
    """Raises ``RemoteProtocolError`` when it is malformed."""
    reader = Reader(data)
    fork = Fork(reader.fixed(_KEY_BYTES), reader.buffer(max_bytes=MAX_FORK_PROOF_BYTES))
    _end(reader)
    return fork


def decode_ask_tree(data: bytes) -> AskTree:
    """Raises ``RemoteProtocolError`` when it is malformed."""
    reader = Reader(data)
    writer = reader.fixed(_KEY_BYTES)
    indexes = reader.array(lambda item: item.uint(), max_count=MAX_ASKED_NODES)
    _end(reader)
    return AskTree(writer, tuple(indexes))


def decode_tree(data: bytes) -> Tree:
    """Raises ``RemoteProtocolError`` when it is malformed."""
    reader = Reader(data)
    writer, length = reader.fixed(_KEY_BYTES), reader.uint()
    signature = reader.buffer(max_bytes=MAX_BRANCH_SIGNATURE_BYTES)
    nodes = reader.array(_read_node, max_count=MAX_ASKED_NODES)
    _end(reader)
    return Tree(writer, length, signature, tuple(nodes))


def _write_node(out: Writer, node: Node) -> object:
    return out.uint(node.index).uint(node.size).fixed(node.hash, _HASH_BYTES)


def _read_node(reader: Reader) -> Node:
    return Node(reader.uint(), reader.uint(), reader.fixed(_HASH_BYTES))


def _end(reader: Reader) -> None:
    if reader.remaining:
        raise RemoteProtocolError("bytes behind a message", code="too-long")
