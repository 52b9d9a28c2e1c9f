"""Two hundred dht-rpc nodes, lossy links, one in ten replaced: keys are found."""

from __future__ import annotations

from net.flow import Deferred
from net.rpc import Reply
from tests.helpers import rpc_network
from tests.helpers.world import Host, Link, World
from tests.sim.churn import Lookup, churn, without_cycle_collection

NODES = 200
ROUGH = Link(loss=0.05, delay_min_s=0.02, delay_max_s=0.2)


class Member:
    """A node whose keys are values of the network's own store command."""

    def __init__(self, inner: rpc_network.Member) -> None:
        self.inner = inner
        self.host: Host = inner.host

    @property
    def is_ready(self) -> bool:
        return self.inner.node.bootstrapped

    def publish(self, key: bytes) -> Deferred[None]:
        return self.inner.store(key, self.host.ip.encode()).finished

    def find(self, key: bytes) -> Lookup:
        found: set[bytes] = set()

        def note(reply: Reply) -> None:
            if reply.value is not None:
                found.add(reply.value)

        node = self.inner.node
        query = self.host.call(
            lambda: node.query(key, rpc_network.FETCH, on_reply=note)
        )
        return Lookup(query.finished, found)


class Members:
    """The network as the churn wants it."""

    def __init__(self, inner: rpc_network.Network) -> None:
        self.world = inner.world
        self.inner = inner
        self.members = [Member(member) for member in inner.members]
        self.first = self.members[0]

    def add(self) -> Member:
        member = Member(self.inner.add())
        self.members.append(member)
        return member

    def leave(self, member: Member) -> None:
        self.members.remove(member)
        self.inner.leave(member.inner)


def run(seed: int, nodes: int) -> World:
    with without_cycle_collection(), World(seed, link=ROUGH) as world:
        inner = rpc_network.Network(world)
        inner.join(nodes - 1)
        assert all(not member.node.ephemeral for member in inner.members)
        outcome = churn(
            Members(inner), owners=20, share_per_ten_minutes=0.1, lookups_per_change=6
        )
        assert outcome.ended > nodes * 0.2
        assert not outcome.missed
        assert outcome.owners_with_rounds >= 16
    return world


def test_keys_are_found_while_nodes_come_and_go(seed: int) -> None:
    run(seed, NODES)


def test_a_seed_replays_a_run_to_the_byte(seed: int) -> None:
    one, two, other = run(seed, 60), run(seed, 60), run(seed + 1, 60)
    assert (one.fingerprint, one.counts) == (two.fingerprint, two.counts)
    assert one.fingerprint != other.fingerprint
