"""What the acts made of a room up to one place, in values that can be taken back.

Every record is frozen and replaced, never changed; what a table held before goes to
the journal, so that the acts behind a place are undone in the time they took.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from app.rooms.operations.acts import Invite
from app.rooms.roles import Kind, Role, may_write
from store.autobase import Place

BEGINNING: Final = Place(0, b"", 0)
"""Before every entry."""
Host = tuple[bytes, int]
"""Writer and sequence of an entry by which somebody was let in or raised."""


@dataclass(frozen=True, slots=True)
class Rank:
    """A rank somebody got."""

    since: Place
    role: Role
    cuts: Mapping[bytes, int]
    """How much of each device's log was written before."""
    fresh: bool = False
    """It came with being let in: what was before does not matter."""


@dataclass(frozen=True, slots=True)
class Muting:
    """Somebody was muted, or let speak again."""

    since: Place
    until_ms: int
    """0 for being let speak again."""
    cuts: Mapping[bytes, int]


@dataclass(frozen=True, slots=True)
class Member:
    """One person who is or was in the room.

    Attributes:
        devices: Those that are in, resting ones too.
        known: All that ever were.
        joined: Where this stay of the person began; breaks ties of seniority.
        barred: Where somebody else removed this person last: older invites do not hold.
        banned: Where the ban stands that holds, if any.
        left: Where the last stay ended, and ``left_ms`` when.
        pictured: The profile's act that brought the picture.
    """

    identity: bytes
    name: str
    role: Role
    devices: tuple[bytes, ...]
    known: tuple[bytes, ...]
    joined: Place
    ranks: tuple[Rank, ...]
    mutes: tuple[Muting, ...] = ()
    present: bool = True
    barred: Place | None = None
    banned: Place | None = None
    left: Place | None = None
    left_ms: int = 0
    picture_hash: bytes | None = None
    pictured: Place | None = None


class Tenure(NamedTuple):
    """A while during which a device's entries count."""

    start: Place
    host: Host | None
    """The entry that let it in; None for the founder's first."""
    end: Place | None = None
    """Where an act ended it."""


class End(NamedTuple):
    """An act that ended a log: what stands earlier and beyond the length is void."""

    place: Place
    length: int


@dataclass(frozen=True, slots=True)
class Device:
    """One device that was let in.

    ``ends`` rises in places and in lengths: of two, a later one that leaves less says
    all that the earlier one did.
    """

    identity: bytes
    tenures: tuple[Tenure, ...]
    ends: tuple[End, ...] = ()
    resting: bool = False
    light: bool = False
    """It was put to rest by a junior: what it did to others unheard still counts."""
    revoked: bool = False

    @property
    def inside(self) -> bool:
        """True while it belongs to the room, resting or not."""
        return self.resting or self.tenures[-1].end is None

    def limit(self, place: Place) -> int | None:
        """The length of the log as far as it stands before a place; None: no end."""
        return next((end.length for end in self.ends if end.place > place), None)

    def ended(self, place: Place, length: int) -> tuple[End, ...]:
        """The ends with one more."""
        kept = [end for end in self.ends if end.length < length]
        return (*kept, End(place, length))


@dataclass(frozen=True, slots=True)
class InviteState:
    """One invite and how many came by it."""

    invite: Invite
    creator: bytes
    since: Place
    use_count: int = 0
    closed: bool = False
    """By an act; it is closed as well when its creator is out."""
    touched_ms: int = 0
    """When it was used last or closed, as who did that says."""

    @property
    def used_up(self) -> bool:
        """True when as many came as it lets in."""
        return 0 < self.invite.uses <= self.use_count


@dataclass(frozen=True, slots=True)
class Epoch:
    """A turn of the room's key."""

    id: bytes
    place: Place
    devices: tuple[bytes, ...]
    """Those that its key was sealed to."""


@dataclass(frozen=True, slots=True)
class Room:
    """What holds for the room as a whole."""

    kind: Kind = Kind.GROUP
    name: str = ""
    description: str = ""
    retention_ms: int = 0
    admits_from: Role = Role.READER
    founded: bool = False
    present_count: int = 0
    writer_count: int = 0
    """Devices that are in and may write messages."""
    epoch: Epoch | None = None


Undo = list[tuple[dict[Any, Any], Any, Any]]
_MISSING: Final = object()


class State:
    """Tables of a room, and a journal of what they held before."""

    def __init__(self, founder: bytes) -> None:
        """Begin with nothing but the founder's device.

        Args:
            founder: Device key, bound by the room's id.
        """
        self.founder = founder
        self.members: dict[bytes, Member] = {}
        self.devices: dict[bytes, Device] = {
            founder: Device(b"", (Tenure(BEGINNING, None),))
        }
        self.invites: dict[bytes, InviteState] = {}
        self.admitted: dict[tuple[bytes, bytes], Place] = {}
        """By invite and device."""
        self.epochs: dict[bytes, Place] = {}
        self._room: dict[None, Room] = {None: Room()}
        self._undo: Undo = []

    @property
    def room(self) -> Room:
        """What holds for the room as a whole."""
        return self._room[None]

    def put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        """Replace a record of one of the tables."""
        self._undo.append((table, key, table.get(key, _MISSING)))
        table[key] = value

    def put_room(self, room: Room) -> None:
        """Replace what holds for the room as a whole."""
        self.put(self._room, None, room)

    def take_undo(self) -> Undo:
        """What undoes everything that was put since last asked."""
        undo, self._undo = self._undo, []
        return undo

    @staticmethod
    def undo(undo: Undo) -> None:
        """Bring back what the tables held before."""
        for table, key, value in reversed(undo):
            if value is _MISSING:
                del table[key]
            else:
                table[key] = value

    def owner_of(self, device: bytes) -> Member | None:
        """The person a device belongs to, present or not."""
        state = self.devices.get(device)
        return None if state is None else self.members.get(state.identity)

    def writes(self, role: Role) -> bool:
        """True when a member of this rank may write messages here."""
        return may_write(self.room.kind, role)


def rank_of(ranks: tuple[Rank, ...], knows: Callable[[Rank], bool]) -> Role | None:
    """The rank by which somebody is judged who may not know of all of it.

    Lower ranks hold at once, higher ones for who had seen that they were given.

    Args:
        ranks: In order, up to the place that is judged.
        knows: Whether the judged entry had seen one of them.
    """
    role: Role | None = None
    for rank in ranks:
        if rank.fresh or role is None or rank.role <= role or knows(rank):
            role = rank.role
    return role
