"""Invites: the link a person passes on, and what is said to be let in.

A link carries a one-time secret and no key of the room. The secret gives a key pair:
the public half stands in the room's log (``operations.Invite``), so every member can
answer for the invite; the secret half signs the newcomer's keys, and that signature in
the log (``operations.Admit``) spends the invite for everybody to see.

Link::

    covey://<z-base-32 of: uint8 version (2) | uint8 flags | fixed16 secret
             | fixed32 room id | uint32 expires at, seconds since 1970 (0 never)
             | fixed4 checksum>
    flags 1: a person decides about whoever comes

Newcomer and members find and hear each other by blind pairing (``net.pairing``), whose
invite follows from the link. Every invite is a pairing group of its own, so that an old
link leads nowhere; the group's key is no secret from who holds the link::

    invite's key pair   from the seed H(ns 0 | secret)
    group's key         H(invite key, ns 1 | room id)

A request's user data is ``Request``; the extension of its answer is a sealed
``Admitted`` or the reason of a refusal::

    Request    uint version (1) | uint flags (0) | string name | buffer identity proof
               | fixed64 signature | fixed32 answer key
    Admitted   uint version (1) | uint flags (0) | fixed32 room key | fixed32 founder
               | uint kind | string name | array fixed32 later keys
    sealed     fixed32 ephemeral key | XChaCha20-Poly1305 of Admitted
    Refused    uint reason

Bytes left over are ignored, for versions to come. The identity proof attests the answer
key, to which ``Admitted`` is sealed: whoever shows the request again, or reads request
and answer in the DHT because they hold the same link, learns no key of the room. The
newcomer believes ``Admitted`` only if key and founder give the room id of the link.
Whoever else holds the link can pose as a member, and learns the name and identity key
of a newcomer, but cannot let it into anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from app.errors import UserFacingError
from app.identity import MAX_PROOF_BYTES
from app.rooms.answers import open_answer, seal_answer
from app.rooms.keys import room_id
from app.rooms.operations import MAX_NAME_BYTES, read_name
from app.rooms.roles import Kind
from net.constants import SEED_BYTES
from net.crypto import (
    KeyPair,
    blake2b_256,
    discovery_key,
    namespace,
)
from net.encoding import Reader, Writer
from net.encoding.z_base_32 import read_z_base_32, write_z_base_32
from net.errors import RemoteProtocolError
from net.pairing import Invite as PairingInvite
from net.pairing import InviteRecord, Status
from net.pairing.sealing import invite_id

SCHEME = "covey://"
LINK_VERSION = 2
SECRET_BYTES = 16
CHECKSUM_BYTES = 4
LINK_BYTES = 2 + SECRET_BYTES + 32 + 4 + CHECKSUM_BYTES
MAX_LINK_CHARACTERS = 512
MAX_LATER_KEYS = 16
"""Keys of later epochs told to a newcomer; more would not fit a record of the DHT."""

SAID_VERSION = 1
"""Of requests and answers."""

_APPROVAL = 1

_NAME = "covey/invite"
_KEY = namespace(_NAME, 0)
_GROUP = namespace(_NAME, 1)
_ANSWER_KEY = namespace(_NAME, 2)
_SEAL = namespace(_NAME, 3)
_CHALLENGE = namespace(_NAME, 4)
_CHECKSUM = namespace(_NAME, 5)


class Refusal(IntEnum):
    """Why a newcomer was not let in; the number travels."""

    UNKNOWN = 0
    EXPIRED = 1
    USED = 2
    CLOSED = 3
    FULL = 4
    VERSION = 5
    DECLINED = 6


REFUSAL_SENTENCES = {
    Refusal.UNKNOWN: (
        "unknown-invite",
        "This invite is not known to the room: ask for a new one.",
    ),
    Refusal.EXPIRED: ("expired-invite", "This invite has expired: ask for a new one."),
    Refusal.USED: (
        "used-invite",
        "This invite has already been used: ask for a new one.",
    ),
    Refusal.CLOSED: (
        "closed-invite",
        "This invite no longer holds: ask a member of the room for a new one.",
    ),
    Refusal.FULL: ("room-full", "The room has no place for another member."),
    Refusal.VERSION: (
        "version",
        "The room's members use another version of Covey that yours cannot talk to.",
    ),
    Refusal.DECLINED: ("declined", "A member of the room declined to let you in."),
}

WAITING_SENTENCE = (
    "waiting-approval",
    "A member of the room has to let you in: try this invite again later.",
)

STATUS_OF = {Refusal.EXPIRED: Status.EXPIRED, Refusal.USED: Status.USED}
"""What blind pairing calls a refusal; all else is a rejection."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says."""

    secret: bytes
    room: bytes
    """The room's id."""
    expires_at_s: int = 0
    """Seconds since 1970; 0 for never. A hint: the room decides."""
    approval: bool = False
    """A person decides about whoever comes. A hint as well."""

    @property
    def seed(self) -> bytes:
        """The invite's seed, 32 bytes."""
        return blake2b_256(_KEY, self.secret)

    @property
    def key_pair(self) -> KeyPair:
        """The invite's key pair."""
        return KeyPair.from_seed(self.seed)

    @property
    def pairing_invite(self) -> PairingInvite:
        """The invite as blind pairing has it."""
        return PairingInvite(
            seed=self.seed,
            discovery_key=discovery_key(
                pairing_key(self.room, self.key_pair.public_key)
            ),
            expires_at=self.expires_at_s or None,
        )

    def encode(self) -> str:
        """The link as people pass it on."""
        flags = _APPROVAL if self.approval else 0
        writer = Writer().uint8(LINK_VERSION).uint8(flags)
        writer.fixed(self.secret, SECRET_BYTES)
        body = writer.fixed(self.room, 32).uint32(self.expires_at_s).finish()
        return SCHEME + write_z_base_32(body + _checksum(body))


def decode_link(text: str) -> Link:
    """Read a link as somebody pasted it.

    Raises:
        UserFacingError: ``bad-invite``: it is no link, or a damaged one; ``version``: a
            newer version of Covey made it.
    """
    wrong = UserFacingError(
        "bad-invite",
        "This is not a whole Covey invite: it should begin with covey:// and may have"
        " been cut.",
    )
    if len(text) > MAX_LINK_CHARACTERS:
        raise wrong
    text = "".join(text.split())
    if text[: len(SCHEME)].lower() != SCHEME:
        raise wrong
    try:
        raw = read_z_base_32(
            text[len(SCHEME) :].rstrip("/"), max_bytes=MAX_LINK_CHARACTERS
        )
    except ValueError as error:
        raise wrong from error
    body, checksum = raw[:-CHECKSUM_BYTES], raw[-CHECKSUM_BYTES:]
    if not body or checksum != _checksum(body):
        raise wrong
    reader = Reader(body)
    version = reader.uint8()
    if version != LINK_VERSION:
        age = "an older" if version < LINK_VERSION else "a newer"
        raise UserFacingError(
            "version", f"This invite was made by {age} version of Covey."
        )
    if len(raw) != LINK_BYTES:
        raise wrong
    flags = reader.uint8()
    return Link(
        reader.fixed(SECRET_BYTES),
        reader.fixed(32),
        reader.uint32(),
        approval=bool(flags & _APPROVAL),
    )


def pairing_key(room: bytes, invite_key: bytes) -> bytes:
    """The key of the group that blind pairing is about: one invite's, 32 bytes."""
    return blake2b_256(_GROUP, room, key=invite_key)


def pairing_record(room: bytes, invite_key: bytes) -> InviteRecord:
    """What a member answers with, from what stands in the room's log."""
    group = discovery_key(pairing_key(room, invite_key))
    return InviteRecord(invite_id(invite_key), invite_key, group)


def answer_key_pair(device: KeyPair, invite_key: bytes, salt: bytes = b"") -> KeyPair:
    """The key pair to which a newcomer's answer is sealed.

    It follows from the device, so that one who asked and went finds the answer later.

    Args:
        device: The newcomer's.
        invite_key: Of the invite shown.
        salt: Bytes that were never used with this invite, to be decided about anew.
    """
    secret = device.secret_key[:SEED_BYTES]
    return KeyPair.from_seed(blake2b_256(_ANSWER_KEY, invite_key, salt, key=secret))


def challenge(invite_key: bytes, answer_key: bytes) -> bytes:
    """What the newcomer's device signs: where an answer goes, and for which invite."""
    return _CHALLENGE + invite_key + answer_key


@dataclass(frozen=True, slots=True)
class Request:
    """The newcomer asks to be let in."""

    name: str
    proof: bytes
    """Identity proof that attests ``challenge``."""
    signature: bytes
    """By the invite's key over ``rules.admission_signable``."""
    answer_key: bytes
    """Public half of ``answer_key_pair``."""

    def encode(self) -> bytes:
        """The bytes drawn in the module's docstring."""
        writer = Writer().uint(SAID_VERSION).uint(0)
        writer.string(self.name).buffer(self.proof)
        return writer.fixed(self.signature, 64).fixed(self.answer_key, 32).finish()


def decode_request(data: bytes) -> Request:
    """Read what a newcomer says.

    Raises:
        RemoteProtocolError: It is no request, or (code ``version``) a newer one.
    """
    reader = Reader(data)
    _read_version(reader)
    name = reader.string(max_bytes=MAX_NAME_BYTES)
    proof = reader.buffer(max_bytes=MAX_PROOF_BYTES)
    return Request(name, proof, reader.fixed(64), reader.fixed(32))


@dataclass(frozen=True, slots=True)
class Admitted:
    """The newcomer is let in."""

    room_key: bytes = field(repr=False)
    founder: bytes
    """The founder's device key."""
    kind: Kind
    name: str
    """The room's, as a first guess: its log tells."""
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    """Keys of later epochs, newest first."""

    def encode(self) -> bytes:
        """The bytes drawn in the module's docstring."""
        assert len(self.keys) <= MAX_LATER_KEYS
        writer = Writer().uint(SAID_VERSION).uint(0)
        writer.fixed(self.room_key, 32).fixed(self.founder, 32)
        writer.uint(self.kind).string(self.name)
        return writer.array(self.keys, lambda out, key: out.fixed(key, 32)).finish()

    def belongs_to(self, room: bytes) -> bool:
        """True when key and founder are those of the room the link names."""
        return room_id(self.room_key, self.founder) == room


def decode_admitted(data: bytes) -> Admitted:
    """Raises ``RemoteProtocolError`` when these are not the bytes of an admission."""
    reader = Reader(data)
    _read_version(reader)
    room_key, founder = reader.fixed(32), reader.fixed(32)
    number = reader.uint()
    if number not in set(Kind):
        raise RemoteProtocolError(f"room kind {number}")
    name = read_name(reader)
    later = reader.array(lambda item: item.fixed(32), max_count=MAX_LATER_KEYS)
    return Admitted(room_key, founder, Kind(number), name, tuple(later))


def seal_admitted(
    admitted: Admitted,
    *,
    answer_key: bytes,
    invite_key: bytes,
    entropy: Callable[[int], bytes],
) -> bytes:
    """Seal an admission to the newcomer who asked.

    Raises:
        RemoteProtocolError: The answer key is none.
    """
    return seal_answer(
        admitted.encode(),
        purpose=_SEAL,
        answer_key=answer_key,
        link_key=invite_key,
        entropy=entropy,
    )


def open_admitted(data: bytes, *, answer: KeyPair, invite_key: bytes) -> Admitted:
    """The inverse of ``seal_admitted``; raises ``RemoteProtocolError``."""
    plaintext = open_answer(data, purpose=_SEAL, answer=answer, link_key=invite_key)
    return decode_admitted(plaintext)


def encode_refused(reason: Refusal) -> bytes:
    """The bytes drawn in the module's docstring."""
    return Writer().uint(reason).finish()


def read_refused(status: Status, data: bytes) -> Refusal:
    """Why somebody refused; members that are no Covey give no more than the status."""
    for refusal, its_status in STATUS_OF.items():
        if status is its_status:
            return refusal
    try:
        number = Reader(data).uint()
    except RemoteProtocolError:
        return Refusal.CLOSED
    return Refusal(number) if number in set(Refusal) else Refusal.CLOSED


def _read_version(reader: Reader) -> None:
    version = reader.uint()
    if version != SAID_VERSION:
        raise RemoteProtocolError(f"an invite's version {version}", code="version")
    reader.uint()  # flags of versions to come


def _checksum(body: bytes) -> bytes:
    return blake2b_256(_CHECKSUM, body)[:CHECKSUM_BYTES]
