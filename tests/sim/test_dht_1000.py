"""A thousand nodes, lossy links, one in ten replaced per ten minutes: keys are found.

A key has an owner, who stores it anew from time to time on the nodes closest to it, as
announcers do. Whatever was stored by an owner that is still there must be found by
anybody who has joined, at any time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from net.rpc import Query
from tests.helpers.rpc_network import Member, Network
from tests.helpers.world import Link, World

NODES = 1000
OWNERS = 40
ROUND_S = 300.0
CHURN_PER_TEN_MINUTES = 0.1
TEN_MINUTES_S = 600.0
LOOKUPS_PER_CHANGE = 2
SETTLE_S = 40.0
ROUGH = Link(loss=0.05, delay_min_s=0.02, delay_max_s=0.2)


@pytest.fixture(autouse=True)
def _no_cycle_collection() -> Iterator[None]:
    # Walking a thousand nodes for cycles costs a third of the run and finds few.
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Owner:
    """Stores its key round after round, and knows whether a round is done."""

    def __init__(self, member: Member, key: bytes) -> None:
        self.member = member
        self.key = key
        self.value = b"of " + member.host.ip.encode()
        self.rounds_done = 0
        self.query: Query | None = None

    def announce(self) -> None:
        if self.member.host.machine is None:
            return
        self.query = self.member.store(self.key, self.value)
        self.query.finished.when_settled(lambda done: self._ended(done.error))
        world = self.member.network.world
        world.call_at(world.now + ROUND_S, self.announce)

    def _ended(self, error: BaseException | None) -> None:
        if error is None:
            self.rounds_done += 1


def test_keys_are_found_while_nodes_come_and_go(seed: int) -> None:
    with World(seed, link=ROUGH) as world:
        network = Network(world)
        network.join(NODES - 1)
        assert len(network.members) == NODES
        assert all(not member.node.ephemeral for member in network.members)
        owners = [_owner(network) for _ in range(OWNERS)]
        replaced = int(NODES * CHURN_PER_TEN_MINUTES)
        misses: list[str] = []
        lookups: list[tuple[Query, Owner, list[bytes]]] = []
        for _ in range(replaced):
            _replace_one(network, owners)
            ready = [owner for owner in owners if owner.rounds_done]
            for _ in range(LOOKUPS_PER_CHANGE):
                if ready:
                    lookups.append(_look_up(network, world.random.choice(ready)))
            world.run_for(TEN_MINUTES_S / replaced)
        world.run_for(SETTLE_S)
        for query, owner, values in lookups:
            # Who asked may have been replaced meanwhile; its query then never ends.
            if query.finished.settled and owner.value not in values:
                misses.append(f"{owner.member.host.ip}: {owner.key.hex()[:8]}")
        ended = sum(query.finished.settled for query, *_ in lookups)
        print(f"{ended} lookups, {len(misses)} in vain, {dict(world.counts)}")
        assert ended > replaced
        assert not misses
        assert sum(owner.rounds_done >= 2 for owner in owners) > OWNERS * 0.9


def _owner(network: Network) -> Owner:
    world = network.world
    owner = Owner(network.add(), world.random.randbytes(32))
    world.call_at(world.now + 20.0 + world.random.random() * 40.0, owner.announce)
    return owner


def _replace_one(network: Network, owners: list[Owner]) -> None:
    world = network.world
    others = [member for member in network.members if member is not network.first]
    leaving = world.random.choice(others)
    network.leave(leaving)
    for index, owner in enumerate(owners):
        if owner.member is leaving:
            owners[index] = _owner(network)
            return
    network.add()


def _look_up(network: Network, owner: Owner) -> tuple[Query, Owner, list[bytes]]:
    asking = network.world.random.choice(network.members)
    while not asking.node.bootstrapped:
        asking = network.world.random.choice(network.members)
    query, values = asking.fetch(owner.key)
    return query, owner, values
