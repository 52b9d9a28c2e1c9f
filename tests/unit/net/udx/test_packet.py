"""The packet codec against recorded packets, and against itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from net.errors import RemoteProtocolError
from net.udx.packet import (
    FLAG_DATA,
    FLAG_END,
    FLAG_MESSAGE,
    FLAG_SACK,
    HEADER_BYTES,
    MAX_SACK_BLOCKS,
    SEQ_MASK,
    Packet,
    data_prefix,
    decode_packet,
    decode_run,
    encode_control,
    encode_packet,
    encode_padded,
    encode_run,
    stream_id_of,
    unwrap,
    with_stream_id,
    wrap,
)
from tests.helpers.vectors import load_vectors

RECORDED = [
    packet
    for case in load_vectors("udx")["cases"]
    for packet in case["packets"]
    if not packet["packet"].endswith("…")
]


def run_of(payloads: list[bytes], *, first: int = 7, ack: int = 3) -> bytes:
    prefix = data_prefix(9, 4096)
    return encode_run(
        payloads, prefix=prefix, last_prefix=prefix, first_seq=first, ack=ack
    )


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda it: it["packet"][:48])
def test_recorded_packets_decode_and_encode_the_same(recorded: dict[str, Any]) -> None:
    data = bytes.fromhex(recorded["packet"])
    packet = decode_packet(data)
    assert packet.flags == recorded["type"]
    assert packet.stream_id == recorded["id"]
    assert packet.window == recorded["rwnd"]
    assert packet.seq == recorded["seq"]
    assert packet.ack == recorded["ack"]
    assert packet.data_offset == recorded["data_offset"]
    assert [list(it) for it in packet.sacks] == recorded.get("sacks", [])
    assert encode_packet(packet) == data


def test_recorded_probes_carry_padding_before_the_payload() -> None:
    probes = [
        packet
        for case in load_vectors("udx")["cases"]
        for packet in case["packets"]
        if packet["data_offset"]
    ]
    assert probes
    for probe in probes:
        prefix = bytes.fromhex(probe["packet"].rstrip("…"))
        payload = b"B" * (probe["len"] - HEADER_BYTES - probe["data_offset"])
        ours = encode_padded(
            payload,
            padding=probe["data_offset"],
            stream_id=probe["id"],
            window=probe["rwnd"],
            seq=probe["seq"],
            ack=probe["ack"],
        )
        assert len(ours) == probe["len"]
        assert ours[: len(prefix)] == prefix
        assert decode_packet(ours).payload == payload


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "short"),
        (bytes(19), "short"),
        (bytes(20), "magic"),
        (b"\xff\x02" + bytes(18), "magic"),
        (b"\xff\x01\x01\x01" + bytes(16), "offset"),
        (b"\xff\x01\x08\xff" + bytes(16 + 254), "offset"),
    ],
)
def test_refuses_what_is_no_packet(data: bytes, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_packet(data)
    assert caught.value.code == code


def test_sack_blocks_are_bounded_and_half_blocks_are_not_read() -> None:
    header = b"\xff\x01\x04\x00" + bytes(16)
    assert len(decode_packet(header + bytes(8 * 60)).sacks) == MAX_SACK_BLOCKS
    assert decode_packet(header + bytes(8 * 2 + 7)).sacks == ((0, 0), (0, 0))
    assert decode_packet(header).sacks == ()


def test_sack_blocks_end_at_a_data_offset_that_fits() -> None:
    header = b"\xff\x01" + bytes((FLAG_SACK | FLAG_DATA, 8)) + bytes(16)
    packet = decode_packet(header + bytes(8) + b"payload")
    assert packet.sacks == ((0, 0),)
    assert packet.payload == b"payload"


def test_a_run_reads_back_as_its_payloads() -> None:
    payloads = [bytes([n]) * 100 for n in range(5)] + [b"short"]
    data = run_of(payloads)
    run = decode_run(data, 120)
    assert run is not None
    assert (run.stream_id, run.window, run.first_seq, run.ack) == (9, 4096, 7, 3)
    assert list(run.payloads) == payloads
    for at, payload in zip(range(0, len(data), 120), payloads, strict=True):
        assert decode_packet(data[at : at + 120]).payload == payload


def test_a_run_of_equal_packets_and_of_one_packet() -> None:
    assert decode_run(run_of([b"x" * 50] * 3), 70) is not None
    single = run_of([b"alone"])
    assert decode_packet(single).payload == b"alone"
    run = decode_run(single, 25)
    assert run is not None
    assert list(run.payloads) == [b"alone"]


def changed(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes([value]) + data[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: changed(data, 2, FLAG_DATA | FLAG_END),
        lambda data: changed(data, 70 + 2, FLAG_DATA | FLAG_END),
        lambda data: changed(data, 70 + 3, 4),
        lambda data: changed(data, 70 + 4, 8),
        lambda data: changed(data, 70 + 12, 99),
        lambda data: changed(data, 140 + 2, FLAG_MESSAGE),
        lambda data: changed(data, 140 + 12, 99),
        lambda data: data[: 140 + HEADER_BYTES],
        lambda data: data[:60],
        lambda data: data * 30,
    ],
)
def test_mixed_buffers_are_no_run(damage: Any) -> None:
    good = run_of([b"a" * 50, b"b" * 50, b"tail"])
    assert decode_run(good, 70) is not None
    assert decode_run(damage(good), 70) is None


def test_a_segment_size_within_the_header_is_no_run() -> None:
    assert decode_run(run_of([b"a" * 50]), 20) is None
    assert decode_run(run_of([b"a" * 50]), 1) is None


def test_a_run_across_the_wrap_is_left_to_single_packets() -> None:
    data = run_of([b"x", b"y"], first=SEQ_MASK)
    assert decode_run(data, 21) is None
    assert [decode_packet(data[at : at + 21]).seq for at in (0, 21)] == [SEQ_MASK, 0]


@given(near=st.integers(0, 2**40), distance=st.integers(-(2**31), 2**31 - 1))
def test_unwrap_finds_the_nearest_number(near: int, distance: int) -> None:
    assert unwrap(wrap(near + distance), near) == near + distance


@given(
    flags=st.sampled_from((0, FLAG_DATA, FLAG_MESSAGE, FLAG_DATA | FLAG_END)),
    numbers=st.lists(st.integers(0, SEQ_MASK), min_size=4, max_size=4),
    payload=st.binary(max_size=100),
    padding=st.integers(0, 255),
)
def test_packets_survive_the_round_trip(
    flags: int, numbers: list[int], payload: bytes, padding: int
) -> None:
    stream_id, window, seq, ack = numbers
    packet = Packet(flags, stream_id, window, seq, ack, payload, (), padding)
    assert decode_packet(encode_packet(packet)) == packet


def test_control_packets_wrap_their_numbers() -> None:
    data = encode_control(
        FLAG_SACK,
        stream_id=1,
        window=2,
        seq=2**32 + 3,
        ack=2**32 + 4,
        sacks=[(2**32 + 6, 2**32 + 8)],
    )
    packet = decode_packet(data)
    assert (packet.seq, packet.ack, packet.sacks) == (3, 4, ((6, 8),))


def test_a_relay_changes_nothing_but_the_id() -> None:
    data = run_of([b"payload"])
    relayed = with_stream_id(data, 0x01020304)
    assert stream_id_of(relayed) == 0x01020304
    assert relayed[:4] + relayed[8:] == data[:4] + data[8:]
    assert stream_id_of(b"\x00" * 30) is None
    assert stream_id_of(b"\xff\x01short") is None
