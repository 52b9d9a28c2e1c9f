"""Reading and writing the integers and byte strings of hypercore's messages.

Plain functions over a byte string and a position, because the messages that they serve
come by the ten thousand a second; ``net.encoding`` has the same types as objects. An
integer is one byte below 253, else ``fd``, ``fe`` or ``ff`` and 2, 4 or 8 bytes, little
endian; longer forms than needed are accepted. Follows npm compact-encoding 3.5.2.
"""

from __future__ import annotations

from typing import Final

from store.errors import LocalProtocolError, RemoteProtocolError

MAX_SAFE_UINT: Final = 2**53 - 1
"""The largest integer that every implementation holds exactly."""

_SMALL: Final = tuple(bytes((value,)) for value in range(0xFD))


def write_uint(value: int) -> bytes:
    """An integer in its shortest form.

    Raises:
        LocalProtocolError: It is negative or above 2^53 - 1.
    """
    if 0 <= value < 0xFD:
        return _SMALL[value]
    if 0 <= value <= 0xFFFF:
        return b"\xfd" + value.to_bytes(2, "little")
    if 0 <= value <= 0xFFFFFFFF:
        return b"\xfe" + value.to_bytes(4, "little")
    if 0 <= value <= MAX_SAFE_UINT:
        return b"\xff" + value.to_bytes(8, "little")
    raise LocalProtocolError(f"{value} is no unsigned integer", code="bad-argument")


def read_uint(data: bytes, at: int) -> tuple[int, int]:
    """An integer, and the position behind it.

    Raises:
        RemoteProtocolError: The input ends too early, or the value is above 2^53 - 1.
    """
    if at >= len(data):
        raise too_short()
    first = data[at]
    if first < 0xFD:
        return first, at + 1
    end = at + 1 + (1 << (first - 0xFC))
    if end > len(data):
        raise too_short()
    value = int.from_bytes(data[at + 1 : end], "little")
    if value > MAX_SAFE_UINT:
        raise RemoteProtocolError(f"{value} is above 2^53 - 1", code="too-large")
    return value, end


def read_bytes(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    """Exactly ``size`` bytes, and the position behind them.

    Raises:
        RemoteProtocolError: The input ends too early.
    """
    end = at + size
    if end > len(data):
        raise too_short()
    return data[at:end], end


def read_buffer(data: bytes, at: int, *, max_bytes: int) -> tuple[bytes, int]:
    """An integer of length and as many bytes, and the position behind them.

    Raises:
        RemoteProtocolError: The input ends too early, or there are too many bytes.
    """
    size, at = read_count(data, at, max_count=max_bytes)
    return read_bytes(data, at, size)


def read_count(data: bytes, at: int, *, max_count: int) -> tuple[int, int]:
    """A number of things that follow, and the position behind it.

    Raises:
        RemoteProtocolError: The input ends too early, or there are too many.
    """
    count, at = read_uint(data, at)
    if count > max_count:
        raise RemoteProtocolError(
            f"{count} items, at most {max_count} allowed", code="too-large"
        )
    return count, at


def too_short() -> RemoteProtocolError:
    """The error of an input that ends too early."""
    return RemoteProtocolError("the input ends too early", code="too-short")
