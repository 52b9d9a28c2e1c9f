"""What a replication session needs to know, and what it wants done.

Plain values between ``app/rooms/replication.py``, which makes them, and
``app/rooms/links.py``, which carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.identity import Proof
from app.rooms.messages import SignedHead
from net.crypto import KeyPair


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message on the channel."""

    kind: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Attach:
    """Open the channel of a log, or answer the peer that opened it."""

    writer: bytes
    upload: bool
    """The peer may be served; else it is only asked, as nothing is here to serve."""


@dataclass(frozen=True, slots=True)
class Detach:
    """Close the channel of a log."""

    writer: bytes


@dataclass(frozen=True, slots=True)
class Visit:
    """Fetch the end of a log from a stranger, apart from what is here.

    It learns nothing of the log here from that. What continues the log is kept; then,
    or when there is nothing, ``visit_over`` is told.
    """

    writer: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class StopVisit:
    """End the visit under way; ``visit_over`` is not told."""


@dataclass(frozen=True, slots=True)
class ShowHead:
    """Read how far a log is signed here and give it to ``show``."""

    writer: bytes


@dataclass(frozen=True, slots=True)
class CheckSigned:
    """Hold a signed head of the peer against the log here."""

    head: SignedHead


@dataclass(frozen=True, slots=True)
class Proven:
    """The peer proved the room key and this device of this identity."""

    device: bytes
    identity: bytes
    rooted: bool = False
    """The identity's own key attested the device, not another device."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The peer's device holds so much of this device's log."""

    device: bytes
    length: int


@dataclass(frozen=True, slots=True)
class FindRemoval:
    """Find what shows that the peer's device is out, and give it to ``part``."""

    device: bytes


@dataclass(frozen=True, slots=True)
class RemovalTold:
    """The peer shows that this device is out (``app/rooms/removals.py``)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Released:
    """This session fetches a log no more: let the others of the room fetch it."""

    writer: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over; close its channel and those of all logs."""

    reason: str
    fault: bool
    """The peer broke the protocol."""


Effect = (
    Send
    | Attach
    | Detach
    | Visit
    | StopVisit
    | ShowHead
    | CheckSigned
    | Proven
    | Acknowledged
    | FindRemoval
    | RemovalTold
    | Released
    | Ended
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a session needs to know of room, profile and connection."""

    room: bytes
    room_key: bytes
    handshake_hash: bytes
    is_initiator: bool
    device: KeyPair
    proof: Proof
    """Attests the own device."""
