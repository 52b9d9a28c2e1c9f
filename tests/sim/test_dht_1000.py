"""A thousand HyperDHT nodes, lossy links, one in ten replaced: topics are found."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from net.crypto import KeyPair, blake2b_256
from net.dht import HyperDhtNode
from net.flow import Deferred, Scheduler
from net.rpc import CLIENT, SERVER, Address
from tests.helpers.world import Host, Link, World
from tests.sim.churn import Lookup, churn, without_cycle_collection

NODES = 1000
PORT = 49737
ROUGH = Link(loss=0.05, delay_min_s=0.02, delay_max_s=0.2)


class Member:
    """A node that announces its keys as topics, under a key pair of its host."""

    def __init__(self, host: Host, node: HyperDhtNode) -> None:
        self.host = host
        self.node = node

    @property
    def is_ready(self) -> bool:
        return self.node.rpc.bootstrapped

    def publish(self, key: bytes) -> Deferred[Any]:
        key_pair = _key_pair(self.host.ip)
        return self.host.call(lambda: self.node.announce(key, key_pair)).finished

    def find(self, key: bytes) -> Lookup:
        found: set[bytes] = set()
        query = self.host.call(
            lambda: self.node.lookup(
                key,
                on_found=lambda topic: found.update(
                    _hosts_by_key.get(peer.public_key, b"?") for peer in topic.peers
                ),
            )
        )
        return Lookup(query.finished, found)


_hosts_by_key: dict[bytes, bytes] = {}


def _key_pair(ip: str) -> KeyPair:
    key_pair = KeyPair.from_seed(blake2b_256(ip.encode()))
    _hosts_by_key[key_pair.public_key] = ip.encode()
    return key_pair


class Members:
    """A network of nodes that all began with the first one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.members: list[Member] = []
        self._numbers = count(1)
        self.first = self._member([])

    def join(self, number: int) -> None:
        for _ in range(number):
            self.add()
            self.world.run_for(0.02)
        self.world.run_for(20.0)

    def add(self) -> Member:
        return self._member([(self.first.host.ip, PORT)])

    def leave(self, member: Member) -> None:
        self.members.remove(member)
        self.world.remove_host(member.host)

    def _member(self, bootstrap: list[Address]) -> Member:
        number = next(self._numbers)
        ip = f"31.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        host = self.world.add_host(ip)
        node = HyperDhtNode(
            scheduler=Scheduler(now=self.world.now),
            entropy=self.world.entropy(ip),
            allocate_stream_id=lambda: 1,
            bootstrap=bootstrap,
            ephemeral=False,
            firewalled=False,
            public_address=None if bootstrap else (ip, PORT),
            key_pair=_key_pair(ip),
        )
        host.run(node, sockets={SERVER: PORT, CLIENT: None})
        sockets = host.sockets
        host.call(
            lambda: node.start(server_port=sockets[SERVER], client_port=sockets[CLIENT])
        )
        member = Member(host, node)
        self.members.append(member)
        return member


@pytest.mark.timeout(600)  # half a minute of computing, on machines that may be busy
def test_topics_are_found_while_nodes_come_and_go(seed: int) -> None:
    with without_cycle_collection(), World(seed, link=ROUGH) as world:
        network = Members(world)
        network.join(NODES - 1)
        assert len(network.members) == NODES
        assert all(not member.node.rpc.ephemeral for member in network.members)
        outcome = churn(
            network, owners=40, share_per_ten_minutes=0.1, lookups_per_change=5
        )
        assert outcome.ended > 100
        assert not outcome.missed
        assert outcome.owners_with_rounds >= 32
