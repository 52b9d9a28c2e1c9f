"""Connecting through the simulated network: who stands behind what, and what is told.

Every case ends with packets having gone both ways over the path that was told.
"""

from __future__ import annotations

import pytest

from net.crypto import KeyPair
from net.dht import DhtError, StreamReady
from net.dht.messages import Mode
from net.flow import Deferred
from tests.helpers.nat_box import NatBox, NatKind
from tests.helpers.world import Link, World
from tests.sim.dht_network import (
    GOOD_LINK,
    HandshakeObserver,
    Network,
    Participant,
    home,
    seeds,
)

SERVER_KEYS = KeyPair.from_seed(b"\x07" * 32)
LOSSY_LINK = Link(delay_min_s=0.005, delay_max_s=0.05, loss=0.05)
NODES = 32


def make(network: Network, kind: str, number: int) -> Participant:
    """A host of a kind: open to all, or behind a router of its own."""
    if kind == "open":
        return network.add_ready(f"3.0.0.{number}")
    nat = home(network.world, f"4.0.0.{number}")
    return network.add_ready(f"192.168.{number}.2", nat=nat)


def meet(
    world: World, server: Participant, client: Participant, **options: object
) -> tuple[StreamReady, StreamReady]:
    """Connect once and see packets go both ways; gives both sides' outcome."""
    connecting = client.connect(SERVER_KEYS.public_key, **options)
    ready = world.wait(connecting.finished, 60)
    client_key = client.node.key_pair.public_key
    world.run_until(lambda: ready.local_id in client.echoed, 20)
    world.run_until(lambda: bool(server.by_key(client_key)), 20)
    (theirs,) = server.by_key(client_key)
    world.run_until(lambda: theirs.local_id in server.echoed, 20)
    assert theirs.result.handshake_hash == ready.result.handshake_hash
    assert theirs.result.tx == ready.result.rx
    assert theirs.remote_id == ready.local_id
    assert ready.is_initiator
    assert not theirs.is_initiator
    return ready, theirs


@pytest.mark.parametrize("seed", seeds(1, 2))
@pytest.mark.parametrize("link", [GOOD_LINK, LOSSY_LINK], ids=["good", "lossy"])
@pytest.mark.parametrize("client_kind", ["open", "consistent"])
@pytest.mark.parametrize("server_kind", ["open", "consistent"])
def test_every_combination_connects_and_tells_the_path(
    seed: int, link: Link, server_kind: str, client_kind: str
) -> None:
    with World(seed, link=link) as world:
        network = Network(world, nodes=NODES)
        server = make(network, server_kind, 1)
        client = make(network, client_kind, 2)
        if not link.loss:
            assert server.node.rpc.firewalled is (server_kind != "open")
            assert client.node.rpc.firewalled is (client_kind != "open")
        server.listen(SERVER_KEYS)
        ready, theirs = meet(world, server, client)
        assert (ready.path, theirs.path) == ("direct", "direct")
        assert ready.elapsed_s < 20
        assert [step for _, step in ready.trace][-1].startswith("direct path")
        # Under loss an open host may not have found out, and is then punched to.
        punched = server.node.rpc.firewalled and client.node.rpc.firewalled
        assert (ready.socket >= 2) is punched
        assert (theirs.socket >= 2) is punched
        assert server.released_ids == client.released_ids == []


@pytest.mark.parametrize("seed", seeds(3))
@pytest.mark.parametrize("link", [GOOD_LINK, LOSSY_LINK], ids=["good", "lossy"])
@pytest.mark.parametrize("hairpin", [False, True])
def test_two_in_one_home_use_the_local_network(
    seed: int, link: Link, hairpin: bool
) -> None:
    with World(seed, link=link) as world:
        network = Network(world, nodes=NODES)
        nat = world.add_nat("4.0.0.1", NatKind.CONSISTENT, hairpin=hairpin)
        server = network.add_ready("192.168.1.2", nat=nat)
        client = network.add_ready("192.168.1.3", nat=nat)
        server.listen(SERVER_KEYS)
        ready, theirs = meet(world, server, client)
        if not hairpin:
            assert (ready.path, theirs.path) == ("lan", "lan")
            assert ready.address == ("192.168.1.2", 49737)
            assert theirs.address[0] == "192.168.1.3"
        else:
            assert ready.path == theirs.path


@pytest.mark.parametrize("seed", seeds(4))
def test_two_on_one_machine_connect_over_its_own_address(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=NODES)
        server = network.add_ready("5.0.0.1", port=1111, quick_firewall=False)
        client = network.add_ready("5.0.0.1", port=2222, quick_firewall=False)
        assert server.node.rpc.firewalled
        server.listen(SERVER_KEYS)
        ready, theirs = meet(world, server, client)
        assert ready.path in ("lan", "direct")
        assert ready.address[0] == theirs.address[0] == "5.0.0.1"


@pytest.mark.parametrize("seed", seeds(5))
def test_relayed_handshake_and_punch_show_their_modes(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=NODES)
        server = make(network, "consistent", 1)
        client = make(network, "consistent", 2)
        server.listen(SERVER_KEYS)
        observer = HandshakeObserver()
        world.observers.append(observer)
        meet(world, server, client)
        handshake = [step for step in observer.steps if step[0] == "handshake"]
        assert [mode for _, mode, _, _ in handshake[:1]] == [Mode.FROM_CLIENT]
        relay = handshake[0][3]
        one_way = [m for _, m, source, to in handshake if relay in (source, to)]
        assert one_way[:4] == [
            Mode.FROM_CLIENT,
            Mode.FROM_RELAY,
            Mode.FROM_SERVER,
            Mode.REPLY,
        ]
        assert observer.holepunch_modes[Mode.FROM_CLIENT] >= 1
        assert observer.holepunch_modes[Mode.FROM_RELAY] >= 1
        assert observer.holepunch_modes[Mode.FROM_SERVER] >= 1


@pytest.mark.parametrize("seed", seeds(6))
def test_without_fast_open_both_rounds_run_and_the_punch_finds_the_path(
    seed: int,
) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=NODES)
        server = make(network, "consistent", 1)
        client = make(network, "consistent", 2)
        server.listen(SERVER_KEYS)
        ready, _ = meet(world, server, client, fast_open=False)
        steps = [step for _, step in ready.trace]
        assert "hole punch round 0 answered" in steps
        assert any(step.startswith("firewalls: own CONSISTENT") for step in steps)
        assert client.node.counters["punches-consistent"] == 1
        assert server.node.counters["punches-consistent"] == 1


@pytest.mark.parametrize("seed", seeds(7))
def test_a_second_connection_uses_the_relays_it_knows(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=NODES)
        server = make(network, "consistent", 1)
        client = make(network, "open", 2)
        server.listen(SERVER_KEYS)
        first, _ = meet(world, server, client)
        again = client.connect(SERVER_KEYS.public_key)
        second = world.wait(again.finished, 20)
        assert second.elapsed_s < first.elapsed_s
        assert "known relays" in second.trace[0][1]


@pytest.mark.parametrize("seed", seeds(8))
@pytest.mark.parametrize(
    ("server_kind", "client_kind", "code"),
    [
        (NatKind.RANDOM, NatKind.RANDOM, "HOLEPUNCH_DOUBLE_RANDOMIZED_NATS"),
        (NatKind.CONSISTENT, NatKind.RANDOM, "HOLEPUNCH_ABORTED"),
        (NatKind.RANDOM, NatKind.CONSISTENT, "HOLEPUNCH_ABORTED"),
    ],
)
def test_random_ports_are_refused_with_upstreams_codes(
    seed: int, server_kind: NatKind, client_kind: NatKind, code: str
) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=NODES)
        server = network.add_ready(
            "192.168.1.2", nat=home(world, "4.0.0.1", server_kind)
        )
        client = network.add_ready(
            "192.168.2.2", nat=home(world, "4.0.0.2", client_kind)
        )
        server.listen(SERVER_KEYS)
        connecting = client.connect(SERVER_KEYS.public_key)
        with pytest.raises(DhtError) as failure:
            world.wait(connecting.finished, 60)
        assert failure.value.code == code
        assert client.failed[0].error is failure.value
        world.run_for(40)
        assert client.node.punch_socket_count == 0
        assert server.node.punch_socket_count == 0
        assert server.ready == client.ready == {}


@pytest.mark.parametrize("seed", seeds(9))
def test_unknown_gone_and_refusing_peers_have_codes(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=NODES)
        client = make(network, "consistent", 2)
        nobody = client.connect(KeyPair.from_seed(b"\x55" * 32).public_key)
        assert code_of(world, nobody.finished) == "PEER_NOT_FOUND"

        server = make(network, "consistent", 1)
        server.listen(SERVER_KEYS, firewall=lambda *_: True)
        refused = client.connect(SERVER_KEYS.public_key)
        assert code_of(world, refused.finished) == "PEER_CONNECTION_FAILED"
        assert server.node.counters["handshake-refused"] >= 1

        gone = make(network, "consistent", 3)
        other = KeyPair.from_seed(b"\x08" * 32)
        gone.listen(other)
        gone.host.crash()
        missing = client.connect(other.public_key)
        assert code_of(world, missing.finished) == "PEER_CONNECTION_FAILED"

        cancelled = client.connect(SERVER_KEYS.public_key)
        client.host.call(cancelled.cancel)
        assert code_of(world, cancelled.finished) == "CONNECT_CANCELLED"
        bad_point = client.connect(b"\xff" * 32)
        assert not isinstance(code_of(world, bad_point.finished), type(None))


@pytest.mark.parametrize("seed", seeds(10))
def test_vetoes_of_both_owners_end_the_punch(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=NODES)
        server = make(network, "consistent", 1)
        client = make(network, "consistent", 2)
        server.listen(SERVER_KEYS, holepunch=lambda *_: False)
        vetoed = client.connect(
            SERVER_KEYS.public_key, fast_open=False, holepunch=lambda *_: False
        )
        assert code_of(world, vetoed.finished) == "HOLEPUNCH_ABORTED"
        aborted = client.connect(SERVER_KEYS.public_key, fast_open=False)
        assert code_of(world, aborted.finished) == "REMOTE_ABORTED"
        world.run_for(30)
        assert server.node.punch_socket_count == client.node.punch_socket_count == 0


@pytest.mark.parametrize("seed", seeds(11))
def test_sockets_slots_and_ids_are_given_back(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=NODES)
        server = make(network, "consistent", 1)
        client = make(network, "consistent", 2)
        listening = server.listen(SERVER_KEYS)
        ready, theirs = meet(world, server, client)
        assert server.node.punch_socket_count == client.node.punch_socket_count == 1
        client.close_stream(ready.local_id)
        server.close_stream(theirs.local_id)
        world.run_for(30)
        assert server.node.punch_socket_count == client.node.punch_socket_count == 0
        assert listening.session_count == 0
        assert set(server.host.sockets) == set(client.host.sockets) == {0, 1}


@pytest.mark.parametrize("seed", seeds(12))
def test_suspend_resume_and_close_of_a_server(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=NODES)
        server = make(network, "consistent", 1)
        client = make(network, "consistent", 2)
        listening = server.listen(SERVER_KEYS)
        world.wait(server.host.call(server.node.suspend), 10)
        sleeping = client.connect(SERVER_KEYS.public_key)
        assert code_of(world, sleeping.finished) == "PEER_NOT_FOUND"
        mine = server.connect(client.node.key_pair.public_key)
        assert code_of(world, mine.finished) == "SUSPENDED"
        sockets = server.host.sockets
        server.host.call(
            lambda: server.node.resume(server_port=sockets[0], client_port=sockets[1])
        )
        world.run_for(5)
        meet(world, server, client)
        world.wait(server.host.call(listening.close), 10)
        closed = client.connect(SERVER_KEYS.public_key)
        assert code_of(world, closed.finished) in (
            "PEER_NOT_FOUND",
            "PEER_CONNECTION_FAILED",
        )
        world.wait(server.host.call(server.node.close), 10)
        late = server.connect(client.node.key_pair.public_key)
        assert code_of(world, late.finished) == "NODE_DESTROYED"


@pytest.mark.parametrize("seed", seeds(13))
def test_a_changed_network_is_announced_anew(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=NODES)
        server = make(network, "consistent", 1)
        client = make(network, "consistent", 2)
        listening = server.listen(SERVER_KEYS)
        assert server.host.nat is not None
        before = listening.relays
        server.host.nat.forget_mappings()
        server.host.call(server.node.network_changed)
        world.run_for(10)
        assert listening.relays
        assert listening.relays is not before
        meet(world, server, client)


@pytest.mark.parametrize("seed", seeds(14))
def test_runs_are_the_same_for_a_seed(seed: int) -> None:
    prints = []
    for _ in range(2):
        with World(seed, link=LOSSY_LINK) as world:
            network = Network(world, nodes=16)
            server = make(network, "consistent", 1)
            client = make(network, "consistent", 2)
            server.listen(SERVER_KEYS)
            meet(world, server, client)
            prints.append((world.fingerprint, dict(world.counts)))
    assert prints[0] == prints[1]


def code_of(world: World, outcome: Deferred[StreamReady]) -> str:
    """The code a connection fails with."""
    world.run_until(lambda: outcome.settled, 60)
    error = outcome.error
    assert error is not None, "it connected"
    return str(getattr(error, "code"))  # noqa: B009 - any error of the tree


@pytest.mark.parametrize("seed", seeds(15))
@pytest.mark.parametrize("nodes", [1, 2, 3])
@pytest.mark.parametrize("client_kind", ["open", "consistent"])
@pytest.mark.parametrize("server_kind", ["open", "consistent"])
def test_one_node_is_a_network(
    seed: int, nodes: int, server_kind: str, client_kind: str
) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=nodes)
        server = make(network, server_kind, 1)
        client = make(network, client_kind, 2)
        server.listen(SERVER_KEYS)
        ready, _ = meet(world, server, client)
        assert ready.path == "direct"


@pytest.mark.parametrize("seed", seeds(16))
@pytest.mark.parametrize("nodes", [1, 8])
@pytest.mark.parametrize("client_kind", ["open", "consistent"])
def test_a_node_of_the_network_may_be_the_server_itself(
    seed: int, nodes: int, client_kind: str
) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=nodes)
        client = make(network, client_kind, 2)
        network.bootstrap.listen(SERVER_KEYS)
        ready, theirs = meet(world, network.bootstrap, client)
        assert (ready.path, theirs.path) == ("direct", "direct")


@pytest.mark.parametrize("seed", seeds(17))
def test_a_persistent_node_connects_through_its_own_knowledge(seed: int) -> None:
    with World(seed, link=GOOD_LINK) as world:
        network = Network(world, nodes=NODES)
        server = make(network, "consistent", 1)
        listening = server.listen(SERVER_KEYS)
        relay_host = listening.relays[0].relay_address[0]
        client = next(p for p in network.nodes if p.host.ip == relay_host)
        connecting = client.connect(SERVER_KEYS.public_key)
        ready = world.wait(connecting.finished, 30)
        assert connecting.trace[0][1] == "asking 1 known relays"
        world.run_until(lambda: ready.local_id in client.echoed, 20)


@pytest.mark.parametrize("seed", seeds(18))
def test_many_clients_come_at_once(seed: int) -> None:
    with World(seed, link=LOSSY_LINK) as world:
        network = Network(world, nodes=40)
        server = make(network, "consistent", 1)
        listening = server.listen(SERVER_KEYS)
        clients = [
            make(network, "open" if number % 3 == 0 else "consistent", number)
            for number in range(2, 22)
        ]
        attempts = [client.connect(SERVER_KEYS.public_key) for client in clients]
        world.run_until(lambda: all(a.finished.settled for a in attempts), 60)
        readies = [attempt.finished.result() for attempt in attempts]
        world.run_until(
            lambda: all(
                r.local_id in c.echoed for r, c in zip(readies, clients, strict=True)
            ),
            20,
        )
        assert len(server.ready) == len(clients)
        assert len({ready.remote_id for ready in readies}) == len(clients)
        for client, ready in zip(clients, readies, strict=True):
            client.close_stream(ready.local_id)
        for local_id in list(server.ready):
            server.close_stream(local_id)
        world.run_for(30)
        assert server.node.punch_socket_count == 0
        assert listening.session_count == 0


@pytest.mark.parametrize("seed", seeds(19))
@pytest.mark.parametrize("fast_open", [True, False])
@pytest.mark.parametrize("nodes", [1, NODES])
def test_routers_that_let_in_only_the_very_address_are_passed(
    seed: int, nodes: int, fast_open: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NatBox, "_permission", lambda _, remote: remote)
    with World(seed, link=LOSSY_LINK) as world:
        network = Network(world, nodes=nodes)
        server = make(network, "consistent", 1)
        client = make(network, "consistent", 2)
        server.listen(SERVER_KEYS)
        ready, _ = meet(world, server, client, fast_open=fast_open)
        assert ready.path == "direct"
        assert ready.socket >= 2
