"""Plain dht-rpc networks in trouble: mass death, bad links, partitions, restarts."""

from __future__ import annotations

import pytest

from net.flow import Scheduler
from net.rpc import CLIENT, SERVER, NetworkUpdated, RpcNode, node_id
from tests.helpers.rpc_network import PORT, Member, Network
from tests.helpers.world import Link, World

ROUGH = Link(loss=0.05, delay_min_s=0.02, delay_max_s=0.2)
AWFUL = Link(
    loss=0.2,
    duplicate=0.2,
    reorder=0.5,
    reorder_s=0.2,
    delay_min_s=0.05,
    delay_max_s=0.4,
)


def true_closest(network: Network, key: bytes, count: int) -> list[Member]:
    number = int.from_bytes(key, "big")

    def distance(member: Member) -> int:
        return int.from_bytes(node_id(member.address), "big") ^ number

    return sorted(network.members, key=distance)[:count]


def is_found(network: Network, asker: Member, key: bytes, value: bytes) -> bool:
    query, values = asker.fetch(key)
    network.world.run_until(lambda: query.finished.settled, limit_s=120)
    return value in values


@pytest.mark.parametrize("link", [Link(), ROUGH, AWFUL], ids=["good", "rough", "awful"])
def test_a_lookup_finds_most_of_the_closest_nodes(link: Link, seed: int) -> None:
    with World(seed, link=link) as world:
        network = Network(world)
        network.join(150, each_s=0.2)
        for _ in range(5):
            key = world.random.randbytes(32)
            asker = world.random.choice(network.members)
            query, _ = asker.fetch(key)
            world.wait(query.finished, 120)
            closest = {m.address for m in true_closest(network, key, 20)}
            found = closest & {*query.closest_nodes, asker.address}
            assert len(found) > 10


def test_half_of_all_nodes_may_die_at_once(seed: int) -> None:
    with World(seed, link=ROUGH) as world:
        network = Network(world)
        network.join(150, each_s=0.05)
        keys = [world.random.randbytes(32) for _ in range(10)]
        stores = [network.members[i].store(k, b"v" + k) for i, k in enumerate(keys)]
        world.run_until(lambda: all(s.finished.settled for s in stores), limit_s=120)
        dying = world.random.sample(network.members[1:], 75)
        for member in dying:
            network.leave(member)
        for key in keys:
            asker = world.random.choice(network.members)
            assert is_found(network, asker, key, b"v" + key)
        world.run_for(900.0)
        gone = {member.address for member in dying}
        stale = [
            len(gone.intersection(member.node.known_addresses())) / 75
            for member in network.members
        ]
        assert sum(stale) / len(stale) < 0.05


def test_a_node_cut_off_says_so_and_recovers(seed: int) -> None:
    with World(seed, link=ROUGH) as world:
        network = Network(world)
        network.join(60, each_s=0.05)
        member = network.members[30]
        others = [m.host.ip for m in network.members if m is not member]
        heal = world.partition([member.host.ip], others)
        keys = [world.random.randbytes(32) for _ in range(12)]
        for key in keys:
            member.fetch(key)
            world.run_for(5.0)
        assert not member.node.online
        heal()
        for key in keys:
            member.fetch(key)
            world.run_for(5.0)
        assert member.node.online
        events = []
        while (event := member.node.next_event()) is not None:
            if isinstance(event, NetworkUpdated):
                events.append(event.online)
        assert events == [False, True]
        assert member.node.table.size > 20


def test_answers_that_get_lost_are_asked_for_again(seed: int) -> None:
    with World(seed, link=Link(delay_min_s=0.05, delay_max_s=0.05)) as world:
        network = Network(world)
        network.join(5, each_s=0.5)
        one, other = network.members[1:3]
        heal = world.partition([other.host.ip], [one.host.ip], one_way=True)
        world.call_at(world.now + 2.5, heal)
        ping = one.host.call(lambda: one.node.ping(other.address))
        reply = world.wait(ping, 10.0)
        assert 3.0 < reply.rtt_s < 3.2


def test_a_node_comes_back_with_the_nodes_it_remembers(seed: int) -> None:
    with World(seed, link=ROUGH) as world:
        network = Network(world)
        network.join(60, each_s=0.05)
        member = network.members[20]
        remembered = member.node.known_addresses(30)
        member.host.crash()
        network.leave(network.first)
        world.run_for(60.0)
        node = RpcNode(
            scheduler=Scheduler(now=world.now),
            entropy=world.entropy("second life"),
            nodes=remembered,
            ephemeral=False,
            firewalled=False,
        )
        member.host.run(node, sockets={SERVER: PORT, CLIENT: None})
        client_port = member.host.sockets[CLIENT]
        member.host.call(lambda: node.start(server_port=PORT, client_port=client_port))
        world.run_until(lambda: node.bootstrapped, limit_s=60)
        assert node.id == node_id(member.address)
        world.run_for(5.0)
        known = set(node.known_addresses())
        living = {m.address for m in network.members if m.host.machine is not None}
        assert len(known & living) > 20
