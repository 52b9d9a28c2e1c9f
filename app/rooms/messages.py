"""The messages by which two members of a room compare and exchange their logs.

They travel on a Protomux channel of the protocol ``covey/room`` (version 1), whose id
only the two ends of one connection and holders of the room key can compute::

    handshake  uint version (1) | fixed32 proof of the room key for this direction
    0 Device   buffer identity proof, attesting this connection and direction
    1 Have     array (fixed32 writer, uint length, fixed32 hash of the last entry)
    2 Want     fixed32 writer | uint start | uint end
    3 Entries  fixed32 writer | uint start | array of buffer entry
    4 Bye      uint reason

``Have`` says what is durable at its sender, and so acknowledges it. When each is said
is the business of ``app/rooms/replication.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from app.identity import MAX_PROOF_BYTES, Proof, decode_proof
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError
from store.log import MAX_ENTRY_BYTES, MAX_LOG_LENGTH

PROTOCOL = "covey/room"
PROTOCOL_VERSION = 1

DEVICE, HAVE, WANT, ENTRIES, BYE = range(5)
"""Numbers of the channel's messages."""
MESSAGE_COUNT = 5

MAX_HEADS = 256
"""Heads in one ``Have``."""
MAX_ENTRIES = 256
"""Entries in one ``Want`` or ``Entries``."""


class Reason(IntEnum):
    """Why a side wants to hear no more of the room; the number travels."""

    LEFT = 0
    REMOVED = 1


@dataclass(frozen=True, slots=True)
class RemoteHead:
    """How far one log reaches at the other side."""

    writer: bytes
    length: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Want:
    """Ask for entries from ``start`` to before ``end``."""

    writer: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of one log, without gaps."""

    writer: bytes
    start: int
    entries: tuple[bytes, ...]


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
            out.fixed(head.writer, 32).uint(head.length).fixed(head.hash, 32)
        ),
    )
    return writer.finish()


def decode_have(data: bytes) -> list[RemoteHead]:
    """Raises ``RemoteProtocolError`` when it is malformed."""
    return Reader(data).array(
        lambda item: RemoteHead(item.fixed(32), _length(item), item.fixed(32)),
        max_count=MAX_HEADS,
    )


def encode_want(want: Want) -> bytes:
    """``Want``."""
    writer = Writer().fixed(want.writer, 32)
    return writer.uint(want.start).uint(want.end).finish()


def decode_want(data: bytes) -> Want:
    """Raises ``RemoteProtocolError`` when it is malformed or asks for too much."""
    reader = Reader(data)
    want = Want(reader.fixed(32), _length(reader), _length(reader))
    if not want.start < want.end <= want.start + MAX_ENTRIES:
        raise RemoteProtocolError("wants nothing, or too much", code="range")
    return want


def encode_entries(entries: Entries) -> bytes:
    """``Entries``, at most ``MAX_ENTRIES`` of them."""
    assert len(entries.entries) <= MAX_ENTRIES, "entries are sent in portions"
    writer = Writer().fixed(entries.writer, 32).uint(entries.start)
    writer.array(entries.entries, lambda out, entry: out.buffer(entry))
    return writer.finish()


def decode_entries(data: bytes) -> Entries:
    """Raises ``RemoteProtocolError`` when it is malformed or too much."""
    reader = Reader(data)
    writer, start = reader.fixed(32), _length(reader)
    entries = reader.array(
        lambda item: item.buffer(max_bytes=MAX_ENTRY_BYTES), max_count=MAX_ENTRIES
    )
    if not entries:
        raise RemoteProtocolError("entries without an entry")
    return Entries(writer, start, tuple(entries))


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
