"""Reliable streams and unordered messages over datagrams (UDX)."""

from __future__ import annotations

from net.udx.events import (
    Address,
    Batch,
    Closed,
    CloseReason,
    DataReceived,
    Drained,
    EndReceived,
    Event,
    MessageReceived,
    RemoteChanged,
    SocketId,
)
from net.udx.multiplexer import Multiplexer
from net.udx.stats import StreamStatistics
from net.udx.stream import MAX_HELD_BYTES, MAX_WINDOW_BYTES, Stream

__all__ = [
    "MAX_HELD_BYTES",
    "MAX_WINDOW_BYTES",
    "Address",
    "Batch",
    "CloseReason",
    "Closed",
    "DataReceived",
    "Drained",
    "EndReceived",
    "Event",
    "MessageReceived",
    "Multiplexer",
    "RemoteChanged",
    "SocketId",
    "Stream",
    "StreamStatistics",
]
