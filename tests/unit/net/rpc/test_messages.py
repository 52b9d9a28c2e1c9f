"""The codec against recorded datagrams, and its refusals."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from net.errors import RemoteProtocolError
from net.rpc.addresses import pack_address
from net.rpc.messages import (
    MAX_CLOSER_NODES,
    REQUEST,
    RESPONSE,
    RequestMessage,
    ResponseMessage,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from tests.unit.net.rpc.vectors import cases, optional_bytes

TO = bytes(6)
SHORT = st.none() | st.binary(max_size=300)
FIXED = st.none() | st.binary(min_size=32, max_size=32)


def recorded(case: dict[str, Any]) -> RequestMessage:
    return RequestMessage(
        tid=case["tid"],
        to=pack_address((case["to"]["host"], case["to"]["port"])),
        id=optional_bytes(case["sender_id"]),
        token=optional_bytes(case["token"]),
        internal=case["internal"],
        command=case["command"],
        target=optional_bytes(case["target"]),
        value=optional_bytes(case["value"]),
    )


@pytest.mark.parametrize("case", cases("request"), ids=lambda case: case["desc"])
def test_requests_are_the_recorded_bytes(case: dict[str, Any]) -> None:
    packet = bytes.fromhex(case["packet"])
    assert packet[0] == REQUEST
    assert encode_request(recorded(case)) == packet
    assert decode_request(packet) == recorded(case)


@pytest.mark.parametrize("case", cases("response"), ids=lambda case: case["desc"])
def test_recorded_responses_are_read_and_written_again(case: dict[str, Any]) -> None:
    packet = bytes.fromhex(case["packet"])
    assert packet[0] == RESPONSE
    message = decode_response(packet)
    source = case["request_from"]
    assert message.to == pack_address((source["host"], source["port"]))
    assert encode_response(message) == packet


@given(
    st.integers(0, 0xFFFF),
    FIXED,
    FIXED,
    st.booleans(),
    st.integers(0, 2**53 - 1),
    FIXED,
    SHORT,
)
def test_requests_survive_the_round_trip(
    tid: int,
    id_: bytes | None,
    token: bytes | None,
    internal: bool,
    command: int,
    target: bytes | None,
    value: bytes | None,
) -> None:
    message = RequestMessage(tid, TO, id_, token, internal, command, target, value)
    assert decode_request(encode_request(message)) == message


@given(
    st.integers(0, 0xFFFF),
    FIXED,
    FIXED,
    st.integers(0, MAX_CLOSER_NODES),
    st.integers(0, 2**53 - 1),
    SHORT,
)
def test_responses_survive_the_round_trip(
    tid: int,
    id_: bytes | None,
    token: bytes | None,
    closer: int,
    error: int,
    value: bytes | None,
) -> None:
    message = ResponseMessage(tid, TO, id_, token, bytes(6 * closer), error, value)
    assert decode_response(encode_response(message)) == message


@pytest.mark.parametrize("kind", ["request", "response"])
def test_no_field_may_run_over_the_end(kind: str) -> None:
    decode = decode_request if kind == "request" else decode_response
    for case in cases(kind):
        packet = bytes.fromhex(case["packet"])
        for size in range(1, len(packet)):
            with pytest.raises(RemoteProtocolError):
                decode(packet[:size])


def test_bytes_behind_the_last_field_are_ignored() -> None:
    packet = bytes.fromhex(cases("request")[0]["packet"])
    assert decode_request(packet + b"more") == decode_request(packet)


def test_flags_may_be_written_in_more_than_one_byte() -> None:
    packet = bytes.fromhex(cases("request")[0]["packet"])
    long_form = packet[:1] + b"\xfd" + packet[1:2] + b"\0" + packet[2:]
    assert decode_request(long_form) == decode_request(packet)


def test_integers_beyond_what_everybody_can_hold_are_refused() -> None:
    head = bytes((REQUEST, 4, 0, 0)) + TO
    assert decode_request(head + b"\xff" + (2**53 - 1).to_bytes(8, "little"))
    with pytest.raises(RemoteProtocolError):
        decode_request(head + b"\xff" + (2**53).to_bytes(8, "little"))


def test_only_so_many_closer_nodes_are_taken() -> None:
    many = b"".join(pack_address((f"10.0.0.{i}", 1)) for i in range(200))
    message = ResponseMessage(1, TO, None, None, many, 3, b"value")
    decoded = decode_response(encode_response(message))
    assert decoded.closer == many[: 6 * MAX_CLOSER_NODES]
    assert (decoded.error, decoded.value) == (3, b"value")


def test_a_count_no_datagram_could_hold_is_refused() -> None:
    head = bytes((RESPONSE, 4, 0, 0)) + TO
    with pytest.raises(RemoteProtocolError):
        decode_response(head + b"\xff" + (2**52).to_bytes(8, "little"))


def test_an_empty_value_is_not_the_same_as_none() -> None:
    for value in (None, b""):
        request = RequestMessage(1, TO, None, None, False, 5, None, value)
        assert decode_request(encode_request(request)).value == value
        response = ResponseMessage(1, TO, None, None, b"", 0, value)
        assert decode_response(encode_response(response)).value == value
