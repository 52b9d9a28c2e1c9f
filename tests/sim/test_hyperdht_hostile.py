"""Hostile nodes in the simulated network: replays, forgeries, wrong tokens, floods."""

from __future__ import annotations

import pytest

from net.crypto import KeyPair, blake2b_256
from net.dht import server as server_module
from net.dht.constants import (
    MAX_PUNCH_SOCKETS,
    MAX_SESSIONS_PER_HOST,
    Address,
    Command,
)
from net.dht.handshake import ClientHandshake
from net.dht.messages import (
    HandshakeMessage,
    HolepunchMessage,
    Mode,
    NoisePayload,
    PeerRecord,
    UdxInfo,
)
from net.dht.records import signed_announcement
from net.rpc import Outgoing, Request, node_id, pack_address
from net.rpc.messages import INVALID_TOKEN, decode_request
from tests.helpers.world import Host, Observer, Passage, World
from tests.sim.dht_network import GOOD_LINK, Network, home, seeds

KEYS = KeyPair.from_seed(b"\x07" * 32)
TARGET = blake2b_256(KEYS.public_key)
TOPIC = b"\x21" * 32


class Attacker:
    """A host that sends what it likes and keeps what it gets."""

    def __init__(self, world: World, ip: str) -> None:
        self.host: Host = world.add_host(ip)
        self.received: list[bytes] = []
        self._outgoing: list[Outgoing] = []
        self.host.run(self, sockets={0: 666})

    def send(self, data: bytes, to: Address) -> None:
        self.host.call(lambda: self._outgoing.append(Outgoing(0, data, to, None)))

    def receive_datagram(
        self, data: bytes, address: Address, now: float, *, socket: int
    ) -> None:
        del address, now, socket
        self.received.append(data)

    def datagrams_to_send(self) -> list[Outgoing]:
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def get_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        del now


class Tap(Observer):
    """Copies requests of one command."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.copies: list[tuple[bytes, Address]] = []

    def on_sent(self, passage: Passage) -> None:
        if passage.data[:1] != b"\x03":
            return
        request = decode_request(passage.data)
        if not request.internal and request.command == self.command:
            self.copies.append((passage.data, passage.destination))


def request_bytes(command: Command, to: Address, value: bytes, tid: int = 7) -> bytes:
    """A request as an attacker writes it, about the server's key."""
    size = len(value).to_bytes(2, "little")
    length = bytes([len(value)]) if len(value) < 253 else b"\xfd" + size
    head = b"\x03\x18" + tid.to_bytes(2, "little") + pack_address(to)
    return head + bytes([command]) + TARGET + length + value


def hello(number: int, to: KeyPair = KEYS) -> bytes:
    """A correct first Noise message of a key of its own."""
    seed = blake2b_256(number.to_bytes(4, "little"))
    handshake = ClientHandshake(
        KeyPair.from_seed(seed), to.public_key, entropy=lambda size: seed[:size]
    )
    return handshake.start(NoisePayload(udx=UdxInfo(number), secret_stream_version=1))


@pytest.mark.parametrize("seed", seeds(1))
def test_a_replayed_handshake_is_answered_alike_and_later_ignored(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=24)
        server = network.add_ready("3.0.0.1")
        client = network.add_ready("192.168.2.2", nat=home(world, "4.0.0.2"))
        listening = server.listen(KEYS)
        tap = Tap(Command.PEER_HANDSHAKE)
        world.observers.append(tap)
        ready = world.wait(client.connect(KEYS.public_key).finished, 30)
        world.run_until(lambda: ready.local_id in client.echoed, 30)
        copies = [c for c in tap.copies if c[1] == ("3.0.0.1", 49737)]
        assert copies
        attacker = Attacker(world, "6.6.6.6")
        for data, to in copies:
            attacker.send(data, to)
        world.run_for(1)
        assert server.node.counters["handshake-repeated"] >= len(copies)
        assert len(server.ready) == 1
        world.run_for(40)
        assert listening.session_count == 0
        monkeypatch.setattr(server_module, "MAX_REFUSED", len(copies))
        for number in range(50):
            noise = blake2b_256(number.to_bytes(4, "little")) * 4
            to = ("3.0.0.1", 49737)
            rubbish = HandshakeMessage(Mode.FROM_CLIENT, noise).encode()
            attacker.send(request_bytes(Command.PEER_HANDSHAKE, to, rubbish), to)
        for data, to in copies:
            attacker.send(data, to)
        world.run_for(1)
        assert server.node.counters["handshake-undecipherable"] == 50
        assert listening.session_count == 0
        assert server.node.counters["handshake-replayed"] == len(copies)
        assert len(server.ready) == 1


@pytest.mark.parametrize("seed", seeds(2, 3))
def test_relays_that_lie_delay_nothing_but_themselves(seed: int) -> None:
    """Half the nodes claim to know the peer and answer handshakes with rubbish."""
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=32)
        server = network.add_ready("192.168.1.2", nat=home(world, "4.0.0.1"))
        client = network.add_ready("192.168.2.2", nat=home(world, "4.0.0.2"))
        listening = server.listen(KEYS)
        honest = set(listening.relay_addresses)
        record = PeerRecord(KEYS.public_key).encode()
        rubbish = [
            b"",
            b"\xff" * 9,
            HandshakeMessage(Mode.REPLY, b"x" * 100, ("7.7.7.7", 7)).encode(),
            HandshakeMessage(Mode.REPLY, b"x" * 100, ("7.7.7.7", 0)).encode(),
            HandshakeMessage(Mode.FROM_SERVER, b"x" * 100).encode(),
        ]
        lied = []

        def lie(request: Request) -> bool:
            if request.command == Command.FIND_PEER:
                request.reply(record)
            elif request.command == Command.PEER_HANDSHAKE:
                lied.append(request.source)
                request.reply(rubbish[len(lied) % len(rubbish)])
            return True

        for participant in network.nodes[::2]:
            if (participant.host.ip, 49737) not in honest:
                participant.node.rpc.responder.on_request = lie
        connecting = client.connect(KEYS.public_key)
        ready = world.wait(connecting.finished, 30)
        world.run_until(lambda: ready.local_id in client.echoed, 30)
        assert lied, "somebody was asked in vain"
        assert ready.result.remote_public_key == KEYS.public_key


@pytest.mark.parametrize("seed", seeds(4))
def test_wrong_tokens_and_signatures_store_nothing(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=8)
        victim = network.nodes[1]
        client = network.add_ready("3.0.0.2")
        to = ("2.0.0.7", 49737)
        value = signed_announcement(
            KEYS, target=TOPIC, node_id=node_id(to), token=b"x" * 32
        )
        forged = client.host.call(
            lambda: client.node.rpc.request(
                Command.ANNOUNCE, to, target=TOPIC, token=b"x" * 32, value=value
            )
        )
        assert world.wait(forged, 10).error == INVALID_TOKEN
        real = client.host.call(
            lambda: client.node.rpc.request(Command.LOOKUP, to, target=TOPIC)
        )
        token = world.wait(real, 10).token
        assert token is not None
        unsigned = client.host.call(
            lambda: client.node.rpc.request(
                Command.ANNOUNCE, to, target=TOPIC, token=token, value=value, retries=0
            )
        )
        world.run_until(lambda: unsigned.settled, 10)
        assert unsigned.error is not None, "a bad signature gets no answer"
        assert victim.node.counters["storage-bad-signature"] == 1
        assert victim.node.persistent is not None
        assert len(victim.node.persistent.records) == 0


@pytest.mark.parametrize("seed", seeds(5))
def test_a_flood_of_rubbish_handshakes_leaves_nothing_behind(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=8)
        server = network.add_ready("3.0.0.1")
        listening = server.listen(KEYS)
        attacker = Attacker(world, "6.6.6.6")
        to = ("3.0.0.1", 49737)
        count = 300
        timers = len(server.node.scheduler._timers)
        for number in range(count):
            noise = blake2b_256(number.to_bytes(4, "little")) * 4
            message = HandshakeMessage(Mode.FROM_RELAY, noise, ("6.6.6.7", 1 + number))
            attacker.send(
                request_bytes(Command.PEER_HANDSHAKE, to, message.encode()), to
            )
        world.run_for(0.5)
        assert server.node.counters["handshake-undecipherable"] == count
        assert attacker.received == []
        assert listening.session_count == 0
        assert not listening._settled_noise, "rubbish pushes no real handshake out"
        assert len(server.node.scheduler._timers) <= timers + 20


@pytest.mark.parametrize("seed", seeds(9))
def test_a_firewall_hook_that_fails_costs_no_place_at_the_door(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=8)
        server = network.add_ready("3.0.0.1")

        def fail(*_: object) -> bool:
            raise ZeroDivisionError

        listening = server.node.create_server(firewall=fail)
        task = server.host.call(lambda: listening.listen(KEYS))
        world.wait(task, 30)
        message = HandshakeMessage(Mode.FROM_CLIENT, hello(1))
        to = ("3.0.0.1", 49737)
        data = request_bytes(Command.PEER_HANDSHAKE, to, message.encode())
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                server.node.receive_datagram(data, ("6.6.6.6", 6), world.now, socket=0)
            assert listening.session_count == 0
            assert not listening._hosts
            listening._settled_noise.clear()


@pytest.mark.parametrize("seed", seeds(6))
def test_a_flood_of_correct_handshakes_is_bounded_and_passes(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_SESSIONS", 200)
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=16)
        server = network.add_ready(
            "192.168.1.2", nat=home(world, "4.0.0.1"), quick_firewall=False
        )
        listening = server.listen(KEYS)
        relay_host = listening.relay_addresses[0][0]
        relay = next(p for p in network.nodes if p.host.ip == relay_host)
        forward = relay.node.router.get(TARGET, world.now)
        assert forward is not None
        assert forward.relay is not None
        for number in range(MAX_SESSIONS_PER_HOST + 120):
            host = (
                "6.6.6.6" if number < MAX_SESSIONS_PER_HOST + 20 else f"6.7.0.{number}"
            )
            if number >= 200:
                host = f"6.7.1.{number - 199}"
            message = HandshakeMessage(Mode.FROM_RELAY, hello(number), (host, 5))
            value, to = message.encode(), forward.relay
            relay.host.call(
                lambda value=value, to=to: relay.node.rpc.request(
                    Command.PEER_HANDSHAKE, to, target=TARGET, value=value, retries=0
                )
            )
            world.run_for(0.01)
            assert listening.session_count <= 200
            assert server.node.punch_socket_count <= MAX_PUNCH_SOCKETS
        world.run_for(0.5)
        assert server.node.counters["handshake-flood-host"] == 20
        assert listening.session_count == 200
        assert server.node.counters["handshake-flood"] == 28
        world.run_for(40)
        assert listening.session_count == 0
        assert server.node.punch_socket_count == 0
        assert server.ready == {}
        client = network.add_ready("3.0.0.9")
        ready = world.wait(client.connect(KEYS.public_key).finished, 30)
        world.run_until(lambda: ready.local_id in client.echoed, 30)


@pytest.mark.parametrize("seed", seeds(7))
def test_stray_hole_punch_messages_change_nothing(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=8)
        server = network.add_ready("3.0.0.1")
        server.listen(KEYS)
        attacker = Attacker(world, "6.6.6.6")
        to = ("3.0.0.1", 49737)
        for number in (0, 1, 1 << 40):
            message = HolepunchMessage(
                Mode.FROM_RELAY, number, b"x" * 60, ("1.2.3.4", 5)
            )
            attacker.send(
                request_bytes(Command.PEER_HOLEPUNCH, to, message.encode()), to
            )
        attacker.send(b"\x00", to)
        attacker.send(b"\x03", to)
        world.run_for(1)
        assert server.node.counters["holepunch-unknown"] == 3
        assert attacker.received == []
        assert server.node.punch_socket_count == 0


@pytest.mark.parametrize("seed", seeds(8))
def test_packets_of_strangers_claim_no_stream(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=8)
        server = network.add_ready("3.0.0.1")
        server.listen(KEYS)
        assert not server.node.stream_packet(12345, 0, ("6.6.6.6", 6), world.now)
        assert server.ready == {}
