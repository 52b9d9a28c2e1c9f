"""Acts of rooms, damaged: read or refused, and what was read is written alike."""

from __future__ import annotations

from hypothesis import given, settings

from app.rooms.operations import (
    ACT_TYPES,
    Operation,
    decode_operation,
    encode_operation,
)
from app.rooms.operations.acts import Settings
from net.encoding import Writer
from net.errors import RemoteProtocolError
from tests.fuzz.mutations import mutated
from tests.unit.app.rooms.operations.test_acts import EXAMPLES

SEEDS = [
    *(encode_operation(Operation(300, body)) for body in EXAMPLES),
    # Flags and ranks that no version knows yet, a name of nothing.
    Writer().uint(16).uint(1).uint(16).finish(),
    Writer().uint(16).uint(1).uint(8).uint(9).finish(),
    encode_operation(Operation(1, Settings(name="\n", description="\x1b\n"))),
]


@given(mutated(SEEDS))
@settings(max_examples=800)
def test_acts_are_read_or_refused(data: bytes) -> None:
    try:
        operation = decode_operation(data)
    except RemoteProtocolError:
        return
    if not isinstance(operation.body, ACT_TYPES):
        return
    again = encode_operation(operation)
    assert decode_operation(again) == operation
