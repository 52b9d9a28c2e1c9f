"""Calls of strangers and their answers, damaged: read or refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given, settings

from app.contacts.calls import (
    MAX_GREETING_BYTES,
    Call,
    Verdict,
    decode_answer,
    decode_call,
    encode_answer,
)
from app.identity import attest_data
from net.errors import RemoteProtocolError
from tests.fuzz.mutations import mutated
from tests.unit.app.rooms.people import BO

PROOF = attest_data(BO.proof, BO.device, b"challenge")
CALL = Call(PROOF, "Bo", "hello there", "covey://link")


@given(mutated([CALL.encode()]))
@settings(max_examples=400)
@example(CALL.encode() + b"later")
@example(Call(PROOF, "Bo", "x" * (MAX_GREETING_BYTES + 1), "").encode())
def test_calls_are_read_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        call = decode_call(data)
        assert call.greeting.isprintable()
        assert decode_call(call.encode()) == call


@given(mutated([encode_answer(Verdict.FULL), encode_answer(Verdict.RECEIVED)]))
def test_answers_are_read_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        assert decode_answer(data) in Verdict


def test_nothing_is_no_call() -> None:
    with pytest.raises(RemoteProtocolError):
        decode_call(b"")
