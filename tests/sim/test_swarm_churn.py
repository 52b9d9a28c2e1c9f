"""Swarms in a world of crossing connections, churn and partitions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from net.swarm import SwarmOptions
from tests.sim.swarm_world import FakeConnection, SwarmWorld, open_pairs

TOPIC = b"\x07" * 32


def assert_one_connection_per_peer(world: SwarmWorld) -> None:
    for peer in world.peers.values():
        keys = [it.remote_public_key for it in peer.machine.connections]
        assert len(keys) == len(set(keys))
        for connection in peer.machine.connections:
            assert isinstance(connection, FakeConnection)


@given(seed=st.integers(0, 2**32), crossing_s=st.floats(0, 1.0))
@settings(max_examples=150, deadline=None)
def test_crossing_connections_leave_the_same_one_on_both_sides(
    seed: int, crossing_s: float
) -> None:
    world = SwarmWorld(seed)
    first, second = world.add_peer(), world.add_peer()
    first.listening = second.listening = True
    first.machine.join_peer(second.public_key)
    world.run(crossing_s)
    second.machine.join_peer(first.public_key)

    world.run(120)

    [near] = first.machine.open_connections()
    [far] = second.machine.open_connections()
    assert isinstance(near, FakeConnection)
    assert near.other is far, "both keep the two ends of one connection"
    live = [it for it in first.opened + second.opened if not it.closed]
    assert len(live) == 2


@pytest.mark.parametrize("seed", range(4))
def test_everybody_in_a_topic_is_connected(seed: int) -> None:
    world = SwarmWorld(seed)
    peers = [world.add_peer() for _ in range(12)]
    for peer in peers:
        world.run(world.random.uniform(0, 3))
        peer.machine.join(TOPIC)

    world.run_until(lambda: len(open_pairs(world)) == 12 * 11, limit_s=1800)
    assert_one_connection_per_peer(world)


@pytest.mark.parametrize("seed", range(3))
def test_a_swarm_heals_under_churn(seed: int) -> None:
    world = SwarmWorld(seed)
    alive = [world.add_peer() for _ in range(15)]
    for peer in alive:
        peer.machine.join(TOPIC)
    world.run(600)
    for _ in range(10):
        victim = alive.pop(world.random.randrange(len(alive)))
        victim.crash()
        del world.peers[victim.public_key]
        newcomer = world.add_peer()
        newcomer.machine.join(TOPIC)
        alive.append(newcomer)
        world.run(60)
        assert_one_connection_per_peer(world)
    for topic_records in world.records.values():
        for key in [key for key in topic_records if key not in world.peers]:
            del topic_records[key]

    count = len(alive)
    world.run_until(lambda: len(open_pairs(world)) == count * (count - 1), limit_s=3600)


def test_a_swarm_stays_within_its_limit() -> None:
    world = SwarmWorld(5)
    options = SwarmOptions(max_peers=8)
    middle = world.add_peer(options=options)
    for _ in range(30):
        peer = world.add_peer()
        peer.machine.join(TOPIC, client=False)
    world.run(30)
    middle.machine.join(TOPIC, server=False)
    world.run(900)

    assert len(middle.machine.connections) == 8
    assert middle.machine.queued > 0


def test_a_day_of_refreshes_keeps_its_rhythm() -> None:
    world = SwarmWorld(9)
    peer = world.add_peer()
    peer.machine.join(TOPIC)
    world.run(24 * 3600)

    announces = [name for name, _ in peer.calls if name.startswith("announce")]
    assert announces[0] == "announce+clear"
    assert set(announces[1:]) == {"announce"}
    assert 24 * 5 <= len(announces) <= 24 * 6 + 1
