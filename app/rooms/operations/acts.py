"""Acts: operations that change who is who in a room, and how they become bytes.

::

    1 Found    uint kind, string room name, string founder's name, buffer proof
    3 Invite   fixed32 invite key, uint role, uint expires at (ms, 0: never),
               uint uses (0: any number)
    4 Admit    fixed32 invite key, string name, buffer proof, fixed64 invite's signature
    5 SetRole  fixed32 identity, uint role, array (fixed32 device, uint length)
    6 Remove   fixed32 identity, array (fixed32 device, uint length)

What they mean together is the business of ``app/rooms/rules.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.identity import MAX_PROOF_BYTES, Proof, decode_proof
from app.rooms.operations.values import enumerated, read_name
from app.rooms.roles import Kind, Role
from net.encoding import Reader, Writer

MAX_CUT_DEVICES = 64
"""Devices of one person named in a removal or a change of rank."""


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


Act = Found | Invite | Admit | SetRole | Remove
ACT_TYPES = (Found, Invite, Admit, SetRole, Remove)
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


def _read_invite(reader: Reader) -> Invite:
    invite_key = reader.fixed(32)
    role = enumerated(Role, reader.uint())
    return Invite(invite_key, role, reader.uint(), reader.uint())


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


def _read_remove(reader: Reader) -> Remove:
    return Remove(reader.fixed(32), _read_cuts(reader))


def _write_cuts(writer: Writer, cuts: tuple[tuple[bytes, int], ...]) -> None:
    writer.array(cuts, lambda out, cut: out.fixed(cut[0], 32).uint(cut[1]))


def _read_cuts(reader: Reader) -> tuple[tuple[bytes, int], ...]:
    cuts = reader.array(
        lambda item: (item.fixed(32), item.uint()), max_count=MAX_CUT_DEVICES
    )
    return tuple(cuts)


def _read_proof(reader: Reader) -> Proof:
    return decode_proof(reader.buffer(max_bytes=MAX_PROOF_BYTES))


WRITERS: dict[type[Any], tuple[int, Callable[[Writer, Any], None]]] = {
    Found: (1, _write_found),
    Invite: (3, _write_invite),
    Admit: (4, _write_admit),
    SetRole: (5, _write_set_role),
    Remove: (6, _write_remove),
}
READERS: dict[int, Callable[[Reader], Act]] = {
    1: _read_found,
    3: _read_invite,
    4: _read_admit,
    5: _read_set_role,
    6: _read_remove,
}
