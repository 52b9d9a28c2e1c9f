"""Protomux on the wire: the frames, their limits, and how each is read and written.

What the frames mean is left to ``net.mux.mux``. Follows npm protomux 3.12.1.

    data     uint id of the sender (1 or more), uint type, the message to the end
    control  00, then one of:
             00  batch   uint id, then items: uint length above 0 and that many bytes
                         (uint type, message); length 0 means that a uint with the id of
                         the following items comes next
             01  open    uint id of the sender, string protocol, optional buffer id,
                         handshake to the end
             02  reject  uint id of the receiver
             03  close   uint id of the sender

Items of id 0 in a batch are control frames without their leading 00.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from net.constants import MAX_PLAINTEXT_BYTES
from net.encoding import Reader, Writer
from net.errors import LocalProtocolError, RemoteProtocolError

MAX_PROTOCOL_BYTES: Final = 256
"""Name of a channel's protocol."""

MAX_CHANNEL_ID_BYTES: Final = 256
"""What tells channels of one protocol apart; mostly a discovery key."""

MAX_HANDSHAKE_BYTES: Final = 64 * 1024
"""What a side says of itself when it opens a channel."""

MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
"""A batch that reached this size is sent early."""

MAX_MESSAGE_BYTES: Final = MAX_PLAINTEXT_BYTES - 32
"""One message, so that with ids and lengths it still fits into one frame."""

_MAX_UINT_BYTES: Final = 9
_ONE_BYTE: Final = tuple(bytes((value,)) for value in range(0xFD))


class Control(IntEnum):
    """Types of control frames."""

    BATCH = 0
    OPEN = 1
    REJECT = 2
    CLOSE = 3


@dataclass(frozen=True, slots=True)
class Open:
    """A side's wish to have a channel."""

    sender_id: int
    """The sender's number for it, from 1."""

    protocol: str
    """What will be spoken."""

    channel_id: bytes
    """Which of several channels of that protocol; may be empty."""

    handshake: bytes
    """What the protocol says at its start; may be empty."""


def write_open(message: Open) -> bytes:
    """An open frame without its leading 00."""
    if len(message.protocol.encode()) > MAX_PROTOCOL_BYTES:
        raise LocalProtocolError("the name of the protocol is too long")
    if len(message.channel_id) > MAX_CHANNEL_ID_BYTES:
        raise LocalProtocolError("the id of the channel is too long")
    if len(message.handshake) > MAX_HANDSHAKE_BYTES:
        raise LocalProtocolError("the handshake of the channel is too long")
    writer = Writer().uint(Control.OPEN).uint(message.sender_id)
    writer.string(message.protocol).optional_buffer(message.channel_id)
    return writer.raw(message.handshake).finish()


def read_open(reader: Reader) -> Open:
    """What follows the type of an open frame."""
    sender_id = reader.uint()
    if sender_id == 0:
        raise RemoteProtocolError("a channel cannot have the number 0")
    protocol = reader.string(max_bytes=MAX_PROTOCOL_BYTES)
    channel_id = reader.optional_buffer(max_bytes=MAX_CHANNEL_ID_BYTES)
    if reader.remaining > MAX_HANDSHAKE_BYTES:
        raise RemoteProtocolError("a channel handshake too long", code="too-large")
    return Open(
        sender_id=sender_id,
        protocol=protocol,
        channel_id=channel_id or b"",
        handshake=reader.raw(),
    )


def write_reject(receiver_id: int) -> bytes:
    """A reject frame without its leading 00."""
    return Writer().uint(Control.REJECT).uint(receiver_id).finish()


def write_close(sender_id: int) -> bytes:
    """A close frame without its leading 00."""
    return Writer().uint(Control.CLOSE).uint(sender_id).finish()


class BatchWriter:
    """Collects items into one batch frame, in which each is copied once.

    Attributes:
        size: Bytes of the frame so far; 0 before the first item.
    """

    __slots__ = ("_last_id", "_parts", "size")

    def __init__(self) -> None:
        self.size = 0
        self._parts: list[bytes] = []
        self._last_id = -1

    def push(self, sender_id: int, prefix: bytes, message: bytes) -> None:
        """Append one item of a channel (0: a control frame).

        Args:
            sender_id: The channel's.
            prefix: Its type; empty where that is a part of ``message``.
            message: What is sent.
        """
        parts = self._parts
        if sender_id != self._last_id:
            head = Writer().uint8(0)
            if not parts:
                head.uint8(Control.BATCH)
            parts.append(head.uint(sender_id).finish())
            self.size += len(parts[-1])
            self._last_id = sender_id
        length = len(prefix) + len(message)
        told = _ONE_BYTE[length] if length < 0xFD else Writer().uint(length).finish()
        parts += (told, prefix, message)
        self.size += len(told) + length

    def finish(self) -> bytes:
        """The frame."""
        return b"".join(self._parts)


def read_batch(frame: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """The items of a batch frame: the sender's id, where each begins, and its end.

    Args:
        frame: The whole frame.
        at: The position behind its type.
    """
    end = len(frame)
    sender_id, at = _uint_at(frame, at)
    while at < end:
        size, at = (frame[at], at + 1) if frame[at] < 0xFD else _uint_at(frame, at)
        if size:
            start, at = at, at + size
            if at > end:
                raise RemoteProtocolError("a batch ends too early", code="too-short")
            yield sender_id, start, at
        else:
            sender_id, at = _uint_at(frame, at)


def _uint_at(frame: bytes, at: int) -> tuple[int, int]:
    """The integer at a position, and the position behind it."""
    told = frame[at : at + _MAX_UINT_BYTES]
    reader = Reader(told)
    value = reader.uint()
    return value, at + len(told) - reader.remaining
