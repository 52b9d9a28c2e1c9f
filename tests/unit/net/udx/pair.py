"""Two multiplexers with one stream between them, joined by hand.

Nothing travels unless the test says so: :meth:`Pair.transfer` carries the packets of
one side to the other, without those a filter drops, and keeps a list of all sent.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from net.udx import Batch, Event, Multiplexer, Stream
from net.udx.packet import Packet, decode_packet

ADDRESS_A = ("10.0.0.1", 1001)
ADDRESS_B = ("10.0.0.2", 1002)
ID_A = 0x1111
ID_B = 0x2222
SOCKET = 0

Drop = Callable[[Packet], bool]


def segments(batch: Batch) -> list[bytes]:
    """The datagrams of a batch."""
    size = batch.segment_size or max(len(batch.data), 1)
    return [batch.data[at : at + size] for at in range(0, len(batch.data), size)]


def never(packet: Packet) -> bool:
    """Drops nothing."""
    del packet
    return False


def always(packet: Packet) -> bool:
    """Drops everything."""
    del packet
    return True


@dataclass
class Side:
    """One end, and what it sent and reported."""

    name: str
    address: tuple[str, int]
    multiplexer: Multiplexer
    stream: Stream
    sent: list[bytes] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    on_event: Callable[[Event], None] | None = None

    def events_of(self, kind: type[Event]) -> list[Event]:
        """The events of one kind, in order."""
        return [event for event in self.events if type(event) is kind]

    @property
    def data(self) -> bytes:
        """All ordered bytes reported."""
        return b"".join(getattr(event, "data", b"") for event in self.events)

    @property
    def sent_packets(self) -> list[Packet]:
        """All packets sent, decoded."""
        return [decode_packet(data) for data in self.sent]


class Pair:
    """The two ends ``a`` and ``b`` and a clock."""

    def __init__(self, *, connected: bool = True, seed: int = 1) -> None:
        self.now = 0.0
        self.a = self._side("a", ADDRESS_A, ID_A, seed)
        self.b = self._side("b", ADDRESS_B, ID_B, seed + 1)
        if connected:
            self.a.stream.connect(ID_B, SOCKET, ADDRESS_B)
            self.b.stream.connect(ID_A, SOCKET, ADDRESS_A)

    def transfer(self, side: Side, *, drop: Drop = never) -> list[Packet]:
        """Carry what a side sends to the other; returns the packets, dropped or not."""
        other = self.b if side is self.a else self.a
        packets: list[Packet] = []
        for batch in side.multiplexer.datagrams_to_send(self.now):
            for data in segments(batch):
                side.sent.append(data)
                packet = decode_packet(data)
                packets.append(packet)
                if not drop(packet):
                    foreign = other.multiplexer.receive_datagram(
                        SOCKET, data, 0, side.address, self.now
                    )
                    assert foreign == [] or other.stream.closed
        self.collect_events(other)
        self.collect_events(side)
        return packets

    def settle(self, *, drop_a: Drop = never, drop_b: Drop = never) -> None:
        """Carry packets to and fro at this instant until both are silent."""
        for _ in range(10_000):
            there = self.transfer(self.a, drop=drop_a)
            back = self.transfer(self.b, drop=drop_b)
            if not there and not back:
                return
        raise AssertionError("the two never fall silent")

    def advance(self, seconds: float) -> None:
        """Move the clock and fire what is due."""
        self.now += seconds
        for side in (self.a, self.b):
            side.multiplexer.handle_timer(self.now)
            self.collect_events(side)

    def run(
        self, seconds: float, *, drop_a: Drop = never, drop_b: Drop = never
    ) -> None:
        """Let timers fire in turn for a time, settling after each."""
        end = self.now + seconds
        self.settle(drop_a=drop_a, drop_b=drop_b)
        for _ in range(100_000):
            timers = [it.multiplexer.get_timer() for it in (self.a, self.b)]
            due = min((at for at in timers if at is not None), default=end)
            if due >= end:
                self.advance(end - self.now)
                self.settle(drop_a=drop_a, drop_b=drop_b)
                return
            self.advance(max(due - self.now, 0.0))
            self.settle(drop_a=drop_a, drop_b=drop_b)
        raise AssertionError("timers fire without end")

    def collect_events(self, side: Side) -> None:
        """Take out what a side has to report."""
        while (event := side.multiplexer.next_event()) is not None:
            side.events.append(event)
            if side.on_event is not None:
                side.on_event(event)

    @staticmethod
    def _side(name: str, address: tuple[str, int], local_id: int, seed: int) -> Side:
        multiplexer = Multiplexer(entropy=random.Random(seed).randbytes)
        stream = multiplexer.create_stream(local_id)
        return Side(name, address, multiplexer, stream)
