"""The messages by which two members of a room compare their logs.

They travel on a Protomux channel of the protocol ``covey/room`` (version 1), whose id
only the two ends of one connection and holders of the room key can compute::

    handshake  uint version (1) | fixed32 proof of the room key for this direction
    0 Device   buffer identity proof, attesting this connection and direction
    1 Have     array (fixed32 writer, uint fork, uint length, fixed32 hash of
               the tree's signature)
    2 Signed   fixed32 writer | uint fork | uint length | fixed32 tree hash
               buffer signature
    3 Bye      uint reason
    4 Removed  see app/rooms/removals.py

``Have`` says what is durable at its sender, and so acknowledges it; the blocks travel
on Hypercore's channels. When each is said is the business of
``app/rooms/replication.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from app.identity import MAX_PROOF_BYTES, Proof, decode_proof
from app.rooms.blocks import MAX_LOG_LENGTH
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError

PROTOCOL = "covey/room"
PROTOCOL_VERSION = 1

DEVICE, HAVE, SIGNED, BYE, REMOVED = range(5)
"""Numbers of the channel's messages."""
MESSAGE_COUNT = 5

MAX_HEADS = 256
"""Heads in one ``Have``."""
MAX_SIGNATURE_BYTES = 512
"""A log has one signer; its signature with all around it takes less."""


class Reason(IntEnum):
    """Why a side wants to hear no more of the room; the number travels."""

    LEFT = 0
    REMOVED = 1


@dataclass(frozen=True, slots=True)
class RemoteHead:
    """How far one log reaches at the other side."""

    writer: bytes
    fork: int
    length: int
    """Blocks there without a gap."""
    hash: bytes
    """Of the signature of the tree of this length, or 32 zero bytes."""


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A tree that the writer signed, to be held against another one."""

    writer: bytes
    fork: int
    length: int
    hash: bytes
    signature: bytes
    """As Hypercore keeps it."""


def encode_handshake(proof: bytes) -> bytes:
    """What a side opens the channel with."""
    return Writer().uint(PROTOCOL_VERSION).fixed(proof, 32).finish()


def decode_handshake(data: bytes) -> bytes:
    """The proof in the other side's handshake.

    Raises:
        RemoteProtocolError: Malformed, or another version.
    """
    reader = Reader(data)
    version = reader.uint()
    if version != PROTOCOL_VERSION:
        raise RemoteProtocolError(f"room protocol {version}", code="version")
    return reader.fixed(32)


def encode_device(proof: Proof) -> bytes:
    """``Device``."""
    return Writer().buffer(proof.encode()).finish()


def decode_device(data: bytes) -> Proof:
    """Raises ``RemoteProtocolError`` when it is malformed."""
    return decode_proof(Reader(data).buffer(max_bytes=MAX_PROOF_BYTES))


def encode_have(heads: list[RemoteHead]) -> bytes:
    """``Have``, at most ``MAX_HEADS`` heads."""
    assert len(heads) <= MAX_HEADS, "heads are sent in portions"
    writer = Writer()
    writer.array(
        heads,
        lambda out, head: (
            out.fixed(head.writer, 32)
            .uint(head.fork)
            .uint(head.length)
            .fixed(head.hash, 32)
        ),
    )
    return writer.finish()


def decode_have(data: bytes) -> list[RemoteHead]:
    """Raises ``RemoteProtocolError`` when it is malformed."""
    return Reader(data).array(
        lambda item: RemoteHead(
            item.fixed(32), item.uint(), _length(item), item.fixed(32)
        ),
        max_count=MAX_HEADS,
    )


def encode_signed(head: SignedHead) -> bytes:
    """``Signed``; also how the evidence of a fork is stored."""
    writer = Writer().fixed(head.writer, 32).uint(head.fork).uint(head.length)
    return writer.fixed(head.hash, 32).buffer(head.signature).finish()


def decode_signed(data: bytes) -> SignedHead:
    """Raises ``RemoteProtocolError`` when it is malformed."""
    reader = Reader(data)
    return SignedHead(
        reader.fixed(32),
        reader.uint(),
        _length(reader),
        reader.fixed(32),
        reader.buffer(max_bytes=MAX_SIGNATURE_BYTES),
    )


def encode_bye(reason: Reason) -> bytes:
    """``Bye``."""
    return Writer().uint(reason).finish()


def decode_bye(data: bytes) -> int:
    """The reason's number; raises ``RemoteProtocolError`` when it is malformed."""
    return Reader(data).uint()


def _length(reader: Reader) -> int:
    length = reader.uint()
    if length > MAX_LOG_LENGTH:
        raise RemoteProtocolError("a log cannot be so long", code="too-large")
    return length
