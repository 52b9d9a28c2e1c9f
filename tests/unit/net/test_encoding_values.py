"""The less used encodings against npm's bytes, and where they must refuse."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from net import encoding
from net.encoding import Reader, Value, Writer, values
from net.errors import LocalProtocolError, RemoteProtocolError
from tests.helpers.vectors import load_vectors
from tests.unit.net import test_encoding

CASES: list[dict[str, Any]] = load_vectors("compact-encoding")["cases"]
UNIX_MS = 1700000000123
DATE = datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)

Write = Callable[[Writer, Any], object]
Read = Callable[[Reader], object]


def any_value(value: Any) -> Value:
    """The vector's JSON form of an ``any`` value as the value itself."""
    if isinstance(value, dict) and set(value) == {"buffer"}:
        return bytes.fromhex(value["buffer"])
    if isinstance(value, dict) and set(value) == {"date"}:
        assert value["date"] == UNIX_MS
        return DATE
    return value  # type: ignore[no-any-return]


def write_string_record(writer: Writer, value: dict[str, str]) -> None:
    encoding.write_record(writer, value, Writer.string, Writer.string)


def read_string_record(reader: Reader) -> dict[str, str]:
    return encoding.read_record(reader, Reader.string, Reader.string)


def same(value: Any) -> Any:
    return value


CODECS: dict[str, tuple[Write, Read, Callable[[Any], Any]]] = {
    "biguint64": (encoding.write_big_uint64, encoding.read_big_uint64, int),
    "bigint64": (encoding.write_big_int64, encoding.read_big_int64, int),
    "biguint": (encoding.write_big_uint, encoding.read_big_uint, int),
    "bigint": (encoding.write_big_int, encoding.read_big_int, int),
    "lexint": (encoding.write_lexint, encoding.read_lexint, same),
    "float32": (
        encoding.write_float32,
        encoding.read_float32,
        lambda v: struct.unpack("<f", struct.pack("<f", v))[0],
    ),
    "float64": (encoding.write_float64, encoding.read_float64, same),
    "bitarray": (encoding.write_bit_array, encoding.read_bit_array, same),
    "uint32array": (
        lambda w, v: encoding.write_typed_array(w, v, 4),
        lambda r: encoding.read_typed_array(r, 4),
        same,
    ),
    "date (ms)": (encoding.write_date, encoding.read_date, lambda _: DATE),
    "json": (encoding.write_json, encoding.read_json, same),
    "ndjson": (
        lambda w, v: encoding.write_json(w, v, newline=True),
        encoding.read_json,
        same,
    ),
    "any": (encoding.write_any, encoding.read_any, any_value),
    "record(string,string)": (write_string_record, read_string_record, same),
    "frame(array(uint))": (
        lambda w, v: encoding.write_frame(w, lambda inner: inner.array(v, Writer.uint)),
        lambda r: encoding.read_frame(r, lambda inner: inner.array(Reader.uint)),
        same,
    ),
}


def of_types(*names: str) -> list[Any]:
    return [
        pytest.param(case, id=f"{case['type']}-{case['encoded'][:24]}")
        for case in CASES
        if case["type"] in names
    ]


@pytest.mark.parametrize("case", of_types(*CODECS))
def test_vector(case: dict[str, Any]) -> None:
    write, read, convert = CODECS[case["type"]]
    value = convert(case["value"])
    writer = Writer()
    write(writer, value)
    assert writer.finish().hex() == case["encoded"]
    decoded = read(Reader(bytes.fromhex(case["encoded"])))
    if case["type"] == "lexint" and case["encoded"].startswith("ff"):
        # Large numbers keep 48 bits, so a few low ones may be lost.
        assert isinstance(decoded, int)
        assert 0 <= value - decoded < 2 ** (value.bit_length() - 44)
    else:
        assert decoded == value


@pytest.mark.parametrize("case", of_types("ip", "ipAddress"))
def test_ip_vector(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["encoded"])
    writer, again = Writer(), Writer()
    if case["type"] == "ip":
        encoding.write_ip(writer, case["value"])
        encoding.write_ip(again, encoding.read_ip(Reader(data)))
    else:
        address = case["value"]["host"], case["value"]["port"]
        encoding.write_ip_address(writer, address)
        encoding.write_ip_address(again, encoding.read_ip_address(Reader(data)))
    assert writer.finish() == again.finish() == data


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["type"].startswith("bitfield")]
)
def test_bitfield_vector(case: dict[str, Any]) -> None:
    size = int(case["type"].removeprefix("bitfield(").removesuffix(")"))
    writer = Writer()
    encoding.write_bitfield(writer, case["value"], size)
    assert writer.finish().hex() == case["encoded"]
    bits = encoding.read_bitfield(Reader(bytes.fromhex(case["encoded"])), size)
    assert len(bits) == size
    assert bits == case["value"] + [False] * (size - len(case["value"]))


def test_every_vector_has_a_test() -> None:
    tested = {
        *CODECS,
        *test_encoding.CODECS,
        *test_encoding.HEX_CODECS,
        *test_encoding.ADDRESS_CODECS,
    }
    elsewhere = {
        "array(ipv4Address)",
        "array(string)",
        "array(uint)",
        "bitfield(16)",
        "bitfield(32)",
        "bitfield(7)",
        "bitfield(8)",
        "ip",
        "ipAddress",
        "ipv6",
        "ipv6 decode form",
        "none",
        "optionalBuffer",
    }
    assert {case["type"] for case in CASES} - tested == elsewhere


def test_eight_byte_integers_are_limited() -> None:
    for value in (-1, 2**64):
        with pytest.raises(LocalProtocolError):
            encoding.write_big_uint64(Writer(), value)


def test_a_frame_hides_what_follows_and_skips_its_rest() -> None:
    data = Writer().buffer(b"\x01\x02\x03").uint(9).finish()
    reader = Reader(data)
    assert encoding.read_frame(reader, Reader.uint) == 1
    assert reader.uint() == 9
    with pytest.raises(RemoteProtocolError):
        encoding.read_frame(Reader(b"\x01\xfd\x01\x00"), Reader.uint)


def test_lexint_sorts_like_numbers() -> None:
    numbers = [0, 1, 250, 251, 255, 256, 65535, 65536, 2**24 - 1, 2**24, 2**32 - 1]
    numbers += [2**32 + 251, 2**40, 2**50, 2**53 - 1]
    encoded = []
    for number in numbers:
        writer = Writer()
        encoding.write_lexint(writer, number)
        encoded.append(writer.finish())
    assert encoded == sorted(encoded)


@given(st.integers(0, 2**53 - 1))
def test_lexint_round_trip(value: int) -> None:
    writer = Writer()
    if 2**32 <= value < 2**32 + 251:
        with pytest.raises(LocalProtocolError):
            encoding.write_lexint(writer, value)
        return
    encoding.write_lexint(writer, value)
    decoded = encoding.read_lexint(Reader(writer.finish()))
    assert 0 <= value - decoded < max(1, 2 ** (value.bit_length() - 44))


@pytest.mark.parametrize("value", [-1, 2**32, 2**32 + 250, 2**53])
def test_lexint_refuses(value: int) -> None:
    with pytest.raises(LocalProtocolError):
        encoding.write_lexint(Writer(), value)


def test_lexint_refuses_large_exponents() -> None:
    assert encoding.read_lexint(Reader(b"\xff\x14" + bytes(6))) == 251
    with pytest.raises(RemoteProtocolError):
        encoding.read_lexint(Reader(b"\xff\x15" + bytes(6)))


def test_big_integers_are_limited() -> None:
    limit = values.MAX_BIG_INTEGER_WORDS
    writer = Writer()
    encoding.write_big_uint(writer, 2 ** (64 * limit) - 1)
    assert encoding.read_big_uint(Reader(writer.finish())) == 2 ** (64 * limit) - 1
    with pytest.raises(LocalProtocolError):
        encoding.write_big_uint(Writer(), 2 ** (64 * limit))
    with pytest.raises(LocalProtocolError):
        encoding.write_big_uint(Writer(), -1)
    data = Writer().uint(limit + 1).raw(bytes(8 * (limit + 1))).finish()
    with pytest.raises(RemoteProtocolError):
        encoding.read_big_uint(Reader(data))


def test_dates_stay_in_the_calendar() -> None:
    with pytest.raises(RemoteProtocolError):
        encoding.read_date(Reader(Writer().int(2**52 - 1).finish()))
    with pytest.raises(LocalProtocolError):
        encoding.write_date(Writer(), datetime(2023, 1, 1))


def test_json_that_is_none_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        encoding.read_json(Reader(Writer().string("{").finish()))
    nested = "[" * 200_000
    with pytest.raises(RemoteProtocolError):
        encoding.read_json(Reader(Writer().string(nested).finish()))
    with pytest.raises(RemoteProtocolError):
        encoding.read_json(Reader(Writer().string("[1]").finish()), max_bytes=2)
    for value in (object(), float("nan")):
        with pytest.raises(LocalProtocolError):
            encoding.write_json(Writer(), value)


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        encoding.read_any(Reader(b"\x0a"))
    with pytest.raises(RemoteProtocolError):
        encoding.read_ip(Reader(b"\x05\x01\x02\x03\x04"))


def test_any_has_a_depth() -> None:
    nested: Value = None
    for _ in range(values.MAX_ANY_DEPTH):
        nested = [nested]
    writer = Writer()
    encoding.write_any(writer, nested)
    assert encoding.read_any(Reader(writer.finish())) == nested
    with pytest.raises(LocalProtocolError):
        encoding.write_any(Writer(), [nested])
    with pytest.raises(RemoteProtocolError):
        encoding.read_any(Reader(b"\x07\x01" + writer.finish()))


def test_any_has_a_count() -> None:
    too_many = values.MAX_ANY_COUNT + 1
    for kind in (7, 8):
        data = Writer().uint(kind).uint(too_many).raw(bytes(2 * too_many)).finish()
        with pytest.raises(RemoteProtocolError):
            encoding.read_any(Reader(data))


def test_bit_fields_are_limited() -> None:
    with pytest.raises(LocalProtocolError):
        encoding.write_bitfield(Writer(), [True] * 8, 7)
    with pytest.raises(LocalProtocolError):
        encoding.write_bitfield(Writer(), [], 65)
    writer = Writer()
    encoding.write_bitfield(writer, [True] * 64, 64)
    assert encoding.read_bitfield(Reader(writer.finish()), 64) == [True] * 64
    # A field that was sent wider or narrower than expected is read all the same.
    assert encoding.read_bitfield(Reader(writer.finish()), 7) == [True] * 7
    assert encoding.read_bitfield(Reader(b"\x01"), 9) == [True] + [False] * 8
    with pytest.raises(RemoteProtocolError):
        encoding.read_bit_array(Reader(b"\x08\xff"), max_count=7)


any_values = st.recursive(
    st.none()
    | st.booleans()
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.integers(-(2**52), 2**53 - 1)
    | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(any_values)
def test_any_round_trip(value: Value) -> None:
    writer = Writer()
    encoding.write_any(writer, value)
    assert encoding.read_any(Reader(writer.finish())) == value


@given(st.lists(st.booleans(), max_size=70))
def test_bits_round_trip(bits: list[bool]) -> None:
    writer = Writer()
    encoding.write_bit_array(writer, bits)
    assert encoding.read_bit_array(Reader(writer.finish())) == bits
