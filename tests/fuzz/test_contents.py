"""What people say in rooms, damaged: read, kept for a newer version, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rooms.operations.contents import READERS, WRITERS, Newer
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError
from tests.fuzz.mutations import mutated
from tests.unit.app.rooms.operations.test_contents import BODIES, ID, encode

VALID = [encode(body) for body in BODIES]
HOSTILE = [
    (2, b"\1\xfe\xff\xff\xff\xff"),
    (2, b"\1\0\x08\0\0"),
    (2, b"\0"),
    (34, b"\1\0"),
    (34, b"\1\x41" + bytes(65 * 68)),
    (34, b"\1\1" + ID + bytes(32) + b"\0\1\2" + (b"b" * 32 + b"\1") * 2),
    (
        34,
        b"\1\x11"
        + (
            ID
            + bytes(32)
            + b"\0\1\x40"
            + b"".join(bytes((n,)) * 32 + b"\1" for n in range(1, 65))
        )
        * 17,
    ),
    (35, b"\1" + ID + b"\0\1"),
    (37, b"\1\1?\1\1a\0\0"),
    (38, b"\1" + ID + b"\2\1\1"),
]


@pytest.mark.parametrize("number", READERS)
@given(data=st.data())
@settings(max_examples=150)
def test_contents_are_read_or_refused(number: int, data: st.DataObject) -> None:
    seeds = [body for kind, body in (*VALID, *HOSTILE) if kind == number]
    raw = data.draw(mutated(seeds))
    try:
        body = READERS[number](Reader(raw))
    except RemoteProtocolError:
        return
    if isinstance(body, Newer):
        assert body.type == number
        assert READERS[number](Reader(body.body)) == body
        return
    writer = Writer()
    WRITERS[type(body)][1](writer, body)
    assert READERS[number](Reader(writer.finish())) == body
