"""UDX packets, damaged: the decoders and a whole stream bear them.

Invariant: a decoder gives a value or raises RemoteProtocolError; a stream drops or
takes a packet, stays within its limits, and its neighbours notice nothing.
"""

from __future__ import annotations

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from net.errors import RemoteProtocolError
from net.udx import Multiplexer
from net.udx.packet import (
    FLAG_DATA,
    FLAG_SACK,
    HEADER_BYTES,
    MAX_RUN_PACKETS,
    MAX_SACK_BLOCKS,
    Packet,
    data_prefix,
    decode_packet,
    decode_run,
    encode_packet,
    encode_run,
    stream_id_of,
)
from tests.fuzz.mutations import mutated
from tests.helpers.vectors import load_vectors

RECORDED = [
    bytes.fromhex(packet["packet"].rstrip("…"))
    for case in load_vectors("udx")["cases"]
    for packet in case["packets"]
]
# Rare among the recorded ones, so that mutation alone seldom starts from them.
SACKS = [
    encode_packet(Packet(flags, 5, 1000, 1, 2, b"", blocks, 0))
    for flags in (FLAG_SACK, FLAG_SACK | FLAG_DATA)
    for blocks in (((4, 6),), ((4, 6), (8, 9)))
]
SEGMENT = HEADER_BYTES + 30


def run_of(count: int, *, tail: bool = False, first: int = 0) -> bytes:
    prefix = data_prefix(0x2222, 1 << 22)
    payloads = [bytes([number]) * 30 for number in range(count)]
    if tail:
        payloads.append(b"tail")
    return encode_run(
        payloads, prefix=prefix, last_prefix=prefix, first_seq=first, ack=0
    )


RUNS = [run_of(3), run_of(3, tail=True), run_of(1, tail=True), run_of(5, first=2)]


@given(data=mutated(RECORDED) | mutated(SACKS))
def test_one_packet(data: bytes) -> None:
    try:
        packet = decode_packet(data)
    except RemoteProtocolError:
        return
    assert stream_id_of(data) == packet.stream_id
    assert len(packet.payload) + HEADER_BYTES <= len(data)
    assert len(packet.sacks) <= MAX_SACK_BLOCKS
    if not packet.sacks:
        assert decode_packet(encode_packet(packet)) == packet


@settings(max_examples=800)
@given(data=mutated(RUNS), segment=st.integers(0, 200) | st.just(SEGMENT))
@example(data=run_of(3), segment=0)
@example(data=run_of(2), segment=1000)
@example(data=run_of(2) + run_of(1), segment=SEGMENT)
@example(data=run_of(2) + run_of(1)[:40], segment=SEGMENT)
@example(data=run_of(2)[:-25], segment=SEGMENT)
@example(data=run_of(2)[:-30], segment=SEGMENT)
@example(data=run_of(1) + b"\xff\x01\x02\x00" + run_of(1)[4:], segment=SEGMENT)
def test_runs_agree_with_single_packets(data: bytes, segment: int) -> None:
    run = decode_run(data, segment)
    if run is None:
        return
    assert 0 < len(run.payloads) <= MAX_RUN_PACKETS + 1
    for number, at in enumerate(range(0, len(data), segment)):
        packet = decode_packet(data[at : at + segment])
        assert packet.payload == run.payloads[number]
        assert packet.seq == run.first_seq + number
        assert (packet.stream_id, packet.window) == (run.stream_id, run.window)
    assert packet.ack == run.ack


ADDRESS = ("10.0.0.2", 2)


@given(
    packets=st.lists(
        st.tuples(mutated([*RECORDED, *RUNS]), st.sampled_from((0, 20, 25, SEGMENT))),
        max_size=25,
    ),
    writes=st.binary(max_size=3000),
)
def test_a_stream_bears_anything(
    packets: list[tuple[bytes, int]], writes: bytes
) -> None:
    machine = Multiplexer(entropy=random.Random(1).randbytes)
    streams = [machine.create_stream(local_id) for local_id in (0x1111, 0x2222)]
    for number, stream in enumerate(streams):
        stream.connect(number + 7, 0, ADDRESS)
        stream.write(writes)
    neighbour = machine.create_stream(0x3333)
    neighbour.connect(9, 0, ADDRESS)
    now = 0.0
    for data, segment in packets:
        now += 0.01
        machine.receive_datagram(0, memoryview(data), segment, ADDRESS, now)
        for batch in machine.datagrams_to_send(now):
            assert len(batch.data) <= 65_507
        while machine.next_event() is not None:
            pass
        machine.handle_timer(now)
    for _ in range(40):
        at = machine.get_timer()
        if at is None:
            break
        now = max(now, at)
        machine.handle_timer(now)
        machine.datagrams_to_send(now)
    assert not neighbour.closed
    assert neighbour.statistics.received_packets == 0
