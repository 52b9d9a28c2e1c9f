"""Compact encoding: the integers, byte strings and addresses every message is made of.

No type tags and no alignment; everything is little endian unless its name says
otherwise. :class:`Writer` appends, :class:`Reader` takes from the front. A reader that
runs out of bytes raises ``RemoteProtocolError``; bytes left over are not an error.

Less used types (``any``, lexicographic integers, bit fields, floats, ...) are functions
in ``net.encoding.values``. Follows npm compact-encoding 3.5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import AddressValueError, IPv6Address
from typing import TypeAlias, TypeVar

from net.constants import MAX_ARRAY_COUNT, MAX_SAFE_UINT
from net.errors import LocalProtocolError, RemoteProtocolError

Address: TypeAlias = tuple[str, int]
"""Dotted IPv4 text (or IPv6 text where a function says so) and a port."""

# Methods named after wire types hide these built-ins inside the classes.
_Int: TypeAlias = int
_Bool: TypeAlias = bool

_Bytes: TypeAlias = bytes | bytearray | memoryview

T = TypeVar("T")


class Writer:
    """Appends values to one growing buffer; every method returns the writer.

    Raises:
        LocalProtocolError: From any method, when the value does not fit its type.
    """

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def __bytes__(self) -> bytes:
        return bytes(self._buffer)

    def __len__(self) -> _Int:
        return len(self._buffer)

    def finish(self) -> bytes:
        """Everything written so far."""
        return bytes(self._buffer)

    def uint(self, value: _Int) -> Writer:
        """1, 3, 5 or 9 bytes: below 253 itself, else fd, fe or ff and 2, 4 or 8."""
        if 0 <= value < 0xFD:
            self._buffer.append(value)
        elif 0 <= value <= 0xFFFF:
            self._buffer += b"\xfd" + value.to_bytes(2, "little")
        elif 0 <= value <= 0xFFFFFFFF:
            self._buffer += b"\xfe" + value.to_bytes(4, "little")
        else:
            self._buffer += b"\xff" + _fixed_width(value, 8, "little")
        return self

    def uint8(self, value: _Int) -> Writer:
        """One byte."""
        return self.uint_of(value, 1)

    def uint16(self, value: _Int) -> Writer:
        """Two bytes."""
        return self.uint_of(value, 2)

    def uint24(self, value: _Int) -> Writer:
        """Three bytes."""
        return self.uint_of(value, 3)

    def uint32(self, value: _Int) -> Writer:
        """Four bytes."""
        return self.uint_of(value, 4)

    def uint64(self, value: _Int) -> Writer:
        """Eight bytes, at most 2^53 - 1."""
        return self.uint_of(value, 8)

    def uint_of(self, value: _Int, width_bytes: _Int) -> Writer:
        """An unsigned integer of a fixed width, at most 2^53 - 1."""
        self._buffer += _fixed_width(value, width_bytes, "little")
        return self

    def uint_of_be(self, value: _Int, width_bytes: _Int) -> Writer:
        """The same in big endian."""
        self._buffer += _fixed_width(value, width_bytes, "big")
        return self

    def int_of(self, value: _Int, width_bytes: _Int) -> Writer:
        """A signed integer, zig-zag, of a fixed width."""
        return self.uint_of(zig_zag(value), width_bytes)

    def int(self, value: _Int) -> Writer:
        """A signed integer as the uint of its zig-zag form (0, -1, 1, -2, ...)."""
        return self.uint(zig_zag(value))

    def bool(self, value: _Bool) -> Writer:
        """One byte, 01 or 00."""
        self._buffer.append(1 if value else 0)
        return self

    def fixed(self, data: _Bytes, size: _Int) -> Writer:
        """Exactly ``size`` bytes without a length."""
        if len(data) != size:
            raise LocalProtocolError(f"expected {size} bytes, got {len(data)}")
        self._buffer += data
        return self

    def buffer(self, data: _Bytes) -> Writer:
        """uint length, then the bytes."""
        self.uint(len(data))
        self._buffer += data
        return self

    def optional_buffer(self, data: _Bytes | None) -> Writer:
        """Like ``buffer``; None is written as length 0."""
        return self.buffer(b"" if data is None else data)

    def string(self, text: str) -> Writer:
        """uint byte length, then UTF-8."""
        try:
            return self.buffer(text.encode("utf-8"))
        except UnicodeEncodeError as error:
            raise LocalProtocolError("text has no UTF-8 form") from error

    def ipv4(self, host: str) -> Writer:
        """Four bytes of dotted text."""
        parts = host.split(".")
        try:
            packed = bytes(map(int, parts))
        except ValueError as error:
            raise LocalProtocolError(f"not an IPv4 address: {host!r}") from error
        if len(packed) != 4:
            raise LocalProtocolError(f"not an IPv4 address: {host!r}")
        self._buffer += packed
        return self

    def ipv4_address(self, address: Address) -> Writer:
        """Four bytes of host, then the port as uint16."""
        return self.ipv4(address[0]).uint16(address[1])

    def ipv6(self, host: str) -> Writer:
        """Sixteen bytes in network order."""
        try:
            self._buffer += IPv6Address(host).packed
        except AddressValueError as error:
            raise LocalProtocolError(f"not an IPv6 address: {host!r}") from error
        return self

    def ipv6_address(self, address: Address) -> Writer:
        """Sixteen bytes of host, then the port as uint16."""
        return self.ipv6(address[0]).uint16(address[1])

    def array(
        self, items: Iterable[T], write_item: Callable[[Writer, T], object]
    ) -> Writer:
        """uint count, then each item as ``write_item(writer, item)`` writes it."""
        listed = list(items)
        if len(listed) > MAX_ARRAY_COUNT:
            raise LocalProtocolError(f"{len(listed)} array elements are too many")
        self.uint(len(listed))
        for item in listed:
            write_item(self, item)
        return self

    def raw(self, data: _Bytes) -> Writer:
        """The bytes as they are, without a length."""
        self._buffer += data
        return self


class Reader:
    """Takes values from the front of one byte string.

    Byte results are always ``bytes``, copied out of the input once.

    Raises:
        RemoteProtocolError: From any method, when the input is too short, too long for
            the limit given, or not of the type asked for.
    """

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: _Bytes) -> None:
        self._data = data
        self._end = len(data)
        self._position = 0

    @property
    def remaining(self) -> _Int:
        """Bytes not yet read."""
        return self._end - self._position

    def uint(self) -> _Int:
        """1, 3, 5 or 9 bytes; forms longer than needed are accepted."""
        position = self._position
        if position >= self._end:
            raise _too_short()
        first = self._data[position]
        self._position = position + 1
        if first < 0xFD:
            return first
        return self.uint_of(1 << (first - 0xFC))

    def uint8(self) -> _Int:
        """One byte."""
        position = self._position
        if position >= self._end:
            raise _too_short()
        self._position = position + 1
        return self._data[position]

    def uint16(self) -> _Int:
        """Two bytes."""
        return int.from_bytes(self._take(2), "little")

    def uint24(self) -> _Int:
        """Three bytes."""
        return int.from_bytes(self._take(3), "little")

    def uint32(self) -> _Int:
        """Four bytes."""
        return int.from_bytes(self._take(4), "little")

    def uint64(self) -> _Int:
        """Eight bytes, at most 2^53 - 1."""
        return self.uint_of(8)

    def uint_of(self, width_bytes: _Int) -> _Int:
        """An unsigned integer of a fixed width, at most 2^53 - 1."""
        return _safe(int.from_bytes(self._take(width_bytes), "little"))

    def uint_of_be(self, width_bytes: _Int) -> _Int:
        """The same in big endian."""
        return _safe(int.from_bytes(self._take(width_bytes), "big"))

    def int_of(self, width_bytes: _Int) -> _Int:
        """A signed integer, zig-zag, of a fixed width."""
        return zig_zag_inverse(self.uint_of(width_bytes))

    def int(self) -> _Int:
        """A signed integer from the uint of its zig-zag form."""
        return zig_zag_inverse(self.uint())

    def bool(self) -> _Bool:
        """One byte; anything but 01 is False."""
        return self.uint8() == 1

    def fixed(self, size: _Int) -> bytes:
        """Exactly ``size`` bytes."""
        return bytes(self._take(size))

    def buffer(self, *, max_bytes: _Int | None = None) -> bytes:
        """uint length, then the bytes."""
        size = self.uint()
        if max_bytes is not None and size > max_bytes:
            raise RemoteProtocolError(
                f"a buffer of {size} bytes, at most {max_bytes} allowed",
                code="too-large",
            )
        return bytes(self._take(size))

    def optional_buffer(self, *, max_bytes: _Int | None = None) -> bytes | None:
        """Like ``buffer``; length 0 is None."""
        return self.buffer(max_bytes=max_bytes) or None

    def string(self, *, max_bytes: _Int | None = None) -> str:
        """uint byte length, then UTF-8."""
        try:
            return self.buffer(max_bytes=max_bytes).decode("utf-8")
        except UnicodeDecodeError as error:
            raise RemoteProtocolError("text is not UTF-8") from error

    def ipv4(self) -> str:
        """Four bytes as dotted text."""
        a, b, c, d = self._take(4)
        return f"{a}.{b}.{c}.{d}"

    def ipv4_address(self) -> Address:
        """Four bytes of host, then the port as uint16."""
        a, b, c, d, low, high = self._take(6)
        return f"{a}.{b}.{c}.{d}", low | high << 8

    def ipv6(self) -> str:
        """Sixteen bytes as eight hex groups, never compressed."""
        packed = self._take(16)
        groups = (packed[i] << 8 | packed[i + 1] for i in range(0, 16, 2))
        return ":".join(f"{group:x}" for group in groups)

    def ipv6_address(self) -> Address:
        """Sixteen bytes of host, then the port as uint16."""
        return self.ipv6(), self.uint16()

    def array(
        self, read_item: Callable[[Reader], T], *, max_count: _Int = MAX_ARRAY_COUNT
    ) -> list[T]:
        """uint count, then each item as ``read_item(reader)`` reads it."""
        count = self.uint()
        if count > max_count:
            raise RemoteProtocolError(
                f"{count} array elements, at most {max_count} allowed",
                code="too-large",
            )
        return [read_item(self) for _ in range(count)]

    def raw(self) -> bytes:
        """Everything that is left."""
        return bytes(self._take(self._end - self._position))

    def _take(self, size: _Int) -> _Bytes:
        start = self._position
        end = start + size
        if end > self._end:
            raise _too_short()
        self._position = end
        return self._data[start:end]


def zig_zag(value: int) -> int:
    """Map 0, -1, 1, -2, ... to 0, 1, 2, 3, ..."""
    return 2 * value if value >= 0 else -2 * value - 1


def zig_zag_inverse(value: int) -> int:
    """Map 0, 1, 2, 3, ... to 0, -1, 1, -2, ..."""
    return value >> 1 if value & 1 == 0 else -(value + 1 >> 1)


def _fixed_width(value: int, width_bytes: int, order: str) -> bytes:
    if not 0 <= value <= MAX_SAFE_UINT or value >> (8 * width_bytes):
        raise LocalProtocolError(f"{value} does not fit in {width_bytes} bytes")
    return value.to_bytes(width_bytes, "big" if order == "big" else "little")


def _safe(value: int) -> int:
    if value > MAX_SAFE_UINT:
        raise RemoteProtocolError(f"{value} is above 2^53 - 1", code="too-large")
    return value


def _too_short() -> RemoteProtocolError:
    return RemoteProtocolError("the input ends too early", code="too-short")
