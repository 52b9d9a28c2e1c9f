"""What happens to a hypercore, as values: events, and answers about its state.

Follows npm hypercore 11.37.1's events, as frozen values of an async iterator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Appended:
    """The log has grown, here or by an upgrade from a peer; what ``append`` returns."""

    length: int
    """Blocks afterwards."""
    byte_length: int
    """Bytes afterwards, without padding."""


@dataclass(frozen=True, slots=True)
class Truncated:
    """The log's end was cut off, here or by following a peer's fork."""

    length: int
    """Blocks that stayed."""
    fork: int


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A block came from a peer and is stored."""

    index: int
    byte_length: int
    """Stored bytes."""
    peer: bytes | None
    """The peer's public key."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A block went to a peer."""

    index: int
    byte_length: int
    """Stored bytes."""
    peer: bytes | None
    """The peer's public key."""


@dataclass(frozen=True, slots=True)
class PeerAdded:
    """A peer replicates this log with us."""

    peer: bytes
    """Its public key."""


@dataclass(frozen=True, slots=True)
class PeerRemoved:
    """A peer does not replicate this log with us any more."""

    peer: bytes
    """Its public key."""


@dataclass(frozen=True, slots=True)
class VerificationFailed:
    """Something was not what the tree says; it is not kept, and never served."""

    code: str
    """Why; ``block-damaged`` and ``node-damaged`` are of our own disk."""
    peer: bytes | None = None
    """Whose; None for our own disk."""
    index: int | None = None
    """The block or node, if of our own disk."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """Blocks were dropped here."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ForkRefused:
    """A peer has a signed tree of a higher fork, and this core follows none."""

    fork: int
    length: int
    """Blocks of that tree."""
    evidence: bytes
    """What proves it to others."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two signed trees of this log contradict each other: it takes nothing more."""

    length: int
    fork: int
    evidence: bytes
    """What proves it to others."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The last event: the session is closed."""

    code: str | None
    """Why, when nobody asked for it."""


CoreEvent: TypeAlias = (
    Appended
    | Truncated
    | Downloaded
    | Uploaded
    | PeerAdded
    | PeerRemoved
    | VerificationFailed
    | Cleared
    | ForkRefused
    | Conflict
    | Closed
)


@dataclass(frozen=True, slots=True)
class CoreInfo:
    """What can be told of a core and its place on the disk."""

    key: bytes
    discovery_key: bytes
    length: int
    contiguous_length: int
    byte_length: int
    """Without padding."""
    fork: int
    padding: int
    """Bytes of each stored block that are not content."""
    stored_blocks: int
    stored_bytes: int
    """Of blocks kept in the database."""
    stored_nodes: int
    damaged_blocks: int
    """Found since this core was opened."""
    peer_count: int
