"""What members say of themselves just now, damaged: a number, or refused."""

from __future__ import annotations

from hypothesis import given

from app.rooms.signals import decode_sign, encode_sign
from net.errors import RemoteProtocolError
from tests.fuzz.mutations import mutated

SIGNS = [encode_sign(state) for state in (0, 1, 2, 1000, 2**40)]


@given(mutated(SIGNS))
def test_signs_are_read_or_refused(data: bytes) -> None:
    try:
        state = decode_sign(data)
    except RemoteProtocolError:
        return
    assert state >= 0
    assert decode_sign(encode_sign(state)) == state
