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
    """Collects items into one batch frame."""

    __slots__ = ("_last_id", "_writer")

    def __init__(self) -> None:
        self._writer = Writer()
        self._last_id = -1

    def __len__(self) -> int:
        return len(self._writer)

    def push(self, sender_id: int, item: bytes) -> None:
        """Append one item, type and message, of a channel (0: a control frame)."""
        writer = self._writer
        if len(writer) == 0:
            writer.uint8(0).uint8(Control.BATCH).uint(sender_id)
        elif sender_id != self._last_id:
            writer.uint8(0).uint(sender_id)
        self._last_id = sender_id
        writer.buffer(item)

    def finish(self) -> bytes:
        """The frame."""
        return self._writer.finish()


def read_batch(reader: Reader) -> Iterator[tuple[int, bytes]]:
    """The items that follow the type of a batch frame, each with its sender's id."""
    sender_id = reader.uint()
    while reader.remaining:
        item = reader.buffer()
        if item:
            yield sender_id, item
        else:
            sender_id = reader.uint()
