"""What the core tells its clients unasked: past tense, frozen, plain data."""

from __future__ import annotations

from dataclasses import dataclass

from app.snapshots import MessageSnapshot, NetworkSnapshot, RoomSnapshot


@dataclass(frozen=True, slots=True)
class RoomChanged:
    """A room was added, renamed, read, or its members or peers changed."""

    room: RoomSnapshot


@dataclass(frozen=True, slots=True)
class RoomLeft:
    """A room is no longer part of this profile."""

    room: str


@dataclass(frozen=True, slots=True)
class MessageStored:
    """A message, own or received, is durably here; may repeat after a reconnect."""

    message: MessageSnapshot


@dataclass(frozen=True, slots=True)
class MessagesChanged:
    """Messages look different: edited, deleted, hidden, pinned, reacted to."""

    room: str
    ids: tuple[str, ...]
    """Of those concerned; when there are very many, only some."""


@dataclass(frozen=True, slots=True)
class HistoryDoubted:
    """What a member showed of a room's history was not true; it is shown no more."""

    room: str
    member: str
    """Identity key of who showed it."""
    name: str
    """The same person's name."""
    count: int
    """How many messages."""
    sentence: str
    """For a person."""


@dataclass(frozen=True, slots=True)
class MessageDelivered:
    """More devices than before acknowledged that they hold an own message."""

    room: str
    id: str
    delivered_to: int


@dataclass(frozen=True, slots=True)
class TypingChanged:
    """Somebody in a room writes just now, or does not any more."""

    room: str
    identity_key: str
    name: str
    typing: bool


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    """Somebody in a room says to be there, or away, or says nothing any more."""

    room: str
    identity_key: str
    presence: str
    """``active``, ``away`` or empty."""


@dataclass(frozen=True, slots=True)
class ScheduledChanged:
    """What waits for its time in a room changed: added, said, cancelled or failed."""

    room: str


@dataclass(frozen=True, slots=True)
class MembersChanged:
    """The member list of a room, or who of it is online, changed."""

    room: str


@dataclass(frozen=True, slots=True)
class RestEnded:
    """This device was away for so long that the others went on without it; it is back.

    What it wrote meanwhile counts for nobody, and was written again.
    """

    room: str
    said_again: int
    """Messages, edits, reactions and so on."""
    lost: int
    """Changes of the room or its members that were not repeated."""
    sentence: str
    """All of that for people."""


@dataclass(frozen=True, slots=True)
class DeviceForked:
    """A device was shown to have two histories: its log ends where they part."""

    room: str
    identity_key: str
    """Whose device it is."""
    name: str
    me: bool
    """It is this device itself: it writes here no more."""
    rewritten: bool
    """Something that was shown counts for nobody: what stands in the room is other
    messages than before."""
    sentence: str
    """All of that for people."""


@dataclass(frozen=True, slots=True)
class RequestsChanged:
    """Others wait to be let into a room by a person than before."""

    room: str


@dataclass(frozen=True, slots=True)
class ApprovalAwaited:
    """This profile asked to be let into a room, and a person there has to decide."""

    room: str


@dataclass(frozen=True, slots=True)
class ContactsChanged:
    """Somebody asks to write directly, or what is known of a contact changed."""


@dataclass(frozen=True, slots=True)
class DevicesChanged:
    """This person's devices, or who of them is online, changed: see ``devices``."""


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """The state of the connection to the network changed."""

    network: NetworkSnapshot


@dataclass(frozen=True, slots=True)
class CoreStopped:
    """The core ended; nothing more comes on this connection."""

    sentence: str


Event = (
    RoomChanged
    | RoomLeft
    | MessageStored
    | MessagesChanged
    | HistoryDoubted
    | MessageDelivered
    | ScheduledChanged
    | TypingChanged
    | PresenceChanged
    | MembersChanged
    | RestEnded
    | DeviceForked
    | RequestsChanged
    | ApprovalAwaited
    | ContactsChanged
    | DevicesChanged
    | NetworkChanged
    | CoreStopped
)
