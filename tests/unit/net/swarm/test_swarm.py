"""Connections of a swarm: duplicates, retries, explicit peers, bans, going down."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from net.errors import LocalProtocolError
from net.swarm import PeerBanned, PeerFound, SwarmOptions
from net.swarm import swarm as swarm_module
from net.swarm.connection_set import Verdict, resolve_duplicate
from tests.sim.swarm_world import FakeConnection, SimPeer, SwarmWorld

TOPIC = b"\x02" * 32
LOW, HIGH = b"\x01" * 32, b"\xf0" * 32


@dataclass(eq=False)
class End:
    remote_public_key: bytes
    is_initiator: bool
    has_traffic: bool = False

    def destroy(self, reason: str) -> None:
        raise AssertionError(reason)

    def send_keep_alive(self) -> None:
        raise AssertionError


@given(
    first=st.binary(min_size=32, max_size=32),
    second=st.binary(min_size=32, max_size=32),
)
def test_both_sides_of_a_crossing_keep_the_same_connection(
    first: bytes, second: bytes
) -> None:
    """Each side sees its own as existing and the other's as incoming."""
    if first == second:
        return
    kept = []
    for own, remote in ((first, second), (second, first)):
        verdict = resolve_duplicate(
            own_public_key=own,
            incoming=End(remote, is_initiator=False),
            existing=End(remote, is_initiator=True),
        )
        kept.append(own if verdict is Verdict.KEEP_EXISTING else remote)
    assert kept[0] == kept[1] == max(first, second)


def test_an_existing_connection_with_traffic_is_stale() -> None:
    verdict = resolve_duplicate(
        own_public_key=HIGH,
        incoming=End(LOW, is_initiator=False),
        existing=End(LOW, is_initiator=True, has_traffic=True),
    )
    assert verdict is Verdict.KEEP_INCOMING


def incoming(peer: SimPeer, remote: bytes) -> FakeConnection:
    connection = FakeConnection(peer, remote, is_initiator=False)
    peer.machine.connection_incoming(connection)
    peer.take_events()
    return connection


def connects(peer: SimPeer) -> list[bytes]:
    return [value[0] for name, value in peer.calls if name == "connect"]


def test_the_loser_is_destroyed_and_the_keeper_tested() -> None:
    world = SwarmWorld(1)
    peer = world.add_peer(key=HIGH)
    first = incoming(peer, LOW)
    second = FakeConnection(peer, LOW, is_initiator=False)
    first.is_initiator = True
    peer.machine.connection_incoming(second)
    assert second.close_reason == "Duplicate connection"
    assert first.keep_alives == 1
    assert peer.machine.open_connections() == [first]


def test_a_swap_announces_the_new_one_after_the_old_one_closed() -> None:
    world = SwarmWorld(2)
    peer = world.add_peer(key=HIGH)
    first = incoming(peer, LOW)
    first.has_traffic = True
    second = incoming(peer, LOW)
    assert first.close_reason == "Duplicate connection"
    assert peer.opened == [first]
    world.run(1)
    assert peer.opened == [first, second]
    assert peer.machine.open_connections() == [second]


def test_a_swap_forgets_a_new_one_that_died_meanwhile() -> None:
    world = SwarmWorld(3)
    peer = world.add_peer(key=HIGH)
    first = incoming(peer, LOW)
    first.has_traffic = True
    second = FakeConnection(peer, LOW, is_initiator=False)
    peer.machine.connection_incoming(second)
    peer.machine.connection_closed(second, None)
    world.run(1)
    assert peer.opened == [first]
    assert len(peer.machine.connections) == 0


def test_a_swap_keeps_only_the_newest_of_several() -> None:
    world = SwarmWorld(4)
    peer = world.add_peer(key=HIGH)
    first = incoming(peer, LOW)
    first.has_traffic = True
    second = incoming(peer, LOW)
    third = incoming(peer, LOW)
    world.run(1)
    assert second.closed
    assert peer.machine.open_connections() == [third]


def test_a_failing_peer_is_tried_four_times_and_then_only_when_found_again() -> None:
    world = SwarmWorld(5)
    peer = world.add_peer()
    ghost = b"\x55" * 32
    world.records[TOPIC] = {ghost: PeerFound(ghost)}
    session = peer.machine.join(TOPIC, server=False)
    world.settle(session.flushed())
    del world.records[TOPIC]
    world.run(400)
    assert connects(peer) == [ghost] * 4
    world.records[TOPIC] = {ghost: PeerFound(ghost)}
    world.settle(session.refresh())
    world.run(1)
    assert connects(peer) == [ghost] * 5


def test_an_explicit_peer_is_tried_for_ever() -> None:
    world = SwarmWorld(6)
    peer = world.add_peer()
    ghost = b"\x56" * 32
    peer.machine.join_peer(ghost)
    world.run(4 * 3600)
    assert len(connects(peer)) > 10
    peer.machine.leave_peer(ghost)
    count = len(connects(peer))
    world.run(4 * 3600)
    assert len(connects(peer)) <= count + 1
    assert ghost not in peer.machine.peers


def test_no_more_attempts_at_a_time_than_allowed() -> None:
    world = SwarmWorld(7)
    peer = world.add_peer()
    ghosts = [bytes([0x60 + number]) * 32 for number in range(9)]
    world.records[TOPIC] = {key: PeerFound(key) for key in ghosts}
    session = peer.machine.join(TOPIC, server=False)
    world.settle(session.flushed())
    assert peer.machine.connecting == 3
    assert peer.machine.queued == 6


def test_flush_waits_for_one_attempt_of_everyone_found() -> None:
    world = SwarmWorld(8)
    others = [world.add_peer() for _ in range(6)]
    for other in others:
        other.machine.join(TOPIC, client=False)
    world.run(5)
    peer = world.add_peer()
    peer.machine.join(TOPIC, server=False)
    assert world.settle(peer.machine.flush()) is True
    assert len(peer.machine.open_connections()) == 6
    assert world.settle(peer.machine.flush()) is True


def test_flush_ends_with_the_swarm() -> None:
    world = SwarmWorld(9)
    peer = world.add_peer()
    peer.machine.join_peer(b"\x57" * 32)
    flushing = peer.machine.flush()
    world.run(0.01)
    world.settle(peer.machine.destroy())
    assert world.settle(flushing) is False
    with pytest.raises(LocalProtocolError, match="closed"):
        peer.machine.join(TOPIC)


def test_a_refused_peer_is_banned() -> None:
    world = SwarmWorld(10)
    peer = world.add_peer()
    peer.machine._firewall = lambda key, _: key == LOW
    assert peer.machine.refuses(LOW, {})
    assert not peer.machine.refuses(HIGH, {})
    event = peer.machine.next_event()
    assert isinstance(event, PeerBanned)
    assert event.peer.public_key == LOW
    peer.machine.join_peer(LOW)
    world.run(60)
    assert connects(peer) == []


def test_banning_ends_the_connection() -> None:
    world = SwarmWorld(11)
    peer = world.add_peer()
    connection = incoming(peer, LOW)
    peer.machine.ban(LOW)
    world.run(1)
    assert connection.closed
    assert peer.machine.refuses(LOW, {})


def test_a_swarm_never_talks_to_itself() -> None:
    world = SwarmWorld(12)
    peer = world.add_peer()
    peer.machine.join_peer(peer.public_key)
    assert peer.machine.refuses(peer.public_key, {})
    assert peer.machine.peers == {}


def test_incoming_connections_are_bounded() -> None:
    world = SwarmWorld(13)
    peer = world.add_peer(options=SwarmOptions(max_server_connections=2))
    for number in range(2):
        incoming(peer, bytes([number + 1]) * 32)
    assert peer.machine.refuses(b"\x33" * 32, {})
    assert not peer.machine.refuses(b"\x01" * 32, {}), "a known peer may reconnect"
    assert peer.machine.counters.refused_connections == 1


def test_known_peers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm_module, "MAX_KNOWN_PEERS", 5)
    world = SwarmWorld(14)
    peer = world.add_peer()
    keys = [bytes([100 + number]) * 32 for number in range(12)]
    world.records[TOPIC] = {key: PeerFound(key) for key in keys}
    world.settle(peer.machine.join(TOPIC, server=False).flushed())
    assert len(peer.machine.peers) == 5
    assert peer.machine.counters.forgotten_peers == 7


def test_a_failed_punch_is_retried_through_the_relay() -> None:
    world = SwarmWorld(15)
    peer = world.add_peer(options=SwarmOptions(can_relay=True))
    peer.machine.join_peer(LOW)
    [connection] = peer.machine.connections
    peer.machine.connection_closed(connection, "HOLEPUNCH_ABORTED")
    world.run(9)
    forced = [value[1] for name, value in peer.calls if name == "connect"]
    assert forced[0] is False
    assert forced[1] is True


def test_suspend_takes_everything_down_and_resume_brings_it_back() -> None:
    world = SwarmWorld(16)
    first, second = world.add_peer(), world.add_peer()
    for peer in (first, second):
        peer.machine.join(TOPIC)
        world.run(5)
    assert len(first.machine.open_connections()) == 1

    world.settle(first.machine.suspend())
    assert first.public_key not in world.records[TOPIC]
    world.run(120)
    assert first.machine.open_connections() == []
    assert second.machine.open_connections() == []
    assert first.machine.refuses(second.public_key, {})

    world.settle(first.machine.resume())
    world.run(60)
    assert len(first.machine.open_connections()) == 1
    assert [name for name, _ in first.calls if name in ("suspend", "resume")] == [
        "suspend",
        "resume",
    ]


def test_a_changed_network_tests_connections_and_refreshes() -> None:
    world = SwarmWorld(17)
    peer = world.add_peer()
    world.settle(peer.machine.join(TOPIC).flushed())
    connection = incoming(peer, LOW)
    before = len(peer.calls)
    peer.machine.network_changed()
    world.run(1)
    assert connection.keep_alives == 1
    assert [name for name, _ in peer.calls[before:]] == ["announce"]


def test_a_machine_that_woke_up_tests_connections_and_refreshes_soon() -> None:
    world = SwarmWorld(19)
    peer = world.add_peer()
    world.settle(peer.machine.join(TOPIC).flushed())
    world.run(100)
    connection = incoming(peer, LOW)
    before = len(peer.calls)
    peer.machine.woke_up()
    assert connection.keep_alives == 1
    assert len(peer.calls) == before, "the network is not back yet"
    world.run(3.1)
    assert [name for name, _ in peer.calls[before:]] == ["announce"]


def test_closing_leaves_nothing_running() -> None:
    world = SwarmWorld(18)
    first, second = world.add_peer(), world.add_peer()
    for peer in (first, second):
        peer.machine.join(TOPIC)
    world.run(20)
    world.settle(first.machine.destroy())
    world.settle(second.machine.destroy())
    world.run(30)
    assert world.records[TOPIC] == {}
    assert world.scheduler.get_timer() is None
