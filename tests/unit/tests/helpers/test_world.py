"""The simulated network does what it is asked to, and the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.helpers.nat_box import Address, NatKind
from tests.helpers.world import Host, Link, Observer, Passage, World


@dataclass(frozen=True, slots=True)
class Sent:
    socket: int
    data: bytes
    address: Address
    ttl: int | None = None
    segment_size: int | None = None


class Echo:
    """Answers every datagram but answers, and sends ticks to a peer if it has one."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Address, float, int]] = []
        self.queue: list[Sent] = []
        self.due: float | None = None
        self.peer: Address | None = None
        self.ticks = 0

    def receive_datagram(
        self, data: bytes, address: Address, now: float, *, socket: int
    ) -> None:
        self.received.append((data, address, now, socket))
        if not data.startswith(b"re:"):
            self.queue.append(Sent(socket, b"re:" + data, address))

    def datagrams_to_send(self) -> list[Sent]:
        queue, self.queue = self.queue, []
        return queue

    def get_timer(self) -> float | None:
        return self.due

    def handle_timer(self, now: float) -> None:
        if self.due is None or self.due > now:
            return
        self.due = now + 1.0
        self.ticks += 1
        if self.peer is not None:
            self.queue.append(Sent(0, b"tick %d" % self.ticks, self.peer))


def echo_at(world: World, ip: str, nat: object = None) -> tuple[Host, Echo]:
    host = world.add_host(ip, nat=nat)  # type: ignore[arg-type]
    machine = Echo()
    host.run(machine, sockets={0: 1000, 1: None})
    return host, machine


def send(host: Host, to: Address, data: bytes, **options: int) -> None:
    machine = host.machine
    assert isinstance(machine, Echo)
    host.call(lambda: machine.queue.append(Sent(0, data, to, **options)))


def test_a_datagram_goes_there_and_back_after_the_delay() -> None:
    world = World(1, link=Link(delay_min_s=0.1, delay_max_s=0.1))
    one, first = echo_at(world, "10.0.0.1")
    _, second = echo_at(world, "10.0.0.2")
    send(one, ("10.0.0.2", 1000), b"hello")
    world.run_for(1.0)
    assert second.received == [(b"hello", ("10.0.0.1", 1000), 0.1, 0)]
    assert first.received == [(b"re:hello", ("10.0.0.2", 1000), 0.2, 0)]
    assert world.now == 1.0


def test_equal_seeds_give_equal_runs_and_others_differ() -> None:
    def fingerprint(seed: int) -> tuple[int, dict[str, int]]:
        link = Link(
            loss=0.2, duplicate=0.1, reorder=0.3, delay_min_s=0.01, delay_max_s=0.5
        )
        world = World(seed, link=link)
        hosts = [echo_at(world, f"10.0.0.{i}") for i in range(1, 9)]
        for index, (_, machine) in enumerate(hosts):
            machine.due = 0.1 * index
            machine.peer = (f"10.0.0.{(index + 1) % 8 + 1}", 1000)
        world.run_for(50.0)
        return world.fingerprint, dict(world.counts)

    assert fingerprint(5) == fingerprint(5)
    assert fingerprint(5) != fingerprint(6)
    counts = fingerprint(5)[1]
    assert 0.1 < counts["loss"] / counts["sent"] < 0.3
    assert counts["delivered"] > counts["sent"] - counts["loss"]


def test_segments_of_one_buffer_arrive_as_datagrams() -> None:
    world = World(1)
    one, _ = echo_at(world, "10.0.0.1")
    _, second = echo_at(world, "10.0.0.2")
    send(one, ("10.0.0.2", 1000), b"aaabbbc", segment_size=3)
    world.run_for(1.0)
    assert [data for data, *_ in second.received] == [b"aaa", b"bbb", b"c"]


def test_a_partition_cuts_one_way_or_both_until_it_heals() -> None:
    world = World(1)
    one, first = echo_at(world, "10.0.0.1")
    _, second = echo_at(world, "10.0.0.2")
    heal = world.partition(["10.0.0.2"], ["10.0.0.1"], one_way=True)
    send(one, ("10.0.0.2", 1000), b"x")
    world.run_for(1.0)
    assert (len(second.received), len(first.received)) == (1, 0)
    heal()
    heal = world.partition(["10.0.0.2"], ["10.0.0.1"])
    send(one, ("10.0.0.2", 1000), b"y")
    world.run_for(1.0)
    assert (len(second.received), len(first.received)) == (1, 0)
    heal()
    send(one, ("10.0.0.2", 1000), b"z")
    world.run_for(1.0)
    assert (len(second.received), len(first.received)) == (2, 1)
    assert world.counts["partition"] == 2


@pytest.mark.parametrize("kind", [NatKind.CONSISTENT, NatKind.RANDOM])
def test_a_router_lets_in_only_who_was_written_to(kind: NatKind) -> None:
    world = World(1)
    nat = world.add_nat("80.0.0.1", kind, lifetime_s=30.0)
    inner, machine = echo_at(world, "192.168.0.2", nat)
    outer, seen = echo_at(world, "10.0.0.9")
    stranger, _ = echo_at(world, "10.0.0.8")
    send(inner, ("10.0.0.9", 1000), b"out")
    world.run_for(1.0)
    public = seen.received[0][1]
    assert public[0] == "80.0.0.1"
    assert [data for data, *_ in machine.received] == [b"re:out"]
    send(stranger, public, b"in")
    send(stranger, ("192.168.0.2", 1000), b"in")
    world.run_for(1.0)
    assert len(machine.received) == 1
    send(outer, public, b"in")
    world.run_for(1.0)
    assert len(machine.received) == 2
    world.run_for(31.0)
    send(outer, public, b"late")
    world.run_for(1.0)
    assert len(machine.received) == 2


def test_routers_differ_in_the_ports_they_show() -> None:
    world = World(1)
    seen: dict[NatKind, list[int]] = {}
    for number, kind in enumerate(NatKind):
        nat = world.add_nat(f"80.0.0.{number}", kind)
        inner, _ = echo_at(world, f"192.168.{number}.2", nat)
        others = [echo_at(world, f"10.{number}.0.{i}") for i in range(3)]
        for host, _ in others:
            send(inner, host.address(), b"out")
        world.run_for(1.0)
        seen[kind] = [echo.received[0][1][1] for _, echo in others]
    assert seen[NatKind.OPEN] == [1000] * 3
    assert len(set(seen[NatKind.CONSISTENT])) == 1
    assert len(set(seen[NatKind.RANDOM])) == 3


def test_an_open_router_lets_strangers_in() -> None:
    world = World(1)
    nat = world.add_nat("80.0.0.1", NatKind.OPEN)
    _, machine = echo_at(world, "192.168.0.2", nat)
    stranger, _ = echo_at(world, "10.0.0.8")
    send(stranger, ("80.0.0.1", 1000), b"in")
    world.run_for(1.0)
    assert len(machine.received) == 1


def test_neighbours_behind_one_router_talk_directly() -> None:
    world = World(1)
    nat = world.add_nat("80.0.0.1", NatKind.RANDOM)
    one, _ = echo_at(world, "192.168.0.2", nat)
    _, second = echo_at(world, "192.168.0.3", nat)
    send(one, ("192.168.0.3", 1000), b"x", ttl=2)
    world.run_for(1.0)
    assert second.received[0][1] == ("192.168.0.2", 1000)


def test_a_small_ttl_opens_the_router_and_ends_on_the_way() -> None:
    world = World(1)
    nat = world.add_nat("80.0.0.1", NatKind.CONSISTENT)
    inner, machine = echo_at(world, "192.168.0.2", nat)
    outer, seen = echo_at(world, "10.0.0.9")
    send(inner, ("10.0.0.9", 1000), b"out", ttl=5)
    world.run_for(1.0)
    assert not seen.received
    send(outer, ("80.0.0.1", 1000), b"in")
    world.run_for(1.0)
    assert len(machine.received) == 1


def test_a_crashed_machine_hears_nothing_and_another_takes_its_place() -> None:
    world = World(1)
    one, _ = echo_at(world, "10.0.0.1")
    other, old = echo_at(world, "10.0.0.2")
    old.due, old.peer = 0.5, ("10.0.0.1", 1000)
    send(one, ("10.0.0.2", 1000), b"x")
    other.crash()
    world.run_for(5.0)
    assert (old.received, old.ticks) == ([], 0)
    new = Echo()
    other.run(new, sockets={0: 1000})
    send(one, ("10.0.0.2", 1000), b"y")
    world.run_for(1.0)
    assert len(new.received) == 1


def test_a_slow_line_delays_and_then_drops() -> None:
    link = Link(rate_bytes_s=1000.0, queue_bytes=500, delay_min_s=0, delay_max_s=0)
    world = World(1, link=link)
    one, _ = echo_at(world, "10.0.0.1")
    _, second = echo_at(world, "10.0.0.2")
    for _ in range(10):
        send(one, ("10.0.0.2", 1000), bytes(100))
    world.run_for(5.0)
    arrivals = [round(at, 3) for _, _, at, _ in second.received]
    assert arrivals == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert world.counts["queue"] == 5


def test_observers_see_and_stop_a_run_and_the_seed_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class NoSecrets(Observer):
        def on_sent(self, passage: Passage) -> None:
            assert b"secret" not in passage.data

    def leak() -> None:
        with World(42) as world:
            world.observers.append(NoSecrets())
            one, _ = echo_at(world, "10.0.0.1")
            send(one, ("10.0.0.2", 1000), b"hello")
            send(one, ("10.0.0.2", 1000), b"a secret")

    with pytest.raises(AssertionError) as caught:
        leak()
    assert any("seed 42" in note for note in caught.value.__notes__)
    assert "seed 42" in capsys.readouterr().out


def test_waiting_in_vain_and_standing_still_are_errors() -> None:
    world = World(1)
    with pytest.raises(AssertionError, match="deadlock"):
        world.run_until(lambda: False, limit_s=1.0)
    _, machine = echo_at(world, "10.0.0.1")
    machine.due = 0.5
    with pytest.raises(AssertionError, match=r"not within 3.0 s"):
        world.run_until(lambda: False, limit_s=3.0)
    assert machine.ticks == 3


def test_an_action_happens_at_its_instant() -> None:
    world = World(1)
    seen: list[float] = []
    world.call_at(2.0, lambda: seen.append(world.now))
    world.call_at(1.0, lambda: seen.append(world.now))
    world.run_for(3.0)
    assert seen == [1.0, 2.0]
