"""The lab's internet: carries packets between TUN devices, late, and tells of some.

    python -m tests.natlab.internet

Takes a line of JSON, answers with one:

    {"do": "connect", "space": NAMESPACE, "device": NAME, "hosts": [...]}  ->  {}
    {"do": "name", "space": NAMESPACE, "hosts": [...]}                     ->  {}
    {"do": "lose-probes", "seconds": number}                               ->  {}
    {"do": "lose", "share": 0 to 1, "seed": number}                        ->  {}
    {"do": "captured"}                          ->  {"captured": [row, ...]}

``connect`` makes the device in that namespace; packets to the hosts go there, as
to those named later. Each row
is a handshake or hole punch message that passed since ``captured`` was asked last.
``lose`` loses so much of everything from then on, by chance.
``lose-probes`` loses every hole punch probe, a datagram of one byte, for so long.
Every packet takes DELAY_S, and one that was sent with too small a TTL is lost.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import random
import selectors
import socket
import stat
import struct
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

from net.dht.constants import Command
from net.dht.messages import HandshakeMessage, HolepunchMessage
from net.errors import RemoteProtocolError
from net.rpc.messages import REQUEST, RESPONSE, decode_request, decode_response

DELAY_S = 0.01
HOPS = 12
"""How many routers a packet passes, as far as its TTL is concerned."""

MAX_PACKET_BYTES = 65_536
MAX_CAPTURED = 10_000
MAX_WAITING = 4_096

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
CLONE_NEWNET = 0x40000000
UDP = 17

DECODERS = {
    Command.PEER_HANDSHAKE: HandshakeMessage.decode,
    Command.PEER_HOLEPUNCH: HolepunchMessage.decode,
}


def open_tun() -> int:
    """Open the kernel's door for TUN devices, also where /dev does not show it.

    Raises:
        OSError: There is none, or we may not.
    """
    flags = os.O_RDWR | os.O_NONBLOCK
    try:
        return os.open("/dev/net/tun", flags)
    except FileNotFoundError:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tun")
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(10, 200))
            return os.open(path, flags)


def make_device(space: str, name: str) -> int:
    """Make a TUN device in a namespace; returns its descriptor.

    Raises:
        OSError: The system does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    place = os.open(Path("/run/netns", space), os.O_RDONLY)
    try:
        if libc.setns(place, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(place)
    device = open_tun()
    request = struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI)
    fcntl.ioctl(device, TUNSETIFF, request)
    return device


class Capture:
    """Keeps the handshake and hole punch messages among the packets."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._commands: dict[int, Command] = {}

    def look(self, packet: bytes) -> None:
        """Note a packet if it is of interest."""
        start = (packet[0] & 15) * 4
        payload = packet[start + 8 :]
        if packet[9] != UDP or payload[:1] not in (b"\x03", b"\x13"):
            return
        try:
            found = self._read(payload)
        except RemoteProtocolError:
            return
        if found is None or len(self.rows) >= MAX_CAPTURED:
            return
        ports = struct.unpack_from(">HH", packet, start)
        self.rows.append(
            {
                "command": int(found[0]),
                "mode": found[1],
                "from": f"{socket.inet_ntoa(packet[12:16])}:{ports[0]}",
                "to": f"{socket.inet_ntoa(packet[16:20])}:{ports[1]}",
            }
        )

    def _read(self, payload: bytes) -> tuple[Command, int] | None:
        """Command and mode; an answer does not name its command, but its number."""
        if payload[0] == REQUEST:
            request = decode_request(payload)
            if request.internal or request.command not in DECODERS:
                return None
            command, value = Command(request.command), request.value
            self._commands[request.tid] = command
        else:
            assert payload[0] == RESPONSE
            answer = decode_response(payload)
            if answer.tid not in self._commands:
                return None
            command, value = self._commands[answer.tid], answer.value
        if value is None:
            return None
        return command, int(DECODERS[command](value).mode)


class Internet:
    """Devices, the hosts behind them, and the packets under way."""

    def __init__(self) -> None:
        self.capture = Capture()
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        self._devices: dict[str, int] = {}
        self._owners: dict[bytes, int] = {}
        self._under_way: deque[tuple[float, int, bytes]] = deque()
        self._typed = b""
        self._lose_probes_until = 0.0
        self._lose_share = 0.0
        self._chance = random.Random(0)

    def run(self) -> None:
        """Carry packets until the standard input ends."""
        while True:
            wait_s = None
            if self._under_way:
                wait_s = max(0.0, self._under_way[0][0] - time.monotonic())
            for key, _ in self._selector.select(wait_s):
                if key.fd != sys.stdin.fileno():
                    self._receive(key.fd)
                elif not self._listen():
                    return
            self._deliver()

    def _receive(self, device: int) -> None:
        while len(self._under_way) < MAX_WAITING:
            try:
                packet = os.read(device, MAX_PACKET_BYTES)
            except BlockingIOError:
                return
            owner = self._owners.get(packet[16:20])
            if packet[0] >> 4 != 4 or owner is None or packet[8] <= HOPS:
                continue
            now = time.monotonic()
            if now < self._lose_probes_until and _is_probe(packet):
                continue
            if self._lose_share and self._chance.random() < self._lose_share:
                continue
            self.capture.look(packet)
            self._under_way.append((now + DELAY_S, owner, packet))

    def _deliver(self) -> None:
        now = time.monotonic()
        while self._under_way and self._under_way[0][0] <= now:
            _, owner, packet = self._under_way.popleft()
            try:
                os.write(owner, packet)
            except OSError:
                # A device that is down or full loses packets, as anywhere.
                continue

    def _listen(self) -> bool:
        typed = os.read(sys.stdin.fileno(), MAX_PACKET_BYTES)
        *lines, self._typed = (self._typed + typed).split(b"\n")
        for line in lines:
            answer = self._obey(json.loads(line))
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        return bool(typed)

    def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        if order["do"] == "captured":
            rows, self.capture.rows = self.capture.rows, []
            return {"captured": rows}
        if order["do"] == "lose-probes":
            self._lose_probes_until = time.monotonic() + order["seconds"]
            return {}
        if order["do"] == "lose":
            self._lose_share = order["share"]
            self._chance = random.Random(order["seed"])
            return {}
        if order["do"] == "connect":
            device = make_device(order["space"], order["device"])
            self._devices[order["space"]] = device
            self._selector.register(device, selectors.EVENT_READ)
        for host in order["hosts"]:
            self._owners[socket.inet_aton(host)] = self._devices[order["space"]]
        return {}


def _is_probe(packet: bytes) -> bool:
    head = (packet[0] & 15) * 4 + 8
    return packet[9] == UDP and len(packet) == head + 1


if __name__ == "__main__":
    Internet().run()
