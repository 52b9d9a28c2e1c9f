"""Requests: sent again, timed out, queued, matched by tid, cancelled."""

from __future__ import annotations

import pytest

from net.errors import LocalProtocolError
from net.rpc import (
    RequestCancelledError,
    RequestLimitError,
    RequestTimeoutError,
    SuspendedError,
)
from net.rpc import requests as requests_module
from net.rpc.congestion import SLOT_S
from net.rpc.messages import PING
from net.rpc.stats import DropReason
from tests.unit.net.rpc.bench import CLIENT, OWN, PEER, SERVER, Bench

COMMAND = 5


def test_a_request_is_sent_four_times_a_second_apart_and_then_fails() -> None:
    bench = Bench()
    request = bench.node.request(COMMAND, PEER, value=b"x")
    payloads = []
    for _ in range(4):
        (sent,) = bench.sent()
        payloads.append(sent)
        assert not request.settled
        bench.advance(1.0)
    assert not bench.sent()
    assert payloads == [payloads[0]] * 4
    assert isinstance(request.error, RequestTimeoutError)
    stats = bench.node.stats.requests
    assert (stats.active, stats.timeouts, stats.retries, stats.total) == (0, 1, 3, 1)


def test_no_retries_and_another_wait_are_respected() -> None:
    bench = Bench()
    request = bench.node.request(COMMAND, PEER, retries=0, timeout_s=0.3, ttl=4)
    assert [sent.ttl for sent in bench.sent()] == [4]
    bench.advance(0.29)
    assert not request.settled
    bench.advance(0.02)
    assert isinstance(request.error, RequestTimeoutError)


def test_a_reply_says_all_the_response_said() -> None:
    bench = Bench()
    request = bench.node.request(COMMAND, PEER, target=bytes(32))
    (sent,) = bench.sent()
    bench.advance(1.5)
    closer = [("10.3.0.1", 1), ("10.3.0.2", 2)]
    bench.answer(sent, token=b"t" * 32, closer=closer, error=3, value=b"v", to=OWN)
    reply = request.result()
    assert reply.rtt_s == 1.5
    assert (reply.source, reply.to, reply.socket) == (PEER, OWN, CLIENT)
    assert reply.source_id is not None
    assert (reply.token, reply.error, reply.value) == (b"t" * 32, 3, b"v")
    assert reply.closer_nodes == closer
    assert bench.node.stats.requests.responses == 1


def test_an_answer_from_elsewhere_counts_but_an_answer_twice_does_not() -> None:
    bench = Bench()
    request = bench.node.request(COMMAND, PEER)
    (sent,) = bench.sent()
    bench.answer(sent, source=("10.4.4.4", 4))
    assert request.result().source == ("10.4.4.4", 4)
    bench.answer(sent)
    assert bench.node.stats.dropped == {DropReason.UNMATCHED_RESPONSE: 1}


def test_a_false_id_is_as_good_as_none() -> None:
    bench = Bench()
    request = bench.node.request(COMMAND, PEER)
    (sent,) = bench.sent()
    message = sent.request
    answer = bytes((0x13, 1)) + message.tid.to_bytes(2, "little") + bytes(6) + bytes(32)
    bench.hear(answer, source=PEER, socket=CLIENT)
    assert request.result().source_id is None
    assert bench.node.table.size == 0


def test_requests_leave_from_the_client_socket_until_we_are_open() -> None:
    bench = Bench()
    bench.node.ping(PEER)
    bench.node.ping(PEER, socket=7)
    assert [sent.socket for sent in bench.sent()] == [CLIENT, 7]
    bench = Bench.persistent()
    bench.node.ping(PEER)
    bench.node.ping(PEER, socket=CLIENT)
    one, two = bench.sent()
    assert (one.socket, one.request.id) == (SERVER, bench.node.id)
    assert (two.socket, two.request.id) == (CLIENT, None)


def test_numbers_in_flight_are_not_given_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    drawn = [7, 7, 7, 8, 8, 7, 9]
    monkeypatch.setattr(bench.node.exchange.requests, "_draw_tid", lambda: drawn.pop(0))
    tids = [bench.node.request(COMMAND, PEER).tid for _ in range(3)]
    assert tids == [7, 8, 9]
    assert bench.node.requests_in_flight == 3


def test_who_was_asked_cannot_answer_for_those_asked_next() -> None:
    bench = Bench()
    requests = [bench.node.request(COMMAND, (f"10.5.0.{n}", 1)) for n in range(1, 40)]
    asked, *others = bench.sent()
    for ahead in range(1, 200):
        tid = (asked.request.tid + ahead) % 0x10000
        forged = bytes((0x13, 0)) + tid.to_bytes(2, "little") + bytes(6)
        bench.hear(forged, source=requests[0].to, socket=CLIENT)
    assert not any(request.settled for request in requests)
    assert len({sent.request.tid for sent in others}) == len(others)


def test_a_full_window_queues_in_order_and_drains_with_the_slots() -> None:
    bench = Bench(max_window=3)
    requests = [bench.node.request(COMMAND, PEER, value=bytes([i])) for i in range(8)]
    first = bench.sent()
    assert [sent.request.value for sent in first] == [b"\0", b"\1", b"\2"]
    requests[4].cancel()
    bench.advance(SLOT_S)
    second = bench.sent()
    assert [sent.request.value for sent in second] == [b"\3", b"\5", b"\6"]
    bench.node.query(bytes(32), COMMAND, nodes=[("10.5.0.1", 1)], force=True)
    assert len(bench.sent()) == 1


def test_answers_make_room_for_more() -> None:
    bench = Bench(max_window=3)
    for _ in range(3):
        bench.node.request(COMMAND, PEER)
    for sent in bench.sent():
        bench.answer(sent)
    bench.node.request(COMMAND, PEER)
    assert len(bench.sent()) == 1


def test_cancelling_forgets_and_fails() -> None:
    bench = Bench()
    request = bench.node.request(COMMAND, PEER)
    request.cancel()
    request.cancel()
    assert isinstance(request.error, RequestCancelledError)
    bench.sent()
    bench.advance(10.0)
    assert not bench.sent()
    assert bench.node.stats.requests.active == 0


def test_before_the_start_requests_wait_for_the_sockets() -> None:
    bench = Bench(start=False)
    request = bench.node.request(COMMAND, PEER)
    bench.advance(30.0)
    assert not bench.sent()
    assert not request.settled
    bench.start()
    assert [sent.to for sent in bench.sent()] == [PEER]


def test_while_suspended_requests_fail_at_once() -> None:
    bench = Bench()
    before = bench.node.request(COMMAND, PEER)
    bench.node.suspend()
    after = bench.node.request(COMMAND, PEER)
    assert isinstance(before.error, SuspendedError)
    assert isinstance(after.error, SuspendedError)
    assert bench.node.requests_in_flight == 0


def test_no_more_than_so_many_are_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_module, "MAX_REQUESTS_IN_FLIGHT", 20)
    bench = Bench(max_window=3)
    requests = [bench.node.request(COMMAND, PEER) for _ in range(25)]
    refused = [isinstance(r.error, RequestLimitError) for r in requests]
    assert refused == [False] * 20 + [True] * 5
    requester = bench.node.exchange.requests
    for request in requests:
        request.cancel()
    for _ in range(100):
        bench.node.request(COMMAND, PEER).cancel()
    assert len(requester._waiting) <= 20


def test_a_node_known_by_id_leaves_the_table_when_it_does_not_answer() -> None:
    bench = Bench()
    bench.meet(PEER)
    assert bench.node.known_addresses() == [PEER]
    bench.node.find_node(bytes(32))
    bench.advance(10.0)
    assert bench.node.known_addresses() == []


def test_internal_commands_are_counted() -> None:
    bench = Bench()
    bench.node.ping(PEER)
    (sent,) = bench.sent()
    bench.answer(sent)
    bench.node.ping(PEER)
    assert bench.node.stats.commands_sent == {PING: 2}
    assert bench.node.stats.commands_answered == {PING: 1}


def test_delays_longer_than_nodes_accept_are_refused() -> None:
    bench = Bench()
    with pytest.raises(LocalProtocolError):
        bench.node.delayed_ping(PEER, 10.5)
    bench.node.delayed_ping(PEER, 1.5, retries=0)
    (sent,) = bench.sent()
    assert sent.request.value == (1500).to_bytes(4, "little")
    bench.advance(2.4)
    assert bench.node.requests_in_flight == 1
    bench.advance(0.2)
    assert bench.node.requests_in_flight == 0


def test_suspending_forgets_what_waited_for_the_window() -> None:
    bench = Bench(max_window=2)
    requests = [bench.node.request(COMMAND, PEER) for _ in range(6)]
    bench.sent()
    bench.node.suspend()
    assert all(isinstance(r.error, SuspendedError) for r in requests)
    bench.advance(10.0)
    assert not bench.sent()


def test_a_request_given_up_when_it_gets_slow_is_not_sent_again() -> None:
    bench = Bench()
    request = bench.node.request(COMMAND, PEER)
    request.on_slow = lambda slow: slow.cancel()
    assert len(bench.sent()) == 1
    bench.advance(10.0)
    assert not bench.sent()
    assert isinstance(request.error, RequestCancelledError)
    assert bench.node.stats.requests.timeouts == 0
