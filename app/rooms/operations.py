"""What an entry of a room's log says, and how it becomes bytes.

An operation is the plaintext inside a sealed payload::

    uint type | uint clock | uint sent at, ms | body by type

    1 Found    uint kind, string room name, string founder's name, buffer proof
    2 Message  string text, uint flags (1: reply), [fixed32 entry replied to]
    3 Invite   fixed32 invite key, uint role, uint expires at (ms, 0: never),
               uint uses (0: any number)
    4 Admit    fixed32 invite key, string name, buffer proof, fixed64 invite's signature
    5 SetRole  fixed32 identity, uint role, array (fixed32 device, uint length)
    6 Remove   fixed32 identity, array (fixed32 device, uint length)

``clock`` is a hybrid clock: milliseconds of the writer's wall clock, but always above
every clock the writer had taken in. Ordering by (clock, writer, sequence) therefore
never puts an answer before its question. Types this version does not know are kept as
``Unknown``. Names lose what is not printable when they are read. What operations mean
together is the business of ``app/rooms/rules.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from app.identity import MAX_PROOF_BYTES, Proof, decode_proof
from app.rooms.roles import Kind, Role
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError

MAX_TEXT_BYTES = 64 * 1024
MAX_NAME_BYTES = 256
MAX_CUT_DEVICES = 64
"""Devices of one person named in a removal or a change of rank."""
NO_NAME = "?"
"""Stands for a name of which nothing is printable."""

E = TypeVar("E", Kind, Role)


@dataclass(frozen=True, slots=True)
class Found:
    """The first entry of the founder: the room begins."""

    kind: Kind
    name: str
    founder_name: str
    proof: Proof
    """Attests the founder's device."""


@dataclass(frozen=True, slots=True)
class Message:
    """Somebody says something."""

    text: str
    reply_to: bytes | None = None
    """Hash of the entry it answers."""


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


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something a newer version of Covey wrote."""

    type: int
    body: bytes


Body = Found | Message | Invite | Admit | SetRole | Remove | Unknown
RULE_TYPES = (Found, Invite, Admit, SetRole, Remove)
"""Operations that change who is who; kept apart so that rules can be replayed."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A body with its place in time."""

    clock: int
    sent_at: int
    """Milliseconds since 1970 by the author's clock, for people to read."""
    body: Body


def read_name(reader: Reader) -> str:
    """A name of a person or room, without what could steer a terminal."""
    raw = reader.string(max_bytes=MAX_NAME_BYTES)
    kept = "".join(c for c in raw if c.isprintable() or c.isspace())
    return " ".join(kept.split()) or NO_NAME


def encode_operation(operation: Operation) -> bytes:
    """The bytes drawn in the module's docstring."""
    number, write = _WRITERS[type(operation.body)]
    writer = Writer()
    if isinstance(operation.body, Unknown):
        number = operation.body.type
    writer.uint(number).uint(operation.clock).uint(operation.sent_at)
    write(writer, operation.body)
    return writer.finish()


def decode_operation(data: bytes) -> Operation:
    """The inverse of ``encode_operation``.

    Raises:
        RemoteProtocolError: These are not the bytes of an operation.
    """
    reader = Reader(data)
    number = reader.uint()
    clock = reader.uint()
    sent_at = reader.uint()
    read = _READERS.get(number)
    body: Body
    if read is None:
        return Operation(clock, sent_at, Unknown(number, reader.raw()))
    body = read(reader)
    if reader.remaining:
        raise RemoteProtocolError("bytes after the operation")
    return Operation(clock, sent_at, body)


def _write_found(writer: Writer, body: Found) -> None:
    writer.uint(body.kind).string(body.name).string(body.founder_name)
    writer.buffer(body.proof.encode())


def _read_found(reader: Reader) -> Found:
    return Found(
        _enumerated(Kind, reader.uint()),
        read_name(reader),
        read_name(reader),
        _read_proof(reader),
    )


def _write_message(writer: Writer, body: Message) -> None:
    writer.string(body.text)
    if body.reply_to is None:
        writer.uint(0)
    else:
        writer.uint(1).fixed(body.reply_to, 32)


def _read_message(reader: Reader) -> Message:
    text = reader.string(max_bytes=MAX_TEXT_BYTES)
    flags = reader.uint()
    return Message(text, reader.fixed(32) if flags & 1 else None)


def _write_invite(writer: Writer, body: Invite) -> None:
    writer.fixed(body.invite_key, 32).uint(body.role)
    writer.uint(body.expires_at).uint(body.uses)


def _read_invite(reader: Reader) -> Invite:
    invite_key = reader.fixed(32)
    role = _enumerated(Role, reader.uint())
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
    return SetRole(identity, _enumerated(Role, reader.uint()), _read_cuts(reader))


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


def _write_unknown(writer: Writer, body: Unknown) -> None:
    writer.raw(body.body)


def _read_proof(reader: Reader) -> Proof:
    return decode_proof(reader.buffer(max_bytes=MAX_PROOF_BYTES))


def _enumerated(of: type[E], number: int) -> E:
    try:
        return of(number)
    except ValueError as error:
        raise RemoteProtocolError(f"no {of.__name__.lower()} {number}") from error


_WRITERS: dict[type[Any], tuple[int, Callable[[Writer, Any], None]]] = {
    Found: (1, _write_found),
    Message: (2, _write_message),
    Invite: (3, _write_invite),
    Admit: (4, _write_admit),
    SetRole: (5, _write_set_role),
    Remove: (6, _write_remove),
    Unknown: (0, _write_unknown),
}

_READERS: dict[int, Callable[[Reader], Body]] = {
    1: _read_found,
    2: _read_message,
    3: _read_invite,
    4: _read_admit,
    5: _read_set_role,
    6: _read_remove,
}
