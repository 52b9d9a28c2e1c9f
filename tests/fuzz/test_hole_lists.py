"""What members tell of holes in logs, damaged: something that can be, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rooms.hole_lists import decode_ask, decode_list, encode_ask, encode_list
from net.encoding import Writer
from net.errors import RemoteProtocolError
from tests.fuzz.mutations import mutated
from tests.unit.app.rooms.test_hole_lists import ASK, LOG, TOLD

ASKS = [encode_ask(ASK)]
LISTS = [encode_list(TOLD)]
HOSTILE = [
    # No clock, links out of order, too many, and an end before the last hole.
    LOG + b"\0\1\1" + b"\0\0\0",
    LOG + b"\0\1\1" + b"\0\1\2" + b"b" * 32 + b"\1" + b"a" * 32 + b"\1",
    LOG
    + b"\0\x40\x40"
    + (b"\0\1\x40" + b"".join(bytes((n,)) * 32 + b"\1" for n in range(1, 65))) * 64,
    LOG + b"\1\1\1" + b"\0\1\0",
    LOG + Writer().uint(0).uint(0).uint(2**40).finish(),
]


@given(mutated(ASKS))
def test_questions_are_read_or_refused(data: bytes) -> None:
    try:
        ask = decode_ask(data)
    except RemoteProtocolError:
        return
    assert decode_ask(encode_ask(ask)) == ask


@settings(max_examples=300)
@given(mutated(LISTS) | st.sampled_from(HOSTILE))
def test_lists_are_read_or_refused(data: bytes) -> None:
    try:
        told = decode_list(data)
    except RemoteProtocolError:
        return
    at = told.start
    for hole in told.holes:
        assert hole.sequence >= at
        assert hole.clock > 0
        assert all(link.length > 0 for link in hole.links)
        at = hole.sequence + 1
    assert at <= told.end
    assert decode_list(encode_list(told)) == told


@pytest.mark.parametrize("data", HOSTILE)
def test_what_cannot_be_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_list(data)
