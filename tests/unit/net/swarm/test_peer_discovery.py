"""One topic: modes, rhythm, limits, leaving."""

from __future__ import annotations

import pytest

from net.errors import LocalProtocolError
from net.swarm import PeerFound, SwarmOptions
from tests.sim.swarm_world import SimPeer, SwarmWorld

TOPIC = b"\x01" * 32


def names(peer: SimPeer) -> list[str]:
    return [name for name, _ in peer.calls if name != "connect"]


def publish(world: SwarmWorld, count: int) -> list[bytes]:
    keys = [bytes([200, number]) * 16 for number in range(count)]
    world.records[TOPIC] = {key: PeerFound(key) for key in keys}
    return keys


def test_a_server_announces_and_clears_only_the_first_time() -> None:
    world = SwarmWorld(1)
    peer = world.add_peer()
    session = peer.machine.join(TOPIC, server=True, client=False)
    assert world.settle(session.flushed())
    assert peer.listening
    world.run(725)
    assert names(peer) == ["announce+clear", "announce"]


def test_a_client_only_looks_up_and_does_not_listen() -> None:
    world = SwarmWorld(2)
    peer = world.add_peer()
    keys = publish(world, 3)
    session = peer.machine.join(TOPIC, server=False)
    world.settle(session.flushed())
    assert names(peer) == ["lookup"]
    assert not peer.listening
    assert {key for name, (key, _) in peer.calls[1:] if name == "connect"} <= set(keys)


def test_a_pure_server_does_not_connect_to_what_it_sees() -> None:
    world = SwarmWorld(3)
    peer = world.add_peer()
    publish(world, 3)
    peer.machine.join(TOPIC, server=True, client=False)
    world.run(60)
    assert names(peer) == ["announce+clear"]
    assert peer.machine.peers == {}


def test_changing_the_mode_refreshes_at_once() -> None:
    world = SwarmWorld(4)
    peer = world.add_peer()
    session = peer.machine.join(TOPIC, server=True, client=True)
    world.settle(session.flushed())
    refreshed = session.refresh(server=False, client=True)
    assert world.settle(refreshed) is True
    assert names(peer) == ["announce+clear", "lookup_and_unannounce"]
    assert peer.public_key not in world.records[TOPIC]
    assert world.settle(session.refresh()) is True
    assert names(peer)[-1] == "lookup"


def test_a_mode_is_the_union_of_the_sessions() -> None:
    world = SwarmWorld(5)
    peer = world.add_peer()
    client = peer.machine.join(TOPIC, server=False, client=True)
    server = peer.machine.join(TOPIC, server=True, client=False)
    world.run(5)
    assert names(peer)[-1].startswith("announce")
    world.settle(server.destroy())
    world.run(1)
    assert names(peer)[-1] == "lookup_and_unannounce"
    world.settle(client.destroy())
    assert peer.machine.topics() == []


def test_a_failed_refresh_is_tried_again_at_the_next_one() -> None:
    world = SwarmWorld(6)
    peer = world.add_peer()
    peer.lookup_fails = True
    session = peer.machine.join(TOPIC)
    assert world.settle(session.flushed()) is False
    peer.lookup_fails = False
    world.run(725)
    assert peer.public_key in world.records[TOPIC]


def test_a_machine_that_slept_does_not_refresh_everything_at_once() -> None:
    world = SwarmWorld(7)
    peer = world.add_peer()
    session = peer.machine.join(TOPIC)
    world.settle(session.flushed())
    world.run(100)
    before = len(peer.calls)
    world.scheduler.handle_timer(world.scheduler.now + 5000)
    assert len(peer.calls) == before
    world.run(121)
    assert len(peer.calls) == before + 1


def test_who_looks_for_peers_looks_a_few_times_more_at_first() -> None:
    world = SwarmWorld(13)
    peer = world.add_peer()
    world.settle(peer.machine.join(TOPIC).flushed())
    world.run(100)
    assert names(peer) == ["announce+clear"] + ["announce"] * 3
    world.run(400)
    assert len(names(peer)) == 4, "then the slow rhythm"
    world.settle(peer.machine.leave(TOPIC))
    world.settle(peer.machine.join(TOPIC, server=False).flushed())
    world.run(100)
    assert names(peer)[-4:] == ["lookup"] * 4


def test_two_that_join_in_the_same_instant_meet_soon() -> None:
    world = SwarmWorld(14)
    first, second = world.add_peer(), world.add_peer()
    # Each has looked before the other was there to be found.
    first.machine.join(TOPIC)
    second.machine.join(TOPIC)
    world.run(20)
    assert first.machine.open_connections()
    assert second.machine.open_connections()


def test_the_limit_bounds_new_peers_of_a_refresh() -> None:
    world = SwarmWorld(8)
    peer = world.add_peer()
    publish(world, 10)
    session = peer.machine.join(TOPIC, server=False, limit=4)
    world.settle(session.flushed())
    assert len(peer.machine.peers) == 4


def test_who_has_enough_takes_no_more_from_a_look_up() -> None:
    """Asked at each look-up; a peer that several nodes name counts once."""
    missing = [3]
    options = SwarmOptions(wanted=lambda topic: missing[0] if topic == TOPIC else 0)
    world = SwarmWorld(8)
    peer = world.add_peer(options=options)
    publish(world, 10)
    session = peer.machine.join(TOPIC, server=False)
    world.settle(session.flushed())
    assert len(peer.machine.peers) == 3
    missing[0] = 0
    world.settle(session.refresh())
    assert len(peer.machine.peers) == 3
    found = next(iter(peer.machine.peers))
    missing[0] = 1
    peer.machine.peers.clear()
    on_peer = peer.machine._topics[TOPIC]._limited_on_peer()
    for _ in range(3):
        on_peer(PeerFound(found))
    on_peer(PeerFound(bytes(32)))
    assert list(peer.machine.peers) == [found]


def test_leaving_unannounces_from_the_known_nodes() -> None:
    world = SwarmWorld(9)
    peer = world.add_peer()
    session = peer.machine.join(TOPIC)
    world.settle(session.flushed())
    world.settle(peer.machine.leave(TOPIC))
    assert names(peer)[-1] == "unannounce"
    assert peer.public_key not in world.records[TOPIC]
    world.run(2000)
    assert names(peer)[-1] == "unannounce", "no refresh after leaving"


def test_leaving_during_the_first_announce_cancels_it() -> None:
    world = SwarmWorld(10)
    peer = world.add_peer()
    peer.machine.join(TOPIC)
    world.settle(peer.machine.leave(TOPIC))
    world.run(2000)
    assert world.records.get(TOPIC, {}) == {}


def test_joining_again_while_leaving_waits_for_the_old_one() -> None:
    world = SwarmWorld(11)
    peer = world.add_peer()
    world.settle(peer.machine.join(TOPIC).flushed())
    leaving = peer.machine.leave(TOPIC)
    session = peer.machine.join(TOPIC)
    world.settle(session.flushed())
    assert leaving.settled
    assert names(peer) == ["announce+clear", "unannounce", "announce+clear"]
    assert peer.machine.topics() == [TOPIC]


def test_misuse_is_refused() -> None:
    world = SwarmWorld(12)
    peer = world.add_peer()
    with pytest.raises(LocalProtocolError, match="32 bytes"):
        peer.machine.join(b"short")
    with pytest.raises(LocalProtocolError, match="server"):
        peer.machine.join(TOPIC, server=False, client=False)
    session = peer.machine.join(TOPIC)
    session.destroy()
    with pytest.raises(LocalProtocolError, match="left"):
        session.refresh()
    assert session.destroy().settled
