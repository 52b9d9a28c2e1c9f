"""What a node tells its owner; all in the past tense, all frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Ready:
    """The first lookup for our own place is over; the table is filled if it can be."""


@dataclass(frozen=True, slots=True)
class Persistent:
    """Others can reach us: from now on we send our id and enter their tables."""


@dataclass(frozen=True, slots=True)
class BecameEphemeral:
    """After a sleep we no longer know whether others reach us, and send no id."""


@dataclass(frozen=True, slots=True)
class NatUpdated:
    """What others say our public address is has changed."""

    host: str | None
    """The host they agree on, or None."""
    port: int
    """The port they agree on, or 0."""


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """The interfaces of this machine changed, the rim says."""


@dataclass(frozen=True, slots=True)
class NetworkUpdated:
    """The verdict on the network changed."""

    online: bool
    """Somebody answers."""
    degraded: bool
    """Most requests time out."""


@dataclass(frozen=True, slots=True)
class WokeUp:
    """The clock jumped: the machine slept, and what we know may be old."""


@dataclass(frozen=True, slots=True)
class Suspended:
    """Nothing is sent or taken any more until the node is resumed."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The node works again, with sockets the rim has bound anew."""


@dataclass(frozen=True, slots=True)
class Destroyed:
    """The node has ended for good."""


RpcEvent: TypeAlias = (
    Ready
    | Persistent
    | BecameEphemeral
    | NatUpdated
    | NetworkChanged
    | NetworkUpdated
    | WokeUp
    | Suspended
    | Resumed
    | Destroyed
)
