"""UDP with segmentation offload, on Linux since 5.0.

UDP_SEGMENT lets one ``sendmsg`` hand over up to 64 equal datagrams, which the kernel or
the network card cuts apart; UDP_GRO delivers such a run with one ``recvmsg`` and tells
the segment size beside it. A run costs little more than a datagram, which is what makes
fast transfers possible in Python. When a device refuses segmentation, this falls back
to single datagrams for good.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import sys

from net.aio.udp import MAX_READS_PER_TURN, Address, SendOutcome
from net.aio.udp_plain import PlainUdpSocket, outcome_of

_SOL_UDP = 17
_UDP_SEGMENT = 103
_UDP_GRO = 104
_SEGMENT_SIZE = struct.Struct("=H")
_TTL = struct.Struct("=i")
_ANCILLARY_BYTES = 64
_NO_OFFLOAD = {errno.EIO, errno.EINVAL, errno.ENOPROTOOPT, errno.EOPNOTSUPP}

MAX_BYTES_PER_TURN = 1 << 19
"""Bytes read before what arrived is acknowledged and handed on."""

LONE_TURNS = 8
"""After so many turns in a row that brought one datagram, a turn reads one and does not
ask for more, but for every eighth: a question and its answer come alone, and to be told
that there is nothing more costs as much as sending. In a burst that starts then, few
datagrams are answered one by one."""


class OffloadUdpSocket(PlainUdpSocket):
    """A socket that moves runs of datagrams with one call."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bound: socket.socket) -> None:
        super().__init__(loop, bound)
        self._segments = True
        self._buffers = [self._buffer]
        self._lone_turns = 0
        self._ancillary: dict[int, list[tuple[int, int, bytes]]] = {}

    @staticmethod
    def prepare(bound: socket.socket) -> bool:
        """Switch offload on; False where the kernel has none."""
        if sys.platform != "linux":
            return False
        try:
            bound.getsockopt(_SOL_UDP, _UDP_SEGMENT)
            bound.setsockopt(_SOL_UDP, _UDP_GRO, 1)
        except OSError:
            return False
        return True

    @property
    def description(self) -> str:
        """How it works, for the doctor."""
        if self._segments:
            return "segmentation offload (UDP_SEGMENT, UDP_GRO)"
        return "receive offload (UDP_GRO); the device refused UDP_SEGMENT"

    def send(
        self, data: bytes, segment_size: int, address: Address, ttl: int | None = None
    ) -> SendOutcome:
        """Send one datagram, or several equal ones with one call."""
        if ttl is not None or not self._segments:
            return super().send(data, segment_size, address, ttl)
        if self._closed:
            return SendOutcome.FAILED
        if not 0 < segment_size < len(data):
            try:
                self._socket.sendto(data, address)
            except OSError as error:
                return self._refused(error)
            return SendOutcome.SENT
        ancillary = self._ancillary.get(segment_size)
        if ancillary is None:
            size = _SEGMENT_SIZE.pack(segment_size)
            ancillary = [(_SOL_UDP, _UDP_SEGMENT, size)]
            if len(self._ancillary) > 256:
                self._ancillary.clear()
            self._ancillary[segment_size] = ancillary
        try:
            self._socket.sendmsg((data,), ancillary, 0, address)
        except OSError as error:
            if error.errno in _NO_OFFLOAD:
                self._segments = False
                return super().send(data, segment_size, address, ttl)
            return self._refused(error)
        return SendOutcome.SENT

    def _send_with_ttl(self, data: bytes, address: Address, ttl: int) -> SendOutcome:
        ancillary = [(socket.IPPROTO_IP, socket.IP_TTL, _TTL.pack(ttl))]
        try:
            self._socket.sendmsg((data,), ancillary, 0, address)
        except OSError as error:
            return self._refused(error)
        return SendOutcome.SENT

    def _on_readable(self) -> None:
        receiver = self._receiver
        assert receiver is not None
        receive, buffers, view = self._socket.recvmsg_into, self._buffers, self._view
        bytes_left = MAX_BYTES_PER_TURN
        lone_turns = self._lone_turns
        for reads in range(MAX_READS_PER_TURN):
            try:
                size, ancillary, _, address = receive(buffers, _ANCILLARY_BYTES)
            except OSError as error:
                if outcome_of(error) is not SendOutcome.BLOCKED:
                    continue
                break
            self._lone_turns = 0 if reads else lone_turns + 1
            segment_size = 0
            if ancillary:
                segment_size = int.from_bytes(ancillary[0][2][:2], sys.byteorder)
            receiver.datagrams_received(view[:size], segment_size, address)
            if self._closed:
                return
            bytes_left -= size
            if bytes_left <= 0 or (lone_turns >= LONE_TURNS and lone_turns % 8):
                break
        receiver.turn_finished()
