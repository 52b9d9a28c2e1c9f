"""The UDX packet: its layout, and fast readers and writers for runs of packets.

A packet is one UDP payload. All integers are little endian::

    offset  size  field
    0       1     magic 0xff
    1       1     version 1
    2       1     flags, see the ``FLAG_*`` names; none set is a plain acknowledgement
    3       1     data offset: padding bytes between the header and the payload
    4       4     stream id of the receiver
    8       4     receive window of the sender in bytes
    12      4     seq, counted in packets
    16      4     ack: the seq the sender expects next
    20      ...   padding, then the payload or pairs (start, end) of SACK blocks

Sequence numbers are 32 bits on the wire. Everything above this module counts without
wrapping; :func:`unwrap` and :func:`wrap` convert.

Two shapes exist for speed. :func:`decode_packet` reads one packet of any kind.
:func:`decode_run` reads a buffer of consecutive equal DATA packets, as segmentation
offload delivers it, with one call into ``struct`` for all of them; :func:`encode_run`
is its counterpart. This module knows nothing of streams' state.

Follows libudx as shipped in npm ``udx-native`` 1.21.3.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from net.errors import RemoteProtocolError

MAGIC = 0xFF
VERSION = 1
HEADER_BYTES = 20

FLAG_DATA = 0x01
FLAG_END = 0x02
FLAG_SACK = 0x04
FLAG_MESSAGE = 0x08
FLAG_DESTROY = 0x10
FLAG_HEARTBEAT = 0x20

MAX_SACK_BLOCKS = 50
"""SACK blocks read from or written into one packet."""

MAX_DATA_OFFSET = 255
"""Padding bytes one header can announce."""

MAX_RUN_PACKETS = 64
"""Packets in one buffer the kernel may split or join (its own limit)."""

MAX_RUN_BYTES = 65507
"""Bytes of one UDP payload over IPv4, which bounds a run as well."""

SEQ_MASK = 0xFFFFFFFF
_HALF = 0x80000000

_HEADER = struct.Struct("<BBBBIIII")
_SEQ_ACK = struct.Struct("<II")
_BLOCK = struct.Struct("<II")
_STREAM_ID = struct.Struct("<I")
_PREFIX = struct.Struct("<BBBBII")
_DATA_START = bytes((MAGIC, VERSION, FLAG_DATA, 0))
PREFIX_BYTES = 12

PLAIN = struct.Struct("<4sIIII")
"""A header whose first four bytes are compared, not read: start, stream id, window,
seq, ack."""

PLAIN_DATA = _DATA_START
"""The start of a packet with DATA and nothing else, the commonest by far."""


class Packet(NamedTuple):
    """One decoded packet; ``seq``, ``ack`` and ``sacks`` are as on the wire."""

    flags: int
    stream_id: int
    window: int
    seq: int
    ack: int
    payload: bytes = b""
    sacks: tuple[tuple[int, int], ...] = ()
    data_offset: int = 0


class Run(NamedTuple):
    """Consecutive DATA packets of one stream that arrived in one buffer.

    ``window`` and ``ack`` are those of the last packet; all share the window, and
    acknowledgements only grow within a run.
    """

    stream_id: int
    window: int
    first_seq: int
    ack: int
    payloads: Sequence[bytes]


def wrap(seq: int) -> int:
    """The 32 bits of an unwrapped sequence number that go on the wire."""
    return seq & SEQ_MASK


def unwrap(seq: int, near: int) -> int:
    """The unwrapped number closest to ``near`` whose low 32 bits are ``seq``."""
    return near + ((seq - near + _HALF) & SEQ_MASK) - _HALF


def stream_id_of(data: bytes | bytearray | memoryview) -> int | None:
    """The stream id a datagram names, or None when it is no UDX packet at all."""
    if len(data) < HEADER_BYTES or data[0] != MAGIC or data[1] != VERSION:
        return None
    stream_id: int = _STREAM_ID.unpack_from(data, 4)[0]
    return stream_id


def decode_packet(data: bytes | bytearray | memoryview) -> Packet:
    """Read one packet; the payload is copied out of ``data``.

    Unknown flag bits are ignored, as upstream does. A data offset that reaches behind
    the end is an error for packets with a payload. For SACK packets the blocks fill the
    data offset if one is given that fits, otherwise all that follows the header; blocks
    behind :data:`MAX_SACK_BLOCKS` and a trailing half block are not read.

    Raises:
        RemoteProtocolError: too short, foreign magic or version, or a data offset
            behind the end.
    """
    size = len(data)
    if size < HEADER_BYTES:
        raise RemoteProtocolError("packet shorter than its header", code="short")
    magic, version, flags, offset, stream_id, window, seq, ack = _HEADER.unpack_from(
        data
    )
    if magic != MAGIC or version != VERSION:
        raise RemoteProtocolError("not a UDX packet", code="magic")
    rest = size - HEADER_BYTES
    sacks: tuple[tuple[int, int], ...] = ()
    if flags & FLAG_SACK:
        extension = offset if 0 < offset < rest else rest
        count = min(extension // 8, MAX_SACK_BLOCKS)
        if count:
            end = HEADER_BYTES + 8 * count
            sacks = tuple(_BLOCK.iter_unpack(data[HEADER_BYTES:end]))
        if not flags & (FLAG_DATA | FLAG_MESSAGE):
            return Packet(flags, stream_id, window, seq, ack, b"", sacks, offset)
    if offset > rest:
        raise RemoteProtocolError("data offset behind the end", code="offset")
    payload = bytes(data[HEADER_BYTES + offset :]) if rest > offset else b""
    return Packet(flags, stream_id, window, seq, ack, payload, sacks, offset)


def encode_packet(packet: Packet) -> bytes:
    """Write one packet; padding of ``data_offset`` zeros precedes the payload.

    SACK blocks are written when there are any, without a data offset, so a packet has
    either blocks or a payload.
    """
    header = _HEADER.pack(
        MAGIC,
        VERSION,
        packet.flags,
        packet.data_offset,
        packet.stream_id,
        packet.window,
        packet.seq,
        packet.ack,
    )
    if packet.sacks:
        return header + b"".join([_BLOCK.pack(*block) for block in packet.sacks])
    return header + bytes(packet.data_offset) + packet.payload


@lru_cache(maxsize=256)
def _run_layout(count: int, payload_bytes: int) -> struct.Struct:
    return struct.Struct("<" + f"12sII{payload_bytes}s" * count)


@lru_cache(maxsize=256)
def payload_layout(count: int, payload_bytes: int) -> struct.Struct:
    """The layout that cuts ``count`` equal payloads out of a contiguous buffer."""
    return struct.Struct(f"{payload_bytes}s" * count)


def decode_run(data: bytes | bytearray | memoryview, segment_size: int) -> Run | None:
    """Read a buffer of consecutive DATA packets of one stream, or None if it is not.

    None means only that the packets must be looked at one by one. The last segment may
    be shorter than ``segment_size``, as the kernel's offload allows.
    """
    size = len(data)
    if segment_size <= HEADER_BYTES or data[:4] != _DATA_START:
        return None
    count, tail_bytes = divmod(size, segment_size)
    if not 0 < count <= MAX_RUN_PACKETS:
        return None
    fields = _run_layout(count, segment_size - HEADER_BYTES).unpack_from(data)
    prefix: bytes = fields[0]
    first: int = fields[1]
    if fields[0::4].count(prefix) != count or first + count > SEQ_MASK:
        return None
    if fields[1::4] != tuple(range(first, first + count)):
        return None
    ack: int = fields[-2]
    payloads: Sequence[bytes] = fields[3::4]
    if tail_bytes:
        at = count * segment_size
        if tail_bytes <= HEADER_BYTES or data[at : at + PREFIX_BYTES] != prefix:
            return None
        tail_seq, ack = _SEQ_ACK.unpack_from(data, at + PREFIX_BYTES)
        if tail_seq != first + count:
            return None
        payloads = [*payloads, bytes(data[at + HEADER_BYTES :])]
    stream_id, window = _SEQ_ACK.unpack_from(prefix, 4)
    return Run(stream_id, window, first, ack, payloads)


def data_prefix(stream_id: int, window: int, *, flags: int = FLAG_DATA) -> bytes:
    """The twelve bytes before seq that all packets of a run share."""
    return _PREFIX.pack(MAGIC, VERSION, flags, 0, stream_id, window)


def encode_run(
    payloads: Sequence[bytes],
    *,
    prefix: bytes,
    last_prefix: bytes,
    first_seq: int,
    ack: int,
) -> bytes:
    """Write DATA packets with consecutive unwrapped seqs one behind the other.

    Args:
        payloads: one payload a packet; all but the last must be of one size.
        prefix: see :func:`data_prefix`.
        last_prefix: the prefix of the last packet, which may carry END as well.
        first_seq: unwrapped seq of the first packet.
        ack: unwrapped acknowledgement all packets carry.
    """
    count = len(payloads)
    ack &= SEQ_MASK
    if count == 1:
        return last_prefix + _SEQ_ACK.pack(first_seq & SEQ_MASK, ack) + payloads[0]
    parts = [prefix] * (4 * count)
    parts[-4] = last_prefix
    parts[1::4] = [
        (seq & SEQ_MASK).to_bytes(4, "little")
        for seq in range(first_seq, first_seq + count)
    ]
    parts[2::4] = [ack.to_bytes(4, "little")] * count
    parts[3::4] = payloads
    return b"".join(parts)


def encode_padded(
    payload: bytes, *, padding: int, stream_id: int, window: int, seq: int, ack: int
) -> bytes:
    """Write a DATA packet with ``padding`` zeros before its payload (an MTU probe)."""
    header = _HEADER.pack(
        MAGIC,
        VERSION,
        FLAG_DATA,
        padding,
        stream_id,
        window,
        seq & SEQ_MASK,
        ack & SEQ_MASK,
    )
    return header + bytes(padding) + payload


def encode_control(
    flags: int,
    *,
    stream_id: int,
    window: int,
    seq: int,
    ack: int,
    payload: bytes = b"",
    sacks: Sequence[tuple[int, int]] = (),
) -> bytes:
    """Write a packet that consumes no seq, from unwrapped numbers.

    Used for acknowledgements, HEARTBEAT, DESTROY and MESSAGE.
    """
    header = _HEADER.pack(
        MAGIC,
        VERSION,
        flags,
        0,
        stream_id,
        window,
        seq & SEQ_MASK,
        ack & SEQ_MASK,
    )
    if sacks:
        return header + b"".join(
            [_BLOCK.pack(start & SEQ_MASK, end & SEQ_MASK) for start, end in sacks]
        )
    return header + payload


def with_stream_id(data: bytes | bytearray | memoryview, stream_id: int) -> bytes:
    """A copy of a packet addressed to another stream id (what a relay sends on)."""
    return bytes(data[:4]) + _STREAM_ID.pack(stream_id) + bytes(data[8:])
