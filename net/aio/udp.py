"""UDP sockets for an event loop: one interface, and the best backend of each system.

asyncio's own datagram transports lack ``sendmsg`` and ``recvmsg``, without which the
kernel's segmentation offload cannot be used, and read one datagram a turn. Backends:

* :mod:`net.aio.udp_offload`: Linux with UDP_SEGMENT and UDP_GRO, up to 64 datagrams
  with one call in each direction;
* :mod:`net.aio.udp_plain`: any loop with ``add_reader``, one call a datagram;
* :mod:`net.aio.udp_transport`: asyncio's transports, for loops without (Windows).

A backend moves bytes. It leaves to others what they mean, and queues nothing.
"""

from __future__ import annotations

import asyncio
import ctypes
import enum
import socket
import sys
from contextlib import suppress
from typing import Protocol

from net.errors import EnvironmentFault

Address = tuple[str, int]

RECEIVE_BUFFER_BYTES = (1 << 20, 1 << 19, 1 << 18, 212992)
"""Receive buffers to try, largest first; systems have limits of their own."""

SEND_BUFFER_BYTES = 1 << 19

WANTED_FILES = 4096
"""Open files a process with a node should be allowed."""

MAX_READS_PER_TURN = 64
"""Calls to read datagrams before other work of the loop gets its turn."""

_LINUX_MTU_DISCOVER = 10
_LINUX_MTU_PROBE = 3
_LINUX_MTU_DONT = 0
_DARWIN_DONT_FRAGMENT = 28
_WINDOWS_DONT_FRAGMENT = 14
_WINDOWS_UDP_CONNECTION_RESET = 0x9800000C


class SendOutcome(enum.Enum):
    """What became of an attempt to send."""

    SENT = "sent"
    """The system took it."""

    BLOCKED = "blocked"
    """The system's buffer is full: try again when told that it is writable."""

    TOO_LARGE = "too large"
    """It does not fit the path as the system knows it."""

    FAILED = "failed"
    """The system refused, for example without a route; it counts as lost."""


class UdpReceiver(Protocol):
    """Who a socket reports to."""

    def datagrams_received(
        self, data: memoryview, segment_size: int, address: Address
    ) -> None:
        """One or more datagrams from one source; ``data`` is valid during the call.

        ``segment_size`` is the size of each but the last, 0 for a single one.
        """

    def turn_finished(self) -> None:
        """All that was there to read in this turn has been reported."""

    def writable(self) -> None:
        """After ``BLOCKED``: sending may work again."""


class UdpSocket(Protocol):
    """A bound UDP socket."""

    @property
    def description(self) -> str:
        """How it works, for the doctor: one short phrase."""

    @property
    def address(self) -> Address:
        """Local host and port."""

    def start(self, receiver: UdpReceiver) -> None:
        """Report datagrams from now on; called once."""

    def send(
        self, data: bytes, segment_size: int, address: Address, ttl: int | None = None
    ) -> SendOutcome:
        """Send one datagram, or several equal ones when ``segment_size`` is not 0.

        After ``BLOCKED`` in the middle of several, those sent before count as sent once
        more when all are tried again; the protocol above bears duplicates.
        """

    def send_fragmented(self, data: bytes, address: Address) -> SendOutcome:
        """Send one datagram though it exceeds the path MTU, in fragments."""

    def close(self) -> None:
        """Stop at once and release the port."""


async def open_udp_socket(
    host: str = "0.0.0.0", port: int = 0, *, offload: bool = True
) -> UdpSocket:
    """Bind a UDP socket with the best backend there is.

    Args:
        host: local IPv4 address.
        port: local port, 0 for any.
        offload: False to leave segmentation offload unused.

    Raises:
        EnvironmentFault: the address or port cannot be had.
    """
    from net.aio.udp_offload import OffloadUdpSocket
    from net.aio.udp_plain import PlainUdpSocket
    from net.aio.udp_transport import open_transport_socket

    bound = _bind(host, port)
    loop = asyncio.get_running_loop()
    if not _has_readers(loop):
        return await open_transport_socket(loop, bound)
    if offload and OffloadUdpSocket.prepare(bound):
        return OffloadUdpSocket(loop, bound)
    return PlainUdpSocket(loop, bound)


def allow_fragments(bound: socket.socket, *, allowed: bool) -> None:
    """Let the system fragment large datagrams, or (normally) forbid it."""
    with suppress(OSError):
        if sys.platform == "linux":
            value = _LINUX_MTU_DONT if allowed else _LINUX_MTU_PROBE
            bound.setsockopt(socket.IPPROTO_IP, _LINUX_MTU_DISCOVER, value)
        elif sys.platform == "darwin":
            bound.setsockopt(socket.IPPROTO_IP, _DARWIN_DONT_FRAGMENT, int(not allowed))
        elif sys.platform == "win32":
            bound.setsockopt(
                socket.IPPROTO_IP, _WINDOWS_DONT_FRAGMENT, int(not allowed)
            )


def allow_many_sockets() -> None:
    """Raise this process's soft limit of open files where the system lets us.

    Some systems allow 256 by default, fewer than hole punching may need.
    """
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = WANTED_FILES
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _bind(host: str, port: int) -> socket.socket:
    bound: socket.socket | None = None
    try:
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.setblocking(False)
        bound.bind((host, port))
    except OSError as error:
        if bound is not None:
            bound.close()
        raise EnvironmentFault(
            f"UDP port {port} on {host} cannot be opened: {error.strerror}",
            code="port-taken" if port else "no-socket",
        ) from error
    for size in RECEIVE_BUFFER_BYTES:
        with suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            if bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= size:
                break
    with suppress(OSError):
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    allow_fragments(bound, allowed=False)
    _ignore_unreachable(bound)
    return bound


def _ignore_unreachable(bound: socket.socket) -> None:
    """Keep reading though a datagram was answered by "port unreachable" (Windows).

    There a read fails then, after which the Proactor loop of Python 3.11 reads no more.
    """
    if sys.platform == "win32":
        off = ctypes.c_uint32(0)
        answered = ctypes.c_uint32(0)
        call = ctypes.WinDLL("ws2_32").WSAIoctl
        # A system that refuses is left as it is: the event loop must bear it.
        call(
            ctypes.c_size_t(bound.fileno()),
            ctypes.c_uint32(_WINDOWS_UDP_CONNECTION_RESET),
            ctypes.byref(off),
            ctypes.c_uint32(ctypes.sizeof(off)),
            None,
            ctypes.c_uint32(0),
            ctypes.byref(answered),
            None,
            None,
        )


def _has_readers(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the loop can watch a plain socket; the Proactor loop cannot."""
    proactor = getattr(asyncio, "ProactorEventLoop", None)
    return proactor is None or not isinstance(loop, proactor)
