"""What a replication session needs to know, and what it wants done.

Plain values between ``app/rooms/replication.py``, which makes them, and
``app/rooms/links.py``, which carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.identity import Proof
from app.rooms.messages import Want
from net.crypto import KeyPair


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message on the channel."""

    kind: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ReadEntries:
    """Read entries and give them to ``entries_read``."""

    want: Want


@dataclass(frozen=True, slots=True)
class StoreEntries:
    """Verify and store entries; tell all sessions, and this one ``put_done``."""

    writer: bytes
    start: int
    entries: tuple[bytes, ...]
    asked: bool
    """They answer a want of this session."""


@dataclass(frozen=True, slots=True)
class Proven:
    """The peer proved the room key and this device of this identity."""

    device: bytes
    identity: bytes


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The peer's device holds so much of this device's log."""

    device: bytes
    length: int


@dataclass(frozen=True, slots=True)
class Released:
    """This session asks for a log no more: let the others of the room ask."""

    writer: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over; close the channel."""

    reason: str
    fault: bool
    """The peer broke the protocol."""


Effect = Send | ReadEntries | StoreEntries | Proven | Acknowledged | Released | Ended


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
