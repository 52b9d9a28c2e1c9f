"""Finding streams, timers, blocked sockets and what belongs to nobody."""

from __future__ import annotations

import random

import pytest

from net.errors import LocalProtocolError
from net.udx import CloseReason, Multiplexer
from net.udx.multiplexer import FAREWELL_S, MAX_FAREWELLS
from net.udx.packet import FLAG_DATA, FLAG_END, Packet, encode_packet
from tests.unit.net.udx.pair import (
    ADDRESS_A,
    ADDRESS_B,
    ID_A,
    ID_B,
    SOCKET,
    Pair,
    always,
    segments,
)


def multiplexer() -> Multiplexer:
    return Multiplexer(entropy=random.Random(1).randbytes)


def test_ids_are_random_and_unique() -> None:
    machine = multiplexer()
    ids = {machine.create_stream().local_id for _ in range(100)}
    assert len(ids) == 100
    taken = ids.pop()
    with pytest.raises(LocalProtocolError):
        machine.create_stream(taken)


def test_a_drawn_id_that_is_taken_is_drawn_again() -> None:
    draws = iter([b"\1\0\0\0", b"\1\0\0\0", b"\2\0\0\0"])
    machine = Multiplexer(entropy=lambda _: next(draws))
    assert machine.create_stream().local_id == 1
    assert machine.create_stream().local_id == 2


@pytest.mark.parametrize(
    "data", [b"", b"x", b"\x03" + bytes(40), encode_packet(Packet(0, 99, 0, 0, 0))]
)
def test_what_is_no_packet_of_a_stream_is_given_back(data: bytes) -> None:
    pair = Pair()
    given = memoryview(bytearray(data))
    back = pair.a.multiplexer.receive_datagram(SOCKET, given, 0, ADDRESS_B, 0.0)
    assert back == [data]


def test_a_buffer_of_mixed_segments_is_taken_apart() -> None:
    pair = Pair()
    second = pair.b.multiplexer.create_stream(77)
    second.connect(1, SOCKET, ADDRESS_A)
    ours = encode_packet(Packet(FLAG_DATA, ID_B, 1 << 22, 0, 0, b"aaaa"))
    other = encode_packet(Packet(FLAG_DATA, 77, 1 << 22, 0, 0, b"bbbb"))
    foreign = b"\x03" + bytes(23)
    tail = b"\x03short"
    buffer = memoryview(ours + other + foreign + tail)
    back = pair.b.multiplexer.receive_datagram(SOCKET, buffer, 24, ADDRESS_A, 0.0)
    assert back == [foreign, tail]
    pair.collect_events(pair.b)
    assert pair.b.data == b"aaaabbbb"


def test_a_whole_run_is_taken_with_one_acknowledgement() -> None:
    pair = Pair()
    pair.a.stream.write(bytes(range(256)) * 40)
    for batch in pair.a.multiplexer.datagrams_to_send(0.0):
        assert batch.segment_size
        assert len(segments(batch)) > 1
        back = pair.b.multiplexer.receive_datagram(
            SOCKET, memoryview(batch.data), batch.segment_size, ADDRESS_A, 0.0
        )
        assert back == []
    pair.collect_events(pair.b)
    assert pair.b.data == bytes(range(256)) * 40
    assert len(pair.transfer(pair.b)) == 1


def test_a_run_in_disorder_is_taken_too() -> None:
    pair = Pair()
    pair.a.stream.write(bytes(9000))
    (batch,) = pair.a.multiplexer.datagrams_to_send(0.0)
    size = batch.segment_size
    late, early = batch.data[: 2 * size], batch.data[2 * size :]
    for part in (early, late, early, batch.data):
        pair.b.multiplexer.receive_datagram(SOCKET, part, size, ADDRESS_A, 0.0)
    pair.collect_events(pair.b)
    assert pair.b.data == bytes(9000)


def test_a_blocked_socket_holds_its_streams_back() -> None:
    pair = Pair()
    pair.a.multiplexer.block(SOCKET)
    pair.a.stream.write(b"wait")
    assert pair.a.multiplexer.datagrams_to_send(0.0) == []
    assert not pair.a.multiplexer.has_work
    pair.a.multiplexer.unblock(SOCKET)
    assert pair.a.multiplexer.has_work
    assert len(pair.a.multiplexer.datagrams_to_send(0.0)) == 1


def test_a_damaged_packet_of_a_live_stream_is_counted() -> None:
    pair = Pair()
    data = b"\xff\x01\x01\x09" + ID_A.to_bytes(4, "little") + bytes(12)
    back = pair.a.multiplexer.receive_datagram(SOCKET, data, 0, ADDRESS_B, 0.0)
    assert back == []
    assert pair.a.multiplexer.dropped == {"offset": 1}


def test_timers_come_and_go() -> None:
    pair = Pair()
    machine = pair.a.multiplexer
    assert machine.get_timer() is None
    machine.handle_timer(5.0)
    pair.a.stream.write(b"x")
    pair.transfer(pair.a, drop=always)
    assert machine.get_timer() == 1.0
    machine.handle_timer(0.5)
    assert machine.get_timer() == 1.0
    pair.now = 1.0
    machine.handle_timer(pair.now)
    pair.settle()
    machine.handle_timer(50.0)
    assert machine.get_timer() is None


def finished(machine: Multiplexer, local_id: int, now: float) -> None:
    """Let a stream of this machine come to its end."""
    stream = machine.create_stream(local_id)
    stream.connect(1, SOCKET, ADDRESS_B)
    stream.end()
    machine.datagrams_to_send(now)
    last = Packet(FLAG_END, local_id, 1 << 22, 0, 1)
    machine.receive_datagram(SOCKET, encode_packet(last), 0, ADDRESS_B, now)
    machine.datagrams_to_send(now)
    assert stream.close_reason is CloseReason.FINISHED


def test_late_packets_of_finished_streams_are_answered_for_a_while() -> None:
    machine = multiplexer()
    finished(machine, 5, 1.0)
    late = encode_packet(Packet(FLAG_END, 5, 1 << 22, 0, 1))
    plain = encode_packet(Packet(0, 5, 1 << 22, 0, 1))
    assert machine.receive_datagram(SOCKET, late, 0, ADDRESS_B, 2.0) == []
    assert len(machine.datagrams_to_send(2.0)) == 1
    assert machine.receive_datagram(SOCKET, plain, 0, ADDRESS_B, 2.0) == []
    assert machine.datagrams_to_send(2.0) == []
    later = 1.1 + FAREWELL_S
    assert machine.receive_datagram(SOCKET, late, 0, ADDRESS_B, later) == [late]
    assert machine.create_stream(5).local_id == 5


def test_remembered_streams_are_bounded() -> None:
    machine = multiplexer()
    for number in range(MAX_FAREWELLS + 3):
        finished(machine, number, 1.0)
    late = encode_packet(Packet(FLAG_END, 0, 1 << 22, 0, 1))
    assert machine.receive_datagram(SOCKET, late, 0, ADDRESS_B, 1.0) == [late]
    newest = encode_packet(Packet(FLAG_END, MAX_FAREWELLS, 1 << 22, 0, 1))
    assert machine.receive_datagram(SOCKET, newest, 0, ADDRESS_B, 1.0) == []
