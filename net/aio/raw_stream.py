"""A UDX stream with callbacks: what connections are built on.

The stream reports to one listener, synchronously and in order, from inside the callback
that brought the datagram. Writes made from there leave in the same turn; writes made
elsewhere leave at the end of the loop's turn, together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from net.udx import (
    Address,
    Closed,
    CloseReason,
    DataReceived,
    Drained,
    EndReceived,
    Event,
    MessageReceived,
    RemoteChanged,
    SocketId,
    Stream,
    StreamStatistics,
)

if TYPE_CHECKING:
    from net.aio.endpoint import Endpoint

CLOSE_CODES = {
    CloseReason.FINISHED: None,
    CloseReason.DESTROYED: "destroyed",
    CloseReason.RESET: "reset",
    CloseReason.TIMED_OUT: "timed-out",
}
"""The word ``raw_closed`` gets for each way a stream ends."""


class StreamListener(Protocol):
    """Who a stream reports to."""

    def raw_data(self, data: bytes, now: float) -> None:
        """Bytes of the ordered stream came in."""

    def raw_message(self, data: bytes) -> None:
        """An unordered message came in."""

    def raw_end(self) -> None:
        """The peer writes nothing more."""

    def raw_drained(self) -> None:
        """The queue has room again after ``write`` returned False."""

    def raw_closed(self, code: str | None) -> None:
        """The stream is gone; None when both sides had ended. Always the last."""


@dataclass(frozen=True, slots=True)
class RawStats:
    """Figures of one stream at one moment."""

    rtt_s: float | None
    """Smoothed round-trip time, None before the first."""

    packets_retransmitted: int
    """Packets sent again."""

    mtu: int
    """Bytes of IP packet the path is known to carry."""


class UdxStream:
    """One stream of an endpoint.

    Attributes:
        machine: the stream without I/O.
        listener: who is told; data that arrives without one is lost, so set it before
            packets can come.
        on_remote_changed: called when all packets of the old remote are acknowledged.
        finished: the listener has heard that it is closed.
    """

    __slots__ = ("_endpoint", "finished", "listener", "machine", "on_remote_changed")

    def __init__(self, endpoint: Endpoint, machine: Stream) -> None:
        self._endpoint = endpoint
        self.machine = machine
        self.listener: StreamListener | None = None
        self.on_remote_changed: Callable[[], None] | None = None
        self.finished = False

    # What is known

    @property
    def local_id(self) -> int:
        """The id peers send to."""
        return self.machine.local_id

    @property
    def connected(self) -> bool:
        """True between :meth:`connect` and the end."""
        return self.machine.connected

    @property
    def queued_bytes(self) -> int:
        """Bytes written and not yet acknowledged."""
        return self.machine.unacknowledged_bytes

    @property
    def max_message_bytes(self) -> int:
        """Largest message :meth:`send_message` takes now."""
        return self.machine.max_payload

    @property
    def remote_address(self) -> Address:
        """Where packets go now; ``("0.0.0.0", 0)`` before :meth:`connect`."""
        route = self.machine.route
        return ("0.0.0.0", 0) if route is None else route.address

    @property
    def statistics(self) -> StreamStatistics:
        """All counters and estimates."""
        return self.machine.statistics

    def stats(self) -> RawStats:
        """The few figures a connection shows."""
        statistics = self.machine.statistics
        return RawStats(
            statistics.rtt_s, statistics.retransmitted_packets, statistics.mtu
        )

    # Intents

    def connect(self, remote_id: int, socket_id: SocketId, address: Address) -> None:
        """Set where the peer is; see ``Stream.connect``."""
        self.machine.connect(remote_id, socket_id, address)
        self._endpoint.schedule_flush()

    def write(self, data: bytes) -> bool:
        """Append bytes; False when the writer should wait for ``raw_drained``.

        Raises:
            LocalProtocolError: not connected, ended or closed.
        """
        writable = self.machine.write(data)
        self._endpoint.schedule_flush()
        return writable

    def send_message(self, data: bytes) -> None:
        """Send one unordered message, or lose it; see ``Stream.send_message``."""
        self.machine.send_message(data)
        self._endpoint.schedule_flush()

    def set_unread(self, count: int) -> None:
        """Say how many delivered bytes lie unread, so that the peer slows down."""
        self.machine.set_unread(count)
        if self.machine.owes_acknowledgement:
            self._endpoint.schedule_flush()

    def end(self) -> None:
        """Write nothing more; the other direction stays open."""
        self.machine.end()
        self._endpoint.schedule_flush()

    def destroy(self) -> None:
        """End at once and tell the peer; ``raw_closed`` follows."""
        self.machine.destroy()
        self._endpoint.schedule_flush()

    def change_remote(
        self, remote_id: int, socket_id: SocketId, address: Address
    ) -> None:
        """Send to another address from now on; see ``Stream.change_remote``."""
        self.machine.change_remote(remote_id, socket_id, address)
        self._endpoint.schedule_flush()

    def relay_to(self, destination: UdxStream) -> None:
        """Pass every packet on to the peer of another stream from now on."""
        self.machine.relay_to(destination.machine)

    def set_keep_alive(self, interval_s: float | None) -> None:
        """Send a HEARTBEAT after so much silence; None stops it."""
        self.machine.set_keep_alive(interval_s, time.monotonic())
        self._endpoint.schedule_flush()

    def call_before_flush(self, callback: Callable[[], None]) -> None:
        """Call once at the end of this turn of the loop, before all is sent."""
        self._endpoint.call_before_flush(callback)

    def flush(self) -> None:
        """Hand everything that may be sent to the operating system now."""
        self._endpoint.flush()

    # From the endpoint

    def handle_event(self, event: Event) -> None:
        """Report one event of the machine to the listener."""
        listener = self.listener
        if isinstance(event, DataReceived):
            if listener is not None:
                listener.raw_data(event.data, time.monotonic())
        elif isinstance(event, RemoteChanged):
            if self.on_remote_changed is not None:
                self.on_remote_changed()
        elif isinstance(event, Closed):
            self.finished = True
            if listener is not None:
                listener.raw_closed(CLOSE_CODES[event.reason])
        elif listener is None:
            return
        elif isinstance(event, MessageReceived):
            listener.raw_message(event.data)
        elif isinstance(event, EndReceived):
            listener.raw_end()
        elif isinstance(event, Drained):
            listener.raw_drained()
