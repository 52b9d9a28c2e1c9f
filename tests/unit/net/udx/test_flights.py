"""Runs in flight, against a model that knows each packet."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from net.udx.flights import Flight, Flights, FlightState, Transmission
from net.udx.packet import HEADER_BYTES

SIZE = 10


def transmission(sent_at: float) -> Transmission:
    return Transmission(sent_at, 0, 0.0, 0.0, app_limited=False)


def payload_of(seq: int) -> bytes:
    return seq.to_bytes(2, "big") * (SIZE // 2)


def flight_of(first: int, count: int, sent_at: float) -> Flight:
    payloads = [payload_of(seq) for seq in range(first, first + count)]
    data = b"".join(bytes(HEADER_BYTES) + payload for payload in payloads)
    return Flight(
        first_seq=first,
        count=count,
        data=data,
        offset=0,
        stride=HEADER_BYTES + SIZE,
        end_offset=len(data),
        header_bytes=HEADER_BYTES,
        socket=0,
        address=("10.0.0.1", 1),
        remote_id=1,
        transmission=transmission(sent_at),
    )


def seqs_of(flights: list[Flight]) -> list[int]:
    found: list[int] = []
    for flight in flights:
        seqs = range(flight.first_seq, flight.end_seq)
        if flight.state is FlightState.DELIVERED:
            assert flight.data == b""
        else:
            assert flight.payloads() == [payload_of(seq) for seq in seqs]
        assert flight.payload_bytes == SIZE * flight.count
        found += seqs
    return found


ACTION = st.one_of(
    st.tuples(st.just("send"), st.integers(1, 6), st.just(0)),
    st.tuples(st.just("until"), st.integers(0, 60), st.just(0)),
    st.tuples(st.just("range"), st.integers(0, 60), st.integers(1, 20)),
    st.tuples(st.just("lose"), st.integers(0, 60), st.just(0)),
    st.tuples(st.just("resend"), st.integers(1, 4), st.just(0)),
    st.tuples(st.just("last"), st.just(0), st.just(0)),
    st.tuples(st.just("first"), st.just(0), st.just(0)),
)


class Model:
    """What each packet should be."""

    def __init__(self) -> None:
        self.flights = Flights()
        self.next_seq = 0
        self.flying: dict[int, float] = {}
        self.lost: set[int] = set()
        self.clock = 0.0

    def send(self, count: int, _: int) -> None:
        self.clock += 1
        self.flights.add(flight_of(self.next_seq, count, self.clock))
        for seq in range(self.next_seq, self.next_seq + count):
            self.flying[seq] = self.clock
        self.next_seq += count

    def deliver(self, seqs: range, delivered: list[Flight]) -> None:
        expected = sorted(it for it in {*self.flying, *self.lost} if it in seqs)
        assert seqs_of(delivered) == expected
        assert all(it.state is FlightState.DELIVERED for it in delivered)
        for seq in expected:
            self.flying.pop(seq, None)
            self.lost.discard(seq)

    def until(self, seq: int, _: int) -> None:
        self.deliver(range(seq), self.flights.acknowledge_until(seq))

    def range(self, start: int, size: int) -> None:
        delivered = self.flights.acknowledge_range(start, start + size)
        self.deliver(range(start, start + size), delivered)

    def lose(self, limit: int, _: int) -> None:
        found = self.flights.sent_before(limit)
        assert sorted(seqs_of(found)) == sorted(
            seq for seq, at in self.flying.items() if at <= limit
        )
        for flight in found:
            self.flights.mark_lost(flight)
            for seq in range(flight.first_seq, flight.end_seq):
                del self.flying[seq]
                self.lost.add(seq)

    def resend(self, most: int, _: int) -> None:
        flight = self.flights.next_lost(most)
        if flight is None:
            assert not self.lost
            return
        self.clock += 1
        assert flight.first_seq == min(self.lost)
        assert flight.count <= most
        payloads = flight.payloads()
        data = b"".join(bytes(HEADER_BYTES) + payload for payload in payloads)
        self.flights.resend(
            flight,
            data=data,
            stride=HEADER_BYTES + SIZE,
            transmission=transmission(self.clock),
        )
        for seq in range(flight.first_seq, flight.end_seq):
            self.lost.remove(seq)
            self.flying[seq] = self.clock

    def last(self, _: int, __: int) -> None:
        if self.flights:
            outstanding = {*self.flying, *self.lost}
            assert seqs_of([self.flights.split_last_packet()]) == [max(outstanding)]

    def first(self, _: int, __: int) -> None:
        if self.flights:
            outstanding = {*self.flying, *self.lost}
            assert seqs_of([self.flights.split_first_packet()]) == [min(outstanding)]


@given(actions=st.lists(ACTION, max_size=50))
def test_runs_agree_with_packets(actions: list[tuple[str, int, int]]) -> None:
    model = Model()
    for name, one, two in actions:
        getattr(model, name)(one, two)
        assert model.flights.in_flight_count == len(model.flying)
        assert model.flights.lost_count == len(model.lost)
        assert bool(model.flights) == bool(model.flying or model.lost)
        oldest, newest = model.flights.oldest, model.flights.newest
        outstanding = {*model.flying, *model.lost}
        if outstanding:
            assert oldest is not None
            assert newest is not None
            assert oldest.first_seq == min(outstanding)
            assert newest.end_seq == max(outstanding) + 1
    model.flights.clear()
    assert not model.flights
    assert model.flights.sent_before(1e9) == []


def test_the_last_packet_of_a_run_may_be_shorter() -> None:
    flight = flight_of(0, 3, 1.0)
    flight.data = flight.data[:-4]
    flight.end_offset -= 4
    flight.ends_stream = True
    flights = Flights()
    flights.add(flight)
    last = flights.split_last_packet()
    assert last.payloads() == [payload_of(2)[:-4]]
    assert last.ends_stream
    assert not flight.ends_stream
    assert flight.payloads() == [payload_of(0), payload_of(1)]


def test_delivered_runs_are_forgotten_with_their_time() -> None:
    flights = Flights()
    for number in range(100):
        flights.add(flight_of(number, 1, float(number)))
    flights.acknowledge_until(100)
    flights.forget_old()
    assert flights.sent_before(1e9) == []
    assert len(flights._by_time) == 0


def test_the_only_run_is_taken_whole_or_not_at_all() -> None:
    flights = Flights()
    assert flights.take_only(1) is None
    first = flight_of(0, 2, 1.0)
    flights.add(first)
    assert flights.take_only(1) is None
    assert flights.take_only(2) is first
    assert (flights.in_flight_count, bool(flights)) == (0, False)
    assert flights.sent_before(9.0) == []


def test_a_lost_run_is_not_taken_as_the_only_one() -> None:
    flights = Flights()
    flight = flight_of(0, 1, 1.0)
    flights.add(flight)
    flights.mark_lost(flight)
    assert flights.take_only(1) is None
    assert seqs_of(flights.acknowledge_until(1)) == [0]
    assert (flights.in_flight_count, flights.lost_count) == (0, 0)
