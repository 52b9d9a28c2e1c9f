"""BBR, the delivery rate and pacing, on a path that exists as arithmetic only."""

from __future__ import annotations

import random
from collections import deque

import pytest

from net.udx.congestion import (
    INITIAL_CWND,
    LATENESS_S,
    MIN_CWND,
    QUANTUM_S,
    Bbr,
    DeliveryRate,
    Mode,
    Pacer,
    RateSample,
)
from net.udx.flights import Flight
from tests.unit.net.udx.test_flights import flight_of


class Path:
    """A bottleneck of ``rate`` packets a second and ``rtt`` seconds, never lossy."""

    def __init__(self, rate: float, rtt: float) -> None:
        self.rate, self.rtt = rate, rtt
        self.now = 0.0
        self.bbr = Bbr(random.Random(1).randbytes)
        self.delivery = DeliveryRate()
        self.pacer = Pacer()
        self.in_flight: deque[tuple[float, Flight]] = deque()
        self.free_at = 0.0
        self.seq = 0
        self.delivered_bytes = 0
        self.modes: list[Mode] = []
        self.most_in_flight = 0

    def run(self, seconds: float, *, supply: float | None = None) -> None:
        """Send as fast as allowed, or ``supply`` packets a second."""
        end = self.now + seconds
        credit = 0.0
        while self.now < end:
            credit = min(credit + (supply or 1e9) * 0.001, 1e9)
            while (
                len(self.in_flight) < self.bbr.cwnd
                and self.pacer.allows(self.now)
                and credit >= 1
            ):
                credit -= 1
                self._send()
            if credit >= 1 and len(self.in_flight) >= self.bbr.cwnd:
                pass
            elif credit < 1:
                self.delivery.on_idle_window(len(self.in_flight))
            self.now += 0.001
            while self.in_flight and self.in_flight[0][0] <= self.now:
                self._acknowledge(*self.in_flight.popleft())

    def _send(self) -> None:
        flight = flight_of(self.seq % 60_000, 1, self.now)
        flight.transmission = self.delivery.on_send(self.now, len(self.in_flight))
        self.seq += 1
        self.pacer.on_send(1, self.bbr.pacing_rate, self.now)
        self.free_at = max(self.free_at, self.now) + 1 / self.rate
        self.in_flight.append((self.free_at + self.rtt, flight))
        self.most_in_flight = max(self.most_in_flight, len(self.in_flight))

    def _acknowledge(self, at: float, flight: Flight) -> None:
        sample = RateSample(acked_count=1, rtt=at - flight.transmission.sent_at)
        self.delivery.on_delivered(flight, at)
        self.delivery.finish(sample, at, self.bbr.minimum_rtt)
        self.bbr.on_ack(
            sample,
            delivered=self.delivery.delivered_count,
            in_flight=len(self.in_flight),
            now=at,
        )
        if not self.modes or self.modes[-1] is not self.bbr.mode:
            self.modes.append(self.bbr.mode)


def test_it_finds_bandwidth_and_round_trip_of_the_path() -> None:
    path = Path(rate=5000, rtt=0.04)
    path.run(3.0)
    assert path.modes[:3] == [Mode.STARTUP, Mode.DRAIN, Mode.PROBE_BANDWIDTH]
    assert path.bbr.bandwidth == pytest.approx(5000, rel=0.1)
    assert path.bbr.minimum_rtt == pytest.approx(0.04, abs=0.004)
    assert path.delivery.delivered_count > 0.85 * 5000 * 3.0
    bdp = 5000 * 0.04
    assert path.bbr.cwnd < 4 * bdp


def test_it_drains_to_learn_that_a_path_became_longer() -> None:
    path = Path(rate=2000, rtt=0.02)
    path.run(2.0)
    path.rtt = 0.03
    path.run(13.0)
    assert path.modes.count(Mode.PROBE_RTT) == 1
    assert path.bbr.mode is Mode.PROBE_BANDWIDTH
    assert path.bbr.minimum_rtt == pytest.approx(0.03, abs=0.004)
    assert path.delivery.delivered_count > 0.75 * 2000 * 15.0


def test_a_slow_application_does_not_teach_it_a_slow_path() -> None:
    path = Path(rate=5000, rtt=0.04)
    path.run(2.0)
    before = path.bbr.bandwidth
    path.run(3.0, supply=100)
    assert path.bbr.bandwidth > 0.5 * before
    path.run(1.0)
    assert path.bbr.bandwidth == pytest.approx(5000, rel=0.15)


def test_recovery_conserves_packets_and_restores_the_window() -> None:
    bbr = Bbr(random.Random(1).randbytes)
    bbr.cwnd = 100
    bbr.enter_recovery(in_flight=40, acked_count=2, delivered=10)
    assert bbr.cwnd == 42
    bbr.on_timeout(1)
    assert bbr.cwnd == MIN_CWND
    bbr.exit_recovery()
    assert bbr.cwnd == 100


def test_the_start_matches_upstream() -> None:
    bbr = Bbr(random.Random(1).randbytes)
    assert bbr.cwnd == INITIAL_CWND
    assert bbr.mode is Mode.STARTUP


def test_pacing_keeps_the_average_and_makes_up_for_late_timers() -> None:
    pacer = Pacer()
    now, count = 100.0, 0
    for _ in range(1000):
        while pacer.allows(now):
            pacer.on_send(10, 50_000.0, now)
            count += 10
        assert pacer.next_at > now
        now += 0.0015
    assert count == pytest.approx(1.5 * 50_000, rel=0.01)
    burst = 0
    now += 60.0
    while pacer.allows(now):
        pacer.on_send(10, 50_000.0, now)
        burst += 10
    assert burst <= 50_000 * (QUANTUM_S + LATENESS_S) + 10


def test_samples_over_less_than_a_round_trip_say_nothing() -> None:
    delivery = DeliveryRate()
    flight = flight_of(0, 1, 0.0)
    flight.transmission = delivery.on_send(1.0, 0)
    delivery.on_delivered(flight, 1.001)
    sample = RateSample(acked_count=1)
    delivery.finish(sample, 1.001, 0.05)
    assert sample.delivered_count == -1
    delivery.finish(RateSample(), 1.002, 0.05)


def test_a_settled_model_still_learns_a_shorter_path_and_a_faster_one() -> None:
    path = Path(rate=5000.0, rtt=0.05)
    path.run(3.0, supply=20.0)
    assert path.bbr.mode is Mode.STARTUP
    assert path.bbr._settled
    known = path.bbr.bandwidth
    path.rtt = 0.02
    path.run(1.0, supply=20.0)
    assert path.bbr.minimum_rtt == pytest.approx(0.02, abs=0.002)
    path.run(3.0)
    assert path.bbr.bandwidth > 10 * known
    assert path.bbr.bandwidth == pytest.approx(5000.0, rel=0.2)
