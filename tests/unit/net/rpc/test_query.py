"""The iterative lookup, its order, its limits and its end."""

from __future__ import annotations

import pytest

from net.errors import RemoteProtocolError
from net.rpc import (
    Address,
    PendingRequest,
    Query,
    Reply,
    RequestCancelledError,
    RequestTimeoutError,
    SuspendedError,
    TooFewNodesError,
    node_id,
    pack_address,
)
from net.rpc import query as query_module
from net.rpc.messages import DOWN_HINT, FIND_NODE
from net.rpc.table import K
from tests.unit.net.rpc.bench import Bench, Sent, peers

TARGET = bytes(range(32))
COMMAND = 6


def distance(address: Address) -> int:
    return int.from_bytes(node_id(address), "big") ^ int.from_bytes(TARGET, "big")


def by_distance(count: int) -> list[Address]:
    """Addresses, the closest to the target first."""
    return sorted(peers(count), key=distance)


def asked(bench: Bench) -> list[Sent]:
    return [sent for sent in bench.sent() if sent.request.command == COMMAND]


def answer_all(bench: Bench, closer: list[Address] | None = None) -> list[Address]:
    """Answer all that is asked until nothing more is, and give who was asked."""
    order = []
    while batch := asked(bench):
        for sent in batch:
            order.append(sent.to)
            bench.answer(sent, closer=closer, token=b"t" * 32)
    return order


def test_a_query_without_anybody_to_ask_ends_at_once() -> None:
    query = Bench().node.query(TARGET, COMMAND)
    query.finished.result()
    assert query.closest_replies == []


def test_the_closest_replies_are_sorted_and_no_more_than_k() -> None:
    bench = Bench()
    nodes = by_distance(60)
    query = bench.node.query(TARGET, COMMAND, nodes=nodes[40:60])
    answer_all(bench, closer=nodes[:20])
    query.finished.result()
    assert query.closest_nodes == nodes[:K]
    assert [reply.source for reply in query.closest_replies] == nodes[:K]
    assert bench.node.stats.queries.active == 0


def test_at_most_ten_are_asked_at_a_time_and_slowly_from_given_nodes() -> None:
    bench = Bench()
    nodes = by_distance(60)
    bench.node.query(TARGET, COMMAND, nodes=nodes[:K])
    first = asked(bench)
    assert [sent.to for sent in first] == nodes[:10]
    bench.answer(first[0])
    assert asked(bench) == []
    for sent in first[1:8]:
        bench.answer(sent)
    assert [sent.to for sent in asked(bench)] == nodes[10:11]


def test_bootstrap_nodes_fill_up_a_small_table() -> None:
    first = ("10.99.0.1", 49737)
    bench = Bench(bootstrap=[first], start=False)
    bench.start()
    assert [sent.to for sent in bench.sent()] == [first]


def test_nodes_that_are_not_closer_end_the_reading_of_a_reply() -> None:
    bench = Bench()
    nodes = by_distance(100)
    bench.node.query(TARGET, COMMAND, nodes=nodes[10:30])
    left: list[Sent] = []
    while batch := asked(bench):
        left += batch
        while len(left) > 1:
            bench.answer(left.pop())
    bench.answer(left[0], closer=[nodes[0], nodes[90], nodes[1]])
    assert [sent.to for sent in asked(bench)] == [nodes[0]]


def test_a_node_without_the_true_id_is_asked_but_not_kept() -> None:
    bench = Bench()
    nodes = by_distance(5)
    seen: list[Reply] = []
    query = bench.node.query(TARGET, COMMAND, nodes=nodes, on_reply=seen.append)
    for sent in asked(bench):
        bench.answer(sent, persistent=sent.to != nodes[2])
    query.finished.result()
    assert query.closest_nodes == [*nodes[:2], *nodes[3:]]
    assert len(seen) == query.successes == 5


def test_error_replies_count_but_their_closer_nodes_are_used() -> None:
    bench = Bench()
    nodes = by_distance(8)
    seen: list[Reply] = []
    query = bench.node.query(TARGET, COMMAND, nodes=nodes[4:5], on_reply=seen.append)
    (sent,) = asked(bench)
    bench.answer(sent, error=1, closer=[nodes[0]])
    (sent,) = asked(bench)
    bench.answer(sent)
    query.finished.result()
    assert (query.errors, query.successes) == (1, 1)
    assert [reply.source for reply in seen] == [nodes[0]]


def test_a_reply_its_reader_cannot_read_counts_as_an_error() -> None:
    def refuse(reply: Reply) -> None:
        raise RemoteProtocolError(f"not readable: {reply.value!r}")

    bench = Bench()
    nodes = by_distance(3)
    query = bench.node.query(TARGET, COMMAND, nodes=nodes, on_reply=refuse)
    answer_all(bench)
    query.finished.result()
    assert query.errors == 3


def test_our_own_address_and_refused_nodes_are_not_asked() -> None:
    nodes = by_distance(10)
    bench = Bench.persistent(accept_node=lambda address: address != nodes[1])
    own = bench.node.remote_address()
    assert own is not None
    bench.node.query(TARGET, COMMAND, nodes=nodes[5:6])
    (sent,) = asked(bench)
    bench.answer(sent, closer=[own, nodes[1], nodes[2]])
    assert [sent.to for sent in asked(bench)] == [nodes[2]]


def test_addresses_of_no_node_are_not_asked() -> None:
    bench = Bench()
    nowhere = [("10.0.0.3", 0), ("0.0.0.0", 3), ("255.255.255.255", 3)]
    bench.node.query(TARGET, COMMAND, nodes=by_distance(1))
    (sent,) = asked(bench)
    bench.answer(sent, closer=[*nowhere, ("10.0.0.3", 3)])
    assert [sent.to for sent in asked(bench)] == [("10.0.0.3", 3)]


def test_who_named_a_dead_node_is_told_at_once_or_later() -> None:
    bench = Bench()
    nodes = by_distance(10)
    dead = nodes[0]
    query = bench.node.query(TARGET, COMMAND, nodes=nodes[5:7], retries=0)
    one, two = asked(bench)
    bench.answer(one, closer=[dead])
    bench.advance(0.5)
    (lost,) = asked(bench)
    assert lost.to == dead
    bench.answer(two, closer=[nodes[3]])
    assert [sent.to for sent in asked(bench)] == [nodes[3]]
    bench.advance(0.95)
    hints = [s for s in bench.sent() if s.request.command == DOWN_HINT]
    assert [(s.to, s.request.value) for s in hints] == [(one.to, pack_address(dead))]
    query.cancel()


def test_who_names_a_node_known_to_be_dead_is_told() -> None:
    bench = Bench()
    nodes = by_distance(10)
    dead, first, second = nodes[0], nodes[5], nodes[3]
    bench.node.query(TARGET, COMMAND, nodes=[dead, first], retries=0)
    requests = {sent.to: sent for sent in asked(bench)}
    bench.advance(0.5)
    bench.answer(requests[first], closer=[second])
    (late,) = asked(bench)
    bench.advance(0.7)
    assert not bench.sent()
    bench.answer(late, closer=[dead])
    (hint,) = bench.sent()
    assert (hint.to, hint.request.command) == (second, DOWN_HINT)
    assert hint.request.value == pack_address(dead)


def test_down_hints_are_limited_and_can_be_off() -> None:
    for limit, expected in ((2, 2), (0, 0)):
        bench = Bench(down_hints_per_tick=limit)
        nodes = by_distance(20)
        bench.node.query(TARGET, COMMAND, nodes=nodes[10:15], retries=0)
        for sent in asked(bench):
            bench.answer(sent, closer=nodes[:10])
        bench.advance(1.0)
        hints = [s for s in bench.sent() if s.request.command == DOWN_HINT]
        assert len(hints) == expected


def test_slow_requests_make_room_for_others() -> None:
    bench = Bench()
    nodes = by_distance(60)
    bench.node.query(TARGET, COMMAND, nodes=nodes[:K])
    assert len(asked(bench)) == 10
    bench.advance(1.0)
    new = {sent.to for sent in asked(bench)} - set(nodes[:10])
    assert len(new) == 3 + 10 - 10


def test_with_k_replies_the_query_does_not_wait_for_slow_nodes() -> None:
    bench = Bench()
    nodes = by_distance(60)
    query = bench.node.query(TARGET, COMMAND, nodes=nodes[:K])
    silent = nodes[0]
    for _ in range(30):
        for sent in asked(bench):
            if sent.to != silent:
                bench.answer(sent, closer=[nodes[K]])
        if query.finished.settled:
            break
        bench.advance(0.5)
    query.finished.result()
    assert bench.now <= 1.5
    assert silent not in query.closest_nodes
    assert bench.node.requests_in_flight == 0


def test_given_nodes_that_fail_are_replaced_by_the_table() -> None:
    bench = Bench()
    nodes = by_distance(60)
    bench.meet(*nodes[:K])
    bench.sent()
    query = bench.node.query(TARGET, COMMAND, nodes=nodes[K : 2 * K], retries=0)
    asked_at_all = set()
    for _ in range(60):
        for sent in asked(bench):
            asked_at_all.add(sent.to)
            if sent.to in nodes[:K]:
                bench.answer(sent)
        bench.advance(0.5)
    query.finished.result()
    assert asked_at_all >= set(bench.node.known_addresses())
    assert set(query.closest_nodes) <= set(nodes[:K])
    assert query.closest_nodes


def test_only_the_closest_nodes_given_are_asked_if_wanted() -> None:
    bench = Bench(bootstrap=[])
    nodes = by_distance(40)
    bench.meet(*nodes[20:30])
    bench.sent()
    query = bench.node.query(TARGET, COMMAND, nodes=nodes[5:8], only_closest_nodes=True)
    assert set(answer_all(bench, closer=nodes[:5])) == set(nodes[5:8])
    query.finished.result()


def test_replies_of_an_earlier_query_seed_the_next() -> None:
    bench = Bench()
    nodes = by_distance(5)
    first = bench.node.query(TARGET, COMMAND, nodes=nodes)
    answer_all(bench)
    bench.sent()
    second = bench.node.query(
        TARGET, COMMAND, replies=first.closest_replies, only_closest_nodes=True
    )
    assert set(answer_all(bench)) == set(nodes)
    second.finished.result()


def test_a_standard_commit_repeats_the_request_with_each_token() -> None:
    bench = Bench()
    nodes = by_distance(3)
    query = bench.node.query(TARGET, COMMAND, b"value", nodes=nodes, commit=True)
    for index, sent in enumerate(asked(bench)):
        bench.answer(sent, token=bytes([index]) * 32)
    commits = asked(bench)
    assert not query.finished.settled
    tokens = {reply.source: reply.token for reply in query.closest_replies}
    assert {sent.to: sent.request.token for sent in commits} == tokens
    assert all(sent.request.value == b"value" for sent in commits)
    assert all(sent.request.target == TARGET for sent in commits)
    bench.answer(commits[0])
    bench.advance(10.0)
    query.finished.result()


def test_a_commit_nobody_takes_fails_with_the_last_error() -> None:
    bench = Bench()
    query = bench.node.query(TARGET, COMMAND, nodes=by_distance(3), commit=True)
    for sent in asked(bench):
        bench.answer(sent, token=bytes(32))
    bench.advance(10.0)
    assert isinstance(query.finished.error, RequestTimeoutError)


@pytest.mark.parametrize("answered", [True, False])
def test_a_commit_without_token_or_nodes_fails(answered: bool) -> None:
    bench = Bench()
    nodes = by_distance(3) if answered else []
    query = bench.node.query(TARGET, COMMAND, nodes=nodes, commit=True)
    for sent in asked(bench):
        bench.answer(sent)
    assert isinstance(query.finished.error, TooFewNodesError)


def test_an_own_commit_decides_itself() -> None:
    bench = Bench()
    nodes = by_distance(3)
    committed = []

    def commit(reply: Reply, query: Query) -> PendingRequest:
        committed.append(reply.source)
        return bench.node.request(9, reply.source, target=query.target)

    query = bench.node.query(TARGET, COMMAND, nodes=nodes, commit=commit)
    answer_all(bench)
    assert committed == nodes
    assert not query.finished.settled


def test_cancelling_ends_everything() -> None:
    bench = Bench()
    query = bench.node.query(TARGET, COMMAND, nodes=by_distance(3))
    bench.sent()
    query.cancel()
    assert isinstance(query.finished.error, RequestCancelledError)
    assert bench.node.requests_in_flight == 0
    assert bench.node.stats.queries.active == 0
    bench.advance(10.0)
    assert not asked(bench)


def test_suspending_ends_queries_with_many_pending_nodes() -> None:
    bench = Bench()
    nodes = by_distance(1500)
    query = bench.node.query(TARGET, COMMAND, nodes=nodes)
    bench.node.suspend()
    assert query.finished.settled
    later = bench.node.query(TARGET, COMMAND, nodes=nodes)
    assert later.finished.settled
    assert later.errors > 1000
    commit = bench.node.request(COMMAND, nodes[0])
    assert isinstance(commit.error, SuspendedError)


def test_visits_and_notes_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_module, "MAX_VISITS", 50)
    monkeypatch.setattr(query_module, "MAX_SEEN_NODES", 120)
    bench = Bench()
    nodes = by_distance(3000)
    nodes.reverse()
    query = bench.node.query(TARGET, COMMAND, nodes=nodes[:1])
    given = 1
    visited = 0
    while batch := asked(bench):
        for sent in batch:
            visited += 1
            bench.answer(sent, closer=nodes[given : given + 20])
            given += 20
        assert len(query._seen) <= 120
    assert visited <= 50
    query.finished.result()


def test_find_node_is_internal() -> None:
    bench = Bench()
    bench.node.find_node(TARGET, nodes=by_distance(1))
    (sent,) = bench.sent()
    assert (sent.request.command, sent.request.internal) == (FIND_NODE, True)
    assert sent.request.target == TARGET


def test_a_node_that_answers_for_another_is_kept_once() -> None:
    bench = Bench()
    nodes = by_distance(2)
    query = bench.node.query(TARGET, COMMAND, nodes=nodes)
    for sent in asked(bench):
        bench.answer(sent, source=nodes[0])
    query.finished.result()
    assert query.closest_nodes == [nodes[0]]
    assert query.successes == 2


def test_a_dead_address_is_not_taken_for_the_end_and_start_of_two_others() -> None:
    bench = Bench()
    dead = ("7.8.9.1", 0x0302)
    straddling = [("9.9.9.7", 0x0908), ("1.2.3.9", 9)]
    packed = b"".join(pack_address(address) for address in straddling)
    assert packed[3:9] == pack_address(dead)
    bench.node.query(TARGET, COMMAND, nodes=[dead, ("10.9.0.1", 1)], retries=0)
    requests = {sent.to: sent for sent in asked(bench)}
    bench.answer(requests[("10.9.0.1", 1)], closer=straddling)
    bench.advance(1.0)
    hints = [s for s in bench.sent() if s.request.command == DOWN_HINT]
    told = {sent.request.value for sent in hints}
    assert told == {pack_address(address) for address in straddling}


def test_a_query_cancelled_by_its_own_reader_asks_nobody_else() -> None:
    bench = Bench()
    nodes = by_distance(30)
    query = bench.node.query(
        TARGET, COMMAND, nodes=nodes, on_reply=lambda _: query.cancel()
    )
    first = asked(bench)
    bench.answer(first[0])
    assert isinstance(query.finished.error, RequestCancelledError)
    assert not asked(bench)
    for sent in first[1:]:
        bench.answer(sent)
    assert query.successes == 1
