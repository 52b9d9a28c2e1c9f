"""UDP with ``recvfrom`` and ``sendto``, one call a datagram, on any system.

Works on every event loop with ``add_reader``. Several datagrams are read in a turn, so
that the protocol above answers them together.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from contextlib import suppress

from net.aio.udp import (
    MAX_READS_PER_TURN,
    Address,
    SendOutcome,
    UdpReceiver,
    allow_fragments,
)

_BUFFER_BYTES = 65536
_BLOCKED = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.EINTR}


def outcome_of(error: OSError) -> SendOutcome:
    """What a refusal to send means."""
    if error.errno in _BLOCKED:
        return SendOutcome.BLOCKED
    if error.errno == errno.EMSGSIZE:
        return SendOutcome.TOO_LARGE
    return SendOutcome.FAILED


class PlainUdpSocket:
    """A socket read and written one datagram at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bound: socket.socket) -> None:
        self._loop = loop
        self._socket = bound
        self._closed = False
        self._waiting_to_write = False
        self._receiver: UdpReceiver | None = None
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        host, port = bound.getsockname()[:2]
        self.address: Address = (str(host), int(port))

    @property
    def description(self) -> str:
        """How it works, for the doctor."""
        return f"plain datagrams ({sys.platform}): no segmentation offload in use"

    def start(self, receiver: UdpReceiver) -> None:
        """Report datagrams from now on."""
        self._receiver = receiver
        self._loop.add_reader(self._socket.fileno(), self._on_readable)

    def send(
        self, data: bytes, segment_size: int, address: Address, ttl: int | None = None
    ) -> SendOutcome:
        """Send one datagram, or several equal ones."""
        if self._closed:
            return SendOutcome.FAILED
        if ttl is not None:
            return self._send_with_ttl(data, address, ttl)
        try:
            if not 0 < segment_size < len(data):
                self._socket.sendto(data, address)
                return SendOutcome.SENT
            view = memoryview(data)
            for at in range(0, len(data), segment_size):
                self._socket.sendto(view[at : at + segment_size], address)
        except OSError as error:
            return self._refused(error)
        return SendOutcome.SENT

    def send_fragmented(self, data: bytes, address: Address) -> SendOutcome:
        """Send one datagram though it exceeds the path MTU."""
        if self._closed:
            return SendOutcome.FAILED
        allow_fragments(self._socket, allowed=True)
        try:
            self._socket.sendto(data, address)
        except OSError as error:
            return self._refused(error)
        finally:
            allow_fragments(self._socket, allowed=False)
        return SendOutcome.SENT

    def close(self) -> None:
        """Stop at once and release the port."""
        if self._closed:
            return
        self._closed = True
        if self._receiver is not None:
            self._loop.remove_reader(self._socket.fileno())
        if self._waiting_to_write:
            self._loop.remove_writer(self._socket.fileno())
        self._socket.close()

    def _send_with_ttl(self, data: bytes, address: Address, ttl: int) -> SendOutcome:
        level, option = socket.IPPROTO_IP, socket.IP_TTL
        try:
            usual = self._socket.getsockopt(level, option)
            self._socket.setsockopt(level, option, ttl)
            try:
                self._socket.sendto(data, address)
            finally:
                self._socket.setsockopt(level, option, usual)
        except OSError as error:
            return self._refused(error)
        return SendOutcome.SENT

    def _refused(self, error: OSError) -> SendOutcome:
        outcome = outcome_of(error)
        if outcome is SendOutcome.BLOCKED and not self._waiting_to_write:
            self._waiting_to_write = True
            self._loop.add_writer(self._socket.fileno(), self._on_writable)
        return outcome

    def _on_writable(self) -> None:
        self._waiting_to_write = False
        self._loop.remove_writer(self._socket.fileno())
        if self._receiver is not None:
            self._receiver.writable()

    def _on_readable(self) -> None:
        receiver = self._receiver
        assert receiver is not None
        for _ in range(MAX_READS_PER_TURN):
            try:
                size, address = self._socket.recvfrom_into(self._buffer)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # An ICMP error for an earlier datagram: it names none we could act on.
                with suppress(OSError):
                    self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                break
            receiver.datagrams_received(self._view[:size], 0, address)
            if self._closed:
                return
        receiver.turn_finished()
