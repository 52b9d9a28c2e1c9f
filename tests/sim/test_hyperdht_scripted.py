"""One side of ours against a scripted other side: each way a connection can end.

The scripted server is a node of the network that claims to know the peer and answers
handshakes and hole punch messages as told; the scripted client sends handshakes by
hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from net.crypto import KeyPair, blake2b_256
from net.dht import server as server_module
from net.dht import server_session, socket_pool
from net.dht.constants import (
    HANDSHAKE_TIMEOUT_S,
    Address,
    Command,
    Firewall,
    PayloadError,
)
from net.dht.handshake import (
    ClientHandshake,
    PayloadBox,
    ServerHandshake,
    holepunch_secret,
)
from net.dht.messages import (
    HandshakeMessage,
    HolepunchInfo,
    HolepunchMessage,
    HolepunchPayload,
    Mode,
    NoisePayload,
    PeerRecord,
    RelayInfo,
    RelayThroughInfo,
    UdxInfo,
)
from net.dht.router import Forward
from net.errors import NetError
from net.rpc import Request
from tests.helpers.world import World
from tests.sim.dht_network import GOOD_LINK, Network, Participant, home, seeds

KEYS = KeyPair.from_seed(b"\x07" * 32)
TARGET = blake2b_256(KEYS.public_key)
ELSEWHERE: Address = ("7.7.7.7", 7)
THROUGH = RelayThroughInfo(b"r" * 32, b"t" * 32)


@dataclass
class ScriptedServer:
    """Answers for a key on one node of the network."""

    participant: Participant
    payload: NoisePayload
    peer_address: Address | None = ELSEWHERE
    answers: list[HolepunchPayload | bytes | None] = field(default_factory=list)
    heard: list[HolepunchPayload] = field(default_factory=list)
    holepunch_mode: int = Mode.REPLY

    def __post_init__(self) -> None:
        self.participant.node.rpc.responder.on_request = self.on_request
        self._box: PayloadBox | None = None
        self._reply: bytes | None = None

    @property
    def address(self) -> Address:
        return (self.participant.host.ip, 49737)

    def on_request(self, request: Request) -> bool:
        if request.command == Command.FIND_PEER:
            request.reply(PeerRecord(KEYS.public_key).encode())
        elif request.command == Command.PEER_HANDSHAKE:
            self._shake(request)
        elif request.command == Command.PEER_HOLEPUNCH:
            self._punch(request)
        return True

    def _shake(self, request: Request) -> None:
        if self._reply is None:
            handshake = ServerHandshake(KEYS, entropy=lambda size: b"e" * size)
            assert request.value is not None
            handshake.receive(HandshakeMessage.decode(request.value).noise)
            self._reply = handshake.reply(self.payload)
            assert handshake.result is not None
            secret = holepunch_secret(handshake.result.handshake_hash)
            self._box = PayloadBox(secret, entropy=lambda size: b"s" * size)
        answer = HandshakeMessage(Mode.REPLY, self._reply, self.peer_address)
        request.reply(answer.encode(), token=False, closer_nodes=False)

    def _punch(self, request: Request) -> None:
        assert self._box is not None
        assert request.value is not None
        message = HolepunchMessage.decode(request.value)
        self.heard.append(self._box.open(message.payload))
        if not self.answers:
            return
        answer = self.answers.pop(0)
        if answer is None:
            return
        if isinstance(answer, HolepunchPayload):
            asked = self.heard[-1]
            answer = self._box.seal(replace(answer, remote_token=asked.token))
        reply = HolepunchMessage(self.holepunch_mode, 0, answer, ELSEWHERE)
        request.reply(reply.encode(), token=False, closer_nodes=False)


def punchable(server: Address, **options: object) -> NoisePayload:
    """What a firewalled server answers; relayed by the scripted node itself."""
    payload = NoisePayload(
        holepunch=HolepunchInfo(0, (RelayInfo(server, ELSEWHERE),)),
        udx=UdxInfo(77),
        secret_stream_version=1,
    )
    return replace(payload, **options)  # type: ignore[arg-type]


def told(**options: object) -> HolepunchPayload:
    payload = HolepunchPayload(
        firewall=Firewall.CONSISTENT, addresses=(ELSEWHERE,), token=b"T" * 32
    )
    return replace(payload, **options)  # type: ignore[arg-type]


PUNCHING = told(punching=True)


def outcome(
    world: World, client: Participant, **options: object
) -> tuple[str, str | None]:
    """The path, or the code of the error."""
    connecting = client.connect(KEYS.public_key, **options)
    world.run_until(lambda: connecting.finished.settled, 90)
    error = connecting.finished.error
    if error is None:
        return connecting.finished.result().path, None
    assert isinstance(error, NetError)
    assert str(error).endswith(".") or error.code == "timeout"
    return "", error.code


def scripted(
    world: World, *, client_kind: str = "consistent", **payload: object
) -> tuple[ScriptedServer, Participant]:
    network = Network(world, nodes=12)
    node = network.nodes[3]
    server = ScriptedServer(node, punchable((node.host.ip, 49737), **payload))
    if client_kind == "open":
        return server, network.add_ready("3.0.0.2")
    return server, network.add_ready("192.168.2.2", nat=home(world, "4.0.0.2"))


@pytest.mark.parametrize("seed", seeds(1))
@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"version": 2}, "SERVER_INCOMPATIBLE"),
        ({"error": PayloadError.ABORTED}, "SERVER_ERROR"),
        ({"error": PayloadError.TRY_LATER}, "SERVER_ERROR"),
        ({"udx": None}, "SERVER_ERROR"),
    ],
)
def test_answers_that_end_the_search(
    seed: int, payload: dict[str, object], code: str
) -> None:
    with World(seed, link=GOOD_LINK) as world:
        _, client = scripted(world, **payload)
        assert outcome(world, client) == ("", code)


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([b"x" * 60], "HOLEPUNCH_INVALID"),
        ([b"x"], "HOLEPUNCH_INVALID"),
        ([told(error=PayloadError.ABORTED)], "REMOTE_ABORTED"),
        ([told(error=PayloadError.TRY_LATER)], "REMOTE_ABORTED"),
        ([told(), told()], "REMOTE_NOT_HOLEPUNCHING"),
        (
            [told(addresses=None), replace(PUNCHING, addresses=None)],
            "REMOTE_NOT_HOLEPUNCHABLE",
        ),
        (
            [told(firewall=Firewall.UNKNOWN)] * 2 + [told(error=PayloadError.ABORTED)],
            "HOLEPUNCH_PROBE_TIMEOUT",
        ),
        ([told(firewall=Firewall.RANDOM)], "HOLEPUNCH_ABORTED"),
        ([told(token=None), told(), told()], "REMOTE_NOT_HOLEPUNCHING"),
        ([told(), PUNCHING], "HOLEPUNCH_ABORTED"),
        ([], "timeout"),
    ],
    ids=[
        "undecipherable",
        "too-short",
        "aborted",
        "try-later",
        "not-punching",
        "no-address",
        "unknown-firewall",
        "random",
        "second-probe",
        "no-path",
        "silence",
    ],
)
def test_rounds_that_end_a_punch(
    seed: int, answers: list[HolepunchPayload | bytes], code: str
) -> None:
    with World(seed, link=GOOD_LINK) as world:
        server, client = scripted(world)
        server.answers = list(answers)
        assert outcome(world, client) == ("", code)
        assert [p.round for p in server.heard] == sorted(p.round for p in server.heard)
        assert server.heard[0].remote_address == ELSEWHERE
        world.run_for(5)
        assert client.node.punch_socket_count == 0
        if code == "HOLEPUNCH_PROBE_TIMEOUT":
            assert server.heard[-1].error == PayloadError.ABORTED


@pytest.mark.parametrize("seed", seeds(16))
def test_a_silent_relay_is_replaced_once(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=12)
        node, second = network.nodes[3], network.nodes[4]
        relays = tuple(
            RelayInfo((each.host.ip, 49737), ELSEWHERE) for each in (node, second)
        )
        payload = replace(punchable(ELSEWHERE), holepunch=HolepunchInfo(0, relays))
        server = ScriptedServer(node, payload)
        second.node.rpc.responder.on_request = server.on_request
        client = network.add_ready("192.168.2.2", nat=home(world, "4.0.0.2"))
        server.answers = [*[None] * 4, told(), PUNCHING]
        connecting = client.connect(KEYS.public_key)
        world.run_until(lambda: connecting.done, 60)
        steps = [step for _, step in connecting.trace]
        assert any(step.startswith("relay is silent, trying") for step in steps)
        assert "punching" in steps

        server.__post_init__()
        second.node.rpc.responder.on_request = server.on_request
        server.answers = []
        assert outcome(world, client) == ("", "timeout")


@pytest.mark.parametrize("seed", seeds(3))
def test_a_punch_answer_in_another_mode_is_refused(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        server, client = scripted(world)
        server.holepunch_mode = Mode.FROM_SERVER
        server.answers = [told()]
        assert outcome(world, client) == ("", "BAD_HOLEPUNCH_REPLY")


@pytest.mark.parametrize("seed", seeds(4))
@pytest.mark.parametrize("payload", [{}, {"holepunch": None}])
def test_an_open_client_waits_and_gives_up(
    seed: int, payload: dict[str, object]
) -> None:
    """The server comes by itself, also while it has no relays yet."""
    with World(seed, link=GOOD_LINK) as world:
        _, client = scripted(world, client_kind="open", **payload)
        began_at = world.now
        assert outcome(world, client) == ("", "HOLEPUNCH_ABORTED")
        assert world.now - began_at >= HANDSHAKE_TIMEOUT_S


@pytest.mark.parametrize("seed", seeds(5))
@pytest.mark.parametrize(
    ("payload", "address"),
    [
        ({"holepunch": None}, ELSEWHERE),
        (
            {
                "firewall": Firewall.OPEN,
                "addresses4": (("10.0.0.1", 1), ("8.8.4.4", 0), ("8.8.8.8", 8)),
            },
            ("8.8.8.8", 8),
        ),
        ({"firewall": Firewall.OPEN, "addresses4": (("10.0.0.1", 1),)}, ELSEWHERE),
    ],
)
def test_open_servers_are_connected_to_at_their_public_address(
    seed: int, payload: dict[str, object], address: Address
) -> None:
    with World(seed, link=GOOD_LINK) as world:
        _, client = scripted(world, **payload)
        connecting = client.connect(KEYS.public_key, relay_through=THROUGH)
        ready = world.wait(connecting.finished, 20)
        assert (ready.path, ready.address, ready.remote_id) == ("direct", address, 77)


@pytest.mark.parametrize("seed", seeds(14))
def test_relays_nobody_can_have_are_not_used(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        bad = RelayInfo(("255.255.255.255", 9), ELSEWHERE)
        zero = RelayInfo(("9.9.9.9", 0), ELSEWHERE)
        useless = HolepunchInfo(0, (bad, zero))
        server, client = scripted(
            world, holepunch=useless, relay_addresses=(("224.0.0.1", 1), ("8.8.8.8", 0))
        )
        first = world.wait(client.connect(KEYS.public_key).finished, 20)
        assert first.address == ELSEWHERE, "as a server without relays"
        server.__post_init__()
        again = client.connect(KEYS.public_key)
        world.wait(again.finished, 20)
        assert again.trace[0][1] == "asking 1 known relays"


@pytest.mark.parametrize("seed", seeds(15))
def test_records_about_somebody_else_are_ignored(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        _, client = scripted(world)
        other = KeyPair.from_seed(b"\x66" * 32).public_key
        connecting = client.connect(other)
        world.run_until(lambda: connecting.finished.settled, 20)
        assert isinstance(connecting.finished.error, NetError)
        assert connecting.finished.error.code == "PEER_NOT_FOUND"


@pytest.mark.parametrize("seed", seeds(6))
def test_a_server_that_answers_itself_is_connected_to_directly(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        server, client = scripted(world, relay_through=THROUGH)
        server.peer_address = None
        connecting = client.connect(KEYS.public_key)
        ready = world.wait(connecting.finished, 20)
        assert ready.address == server.address
        assert connecting.remote_relay_through == THROUGH


@pytest.mark.parametrize("seed", seeds(7))
def test_without_sockets_a_punch_is_refused(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_pool, "MAX_PUNCH_SOCKETS", 0)
    with World(seed, link=GOOD_LINK) as world:
        _, client = scripted(world)
        assert outcome(world, client) == ("", "CANNOT_HOLEPUNCH")


# -- a client by hand ------------------------------------------------------------


class ScriptedClient:
    """Sends one handshake to a server and keeps what it learns."""

    def __init__(
        self,
        participant: Participant,
        to: Address,
        payload: NoisePayload,
        *,
        number: int = 0,
    ) -> None:
        self.participant = participant
        self.to = to
        seed = bytes((number,)) * 32
        self.handshake = ClientHandshake(
            KeyPair.from_seed(seed), KEYS.public_key, entropy=lambda n: seed[:n]
        )
        self.noise = self.handshake.start(payload)
        self.answer: NoisePayload | None = None

    def shake(self, world: World, *, peer_address: Address | None = None) -> bool:
        """Ask directly, or as a relay for ``peer_address``; True if answered."""
        mode = Mode.FROM_CLIENT if peer_address is None else Mode.FROM_RELAY
        message = HandshakeMessage(mode, self.noise, peer_address)
        node = self.participant.node
        asked = self.participant.host.call(
            lambda: node.rpc.request(
                Command.PEER_HANDSHAKE,
                self.to,
                target=TARGET,
                value=message.encode(),
                retries=0,
            )
        )
        world.run_until(lambda: asked.settled, 5)
        if asked.error is not None or self.answer is not None:
            return asked.error is None
        value = asked.result().value
        assert value is not None
        self.answer = self.handshake.receive(HandshakeMessage.decode(value).noise)
        return True


HELLO = NoisePayload(udx=UdxInfo(5), secret_stream_version=1)


def served(
    world: World, *, firewalled: bool = True
) -> tuple[Participant, Address, Participant]:
    """A listening server, its main address, and a node to ask it from."""
    network = Network(world, nodes=12)
    server = network.add_ready("3.0.0.1", quick_firewall=not firewalled)
    server.listen(KEYS)
    socket = server.node.rpc.default_socket
    return server, server.host.address(socket), network.nodes[4]


@pytest.mark.parametrize("seed", seeds(8))
@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (replace(HELLO, version=9), PayloadError.VERSION_MISMATCH),
        (replace(HELLO, udx=None), PayloadError.ABORTED),
    ],
)
def test_servers_tell_what_they_cannot_serve(
    seed: int, payload: NoisePayload, error: PayloadError
) -> None:
    with World(seed, link=GOOD_LINK) as world:
        server, address, asker = served(world)
        client = ScriptedClient(asker, address, payload)
        assert client.shake(world)
        assert client.answer is not None
        assert client.answer.error == error
        assert server.ready == {}


@pytest.mark.parametrize("seed", seeds(9))
def test_a_direct_handshake_connects_at_once_and_once(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        server, address, asker = served(world)
        client = ScriptedClient(asker, address, replace(HELLO, relay_through=THROUGH))
        assert client.shake(world)
        assert client.answer is not None
        assert client.answer.udx is not None
        (ready,) = server.ready.values()
        assert ready.local_id == client.answer.udx.id
        assert ready.remote_id == 5
        assert ready.address == asker.host.address(0)
        assert client.shake(world), "a repeat is answered alike"
        assert list(server.ready.values()) == [ready]


@pytest.mark.parametrize("seed", seeds(10))
@pytest.mark.parametrize("firewalled", [True, False])
def test_a_client_that_never_comes_is_given_up(seed: int, firewalled: bool) -> None:
    with World(seed, link=GOOD_LINK) as world:
        server, address, asker = served(world, firewalled=firewalled)
        client = ScriptedClient(asker, address, HELLO)
        client.shake(world, peer_address=("6.6.6.6", 6))
        assert server.node.punch_socket_count == int(firewalled)
        world.run_for(HANDSHAKE_TIMEOUT_S + 1)
        assert server.node.punch_socket_count == 0
        assert server.node.counters["sessions-aborted"] == 1
        assert server.ready == {}
        assert not server.node._context.claimants


@pytest.mark.parametrize("seed", seeds(11))
@pytest.mark.parametrize(
    ("name", "counter"),
    [
        ("rubbish", "holepunch-undecipherable"),
        ("error", "sessions-aborted"),
        ("flood", "holepunch-flood"),
    ],
)
def test_hole_punch_messages_of_a_client_gone_wrong(
    seed: int, name: str, counter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "flood":
        monkeypatch.setattr(server_session, "MAX_PUNCH_FLOWS", 0)
    with World(seed, link=GOOD_LINK) as world:
        server, address, asker = served(world)
        client = ScriptedClient(asker, address, HELLO)
        asker.node.router.set(TARGET, Forward(b"", relay=address), world.now)
        peer = ScriptedClient(asker, address, HELLO)
        caught: list[bytes] = []
        original = asker.node.rpc.responder.on_request
        assert original is not None

        def listen(request: Request) -> bool:
            if request.command == Command.PEER_HANDSHAKE and request.value:
                caught.append(HandshakeMessage.decode(request.value).noise)
            return original(request)

        asker.node.rpc.responder.on_request = listen
        client.shake(world, peer_address=("6.6.6.6", 6))
        assert caught, "the answer came from the punch socket"
        peer.handshake.receive(caught[-1])
        assert peer.handshake.result is not None
        secret = holepunch_secret(peer.handshake.result.handshake_hash)
        box = PayloadBox(secret, entropy=world.entropy("box"))
        if name == "rubbish":
            boxes = [b"x" * 60, b""]
        elif name == "error":
            boxes = [box.seal(HolepunchPayload(error=PayloadError.ABORTED))]
        else:
            flood = HolepunchPayload(firewall=Firewall.UNKNOWN)
            boxes = [box.seal(flood)]
        for sealed in boxes:
            message = HolepunchMessage(Mode.FROM_RELAY, 0, sealed, ("6.6.6.6", 6))
            asker.host.call(
                lambda message=message: asker.node.rpc.request(
                    Command.PEER_HOLEPUNCH,
                    address,
                    target=TARGET,
                    value=message.encode(),
                    retries=0,
                )
            )
        world.run_for(1)
        assert server.node.counters[counter] >= 1
        world.run_for(40)
        assert server.node.punch_socket_count == 0


@pytest.mark.parametrize("seed", seeds(12))
def test_sessions_that_got_through_make_room_for_others(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_SESSIONS", 3)
    monkeypatch.setattr(server_module, "MAX_SESSIONS_PER_HOST", 2)
    with World(seed, link=GOOD_LINK) as world:
        server, address, asker = served(world)
        for number in range(6):
            client = ScriptedClient(asker, address, HELLO, number=number)
            assert client.shake(world)
            assert len(server.ready) == number + 1
            assert server.node.servers[0].session_count <= 3
        assert server.node.counters["handshake-flood-host"] == 0


@pytest.mark.parametrize("seed", seeds(13))
def test_nodes_end_in_any_state(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=8)
        server = network.add_ready("3.0.0.1")
        server.listen(KEYS)
        connecting = server.connect(KeyPair.from_seed(b"\x66" * 32).public_key)
        closing = server.host.call(server.node.close)
        assert server.host.call(server.node.close) is closing
        world.wait(closing, 10)
        assert isinstance(connecting.finished.error, NetError)
        assert connecting.finished.error.code == "NODE_DESTROYED"

        asleep = network.add_ready("3.0.0.2")
        asleep.listen(KeyPair.from_seed(b"\x67" * 32))
        world.wait(asleep.host.call(asleep.node.suspend), 10)
        world.wait(asleep.host.call(asleep.node.close), 10)
        asleep.node.resume(server_port=1, client_port=2)
        assert asleep.node.rpc.destroyed

        young = network.add("3.0.0.3")
        world.wait(young.host.call(young.node.close), 10)
        assert young.node.rpc.destroyed
