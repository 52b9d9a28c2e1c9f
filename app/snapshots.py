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
class DeviceSnapshot:
    """One device of this person."""

    key: str
    name: str
    added_at: int
    """Milliseconds since 1970."""
    online: bool
    me: bool
    """It is this one."""
    revoked: bool
    """Put out of everything, for ever."""


@dataclass(frozen=True, slots=True)
class ReactionSnapshot:
    """One sign under a message."""

    emoji: str
    count: int
    """How many people put it there."""
    mine: bool
    """This person is among them."""


@dataclass(frozen=True, slots=True)
class ResponseSnapshot:
    """What one person put under a message."""

    identity_key: str
    name: str
    """Empty of somebody who is not known here."""
    me: bool
    emojis: tuple[str, ...]
    """Signs, in the order in which they stand under the message."""
    choices: tuple[int, ...]
    """Of a poll: the numbers of what they chose, from 0."""


@dataclass(frozen=True, slots=True)
class PollOptionSnapshot:
    """One answer of a poll."""

    text: str
    count: int
    """How many people chose it."""
    mine: bool
    """This person did."""


@dataclass(frozen=True, slots=True)
class PollSnapshot:
    """What can be chosen, and what was; the question is the message's text."""

    options: tuple[PollOptionSnapshot, ...]
    multiple: bool
    """Several may be chosen."""
    closes_at: int | None
    """When votes end; None for never."""
    voters: int
    """How many people chose something."""


@dataclass(frozen=True, slots=True)
class PreviewSnapshot:
    """What is shown of a message above an answer to it."""

    id: str
    author: str
    author_name: str
    text: str
    """Its beginning; empty when it is deleted, hidden, or for a newer version."""
    deleted: bool = False


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
    """This person wrote it, on whatever device."""
    delivered_to: int = 0
    """How many other devices are known to hold it; of own messages only."""
    reply_to: str | None = None
    edited: bool = False
    deleted: bool = False
    verified: bool = True
    """False while only a member says so: see ``RoomSnapshot.trusted_name``."""
    kind: str = "message"
    """``message``, ``poll``, or ``newer``: only a newer version can read it."""
    pinned: bool = False
    thread: str | None = None
    """Id of the message at the root of the thread it stands in."""
    thread_size: int = 0
    """How many messages hang on this one, counted up to 1,000."""
    thread_last_at: int | None = None
    """When the last of them was sent."""
    reply: PreviewSnapshot | None = None
    """Of the message it answers, if that is known here."""
    mentions: tuple[str, ...] = ()
    """Identity keys of those it calls."""
    mentions_me: bool = False
    reactions: tuple[ReactionSnapshot, ...] = ()
    """The earliest first."""
    poll: PollSnapshot | None = None
    forwarded_from: str | None = None
    """Name of who wrote it first, as whoever forwarded it says."""
    expires_at: int | None = None
    """When it disappears."""


@dataclass(frozen=True, slots=True)
class ScheduledSnapshot:
    """A message that is kept until its time."""

    id: str
    """By which it is cancelled."""
    room: str
    text: str
    send_at: int
    reply_to: str | None = None
    thread: str | None = None
    lifetime_ms: int | None = None
    problem: str = ""
    """Why it could not be sent, as a sentence; then it is not tried again."""


@dataclass(frozen=True, slots=True)
class SharingSnapshot:
    """What this person lets others see."""

    typing: bool
    """That one is writing."""
    presence: bool
    """Whether one is at the computer."""


@dataclass(frozen=True, slots=True)
class DeviceDelivery:
    """One device of a member, and whether it holds a message."""

    device_key: str
    state: str
    """``holds``, ``coming`` (it is connected and gets it now) or ``waiting``: it is not
    known to hold it."""
    me: bool = False
    """It is the device asked."""


@dataclass(frozen=True, slots=True)
class MemberDelivery:
    """One member, and whether a message has arrived there."""

    identity_key: str
    name: str
    me: bool
    holding: int
    """Devices known to hold it."""
    devices: tuple[DeviceDelivery, ...]
    brought_by: tuple[str, ...]
    """Names of others who are online and can bring it, besides this device."""
    waits_for: tuple[str, ...]
    """Names of those who have it, where nobody but this device is online."""
    sentence: str
    """All of that for people."""


@dataclass(frozen=True, slots=True)
class DeliverySnapshot:
    """Which members' devices hold a message."""

    room: str
    id: str
    holding: int
    devices: int
    """Of all members there are now."""
    sentence: str
    members: tuple[MemberDelivery, ...]
    """Those who lack it first."""
    left_out: int = 0
    """Members not told of here, though counted."""


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
    farewell: str = ""
    """How this person came to be out of it, as a sentence; what was here stays."""
    mentions: int = 0
    """Unread messages that call this person."""
    last_message: MessageSnapshot | None = None
    verifying: bool = False
    """The history is being verified: the newest is shown as somebody told it."""
    verified_share: float = 1.0
    """How much of it is verified, from 0 to 1."""
    trusted_name: str = ""
    """Who is believed meanwhile; empty when nobody has told anything."""


@dataclass(frozen=True, slots=True)
class MemberSnapshot:
    """One member of a room."""

    identity_key: str
    name: str
    role: str
    devices: int
    online: bool
    me: bool = False
    presence: str = ""
    """``active`` or ``away`` as they say; empty when they do not say."""
    forked: int = 0
    """Devices of theirs that were shown to have written two histories: what these wrote
    from there on counts for nobody, nor what they write."""


@dataclass(frozen=True, slots=True)
class PersonSnapshot:
    """Somebody who is in a room or banned from it, and what may be done about it."""

    identity_key: str
    name: str
    role: str
    present: bool
    banned: bool
    muted_until: int
    """Milliseconds since 1970; 0 for not muted."""
    may: tuple[str, ...]
    """Of ``role``, ``mute`` and ``remove`` what whoever asks may do to this one."""
    roles: tuple[str, ...]
    """Ranks that whoever asks may give this one, the lowest first."""


@dataclass(frozen=True, slots=True)
class InviteSnapshot:
    """One invite that is open; its link is known to who made it only."""

    key: str
    """By which it is closed."""
    role: str
    expires_at: int | None
    uses: int
    """How many it lets in; 0 for any number."""
    used: int
    approval: bool
    """A person looks at each newcomer."""
    creator: str
    """Identity key of who made it."""
    creator_name: str
    mine: bool
    may_close: bool


@dataclass(frozen=True, slots=True)
class RoomDetails:
    """What somebody who looks after a room needs of it."""

    room: str
    description: str
    retention_ms: int
    """Messages vanish after so long; 0 for never."""
    admits_from: str
    """The lowest rank that may let people in by an invite."""
    role: str
    """Of whoever asks; empty when out of the room."""
    may: tuple[str, ...]
    """Of ``settings``, ``approve``, ``rotate``, ``pin`` and ``delete`` what whoever
    asks may do."""
    invites_as: tuple[str, ...]
    """Ranks as which whoever asks may invite, the lowest first."""
    people: tuple[PersonSnapshot, ...]
    """Who is in it, and who is banned."""
    invites: tuple[InviteSnapshot, ...]
    """Open ones, the newest first."""


@dataclass(frozen=True, slots=True)
class ContactSnapshot:
    """One person whom one writes to directly, who asks to, or who is blocked."""

    identity_key: str
    name: str
    state: str
    """``calling``, ``asking``, ``accepted``, ``declined`` or ``blocked``."""
    greeting: str
    """What they, or this person, said when asking."""
    room: str | None
    """The room of two, once there is one."""
    changed_at: int


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
