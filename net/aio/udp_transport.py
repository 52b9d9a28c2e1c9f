"""UDP over asyncio's datagram transports, for event loops that cannot watch sockets.

That is the Proactor loop of Windows. Each datagram is a callback of its own; the turn
ends when the loop has run all callbacks it had.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any, cast

from net.aio.udp import Address, SendOutcome, UdpReceiver, allow_fragments

MAX_BUFFERED_BYTES = 1 << 18
"""Bytes waiting in the transport above which sending counts as blocked."""


class TransportUdpSocket(asyncio.DatagramProtocol):
    """A socket behind a datagram transport."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bound: socket.socket) -> None:
        self._loop = loop
        self._socket = bound
        self._transport: asyncio.DatagramTransport | None = None
        self._receiver: UdpReceiver | None = None
        self._turn_scheduled = False
        self._paused = False
        host, port = bound.getsockname()[:2]
        self.address: Address = (str(host), int(port))

    @property
    def description(self) -> str:
        """How it works, for the doctor."""
        return "datagram transports of the event loop: no segmentation offload in use"

    def start(self, receiver: UdpReceiver) -> None:
        """Report datagrams from now on."""
        self._receiver = receiver

    def send(
        self, data: bytes, segment_size: int, address: Address, ttl: int | None = None
    ) -> SendOutcome:
        """Send one datagram, or several equal ones."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return SendOutcome.FAILED
        if self._paused:
            return SendOutcome.BLOCKED
        if ttl is not None or not data:
            # Transports know no options of single datagrams, and drop empty ones.
            return self._send_now(data, address, ttl)
        step = segment_size or len(data)
        for at in range(0, len(data), step):
            transport.sendto(data[at : at + step], address)
        return SendOutcome.SENT

    def send_fragmented(self, data: bytes, address: Address) -> SendOutcome:
        """Send one datagram though it exceeds the path MTU."""
        if self._transport is None:
            return SendOutcome.FAILED
        allow_fragments(self._socket, allowed=True)
        try:
            return self._send_now(data, address, None)
        finally:
            allow_fragments(self._socket, allowed=False)

    def close(self) -> None:
        """Stop at once and release the port."""
        self._receiver = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is ready."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        set_limits = getattr(transport, "set_write_buffer_limits", None)
        if set_limits is not None:
            set_limits(high=MAX_BUFFERED_BYTES, low=MAX_BUFFERED_BYTES // 2)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """One datagram."""
        receiver = self._receiver
        if receiver is None:
            return
        receiver.datagrams_received(memoryview(data), 0, (addr[0], addr[1]))
        if not self._turn_scheduled:
            self._turn_scheduled = True
            self._loop.call_soon(self._finish_turn)

    def error_received(self, exc: Exception) -> None:
        """A datagram was refused: it counts as lost."""

    def pause_writing(self) -> None:
        """The transport's buffer rose above its high mark."""
        self._paused = True

    def resume_writing(self) -> None:
        """The transport's buffer fell below its low mark."""
        self._paused = False
        if self._receiver is not None:
            self._receiver.writable()

    def _finish_turn(self) -> None:
        self._turn_scheduled = False
        if self._receiver is not None:
            self._receiver.turn_finished()

    def _send_now(self, data: bytes, address: Address, ttl: int | None) -> SendOutcome:
        """Send past the transport."""
        level, option = socket.IPPROTO_IP, socket.IP_TTL
        try:
            usual = self._socket.getsockopt(level, option)
            if ttl is not None:
                self._socket.setsockopt(level, option, ttl)
            try:
                self._socket.sendto(data, address)
            finally:
                if ttl is not None:
                    self._socket.setsockopt(level, option, usual)
        except OSError as error:
            too_large = error.errno == errno.EMSGSIZE
            return SendOutcome.TOO_LARGE if too_large else SendOutcome.FAILED
        return SendOutcome.SENT


async def open_transport_socket(
    loop: asyncio.AbstractEventLoop, bound: socket.socket
) -> TransportUdpSocket:
    """Put a bound socket behind a transport of the loop."""
    _, protocol = await loop.create_datagram_endpoint(
        lambda: TransportUdpSocket(loop, bound), sock=bound
    )
    return protocol
