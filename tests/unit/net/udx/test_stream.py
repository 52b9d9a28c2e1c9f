"""One stream between two machines: what npm was seen to do, and what must hold."""

from __future__ import annotations

import pytest

from net.errors import LocalProtocolError
from net.udx import (
    MAX_HELD_BYTES,
    MAX_WINDOW_BYTES,
    Closed,
    CloseReason,
    DataReceived,
    Drained,
    EndReceived,
    Event,
    MessageReceived,
    RemoteChanged,
)
from net.udx.packet import (
    FLAG_DATA,
    FLAG_DESTROY,
    FLAG_END,
    FLAG_HEARTBEAT,
    FLAG_MESSAGE,
    FLAG_SACK,
    Packet,
    decode_packet,
    encode_packet,
)
from net.udx.sender import HIGH_WATER_BYTES
from net.udx.stream import (
    MAX_PENDING_SACKS,
    MAX_QUEUED_MESSAGES,
    MAX_UNANSWERED_HEARTBEATS,
    MAX_UNREAD_MESSAGES,
    UnknownSourceHook,
)
from tests.helpers.vectors import load_vectors
from tests.unit.net.udx.pair import (
    ADDRESS_A,
    ADDRESS_B,
    ID_A,
    ID_B,
    SOCKET,
    Pair,
    Side,
    always,
)

CASES = {case["desc"]: case for case in load_vectors("udx")["cases"]}


def recorded(start: str, sender: str) -> list[str]:
    """The packets one side of a recorded case sent, as hex."""
    case = next(case for desc, case in CASES.items() if desc.startswith(start))
    return [it["packet"] for it in case["packets"] if it["from"] == sender]


def sent(side: Side) -> list[str]:
    """The packets a side of a pair sent, as hex."""
    return [data.hex() for data in side.sent]


# What npm was recorded doing


def test_hello_world_and_the_graceful_end_as_recorded() -> None:
    pair = Pair()
    pair.a.stream.write(b"hello")
    pair.settle()
    pair.b.stream.write(b"world!")
    pair.settle()
    assert sent(pair.a) == recorded('a (id 0x1111) writes "hello"', "a")
    assert sent(pair.b) == recorded('a (id 0x1111) writes "hello"', "b")
    pair.a.sent.clear()
    pair.b.sent.clear()
    pair.a.stream.end()
    pair.settle()
    pair.b.stream.end()
    pair.settle()
    assert sent(pair.a) == recorded("then a.end()", "a")
    assert sent(pair.b) == recorded("then a.end()", "b")
    for side in (pair.a, pair.b):
        assert side.stream.close_reason is CloseReason.FINISHED
        assert type(side.events[-1]) is Closed
        assert len(side.events_of(EndReceived)) == 1
        assert side.multiplexer.streams == {}


def test_destroy_as_recorded() -> None:
    pair = Pair()
    pair.a.stream.write(b"x")
    pair.settle()
    pair.a.sent.clear()
    pair.a.stream.destroy()
    pair.settle()
    assert sent(pair.a) == recorded("a.destroy()", "a")[-1:]
    assert pair.a.stream.close_reason is CloseReason.DESTROYED
    assert pair.b.stream.close_reason is CloseReason.RESET
    assert pair.a.multiplexer.get_timer() is None


def test_messages_as_recorded() -> None:
    pair = Pair()
    pair.a.stream.send_message(b"msg")
    pair.a.stream.send_message(b"")
    pair.settle()
    assert sent(pair.a) == recorded("stream messages", "a")
    assert sent(pair.b) == []
    messages = pair.b.events_of(MessageReceived)
    assert [it.data for it in messages if isinstance(it, MessageReceived)] == [
        b"msg",
        b"",
    ]


def test_loss_is_told_by_sack_and_repaired() -> None:
    pair = Pair()
    dropped: set[int] = set()

    def drop(packet: Packet) -> bool:
        first = packet.seq in (1, 3) and packet.seq not in dropped
        if packet.flags & FLAG_DATA and first:
            dropped.add(packet.seq)
            return True
        return False

    for number in range(6):
        pair.now += 0.003
        pair.a.stream.write(b"p%d" % number)
        pair.run(0.0005, drop_a=drop)
    pair.run(3.0)
    assert pair.b.data == b"p0p1p2p3p4p5"
    sacks = [packet for packet in pair.b.sent_packets if packet.flags == FLAG_SACK]
    assert sacks[0].ack == 1
    assert sacks[0].sacks == ((2, 3),)
    assert pair.a.stream.statistics.retransmitted_packets >= 2


def test_keep_alive_as_recorded() -> None:
    pair = Pair()
    pair.a.stream.set_keep_alive(0.15, 0.0)
    pair.run(0.31)
    assert sent(pair.a) == recorded("keepalive", "a")
    assert sent(pair.b) == recorded("keepalive", "b")


def test_a_peer_that_answers_no_heartbeat_is_gone() -> None:
    pair = Pair()
    pair.a.stream.set_keep_alive(5.0, 0.0)
    pair.run(100.0)
    assert pair.a.stream.close_reason is None, "each is answered"
    times: list[float] = []

    def note(packet: Packet) -> bool:
        times.append(round(pair.now, 3))
        return packet.flags == FLAG_HEARTBEAT

    silent_from = pair.now
    pair.run(29.9, drop_a=note)
    assert pair.a.stream.close_reason is None
    assert len(times) == MAX_UNANSWERED_HEARTBEATS
    pair.run(5.2, drop_a=note)
    assert pair.a.stream.close_reason is CloseReason.TIMED_OUT
    assert pair.now - silent_from < 36.0


def test_the_schedule_of_retransmissions_without_an_answer() -> None:
    pair = Pair()
    times: list[float] = []

    def drop(packet: Packet) -> bool:
        assert packet.seq == 0
        times.append(round(pair.now, 3))
        return True

    pair.a.stream.write(b"lost")
    pair.run(20.0, drop_a=drop)
    assert times == [0, 1, 3, 5, 7, 9, 11]
    assert pair.a.stream.close_reason is CloseReason.TIMED_OUT
    assert len(set(sent(pair.a))) == 1
    assert sent(pair.a)[0] == recorded("first three transmissions", "a")[0]


def test_data_before_connect_waits_for_its_acknowledgement() -> None:
    pair = Pair(connected=False)
    asked: list[tuple[int, tuple[str, int]]] = []

    def hook(socket: int, address: tuple[str, int]) -> bool:
        asked.append((socket, address))
        return True

    pair.b.stream.on_unknown_source = hook
    pair.a.stream.connect(ID_B, SOCKET, ADDRESS_B)
    pair.a.stream.write(b"early")
    pair.settle()
    assert asked == [(SOCKET, ADDRESS_A)]
    assert pair.b.data == b"early"
    assert sent(pair.b) == []
    pair.b.stream.connect(ID_A, SOCKET, ADDRESS_A)
    pair.settle()
    assert sent(pair.a) == recorded("data arrives before b", "a")
    assert sent(pair.b) == recorded("data arrives before b", "b")


@pytest.mark.parametrize("hook", [None, lambda *source: not source])
def test_unknown_sources_are_refused_without_a_willing_hook(
    hook: UnknownSourceHook | None,
) -> None:
    pair = Pair(connected=False)
    pair.b.stream.on_unknown_source = hook
    pair.a.stream.connect(ID_B, SOCKET, ADDRESS_B)
    pair.a.stream.write(b"early")
    pair.settle()
    assert pair.b.events == []
    assert pair.b.multiplexer.dropped == {"unknown source": 1}


def warmed_up() -> Pair:
    """A pair that knows a round trip of 100 ms."""
    pair = Pair()
    pair.a.stream.write(b"warm")
    packets = pair.a.multiplexer.datagrams_to_send(pair.now)
    pair.advance(0.1)
    for batch in packets:
        pair.b.multiplexer.receive_datagram(SOCKET, batch.data, 0, ADDRESS_A, pair.now)
    pair.settle()
    assert pair.a.stream.statistics.rtt_s == pytest.approx(0.1)
    pair.a.sent.clear()
    return pair


def test_a_lost_tail_is_probed_after_two_round_trips_and_then_ever_later() -> None:
    pair = warmed_up()
    start = pair.now
    times: list[float] = []

    def drop(packet: Packet) -> bool:
        assert packet.payload == b"tail"
        times.append(round(pair.now - start, 3))
        return True

    pair.a.stream.write(b"tail")
    pair.run(1.4, drop_a=drop)
    # Two round trips and two milliseconds, then twice that; then the timer at 1 s.
    assert times == [0, 0.202, 0.606, 1.0]
    pair.run(3.0)
    assert pair.b.data == b"warmtail"


def test_a_probe_is_new_data_when_there_is_any() -> None:
    pair = warmed_up()
    hostile(pair, Packet(0, ID_A, 1500, 1, 1))
    pair.a.stream.write(b"a" * 1152 + b"b" * 1152)
    first = pair.transfer(pair.a, drop=always)
    assert [packet.payload[:1] for packet in first] == [b"a"]
    pair.advance(0.25)
    probe = pair.transfer(pair.a)
    assert [(it.seq, it.payload[:1]) for it in probe] == [(2, b"b")]
    pair.run(2.0)
    assert pair.b.data == b"warm" + b"a" * 1152 + b"b" * 1152


# MTU discovery


def test_full_packets_probe_the_path_up_to_its_mtu() -> None:
    pair = Pair()
    for _ in range(20):
        pair.a.stream.write(bytes(5000))
        pair.run(0.01)
    probes = [packet for packet in pair.a.sent_packets if packet.data_offset]
    assert [packet.data_offset for packet in probes] == [32] * 9 + [12]
    assert pair.a.stream.statistics.mtu == 1500
    assert pair.a.stream.max_payload == 1452
    assert pair.b.data == bytes(100_000)


def test_lost_probes_end_the_search_and_cost_no_data() -> None:
    pair = Pair()
    limit = 1300 - 28

    def drop(packet: Packet) -> bool:
        return len(encode_packet(packet)) > limit

    pair.a.stream.write(bytes(300_000))
    pair.run(5.0, drop_a=drop)
    assert pair.b.data == bytes(300_000)
    assert pair.a.stream.statistics.mtu == 1200 + 3 * 32
    assert pair.a.stream.closed is False


def test_a_probe_refused_by_the_system_is_sent_again_without_padding() -> None:
    pair = Pair()
    pair.a.stream.write(b"x" * 1000)
    pair.settle()
    pair.a.stream.write(b"y" * 5000)
    batches = pair.a.multiplexer.datagrams_to_send(pair.now)
    probe = next(batch for batch in batches if batch.probe is pair.a.stream)
    pair.a.multiplexer.datagram_too_large(probe, pair.now)
    for batch in batches:
        if batch is not probe:
            size = batch.segment_size or len(batch.data)
            for at in range(0, len(batch.data), size):
                datagram = batch.data[at : at + size]
                pair.b.multiplexer.receive_datagram(
                    SOCKET, datagram, 0, ADDRESS_A, pair.now
                )
    pair.settle()
    assert pair.b.data == b"x" * 1000 + b"y" * 5000
    assert pair.a.stream.statistics.mtu == 1200
    pair.a.multiplexer.datagram_too_large(batches[-1], pair.now)


# Flow control


def test_an_unread_reader_stops_the_sender_and_reading_starts_it_again() -> None:
    pair = Pair()
    total = 3 * MAX_WINDOW_BYTES
    unread = 0

    def keep(event: Event) -> None:
        nonlocal unread
        if isinstance(event, DataReceived):
            unread += len(event.data)
            pair.b.stream.set_unread(unread)

    pair.b.on_event = keep
    pair.a.stream.write(bytes(total))
    pair.run(2.0)
    stopped_at = unread
    assert MAX_WINDOW_BYTES * 0.99 < unread <= MAX_WINDOW_BYTES + 1500
    assert pair.a.stream.queued_bytes > 0
    pair.run(30.0)
    assert unread == stopped_at
    beats = [it for it in pair.a.sent_packets if it.flags == FLAG_HEARTBEAT]
    assert 5 <= len(beats) <= 40
    pair.b.on_event = None
    pair.b.stream.set_unread(0)
    pair.run(2.0)
    assert len(pair.b.data) == total
    assert pair.a.stream.closed is False


def test_a_closed_window_without_answers_is_a_dead_peer() -> None:
    pair = Pair()
    hostile(pair, Packet(0, ID_A, 0, 0, 0))
    pair.a.stream.write(b"waits for the window")
    pair.run(60.0, drop_a=always)
    assert pair.a.stream.close_reason is CloseReason.TIMED_OUT
    assert {it.flags for it in pair.a.sent_packets} == {FLAG_HEARTBEAT}
    assert len(pair.a.sent) == 7


def test_a_peer_that_ignores_the_window_is_not_stored_without_end() -> None:
    pair = Pair()
    pair.b.stream.set_unread(MAX_HELD_BYTES)
    pair.a.stream.write(bytes(5000))
    pair.transfer(pair.a)
    assert pair.b.data == b""
    assert pair.b.multiplexer.dropped["window exceeded"] > 0


def test_writers_are_told_to_pause_and_to_go_on() -> None:
    pair = Pair()
    assert pair.a.stream.write(bytes(HIGH_WATER_BYTES))
    assert not pair.a.stream.write(bytes(1_000_000))
    assert not pair.a.stream.writable
    pair.run(1.0)
    assert len(pair.a.events_of(Drained)) == 1
    assert pair.a.stream.unacknowledged_bytes == 0
    assert len(pair.b.data) == HIGH_WATER_BYTES + 1_000_000


def test_small_writes_of_one_turn_share_packets() -> None:
    pair = Pair()
    for _ in range(50):
        pair.a.stream.write(b"0123456789")
    packets = pair.transfer(pair.a)
    assert [packet.payload for packet in packets] == [b"0123456789" * 50]


def test_an_answer_carries_the_acknowledgement() -> None:
    pair = Pair()
    pair.a.stream.write(b"ping")
    pair.transfer(pair.a)
    pair.b.stream.write(b"pong")
    packets = pair.transfer(pair.b)
    assert [(it.flags, it.ack) for it in packets] == [(FLAG_DATA, 1)]


def test_a_turn_is_acknowledged_once() -> None:
    pair = Pair()
    pair.a.stream.write(bytes(8000))
    assert len(pair.transfer(pair.a)) > 3
    packets = pair.transfer(pair.b)
    assert [(it.flags, it.ack) for it in packets] == [(0, 7)]


# Ending


def test_half_close_leaves_the_other_direction_open() -> None:
    pair = Pair()
    pair.a.stream.write(b"question")
    pair.a.stream.end()
    pair.settle()
    assert [type(it) for it in pair.b.events] == [DataReceived, EndReceived]
    assert pair.a.stream.closed is False
    pair.b.stream.write(b"answer")
    pair.b.stream.end()
    pair.settle()
    assert pair.a.data == b"answer"
    assert pair.a.stream.close_reason is CloseReason.FINISHED
    assert pair.b.stream.close_reason is CloseReason.FINISHED


def test_the_last_data_carries_the_end() -> None:
    pair = Pair()
    pair.a.stream.write(b"last")
    pair.a.stream.end()
    packets = pair.transfer(pair.a)
    assert [(it.flags, it.payload) for it in packets] == [
        (FLAG_DATA | FLAG_END, b"last")
    ]


def test_a_lost_last_acknowledgement_is_said_again() -> None:
    pair = Pair()
    pair.a.stream.end()
    pair.settle()
    pair.b.stream.end()
    pair.transfer(pair.b)
    pair.transfer(pair.a, drop=always)
    assert pair.a.stream.closed
    assert not pair.b.stream.closed
    pair.run(2.0)
    assert pair.b.stream.close_reason is CloseReason.FINISHED


def test_an_old_destroy_is_ignored_and_a_new_one_is_not() -> None:
    pair = Pair()
    pair.a.stream.write(b"one")
    pair.settle()
    for seq, closed in ((0, False), (1, True)):
        data = encode_packet(Packet(FLAG_DESTROY, ID_B, 0, seq, 0))
        pair.b.multiplexer.receive_datagram(SOCKET, data, 0, ADDRESS_A, 0.0)
        assert pair.b.stream.closed is closed
    assert pair.b.multiplexer.dropped["stale destroy"] == 1


def test_intents_that_do_not_fit_the_state_are_refused() -> None:
    pair = Pair(connected=False)
    stream = pair.a.stream
    for intent in (
        lambda: stream.write(b"x"),
        lambda: stream.send_message(b"x"),
        stream.end,
        lambda: stream.change_remote(1, SOCKET, ADDRESS_B),
    ):
        with pytest.raises(LocalProtocolError):
            intent()
    stream.connect(ID_B, SOCKET, ADDRESS_B)
    with pytest.raises(LocalProtocolError):
        stream.connect(ID_B, SOCKET, ADDRESS_B)
    with pytest.raises(LocalProtocolError):
        stream.send_message(bytes(stream.max_payload + 1))
    stream.end()
    with pytest.raises(LocalProtocolError):
        stream.write(b"after the end")
    stream.destroy()
    stream.destroy()
    stream.end()
    assert stream.connected is False


# Moving and relaying


def test_packets_go_to_a_new_remote_and_old_ones_stay_with_the_old() -> None:
    pair = Pair()
    pair.a.stream.write(b"old")
    pair.transfer(pair.a, drop=always)
    other = ("10.0.0.9", 9)
    pair.a.stream.change_remote(ID_B, 5, other)
    with pytest.raises(LocalProtocolError):
        pair.a.stream.change_remote(ID_B, 6, other)
    pair.a.stream.write(b"new")
    batches = pair.a.multiplexer.datagrams_to_send(pair.now)
    assert {(it.socket, it.address) for it in batches} == {(5, other)}
    assert pair.a.events_of(RemoteChanged) == []
    pair.now = 1.0
    pair.a.multiplexer.handle_timer(pair.now)
    again = pair.a.multiplexer.datagrams_to_send(pair.now)
    assert (again[0].socket, again[0].address) == (SOCKET, ADDRESS_B)
    acknowledgement = encode_packet(Packet(0, ID_A, 1 << 22, 0, 2))
    pair.a.multiplexer.receive_datagram(5, acknowledgement, 0, other, pair.now)
    pair.a.multiplexer.datagrams_to_send(pair.now)
    pair.collect_events(pair.a)
    assert len(pair.a.events_of(RemoteChanged)) == 1


def test_packets_that_the_old_remote_never_takes_follow_to_the_new_one() -> None:
    pair = Pair()
    pair.a.stream.write(b"old")
    pair.transfer(pair.a, drop=always)
    other = ("10.0.0.9", 9)
    pair.a.stream.change_remote(7, 5, other)
    routes = []
    for now in (1.0, 3.0, 5.0):
        pair.a.multiplexer.handle_timer(now)
        (batch,) = pair.a.multiplexer.datagrams_to_send(now)
        routes.append((batch.address, decode_packet(batch.data).stream_id))
    assert routes == [(ADDRESS_B, ID_B), (ADDRESS_B, ID_B), (other, 7)]


def test_a_remote_changes_at_once_when_nothing_is_outstanding() -> None:
    pair = Pair()
    pair.a.stream.change_remote(7, 5, ("10.0.0.9", 9))
    pair.collect_events(pair.a)
    assert len(pair.a.events_of(RemoteChanged)) == 1
    assert pair.a.stream.route is not None
    assert pair.a.stream.route.remote_id == 7


def test_a_relay_passes_packets_on_with_the_other_id() -> None:
    relay = Pair()
    into, out = relay.a.stream, relay.a.multiplexer.create_stream(102)
    out.connect(2, 3, ("10.0.0.3", 3))
    into.relay_to(out)
    out.relay_to(into)
    packets = [bytes.fromhex(it) for it in recorded("relay: streams", "relay")]
    for packet in packets:
        arriving = packet[:4] + ID_A.to_bytes(4, "little") + packet[8:]
        relay.a.multiplexer.receive_datagram(SOCKET, arriving, 0, ADDRESS_B, 0.0)
    batches = relay.a.multiplexer.datagrams_to_send(0.0)
    assert [batch.data for batch in batches] == packets
    assert {(batch.socket, batch.address) for batch in batches} == {
        (3, ("10.0.0.3", 3))
    }


def test_a_destroy_passes_a_relay_and_ends_it() -> None:
    relay = Pair()
    into, out = relay.a.stream, relay.a.multiplexer.create_stream(102)
    out.connect(2, 3, ("10.0.0.3", 3))
    into.relay_to(out)
    out.relay_to(into)
    destroy = encode_packet(Packet(FLAG_DESTROY, ID_A, 0, 0, 0))
    relay.a.multiplexer.receive_datagram(SOCKET, destroy, 0, ADDRESS_B, 0.0)
    batches = relay.a.multiplexer.datagrams_to_send(0.0)
    assert [decode_packet(batch.data).flags for batch in batches] == [FLAG_DESTROY]
    assert into.close_reason is CloseReason.RESET
    assert out.close_reason is CloseReason.DESTROYED


def test_a_relay_without_a_connected_target_drops() -> None:
    relay = Pair()
    relay.a.stream.relay_to(relay.a.multiplexer.create_stream(102))
    relay.b.stream.write(b"x")
    relay.transfer(relay.b)
    assert relay.a.multiplexer.dropped == {"relay target not connected": 1}


# Hostile packets


def hostile(pair: Pair, packet: Packet) -> None:
    data = encode_packet(packet)
    pair.a.multiplexer.receive_datagram(SOCKET, data, 0, ADDRESS_B, pair.now)
    pair.a.multiplexer.datagrams_to_send(pair.now)


def test_an_acknowledgement_of_what_was_never_sent_is_dropped_whole() -> None:
    pair = Pair()
    hostile(pair, Packet(FLAG_DATA, ID_A, 0, 0, 1, b"evil"))
    pair.collect_events(pair.a)
    assert pair.a.data == b""
    assert pair.a.multiplexer.dropped == {"acknowledges what was never sent": 1}


def test_senseless_sacks_are_counted_and_change_nothing() -> None:
    pair = Pair()
    pair.a.stream.write(bytes(5000))
    pair.transfer(pair.a, drop=always)
    blocks = ((3, 3), (4, 2), (2, 9999), (0, 2**31 - 1))
    hostile(pair, Packet(FLAG_SACK, ID_A, 1 << 22, 0, 0, b"", blocks))
    assert pair.a.stream.statistics.bad_sacks == len(blocks)
    pair.run(3.0)
    assert pair.b.data == bytes(5000)


def test_a_flood_of_sacks_is_acted_on_in_part() -> None:
    pair = Pair()
    blocks = tuple((number, number + 1) for number in range(5, 55))
    for shift in range(100):
        shifted = tuple((start + 50 * shift, end + 50 * shift) for start, end in blocks)
        packet = Packet(FLAG_SACK, ID_A, 1 << 22, 0, 0, b"", shifted)
        data = encode_packet(packet)
        pair.a.multiplexer.receive_datagram(SOCKET, data, 0, ADDRESS_B, 0.0)
    pair.a.multiplexer.datagrams_to_send(0.0)
    assert MAX_PENDING_SACKS <= pair.a.stream.statistics.bad_sacks < 5000


def test_unread_messages_are_bounded() -> None:
    pair = Pair()
    data = encode_packet(Packet(FLAG_MESSAGE, ID_A, 1 << 22, 0, 0, b"m"))
    for _ in range(MAX_UNREAD_MESSAGES + 5):
        pair.a.multiplexer.receive_datagram(SOCKET, data, 0, ADDRESS_B, 0.0)
    pair.collect_events(pair.a)
    assert len(pair.a.events) == MAX_UNREAD_MESSAGES
    assert pair.a.multiplexer.dropped == {"too many unread messages": 5}


def test_the_oldest_of_too_many_queued_messages_are_dropped() -> None:
    pair = Pair()
    for number in range(MAX_QUEUED_MESSAGES + 5):
        pair.a.stream.send_message(str(number).encode())
    pair.settle()
    assert pair.a.multiplexer.dropped == {"too many queued messages": 5}
    assert [packet.payload for packet in pair.a.sent_packets] == [
        str(number).encode() for number in range(5, MAX_QUEUED_MESSAGES + 5)
    ]


def test_data_far_ahead_is_refused() -> None:
    pair = Pair()
    hostile(pair, Packet(FLAG_DATA, ID_A, 1 << 22, 1_000_000, 0, b"far"))
    hostile(pair, Packet(FLAG_DATA, ID_A, 1 << 22, 2**31 + 5, 0, b"old"))
    pair.collect_events(pair.a)
    assert pair.a.events == []


def test_an_older_window_does_not_replace_a_newer_one() -> None:
    pair = Pair()
    hostile(pair, Packet(0, ID_A, 111, 5, 0))
    hostile(pair, Packet(0, ID_A, 222, 4, 0))
    assert pair.a.stream.statistics.remote_window == 111
    hostile(pair, Packet(0, ID_A, 333, 5, 0))
    assert pair.a.stream.statistics.remote_window == 333
