"""From firewalled to open, from ephemeral to persistent, and when not."""

from __future__ import annotations

import pytest

from net.flow import Scheduler
from net.rpc import (
    CLIENT,
    SERVER,
    BecameEphemeral,
    NatUpdated,
    Persistent,
    RpcEvent,
    RpcNode,
    node_id,
)
from net.rpc.messages import PING
from net.rpc.reachability import MORE_STABLE_TICKS, STABLE_TICKS
from tests.helpers.nat_box import NatKind
from tests.helpers.rpc_network import PORT, Network
from tests.helpers.world import Host, World
from tests.unit.net.rpc.bench import OWN, OWN_CLIENT, PEER, Bench, peers

TICK_S = 5.0


class Newcomer:
    """A node with the defaults, somewhere in a world of open nodes."""

    def __init__(
        self, *, nat: NatKind | None = None, nodes: int = 10, port: int = PORT
    ) -> None:
        self.world = World(1)
        self.network = Network(self.world)
        self.network.join(nodes, each_s=0.5)
        box = None if nat is None else self.world.add_nat("80.0.0.1", nat)
        ip = "20.0.0.1" if box is None else "192.168.0.2"
        self.host: Host = self.world.add_host(ip, nat=box)
        self.events: list[RpcEvent] = []
        self.node = RpcNode(
            scheduler=Scheduler(now=self.world.now),
            entropy=self.world.entropy("newcomer"),
            bootstrap=[self.network.first.address],
            on_event=self.events.append,
        )
        self.host.run(self.node, sockets={SERVER: port, CLIENT: None})
        sockets = self.host.sockets
        self.host.call(
            lambda: self.node.start(
                server_port=sockets[SERVER], client_port=sockets[CLIENT]
            )
        )
        self.world.run_for(30.0)

    def stay(self, ticks: int) -> None:
        self.world.run_for(ticks * TICK_S)

    def is_known(self) -> bool:
        address = (self.host.ip, PORT)
        return any(
            address in member.node.known_addresses() for member in self.network.members
        )


def test_an_open_node_finds_out_at_once_and_becomes_persistent_later() -> None:
    new = Newcomer()
    assert not new.node.firewalled
    assert new.node.ephemeral
    assert new.node.id is None
    assert new.node.remote_address() == ("20.0.0.1", PORT)
    assert not new.is_known()
    new.stay(STABLE_TICKS - 10)
    assert new.node.ephemeral
    new.stay(20)
    assert new.node.id == node_id(("20.0.0.1", PORT))
    assert new.events.count(Persistent()) == 1
    assert new.is_known()
    assert new.node.table.id == new.node.id


@pytest.mark.parametrize("kind", [NatKind.CONSISTENT, NatKind.RANDOM])
def test_behind_a_filtering_router_a_node_stays_ephemeral(kind: NatKind) -> None:
    new = Newcomer(nat=kind)
    new.stay(STABLE_TICKS + 10)
    assert new.node.firewalled
    assert new.node.ephemeral
    assert new.node.host == "80.0.0.1"
    assert new.node.randomized == (kind is NatKind.RANDOM)
    assert new.node.remote_address() is None
    assert not new.is_known()


def test_behind_an_open_router_a_node_becomes_persistent() -> None:
    new = Newcomer(nat=NatKind.OPEN)
    assert not new.node.firewalled
    new.stay(STABLE_TICKS + 10)
    assert new.node.id == node_id(("80.0.0.1", PORT))


def test_a_host_checked_in_vain_is_checked_again_only_when_it_changes() -> None:
    new = Newcomer(nat=NatKind.CONSISTENT)
    new.stay(STABLE_TICKS + 2)
    checks = new.node.stats.commands_sent[1]
    new.stay(MORE_STABLE_TICKS + 10)
    assert new.node.stats.commands_sent[1] == checks


def test_one_witness_is_enough_when_there_is_only_one_node() -> None:
    new = Newcomer(nodes=0)
    assert new.host.call(new.node.check_network_state) is not None
    new.world.run_for(10.0)
    assert not new.node.firewalled
    assert not new.node.ephemeral


def test_a_check_needs_to_know_the_address_first() -> None:
    bench = Bench()
    check = bench.node.check_network_state()
    assert check.settled
    assert check.result() is False


def probed(count: int) -> Bench:
    """A firewalled node that knows its host and has just asked some nodes."""
    bench = Bench()
    nodes = peers(count)
    for node in nodes:
        bench.node.add_node(node)
    for _ in range(4):
        bench.node.reachability.sampler.add(*OWN_CLIENT)
    bench.node.check_network_state()
    return bench


def test_enough_answers_on_the_server_socket_open_it() -> None:
    bench = probed(5)
    for sent in bench.sent()[:3]:
        assert sent.socket == CLIENT
        assert sent.request.value == OWN[1].to_bytes(2, "little")
        bench.answer(sent, socket=SERVER, to=OWN)
    bench.advance(5.0)
    assert not bench.node.firewalled
    assert bench.node.id == node_id(OWN)


def test_answers_on_the_client_socket_prove_nothing() -> None:
    bench = probed(5)
    for sent in bench.sent():
        bench.answer(sent, socket=CLIENT, to=OWN)
    assert bench.node.firewalled


def test_two_answers_of_five_are_not_enough() -> None:
    bench = probed(5)
    for sent in bench.sent()[:2]:
        bench.answer(sent, socket=SERVER, to=OWN)
    bench.advance(5.0)
    assert bench.node.firewalled
    assert bench.node.ephemeral


@pytest.mark.parametrize("seen", [(OWN[0], 999), ("10.66.0.1", OWN[1])])
def test_another_port_or_host_outside_is_no_open_port(seen: tuple[str, int]) -> None:
    bench = probed(5)
    for sent in bench.sent():
        bench.answer(sent, socket=SERVER, to=seen)
    assert bench.node.firewalled


def test_a_second_check_does_not_disturb_the_first() -> None:
    bench = probed(5)
    second = bench.node.check_network_state()
    assert second.result() is False
    for sent in bench.sent():
        bench.answer(sent, socket=SERVER, to=OWN)
    assert not bench.node.firewalled


def test_a_new_sample_is_told_and_nodes_are_sampled_once() -> None:
    bench = Bench()
    bench.meet(PEER)
    assert (bench.node.host, bench.node.port) == OWN
    events = []
    while (event := bench.node.next_event()) is not None:
        events.append(event)
    assert NatUpdated(*OWN) in events
    size = bench.node.reachability.sampler.size
    bench.meet(PEER, PEER)
    assert bench.node.reachability.sampler.size == size


def test_nodes_without_id_are_sampled_as_often_as_there_are_bootstraps() -> None:
    bench = Bench()
    for number in range(5):
        bench.node.request(9, ("10.2.0.1", 100 + number))
    for sent in bench.sent():
        bench.answer(sent, persistent=False)
    assert bench.node.reachability.sampler.size == 1


def test_what_comes_in_on_another_socket_is_no_sample_of_a_known_node() -> None:
    bench = Bench()
    bench.node.add_node(PEER)
    bench.ask(PING, internal=True, persistent=True, socket=SERVER)
    assert bench.node.reachability.sampler.size == 0
    bench.ask(PING, internal=True, persistent=True, socket=CLIENT)
    assert bench.node.reachability.sampler.size == 1


def test_a_sleep_makes_an_adaptive_node_ephemeral_again() -> None:
    new = Newcomer()
    new.stay(STABLE_TICKS + 10)
    assert not new.node.ephemeral
    new.host.call(new.node.suspend)
    sockets = new.host.sockets
    new.host.call(
        lambda: new.node.resume(
            server_port=sockets[SERVER], client_port=sockets[CLIENT]
        )
    )
    assert new.node.ephemeral
    assert BecameEphemeral() in new.events
    new.stay(MORE_STABLE_TICKS + 10)
    assert not new.node.ephemeral


def test_a_node_that_may_not_adapt_stays_as_it_is() -> None:
    for options in ({"ephemeral": True}, {"adaptive": False}):
        bench = Bench(**options)
        for _ in range(4):
            bench.node.reachability.sampler.add(*OWN)
        bench.advance((STABLE_TICKS + 10) * TICK_S)
        assert bench.node.stats.commands_sent[1] == 0
