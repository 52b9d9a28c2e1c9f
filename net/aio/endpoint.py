"""Where UDX meets the operating system: UDP sockets, the multiplexer, clock and loop.

An :class:`Endpoint` owns the UDP sockets of one node and the UDX streams over them. A
turn of the event loop goes: read all datagrams there are, report what they brought, and
send everything that follows from it, in one callback and without tasks. Datagrams that
belong to no stream go to ``on_datagram``, which is the DHT's.

It leaves to others: encryption (:mod:`net.aio.stream`), finding peers, and punching
holes, for which it only lends sockets and single datagrams with a TTL.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from net.aio.facts import Traffic
from net.aio.raw_stream import UdxStream
from net.aio.timers import DeadlineTimer
from net.aio.udp import Address, SendOutcome, UdpSocket, open_udp_socket
from net.errors import LocalProtocolError
from net.udx import Batch, Multiplexer, SocketId, Stream

if TYPE_CHECKING:
    from net.udx.stream import UnknownSourceHook

MAX_PENDING_DATAGRAMS = 1024
"""Datagrams other than streams' that wait for a full socket; later ones are dropped."""

MAX_ROUNDS = 4
"""Times a turn lets listeners answer what sending made possible."""

DatagramHandler = Callable[[SocketId, bytes, Address], None]


class _SocketPort:
    """Binds one socket's reports to its number, and holds what could not be sent."""

    __slots__ = ("_endpoint", "_receive", "pending", "socket", "socket_id")

    def __init__(
        self, endpoint: Endpoint, socket_id: SocketId, socket: UdpSocket
    ) -> None:
        self._endpoint = endpoint
        self._receive = endpoint.multiplexer.receive_datagram
        self.socket_id = socket_id
        self.socket = socket
        self.pending: deque[Batch] = deque()

    def datagrams_received(
        self, data: memoryview, segment_size: int, address: Address
    ) -> None:
        """From the socket: to the streams, and what is not theirs to the DHT."""
        self._endpoint.traffic.received(len(data), segment_size)
        foreign = self._receive(
            self.socket_id, data, segment_size, address, time.monotonic()
        )
        if foreign:
            on_datagram = self._endpoint.on_datagram
            if on_datagram is not None:
                for datagram in foreign:
                    on_datagram(self.socket_id, datagram, address)

    def turn_finished(self) -> None:
        """From the socket: act on everything read."""
        self._endpoint.finish_reading()

    def writable(self) -> None:
        """From the socket: send what waits."""
        self._endpoint._resume(self)


class Endpoint:
    """Sockets and streams of one node.

    Made inside a running event loop; ended with :meth:`stop`.

    Attributes:
        multiplexer: the machine underneath.
        on_datagram: called with (socket, data, address) for what belongs to no stream.
        dropped: datagrams lost here, by reason.
        traffic: what its sockets carried.
    """

    def __init__(
        self,
        *,
        entropy: Callable[[int], bytes],
        on_datagram: DatagramHandler | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.multiplexer = Multiplexer(entropy=entropy)
        self.on_datagram = on_datagram
        self.dropped: Counter[str] = Counter()
        self.traffic = Traffic()
        self._ports: dict[SocketId, _SocketPort] = {}
        self._streams: dict[Stream, UdxStream] = {}
        self._timer = DeadlineTimer(self._loop, self._on_timer)
        self._before_flush: list[Callable[[], None]] = []
        self._flush_scheduled = False
        self._in_turn = False
        self._stopped = False

    # Sockets

    async def open_socket(
        self,
        socket_id: SocketId,
        *,
        host: str = "0.0.0.0",
        port: int = 0,
        offload: bool = True,
    ) -> Address:
        """Bind a UDP socket under a number of the caller's choice.

        Returns:
            The local address.

        Raises:
            EnvironmentFault: the address or port cannot be had.
            LocalProtocolError: the number is in use, or the endpoint has stopped.
        """
        if socket_id in self._ports or self._stopped:
            raise LocalProtocolError("socket number in use, or stopped", code="state")
        socket = await open_udp_socket(host, port, offload=offload)
        if socket_id in self._ports or self._stopped:
            socket.close()
            raise LocalProtocolError("socket number in use, or stopped", code="state")
        opened = self._ports[socket_id] = _SocketPort(self, socket_id, socket)
        socket.start(opened)
        return socket.address

    def close_socket(self, socket_id: SocketId) -> None:
        """Close a socket; streams that use it are destroyed. Unknown numbers pass."""
        for stream in list(self._streams):
            route = stream.route
            if route is not None and route.socket == socket_id:
                stream.destroy()
        self.flush()
        opened = self._ports.pop(socket_id, None)
        self.multiplexer.unblock(socket_id)
        if opened is not None:
            opened.socket.close()

    def socket_address(self, socket_id: SocketId) -> Address:
        """Local host and port of an open socket."""
        return self._ports[socket_id].socket.address

    @property
    def description(self) -> str:
        """How datagrams travel on this system, for the doctor."""
        kinds = {opened.socket.description for opened in self._ports.values()}
        return "; ".join(sorted(kinds)) or "no socket open"

    def send_datagram(
        self, socket_id: SocketId, data: bytes, address: Address, ttl: int | None = None
    ) -> bool:
        """Send one datagram that belongs to no stream; False when it was not sent.

        When the socket is full it waits for a while; what is refused counts as lost.
        """
        opened = self._ports.get(socket_id)
        if opened is None:
            self.dropped["no such socket"] += 1
            return False
        if opened.pending:
            if len(opened.pending) >= MAX_PENDING_DATAGRAMS:
                self.dropped["socket full"] += 1
                return False
            opened.pending.append(Batch(socket_id, address, data, 0))
            return True
        outcome = opened.socket.send(data, 0, address, ttl)
        if outcome is SendOutcome.BLOCKED and ttl is None:
            self._hold(opened, Batch(socket_id, address, data, 0))
            return True
        if outcome is SendOutcome.TOO_LARGE:
            outcome = opened.socket.send_fragmented(data, address)
        if outcome is not SendOutcome.SENT:
            self.dropped["refused by the system"] += 1
            return False
        self.traffic.sent(len(data), 0)
        return True

    # Streams

    def create_stream(
        self,
        local_id: int | None = None,
        *,
        on_unknown_source: UnknownSourceHook | None = None,
    ) -> UdxStream:
        """A new unconnected stream; see ``Multiplexer.create_stream``."""
        machine = self.multiplexer.create_stream(
            local_id, on_unknown_source=on_unknown_source
        )
        stream = UdxStream(self, machine)
        self._streams[machine] = stream
        return stream

    # Turns

    def run_turn(self) -> None:
        """Report what arrived and send what follows; safe to call at any time.

        Called inside a turn it does nothing, because the turn ends with all this.
        """
        if self._in_turn or self._stopped:
            return
        multiplexer = self.multiplexer
        self._in_turn = True
        try:
            for _ in range(MAX_ROUNDS):
                if multiplexer.has_events:
                    self._dispatch()
                if self._before_flush:
                    self._run_before_flush()
                self._send_all()
                if not multiplexer.has_work:
                    break
        finally:
            self._in_turn = False
            if not self._stopped:
                self._timer.set(multiplexer.get_timer())
                if self._before_flush or multiplexer.has_work:
                    self.schedule_flush()

    def finish_reading(self) -> None:
        """Report what arrived, and send what follows when those it woke have run.

        A reader that answers at once does so in this turn of the loop, and the
        acknowledgement travels with its answer.
        """
        if self._in_turn or self._stopped:
            return
        self._in_turn = True
        try:
            self._dispatch()
        finally:
            self._in_turn = False
            self.schedule_flush()

    def call_before_flush(self, callback: Callable[[], None]) -> None:
        """Call once before the next sending, which is at the end of this turn."""
        self._before_flush.append(callback)
        if not self._flush_scheduled:
            self.schedule_flush()

    def flush(self) -> None:
        """Send everything that may go out now."""
        self.run_turn()

    def schedule_flush(self) -> None:
        """Send at the end of this turn of the event loop."""
        if not self._flush_scheduled and not self._in_turn:
            self._flush_scheduled = True
            self._loop.call_soon(self._run_scheduled)

    async def stop(self) -> None:
        """Destroy all streams, telling their peers, and close all sockets."""
        for stream in list(self._streams):
            stream.destroy()
        self.run_turn()
        self._stopped = True
        self._timer.stop()
        for opened in self._ports.values():
            opened.socket.close()
        self._ports.clear()

    # Inside

    def _run_before_flush(self) -> None:
        while self._before_flush:
            callbacks, self._before_flush = self._before_flush, []
            waiting = iter(callbacks)
            try:
                for callback in waiting:
                    callback()
            finally:
                # One that fails must not silence the others: they are next.
                self._before_flush[:0] = waiting

    def _run_scheduled(self) -> None:
        self._flush_scheduled = False
        self.run_turn()

    def _on_timer(self) -> None:
        if not self._stopped:
            self.multiplexer.handle_timer(time.monotonic())
            self.run_turn()

    def _dispatch(self) -> None:
        next_event = self.multiplexer.next_event
        while (event := next_event()) is not None:
            stream = self._streams.get(event.stream)
            if stream is not None:
                stream.handle_event(event)
                if stream.finished:
                    del self._streams[event.stream]

    def _send_all(self) -> None:
        batches = self.multiplexer.datagrams_to_send(time.monotonic())
        for batch in batches:
            opened = self._ports.get(batch.socket)
            if opened is None:
                self.dropped["no such socket"] += 1
            elif opened.pending:
                opened.pending.append(batch)
            else:
                self._send(opened, batch)

    def _send(self, opened: _SocketPort, batch: Batch) -> bool:
        """Send one batch; False when the socket is full and the batch is held."""
        outcome = opened.socket.send(batch.data, batch.segment_size, batch.address)
        if outcome is SendOutcome.SENT:
            self.traffic.sent(len(batch.data), batch.segment_size)
            return True
        if outcome is SendOutcome.BLOCKED:
            self._hold(opened, batch)
            return False
        if outcome is SendOutcome.FAILED:
            self.dropped["refused by the system"] += 1
        elif batch.probe is not None:
            self.multiplexer.datagram_too_large(batch, time.monotonic())
        else:
            step = batch.segment_size or len(batch.data)
            self.traffic.sent(len(batch.data), step)
            for at in range(0, len(batch.data), step):
                segment = batch.data[at : at + step]
                opened.socket.send_fragmented(segment, batch.address)
        return True

    def _hold(self, opened: _SocketPort, batch: Batch) -> None:
        opened.pending.appendleft(batch)
        self.multiplexer.block(opened.socket_id)

    def _resume(self, opened: _SocketPort) -> None:
        while opened.pending:
            if not self._send(opened, opened.pending.popleft()):
                return
        self.multiplexer.unblock(opened.socket_id)
        self.run_turn()
