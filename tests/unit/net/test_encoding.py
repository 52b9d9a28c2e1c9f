"""Compact encoding against npm's bytes, and where it must refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from net.constants import MAX_ARRAY_COUNT, MAX_SAFE_UINT
from net.encoding import Reader, Writer
from net.errors import LocalProtocolError, RemoteProtocolError
from tests.helpers.vectors import load_vectors

CASES: list[dict[str, Any]] = load_vectors("compact-encoding")["cases"]

Write = Callable[[Writer, Any], object]
Read = Callable[[Reader], object]


def address(value: dict[str, Any]) -> tuple[str, int]:
    return value["host"], value["port"]


def full_ipv6(host: str) -> str:
    return Writer().ipv6(host).finish().hex()


CODECS: dict[str, tuple[Write, Read]] = {
    "uint": (Writer.uint, Reader.uint),
    "int": (Writer.int, Reader.int),
    "uint8": (Writer.uint8, Reader.uint8),
    "uint16": (Writer.uint16, Reader.uint16),
    "uint24": (Writer.uint24, Reader.uint24),
    "uint32": (Writer.uint32, Reader.uint32),
    "uint64": (Writer.uint64, Reader.uint64),
    "bool": (Writer.bool, Reader.bool),
    "string": (Writer.string, Reader.string),
    "ascii": (Writer.string, Reader.string),
    "ipv4": (Writer.ipv4, Reader.ipv4),
}
for _bits in (40, 48, 56):
    CODECS[f"uint{_bits}"] = (
        lambda writer, value, size=_bits // 8: writer.uint_of(value, size),
        lambda reader, size=_bits // 8: reader.uint_of(size),
    )
for _bits in (32, 64):
    CODECS[f"uint{_bits}be"] = (
        lambda writer, value, size=_bits // 8: writer.uint_of_be(value, size),
        lambda reader, size=_bits // 8: reader.uint_of_be(size),
    )
for _bits in (8, 16, 24, 32, 64):
    CODECS[f"int{_bits}"] = (
        lambda writer, value, size=_bits // 8: writer.int_of(value, size),
        lambda reader, size=_bits // 8: reader.int_of(size),
    )

HEX_CODECS: dict[str, tuple[Write, Read]] = {
    "buffer": (Writer.buffer, Reader.buffer),
    "hex (string stored as bytes of the hex)": (Writer.buffer, Reader.buffer),
    "fixed32": (lambda w, v: w.fixed(v, 32), lambda r: r.fixed(32)),
    "fixed64": (lambda w, v: w.fixed(v, 64), lambda r: r.fixed(64)),
    "raw": (Writer.raw, Reader.raw),
}

ADDRESS_CODECS: dict[str, tuple[Write, Read]] = {
    "ipv4Address": (Writer.ipv4_address, Reader.ipv4_address),
    "ipv6Address": (Writer.ipv6_address, Reader.ipv6_address),
}


def of_types(*tables: dict[str, Any]) -> list[Any]:
    return [
        pytest.param(case, id=f"{case['type']}-{case['encoded'][:24]}")
        for case in CASES
        if any(case["type"] in table for table in tables)
    ]


@pytest.mark.parametrize("case", of_types(CODECS))
def test_vector(case: dict[str, Any]) -> None:
    write, read = CODECS[case["type"]]
    writer = Writer()
    write(writer, case["value"])
    assert writer.finish().hex() == case["encoded"]
    assert read(Reader(bytes.fromhex(case["encoded"]))) == case["value"]


@pytest.mark.parametrize("case", of_types(HEX_CODECS))
def test_vector_of_bytes(case: dict[str, Any]) -> None:
    write, read = HEX_CODECS[case["type"]]
    writer = Writer()
    write(writer, bytes.fromhex(case["value"]))
    assert writer.finish().hex() == case["encoded"]
    assert read(Reader(bytes.fromhex(case["encoded"]))) == bytes.fromhex(case["value"])


@pytest.mark.parametrize("case", of_types(ADDRESS_CODECS))
def test_vector_of_addresses(case: dict[str, Any]) -> None:
    write, read = ADDRESS_CODECS[case["type"]]
    writer = Writer()
    write(writer, address(case["value"]))
    assert writer.finish().hex() == case["encoded"]
    host, port = read(Reader(bytes.fromhex(case["encoded"])))  # type: ignore[misc]
    assert port == case["value"]["port"]
    again = Writer()
    write(again, (host, port))
    assert again.finish().hex() == case["encoded"]


@pytest.mark.parametrize("case", of_types({"optionalBuffer": 0}))
def test_optional_buffer(case: dict[str, Any]) -> None:
    value = None if case["value"] is None else bytes.fromhex(case["value"])
    assert Writer().optional_buffer(value).finish().hex() == case["encoded"]
    read = Reader(bytes.fromhex(case["encoded"])).optional_buffer()
    assert read == (value or None)


@pytest.mark.parametrize("case", of_types({"ipv6": 0, "ipv6 decode form": 0}))
def test_ipv6(case: dict[str, Any]) -> None:
    assert full_ipv6(case["value"]) == case["encoded"]
    read = Reader(bytes.fromhex(case["encoded"])).ipv6()
    assert "::" not in read
    assert full_ipv6(read) == case["encoded"]


@pytest.mark.parametrize(
    "case", of_types({"array(uint)": 0, "array(string)": 0, "array(ipv4Address)": 0})
)
def test_array(case: dict[str, Any]) -> None:
    name = case["type"].removeprefix("array(").removesuffix(")")
    write, read = {**CODECS, **ADDRESS_CODECS}[name]
    values = [address(v) if isinstance(v, dict) else v for v in case["value"]]
    writer = Writer().array(values, write)
    assert writer.finish().hex() == case["encoded"]
    assert Reader(bytes.fromhex(case["encoded"])).array(read) == values


def test_a_uint_may_be_longer_than_needed() -> None:
    for encoded in ("fd0500", "fe05000000", "ff0500000000000000"):
        assert Reader(bytes.fromhex(encoded)).uint() == 5


@pytest.mark.parametrize("encoded", ["", "fd", "fd00", "fe000000", "ff00000000000000"])
def test_a_uint_that_is_cut_is_refused(encoded: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        Reader(bytes.fromhex(encoded)).uint()
    assert caught.value.code == "too-short"


def test_a_uint_above_the_safe_range_is_refused() -> None:
    assert Reader(Writer().uint(MAX_SAFE_UINT).finish()).uint() == MAX_SAFE_UINT
    with pytest.raises(RemoteProtocolError) as caught:
        Reader(bytes.fromhex("ff00000000000020 00".replace(" ", ""))).uint()
    assert caught.value.code == "too-large"
    for value in (-1, MAX_SAFE_UINT + 1):
        with pytest.raises(LocalProtocolError):
            Writer().uint(value)


def test_a_fixed_width_is_not_exceeded() -> None:
    for write, limit in (
        (Writer.uint8, 2**8),
        (Writer.uint16, 2**16),
        (Writer.uint24, 2**24),
        (Writer.uint32, 2**32),
    ):
        write(Writer(), limit - 1)
        with pytest.raises(LocalProtocolError):
            write(Writer(), limit)
        with pytest.raises(LocalProtocolError):
            write(Writer(), -1)


def test_lengths_are_checked_before_bytes_are_taken() -> None:
    data = Writer().buffer(b"12345").finish()
    assert Reader(data).buffer(max_bytes=5) == b"12345"
    for read in (Reader.buffer, Reader.optional_buffer, Reader.string):
        with pytest.raises(RemoteProtocolError) as caught:
            read(Reader(data), max_bytes=4)
        assert caught.value.code == "too-large"
    with pytest.raises(RemoteProtocolError):
        Reader(bytes.fromhex("fe00000010")).buffer()


def test_array_counts_are_limited() -> None:
    data = Writer().array([1, 2, 3], Writer.uint).finish()
    assert Reader(data).array(Reader.uint, max_count=3) == [1, 2, 3]
    with pytest.raises(RemoteProtocolError):
        Reader(data).array(Reader.uint, max_count=2)
    too_many = Writer().uint(MAX_ARRAY_COUNT + 1).finish()
    with pytest.raises(RemoteProtocolError):
        Reader(too_many).array(lambda _: None)
    with pytest.raises(LocalProtocolError):
        Writer().array(range(MAX_ARRAY_COUNT + 1), lambda *_: None)


def test_text_must_be_utf8() -> None:
    with pytest.raises(RemoteProtocolError):
        Reader(b"\x01\xff").string()
    with pytest.raises(LocalProtocolError):
        Writer().string("\ud800")


def test_a_fixed_field_has_its_size() -> None:
    with pytest.raises(LocalProtocolError):
        Writer().fixed(b"123", 4)
    with pytest.raises(RemoteProtocolError):
        Reader(b"123").fixed(4)


@pytest.mark.parametrize("host", ["1.2.3", "1.2.3.256", "a.b.c.d", "", "::1"])
def test_bad_ipv4_text_is_refused(host: str) -> None:
    with pytest.raises(LocalProtocolError):
        Writer().ipv4(host)


@pytest.mark.parametrize("host", ["1.2.3.4", "", "::g", "1::2::3"])
def test_bad_ipv6_text_is_refused(host: str) -> None:
    with pytest.raises(LocalProtocolError):
        Writer().ipv6(host)


def test_any_byte_but_one_is_false() -> None:
    assert [Reader(bytes((byte,))).bool() for byte in (0, 1, 2, 255)] == [
        False,
        True,
        False,
        False,
    ]


def test_reads_from_views_and_gives_bytes() -> None:
    data = Writer().uint(7).buffer(b"abc").string("d").uint8(9).raw(b"rest").finish()
    reader = Reader(memoryview(bytearray(data)))
    assert reader.uint() == 7
    taken = reader.buffer()
    assert (type(taken), taken) == (bytes, b"abc")
    assert reader.string() == "d"
    assert reader.uint8() == 9
    assert reader.remaining == 4
    assert reader.raw() == b"rest"
    assert reader.remaining == 0
    with pytest.raises(RemoteProtocolError):
        reader.uint8()


def test_a_writer_knows_its_length() -> None:
    writer = Writer().uint(300).raw(b"ab")
    assert len(writer) == 5
    assert bytes(writer) == writer.finish() == bytes.fromhex("fd2c01") + b"ab"


@given(st.integers(0, MAX_SAFE_UINT))
def test_uint_round_trip(value: int) -> None:
    encoded = Writer().uint(value).finish()
    assert Reader(encoded).uint() == value
    for cut in range(len(encoded)):
        with pytest.raises(RemoteProtocolError):
            Reader(encoded[:cut]).uint()


@given(st.integers(-(2**52), 2**52 - 1))
def test_int_round_trip(value: int) -> None:
    assert Reader(Writer().int(value).finish()).int() == value


@given(st.lists(st.text(max_size=10), max_size=10), st.binary(max_size=300))
def test_mixed_round_trip(texts: list[str], data: bytes) -> None:
    encoded = Writer().array(texts, Writer.string).buffer(data).finish()
    reader = Reader(encoded)
    assert reader.array(Reader.string) == texts
    assert reader.buffer() == data
    assert reader.remaining == 0


@given(st.ip_addresses(), st.integers(0, 65535))
def test_address_round_trip(ip: Any, port: int) -> None:
    if ip.version == 4:
        encoded = Writer().ipv4_address((str(ip), port)).finish()
        assert Reader(encoded).ipv4_address() == (str(ip), port)
        assert Reader(encoded).ipv4() == str(ip)
    else:
        encoded = Writer().ipv6_address((str(ip), port)).finish()
        host, read_port = Reader(encoded).ipv6_address()
        assert (full_ipv6(host), read_port) == (ip.packed.hex(), port)
