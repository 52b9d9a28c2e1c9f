"""Acts: operations that change who is who in a room, and how they become bytes.

::

    1 Found         uint kind, string room name, string founder's name, buffer proof
    3 Invite        fixed32 invite key, uint role, uint expires at (ms, 0: never),
                    uint uses (0: any number), uint flags (1: approval, 2: own devices)
    4 Admit         fixed32 invite key, string name, buffer proof,
                    fixed64 invite's signature
    5 SetRole       fixed32 identity, uint role, cuts
    6 Remove        fixed32 identity, cuts, uint flags (1: ban)
    7 Rotate        fixed16 epoch, array fixed32 device, buffer body
    9 Mute          fixed32 identity, uint until (ms, 0: unmuted), cuts
    10 Unban        fixed32 identity
    11 CloseInvite  fixed32 invite key
    12 AddDevice    buffer proof
    13 RemoveDevice fixed32 device, uint length
    14 Rest         fixed32 device, uint length
    15 Wake         fixed32 device
    16 Settings     uint flags (1: name, 2: description, 4: retention, 8: who admits),
                    [string name], [string description], [uint ms], [uint role]
    17 Profile      string name, uint flags (1: picture), [fixed32 hash, buffer picture]

    cuts            array (fixed32 device, uint length)

Flags that this version does not know make an act unreadable: half of what it says is
not what its author meant. What acts mean together is the business of ``app/rooms/law``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.identity import MAX_PROOF_BYTES, Proof, decode_proof
from app.rooms.operations.values import enumerated, read_name
from app.rooms.roles import Kind, Role
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError

MAX_CUT_DEVICES = 64
"""Devices of one person named in a removal, a mute or a change of rank."""
MAX_SEALED_DEVICES = 512
"""Devices to which one turn of the key, or one sharing of it, is sealed."""
MAX_SEALED_BYTES = 64 * 1024
"""Of the sealed keys in one act; they are opaque here."""
MAX_PICTURE_BYTES = 32 * 1024
MAX_DESCRIPTION_BYTES = 4 * 1024
EPOCH_BYTES = 16

_APPROVAL, _OWN_DEVICES = 1, 2
_BAN = 1
_NAME, _DESCRIPTION, _RETENTION, _ADMITS = 1, 2, 4, 8
_PICTURE = 1


@dataclass(frozen=True, slots=True)
class Found:
    """The first entry of the founder: the room begins."""

    kind: Kind
    name: str
    founder_name: str
    proof: Proof
    """Attests the founder's device."""


@dataclass(frozen=True, slots=True)
class Invite:
    """Whoever can sign with the invite's key may be let in."""

    invite_key: bytes
    role: Role
    expires_at: int
    """Milliseconds since 1970; 0 for never."""
    uses: int
    """How many people it lets in; 0 for any number."""
    approval: bool = False
    """A person looks at each newcomer: the inviter, or a moderator and above."""
    own_devices: bool = False
    """Only the inviter's own devices let people in by it."""


@dataclass(frozen=True, slots=True)
class Admit:
    """Somebody came with an invite and is a member from here on."""

    invite_key: bytes
    name: str
    proof: Proof
    """Attests the newcomer's device."""
    signature: bytes
    """By the invite's key over the newcomer's keys: spends the invite."""


@dataclass(frozen=True, slots=True)
class SetRole:
    """A member's rank changes."""

    identity: bytes
    role: Role
    cuts: tuple[tuple[bytes, int], ...]
    """For each device of that member how much of its log is older than this."""


@dataclass(frozen=True, slots=True)
class Remove:
    """A member leaves or is removed."""

    identity: bytes
    cuts: tuple[tuple[bytes, int], ...]
    """For each device of that member how much of its log still counts."""
    ban: bool = False
    """No invite lets that person in before somebody lifts this."""


@dataclass(frozen=True, slots=True)
class Rotate:
    """The room's key turns to a new epoch."""

    epoch: bytes
    """Names the new key; 16 bytes."""
    devices: tuple[bytes, ...]
    """Those that the new key is sealed to."""
    body: bytes
    """The sealed keys; see ``app/rooms/epochs.py``."""


@dataclass(frozen=True, slots=True)
class Mute:
    """A member may not speak for a while, or may again."""

    identity: bytes
    until_ms: int
    """Milliseconds since 1970; 0 lets speak again."""
    cuts: tuple[tuple[bytes, int], ...]
    """For each device of that member how much of its log is older than this."""


@dataclass(frozen=True, slots=True)
class Unban:
    """Invites made from now on may let a banned person in."""

    identity: bytes


@dataclass(frozen=True, slots=True)
class CloseInvite:
    """An invite lets nobody in any more."""

    invite_key: bytes


@dataclass(frozen=True, slots=True)
class AddDevice:
    """A further device of the person who says so."""

    proof: Proof
    """Attests the new device."""


@dataclass(frozen=True, slots=True)
class RemoveDevice:
    """A device is lost, or was given up: it never comes back."""

    device: bytes
    length: int
    """How much of its log still counts."""


@dataclass(frozen=True, slots=True)
class Rest:
    """A device was silent for long: nothing waits for it until it is woken."""

    device: bytes
    length: int
    """How much of its log counts until then."""


@dataclass(frozen=True, slots=True)
class Wake:
    """A resting device is back: what it writes having seen this counts."""

    device: bytes


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for the whole room; None leaves a thing as it is."""

    name: str | None = None
    description: str | None = None
    retention_ms: int | None = None
    """Messages vanish after this long; 0 for never."""
    admits_from: Role | None = None
    """The lowest rank that may let people in by an invite."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How a member wants to be seen in this room."""

    name: str
    picture_hash: bytes | None = None
    """BLAKE2b-256 of the picture; None for no picture."""
    picture: bytes = b""
    """The picture itself, or nothing where others have it already."""


Act = (
    Found
    | Invite
    | Admit
    | SetRole
    | Remove
    | Rotate
    | Mute
    | Unban
    | CloseInvite
    | AddDevice
    | RemoveDevice
    | Rest
    | Wake
    | Settings
    | Profile
)
ACT_TYPES = (
    *(Found, Invite, Admit, SetRole, Remove, Rotate, Mute, Unban, CloseInvite),
    *(AddDevice, RemoveDevice, Rest, Wake, Settings, Profile),
)
"""Kept apart, so that rules can be replayed."""


def _write_found(writer: Writer, body: Found) -> None:
    writer.uint(body.kind).string(body.name).string(body.founder_name)
    writer.buffer(body.proof.encode())


def _read_found(reader: Reader) -> Found:
    return Found(
        enumerated(Kind, reader.uint()),
        read_name(reader),
        read_name(reader),
        _read_proof(reader),
    )


def _write_invite(writer: Writer, body: Invite) -> None:
    writer.fixed(body.invite_key, 32).uint(body.role)
    writer.uint(body.expires_at).uint(body.uses)
    flags = _APPROVAL if body.approval else 0
    writer.uint(flags | (_OWN_DEVICES if body.own_devices else 0))


def _read_invite(reader: Reader) -> Invite:
    invite_key = reader.fixed(32)
    role = enumerated(Role, reader.uint())
    expires_at, uses = reader.uint(), reader.uint()
    flags = _read_flags(reader, _APPROVAL | _OWN_DEVICES)
    return Invite(
        invite_key,
        role,
        expires_at,
        uses,
        approval=bool(flags & _APPROVAL),
        own_devices=bool(flags & _OWN_DEVICES),
    )


def _write_admit(writer: Writer, body: Admit) -> None:
    writer.fixed(body.invite_key, 32).string(body.name)
    writer.buffer(body.proof.encode()).fixed(body.signature, 64)


def _read_admit(reader: Reader) -> Admit:
    return Admit(
        reader.fixed(32),
        read_name(reader),
        _read_proof(reader),
        reader.fixed(64),
    )


def _write_set_role(writer: Writer, body: SetRole) -> None:
    writer.fixed(body.identity, 32).uint(body.role)
    _write_cuts(writer, body.cuts)


def _read_set_role(reader: Reader) -> SetRole:
    identity = reader.fixed(32)
    return SetRole(identity, enumerated(Role, reader.uint()), _read_cuts(reader))


def _write_remove(writer: Writer, body: Remove) -> None:
    writer.fixed(body.identity, 32)
    _write_cuts(writer, body.cuts)
    writer.uint(_BAN if body.ban else 0)


def _read_remove(reader: Reader) -> Remove:
    identity, cuts = reader.fixed(32), _read_cuts(reader)
    return Remove(identity, cuts, ban=bool(_read_flags(reader, _BAN)))


def _write_rotate(writer: Writer, body: Rotate) -> None:
    writer.fixed(body.epoch, EPOCH_BYTES)
    writer.array(body.devices, lambda out, device: out.fixed(device, 32))
    writer.buffer(body.body)


def _read_rotate(reader: Reader) -> Rotate:
    epoch = reader.fixed(EPOCH_BYTES)
    devices = reader.array(lambda item: item.fixed(32), max_count=MAX_SEALED_DEVICES)
    return Rotate(epoch, tuple(devices), reader.buffer(max_bytes=MAX_SEALED_BYTES))


def _write_mute(writer: Writer, body: Mute) -> None:
    writer.fixed(body.identity, 32).uint(body.until_ms)
    _write_cuts(writer, body.cuts)


def _read_mute(reader: Reader) -> Mute:
    return Mute(reader.fixed(32), reader.uint(), _read_cuts(reader))


def _write_unban(writer: Writer, body: Unban) -> None:
    writer.fixed(body.identity, 32)


def _write_close_invite(writer: Writer, body: CloseInvite) -> None:
    writer.fixed(body.invite_key, 32)


def _write_add_device(writer: Writer, body: AddDevice) -> None:
    writer.buffer(body.proof.encode())


def _write_wake(writer: Writer, body: Wake) -> None:
    writer.fixed(body.device, 32)


def _write_ended(writer: Writer, body: RemoveDevice | Rest) -> None:
    writer.fixed(body.device, 32).uint(body.length)


def _write_settings(writer: Writer, body: Settings) -> None:
    values = (body.name, body.description, body.retention_ms, body.admits_from)
    writer.uint(sum(1 << at for at, value in enumerate(values) if value is not None))
    for value in values:
        if isinstance(value, str):
            writer.string(value)
        elif value is not None:
            writer.uint(value)


def _read_settings(reader: Reader) -> Settings:
    flags = _read_flags(reader, _NAME | _DESCRIPTION | _RETENTION | _ADMITS)
    return Settings(
        read_name(reader) if flags & _NAME else None,
        _read_description(reader) if flags & _DESCRIPTION else None,
        reader.uint() if flags & _RETENTION else None,
        enumerated(Role, reader.uint()) if flags & _ADMITS else None,
    )


def _read_description(reader: Reader) -> str:
    """Some lines of text, without what could steer a terminal."""
    raw = reader.string(max_bytes=MAX_DESCRIPTION_BYTES)
    return "".join(c for c in raw if c.isprintable() or c == "\n").strip()


def _write_profile(writer: Writer, body: Profile) -> None:
    writer.string(body.name).uint(0 if body.picture_hash is None else _PICTURE)
    if body.picture_hash is not None:
        writer.fixed(body.picture_hash, 32).buffer(body.picture)


def _read_profile(reader: Reader) -> Profile:
    name = read_name(reader)
    if not _read_flags(reader, _PICTURE):
        return Profile(name)
    return Profile(name, reader.fixed(32), reader.buffer(max_bytes=MAX_PICTURE_BYTES))


def _write_cuts(writer: Writer, cuts: tuple[tuple[bytes, int], ...]) -> None:
    writer.array(cuts, lambda out, cut: out.fixed(cut[0], 32).uint(cut[1]))


def _read_cuts(reader: Reader) -> tuple[tuple[bytes, int], ...]:
    cuts = reader.array(
        lambda item: (item.fixed(32), item.uint()), max_count=MAX_CUT_DEVICES
    )
    return tuple(cuts)


def _read_flags(reader: Reader, known: int) -> int:
    flags = reader.uint()
    if flags & ~known:
        raise RemoteProtocolError("flags of a newer version")
    return flags


def _read_proof(reader: Reader) -> Proof:
    return decode_proof(reader.buffer(max_bytes=MAX_PROOF_BYTES))


WRITERS: dict[type[Any], tuple[int, Callable[[Writer, Any], None]]] = {
    Found: (1, _write_found),
    Invite: (3, _write_invite),
    Admit: (4, _write_admit),
    SetRole: (5, _write_set_role),
    Remove: (6, _write_remove),
    Rotate: (7, _write_rotate),
    Mute: (9, _write_mute),
    Unban: (10, _write_unban),
    CloseInvite: (11, _write_close_invite),
    AddDevice: (12, _write_add_device),
    RemoveDevice: (13, _write_ended),
    Rest: (14, _write_ended),
    Wake: (15, _write_wake),
    Settings: (16, _write_settings),
    Profile: (17, _write_profile),
}
READERS: dict[int, Callable[[Reader], Act]] = {
    1: _read_found,
    3: _read_invite,
    4: _read_admit,
    5: _read_set_role,
    6: _read_remove,
    7: _read_rotate,
    9: _read_mute,
    10: lambda reader: Unban(reader.fixed(32)),
    11: lambda reader: CloseInvite(reader.fixed(32)),
    12: lambda reader: AddDevice(_read_proof(reader)),
    13: lambda reader: RemoveDevice(reader.fixed(32), reader.uint()),
    14: lambda reader: Rest(reader.fixed(32), reader.uint()),
    15: lambda reader: Wake(reader.fixed(32)),
    16: _read_settings,
    17: _read_profile,
}
