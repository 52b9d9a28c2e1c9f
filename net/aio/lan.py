"""The addresses of this machine's interfaces, and a watch on changes and on sleep.

Offered to peers, so that two machines of one local network meet without going through
its router. Each system is asked in its own way; none needs a library.
"""

from __future__ import annotations

import array
import asyncio
import ctypes
import ctypes.util
import ipaddress
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

POLL_INTERVAL_S = 5.0
MIN_SLEEP_S = 10.0
"""Shorter sleeps of the machine are not told: nothing has expired."""

MAX_ADDRESSES = 32
_SIOCGIFCONF = 0x8912
_IFREQ_BYTES = 40 if struct.calcsize("P") == 8 else 32
_MAX_INTERFACES = 256


def local_addresses() -> tuple[str, ...]:
    """The IPv4 addresses others on the same network may reach, best first.

    Loopback is left out unless there is nothing else. Never fails: a system that does
    not answer has no addresses to offer.
    """
    found: Iterable[str] = ()
    with suppress(OSError, AttributeError, ValueError):
        if sys.platform == "linux":
            found = _by_ioctl()
        elif sys.platform == "win32":
            found = _by_own_name()
        else:
            found = _by_getifaddrs()
    addresses = sorted(set(found), key=_order)[:MAX_ADDRESSES]
    outside = [it for it in addresses if not ipaddress.IPv4Address(it).is_loopback]
    return tuple(outside or [it for it in addresses if it == "127.0.0.1"])


def seconds_asleep() -> float:
    """How long the machine has slept, as far as the usual clock did not notice.

    Only differences mean something. On Windows the usual clock goes on during sleep,
    and those who wait see for themselves that they are late.
    """
    now = time.monotonic()
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME) - now
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC_RAW) - now
    return 0.0


def _order(address: str) -> tuple[bool, int]:
    value = ipaddress.IPv4Address(address)
    return value.is_link_local, int(value)


def _by_ioctl() -> list[str]:
    import fcntl

    buffer = array.array("B", bytes(_IFREQ_BYTES * _MAX_INTERFACES))
    start, _ = buffer.buffer_info()
    request = struct.pack("iP", len(buffer), start)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        answer = fcntl.ioctl(asking.fileno(), _SIOCGIFCONF, request)
    used = struct.unpack("iP", answer)[0]
    table = buffer.tobytes()[:used]
    return [
        socket.inet_ntoa(table[at + 20 : at + 24])
        for at in range(0, used, _IFREQ_BYTES)
    ]


def _by_own_name() -> list[str]:
    infos = socket.getaddrinfo(socket.gethostname(), None, family=socket.AF_INET)
    return [str(info[4][0]) for info in infos]


class _InterfaceAddress(ctypes.Structure):
    """The head of BSD's ``struct ifaddrs``."""


_InterfaceAddress._fields_ = [
    ("next", ctypes.POINTER(_InterfaceAddress)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
]


def _by_getifaddrs() -> list[str]:
    libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    head = ctypes.POINTER(_InterfaceAddress)()
    if libc.getifaddrs(ctypes.byref(head)) != 0:
        raise OSError(ctypes.get_errno(), "getifaddrs")
    found = []
    try:
        item = head
        while item:
            where = item.contents.address
            if where:
                # On BSD one byte of length goes before the family; on Linux the
                # family has two. Its number fits in one either way.
                raw = ctypes.string_at(where, 8)
                family = raw[1] if sys.platform != "linux" else raw[0]
                if family == socket.AF_INET:
                    found.append(socket.inet_ntoa(raw[4:8]))
            item = item.contents.next
    finally:
        libc.freeifaddrs(head)
    return found


class InterfaceWatcher:
    """Looks every few seconds; reports changed interfaces, and that the machine slept.

    Owned by a node, which starts and stops it.
    """

    def __init__(
        self,
        on_change: Callable[[tuple[str, ...]], None],
        *,
        interval_s: float = POLL_INTERVAL_S,
        read: Callable[[], tuple[str, ...]] = local_addresses,
        on_wake: Callable[[], None] | None = None,
        asleep: Callable[[], float] = seconds_asleep,
    ) -> None:
        self.addresses = read()
        self._on_change = on_change
        self._interval_s = interval_s
        self._read = read
        self._on_wake = on_wake
        self._asleep = asleep
        self._slept_s = asleep()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look; needs a running event loop."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._interval_s, self._look)

    def stop(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self.start()
        slept_s, self._slept_s = self._slept_s, self._asleep()
        if self._slept_s - slept_s > MIN_SLEEP_S and self._on_wake is not None:
            self._on_wake()
        addresses = self._read()
        if addresses != self.addresses:
            self.addresses = addresses
            self._on_change(addresses)
