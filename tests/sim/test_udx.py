"""UDX over bad links: every byte arrives once and in order, and soon enough.

A failing run prints its seed; the same seed replays it to the byte.
"""

from __future__ import annotations

from typing import Any

import pytest

from net.udx import CloseReason
from tests.helpers.world import Host, Link, Observer, Passage, World
from tests.sim.udx_hosts import IP_RECEIVER, IP_SENDER, Transfer

MB = 1_000_000
RATE = 12_500_000


def link(**more: Any) -> Link:
    """100 Mbit/s and 20 ms each way, with a queue of three round trips."""
    settings: dict[str, Any] = {
        "delay_min_s": 0.02,
        "delay_max_s": 0.02,
        "rate_bytes_s": RATE,
        "queue_bytes": RATE // 8,
    }
    return Link(**(settings | more))


class Watch(Observer):
    """Nothing readable beyond what was sent, queues bounded, no datagram too large."""

    def __init__(self) -> None:
        self.largest = 0

    def on_sent(self, passage: Passage) -> None:
        self.largest = max(self.largest, len(passage.data))
        assert len(passage.data) <= 1472

    def on_delivered(self, passage: Passage, receiver: Host) -> None:
        del passage
        machine: Any = receiver.machine
        for stream in machine.multiplexer.streams.values():
            assert stream._reassembly.early_bytes <= 8 << 20
            assert stream._sender.flights.in_flight_count <= 4096


def transfer(seed: int, on: Link, size: int, limit_s: float) -> tuple[World, Transfer]:
    """Send ``size`` random bytes over a link and check that they arrived."""
    with World(seed, link=on) as world:
        world.observers.append(Watch())
        data = world.random.randbytes(size)
        moved = Transfer(world, data)
        world.run_until(lambda: moved.done, limit_s)
        assert moved.received == data
        assert moved.reasons == [CloseReason.FINISHED] * 2
        return world, moved


@pytest.mark.parametrize(
    ("loss", "limit_s"), [(0.0, 1.3), (0.01, 2.0), (0.05, 3.0), (0.2, 12.0)]
)
def test_ten_megabytes_through_loss(loss: float, limit_s: float) -> None:
    world, moved = transfer(17, link(loss=loss), 10 * MB, limit_s)
    again = moved.stream.statistics.retransmitted_packets
    sent = moved.stream.statistics.sent_packets
    assert (world.counts["loss"] > 0) == (loss > 0)
    # What is sent again is what was lost, and little more.
    assert again <= (loss + 0.03) * sent


@pytest.mark.parametrize("seed", range(1, 7))
def test_one_megabyte_through_everything_at_once(seed: int) -> None:
    everything = link(loss=0.05, duplicate=0.05, reorder=0.2, delay_max_s=0.05)
    world, _ = transfer(seed, everything, MB, 20.0)
    assert world.counts["loss"] > 0


def test_ten_megabytes_through_reordering() -> None:
    _, moved = transfer(3, link(reorder=0.1, reorder_s=0.03), 10 * MB, 4.0)
    again = moved.stream.statistics.retransmitted_packets
    assert again < 0.05 * moved.stream.statistics.sent_packets


def test_ten_megabytes_through_duplication() -> None:
    _, moved = transfer(4, link(duplicate=0.3), 10 * MB, 3.0)
    assert moved.stream.statistics.retransmitted_packets == 0


def test_a_path_with_a_small_mtu_is_found_out() -> None:
    _, moved = transfer(5, link(mtu_bytes=1300), MB, 4.0)
    assert moved.stream.statistics.mtu == 1200 + 4 * 32


def test_a_shallow_queue_costs_packets_only_at_the_start() -> None:
    world, moved = transfer(10, link(queue_bytes=RATE // 50), 10 * MB, 2.0)
    assert moved.stream.statistics.retransmitted_packets <= world.counts["queue"] + 50


def test_a_line_of_one_megabit_is_not_flooded() -> None:
    slow = link(rate_bytes_s=125_000, queue_bytes=25_000)
    _, moved = transfer(6, slow, MB // 2, 6.5)
    statistics = moved.stream.statistics
    assert statistics.retransmitted_packets < 0.1 * statistics.sent_packets


def test_an_outage_is_survived_and_a_longer_one_noticed() -> None:
    with World(7, link=link()) as world:
        moved = Transfer(world, world.random.randbytes(4 * MB))
        world.run_for(0.2)
        heal = world.partition([IP_SENDER], [IP_RECEIVER])
        world.run_for(5.0)
        heal()
        world.run_until(lambda: moved.done, 20.0)
        assert moved.reasons == [CloseReason.FINISHED] * 2
    with World(8, link=link()) as world:
        moved = Transfer(world, world.random.randbytes(4 * MB))
        world.run_for(0.2)
        world.partition([IP_SENDER], [IP_RECEIVER])
        world.run_until(lambda: moved.reasons == [CloseReason.TIMED_OUT], 60.0)
        assert 13.0 <= world.now <= 20.0


def test_a_relay_carries_a_lossy_transfer_to_its_end() -> None:
    with World(13, link=link(loss=0.03)) as world:
        data = world.random.randbytes(2 * MB)
        moved = Transfer(world, data, relay=True)
        world.run_until(lambda: moved.done, 20.0)
        assert moved.received == data
        assert moved.reasons == [CloseReason.FINISHED] * 2
        assert moved.stream.statistics.minimum_rtt_s is not None
        assert moved.stream.statistics.minimum_rtt_s > 0.08


def test_lost_acknowledgements_alone_cost_little() -> None:
    with World(9, link=link()) as world:
        world.set_link(IP_RECEIVER, IP_SENDER, link(loss=0.3))
        data = world.random.randbytes(5 * MB)
        moved = Transfer(world, data)
        world.run_until(lambda: len(moved.received) == len(data), 1.5)
        assert moved.received == data
        assert moved.stream.statistics.retransmitted_packets < 200
        world.run_until(lambda: moved.done, 20.0)


def test_a_seed_replays_a_run_to_the_byte() -> None:
    def fingerprint(seed: int) -> tuple[int, float]:
        bad = link(loss=0.1, duplicate=0.1, reorder=0.2)
        world, _ = transfer(seed, bad, MB // 2, 20.0)
        return world.fingerprint, world.now

    assert fingerprint(11) == fingerprint(11)
    assert fingerprint(11) != fingerprint(12)
