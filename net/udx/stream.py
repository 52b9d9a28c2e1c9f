"""One UDX stream: ordered bytes and unordered messages between two ids.

It joins the receiving half (:mod:`net.udx.reassembly`) and the sending half
(:mod:`net.udx.sender`), answers control packets, and ends. There is no handshake: both
sides know ids and addresses before, and :meth:`Stream.connect` only sets them.

States, by what is known rather than by a field:

* unconnected: packets are taken if the firewall hook accepts their source; nothing is
  sent, not even acknowledgements, until :meth:`Stream.connect`;
* connected: both directions work until each side has ended and was acknowledged
  (``FINISHED``), this side destroys it (``DESTROYED``), the peer does (``RESET``) or
  falls silent (``TIMED_OUT``);
* relaying: every packet is passed on to another stream's peer, none is looked at.

It leaves to the multiplexer: finding the stream of a packet, timers and the outbox.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from net.errors import LocalProtocolError
from net.udx.events import (
    Address,
    Batch,
    Closed,
    CloseReason,
    DataReceived,
    Drained,
    EndReceived,
    Event,
    MessageReceived,
    RemoteChanged,
    SocketId,
)
from net.udx.packet import (
    FLAG_DATA,
    FLAG_DESTROY,
    FLAG_END,
    FLAG_HEARTBEAT,
    FLAG_MESSAGE,
    FLAG_SACK,
    HEADER_BYTES,
    SEQ_MASK,
    Packet,
    Run,
    encode_control,
    unwrap,
    with_stream_id,
)
from net.udx.reassembly import Reassembly
from net.udx.sender import HIGH_WATER_BYTES, Route, Sender, Turn
from net.udx.stats import StreamStatistics

if TYPE_CHECKING:
    from collections import Counter

MAX_WINDOW_BYTES = 4 * 1024 * 1024
"""Bytes in order a slow reader may leave lying; advertised when it is up to date."""

MAX_HELD_BYTES = 4 * MAX_WINDOW_BYTES
"""Unread bytes beyond which data is refused.

Connections count an overhead for each message, about three times the bytes on the wire
for the smallest; whoever heeds the window stays below this all the same.
"""

MAX_UNREAD_MESSAGES = 1024
"""Messages held for a slow reader; later ones are dropped, as datagrams are."""

MAX_QUEUED_MESSAGES = 1024
"""Messages that wait to be sent; beyond these the oldest are dropped and counted."""

MAX_UNREAD_CHUNKS = 1024
"""Payloads held apart before they are joined, because each has an overhead."""

MAX_UNANSWERED_HEARTBEATS = 5
"""Keep-alives in a row, with not one packet of the peer's, after which it is gone."""

MAX_PENDING_SACKS = 2048
"""SACK blocks acted on in one turn; peers repeat what is beyond."""

UnknownSourceHook = Callable[[SocketId, Address], bool]
"""Asked for packets on a socket that is not the stream's; True takes the packet."""


class Host(Protocol):
    """What a stream asks of the multiplexer that owns it."""

    dropped: Counter[str]

    def wake(self, stream: Stream) -> None:
        """The stream has something to send or changed its timer."""

    def notify(self, stream: Stream) -> None:
        """The stream has events."""

    def send_directly(self, stream: Stream, batch: Batch) -> None:
        """Send a batch that needs no turn of its own."""

    def remove(self, stream: Stream, *, farewell: Batch | None) -> None:
        """Forget the stream; answer late packets for it with ``farewell``."""


class Stream:
    """A reliable ordered stream with unordered messages beside it.

    Made by ``Multiplexer.create_stream``; moved by packets, timers and its methods. All
    methods are without effect on a closed stream unless they say otherwise.

    Attributes:
        local_id: the id peers send to.
        route: socket, address and remote id in use, None before :meth:`connect`.
        close_reason: why it is gone, None while it lives.
        has_events: the multiplexer's mark that it will ask for events.
    """

    def __init__(
        self,
        host: Host,
        local_id: int,
        *,
        entropy: Callable[[int], bytes],
        on_unknown_source: UnknownSourceHook | None,
    ) -> None:
        self._host = host
        self.local_id = local_id
        self.route: Route | None = None
        self.close_reason: CloseReason | None = None
        self.has_events = False
        self.on_unknown_source = on_unknown_source
        self._sender = Sender(self, entropy=entropy)
        self._reassembly = Reassembly()
        self._messages: deque[bytes] = deque()
        self._outgoing: deque[bytes] = deque()
        self._unread = 0
        self._ack_due = False
        self._heartbeat_due = False
        self._end_acknowledged = False
        self._end_reported = False
        self._close_reported = False
        self._drain_wanted = False
        self._changed_at_seq: int | None = None
        self._change_done = False
        self._pending_ack = 0
        self._pending_sacks: dict[tuple[int, int], None] = {}
        self._window_seq = 0
        self._window_ack = 0
        self._advertised = MAX_WINDOW_BYTES
        self._keep_alive_s: float | None = None
        self._keep_alive_at: float | None = None
        self._unanswered_heartbeats = 0
        self._heard_packets = 0
        self._relay: Stream | None = None
        self._relayed_from: Stream | None = None
        self._received_packets = 0
        self._received_bytes = 0

    # What is known

    @property
    def connected(self) -> bool:
        """True between :meth:`connect` and the end."""
        return self.route is not None and self.close_reason is None

    @property
    def closed(self) -> bool:
        """True once the stream is gone."""
        return self.close_reason is not None

    @property
    def max_payload(self) -> int:
        """Bytes that fit into one packet now; the limit of :meth:`send_message`."""
        return self._sender.mtu.max_payload

    @property
    def writable(self) -> bool:
        """False while writers should pause; :class:`Drained` tells when to go on."""
        return self._sender.writable

    @property
    def queued_bytes(self) -> int:
        """Bytes written that never went out yet."""
        return self._sender.queue.size_bytes

    @property
    def owes_acknowledgement(self) -> bool:
        """True when the next turn should tell the peer something."""
        return self._ack_due

    @property
    def unacknowledged_bytes(self) -> int:
        """Bytes written that the peer has not acknowledged."""
        return self._sender.unacknowledged_bytes

    @property
    def relay_target(self) -> Stream | None:
        """The stream all packets are passed on to."""
        return self._relay

    @property
    def statistics(self) -> StreamStatistics:
        """A snapshot of counters and estimates."""
        sender, congestion = self._sender, self._sender.congestion
        return StreamStatistics(
            rtt_s=sender.round_trip.smoothed_s,
            minimum_rtt_s=sender.round_trip.minimum_s,
            mtu=sender.mtu.mtu,
            cwnd=congestion.cwnd,
            in_flight=sender.flights.in_flight_count,
            bandwidth_bytes_s=congestion.bandwidth * sender.mtu.max_payload,
            mode=congestion.mode.value,
            sent_packets=sender.sent_count,
            retransmitted_packets=sender.retransmitted_count,
            received_packets=self._received_packets,
            received_bytes=self._received_bytes,
            queued_bytes=sender.queue.size_bytes,
            remote_window=sender.remote_window,
            bad_sacks=sender.bad_sack_count,
        )

    # Intents

    def connect(self, remote_id: int, socket: SocketId, address: Address) -> None:
        """Set where the peer is. Sends nothing but an acknowledgement still owed.

        Raises:
            LocalProtocolError: connected before, or closed.
        """
        if self.route is not None or self.closed:
            raise LocalProtocolError("stream is connected or closed", code="state")
        self.route = Route(socket, address, remote_id)
        self._host.wake(self)

    def write(self, data: bytes) -> bool:
        """Queue bytes; returns False when the writer should wait for ``Drained``.

        The bytes are taken either way. ``data`` must not change afterwards.

        Raises:
            LocalProtocolError: not connected, ended or closed.
        """
        if (
            self.route is None
            or self.close_reason is not None
            or self._sender.end_requested
        ):
            raise LocalProtocolError("stream is not open for writing", code="state")
        sender = self._sender
        sender.write(data)
        self._host.wake(self)
        if sender.queue.size_bytes <= HIGH_WATER_BYTES or sender.writable:
            return True
        self._drain_wanted = True
        return False

    def end(self) -> None:
        """Send nothing more after what is queued; the other direction stays open.

        Raises:
            LocalProtocolError: not connected.
        """
        if self.closed:
            return
        if self.route is None:
            raise LocalProtocolError("stream is not connected", code="state")
        self._sender.request_end()
        self._host.wake(self)

    def send_message(self, data: bytes) -> None:
        """Send one datagram beside the stream: it may be lost, doubled or overtaken.

        It is also lost when 1024 newer ones are sent before anything can go out.

        Raises:
            LocalProtocolError: not connected, closed, or larger than
                :attr:`max_payload`.
        """
        if not self.connected:
            raise LocalProtocolError("stream is not connected", code="state")
        if len(data) > self._sender.mtu.max_payload:
            raise LocalProtocolError("message exceeds one packet", code="too-large")
        if len(self._outgoing) >= MAX_QUEUED_MESSAGES:
            self._outgoing.popleft()
            self._host.dropped["too many queued messages"] += 1
        self._outgoing.append(data)
        self._host.wake(self)

    def destroy(self) -> None:
        """Abort at once: tell the peer, forget everything queued or unread."""
        if self.closed:
            return
        if self.route is not None and self._relay is None:
            self._host.send_directly(self, self._batch(self._control(FLAG_DESTROY)))
        self._close(CloseReason.DESTROYED)

    def set_unread(self, count: int) -> None:
        """Say how many delivered bytes the application has not used yet.

        They are taken off the window, so that the peer slows down and then stops; when
        the window has grown by a quarter, the peer is told.
        """
        self._unread = count
        if self._window() - self._advertised >= MAX_WINDOW_BYTES // 4:
            self._advertised = self._window()
            self._ack_due = True
            self._host.wake(self)

    def set_keep_alive(self, interval_s: float | None, now: float) -> None:
        """Send a HEARTBEAT when nothing is outstanding for so long; None stops it.

        When five in a row are not answered, the peer counts as gone an interval later.
        """
        self._keep_alive_s = interval_s
        self._keep_alive_at = None if interval_s is None else now + interval_s
        self._host.wake(self)

    def change_remote(self, remote_id: int, socket: SocketId, address: Address) -> None:
        """Send to another address from now on; packets in flight stay with the old one.

        ``RemoteChanged`` follows when those are acknowledged.

        Raises:
            LocalProtocolError: not connected, or the last change is not done.
        """
        if not self.connected:
            raise LocalProtocolError("stream is not connected", code="state")
        if self._changed_at_seq is not None:
            raise LocalProtocolError("remote is changing already", code="state")
        self.route = Route(socket, address, remote_id)
        self._sender.on_new_path()
        self._changed_at_seq = self._sender.next_seq
        self._check_changed()
        self._host.wake(self)

    def relay_to(self, destination: Stream) -> None:
        """Pass every packet on to the peer of another stream from now on."""
        if self.closed:
            return
        self._relay = destination
        destination._relayed_from = self

    # Packets

    def accepts(self, socket: SocketId, address: Address) -> bool:
        """Whether a packet from there may be looked at."""
        route = self.route
        if route is not None and route.socket == socket:
            return True
        hook = self.on_unknown_source
        return hook is not None and hook(socket, address)

    def relay(self, data: bytes | memoryview) -> None:
        """Pass one packet on; DESTROY closes this side too."""
        target = self._relay
        assert target is not None
        if target.route is not None and not target.closed:
            forwarded = with_stream_id(data, target.route.remote_id)
            self._host.send_directly(target, target._batch(forwarded))
        else:
            self._host.dropped["relay target not connected"] += 1
        if data[2] & FLAG_DESTROY:
            self._close(CloseReason.RESET)

    def receive_next(
        self,
        socket: SocketId,
        window: int,
        seq: int,
        ack: int,
        data: bytes | memoryview,
        now: float,
    ) -> bool:
        """Take one plain DATA packet at once if it is the one expected.

        The fast path of small messages: it does what :meth:`receive_packet` would, in
        one call instead of a dozen.

        Args:
            socket: where it came in.
            window: from the header, as ``seq`` and ``ack`` are.
            seq: as on the wire.
            ack: as on the wire.
            data: the packet, of which the payload is copied.
            now: seconds.

        Returns:
            False when it is not the simple case, and nothing was done.
        """
        reassembly, sender, route = self._reassembly, self._sender, self.route
        expected, acked = reassembly.expected, sender.acked_seq
        progress = (ack - acked) & SEQ_MASK
        if (
            seq != expected & SEQ_MASK
            or progress > sender.next_seq - acked
            or route is None
            or route.socket != socket
            or self._relay is not None
            or self._unread > MAX_WINDOW_BYTES
            or not reassembly.receive_next(bytes(data[HEADER_BYTES:]))
        ):
            return False
        self._received_packets += 1
        self._received_bytes += len(data) - HEADER_BYTES
        self._on_header(window, expected, acked + progress)
        self._ack_due = True
        host = self._host
        host.wake(self)
        host.notify(self)
        if self._keep_alive_s is not None:
            self._keep_alive_at = now + self._keep_alive_s
        return True

    def receive_run(self, run: Run, now: float) -> bool:
        """Take a run at once if it is the simple case; False when nothing was done."""
        sender, reassembly = self._sender, self._reassembly
        first = unwrap(run.first_seq, reassembly.expected)
        ack = unwrap(run.ack, sender.acked_seq)
        if ack > sender.next_seq or self._is_overfull():
            return False
        if not reassembly.receive_run(first, run.payloads):
            return False
        count = len(run.payloads)
        self._received_packets += count
        self._received_bytes += sum(map(len, run.payloads))
        self._on_header(run.window, first + count - 1, ack)
        self._ack_due = True
        self._after_packet(now)
        return True

    def receive_packet(self, packet: Packet, now: float) -> None:
        """Take one packet of any kind."""
        sender, reassembly = self._sender, self._reassembly
        flags = packet.flags
        self._received_packets += 1
        ack = unwrap(packet.ack, sender.acked_seq)
        if ack > sender.next_seq:
            self._host.dropped["acknowledges what was never sent"] += 1
            return
        seq = unwrap(packet.seq, reassembly.expected)
        if flags & FLAG_HEARTBEAT:
            self._ack_due = True
            self._host.wake(self)
            return
        if flags & FLAG_DESTROY:
            if seq < reassembly.expected:
                self._host.dropped["stale destroy"] += 1
                return
            self._close(CloseReason.RESET)
            return
        if flags & (FLAG_DATA | FLAG_END):
            self._receive_data(packet, seq)
        if flags & FLAG_MESSAGE:
            self._receive_message(packet.payload)
        self._on_header(packet.window, seq, ack)
        if packet.sacks and len(self._pending_sacks) < MAX_PENDING_SACKS:
            near = sender.acked_seq
            for start, end in packet.sacks:
                self._pending_sacks[unwrap(start, near), unwrap(end, near)] = None
        self._after_packet(now)

    # Driving

    def settle(self, now: float) -> None:
        """Act on all acknowledgements that came in since the last time, at once."""
        sender = self._sender
        if self._pending_ack > sender.acked_seq or self._pending_sacks:
            sender.on_ack(self._pending_ack, self._pending_sacks, now)
            self._pending_sacks.clear()
            if self._changed_at_seq is not None:
                self._check_changed()
        if sender.ended and not self.closed:
            if self._reassembly.ended:
                self._finish()
            elif not self._end_acknowledged:
                self._end_acknowledged = True
                self._ack_due = True

    def collect(self, now: float, out: list[Batch]) -> None:
        """Append everything that may be sent now."""
        route = self.route
        if route is None or self._relay is not None:
            return
        self.settle(now)
        if self.close_reason is not None:
            return
        window = self._window()
        reassembly, sender = self._reassembly, self._sender
        while self._outgoing:
            payload = self._outgoing.popleft()
            out.append(self._batch(self._control(FLAG_MESSAGE, payload)))
        sent = sender.collect(Turn(route, window, reassembly.expected, now, out))
        if sender.window_probe_due or self._heartbeat_due:
            sender.window_probe_due = self._heartbeat_due = False
            out.append(self._batch(self._control(FLAG_HEARTBEAT)))
        if self._ack_due:
            self._ack_due = False
            if reassembly.has_gaps:
                self._collect_sacks(out)
            elif not sent:
                out.append(self._batch(self._control(0)))
        self._advertised = window
        if self._keep_alive_s is not None and sent:
            self._keep_alive_at = now + self._keep_alive_s
        if self._drain_wanted and sender.writable:
            self._host.notify(self)

    def get_timer(self) -> float | None:
        """When :meth:`handle_timer` should be called next."""
        if self.close_reason is not None or self.route is None:
            return None
        at = self._sender.get_timer()
        keep_alive = self._keep_alive_at
        if keep_alive is not None and (at is None or keep_alive < at):
            return keep_alive
        return at

    def handle_timer(self, now: float) -> None:
        """Act on what is due; :meth:`collect` should follow."""
        self.settle(now)
        if self.closed:
            return
        if not self._sender.handle_timer(now):
            self._close(CloseReason.TIMED_OUT)
            return
        if self._keep_alive_at is not None and self._keep_alive_at <= now:
            assert self._keep_alive_s is not None
            self._keep_alive_at = now + self._keep_alive_s
            self._send_heartbeat()

    def on_probe_too_large(self, now: float) -> None:
        """The operating system refused an MTU probe of this stream."""
        self._sender.on_probe_too_large(now)
        self._host.wake(self)

    def next_event(self) -> Event | None:
        """The next thing to report, None when there is nothing."""
        reassembly = self._reassembly
        if reassembly.ready:
            return DataReceived(self, reassembly.take_ready())
        if self._messages:
            return MessageReceived(self, self._messages.popleft())
        if reassembly.ended and not self._end_reported:
            self._end_reported = True
            return EndReceived(self)
        if self._drain_wanted and self._sender.writable and not self.closed:
            self._drain_wanted = False
            return Drained(self)
        if self._change_done:
            self._change_done = False
            return RemoteChanged(self)
        if self.close_reason is not None and not self._close_reported:
            self._close_reported = True
            return Closed(self, self.close_reason)
        return None

    # Inside

    def _receive_data(self, packet: Packet, seq: int) -> None:
        reassembly = self._reassembly
        if self._is_overfull():
            self._host.dropped["window exceeded"] += 1
            self._ack_due = True
            return
        if reassembly.receive(seq, packet.payload, end=bool(packet.flags & FLAG_END)):
            self._received_bytes += len(packet.payload)
            if len(reassembly.ready) > MAX_UNREAD_CHUNKS:
                reassembly.compact()
        self._ack_due = True

    def _receive_message(self, payload: bytes) -> None:
        if len(self._messages) >= MAX_UNREAD_MESSAGES:
            self._host.dropped["too many unread messages"] += 1
            return
        self._messages.append(payload)

    def _on_header(self, window: int, seq: int, ack: int) -> None:
        """Take the window unless a later packet already told a newer one."""
        if ack > self._pending_ack:
            self._pending_ack = ack
        if ack < self._sender.acked_seq:
            return
        if seq > self._window_seq or (
            seq == self._window_seq and ack >= self._window_ack
        ):
            self._window_seq = seq
            self._window_ack = ack
            sender = self._sender
            if window != sender.remote_window or sender.window_probing:
                sender.on_window(window)

    def _after_packet(self, now: float) -> None:
        host = self._host
        host.wake(self)
        reassembly = self._reassembly
        if reassembly.ready or self._messages or reassembly.ended:
            host.notify(self)
        if self._keep_alive_s is not None:
            self._keep_alive_at = now + self._keep_alive_s

    def _send_heartbeat(self) -> None:
        if self._heard_packets != self._received_packets:
            self._heard_packets = self._received_packets
            self._unanswered_heartbeats = 0
        if self._unanswered_heartbeats >= MAX_UNANSWERED_HEARTBEATS:
            self._close(CloseReason.TIMED_OUT)
        elif self._sender.is_idle:
            self._heartbeat_due = True
            self._unanswered_heartbeats += 1

    def _finish(self) -> None:
        farewell = self._batch(self._control(0))
        if self._ack_due:
            self._host.send_directly(self, farewell)
        self._close(CloseReason.FINISHED, farewell)

    def _close(self, reason: CloseReason, farewell: Batch | None = None) -> None:
        assert self.close_reason is None
        self.close_reason = reason
        self._sender.flights.clear()
        self._sender.queue.clear()
        self._outgoing.clear()
        if reason is not CloseReason.FINISHED:
            self._messages.clear()
            if self._reassembly.ready:
                self._reassembly.take_ready()
        self._host.remove(self, farewell=farewell)
        self._host.notify(self)
        for other in (self._relay, self._relayed_from):
            if other is not None and not other.closed and other._relay is self:
                other._close(CloseReason.DESTROYED)

    def _check_changed(self) -> None:
        if (
            self._changed_at_seq is not None
            and self._sender.acked_seq >= self._changed_at_seq
        ):
            self._changed_at_seq = None
            self._change_done = True
            self._host.notify(self)

    def _is_overfull(self) -> bool:
        """The peer ignores the window, by more than a filled gap could explain."""
        return self._unread + self._reassembly.ready_bytes >= MAX_HELD_BYTES

    def _window(self) -> int:
        unread = self._unread + self._reassembly.ready_bytes
        return MAX_WINDOW_BYTES - unread if unread < MAX_WINDOW_BYTES else 0

    def _control(self, flags: int, payload: bytes = b"") -> bytes:
        assert self.route is not None
        return encode_control(
            flags,
            stream_id=self.route.remote_id,
            window=self._window(),
            seq=self._sender.next_seq,
            ack=self._reassembly.expected,
            payload=payload,
        )

    def _collect_sacks(self, out: list[Batch]) -> None:
        assert self.route is not None
        while True:
            data = encode_control(
                FLAG_SACK,
                stream_id=self.route.remote_id,
                window=self._window(),
                seq=self._sender.next_seq,
                ack=self._reassembly.expected,
                sacks=self._reassembly.sack_blocks(),
            )
            out.append(self._batch(data))
            if not self._reassembly.unreported:
                return

    def _batch(self, data: bytes) -> Batch:
        assert self.route is not None
        assert len(data) >= HEADER_BYTES
        return Batch(self.route.socket, self.route.address, data, 0)
