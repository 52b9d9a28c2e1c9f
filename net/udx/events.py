"""What the UDX machine reports upwards, and what it hands down to be sent.

Events come out of :meth:`net.udx.multiplexer.Multiplexer.next_event`, in order for each
stream. They are plain facts; acting on them is the driver's business.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from net.udx.stream import Stream

Address: TypeAlias = tuple[str, int]
"""Dotted IPv4 text and port."""

SocketId: TypeAlias = int
"""The driver's number for one of its sockets."""


class CloseReason(enum.Enum):
    """Why a stream is gone."""

    FINISHED = "finished"
    """Both sides ended and everything was acknowledged."""

    DESTROYED = "destroyed"
    """This side destroyed it."""

    RESET = "reset"
    """The peer destroyed it."""

    TIMED_OUT = "timed-out"
    """The peer acknowledged nothing for too long."""


@dataclass(slots=True)
class Batch:
    """Datagrams for one address: one, or several equal ones in one buffer.

    Not frozen, because one is made for every send and freezing triples its cost; nobody
    changes it.
    """

    socket: SocketId
    """Which of the driver's sockets sends it."""

    address: Address
    """Where to."""

    data: bytes
    """The datagrams, one behind the other."""

    segment_size: int
    """Bytes of each datagram but the last, which may be shorter; 0 for a single one."""

    probe: Stream | None = None
    """The stream whose path MTU this datagram explores, so that a refusal by the
    operating system can be reported with ``Multiplexer.datagram_too_large``."""


@dataclass(slots=True)
class Event:
    """Base of all events."""

    stream: Stream


@dataclass(slots=True)
class DataReceived(Event):
    """Bytes of the ordered stream, in order, each once."""

    data: bytes


@dataclass(slots=True)
class MessageReceived(Event):
    """One unordered message; it may have come twice or out of order."""

    data: bytes


@dataclass(slots=True)
class EndReceived(Event):
    """The peer will send nothing more on the ordered stream."""


@dataclass(slots=True)
class Drained(Event):
    """The send queue fell below its high-water mark after ``write`` said stop."""


@dataclass(slots=True)
class RemoteChanged(Event):
    """All packets sent before ``change_remote`` are acknowledged."""


@dataclass(slots=True)
class Closed(Event):
    """The stream is gone; always its last event."""

    reason: CloseReason
