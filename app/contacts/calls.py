"""How somebody asks to write directly: messages of the channel ``covey/contact``.

A Protomux channel (version 1) on any connection between two people, whose id only the
caller and whoever is called recognise::

    handshake  uint version (1)
    0 Call     buffer identity proof of the caller, attesting this connection and whom
               it calls | string name | string greeting | string invite link
    1 Answer   uint verdict (0: it has come, 1: too many wait)

The link is an invite to a room of two that the caller has made. What becomes of it is
up to the person; that they refuse, or have blocked the caller, is never said.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from app.identity import MAX_PROOF_BYTES, Proof, decode_proof
from app.rooms.invitations import MAX_LINK_CHARACTERS
from app.rooms.operations import read_name
from net.crypto import blake2b_256, namespace
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError

PROTOCOL = "covey/contact"
PROTOCOL_VERSION = 1
CALL, ANSWER = range(2)
MAX_GREETING_BYTES = 1024

_NAME = "covey/contact"
_TOPIC = namespace(_NAME, 0)
_CHANNEL = namespace(_NAME, 1)
_CHALLENGE = namespace(_NAME, 2)


class Verdict(IntEnum):
    """What the called side says; the number travels."""

    RECEIVED = 0
    FULL = 1


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody asks to write directly."""

    proof: Proof
    name: str
    greeting: str
    link: str

    def encode(self) -> bytes:
        """The bytes drawn in the module's docstring."""
        writer = Writer().buffer(self.proof.encode()).string(self.name)
        return writer.string(self.greeting).string(self.link).finish()


def decode_call(data: bytes) -> Call:
    """The inverse of ``Call.encode``; says nothing about the signatures.

    Raises:
        RemoteProtocolError: It is malformed, or too long.
    """
    reader = Reader(data)
    proof = decode_proof(reader.buffer(max_bytes=MAX_PROOF_BYTES))
    name = read_name(reader)
    raw = reader.string(max_bytes=MAX_GREETING_BYTES)
    greeting = " ".join("".join(c for c in raw if c.isprintable() or c == " ").split())
    link = reader.string(max_bytes=MAX_LINK_CHARACTERS)
    if reader.remaining:
        raise RemoteProtocolError("bytes after a call")
    return Call(proof, name, greeting, link)


def encode_answer(verdict: Verdict) -> bytes:
    """``Answer``."""
    return Writer().uint(verdict).finish()


def decode_answer(data: bytes) -> Verdict:
    """Raises ``RemoteProtocolError`` when it is malformed."""
    number = Reader(data).uint()
    return Verdict.FULL if number == Verdict.FULL else Verdict.RECEIVED


def topic(identity: bytes) -> bytes:
    """Where somebody can be met by those who know their identity key."""
    return blake2b_256(_TOPIC, identity)


def channel_id(called: bytes, handshake_hash: bytes) -> bytes:
    """Names the channel to somebody on one connection."""
    return blake2b_256(_CHANNEL, called, handshake_hash)


def challenge(called: bytes, handshake_hash: bytes) -> bytes:
    """What the caller's device signs: whom it calls, and on which connection."""
    return _CHALLENGE + called + handshake_hash
