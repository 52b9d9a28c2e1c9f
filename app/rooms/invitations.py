"""Invites: the link a person passes on, and what is said to be let in.

A link carries a one-time secret and no key of the room. The secret gives a key pair:
the public half stands in the room's log (``operations.Invite``), so every member can
wait at the rendezvous derived from it; the secret half signs the newcomer's keys, and
that signature in the log (``operations.Admit``) spends the invite for everybody to see.

Link::

    covey://<z-base-32 of: uint8 version (1) | fixed16 secret | fixed32 room id
             | uint32 expires at, seconds since 1970 (0 never) | fixed4 checksum>

On a connection at the rendezvous both open the channel ``covey/invite`` with an id
only the two ends of this connection can compute, and a handshake that shows that each
knows the invite::

    handshake  uint version (1) | fixed32 proof
    0 Request  string name | buffer identity proof | fixed64 signature   newcomer's
    1 Admitted fixed32 room key | fixed32 founder | uint kind | string name
    2 Refused  uint reason

The identity proof attests the connection (its handshake hash), so it cannot be used
elsewhere. The newcomer believes ``Admitted`` only if key and founder give the room id
of the link. Whoever else holds the link can pose as a member, and learns by that the
name and identity key of a newcomer, but cannot let it into anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from app.errors import UserFacingError
from app.identity import MAX_PROOF_BYTES
from app.rooms.keys import room_id
from app.rooms.operations import MAX_NAME_BYTES, read_name
from app.rooms.roles import Kind
from net.crypto import KeyPair, blake2b_256, namespace
from net.encoding import Reader, Writer
from net.encoding.z_base_32 import read_z_base_32, write_z_base_32
from net.errors import RemoteProtocolError

SCHEME = "covey://"
LINK_VERSION = 1
SECRET_BYTES = 16
CHECKSUM_BYTES = 4
LINK_BYTES = 1 + SECRET_BYTES + 32 + 4 + CHECKSUM_BYTES
MAX_LINK_CHARACTERS = 512

PROTOCOL = "covey/invite"
PROTOCOL_VERSION = 1
REQUEST, ADMITTED, REFUSED = range(3)
"""Numbers of the channel's messages."""
MESSAGE_COUNT = 3

_NAME = "covey/invite"
_KEY = namespace(_NAME, 0)
_RENDEZVOUS = namespace(_NAME, 1)
_CHANNEL = namespace(_NAME, 2)
_PROOF = namespace(_NAME, 3)
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
}


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says."""

    secret: bytes
    room: bytes
    """The room's id."""
    expires_at_s: int = 0
    """Seconds since 1970; 0 for never."""

    @property
    def key_pair(self) -> KeyPair:
        """The invite's key pair."""
        return KeyPair.from_seed(blake2b_256(_KEY, self.secret))

    def encode(self) -> str:
        """The link as people pass it on."""
        writer = Writer().uint8(LINK_VERSION).fixed(self.secret, SECRET_BYTES)
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
    if reader.uint8() != LINK_VERSION:
        raise UserFacingError(
            "version", "This invite was made by a newer version of Covey."
        )
    if len(raw) != LINK_BYTES:
        raise wrong
    return Link(reader.fixed(SECRET_BYTES), reader.fixed(32), reader.uint32())


def rendezvous(invite_key: bytes) -> bytes:
    """The topic at which members wait for the holder of an invite."""
    return blake2b_256(_RENDEZVOUS, key=invite_key)


def channel_id(invite_key: bytes, handshake_hash: bytes) -> bytes:
    """Names the invite on one connection, without telling it to a stranger."""
    return blake2b_256(_CHANNEL, handshake_hash, key=invite_key)


def challenge(invite_key: bytes, handshake_hash: bytes) -> bytes:
    """What the newcomer's device signs: this connection and this invite."""
    return _CHALLENGE + invite_key + handshake_hash


def encode_handshake(
    invite_key: bytes, handshake_hash: bytes, *, from_initiator: bool
) -> bytes:
    """What this side opens the channel with."""
    proof = _proof(invite_key, handshake_hash, from_initiator=from_initiator)
    return Writer().uint(PROTOCOL_VERSION).fixed(proof, 32).finish()


def check_handshake(
    data: bytes, invite_key: bytes, handshake_hash: bytes, *, from_initiator: bool
) -> None:
    """Check what the other side opened the channel with.

    Raises:
        RemoteProtocolError: Another version, or the other side does not know the
            invite.
    """
    reader = Reader(data)
    version = reader.uint()
    if version != PROTOCOL_VERSION:
        raise RemoteProtocolError(f"invite protocol {version}", code="version")
    expected = _proof(invite_key, handshake_hash, from_initiator=from_initiator)
    if reader.fixed(32) != expected:
        raise RemoteProtocolError("the other side does not know the invite")


@dataclass(frozen=True, slots=True)
class Request:
    """The newcomer asks to be let in."""

    name: str
    proof: bytes
    """Identity proof that attests ``challenge``."""
    signature: bytes
    """By the invite's key over ``rules.admission_signable``."""

    def encode(self) -> bytes:
        """The bytes drawn in the module's docstring."""
        writer = Writer().string(self.name).buffer(self.proof)
        return writer.fixed(self.signature, 64).finish()


def decode_request(data: bytes) -> Request:
    """Raises ``RemoteProtocolError`` when these are not the bytes of a request."""
    reader = Reader(data)
    name = reader.string(max_bytes=MAX_NAME_BYTES)
    return Request(name, reader.buffer(max_bytes=MAX_PROOF_BYTES), reader.fixed(64))


@dataclass(frozen=True, slots=True)
class Admitted:
    """The newcomer is let in."""

    room_key: bytes
    founder: bytes
    """The founder's device key."""
    kind: Kind
    name: str
    """The room's, as a first guess: its log tells."""

    def encode(self) -> bytes:
        """The bytes drawn in the module's docstring."""
        writer = Writer().fixed(self.room_key, 32).fixed(self.founder, 32)
        return writer.uint(self.kind).string(self.name).finish()

    def belongs_to(self, room: bytes) -> bool:
        """True when key and founder are those of the room the link names."""
        return room_id(self.room_key, self.founder) == room


def decode_admitted(data: bytes) -> Admitted:
    """Raises ``RemoteProtocolError`` when these are not the bytes of an admission."""
    reader = Reader(data)
    room_key, founder = reader.fixed(32), reader.fixed(32)
    number = reader.uint()
    if number not in set(Kind):
        raise RemoteProtocolError(f"room kind {number}")
    return Admitted(room_key, founder, Kind(number), read_name(reader))


def encode_refused(reason: Refusal) -> bytes:
    """The bytes drawn in the module's docstring."""
    return Writer().uint(reason).finish()


def decode_refused(data: bytes) -> Refusal:
    """Raises ``RemoteProtocolError`` on no bytes; unknown reasons become ``CLOSED``."""
    number = Reader(data).uint()
    return Refusal(number) if number in set(Refusal) else Refusal.CLOSED


def _proof(invite_key: bytes, handshake_hash: bytes, *, from_initiator: bool) -> bytes:
    side = b"\x01" if from_initiator else b"\x00"
    return blake2b_256(_PROOF, handshake_hash, side, key=invite_key)


def _checksum(body: bytes) -> bytes:
    return blake2b_256(_CHECKSUM, body)[:CHECKSUM_BYTES]
