"""The sending half of a stream: what goes out next, and what became of what went out.

It joins the send queue, the runs in flight, loss detection, congestion control, pacing
and path MTU discovery. It is moved by acknowledgements, timers and
:meth:`Sender.collect`, which builds packets. It leaves to the stream: packets that
consume no seq, receiving, and the life of the stream as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from net.udx.congestion import Bbr, DeliveryRate, Pacer, RateSample
from net.udx.events import Address, Batch, SocketId
from net.udx.flights import Flight, Flights, FlightState
from net.udx.mtu import PathMtu
from net.udx.outbound import SendQueue
from net.udx.packet import (
    FLAG_DATA,
    FLAG_END,
    HEADER_BYTES,
    MAX_RUN_BYTES,
    PLAIN,
    PLAIN_DATA,
    SEQ_MASK,
    data_prefix,
    encode_padded,
    encode_run,
)
from net.udx.recovery import MAX_TIMEOUTS, LossDetection, RoundTrip

if TYPE_CHECKING:
    from net.udx.stream import Stream

HIGH_WATER_BYTES = 262144
"""Queued bytes, beyond what the path takes at once, at which writers should pause."""

DEFER_DIVISOR = 4
"""Runs smaller than this part of the congestion window wait for more room."""

MAX_TAIL_PROBES = 3
"""Probes in a row without an answer, each after twice the silence, before it is left to
the retransmission timer."""

OLD_ROUTE_ATTEMPTS = 3
"""Times a packet goes where it was first sent to; then it follows a changed remote."""

BLACK_HOLE_TIMEOUTS = 3
"""Time-outs in a row after which packets above the base MTU are suspected."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where packets of a stream go."""

    socket: SocketId
    address: Address
    remote_id: int


@dataclass(slots=True)
class Turn:
    """One opportunity to send: what all packets built in it have in common."""

    route: Route
    """Where new packets go."""

    window: int
    """Bytes we will take, for the headers."""

    ack: int
    """Unwrapped acknowledgement, for the headers."""

    now: float
    """Seconds."""

    out: list[Batch]
    """Where batches are appended."""


class Sender:
    """Everything ordered that one stream sends.

    Attributes:
        next_seq: seq of the next new packet.
        acked_seq: all packets before it are acknowledged.
        remote_window: bytes the peer will take.
        window_probe_due: a HEARTBEAT should ask a closed window to open.
        unacknowledged_bytes: bytes written that were not acknowledged yet.
        sent_count: DATA and END packets sent, with those sent again.
        retransmitted_count: packets sent again.
        bad_sack_count: SACK blocks that made no sense and were ignored.
    """

    def __init__(self, owner: Stream, *, entropy: Callable[[int], bytes]) -> None:
        self._owner = owner
        self.queue = SendQueue()
        self.flights = Flights()
        self.round_trip = RoundTrip()
        self.loss = LossDetection(self.round_trip)
        self.delivery = DeliveryRate()
        self.congestion = Bbr(entropy)
        self.pacer = Pacer()
        self.mtu = PathMtu()
        self.next_seq = 0
        self.acked_seq = 0
        self.remote_window = 4 * 1024 * 1024
        self.window_probe_due = False
        self.retransmitted_count = 0
        self.sent_count = 0
        self.unacknowledged_bytes = 0
        self.bad_sack_count = 0
        self._end_requested = False
        self._end_seq: int | None = None
        self._recover_seq: int | None = None
        self._timeouts = 0
        self._timeout_at: float | None = None
        self._tail_probe_at: float | None = None
        self._tail_probe_due = False
        self._tail_probes = 0
        self._paced_at: float | None = None
        self._window_probe_at: float | None = None
        self._window_probes = 0

    @property
    def ended(self) -> bool:
        """True once END is acknowledged, and everything with it."""
        return self._end_seq is not None and self.acked_seq > self._end_seq

    @property
    def end_requested(self) -> bool:
        """True once nothing more can be written."""
        return self._end_requested

    @property
    def is_idle(self) -> bool:
        """True when nothing waits to be sent or acknowledged."""
        return not self.flights and not self.queue.size_bytes

    @property
    def writable(self) -> bool:
        """False while writers should pause."""
        excess = self.queue.size_bytes - HIGH_WATER_BYTES
        if excess <= 0:
            return True
        cwnd_bytes = self.congestion.cwnd * self.mtu.max_payload
        return excess <= min(cwnd_bytes, self.remote_window)

    @property
    def window_probing(self) -> bool:
        """True while the peer's window is closed and it is asked to open it."""
        return self._window_probe_at is not None

    def write(self, data: bytes) -> None:
        """Queue bytes, which must not change any more."""
        self.queue.append(data)
        self.unacknowledged_bytes += len(data)

    def request_end(self) -> None:
        """END follows what is queued."""
        self._end_requested = True

    def on_window(self, window: int) -> None:
        """The peer announced how many bytes it will take."""
        self.remote_window = window
        self._window_probes = 0
        if window:
            self._window_probe_at = None
            self.window_probe_due = False

    def on_ack(self, ack: int, sacks: Collection[tuple[int, int]], now: float) -> None:
        """Take an acknowledgement.

        Args:
            ack: unwrapped; packets before it are delivered. Not beyond ``next_seq``.
            sacks: unwrapped ranges beyond it that are delivered too.
            now: seconds.
        """
        assert ack <= self.next_seq
        flights = self.flights
        if not sacks and self._recover_seq is None:
            only = flights.take_only(ack)
            if only is not None:
                self._on_only_delivered(only, now)
                return
        delivered: list[Flight] = []
        if ack > self.acked_seq:
            self.acked_seq = ack
            self._timeouts = 0
            delivered = flights.acknowledge_until(ack)
        for start, end in sacks:
            if not start < end <= self.next_seq:
                self.bad_sack_count += 1
            elif end > self.acked_seq:
                delivered += flights.acknowledge_range(start, end)
        if self._recover_seq is not None and self.acked_seq >= self._recover_seq:
            self._recover_seq = None
            self.congestion.exit_recovery()
        if delivered:
            self._on_delivered(delivered, now)

    def collect(self, turn: Turn) -> bool:
        """Append all batches that may go out now; returns whether there were any."""
        now, out = turn.now, turn.out
        before = len(out)
        self._paced_at = None
        if self._tail_probe_due:
            self._tail_probe_due = False
            self._send_tail_probe(turn)
        if self.flights.lost_count:
            self._collect_lost(turn)
        if not self.flights.lost_count and (
            self.queue.size_bytes or (self._end_requested and self._end_seq is None)
        ):
            self._collect_new(turn)
        flights = self.flights
        if (
            not self.queue.size_bytes
            and not flights.lost_count
            and flights.in_flight_count < self.congestion.cwnd
        ):
            self.delivery.on_idle_window(flights.in_flight_count)
        if len(out) > before:
            self._set_tail_probe(now)
            if self._timeout_at is None:
                self._timeout_at = now + self.round_trip.rto
            return True
        return False

    def get_timer(self) -> float | None:
        """When :meth:`handle_timer` should be called next."""
        earliest = self._timeout_at
        at = self._tail_probe_at
        if at is not None and (earliest is None or at < earliest):
            earliest = at
        at = self._paced_at
        if at is not None and (earliest is None or at < earliest):
            earliest = at
        at = self.loss.deadline
        if at is not None and (earliest is None or at < earliest):
            earliest = at
        at = self._window_probe_at
        if at is not None and (earliest is None or at < earliest):
            earliest = at
        return earliest

    def handle_timer(self, now: float) -> bool:
        """Act on what is due; returns False when the peer must be taken for dead."""
        if self.loss.deadline is not None and self.loss.deadline <= now:
            self._detect_loss(RateSample(), now)
        if self._window_probe_at is not None and self._window_probe_at <= now:
            self._window_probes += 1
            if self._window_probes > MAX_TIMEOUTS:
                return False
            self.window_probe_due = True
            self._window_probe_at = now + 2 * self.round_trip.rto
        if self._timeout_at is not None and self._timeout_at <= now:
            return self._on_timeout(now)
        if self._tail_probe_at is not None and self._tail_probe_at <= now:
            self._tail_probe_at = None
            self._tail_probe_due = True
            self._tail_probes += 1
        return True

    def on_probe_too_large(self, now: float) -> None:
        """The operating system refused the MTU probe: send it again without padding."""
        self.mtu.on_too_large()
        for flight in self.flights.sent_before(now):
            if flight.is_probe:
                self.flights.mark_lost(flight)

    def on_new_path(self) -> None:
        """The remote changed: what was learned of the path's MTU is void."""
        self.mtu = PathMtu()

    # Acknowledgements

    def _on_only_delivered(self, flight: Flight, now: float) -> None:
        """Everything that was in flight arrived at the first attempt.

        The fast path of question and answer: nothing can be lost or late, so only
        times and rates are left to learn.
        """
        self.acked_seq = flight.first_seq + flight.count
        self.unacknowledged_bytes -= flight.payload_bytes
        self._timeouts = self._tail_probes = 0
        self._timeout_at = self._tail_probe_at = None
        rtt = now - flight.transmission.sent_at
        self.round_trip.sample(rtt, now)
        self.loss.on_delivered((flight,), now)
        self.loss.deadline = None
        sample = RateSample(flight.count)
        sample.rtt = rtt
        delivery = self.delivery
        delivery.on_delivered(flight, now)
        delivery.finish(sample, now, self.round_trip.minimum_s)
        self.congestion.on_ack(
            sample, delivered=delivery.delivered_count, in_flight=0, now=now
        )

    def _on_delivered(self, delivered: list[Flight], now: float) -> None:
        sample = RateSample()
        delivery = self.delivery
        latest: float | None = None
        for flight in delivered:
            sample.acked_count += flight.count
            self.unacknowledged_bytes -= flight.payload_bytes
            delivery.on_delivered(flight, now)
            if flight.sent_count == 1:
                sent_at = flight.transmission.sent_at
                if latest is None or sent_at > latest:
                    latest = sent_at
                if flight.is_probe:
                    self.mtu.on_probe_acknowledged(flight.end_offset - flight.offset)
        if latest is not None:
            sample.rtt = now - latest
            self.round_trip.sample(sample.rtt, now)
        self.loss.on_delivered(delivered, now)
        delivery.finish(sample, now, self.round_trip.minimum_s)
        if self.flights:
            self._detect_loss(sample, now)
        else:
            self.flights.forget_old()
            self.loss.deadline = None
        self.congestion.on_ack(
            sample,
            delivered=delivery.delivered_count,
            in_flight=self.flights.in_flight_count,
            now=now,
        )
        self._tail_probes = 0
        if self.flights:
            self._timeout_at = now + self.round_trip.rto
            self._set_tail_probe(now)
        else:
            self._timeout_at = self._tail_probe_at = None

    def _detect_loss(self, sample: RateSample, now: float) -> None:
        flights = self.flights
        outstanding = self.next_seq - self.acked_seq
        sacked = outstanding - flights.in_flight_count - flights.lost_count
        lost = self.loss.find_lost(
            flights,
            now,
            recovering=self._recover_seq is not None,
            sacked_count=sacked,
        )
        for flight in lost:
            self._mark_lost(flight, sample)
        if sample.lost_count and self._recover_seq is None:
            self._recover_seq = self.next_seq
            self.congestion.enter_recovery(
                in_flight=flights.in_flight_count,
                acked_count=sample.acked_count,
                delivered=self.delivery.delivered_count,
            )

    def _mark_lost(self, flight: Flight, sample: RateSample) -> None:
        if flight.is_probe:
            self.mtu.on_probe_lost()
        else:
            sample.lost_count += flight.count
        self.flights.mark_lost(flight)

    # Timers

    def _on_timeout(self, now: float) -> bool:
        flights = self.flights
        if not flights:
            self._timeout_at = None
            return True
        self._timeouts += 1
        if self._timeouts > MAX_TIMEOUTS:
            return False
        self._timeout_at = now + 2 * self.round_trip.rto
        self._tail_probe_at = None
        self._tail_probes = MAX_TAIL_PROBES
        if self._timeouts >= BLACK_HOLE_TIMEOUTS:
            self.mtu.on_black_hole()
        sample = RateSample()
        for flight in flights.sent_before(self.loss.timed_out_before(now)):
            self._mark_lost(flight, sample)
        oldest = flights.split_first_packet()
        if oldest.state is FlightState.IN_FLIGHT:
            self._mark_lost(oldest, sample)
        self._recover_seq = self.next_seq
        self.congestion.on_timeout(flights.in_flight_count)
        return True

    def _set_tail_probe(self, now: float) -> None:
        flights = self.flights
        in_flight = flights.in_flight_count
        delay = self.round_trip.probe_delay(in_flight)
        if in_flight and delay is not None and self._tail_probes < MAX_TAIL_PROBES:
            self._tail_probe_at = now + delay * 2**self._tail_probes
        else:
            self._tail_probe_at = None

    # Building

    def _collect_lost(self, turn: Turn) -> None:
        flights, congestion = self.flights, self.congestion
        room = congestion.cwnd - flights.in_flight_count
        while flights.lost_count and room > 0:
            if not self.pacer.allows(turn.now):
                self._paced_at = self.pacer.next_at
                return
            flight = flights.next_lost(min(room, congestion.quantum))
            assert flight is not None
            room -= flight.count
            self._resend(flight, turn)

    def _collect_new(self, turn: Turn) -> None:
        congestion = self.congestion
        in_flight = self.flights.in_flight_count
        if not in_flight and not self.flights:
            if not self.remote_window and self.queue.size_bytes:
                self._probe_window(turn.now)
                return
            congestion.on_idle_restart(turn.now)
        room = self._room()
        payload_bytes = self.mtu.max_payload
        if room > 0 and not self._end_requested and self.pacer.allows(turn.now):
            payload = self.queue.take_small(payload_bytes)
            if payload:
                self._send_small(payload, turn)
                return
        most = min(congestion.quantum, MAX_RUN_BYTES // (payload_bytes + HEADER_BYTES))
        if (
            in_flight
            and room < min(most, congestion.cwnd // DEFER_DIVISOR)
            and self.queue.size_bytes > room * payload_bytes
        ):
            # The next acknowledgements make room for a larger run.
            return
        while room > 0:
            if not self.pacer.allows(turn.now):
                self._paced_at = self.pacer.next_at
                return
            padding = self._probe_padding(payload_bytes)
            payloads = self.queue.take(1 if padding else min(room, most), payload_bytes)
            ending = self._end_requested and not self.queue.size_bytes
            if not payloads:
                if not ending or self._end_seq is not None:
                    return
                payloads = [b""]
            if ending:
                self._end_seq = self.next_seq + len(payloads) - 1
            self._send_new(payloads, padding, turn)
            if not self.queue.size_bytes:
                return
            room -= len(payloads)

    def _room(self) -> int:
        """New packets that may be in flight besides those that are.

        The window bounds the whole span from the oldest unacknowledged packet, because
        the peer must hold everything behind a gap.
        """
        in_flight = self.flights.in_flight_count
        window_packets = self.remote_window // self.mtu.max_payload
        if not window_packets and self.remote_window:
            window_packets = 1
        room = self.congestion.cwnd - in_flight
        room_in_window = window_packets - (self.next_seq - self.acked_seq)
        return room if room < room_in_window else room_in_window

    def _probe_padding(self, payload_bytes: int) -> int:
        if self.queue.size_bytes <= payload_bytes or self.round_trip.smoothed_s is None:
            return 0
        return self.mtu.next_padding()

    def _send_new(self, payloads: list[bytes], padding: int, turn: Turn) -> None:
        first = self.next_seq
        ends = self._end_seq is not None
        if padding:
            data = encode_padded(
                payloads[0],
                padding=padding,
                stream_id=turn.route.remote_id,
                window=turn.window,
                seq=first,
                ack=turn.ack,
            )
            self.mtu.on_probe_sent()
        else:
            data = self._encode(payloads, turn.route.remote_id, first, turn, ends=ends)
        count = len(payloads)
        header = HEADER_BYTES + padding
        flight = Flight(
            first_seq=first,
            count=count,
            data=data,
            offset=0,
            stride=header + len(payloads[0]),
            end_offset=len(data),
            header_bytes=header,
            socket=turn.route.socket,
            address=turn.route.address,
            remote_id=turn.route.remote_id,
            transmission=self.delivery.on_send(turn.now, self.flights.in_flight_count),
            ends_stream=ends,
            is_probe=padding > 0,
        )
        self.next_seq = first + count
        self.flights.add(flight)
        self._emit(flight, turn)

    def _send_small(self, payload: bytes, turn: Turn) -> None:
        """Send all that is queued as one packet: the fast path of small writes."""
        route, seq, flights = turn.route, self.next_seq, self.flights
        ack = turn.ack & SEQ_MASK
        data = (
            PLAIN.pack(PLAIN_DATA, route.remote_id, turn.window, seq & SEQ_MASK, ack)
            + payload
        )
        size = len(data)
        self.next_seq = seq + 1
        flight = Flight(
            seq,
            1,
            data,
            0,
            size,
            size,
            HEADER_BYTES,
            route.socket,
            route.address,
            route.remote_id,
            self.delivery.on_send(turn.now, flights.in_flight_count),
        )
        flights.add(flight)
        self._emit(flight, turn)

    def _resend(self, flight: Flight, turn: Turn) -> None:
        if flight.sent_count >= OLD_ROUTE_ATTEMPTS:
            flight.socket = turn.route.socket
            flight.address = turn.route.address
            flight.remote_id = turn.route.remote_id
        payloads = flight.payloads()
        data = self._encode(
            payloads,
            flight.remote_id,
            flight.first_seq,
            turn,
            ends=flight.ends_stream,
        )
        self.flights.resend(
            flight,
            data=data,
            stride=HEADER_BYTES + len(payloads[0]),
            transmission=self.delivery.on_send(turn.now, self.flights.in_flight_count),
        )
        self.retransmitted_count += flight.count
        self._emit(flight, turn)

    @staticmethod
    def _encode(
        payloads: list[bytes], remote_id: int, first: int, turn: Turn, *, ends: bool
    ) -> bytes:
        prefix = last = data_prefix(remote_id, turn.window)
        if ends:
            flags = FLAG_DATA | FLAG_END if payloads[-1] else FLAG_END
            last = data_prefix(remote_id, turn.window, flags=flags)
        return encode_run(
            payloads, prefix=prefix, last_prefix=last, first_seq=first, ack=turn.ack
        )

    def _emit(self, flight: Flight, turn: Turn) -> None:
        self.sent_count += flight.count
        self.pacer.on_send(flight.count, self.congestion.pacing_rate, turn.now)
        turn.out.append(
            Batch(
                flight.socket,
                flight.address,
                flight.data,
                flight.stride if flight.count > 1 else 0,
                self._owner if flight.is_probe else None,
            )
        )

    def _send_tail_probe(self, turn: Turn) -> None:
        """Send one packet in spite of window and pacing, to provoke an answer."""
        if not self.flights or self.flights.lost_count:
            return
        if self.queue.size_bytes and self.remote_window:
            payloads = self.queue.take(1, self.mtu.max_payload)
            if self._end_requested and not self.queue.size_bytes:
                self._end_seq = self.next_seq
            self._send_new(payloads, 0, turn)
            return
        last = self.flights.split_last_packet()
        if last.state is FlightState.IN_FLIGHT:
            self.flights.mark_lost(last)
            lost = self.flights.next_lost(1)
            assert lost is last
            self._resend(last, turn)

    def _probe_window(self, now: float) -> None:
        """The peer takes nothing: ask at once, then again after silence."""
        if self._window_probe_at is None:
            self.window_probe_due = True
            self._window_probe_at = now + self.round_trip.rto
