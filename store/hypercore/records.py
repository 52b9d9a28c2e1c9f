"""The values that the parts of a hypercore hand to each other.

Trees, proofs, storage and replication meet in these. The ones that are made for every
block are named tuples, because they are made by the ten thousand a second. Follows npm
hypercore 11.37.1; sizes are bytes, hashes BLAKE2b-256.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

MAX_BLOCK_BYTES = 15 * 1024 * 1024
"""A stored block, padding included; upstream's writers refuse more."""


# Fields named ``index`` hide a method of tuples that nobody needs here.
class Node(NamedTuple):
    """A node of a Merkle tree in flat numbering."""

    index: int  # type: ignore[assignment]
    """``2 * i`` is the leaf of block ``i``."""
    size: int
    """Stored bytes below it."""
    hash: bytes


class BlockRequest(NamedTuple):
    """Asks for a block, or for a hash (then ``index`` is a node's)."""

    index: int  # type: ignore[assignment]
    nodes: int
    """Levels of the path, from the bottom, that the asker lacks."""


class SeekRequest(NamedTuple):
    """Asks which block holds a byte."""

    bytes: int
    padding: int
    """Bytes of each block that do not count."""


class UpgradeRequest(NamedTuple):
    """Asks for a longer tree."""

    start: int
    """The asker's length in blocks."""
    length: int
    """Blocks beyond it."""


class Request(NamedTuple):
    """What one side wants to have proven; any parts together."""

    fork: int
    block: BlockRequest | None = None
    hash: BlockRequest | None = None
    seek: SeekRequest | None = None
    upgrade: UpgradeRequest | None = None
    manifest: bool = False


class BlockProof(NamedTuple):
    """A block and the siblings on its path."""

    index: int  # type: ignore[assignment]
    value: bytes
    nodes: Sequence[Node]


class HashProof(NamedTuple):
    """A node and the siblings on its path."""

    index: int  # type: ignore[assignment]
    nodes: Sequence[Node]


class SeekProof(NamedTuple):
    """The node that covers a byte, and the siblings on its path."""

    bytes: int
    nodes: Sequence[Node]


class UpgradeProof(NamedTuple):
    """The roots that lead from one length to another, signed."""

    start: int
    length: int
    nodes: Sequence[Node]
    additional_nodes: Sequence[Node]
    signature: bytes


class Proof(NamedTuple):
    """The answer to a ``Request``."""

    fork: int
    block: BlockProof | None = None
    hash: HashProof | None = None
    seek: SeekProof | None = None
    upgrade: UpgradeProof | None = None
    manifest: bytes | None = None
    """The encoded manifest."""


@dataclass(frozen=True, slots=True)
class Head:
    """A signed state of a tree."""

    fork: int = 0
    length: int = 0
    """Blocks."""
    byte_length: int = 0
    roots: tuple[Node, ...] = ()
    signature: bytes = b""
    """The stored signature field; empty for a tree nobody signed yet."""

    @property
    def is_whole(self) -> bool:
        """False for a tree of which only the length is known: it has to be repaired."""
        return bool(self.roots) or not self.length


class NodeSource(Protocol):
    """Where a tree's nodes come from."""

    def node(self, index: int, /) -> Node | None:
        """The stored node, or None when it is not stored.

        Raises:
            NotInMemoryError: It is stored but has to be loaded first: load what the
                error names and ask again.
        """
        ...


class NotInMemoryError(Exception):
    """A node is on the disk only; whoever may wait loads it and tries again.

    Attributes:
        index: The node's.
    """

    def __init__(self, index: int) -> None:
        super().__init__(f"node {index} is not in memory")
        self.index = index


@dataclass(frozen=True, slots=True)
class Change:
    """What one verified step does to a core: committed whole or not at all."""

    base: Head
    """The tip it was made on."""
    head: Head
    """The tip afterwards; the same object when only blocks or nodes were added."""
    nodes: Sequence[Node] = ()
    blocks: Mapping[int, bytes] = field(default_factory=dict)
    """Stored bytes by index."""
    truncated_to: int | None = None
    """Blocks and nodes from this length on are dropped first."""
    cleared: tuple[int, int] | None = None
    """Blocks that are dropped while the tree stays, the end not included."""
    keeps_hashes: bool = False
    """The hashes below stay, too, though they prove nothing that is here."""
