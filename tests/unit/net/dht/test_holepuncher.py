"""The hole puncher's action, second by second, against npm's measured one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from net.dht.constants import (
    MAX_PUNCH_ADDRESSES,
    MAX_PUNCH_SOCKETS,
    MAX_REOPENS,
    OPEN_SESSION_TTL,
    PROBE,
    PROBE_TTL,
    Address,
    Firewall,
)
from net.dht.context import DhtContext
from net.dht.events import SocketReleased, SocketWanted
from net.dht.holepuncher import Holepuncher
from net.dht.messages import HolepunchPayload
from net.dht.router import Router
from net.dht.strategy import Strategy, choose_strategy, read_firewall
from net.errors import EnvironmentFault
from net.flow import Deferred, Scheduler
from net.rpc import Outgoing
from tests.helpers.vectors import load_vectors

SIMULATIONS = {
    case["desc"]: case
    for case in load_vectors("holepunch-strategies")["cases"]
    if case["kind"] == "punch-simulation"
}
VERIFIED: Address = ("5.5.5.5", 777)
UNVERIFIED: Address = ("6.6.6.6", 888)


class FakeTable:
    """A routing table without nodes."""

    size = 0

    def newest_first(self) -> Iterator[Any]:
        return iter(())


class FakeRpc:
    """The node below, as far as a puncher needs it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.firewalled = True
        self.table = FakeTable()
        self.sent: list[tuple[float, Outgoing]] = []

    def send_datagram(
        self, data: bytes, to: Address, *, socket: int, ttl: int | None = None
    ) -> None:
        sent = Outgoing(socket, data, to, ttl)
        self.sent.append((self.scheduler.now, sent))


class Bench:
    """A context with a recorder below and all callbacks in lists."""

    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.rpc = FakeRpc(self.scheduler)
        self.events: deque[Any] = deque()
        self.connected: list[tuple[int, Address]] = []
        self.aborted_at: list[float] = []
        self.context = DhtContext(
            scheduler=self.scheduler,
            entropy=bytes,
            rpc=self.rpc,  # type: ignore[arg-type]
            router=Router(),
            events=self.events,
            allocate_stream_id=lambda: 1,
            release_stream_id=lambda _: None,
        )

    def puncher(
        self, *, initiator: bool = True, own: Firewall = Firewall.CONSISTENT
    ) -> Holepuncher:
        puncher = Holepuncher(
            self.context,
            is_initiator=initiator,
            remote_firewall=Firewall.UNKNOWN,
            on_connect=lambda socket, address: self.connected.append((socket, address)),
            on_abort=lambda: self.aborted_at.append(self.scheduler.now),
        )
        puncher.nat.firewall = own
        return puncher

    def run_for(self, duration_s: float) -> None:
        end = self.scheduler.now + duration_s
        while (at := self.scheduler.get_timer()) is not None and at <= end:
            self.scheduler.handle_timer(at)
        self.scheduler.advance(end)

    def timeline(self) -> list[str]:
        return [
            f"{round(at)}s {sent.address[0]}:{sent.address[1]} ttl{sent.ttl}"
            for at, sent in self.rpc.sent
        ]


def told(firewall: Firewall, *addresses: Address) -> HolepunchPayload:
    return HolepunchPayload(firewall=firewall, punching=True, addresses=addresses)


@pytest.mark.parametrize(
    ("desc", "initiator", "own", "verified"),
    [
        (
            "consistent/consistent, initiator, one verified host",
            True,
            Firewall.CONSISTENT,
            "5.5.5.5",
        ),
        (
            "consistent/consistent, nothing verified",
            True,
            Firewall.CONSISTENT,
            None,
        ),
        ("open/consistent counts as consistent", True, Firewall.OPEN, "5.5.5.5"),
        (
            "consistent/consistent, responder, one verified host"
            " (first round delayed 1 s)",
            False,
            Firewall.CONSISTENT,
            "5.5.5.5",
        ),
    ],
)
def test_consistent_punches_follow_the_measured_timeline(
    desc: str, initiator: bool, own: Firewall, verified: str | None
) -> None:
    case, bench = SIMULATIONS[desc], Bench()
    puncher = bench.puncher(initiator=initiator, own=own)
    bench.context.pool.opened(puncher.socket, 9)
    puncher.update_remote(
        told(Firewall.CONSISTENT, VERIFIED, UNVERIFIED), verified_host=verified
    )
    assert puncher.punch() is case["punch_returned"]
    assert puncher.punch(), "asking again changes nothing"
    bench.run_for(60)
    assert bench.timeline() == case["timeline"]
    assert puncher.probe_count == case["probes"]
    assert [round(at) for at in bench.aborted_at] == [
        round(case["aborted_after_ms"] / 1000)
    ]
    assert isinstance(bench.events[-1], SocketReleased)


@pytest.mark.parametrize(
    ("own", "remote", "verified", "strategy"),
    [
        (Firewall.CONSISTENT, Firewall.RANDOM, None, Strategy.IMPOSSIBLE),
        (Firewall.RANDOM, Firewall.RANDOM, "5.5.5.5", Strategy.IMPOSSIBLE),
        (Firewall.CONSISTENT, Firewall.RANDOM, "5.5.5.5", Strategy.RANDOM_REMOTE),
        (Firewall.RANDOM, Firewall.CONSISTENT, "5.5.5.5", Strategy.RANDOM_LOCAL),
        (Firewall.OPEN, Firewall.RANDOM, "5.5.5.5", Strategy.RANDOM_REMOTE),
        (Firewall.UNKNOWN, Firewall.CONSISTENT, "5.5.5.5", Strategy.IMPOSSIBLE),
    ],
)
def test_punches_against_random_ports_are_refused(
    own: Firewall, remote: Firewall, verified: str | None, strategy: Strategy
) -> None:
    bench = Bench()
    puncher = bench.puncher(own=own)
    puncher.update_remote(told(remote, VERIFIED), verified_host=verified)
    assert puncher.strategy() is strategy
    assert not puncher.punch()
    assert bench.rpc.sent == []
    refused = strategy in (Strategy.RANDOM_REMOTE, Strategy.RANDOM_LOCAL)
    assert bench.context.counters["random-punch-refused"] == refused
    assert puncher.is_random is (Firewall.RANDOM in (own, remote))


def test_the_table_names_every_pair() -> None:
    for own in Firewall:
        for remote in Firewall:
            strategy = choose_strategy(own, remote, has_verified_address=True)
            known = Firewall.UNKNOWN not in (own, remote)
            both_random = own is remote is Firewall.RANDOM
            assert (strategy is not Strategy.IMPOSSIBLE) is (known and not both_random)
    assert read_firewall(2) is Firewall.CONSISTENT
    assert read_firewall(99) is Firewall.RANDOM


def test_the_initiator_decides_on_the_first_probe() -> None:
    bench = Bench()
    puncher = bench.puncher()
    assert bench.context.pool.probe(puncher.socket, VERIFIED)
    assert bench.context.pool.probe(puncher.socket, UNVERIFIED)
    assert bench.connected == [(puncher.socket, VERIFIED)]
    assert puncher.connected
    puncher.destroy()
    assert bench.aborted_at == []


def test_the_responder_answers_probes_and_never_decides() -> None:
    bench = Bench()
    puncher = bench.puncher(initiator=False)
    bench.context.pool.probe(puncher.socket, VERIFIED)
    assert bench.connected == []
    assert [sent for _, sent in bench.rpc.sent] == [
        Outgoing(puncher.socket, PROBE, VERIFIED, PROBE_TTL)
    ]


def test_sessions_open_with_few_hops_and_port_zero_is_never_sent_to() -> None:
    bench = Bench()
    puncher = bench.puncher()
    puncher.open_session(VERIFIED)
    puncher.open_session(("5.5.5.5", 0))
    assert [sent.ttl for _, sent in bench.rpc.sent] == [OPEN_SESSION_TTL]


def test_a_host_once_verified_stays_so() -> None:
    bench = Bench()
    puncher = bench.puncher()
    puncher.update_remote(told(Firewall.CONSISTENT, VERIFIED), verified_host="5.5.5.5")
    moved = ("5.5.5.5", 999)
    puncher.update_remote(
        told(Firewall.CONSISTENT, moved, UNVERIFIED), verified_host=None
    )
    assert [(r.address, r.verified) for r in puncher.remote_addresses] == [
        (moved, True),
        (UNVERIFIED, False),
    ]


def test_a_peer_cannot_make_us_probe_the_world() -> None:
    bench = Bench()
    puncher = bench.puncher()
    many = [(f"20.0.0.{number}", 9) for number in range(100)]
    nobody = [("255.255.255.255", 9), ("224.0.0.1", 9), ("0.0.0.0", 9)]
    puncher.update_remote(told(Firewall.CONSISTENT, *nobody, *many), verified_host=None)
    named = [remote.address for remote in puncher.remote_addresses]
    assert named == many[:MAX_PUNCH_ADDRESSES]


def test_an_unstable_verdict_takes_other_sockets_a_few_times() -> None:
    bench = Bench()
    puncher = bench.puncher(own=Firewall.UNKNOWN)
    outcome = bench.scheduler.spawn(puncher.analyze(allow_reopen=True))
    opened = 0
    while not outcome.settled:
        wanted = [e for e in bench.events if isinstance(e, SocketWanted)][-1]
        bench.context.pool.opened(wanted.socket, 50_000)
        opened += 1
        assert opened < 9
    assert outcome.result() is False
    assert bench.context.pool.added_count == 1 + MAX_REOPENS
    assert len(bench.context.pool) == 1


def test_a_socket_that_cannot_be_opened_ends_the_wait() -> None:
    bench = Bench()
    puncher = bench.puncher(own=Firewall.UNKNOWN)
    bench.context.pool.failed(puncher.socket)
    assert puncher.nat.analyzed.settled
    assert isinstance(puncher.opened.error, EnvironmentFault)
    assert len(bench.context.pool) == 0


def test_a_socket_is_closed_only_once_it_was_open() -> None:
    bench = Bench()
    early, failed = bench.context.pool.acquire(), bench.context.pool.acquire()
    bench.context.pool.release(early.number)
    bench.context.pool.release(failed.number)
    assert early.number not in bench.context.pool
    assert all(isinstance(event, SocketWanted) for event in bench.events)
    bench.context.pool.opened(early.number, 9)
    bench.context.pool.failed(failed.number)
    assert [e for e in bench.events if isinstance(e, SocketReleased)] == [
        SocketReleased(early.number)
    ]
    bench.context.pool.opened(early.number, 9)
    assert len(bench.events) == 3


def test_no_more_sockets_than_allowed() -> None:
    bench = Bench()
    for _ in range(MAX_PUNCH_SOCKETS):
        bench.context.pool.acquire()
    with pytest.raises(EnvironmentFault):
        bench.puncher()
    assert bench.context.pool.refused_count == 1
    bench.context.pool.close()
    assert len(bench.context.pool) == 0


def test_a_stream_keeps_its_socket_until_it_ends() -> None:
    bench = Bench()
    puncher = bench.puncher()
    number = puncher.socket
    bench.context.hold_for_stream(7, number)
    puncher.disarm()
    assert number in bench.context.pool
    assert bench.aborted_at == []
    bench.context.stream_closed(7)
    assert number not in bench.context.pool
    bench.context.stream_closed(7)
    assert not bench.context.pool.probe(number, VERIFIED)


def test_addresses_told_follow_the_interfaces() -> None:
    bench = Bench()
    assert bench.context.rpc is not None
    bench.rpc.server_port = 0  # type: ignore[attr-defined]
    assert bench.context.local_addresses() == ()
    bench.rpc.server_port = 9  # type: ignore[attr-defined]
    assert bench.context.local_addresses() == (("127.0.0.1", 9),)
    bench.context.local_hosts = ("127.0.0.1", "10.0.0.2")
    assert bench.context.local_addresses() == (("10.0.0.2", 9),)


def test_asking_for_the_own_address_survives_silence() -> None:
    bench = Bench()
    answers: list[Address | None] = []
    asked: Deferred[Any] = Deferred()
    bench.rpc.ping = lambda *_args, **_options: asked  # type: ignore[attr-defined]
    bench.context.ask_own_address(2, VERIFIED, answers.append)
    asked.fail(EnvironmentFault("nobody"))
    assert answers == [None]
