"""Read models: what the core tells its clients when they ask.

Frozen plain data; the only values, with :mod:`app.events`, that cross the control
socket. Times are milliseconds since the epoch, keys and ids lower-case hex.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProfileSnapshot:
    """Who this profile is."""

    name: str
    identity_key: str
    device_key: str
    path: str
    """The profile's folder."""
    warning: str = ""
    """What to tell the person about how the profile's key is kept, else empty."""


@dataclass(frozen=True, slots=True)
class MessageSnapshot:
    """One message as every client shows it."""

    id: str
    room: str
    author: str
    """Identity key of the author."""
    author_name: str
    text: str
    sent_at: int
    mine: bool
    delivered_to: int = 0
    """How many other devices have acknowledged that they hold it."""
    reply_to: str | None = None
    edited: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class RequestSnapshot:
    """Somebody who waits for a person to be let into a room."""

    id: str
    """By which it is approved or denied."""
    room: str
    name: str
    """What the newcomer calls itself."""
    identity_key: str
    """The newcomer's, proven."""
    role: str
    """What the invite makes of the newcomer."""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A message that was found."""

    message: MessageSnapshot
    room_name: str
    snippet: str
    """The part of the text to show."""
    ranges: tuple[tuple[int, int], ...]
    """Start and end of what to highlight, as offsets in the snippet; in order."""
    cut_before: bool
    """The text begins before the snippet."""
    cut_after: bool
    """The text goes on behind it."""
    cursor: int
    """Where the same search goes on behind this message."""


@dataclass(frozen=True, slots=True)
class RoomSnapshot:
    """One row of the room list."""

    room: str
    name: str
    kind: str
    """``group`` or ``broadcast``."""
    unread: int
    members: int
    peers: int
    """Devices of this room connected now."""
    can_write: bool = True
    mentions: int = 0
    """Unread messages that call this person."""
    last_message: MessageSnapshot | None = None


@dataclass(frozen=True, slots=True)
class MemberSnapshot:
    """One member of a room."""

    identity_key: str
    name: str
    role: str
    devices: int
    online: bool
    me: bool = False


@dataclass(frozen=True, slots=True)
class PeerSnapshot:
    """One connection of the core, as the network view shows it."""

    public_key: str
    name: str
    path: str
    """``direct``, ``lan`` or ``relayed``."""
    remote_address: str
    rtt_ms: float | None
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True)
class NetworkSnapshot:
    """The truth about the connection to the network."""

    state: str
    """``starting``, ``searching``, ``online`` (DHT reached), ``offline``."""
    nodes: int
    """Nodes in the routing table."""
    firewall: str
    """``unknown``, ``open``, ``consistent`` or ``random``."""
    public_address: str | None
    peers: tuple[PeerSnapshot, ...] = ()
    sentence: str = ""
    """What to tell a person when something is wrong, else empty."""
