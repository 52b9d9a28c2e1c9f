"""Packets that were sent and are not acknowledged, kept as runs instead of one by one.

A :class:`Flight` is a run of packets with consecutive seqs, built and sent as one
buffer. All that is known of its sending (:class:`Transmission`) is shared by the run;
only when a part of it is acknowledged or lost is the run split. Acknowledgements cost
time by the run, therefore, not by the packet, and the wire bytes double as the store
from which lost packets are rebuilt.

:class:`Flights` holds the runs by seq and by time of sending. It leaves to others: what
an acknowledgement means for round-trip times, loss and congestion.
"""

from __future__ import annotations

import enum
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from operator import attrgetter

from net.udx.events import Address, SocketId
from net.udx.packet import HEADER_BYTES

_FIRST = attrgetter("first_seq")


class FlightState(enum.Enum):
    """Where the packets of a run are believed to be."""

    IN_FLIGHT = "in flight"
    LOST = "lost"
    DELIVERED = "delivered"


@dataclass(slots=True)
class Transmission:
    """One act of sending, shared by all packets that went out in it."""

    sent_at: float
    """Seconds."""

    delivered_count: int
    """Packets of the stream delivered when this was sent."""

    delivered_at: float
    """When the last of those was delivered."""

    window_started_at: float
    """When the first packet was sent of those now measured for the delivery rate."""

    app_limited: bool
    """The application had nothing more to send at that time."""

    pieces: list[Flight] = field(default_factory=list)
    """The run, or what splitting made of it."""


@dataclass(slots=True)
class Flight:
    """Consecutive packets of one buffer."""

    first_seq: int
    count: int
    data: bytes
    """The wire bytes of the buffer this run is part of; none once delivered."""

    offset: int
    """Where this run starts in ``data``."""

    stride: int
    """Bytes from one packet to the next; the last packet may be shorter."""

    end_offset: int
    """Where this run ends in ``data``."""

    header_bytes: int
    """Header and padding before each payload."""

    socket: SocketId
    address: Address
    remote_id: int
    transmission: Transmission
    ends_stream: bool = False
    """The last packet carries END."""

    is_probe: bool = False
    """Padded to explore the path MTU; its loss says nothing of congestion."""

    sent_count: int = 1
    state: FlightState = FlightState.IN_FLIGHT

    @property
    def end_seq(self) -> int:
        """The seq after the last one."""
        return self.first_seq + self.count

    @property
    def payload_bytes(self) -> int:
        """Size of all payloads together."""
        return self.end_offset - self.offset - self.count * self.header_bytes

    def payloads(self) -> list[bytes]:
        """The payload of each packet, to send them again."""
        data, stride, header = self.data, self.stride, self.header_bytes
        starts = range(self.offset, self.end_offset, stride)
        payloads = [data[at + header : at + stride] for at in starts]
        payloads[-1] = data[starts[-1] + header : self.end_offset]
        return payloads


class Flights:
    """All unacknowledged packets of a stream.

    Attributes:
        in_flight_count: packets believed to be on their way.
        lost_count: packets that wait to be sent again.
    """

    __slots__ = ("_by_seq", "_by_time", "_lost", "in_flight_count", "lost_count")

    def __init__(self) -> None:
        self._by_seq: list[Flight] = []
        self._by_time: deque[Transmission] = deque()
        self._lost: list[Flight] = []
        self.in_flight_count = 0
        self.lost_count = 0

    def __bool__(self) -> bool:
        return bool(self._by_seq)

    @property
    def oldest(self) -> Flight | None:
        """The run with the lowest seq."""
        return self._by_seq[0] if self._by_seq else None

    @property
    def newest(self) -> Flight | None:
        """The run with the highest seq."""
        return self._by_seq[-1] if self._by_seq else None

    def add(self, flight: Flight) -> None:
        """Record a run that was just sent for the first time, as an act of its own."""
        self._by_seq.append(flight)
        transmission = flight.transmission
        transmission.pieces.append(flight)
        self._by_time.append(transmission)
        self.in_flight_count += flight.count

    def clear(self) -> None:
        """Forget everything."""
        self._by_seq.clear()
        self._by_time.clear()
        self._lost.clear()
        self.in_flight_count = 0
        self.lost_count = 0

    def resend(
        self, flight: Flight, *, data: bytes, stride: int, transmission: Transmission
    ) -> None:
        """Record that a lost run was sent again as ``data``, without padding."""
        assert flight.state is FlightState.LOST
        self.lost_count -= flight.count
        flight.data, flight.offset, flight.end_offset = data, 0, len(data)
        flight.stride, flight.header_bytes = stride, HEADER_BYTES
        flight.is_probe = False
        flight.sent_count += 1
        flight.state = FlightState.IN_FLIGHT
        flight.transmission = transmission
        self._start(flight)

    def take_only(self, seq: int) -> Flight | None:
        """Take out the only run there is, if it was sent once and ends before ``seq``.

        Returns:
            The run, now delivered, or None when this is not the simple case.
        """
        by_seq = self._by_seq
        if len(by_seq) != 1:
            return None
        flight = by_seq[0]
        if (
            flight.first_seq + flight.count != seq
            or flight.sent_count != 1
            or flight.is_probe
            or flight.state is not FlightState.IN_FLIGHT
        ):
            return None
        by_seq.clear()
        for transmission in self._by_time:
            transmission.pieces.clear()
        self._by_time.clear()
        self.in_flight_count = 0
        flight.state = FlightState.DELIVERED
        return flight

    def acknowledge_until(self, seq: int) -> list[Flight]:
        """Take out all packets before ``seq``; returns what was newly delivered."""
        by_seq = self._by_seq
        taken = 0
        for flight in by_seq:
            if flight.first_seq >= seq:
                break
            if flight.first_seq + flight.count > seq:
                self._split(taken, seq)
                taken += 1
                break
            taken += 1
        delivered = by_seq[:taken]
        del by_seq[:taken]
        for flight in delivered:
            self._deliver(flight)
        return delivered

    def acknowledge_range(self, start: int, end: int) -> list[Flight]:
        """Take out the packets in ``[start, end)``; returns the newly delivered."""
        by_seq = self._by_seq
        at = bisect_left(by_seq, start, key=_FIRST)
        if at and by_seq[at - 1].end_seq > start:
            self._split(at - 1, start)
        first = at
        while at < len(by_seq) and by_seq[at].first_seq < end:
            if by_seq[at].end_seq > end:
                self._split(at, end)
            at += 1
        delivered = by_seq[first:at]
        if delivered:
            del by_seq[first:at]
            for flight in delivered:
                self._deliver(flight)
        return delivered

    def mark_lost(self, flight: Flight) -> None:
        """Queue a run in flight to be sent again."""
        assert flight.state is FlightState.IN_FLIGHT
        flight.state = FlightState.LOST
        self.in_flight_count -= flight.count
        self.lost_count += flight.count
        insort(self._lost, flight, key=_FIRST)

    def sent_before(self, limit: float) -> list[Flight]:
        """Runs in flight that were last sent at or before ``limit``, oldest first."""
        found: list[Flight] = []
        self.forget_old()
        for transmission in self._by_time:
            if transmission.sent_at > limit:
                break
            found += [
                piece
                for piece in transmission.pieces
                if piece.state is FlightState.IN_FLIGHT
                and piece.transmission is transmission
            ]
        return found

    def next_lost(self, max_count: int) -> Flight | None:
        """The lost run with the lowest seq, cut to ``max_count`` packets."""
        lost = self._lost
        while lost:
            flight = lost[0]
            if flight.state is FlightState.LOST:
                if flight.count > max_count:
                    position = bisect_left(self._by_seq, flight.first_seq, key=_FIRST)
                    self._split(position, flight.first_seq + max_count)
                del lost[0]
                return flight
            del lost[0]
        return None

    def split_last_packet(self) -> Flight:
        """The packet with the highest seq as a run of its own."""
        flight = self._by_seq[-1]
        if flight.count > 1:
            self._split(len(self._by_seq) - 1, flight.end_seq - 1)
        return self._by_seq[-1]

    def split_first_packet(self) -> Flight:
        """The packet with the lowest seq as a run of its own."""
        flight = self._by_seq[0]
        if flight.count > 1:
            self._split(0, flight.first_seq + 1)
        return flight

    def _start(self, flight: Flight) -> None:
        flight.transmission.pieces.append(flight)
        if not self._by_time or self._by_time[-1] is not flight.transmission:
            self._by_time.append(flight.transmission)
        self.in_flight_count += flight.count

    def _deliver(self, flight: Flight) -> None:
        flight.data = b""
        if flight.state is FlightState.IN_FLIGHT:
            self.in_flight_count -= flight.count
        else:
            self.lost_count -= flight.count
        flight.state = FlightState.DELIVERED

    def _split(self, position: int, seq: int) -> None:
        """Cut the run at ``position`` so that its second part starts with ``seq``."""
        flight = self._by_seq[position]
        kept = seq - flight.first_seq
        assert 0 < kept < flight.count
        cut = flight.offset + kept * flight.stride
        rest = Flight(
            first_seq=seq,
            count=flight.count - kept,
            data=flight.data,
            offset=cut,
            stride=flight.stride,
            end_offset=flight.end_offset,
            header_bytes=flight.header_bytes,
            socket=flight.socket,
            address=flight.address,
            remote_id=flight.remote_id,
            transmission=flight.transmission,
            ends_stream=flight.ends_stream,
            sent_count=flight.sent_count,
            state=flight.state,
        )
        flight.count = kept
        flight.end_offset = cut
        flight.ends_stream = False
        self._by_seq.insert(position + 1, rest)
        flight.transmission.pieces.append(rest)
        if rest.state is FlightState.LOST:
            insort(self._lost, rest, key=_FIRST)

    def forget_old(self) -> None:
        """Drop transmissions at the front of which nothing is in flight any more."""
        by_time = self._by_time
        while by_time:
            transmission = by_time[0]
            for piece in transmission.pieces:
                if (
                    piece.state is FlightState.IN_FLIGHT
                    and piece.transmission is transmission
                ):
                    return
            # Runs and their transmission refer to each other: do not leave them to the
            # garbage collector.
            transmission.pieces.clear()
            by_time.popleft()
