"""Among liars: honest lookups succeed, and nothing a liar sends grows without bound.

Liars have true ids and so enter tables. They then name nodes that do not exist and are
closer than any honest one, claim false ids, answer with huge values, send answers that
nobody asked for, call living nodes dead, or flood.
"""

from __future__ import annotations

import random

import pytest

from net.rpc import SERVER, Address, Outgoing, node_id, pack_address
from net.rpc.addresses import packed_node_id
from net.rpc.messages import (
    DELAYED_PING,
    DOWN_HINT,
    PING,
    REQUEST,
    RequestMessage,
    ResponseMessage,
    decode_request,
    encode_request,
    encode_response,
)
from net.rpc.query import MAX_SEEN_NODES, MAX_VISITS
from net.rpc.requests import MAX_REQUESTS_IN_FLIGHT
from net.rpc.responder import MAX_DELAYED_PINGS
from net.rpc.table import MAX_TABLE_NODES
from tests.helpers.rpc_network import PORT, Member, Network
from tests.helpers.world import Link, Observer, World

HONEST = 80
ROUGH = Link(loss=0.05, delay_min_s=0.02, delay_max_s=0.2)
HUGE = bytes(60_000)
INTRODUCTIONS_S = 5.0
INVENTED_NET = 30
"""First byte of the addresses of nodes that do not exist."""
FLOOD_S = 0.2
KINDS = ["closer", "id", "huge", "unasked", "hints", "flood", "error"]


class Liar:
    """A machine with a true id that lies in one way."""

    def __init__(self, kind: str, address: Address, honest: list[Address]) -> None:
        self.kind = kind
        self.address = address
        self.honest = honest
        self.random = random.Random(f"{kind}/{address}")
        self.queue: list[Outgoing] = []
        self.due: float | None = 0.0
        self.introduced_at = float("-inf")

    def receive_datagram(
        self, data: bytes, address: Address, now: float, *, socket: int
    ) -> None:
        del now, socket
        if data[0] == REQUEST:
            self._answer(decode_request(data), address)

    def datagrams_to_send(self) -> list[Outgoing]:
        queue, self.queue = self.queue, []
        return queue

    def get_timer(self) -> float | None:
        return self.due

    def handle_timer(self, now: float) -> None:
        if self.due is None or self.due > now:
            return
        self.due = now + FLOOD_S
        if now - self.introduced_at >= INTRODUCTIONS_S:
            self.introduced_at = now
            for to in self.honest:
                self._request(to, PING)
        to = self.random.choice(self.honest)
        if self.kind == "hints":
            dead = pack_address(self.random.choice(self.honest))
            self._request(to, DOWN_HINT, value=dead)
        elif self.kind == "flood":
            for _ in range(5):
                self._request(to, DELAYED_PING, value=b"\x10\x27\0\0")
                self._request(to, 8, value=HUGE, target=self.random.randbytes(32))
        elif self.kind == "unasked":
            for _ in range(5):
                self._respond(to, self.random.randrange(0x10000), bytes(32))

    def _request(
        self,
        to: Address,
        command: int,
        *,
        value: bytes | None = None,
        target: bytes | None = None,
    ) -> None:
        id_ = self.random.randbytes(32) if self.kind == "id" else node_id(self.address)
        tid = self.random.randrange(0x10000)
        message = RequestMessage(
            tid, pack_address(to), id_, None, command != 8, command, target, value
        )
        self._send(to, encode_request(message))

    def _answer(self, message: RequestMessage, to: Address) -> None:
        if message.target is None:
            self._respond(to, message.tid, None)
        else:
            self._respond(to, message.tid, message.target)

    def _respond(self, to: Address, tid: int, target: bytes | None) -> None:
        id_ = self.random.randbytes(32) if self.kind == "id" else node_id(self.address)
        closer = b""
        if target is not None and self.kind == "closer":
            closer = self._invented(target)
        elif self.kind == "unasked":
            closer = self.random.randbytes(6 * 40)
        value = HUGE if self.kind == "huge" else b"a lie"
        error = 200 if self.kind == "error" else 0
        lie = self.random.randbytes(6)
        message = ResponseMessage(
            tid, lie, id_, bytes(32), closer, error, value if target else None
        )
        self._send(to, encode_response(message))

    def _invented(self, target: bytes) -> bytes:
        number = int.from_bytes(target, "big")
        net = bytes((INVENTED_NET,))
        found = [net + self.random.randbytes(5) for _ in range(200)]
        found.sort(key=lambda p: int.from_bytes(packed_node_id(p), "big") ^ number)
        return b"".join(found[:40])

    def _send(self, to: Address, data: bytes) -> None:
        self.queue.append(Outgoing(SERVER, data, to, None))


class Bounds(Observer):
    """Nothing of an honest node grows beyond its limit, ever."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.steps = 0

    def on_step(self, world: World) -> None:
        self.steps += 1
        if self.steps % 500:
            return
        assert self.network.world is world
        for member in self.network.members:
            node = member.node
            assert node.requests_in_flight <= MAX_REQUESTS_IN_FLIGHT // 16
            assert node.table.size <= MAX_TABLE_NODES
            assert len(node.responder._delayed) <= MAX_DELAYED_PINGS
            assert len(node.scheduler._timers) < 2000


def build(world: World, kinds: list[str], each: int) -> Network:
    network = Network(world)
    network.join(HONEST - 1, each_s=0.1)
    honest = [member.address for member in network.members]
    for kind in kinds:
        for number in range(each):
            ip = f"66.{KINDS.index(kind)}.0.{number + 1}"
            host = world.add_host(ip)
            host.run(Liar(kind, (ip, PORT), honest), sockets={SERVER: PORT})
    world.observers.append(Bounds(network))
    world.run_for(20.0)
    return network


def store_and_fetch(network: Network, count: int) -> list[bool]:
    """Let some store a value each and others fetch it; which were found."""
    world = network.world
    keys = [world.random.randbytes(32) for _ in range(count)]
    stores = [_pick(network).store(key, b"true " + key) for key in keys]
    world.run_until(lambda: all(s.finished.settled for s in stores), limit_s=300)
    fetches = [_pick(network).fetch(key) for key in keys]
    world.run_until(lambda: all(q.finished.settled for q, _ in fetches), limit_s=300)
    return [
        b"true " + key in values for key, (_, values) in zip(keys, fetches, strict=True)
    ]


def _pick(network: Network) -> Member:
    return network.world.random.choice(network.members)


@pytest.mark.parametrize("kind", KINDS)
def test_lookups_succeed_among_liars_of_one_kind(kind: str, seed: int) -> None:
    with World(seed, link=ROUGH) as world:
        network = build(world, [kind], each=12)
        found = store_and_fetch(network, 8)
        print(f"{kind}: {sum(found)} of {len(found)}, {dict(world.counts)}")
        assert all(found)


def test_lookups_succeed_among_liars_of_all_kinds(seed: int) -> None:
    with World(seed, link=ROUGH) as world:
        network = build(world, KINDS, each=4)
        found = store_and_fetch(network, 8)
        assert all(found)
        dropped = sum(
            (member.node.stats.dropped for member in network.members),
            start=type(network.first.node.stats.dropped)(),
        )
        print({reason.value: count for reason, count in dropped.items()})
        assert dropped


def test_ids_that_are_not_of_their_address_never_enter_a_table(seed: int) -> None:
    with World(seed) as world:
        network = build(world, ["id"], each=12)
        liars = {address for host in world.hosts if (address := host.ip)[:3] == "66."}
        assert liars
        for member in network.members:
            known = {host for host, _ in member.node.known_addresses()}
            assert not known & liars


def test_false_hints_cost_no_living_node_its_place(seed: int) -> None:
    with World(seed) as world:
        network = build(world, ["hints"], each=6)
        before = [member.node.table.size for member in network.members]
        world.run_for(60.0)
        after = [member.node.table.size for member in network.members]
        assert all(now >= then for then, now in zip(before, after, strict=True))


def test_invented_nodes_do_not_keep_a_lookup_going_for_ever(seed: int) -> None:
    with World(seed, link=ROUGH) as world:
        network = build(world, ["closer"], each=30)
        query, _ = network.members[3].fetch(world.random.randbytes(32))
        world.run_until(lambda: query.finished.settled, limit_s=120)
        assert query.successes + query.errors <= MAX_VISITS
        assert len(query._seen) <= MAX_SEEN_NODES
        assert not any(
            host.startswith(f"{INVENTED_NET}.") for host, _ in query.closest_nodes
        )
