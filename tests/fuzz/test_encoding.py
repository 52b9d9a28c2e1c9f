"""Compact encoding, damaged: a value or RemoteProtocolError, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from net import encoding
from net.encoding import Reader
from net.errors import RemoteProtocolError
from tests.fuzz.mutations import mutated
from tests.helpers.vectors import load_vectors

CASES = [
    case
    for case in load_vectors("compact-encoding")["cases"]
    if len(case["encoded"]) < 600
]
VALID = [bytes.fromhex(case["encoded"]) for case in CASES]
# A list in a list in a list, far too deep.
NESTED = b"\x07\x01" * 80 + b"\x00"

READERS: dict[str, Callable[[Reader], Any]] = {
    "uint": Reader.uint,
    "uint8": Reader.uint8,
    "uint16": Reader.uint16,
    "uint24": Reader.uint24,
    "uint32": Reader.uint32,
    "uint64": Reader.uint64,
    "uint64be": lambda reader: reader.uint_of_be(8),
    "int": Reader.int,
    "int32": lambda reader: reader.int_of(4),
    "bool": Reader.bool,
    "fixed": lambda reader: reader.fixed(32),
    "buffer": Reader.buffer,
    "bounded buffer": lambda reader: reader.buffer(max_bytes=4),
    "optional_buffer": Reader.optional_buffer,
    "string": Reader.string,
    "ipv4": Reader.ipv4,
    "ipv4_address": Reader.ipv4_address,
    "ipv6_address": Reader.ipv6_address,
    "array": lambda reader: reader.array(Reader.string),
    "bounded array": lambda reader: reader.array(Reader.uint, max_count=2),
    "raw": Reader.raw,
    "lexint": encoding.read_lexint,
    "big_uint": encoding.read_big_uint,
    "big_int": encoding.read_big_int,
    "big_int64": encoding.read_big_int64,
    "float32": encoding.read_float32,
    "float64": encoding.read_float64,
    "date": encoding.read_date,
    "json": encoding.read_json,
    "frame": lambda r: encoding.read_frame(r, lambda inner: inner.array(Reader.uint)),
    "record": lambda r: encoding.read_record(r, Reader.string, Reader.string),
    "typed array": lambda reader: encoding.read_typed_array(reader, 4),
    "bit_array": encoding.read_bit_array,
    "bitfield": lambda reader: encoding.read_bitfield(reader, 11),
    "ip": encoding.read_ip,
    "ip_address": encoding.read_ip_address,
    "any": encoding.read_any,
}


def meant_for(name: str) -> st.SearchStrategy[bytes]:
    """Damaged vectors of the reader's own type, with what reaches its limits."""
    kind = name.split()[-1].replace("_", "").lower()
    valid = [
        bytes.fromhex(case["encoded"])
        for case in CASES
        if case["type"].lower().startswith(kind)
    ]
    return mutated([*(valid or VALID), NESTED]) | mutated(VALID)


DAMAGED = {name: meant_for(name) for name in READERS}


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_a_reader_gives_a_value_or_the_peers_fault(
    name: str, data: st.DataObject
) -> None:
    damaged = data.draw(DAMAGED[name])
    reader = Reader(damaged)
    with suppress(RemoteProtocolError):
        READERS[name](reader)
    assert 0 <= reader.remaining <= len(damaged)


# What random damage meets only now and then, so that the reach does not hang on luck.
@example(b"\x07\x01" * 70, ["any"])
@example(b"\x0b", ["any"])
@example(b"\xfe\xff\xff\xff\x7f", ["bit_array"])
@given(mutated(VALID), st.lists(st.sampled_from(sorted(READERS)), max_size=6))
def test_readers_one_after_the_other(data: bytes, names: list[str]) -> None:
    reader = Reader(memoryview(data))
    left = reader.remaining
    for name in names:
        try:
            READERS[name](reader)
        except RemoteProtocolError:
            return
        assert 0 <= reader.remaining <= left
        left = reader.remaining
