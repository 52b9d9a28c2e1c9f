"""Compact encoding: the less used types, as pairs of functions on a writer or reader.

The layouts stand at each writer. Readers raise ``RemoteProtocolError``, writers
``LocalProtocolError``. Follows npm compact-encoding 3.5.2 and compact-encoding-bitfield
1.1.0.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar

from net.constants import MAX_ARRAY_COUNT
from net.encoding.compact import (
    Address,
    Reader,
    Writer,
    zig_zag,
    zig_zag_inverse,
)
from net.errors import LocalProtocolError, RemoteProtocolError

Value: TypeAlias = (
    "bool | str | bytes | float | list[Value] | dict[str, Value] | datetime | None"
)
"""What ``any`` can carry."""

MAX_ANY_DEPTH: Final = 64
"""Lists and objects inside each other in one ``any`` value."""

MAX_ANY_COUNT: Final = 0x10000
"""Elements of one list or object in an ``any`` value."""

MAX_BIG_INTEGER_WORDS: Final = 128
"""Eight-byte words of one big integer."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LEXINT_BIAS: Final = 251
_ANY_NULL, _ANY_BOOL, _ANY_STRING, _ANY_BUFFER, _ANY_UINT = range(5)
_ANY_INT, _ANY_FLOAT, _ANY_ARRAY, _ANY_OBJECT, _ANY_DATE = range(5, 10)

K = TypeVar("K")
V = TypeVar("V")


def write_float32(writer: Writer, value: float) -> None:
    """Four bytes, IEEE 754."""
    writer.raw(struct.pack("<f", value))


def read_float32(reader: Reader) -> float:
    """Four bytes, IEEE 754."""
    (value,) = struct.unpack("<f", reader.fixed(4))
    return float(value)


def write_float64(writer: Writer, value: float) -> None:
    """Eight bytes, IEEE 754."""
    writer.raw(struct.pack("<d", value))


def read_float64(reader: Reader) -> float:
    """Eight bytes, IEEE 754."""
    (value,) = struct.unpack("<d", reader.fixed(8))
    return float(value)


def write_lexint(writer: Writer, value: int) -> None:
    """An unsigned integer whose bytes sort like the numbers.

    Below 251 one byte. Else ``value - 251`` in 1 to 4 big endian bytes after fb, fc, fd
    or fe, chosen by the size of ``value``; above 2^32 - 1 ff, the exponent (itself a
    lexint) and the leading 48 bits of ``value - 251``, so large numbers lose precision.
    """
    if value < 0:
        raise LocalProtocolError(f"{value} is negative")
    if value < _LEXINT_BIAS:
        writer.uint8(value)
        return
    rest = value - _LEXINT_BIAS
    for width_bytes in range(1, 5):
        if value < 1 << (8 * width_bytes):
            writer.uint8(0xFA + width_bytes).uint_of_be(rest, width_bytes)
            return
    exponent = rest.bit_length() - 1 - 32
    if exponent < 0 or value > 2**53 - 1:
        raise LocalProtocolError(f"{value} has no order-preserving form")
    shift = exponent - 11
    mantissa = rest >> shift if shift >= 0 else rest << -shift
    writer.uint8(0xFF)
    write_lexint(writer, exponent)
    writer.uint_of_be(mantissa >> 16, 4).uint_of_be(mantissa & 0xFFFF, 2)


def read_lexint(reader: Reader) -> int:
    """The inverse of ``write_lexint``; the low bits of large numbers are zero."""
    first = reader.uint8()
    if first < _LEXINT_BIAS:
        return first
    if first < 0xFF:
        return reader.uint_of_be(first - 0xFA) + _LEXINT_BIAS
    exponent = reader.uint8()
    if exponent > 20:
        raise RemoteProtocolError("an integer above 2^53 - 1", code="too-large")
    mantissa = reader.uint_of_be(4) << 16 | reader.uint_of_be(2)
    shift = exponent - 11
    rest = mantissa << shift if shift >= 0 else mantissa >> -shift
    return rest + _LEXINT_BIAS


def write_big_uint(writer: Writer, value: int) -> None:
    """uint count of words, then that many 8-byte words, least significant first."""
    if value < 0:
        raise LocalProtocolError(f"{value} is negative")
    words = (value.bit_length() + 63) // 64
    if words > MAX_BIG_INTEGER_WORDS:
        raise LocalProtocolError(f"an integer of {words} words is too large")
    writer.uint(words).raw(value.to_bytes(8 * words, "little"))


def read_big_uint(reader: Reader) -> int:
    """The inverse of ``write_big_uint``."""
    words = reader.uint()
    if words > MAX_BIG_INTEGER_WORDS:
        raise RemoteProtocolError(f"an integer of {words} words", code="too-large")
    return int.from_bytes(reader.fixed(8 * words), "little")


def write_big_int(writer: Writer, value: int) -> None:
    """The zig-zag form of a signed integer as ``write_big_uint`` writes it."""
    write_big_uint(writer, zig_zag(value))


def read_big_int(reader: Reader) -> int:
    """The inverse of ``write_big_int``."""
    return zig_zag_inverse(read_big_uint(reader))


def write_big_uint64(writer: Writer, value: int) -> None:
    """Eight bytes of the full range, not only up to 2^53 - 1."""
    if not 0 <= value < 1 << 64:
        raise LocalProtocolError(f"{value} does not fit in 8 bytes")
    writer.raw(value.to_bytes(8, "little"))


def read_big_uint64(reader: Reader) -> int:
    """The inverse of ``write_big_uint64``."""
    return int.from_bytes(reader.fixed(8), "little")


def write_big_int64(writer: Writer, value: int) -> None:
    """The zig-zag form of a signed integer as ``write_big_uint64`` writes it."""
    write_big_uint64(writer, zig_zag(value))


def read_big_int64(reader: Reader) -> int:
    """The inverse of ``write_big_int64``."""
    return zig_zag_inverse(read_big_uint64(reader))


def write_date(writer: Writer, value: datetime) -> None:
    """int of milliseconds since 1970; needs an aware datetime."""
    if value.tzinfo is None:
        raise LocalProtocolError("a date without a time zone")
    writer.int((value - _EPOCH) // timedelta(milliseconds=1))


def read_date(reader: Reader) -> datetime:
    """The inverse of ``write_date``, in UTC."""
    milliseconds = reader.int()
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError as error:
        raise RemoteProtocolError("a date outside of the calendar") from error


def write_json(writer: Writer, value: Any, *, newline: bool = False) -> None:
    """A string of JSON without spaces, with ``newline`` ended by one (ndjson)."""
    try:
        text = json.dumps(
            value, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError("value has no JSON form") from error
    writer.string(text + "\n" if newline else text)


def read_json(reader: Reader, *, max_bytes: int | None = None) -> Any:
    """The inverse of ``write_json``, with or without a newline."""
    try:
        return json.loads(reader.string(max_bytes=max_bytes))
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("text is not JSON") from error


def write_frame(writer: Writer, write_item: Callable[[Writer], object]) -> None:
    """uint byte length, then what ``write_item(writer)`` writes."""
    inner = Writer()
    write_item(inner)
    writer.buffer(bytes(inner))


def read_frame(reader: Reader, read_item: Callable[[Reader], V]) -> V:
    """Read an item inside its own length; what it leaves of that is skipped."""
    return read_item(Reader(reader.buffer()))


def write_record(
    writer: Writer,
    record: Mapping[K, V],
    write_key: Callable[[Writer, K], object],
    write_value: Callable[[Writer, V], object],
) -> None:
    """uint count, then key and value of each entry."""
    writer.uint(len(record))
    for key, value in record.items():
        write_key(writer, key)
        write_value(writer, value)


def read_record(
    reader: Reader,
    read_key: Callable[[Reader], K],
    read_value: Callable[[Reader], V],
    *,
    max_count: int = MAX_ARRAY_COUNT,
) -> dict[K, V]:
    """The inverse of ``write_record``; of equal keys the last counts."""
    return dict(
        reader.array(
            lambda item: (read_key(item), read_value(item)), max_count=max_count
        )
    )


def write_typed_array(writer: Writer, values: Sequence[int], width_bytes: int) -> None:
    """uint count, then each value in ``width_bytes`` little endian bytes."""
    writer.array(values, lambda inner, value: inner.uint_of(value, width_bytes))


def read_typed_array(
    reader: Reader, width_bytes: int, *, max_count: int = MAX_ARRAY_COUNT
) -> list[int]:
    """The inverse of ``write_typed_array``."""
    return reader.array(lambda item: item.uint_of(width_bytes), max_count=max_count)


def write_bit_array(writer: Writer, bits: Sequence[bool]) -> None:
    """uint bit count, then the bits, lowest of each byte first."""
    writer.uint(len(bits)).raw(_pack_bits(bits, (len(bits) + 7) // 8))


def read_bit_array(reader: Reader, *, max_count: int = MAX_ARRAY_COUNT) -> list[bool]:
    """The inverse of ``write_bit_array``."""
    count = reader.uint()
    if count > max_count:
        raise RemoteProtocolError(f"a bit array of {count} bits", code="too-large")
    return _unpack_bits(reader.fixed((count + 7) // 8), count)


def write_bitfield(writer: Writer, bits: Sequence[bool], size: int) -> None:
    """``size`` bits: below 8 one byte, else fd, fe or ff and 2, 4 or 8 bytes."""
    if len(bits) > size:
        raise LocalProtocolError(f"{len(bits)} bits in a field of {size}")
    if size < 8:
        writer.raw(_pack_bits(bits, 1))
        return
    for prefix, width_bytes in ((0xFD, 2), (0xFE, 4), (0xFF, 8)):
        if size <= 8 * width_bytes:
            writer.uint8(prefix).raw(_pack_bits(bits, width_bytes))
            return
    raise LocalProtocolError(f"a bit field of {size} bits")


def read_bitfield(reader: Reader, size: int) -> list[bool]:
    """The inverse of ``write_bitfield``; bits that were not sent are False.

    The first byte alone says how many bytes follow, whatever ``size`` is.
    """
    first = reader.uint8()
    packed = bytes((first,)) if first < 0xFD else reader.fixed(1 << (first - 0xFC))
    bits = _unpack_bits(packed, min(size, 8 * len(packed)))
    return bits + [False] * (size - len(bits))


def write_ip(writer: Writer, host: str) -> None:
    """A family byte, 04 or 06, then the address."""
    if ":" in host:
        writer.uint8(6).ipv6(host)
    else:
        writer.uint8(4).ipv4(host)


def read_ip(reader: Reader) -> str:
    """The inverse of ``write_ip``."""
    family = reader.uint8()
    if family == 4:
        return reader.ipv4()
    if family == 6:
        return reader.ipv6()
    raise RemoteProtocolError(f"address family {family}")


def write_ip_address(writer: Writer, address: Address) -> None:
    """Family byte and address, then the port as uint16."""
    write_ip(writer, address[0])
    writer.uint16(address[1])


def read_ip_address(reader: Reader) -> Address:
    """The inverse of ``write_ip_address``."""
    return read_ip(reader), reader.uint16()


def write_any(writer: Writer, value: Value, *, depth: int = 0) -> None:
    """uint type, then the value: null bool string buffer uint int float list map date.

    A whole number is written as uint or int, whatever its Python type.
    """
    if depth > MAX_ANY_DEPTH:
        raise LocalProtocolError("a value nested too deep")
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**52:
        value = int(value)
    if value is None:
        writer.uint(_ANY_NULL)
    elif isinstance(value, bool):
        writer.uint(_ANY_BOOL).bool(value)
    elif isinstance(value, str):
        writer.uint(_ANY_STRING).string(value)
    elif isinstance(value, bytes):
        writer.uint(_ANY_BUFFER).buffer(value)
    elif isinstance(value, int):
        if value >= 0:
            writer.uint(_ANY_UINT).uint(value)
        else:
            writer.uint(_ANY_INT).int(value)
    elif isinstance(value, float):
        write_float64(writer.uint(_ANY_FLOAT), value)
    elif isinstance(value, list):
        writer.uint(_ANY_ARRAY).array(
            value, lambda inner, item: write_any(inner, item, depth=depth + 1)
        )
    elif isinstance(value, dict):
        write_record(
            writer.uint(_ANY_OBJECT),
            value,
            Writer.string,
            lambda inner, item: write_any(inner, item, depth=depth + 1),
        )
    else:
        write_date(writer.uint(_ANY_DATE), value)


def read_any(reader: Reader, *, depth: int = 0) -> Value:
    """The inverse of ``write_any``, at most ``MAX_ANY_DEPTH`` deep."""
    if depth > MAX_ANY_DEPTH:
        raise RemoteProtocolError("a value nested too deep", code="too-large")

    def read_item(inner: Reader) -> Value:
        return read_any(inner, depth=depth + 1)

    kind = reader.uint()
    if kind == _ANY_ARRAY:
        return reader.array(read_item, max_count=MAX_ANY_COUNT)
    if kind == _ANY_OBJECT:
        return read_record(reader, Reader.string, read_item, max_count=MAX_ANY_COUNT)
    read_simple = _ANY_READERS.get(kind)
    if read_simple is None:
        raise RemoteProtocolError(f"a value of unknown type {kind}")
    return read_simple(reader)


_ANY_READERS: Final[dict[int, Callable[[Reader], Value]]] = {
    _ANY_NULL: lambda _: None,
    _ANY_BOOL: Reader.bool,
    _ANY_STRING: Reader.string,
    _ANY_BUFFER: Reader.buffer,
    _ANY_UINT: Reader.uint,
    _ANY_INT: Reader.int,
    _ANY_FLOAT: read_float64,
    _ANY_DATE: read_date,
}


def _pack_bits(bits: Sequence[bool], width_bytes: int) -> bytes:
    packed = bytearray(width_bytes)
    for index, bit in enumerate(bits):
        if bit:
            packed[index >> 3] |= 1 << (index & 7)
    return bytes(packed)


def _unpack_bits(packed: bytes, count: int) -> list[bool]:
    return [bool(packed[index >> 3] >> (index & 7) & 1) for index in range(count)]
