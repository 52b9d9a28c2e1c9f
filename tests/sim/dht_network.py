"""A small HyperDHT in the simulated world: nodes, firewalled homes, and fake streams.

A :class:`Participant` drives one ``HyperDhtNode`` as a rim would. In place of UDX it
speaks a toy stream: each side sends a marked datagram, as the secret stream's opening
does, until the other one echoes it, which shows that a path told by ``StreamReady``
carries packets both ways.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

from net.crypto import KeyPair
from net.dht import (
    ConnectFailed,
    Connecting,
    HyperDhtNode,
    Server,
    SocketReleased,
    SocketWanted,
    StreamReady,
)
from net.dht.messages import HandshakeMessage, HolepunchMessage, Mode
from net.errors import RemoteProtocolError
from net.flow import Scheduler
from net.rpc import Outgoing
from net.rpc.messages import decode_request, decode_response
from tests.helpers.nat_box import Address, NatBox, NatKind
from tests.helpers.world import Host, Link, Observer, Passage, World

STREAM_MARK = b"\xff"
RESEND_S = 0.4
BOOTSTRAP: Address = ("1.0.0.1", 49737)
GOOD_LINK = Link(delay_min_s=0.005, delay_max_s=0.03)


class Participant:
    """One host with a node on it, and what happened to it.

    Attributes:
        ready: Streams by own id.
        echoed: Own ids of streams over which packets went both ways.
        failed: Connections that came to nothing.
    """

    def __init__(self, world: World, host: Host, node: HyperDhtNode) -> None:
        self.world = world
        self.host = host
        self.node = node
        self.ready: dict[int, StreamReady] = {}
        self.echoed: set[int] = set()
        self.failed: list[ConnectFailed] = []
        self.released_ids: list[int] = []
        self._pending: dict[int, list[tuple[bytes, Address, int]]] = {}
        self._extra: list[Outgoing] = []

    # -- the machine verbs, for the world --------------------------------------------

    def receive_datagram(
        self, data: bytes, address: Address, now: float, *, socket: int
    ) -> None:
        """Sort stream packets out, as a multiplexer does."""
        if data[:1] != STREAM_MARK:
            self.node.receive_datagram(data, address, now, socket=socket)
            return
        local_id = int.from_bytes(data[1:5], "little")
        if local_id not in self.ready:
            if not self.node.stream_packet(local_id, socket, address, now):
                return
            self._pending.setdefault(local_id, []).append((data, address, socket))
            self._drain()
            return
        self._stream_packet(local_id, data, address, socket)

    def datagrams_to_send(self) -> list[Outgoing]:
        """Take events first: they may open sockets."""
        self._drain()
        extra, self._extra = self._extra, []
        return self.node.datagrams_to_send() + extra

    def get_timer(self) -> float | None:
        """The node's next timer."""
        return self.node.get_timer()

    def handle_timer(self, now: float) -> None:
        """Run the node's timers."""
        self.node.handle_timer(now)

    # -- intents ---------------------------------------------------------------------

    def connect(self, public_key: bytes, **options: Any) -> Connecting:
        """Connect from this host now."""
        return self.host.call(lambda: self.node.connect(public_key, **options))

    def listen(self, key_pair: KeyPair, **options: Any) -> Server:
        """Listen on this host and wait for the first announcement."""
        server = self.host.call(lambda: self.node.create_server(**options))
        self.world.wait(self.host.call(lambda: server.listen(key_pair)), 60)
        return server

    def close_stream(self, local_id: int) -> None:
        """End a stream of this side."""
        del self.ready[local_id]
        self.echoed.discard(local_id)
        self.host.call(lambda: self.node.stream_closed(local_id, self.world.now))

    def by_key(self, public_key: bytes) -> list[StreamReady]:
        """Streams with one peer."""
        return [r for r in self.ready.values() if r.remote_public_key == public_key]

    # -- inside ----------------------------------------------------------------------

    def _drain(self) -> None:
        while (event := self.node.next_event()) is not None:
            if isinstance(event, SocketWanted):
                port = self.host.open_socket(event.socket)
                self.node.socket_opened(event.socket, port, self.world.now)
            elif isinstance(event, SocketReleased):
                if event.socket in self.host.sockets:
                    self.host.close_socket(event.socket)
            elif isinstance(event, StreamReady):
                assert event.local_id not in self.ready, "told twice"
                self.ready[event.local_id] = event
                self._send_until_echoed(event)
                for data, address, socket in self._pending.pop(event.local_id, []):
                    self._stream_packet(event.local_id, data, address, socket)
            elif isinstance(event, ConnectFailed):
                self.failed.append(event)

    def _send_until_echoed(self, ready: StreamReady) -> None:
        if ready.local_id in self.echoed or ready.local_id not in self.ready:
            return
        packet = STREAM_MARK + ready.remote_id.to_bytes(4, "little") + b"?"
        self._extra.append(Outgoing(ready.socket, packet, ready.address, None))
        self.node.scheduler.call_later(RESEND_S, lambda: self._send_until_echoed(ready))

    def _stream_packet(
        self, local_id: int, data: bytes, address: Address, socket: int
    ) -> None:
        ready = self.ready[local_id]
        if data[5:] == b"!":
            self.echoed.add(local_id)
        else:
            answer = STREAM_MARK + ready.remote_id.to_bytes(4, "little") + b"!"
            self._extra.append(Outgoing(socket, answer, address, None))


class Network:
    """A bootstrapper and persistent nodes, to which tests add participants."""

    def __init__(self, world: World, *, nodes: int) -> None:
        self.world = world
        self._count = 0
        self._next_id = 0
        self.participants: list[Participant] = []
        host = world.add_host(BOOTSTRAP[0])
        self.bootstrap = self._run(
            host,
            HyperDhtNode.bootstrapper(BOOTSTRAP, **self._seams("bootstrap")),
            port=BOOTSTRAP[1],
        )
        self.nodes = [self.bootstrap]
        for number in range(nodes - 1):
            ip = f"2.{number // 200}.{number % 200}.7"
            self.nodes.append(self.add(ip, ephemeral=False, firewalled=False))
        world.run_until(lambda: all(n.node.rpc.bootstrapped for n in self.nodes), 60)
        world.run_for(1.0)

    def add(
        self,
        ip: str,
        *,
        nat: NatBox | None = None,
        label: str = "",
        local: Sequence[str] = (),
        port: int = 49737,
        **options: Any,
    ) -> Participant:
        """Put a node on a new host; it starts at once."""
        host = self.world.add_host(ip, nat=nat)
        options.setdefault("bootstrap", [BOOTSTRAP])
        node = HyperDhtNode(**self._seams(label or f"{ip}:{port}"), **options)
        node.local_addresses = local or [ip]
        return self._run(host, node, port=port)

    def add_ready(self, ip: str, **options: Any) -> Participant:
        """The same, and wait until the node knows its place."""
        participant = self.add(ip, **options)
        self.world.wait(participant.node.ready, 60)
        return participant

    def _seams(self, label: str) -> dict[str, Any]:
        entropy = self.world.entropy(f"node/{label}")

        released: list[int] = []

        def allocate() -> int:
            return int.from_bytes(entropy(4), "little")

        return {
            "scheduler": Scheduler(now=self.world.now),
            "entropy": entropy,
            "allocate_stream_id": allocate,
            "release_stream_id": released.append,
            "wall_clock_ms": lambda: 1_700_000_000_000 + int(self.world.now * 1000),
        }

    def _run(self, host: Host, node: HyperDhtNode, *, port: int) -> Participant:
        participant = Participant(self.world, host, node)
        host.run(participant, sockets={0: port, 1: None})
        host.call(lambda: node.start(server_port=port, client_port=host.sockets[1]))
        self.participants.append(participant)
        return participant


class HandshakeObserver(Observer):
    """Notes the modes of the handshake and hole punch messages on the wire."""

    def __init__(self) -> None:
        self.handshake_modes: Counter[Mode] = Counter()
        self.holepunch_modes: Counter[Mode] = Counter()
        self.steps: list[tuple[str, Mode, Address, Address]] = []

    def on_sent(self, passage: Passage) -> None:
        """Read what is readable: the relays' envelopes are not encrypted."""
        command, value = _command_and_value(passage.data)
        if value is None:
            return
        try:
            if command in (0, None):
                mode = Mode(HandshakeMessage.decode(value).mode)
                if command is None and mode is not Mode.REPLY:
                    return
                self._note("handshake", mode, passage)
            elif command == 1:
                mode = Mode(HolepunchMessage.decode(value).mode)
                self._note("holepunch", mode, passage)
        except (RemoteProtocolError, ValueError):
            return

    def _note(self, what: str, mode: Mode, passage: Passage) -> None:
        modes = self.handshake_modes if what == "handshake" else self.holepunch_modes
        modes[mode] += 1
        self.steps.append((what, mode, passage.source, passage.destination))


def _command_and_value(data: bytes) -> tuple[int | None, bytes | None]:
    try:
        if data[:1] == b"\x03":
            request = decode_request(data)
            return (-1 if request.internal else request.command), request.value
        if data[:1] == b"\x13":
            return None, decode_response(data).value
    except RemoteProtocolError:
        pass
    return -1, None


def seeds(*defaults: int) -> list[int]:
    """The seeds a simulation runs with; ``COVEY_SEED`` replaces them for a replay."""
    given = os.environ.get("COVEY_SEED")
    return [int(given)] if given else list(defaults)


def home(world: World, public_ip: str, kind: NatKind = NatKind.CONSISTENT) -> NatBox:
    """A router of a home."""
    return world.add_nat(public_ip, kind)
