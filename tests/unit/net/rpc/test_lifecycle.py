"""Start, sleep, suspension and end of a node."""

from __future__ import annotations

import pytest

from net.errors import LocalProtocolError
from net.flow import Scheduler
from net.rpc import (
    Destroyed,
    NetworkChanged,
    NetworkUpdated,
    Persistent,
    Ready,
    RequestCancelledError,
    Resumed,
    RpcEvent,
    RpcNode,
    Suspended,
    SuspendedError,
    WokeUp,
    node_id,
)
from net.rpc import exchange as exchange_module
from net.rpc import node as node_module
from net.rpc.messages import FIND_NODE, PING_NAT
from net.rpc.stats import DropReason
from tests.unit.net.rpc.bench import OWN, OWN_CLIENT, PEER, SERVER, Bench, Sent, peers


def events(bench: Bench) -> list[RpcEvent]:
    found = []
    while (event := bench.node.next_event()) is not None:
        found.append(event)
    return found


def test_the_first_node_of_a_network_is_persistent_at_once() -> None:
    scheduler = Scheduler()
    node = RpcNode.bootstrapper(OWN, scheduler=scheduler, entropy=bytes)
    node.start(server_port=OWN[1], client_port=OWN_CLIENT[1])
    assert node.bootstrapped
    assert node.id == node.table.id == node_id(OWN)
    assert node.remote_address() == OWN
    assert node.default_socket == SERVER


@pytest.mark.parametrize("address", [("0.0.0.0", 5), ("10.0.0.1", 0)])
def test_a_bootstrap_node_needs_an_address(address: tuple[str, int]) -> None:
    with pytest.raises(LocalProtocolError):
        RpcNode.bootstrapper(address, scheduler=Scheduler(), entropy=bytes)


def test_a_node_of_a_test_network_is_persistent_when_ready() -> None:
    bench = Bench(bootstrap=[PEER], ephemeral=False, firewalled=False)
    assert not bench.node.ready.settled
    (sent,) = bench.sent()
    assert sent.request.id is None
    assert (sent.socket, sent.request.command) == (SERVER, FIND_NODE)
    bench.answer(sent)
    assert bench.node.id == node_id(OWN)
    assert not bench.node.ready.settled
    (sent,) = bench.sent()
    assert (sent.request.id, sent.request.target) == (node_id(OWN), node_id(OWN))
    bench.answer(sent)
    bench.node.ready.result()
    assert Persistent() in events(bench)


def test_the_first_node_asked_is_asked_to_reach_our_server_socket() -> None:
    bench = Bench(bootstrap=[PEER])
    (sent,) = bench.sent()
    bench.answer(sent)
    asked = [s for s in bench.sent() if s.request.command == PING_NAT]
    assert [s.request.value for s in asked] == [OWN[1].to_bytes(2, "little")]
    bench = Bench(bootstrap=[PEER], quick_firewall=False)
    (sent,) = bench.sent()
    bench.answer(sent)
    assert not bench.sent()


def started_lookup(rtt_s: float) -> tuple[Bench, Sent]:
    """A node whose first lookup has just ended, and what it wants to be reached by."""
    bench = Bench(bootstrap=[PEER])
    (sent,) = bench.sent()
    bench.advance(rtt_s)
    bench.answer(sent)
    (asked,) = (s for s in bench.sent() if s.request.command == PING_NAT)
    return bench, asked


def answer_all_there(bench: Bench) -> None:
    """Answer everything the node asks, pings to its server socket there."""
    while sent := bench.sent():
        for one in sent:
            reach = one.request.command == PING_NAT
            bench.answer(one, socket=SERVER if reach else None)


def test_an_answer_that_comes_just_after_the_lookup_counts() -> None:
    bench, asked = started_lookup(0.1)
    assert not bench.node.bootstrapped
    bench.advance(0.1)
    bench.answer(asked, socket=SERVER)
    answer_all_there(bench)
    assert bench.node.bootstrapped
    assert not bench.node.firewalled
    assert bench.node.ephemeral


@pytest.mark.parametrize(("rtt_s", "held_s"), [(0.1, 0.22), (0.9, 0.5)])
def test_a_firewalled_node_is_held_up_for_two_round_trips_at_most(
    rtt_s: float, held_s: float
) -> None:
    bench, _ = started_lookup(rtt_s)
    bench.advance(held_s - 0.01)
    assert not bench.node.bootstrapped
    bench.advance(0.02)
    assert bench.node.bootstrapped
    assert bench.node.firewalled


def test_an_answer_that_comes_after_the_start_makes_open_all_the_same() -> None:
    bench, asked = started_lookup(0.1)
    bench.advance(0.5)
    assert bench.node.bootstrapped
    assert bench.node.firewalled
    bench.answer(asked, socket=SERVER)
    answer_all_there(bench)
    assert not bench.node.firewalled
    assert bench.node.ephemeral


def test_no_answer_that_comes_after_the_end_revives_a_node() -> None:
    bench, asked = started_lookup(0.1)
    bench.node.destroy()
    bench.answer(asked, socket=SERVER)
    assert not bench.sent()
    assert not bench.node.bootstrapped


def test_a_bootstrap_node_that_is_silent_does_not_hold_up_for_ever() -> None:
    bench = Bench(bootstrap=[PEER])
    bench.advance(5.9)
    assert not bench.node.bootstrapped
    bench.advance(0.2)
    assert bench.node.bootstrapped
    assert Ready() in events(bench)


def test_a_gap_between_ticks_is_a_sleep() -> None:
    bench = Bench()
    bench.meet(*peers(10))
    bench.advance(10.0)
    bench.sent()
    events(bench)
    tick = bench.node.neighbours.tick
    bench.node.handle_timer(bench.now + 3600.0)
    assert WokeUp() in events(bench)
    assert bench.node.neighbours.tick - tick > 700
    assert bench.node.neighbours.tick % 8 == 6
    assert any(s.request.command == FIND_NODE for s in bench.sent())
    for _ in range(2):
        bench.advance(5.0)
    assert {s.to for s in bench.sent() if s.request.command == 0}


def test_a_sleep_that_the_clock_missed_can_be_told() -> None:
    bench = Bench()
    bench.meet(*peers(10))
    bench.advance(10.0)
    bench.sent()
    events(bench)
    tick = bench.node.neighbours.tick
    bench.node.woke_up()
    assert events(bench) == [WokeUp()]
    assert bench.node.neighbours.tick - tick > 700
    bench.node.suspend()
    events(bench)
    bench.node.woke_up()
    assert not events(bench)


def test_a_late_tick_is_no_sleep() -> None:
    bench = Bench()
    bench.advance(10.0)
    events(bench)
    bench.node.handle_timer(bench.now + 14.0)
    assert WokeUp() not in events(bench)


def test_suspended_nodes_are_silent_and_resumed_ones_go_on() -> None:
    bench = Bench(bootstrap=[PEER])
    bench.advance(10.0)
    bench.sent()
    events(bench)
    bench.node.suspend()
    bench.node.suspend()
    assert bench.node.suspended
    assert events(bench) == [Suspended()]
    bench.advance(600.0)
    assert not bench.sent()
    bench.node.resume(server_port=OWN[1], client_port=52000)
    bench.node.resume(server_port=1, client_port=1)
    assert (bench.node.server_port, bench.node.client_port) == (OWN[1], 52000)
    assert events(bench) == [WokeUp(), Resumed()]
    assert [s.request.command for s in bench.sent()] == [FIND_NODE]


def test_suspending_during_the_start_does_not_lose_the_node() -> None:
    bench = Bench(bootstrap=[PEER])
    request = bench.node.ping(PEER)
    bench.node.suspend()
    assert isinstance(request.error, SuspendedError)
    bench.node.resume(server_port=OWN[1], client_port=OWN_CLIENT[1])
    bench.answer(bench.sent()[-1])
    assert bench.node.bootstrapped
    assert bench.node.known_addresses() == [PEER]


def test_a_destroyed_node_is_silent_for_good() -> None:
    bench = Bench(bootstrap=[PEER])
    request = bench.node.ping(PEER)
    bench.sent()
    bench.node.destroy()
    bench.node.destroy()
    assert isinstance(request.error, RequestCancelledError)
    assert isinstance(bench.node.ready.error, RequestCancelledError)
    assert events(bench)[-1] == Destroyed()
    bench.node.resume(server_port=1, client_port=2)
    assert isinstance(bench.node.ping(PEER).error, RequestCancelledError)
    bench.ask(0, internal=True)
    bench.advance(600.0)
    assert not bench.sent()
    assert bench.node.get_timer() is None


def test_other_bootstrap_nodes_are_asked_from_the_next_lookup_on() -> None:
    bench = Bench()
    bench.node.set_bootstrap([PEER])
    bench.node.refresh()
    assert [sent.to for sent in bench.sent()] == [PEER]


def test_silence_and_time_outs_are_told() -> None:
    bench = Bench()
    nodes = peers(200)
    for index in range(10):
        for node in nodes[index * 10 : index * 10 + 10]:
            bench.node.request(9, node, retries=0)
        answering = index < 4
        for sent in bench.sent():
            if answering:
                bench.answer(sent, persistent=False)
        bench.advance(5.0)
        if answering:
            assert bench.node.online
    assert not bench.node.online
    assert NetworkUpdated(online=False, degraded=False) in events(bench)


def test_a_change_of_interfaces_is_passed_on() -> None:
    bench = Bench()
    events(bench)
    bench.node.network_changed()
    assert events(bench) == [
        NetworkChanged(),
        NetworkUpdated(online=True, degraded=False),
    ]


def test_events_nobody_fetches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "MAX_EVENTS", 4)
    bench = Bench()
    for _ in range(5):
        bench.node.network_changed()
    assert len(events(bench)) == 4
    assert bench.node.stats.lost_events == 7


def test_an_owner_that_listens_gets_events_at_once() -> None:
    heard: list[RpcEvent] = []
    bench = Bench(on_event=heard.append)
    assert heard == [Ready()]
    assert bench.node.next_event() is None


@pytest.mark.parametrize(
    ("data", "source", "reason"),
    [
        (b"", PEER, DropReason.TOO_SHORT),
        (b"\0", PEER, DropReason.TOO_SHORT),
        (b"\x03\0", PEER, DropReason.MALFORMED),
        (b"\x13\0", PEER, DropReason.MALFORMED),
        (b"\x02\0", PEER, DropReason.UNKNOWN_TYPE),
        (b"\x03\0", (PEER[0], 0), DropReason.BAD_SOURCE),
        (b"\x03\0", ("::1", 5), DropReason.BAD_SOURCE),
        (b"\x13" + bytes(9), PEER, DropReason.UNMATCHED_RESPONSE),
    ],
)
def test_datagrams_in_vain_are_counted_by_reason(
    data: bytes, source: tuple[str, int], reason: DropReason
) -> None:
    bench = Bench()
    bench.hear(data, source=source)
    assert bench.node.stats.dropped == {reason: 1}
    assert not bench.sent()


def test_datagrams_nobody_takes_away_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange_module, "MAX_OUTGOING", 10)
    bench = Bench()
    for _ in range(15):
        bench.node.send_datagram(b"\0", PEER, socket=SERVER, ttl=5)
    sent = bench.node.datagrams_to_send()
    assert len(sent) == 10
    assert sent[0] == (SERVER, b"\0", PEER, 5)
    assert bench.node.stats.refused_sends == 5
    assert bench.node.datagrams_to_send() == []


def test_datagrams_may_come_in_other_buffers() -> None:
    bench = Bench()
    ping = bytes.fromhex("030434120a00000249c200")
    bench.node.receive_datagram(
        memoryview(ping),  # type: ignore[arg-type]
        PEER,
        0.0,
        socket=SERVER,
    )
    assert len(bench.sent()) == 1
