"""All UDX streams of one process: finds the stream of each packet, keeps their timers.

Streams are looked up by the id in the packet over all sockets. What is no packet of a
live stream is given back to the caller, for which it may be a request of the DHT. The
multiplexer leaves to the driver: sockets, clocks, and acting on events.

A driver works in turns. It gives in all datagrams it could read, takes out the events
and acts on them, then sends what :meth:`Multiplexer.datagrams_to_send` returns, so that
one acknowledgement answers everything read in a turn and rides on data if there is any.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from net.errors import LocalProtocolError, RemoteProtocolError
from net.udx.events import Address, Batch, Event, SocketId
from net.udx.packet import (
    FLAG_DATA,
    FLAG_END,
    HEADER_BYTES,
    PLAIN,
    PLAIN_DATA,
    decode_packet,
    decode_run,
    stream_id_of,
)
from net.udx.stream import Stream, UnknownSourceHook

MAX_FAREWELLS = 1024
"""Finished streams whose peers' late END packets are still acknowledged."""

FAREWELL_S = 20.0
"""How long that lasts: longer than a peer repeats END before it gives up."""


@dataclass(frozen=True, slots=True)
class _Farewell:
    """The last acknowledgement of a finished stream."""

    batch: Batch
    expires_at: float


class Multiplexer:
    """The machine that owns all streams.

    Attributes:
        streams: live streams by local id.
        dropped: counts of packets dropped, by reason.
    """

    def __init__(self, *, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self.streams: dict[int, Stream] = {}
        self.dropped: Counter[str] = Counter()
        self._outbox: list[Batch] = []
        self._awake: dict[Stream, None] = {}
        self._eventful: deque[Stream] = deque()
        self._timers: list[tuple[float, int, Stream]] = []
        self._scheduled: dict[Stream, float] = {}
        self._timer_count = 0
        self._blocked: set[SocketId] = set()
        self._stalled: dict[Stream, None] = {}
        self._farewells: OrderedDict[int, _Farewell] = OrderedDict()
        self._now = 0.0

    def create_stream(
        self,
        local_id: int | None = None,
        *,
        on_unknown_source: UnknownSourceHook | None = None,
    ) -> Stream:
        """A new unconnected stream, with a random id unless one is given.

        Args:
            local_id: 32-bit id for peers to send to.
            on_unknown_source: asked about packets that come in on another socket than
                the stream's, or before it has one; without it they are refused.

        Raises:
            LocalProtocolError: the id is taken.
        """
        if local_id is None:
            local_id = int.from_bytes(self._entropy(4), "little")
            while local_id in self.streams or local_id in self._farewells:
                local_id = int.from_bytes(self._entropy(4), "little")
        elif local_id in self.streams:
            raise LocalProtocolError("stream id is taken", code="id")
        self._farewells.pop(local_id, None)
        stream = Stream(
            self, local_id, entropy=self._entropy, on_unknown_source=on_unknown_source
        )
        self.streams[local_id] = stream
        return stream

    def receive_datagram(
        self,
        socket: SocketId,
        data: bytes | memoryview,
        segment_size: int,
        address: Address,
        now: float,
    ) -> list[bytes]:
        """Take a buffer of one or more datagrams from one source.

        Args:
            socket: where it came in.
            data: may be reused after the call.
            segment_size: bytes of each datagram but the last; 0 for a single one.
            address: the source.
            now: seconds.

        Returns:
            The datagrams that are no packets of live streams.
        """
        self._now = now
        if not 0 < segment_size < len(data):
            if len(data) > HEADER_BYTES:
                # A small message alone: most of a chat and of a mux's control traffic.
                start, stream_id, window, seq, ack = PLAIN.unpack_from(data)
                if start == PLAIN_DATA:
                    stream = self.streams.get(stream_id)
                    if stream is not None and stream.receive_next(
                        socket, window, seq, ack, data, now
                    ):
                        return []
            return self._receive_one(socket, data, address, now)
        run = decode_run(data, segment_size)
        if run is not None:
            stream = self.streams.get(run.stream_id)
            if (
                stream is not None
                and stream.relay_target is None
                and stream.accepts(socket, address)
                and stream.receive_run(run, now)
            ):
                return []
        foreign: list[bytes] = []
        view = memoryview(data)
        for at in range(0, len(view), segment_size):
            segment = view[at : at + segment_size]
            foreign += self._receive_one(socket, segment, address, now)
        return foreign

    def datagrams_to_send(self, now: float) -> list[Batch]:
        """Everything that may go out now, in order for each stream."""
        self._now = now
        awake = self._awake
        if awake:
            out = self._outbox
            self._awake = {}
            for stream in awake:
                if stream.close_reason is not None:
                    continue
                route = stream.route
                if route is not None and route.socket in self._blocked:
                    self._stalled[stream] = None
                    continue
                stream.collect(now, out)
                self._schedule(stream)
        batches, self._outbox = self._outbox, []
        return batches

    @property
    def has_work(self) -> bool:
        """True when there are events, or streams that may have something to send."""
        return bool(self._awake or self._eventful or self._outbox)

    @property
    def has_events(self) -> bool:
        """False when :meth:`next_event` would return None."""
        return bool(self._eventful)

    def get_timer(self) -> float | None:
        """When :meth:`handle_timer` should be called; it may come to nothing."""
        timers = self._timers
        while timers and self._scheduled.get(timers[0][2]) != timers[0][0]:
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    def handle_timer(self, now: float) -> None:
        """Act on all timers that are due."""
        self._now = now
        timers = self._timers
        while timers and timers[0][0] <= now:
            at, _, stream = heapq.heappop(timers)
            if self._scheduled.get(stream) != at:
                continue
            del self._scheduled[stream]
            due = stream.get_timer()
            if due is not None and due <= now:
                stream.handle_timer(now)
                self.wake(stream)
            else:
                self._schedule(stream)

    def next_event(self) -> Event | None:
        """The next event of any stream, None when there is nothing to report."""
        eventful = self._eventful
        while eventful:
            event = eventful[0].next_event()
            if event is not None:
                return event
            eventful.popleft().has_events = False
        return None

    def block(self, socket: SocketId) -> None:
        """Build no packets for a socket until :meth:`unblock`: its buffer is full."""
        self._blocked.add(socket)

    def unblock(self, socket: SocketId) -> None:
        """The socket takes datagrams again, or is gone."""
        self._blocked.discard(socket)
        self._awake.update(self._stalled)
        self._stalled.clear()

    def datagram_too_large(self, batch: Batch, now: float) -> None:
        """The operating system refused a batch for its size."""
        if batch.probe is not None and not batch.probe.closed:
            batch.probe.on_probe_too_large(now)

    # For streams

    def wake(self, stream: Stream) -> None:
        """The stream has something to send or changed its timer."""
        self._awake[stream] = None

    def notify(self, stream: Stream) -> None:
        """The stream has events."""
        if not stream.has_events:
            stream.has_events = True
            self._eventful.append(stream)

    def send_directly(self, stream: Stream, batch: Batch) -> None:
        """Send a batch that needs no turn of its own."""
        del stream
        self._outbox.append(batch)

    def remove(self, stream: Stream, *, farewell: Batch | None) -> None:
        """Forget the stream; answer late packets for it with ``farewell``."""
        if self.streams.get(stream.local_id) is stream:
            del self.streams[stream.local_id]
        self._scheduled.pop(stream, None)
        self._awake.pop(stream, None)
        self._stalled.pop(stream, None)
        if farewell is not None:
            farewells = self._farewells
            farewells[stream.local_id] = _Farewell(farewell, self._now + FAREWELL_S)
            while len(farewells) > MAX_FAREWELLS:
                farewells.popitem(last=False)

    # Inside

    def _receive_one(
        self, socket: SocketId, data: bytes | memoryview, address: Address, now: float
    ) -> list[bytes]:
        stream_id = stream_id_of(data)
        stream = None if stream_id is None else self.streams.get(stream_id)
        if stream is None:
            if stream_id is not None and self._bid_farewell(stream_id, data):
                return []
            return [bytes(data)]
        if not stream.accepts(socket, address):
            self.dropped["unknown source"] += 1
            return []
        if stream.relay_target is not None:
            stream.relay(data)
            return []
        try:
            packet = decode_packet(data)
        except RemoteProtocolError as error:
            self.dropped[error.code] += 1
            return []
        stream.receive_packet(packet, now)
        return []

    def _bid_farewell(self, stream_id: int, data: bytes | memoryview) -> bool:
        """Answer a peer that missed the last acknowledgement; False if unknown."""
        farewell = self._farewells.get(stream_id)
        if farewell is None:
            return False
        if farewell.expires_at < self._now:
            del self._farewells[stream_id]
            return False
        if data[2] & (FLAG_DATA | FLAG_END):
            self._outbox.append(farewell.batch)
        return True

    def _schedule(self, stream: Stream) -> None:
        at = stream.get_timer()
        if at is None:
            # An entry that is left over comes to nothing, which is cheaper than to
            # remove it and to enter the next one.
            return
        scheduled = self._scheduled.get(stream)
        if scheduled is None or at < scheduled:
            self._timer_count += 1
            self._scheduled[stream] = at
            heapq.heappush(self._timers, (at, self._timer_count, stream))
