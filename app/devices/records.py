"""What the devices of one person tell each other, as entries of the personal room.

A record says one thing about one subject; what is effective is the last one by place
among those that count, except that what was read is never unread again. The engine of
rooms keeps records as it keeps whatever it does not read itself::

    operation 96   uint sort | by sort

    1 Device    fixed32 device, buffer identity proof, string name, uint added at (ms)
    2 Room      fixed32 room, uint flags (1: left), [fixed32 room key, fixed32 founder,
                uint kind, string name]
    3 Read      fixed32 room, uint clock, fixed32 writer, uint sequence
    4 Contact   fixed32 identity, uint flags (1: removed), string name
    5 Block     fixed32 identity, uint flags (1: blocked)
    6 Setting   string name, buffer value

Sorts that this version does not know mean nothing to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from app.identity import MAX_PROOF_BYTES, Proof, decode_proof
from app.rooms.operations import MAX_NAME_BYTES, Unknown, read_name
from app.rooms.roles import Kind
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError
from store.autobase import Place

K = TypeVar("K")
V = TypeVar("V")

RECORD = 96
"""Number of the operation."""
MAX_SETTING_BYTES = 64 * 1024
MAX_SUBJECTS = 20_000
"""Things that are known; further ones are left out."""


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A device of this person."""

    device: bytes
    proof: Proof
    name: str
    added_ms: int


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """A room this person is in."""

    room: bytes
    key: bytes = field(repr=False)
    founder: bytes
    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class RoomLeftRecord:
    """A room this person left."""

    room: bytes


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """How far a room was read."""

    room: bytes
    place: Place


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """Somebody this person keeps in mind, or does no more."""

    identity: bytes
    name: str
    removed: bool = False


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """Somebody this person wants to hear nothing of, or does again."""

    identity: bytes
    blocked: bool


@dataclass(frozen=True, slots=True)
class SettingRecord:
    """A setting that holds on all devices."""

    name: str
    value: bytes


Record = (
    DeviceRecord
    | RoomRecord
    | RoomLeftRecord
    | ReadRecord
    | ContactRecord
    | BlockRecord
    | SettingRecord
)


def encode_record(record: Record) -> Unknown:
    """A record as the body of an entry."""
    writer = Writer()
    match record:
        case DeviceRecord(device, proof, name, added_ms):
            writer.uint(1).fixed(device, 32).buffer(proof.encode())
            writer.string(name).uint(added_ms)
        case RoomRecord(room, key, founder, kind, name):
            writer.uint(2).fixed(room, 32).uint(0).fixed(key, 32).fixed(founder, 32)
            writer.uint(kind).string(name)
        case RoomLeftRecord(room):
            writer.uint(2).fixed(room, 32).uint(1)
        case ReadRecord(room, place):
            writer.uint(3).fixed(room, 32).uint(place.clock)
            writer.fixed(place.writer, 32).uint(place.sequence)
        case ContactRecord(identity, name, removed):
            writer.uint(4).fixed(identity, 32).uint(int(removed)).string(name)
        case BlockRecord(identity, blocked):
            writer.uint(5).fixed(identity, 32).uint(int(blocked))
        case SettingRecord(name, value):
            writer.uint(6).string(name).buffer(value)
    return Unknown(RECORD, writer.finish())


def decode_record(data: bytes) -> Record | None:
    """The inverse of ``encode_record``; None for a sort of a newer version.

    Raises:
        RemoteProtocolError: These are not the bytes of a record.
    """
    reader = Reader(data)
    sort = reader.uint()
    if sort == 6:
        name = reader.string(max_bytes=MAX_NAME_BYTES)
        return SettingRecord(name, reader.buffer(max_bytes=MAX_SETTING_BYTES))
    if not 1 <= sort <= 5:
        return None
    subject = reader.fixed(32)
    if sort == 1:
        proof = decode_proof(reader.buffer(max_bytes=MAX_PROOF_BYTES))
        return DeviceRecord(subject, proof, read_name(reader), reader.uint())
    if sort == 3:
        place = Place(reader.uint(), reader.fixed(32), reader.uint())
        return ReadRecord(subject, place)
    flag = _flag(reader)
    if sort == 4:
        return ContactRecord(subject, read_name(reader), removed=flag)
    if sort == 5:
        return BlockRecord(subject, blocked=flag)
    if flag:
        return RoomLeftRecord(subject)
    key, founder, kind = reader.fixed(32), reader.fixed(32), reader.uint()
    if kind not in set(Kind) or kind == Kind.PERSONAL:
        raise RemoteProtocolError(f"a room of kind {kind}")
    return RoomRecord(subject, key, founder, Kind(kind), read_name(reader))


def _flag(reader: Reader) -> bool:
    flags = reader.uint()
    if flags > 1:
        raise RemoteProtocolError("flags of a newer version")
    return bool(flags)


class Records:
    """What holds, by subject.

    Attributes:
        devices: By device key.
        rooms: By room id; left ones too.
        reads: By room id.
        contacts: By identity; those that were removed are left out.
        blocked: Identities.
        people: Identities of which anything was ever said.
        settings: By name.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        """Take records in the order of their places."""
        self.devices: dict[bytes, DeviceRecord] = {}
        self.rooms: dict[bytes, RoomRecord | RoomLeftRecord] = {}
        self.reads: dict[bytes, Place] = {}
        self.contacts: dict[bytes, ContactRecord] = {}
        self.blocked: set[bytes] = set()
        self.people: set[bytes] = set()
        self.settings: dict[str, bytes] = {}
        for record in records:
            self._take(record)

    def _take(self, record: Record) -> None:
        if isinstance(record, ContactRecord | BlockRecord):
            if len(self.people) >= MAX_SUBJECTS and record.identity not in self.people:
                return
            self.people.add(record.identity)
        match record:
            case DeviceRecord(device):
                _keep(self.devices, device, record)
            case RoomRecord(room) | RoomLeftRecord(room):
                _keep(self.rooms, room, record)
            case ReadRecord(room, place):
                _keep(self.reads, room, max(place, self.reads.get(room, place)))
            case ContactRecord(identity, removed=removed):
                if removed:
                    self.contacts.pop(identity, None)
                else:
                    _keep(self.contacts, identity, record)
            case BlockRecord(identity, blocked):
                if not blocked:
                    self.blocked.discard(identity)
                elif len(self.blocked) < MAX_SUBJECTS:
                    self.blocked.add(identity)
            case SettingRecord(name, value):
                _keep(self.settings, name, value)


def _keep(table: dict[K, V], key: K, value: V) -> None:
    if key in table or len(table) < MAX_SUBJECTS:
        table[key] = value
