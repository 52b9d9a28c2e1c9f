"""Blocks of a Hyperbee: the header, and entries with the tree nodes they changed.

    header   1 bytes protocol ("hyperbee"), 2 message { 1 bytes content feed,
             2 bytes user data }
    block    1 bytes index, 2 bytes key, 3 bytes value (absent: none)
    index    1 message level, repeated
    level    1 packed varints: the blocks whose keys stand in the node
             2 packed varints: pairs of block and level, one for each child

Level 0 of the last block is the root. What is not needed is not decoded: a block may
hold many levels and a reader wants one. Whether a node makes sense is checked when it
is visited, because a batch may leave levels behind that nobody refers to any more.

Follows npm hyperbee 2.27.3 ``lib/messages.js``.
"""

from __future__ import annotations

from array import array
from typing import Any

from store.errors import RemoteProtocolError
from store.hyperbee.protobuf import (
    BYTES,
    field,
    packed,
    read_fields,
    read_packed,
    varint,
)
from store.hyperbee.records import Header, Metadata

PROTOCOL = "hyperbee"

MAX_KEYS = 8
"""In one node."""

MAX_LEVELS = 16_384
"""Changed nodes in one block. A path has a dozen; batches with refused writes more."""

MAX_KEPT_NODES = 64
"""Decoded nodes that one block keeps."""

BLOCK_COST_BYTES = 700
"""What a decoded block takes beyond its bytes, its nodes included; an estimate."""

MAX_HEADER_BYTES = 65_536


class Child:
    """A pointer to a node.

    Attributes:
        seq: The block that holds the node.
        level: Which of the block's nodes it is.
        node: The node itself where it is being changed; readers leave it None.
    """

    __slots__ = ("level", "node", "seq")

    def __init__(self, seq: int, level: int, node: Node | None = None) -> None:
        self.seq = seq
        self.level = level
        self.node = node


class Node:
    """A node of the tree: up to eight keys and, unless it is a leaf, a child more.

    Attributes:
        seqs: The blocks that hold the entries.
        keys: Their keys as far as they are known, else None. (Typed loosely, so that
            ``bisect`` may be asked: it fails with TypeError on an unknown one.)
        children: Empty in a leaf.
        changed: Whether the next block has to hold it.
    """

    __slots__ = ("changed", "children", "keys", "seqs")

    def __init__(self, seqs: list[int], keys: list[Any], children: list[Child]) -> None:
        self.seqs = seqs
        self.keys = keys
        self.children = children
        self.changed = False

    def copy(self) -> Node:
        """A node that may be changed without the cached one changing."""
        children = [Child(child.seq, child.level) for child in self.children]
        return Node(self.seqs.copy(), self.keys.copy(), children)


class Block:
    """A decoded block.

    Attributes:
        seq: Its number.
        key: The encoded key.
        value: The encoded value; None when none is stored.
        cost_bytes: Memory it takes, roughly.
    """

    __slots__ = ("_index", "_nodes", "_spans", "cost_bytes", "key", "seq", "value")

    def __init__(
        self, seq: int, key: bytes, value: bytes | None, index: bytes = b""
    ) -> None:
        self.seq = seq
        self.key = key
        self.value = value
        self._index = index
        self._spans: array[int] | None = None
        self._nodes: dict[int, Node] = {}
        size = len(index) + len(key) + (len(value) if value else 0)
        self.cost_bytes = size + BLOCK_COST_BYTES

    @property
    def level_count(self) -> int:
        """How many nodes it holds."""
        return len(self._levels()) // 2

    def numbers(self, level: int) -> tuple[list[int], list[int]]:
        """A node as it is stored: its keys' blocks, and pairs of block and level.

        Raises:
            RemoteProtocolError: There is no such level, or it is malformed.
        """
        spans = self._levels()
        if 2 * level >= len(spans):
            raise RemoteProtocolError("a pointer names a node that is not there")
        seqs: list[int] = []
        pairs: list[int] = []
        data = self._index
        for number, kind, start, end in read_fields(
            data, spans[2 * level], spans[2 * level + 1]
        ):
            if number == 1 or number == 2:
                if kind != BYTES:
                    raise RemoteProtocolError("a node's list is not packed")
                target, limit = (seqs, MAX_KEYS) if number == 1 else (pairs, _MAX_PAIRS)
                target += read_packed(data, start, end, limit - len(target))
        return seqs, pairs

    def node(self, level: int) -> Node:
        """A node, checked as far as one block tells; shared, so never change it.

        Raises:
            RemoteProtocolError: It cannot be part of a tree.
        """
        node = self._nodes.get(level)
        if node is None:
            if len(self._nodes) >= MAX_KEPT_NODES:
                self._nodes.clear()
            node = self._nodes[level] = self._make_node(level)
        return node

    def is_deletion(self) -> bool:
        """Tells a deleted key from one that was put without a value.

        Raises:
            RemoteProtocolError: The index is malformed.
        """
        if self.value is not None:
            return False
        levels = range(self.level_count)
        return not any(self.seq in self.numbers(level)[0] for level in levels)

    def _make_node(self, level: int) -> Node:
        seqs, pairs = self.numbers(level)
        own = self.seq
        if len(pairs) not in (0, 2 * len(seqs) + 2) or (pairs and not seqs):
            raise RemoteProtocolError("a node's children do not fit its keys")
        # Blocks refer to themselves and to older ones; the header is no entry.
        if seqs and not 0 < min(seqs) <= max(seqs) <= own:
            raise RemoteProtocolError("a key's pointer leads out of the log")
        children = [Child(pairs[i], pairs[i + 1]) for i in range(0, len(pairs), 2)]
        for child in children:
            if not 0 < child.seq <= own or (child.seq == own and child.level == level):
                raise RemoteProtocolError("a child's pointer leads nowhere")
        keys = [self.key if seq == own else None for seq in seqs]
        return Node(seqs, keys, children)

    def _levels(self) -> array[int]:
        """Start and end of each level in the index."""
        if self._spans is None:
            spans = array("I")
            for number, kind, start, end in read_fields(
                self._index, 0, len(self._index)
            ):
                if number == 1 and kind == BYTES:
                    spans.append(start)
                    spans.append(end)
                    if len(spans) > 2 * MAX_LEVELS:
                        raise RemoteProtocolError(
                            "a block has too many nodes", code="too-large"
                        )
                elif number == 1:
                    raise RemoteProtocolError("a node is not a message")
            self._spans = spans
        return self._spans


_MAX_PAIRS = 2 * (MAX_KEYS + 1)


def decode_block(seq: int, data: bytes) -> Block:
    """Decodes an entry's block; its nodes when they are asked for.

    Raises:
        RemoteProtocolError: It is malformed, or lacks key or index.
    """
    index: bytes | None = None
    key: bytes | None = None
    value: bytes | None = None
    for number, kind, start, end in read_fields(data, 0, len(data)):
        if 1 <= number <= 3:
            if kind != BYTES:
                raise RemoteProtocolError("a block's field is not bytes")
            if number == 1:
                index = data[start:end]
            elif number == 2:
                key = data[start:end]
            else:
                value = data[start:end]
    if index is None or key is None:
        raise RemoteProtocolError("a block lacks its key or its index")
    return Block(seq, key, value, index)


def encode_block(key: bytes, value: bytes | None, nodes: list[Node]) -> bytes:
    """Encodes an entry with the nodes it holds, level 0 first."""
    index = b"".join([_encode_level(node) for node in nodes])
    parts = [b"\x0a", varint(len(index)), index, b"\x12", varint(len(key)), key]
    if value is not None:
        parts += (b"\x1a", varint(len(value)), value)
    return b"".join(parts)


def _encode_level(node: Node) -> bytes:
    body = b""
    if node.seqs:
        keys = packed(node.seqs)
        body = b"\x0a" + varint(len(keys)) + keys
    if node.children:
        pairs = b"".join(
            [varint(child.seq) + varint(child.level) for child in node.children]
        )
        body += b"\x12" + varint(len(pairs)) + pairs
    return b"\x0a" + varint(len(body)) + body


def encode_header(metadata: Metadata | None) -> bytes:
    """Encodes the first block."""
    out = field(1, PROTOCOL.encode())
    if metadata is None:
        return out
    inner = b""
    if metadata.content_feed is not None:
        inner += field(1, metadata.content_feed)
    if metadata.user_data is not None:
        inner += field(2, metadata.user_data)
    return out + field(2, inner)


def decode_header(data: bytes) -> Header:
    """Decodes the first block of a log; any protocol's that begins like ours.

    Raises:
        RemoteProtocolError: It is malformed, too large or names no protocol.
    """
    if len(data) > MAX_HEADER_BYTES:
        raise RemoteProtocolError("the header is too large", code="too-large")
    protocol: str | None = None
    metadata: Metadata | None = None
    for number, kind, start, end in read_fields(data, 0, len(data)):
        if number not in (1, 2):
            continue
        if kind != BYTES:
            raise RemoteProtocolError("a header's field is not bytes")
        if number == 2:
            metadata = _decode_metadata(data, start, end)
            continue
        try:
            protocol = data[start:end].decode()
        except UnicodeDecodeError as error:
            raise RemoteProtocolError("the protocol's name is not text") from error
    if protocol is None:
        raise RemoteProtocolError("the header names no protocol")
    return Header(protocol, metadata)


def _decode_metadata(data: bytes, at: int, end: int) -> Metadata:
    found: dict[int, bytes] = {}
    for number, kind, start, stop in read_fields(data, at, end):
        if number in (1, 2):
            if kind != BYTES:
                raise RemoteProtocolError("a header's field is not bytes")
            found[number] = data[start:stop]
    return Metadata(found.get(1), found.get(2))
