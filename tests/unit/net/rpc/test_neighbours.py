"""Who enters the table, who is asked whether it lives, and who leaves."""

from __future__ import annotations

from net.rpc import Address, node_id, pack_address
from net.rpc.messages import DOWN_HINT, FIND_NODE, PING, ResponseMessage
from net.rpc.neighbours import MAX_CHECKS, MAX_SWAPS
from net.rpc.table import K
from tests.unit.net.rpc.bench import PEER, Bench, Sent, peers

TICK_S = 5.0


def pings(bench: Bench) -> list[Sent]:
    requests = [s for s in bench.sent() if not isinstance(s.message, ResponseMessage)]
    return [sent for sent in requests if sent.request.command == PING]


def far_peers(bench: Bench, count: int) -> list[Address]:
    """Nodes that all belong into the same bucket of the table."""
    first = bench.node.table.id[0] >> 7
    return [p for p in peers(1000) if node_id(p)[0] >> 7 != first][:count]


def at_tick(bench: Bench, remainder: int) -> None:
    """Go to just behind a tick whose number has this remainder by eight."""
    while True:
        bench.advance(TICK_S)
        if bench.node.neighbours.tick % 8 == remainder:
            return


def hint(bench: Bench, about: Address) -> list[Sent]:
    answers = bench.ask(DOWN_HINT, internal=True, value=pack_address(about))
    replies = [s for s in answers if isinstance(s.message, ResponseMessage)]
    assert [(s.to, s.response.error) for s in replies] == [(PEER, 0)]
    return [s for s in answers if s not in replies]


def test_nodes_enter_with_their_true_id_only() -> None:
    bench = Bench()
    bench.ask(PING, internal=True, source=("10.2.0.1", 1))
    assert bench.node.known_addresses() == []
    bench.ask(PING, internal=True, source=("10.2.0.2", 2), persistent=True)
    bench.ask(99, source=("10.2.0.3", 3), persistent=True)
    assert bench.node.known_addresses() == [("10.2.0.3", 3), ("10.2.0.2", 2)]
    assert bench.node.known_addresses(1) == [("10.2.0.3", 3)]


def test_we_never_enter_our_own_table() -> None:
    bench = Bench.persistent()
    own = bench.node.remote_address()
    assert own is not None
    bench.ask(PING, internal=True, source=own, persistent=True)
    bench.node.add_node(own)
    assert bench.node.known_addresses() == []


def test_the_owner_may_refuse_nodes() -> None:
    bench = Bench(accept_node=lambda address: address != PEER)
    bench.meet(PEER, ("10.2.0.1", 1))
    assert bench.node.known_addresses() == [("10.2.0.1", 1)]


def test_remembered_nodes_are_there_from_the_beginning_best_first() -> None:
    remembered = peers(5)
    bench = Bench(nodes=remembered)
    assert bench.node.known_addresses() == remembered


def test_every_eighth_tick_the_oldest_are_pinged() -> None:
    for age_in_ticks, expected in ((0, 2), (16, 5)):
        bench = Bench()
        nodes = peers(12)
        at_tick(bench, 7)
        bench.meet(*nodes)
        bench.sent()
        bench.node.neighbours.tick += age_in_ticks
        at_tick(bench, 0)
        assert [sent.to for sent in pings(bench)] == nodes[:expected]


def test_a_busy_node_pings_fewer() -> None:
    bench = Bench()
    nodes = peers(12)
    at_tick(bench, 7)
    bench.meet(*nodes)
    bench.node.neighbours.tick += 16
    for _ in range(3):
        bench.node.request(9, PEER, retries=30)
    bench.sent()
    at_tick(bench, 0)
    assert [sent.to for sent in pings(bench)] == nodes[:3]


def test_a_node_that_does_not_answer_a_ping_leaves() -> None:
    bench = Bench()
    bench.meet(PEER)
    at_tick(bench, 0)
    (ping,) = pings(bench)
    assert ping.to == PEER
    bench.advance(3.9)
    assert bench.node.known_addresses() == [PEER]
    bench.advance(0.2)
    assert bench.node.known_addresses() == []


def test_a_node_that_answers_without_its_id_leaves() -> None:
    bench = Bench()
    bench.meet(PEER)
    at_tick(bench, 0)
    (ping,) = pings(bench)
    bench.answer(ping, persistent=False)
    assert bench.node.known_addresses() == []


def test_a_node_that_answers_stays_even_within_the_same_tick() -> None:
    bench = Bench()
    bench.meet(PEER)
    (ping,) = hint(bench, PEER)
    bench.answer(ping)
    assert bench.node.known_addresses() == [PEER]


def test_an_empty_table_is_refreshed_instead() -> None:
    bench = Bench(bootstrap=[PEER])
    bench.sent()
    bench.advance(30.0)
    bench.sent()
    at_tick(bench, 7)
    bench.sent()
    at_tick(bench, 0)
    assert {s.request.command for s in bench.sent() if s.to == PEER} == {FIND_NODE}


def test_after_five_minutes_without_lookup_there_is_a_refresh() -> None:
    bench = Bench()
    bench.meet(*peers(30))
    bench.node.find_node(bytes(32)).cancel()
    bench.sent()
    for _ in range(59):
        bench.advance(TICK_S)
        lookups = []
        for sent in bench.sent():
            if sent.request.command == FIND_NODE:
                lookups.append(sent)
            else:
                bench.answer(sent)
        assert not lookups
    bench.advance(TICK_S)
    assert any(s.request.command == FIND_NODE for s in bench.sent())


def test_a_hint_about_a_known_node_is_followed_once_per_tick() -> None:
    bench = Bench()
    other = ("10.2.0.1", 1)
    bench.meet(other)
    assert [sent.to for sent in hint(bench, other)] == [other]
    assert hint(bench, other) == []
    assert hint(bench, ("10.2.0.2", 2)) == []
    bench.advance(TICK_S)
    bench.sent()
    assert bench.node.known_addresses() == []


def test_only_so_many_hints_are_followed_at_a_time() -> None:
    bench = Bench()
    nodes = peers(MAX_CHECKS + 8)
    bench.meet(*nodes)
    followed = [sent for node in nodes for sent in hint(bench, node)]
    assert len(followed) == MAX_CHECKS


def full_bucket() -> tuple[Bench, list[Address]]:
    bench = Bench()
    nodes = far_peers(bench, K + 10)
    bench.meet(*nodes[:K])
    bench.advance(TICK_S)
    bench.sent()
    return bench, nodes


def test_a_dead_node_of_a_full_bucket_makes_room() -> None:
    bench, nodes = full_bucket()
    bench.ask(PING, internal=True, source=nodes[K], persistent=True)
    bench.sent()
    assert bench.node.table.size == K
    bench.advance(4.1)
    assert bench.node.table.size == K
    assert nodes[K] in bench.node.known_addresses()


def test_a_living_node_of_a_full_bucket_stays() -> None:
    bench, nodes = full_bucket()
    sent = bench.ask(PING, internal=True, source=nodes[K], persistent=True)
    (ping,) = (s for s in sent if s.to != nodes[K])
    bench.answer(ping)
    bench.advance(10.0)
    assert set(bench.node.known_addresses()) == set(nodes[:K])


def test_only_so_many_nodes_are_asked_to_make_room() -> None:
    bench, nodes = full_bucket()
    asked = []
    for node in nodes[K:]:
        sent = bench.ask(PING, internal=True, source=node, persistent=True)
        asked += [s for s in sent if s.to != node]
    assert len(asked) == MAX_SWAPS
    assert len({s.to for s in asked}) == MAX_SWAPS


def test_suspending_does_not_cost_the_nodes_that_were_being_asked() -> None:
    bench = Bench()
    bench.meet(PEER)
    hint(bench, PEER)
    bench.node.suspend()
    assert bench.node.known_addresses() == [PEER]


def test_nodes_heard_from_in_this_tick_are_not_asked_to_make_room() -> None:
    bench = Bench()
    nodes = far_peers(bench, K + 1)
    bench.meet(*nodes)
    assert bench.node.requests_in_flight == 0
    assert set(bench.node.known_addresses()) == set(nodes[:K])


def test_an_old_friend_heard_from_lately_does_not_make_room() -> None:
    bench, nodes = full_bucket()
    bench.node.neighbours.tick += 400
    bench.meet(*nodes[:K])
    bench.node.neighbours.tick += 1
    bench.sent()
    bench.meet(nodes[K])
    assert bench.node.requests_in_flight == 0
    assert nodes[K] not in bench.node.known_addresses()
