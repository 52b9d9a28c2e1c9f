"""Round-trip times and loss detection by time."""

from __future__ import annotations

import pytest

from net.udx.flights import Flight, Flights
from net.udx.recovery import (
    INITIAL_RTO_S,
    MAX_RTO_S,
    MAX_WINDOW_QUARTERS,
    MIN_PROBE_DELAY_S,
    MIN_RTO_S,
    LossDetection,
    RoundTrip,
)
from tests.unit.net.udx.test_flights import flight_of, transmission


def test_the_first_sample_and_the_smoothing() -> None:
    trip = RoundTrip()
    assert trip.rto == INITIAL_RTO_S
    assert trip.probe_delay(1) is None
    trip.sample(0.8, 0.0)
    assert (trip.smoothed_s, trip.variation_s) == (0.8, 0.4)
    assert trip.rto == pytest.approx(2.4)
    trip.sample(1.6, 1.0)
    assert trip.variation_s == pytest.approx((3 * 0.4 + 0.8) / 4)
    assert trip.smoothed_s == pytest.approx((7 * 0.8 + 1.6) / 8)
    assert trip.minimum_s == 0.8


def test_time_outs_are_bounded_and_absurd_samples_clamped() -> None:
    trip = RoundTrip()
    trip.sample(0.001, 0.0)
    assert trip.rto == MIN_RTO_S
    trip.sample(10_000.0, 1.0)
    assert trip.smoothed_s is not None
    assert trip.smoothed_s < 0.01
    slow = RoundTrip()
    slow.sample(40.0, 0.0)
    assert slow.rto == MAX_RTO_S


def test_the_minimum_is_forgotten_after_five_minutes() -> None:
    trip = RoundTrip()
    trip.sample(0.01, 0.0)
    trip.sample(0.05, 299.0)
    assert trip.minimum_s == 0.01
    trip.sample(0.05, 301.0)
    assert trip.minimum_s == 0.05


def test_probes_wait_two_round_trips_and_longer_for_a_single_packet() -> None:
    trip = RoundTrip()
    trip.sample(0.1, 0.0)
    assert trip.probe_delay(5) == pytest.approx(0.2)
    assert trip.probe_delay(1) == pytest.approx(0.202)
    fast = RoundTrip()
    fast.sample(0.0001, 0.0)
    assert fast.probe_delay(5) == MIN_PROBE_DELAY_S


def scene() -> tuple[LossDetection, Flights, RoundTrip, list[Flight]]:
    """Five packets sent 10 ms apart on a path of 100 ms."""
    trip = RoundTrip()
    trip.sample(0.1, 0.0)
    flights = Flights()
    sent = [flight_of(seq, 1, seq * 0.01) for seq in range(5)]
    for flight in sent:
        flights.add(flight)
    return LossDetection(trip), flights, trip, sent


def test_a_packet_overtaken_by_three_is_lost_at_once() -> None:
    loss, flights, _, sent = scene()
    for seq in (1, 2, 3):
        loss.on_delivered(flights.acknowledge_range(seq, seq + 1), 0.1 + seq * 0.01)
        lost = loss.find_lost(
            flights, 0.1 + seq * 0.01, recovering=False, sacked_count=seq
        )
        assert lost == ([sent[0]] if seq == 3 else [])
        assert (loss.deadline is None) == (seq == 3)


def test_a_packet_overtaken_once_is_lost_a_quarter_round_trip_later() -> None:
    loss, flights, _, sent = scene()
    loss.on_delivered(flights.acknowledge_range(1, 2), 0.11)
    assert loss.find_lost(flights, 0.11, recovering=False, sacked_count=1) == []
    assert loss.deadline == pytest.approx(0.0 + 0.1 + 0.025)
    lost = loss.find_lost(flights, 0.13, recovering=False, sacked_count=1)
    assert lost == [sent[0]]


def test_nothing_is_lost_before_anything_is_acknowledged() -> None:
    loss, flights, _, _ = scene()
    assert loss.find_lost(flights, 9.0, recovering=True, sacked_count=0) == []
    assert loss.deadline is None


def test_packets_sent_after_the_newest_delivered_are_not_lost() -> None:
    loss, flights, _, sent = scene()
    loss.on_delivered(flights.acknowledge_range(2, 3), 0.12)
    lost = loss.find_lost(flights, 9.0, recovering=True, sacked_count=1)
    assert lost == sent[:2]


def test_of_packets_sent_at_once_the_later_seq_counts_as_later() -> None:
    trip = RoundTrip()
    trip.sample(0.1, 0.0)
    loss, flights = LossDetection(trip), Flights()
    burst = [flight_of(seq, 1, 1.0) for seq in range(3)]
    for flight in burst:
        flights.add(flight)
    loss.on_delivered(flights.acknowledge_range(1, 2), 1.1)
    assert loss.find_lost(flights, 1.1, recovering=True, sacked_count=1) == burst[:1]


def test_reordering_once_seen_grants_time() -> None:
    loss, flights, _, sent = scene()
    loss.on_delivered(flights.acknowledge_range(3, 4), 0.13)
    loss.on_delivered(flights.acknowledge_range(1, 2), 0.131)
    assert loss.reordering_seen
    assert loss.find_lost(flights, 0.131, recovering=True, sacked_count=9) == [sent[0]]
    assert loss.deadline == pytest.approx(0.02 + 0.1 + 0.025)


def test_a_copy_acknowledged_too_fast_widens_the_window_up_to_a_limit() -> None:
    loss, flights, _, sent = scene()
    for round_ in range(MAX_WINDOW_QUARTERS + 5):
        flight = sent[0] if round_ == 0 else flight_of(round_ + 10, 1, 0.0)
        if round_:
            flights.add(flight)
        flights.mark_lost(flight)
        flights.resend(
            flight,
            data=flight.data,
            stride=len(flight.data),
            transmission=transmission(5.0 + round_),
        )
        end = flight.end_seq
        loss.on_delivered(flights.acknowledge_range(end - 1, end), 5.01 + round_)
    assert loss.reordering_seen
    loss.on_delivered(flights.acknowledge_range(4, 5), 0.14)
    loss.find_lost(flights, 0.14, recovering=True, sacked_count=9)
    assert loss.deadline == pytest.approx(0.01 + 0.1 + 0.1)
