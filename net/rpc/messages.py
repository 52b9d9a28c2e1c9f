"""The datagrams of dht-rpc: one request or one response each.

Layout, all integers little endian, ``uint`` the compact one::

    byte 0   0x03 request, 0x13 response (version 3 in the low nibble)
    uint     flags
    uint16   tid, copied from the request into its response
    6 bytes  to: the receiver's address as the sender sees it
    32 bytes id      flag 1   only of persistent nodes
    32 bytes token   flag 2
             request                          response
             uint     command                 uint n, n * 6 bytes  closer nodes, flag 4
             32 bytes target, flag 8          uint     error, flag 8
             uint n, n bytes value, flag 16   uint n, n bytes value, flag 16

Flag 4 of a request marks the commands every node answers itself. Bytes behind the last
field are ignored. The codec is written out by hand rather than on ``net.encoding``
because each datagram of a lookup passes here twice.

Leaves to others: whether an id or a token is to be believed, and which socket is used.
Upstream: dht-rpc 6.27.0 ``lib/io.js``; vectors in ``tests/vectors/dht-rpc.json``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from net.constants import MAX_SAFE_UINT
from net.errors import RemoteProtocolError
from net.rpc.addresses import ID_BYTES, PACKED_BYTES

REQUEST: Final = 0x03
RESPONSE: Final = 0x13

PING: Final = 0
PING_NAT: Final = 1
FIND_NODE: Final = 2
DOWN_HINT: Final = 3
DELAYED_PING: Final = 4

OK: Final = 0
UNKNOWN_COMMAND: Final = 1
INVALID_TOKEN: Final = 2

MAX_CLOSER_NODES: Final = 20
"""Closer nodes taken from one response; honest nodes send no more."""

_ID, _TOKEN, _INTERNAL, _TARGET, _VALUE = 1, 2, 4, 8, 16
_CLOSER, _ERROR = 4, 8
_TID_AND_TO_BYTES = 2 + PACKED_BYTES


class RequestMessage(NamedTuple):
    """A request as it stands on the wire (a tuple, because one is made per datagram).

    Attributes:
        tid: Chosen by the sender, 0 to 65535.
        to: Packed address this datagram is sent to.
        id: Claimed id of the sender, or None.
        token: Round-trip token of an earlier reply, or None.
        internal: True for the commands of dht-rpc itself.
        command: Number of the command.
        target: 32 bytes the request is about, or None.
        value: Body, or None.
    """

    tid: int
    to: bytes
    id: bytes | None
    token: bytes | None
    internal: bool
    command: int
    target: bytes | None
    value: bytes | None


class ResponseMessage(NamedTuple):
    """A response as it stands on the wire (a tuple, because one is made per datagram).

    Attributes:
        tid: The tid of the request.
        to: Packed address of the requester as the responder sees it.
        id: Claimed id of the responder, or None.
        token: Round-trip token for the requester, or None.
        closer: Packed addresses of nodes closer to the target, six bytes each.
        error: 0 or an error number.
        value: Body, or None.
    """

    tid: int
    to: bytes
    id: bytes | None
    token: bytes | None
    closer: bytes
    error: int
    value: bytes | None


def encode_request(message: RequestMessage) -> bytes:
    """Give the datagram of a request."""
    tid, to, id_, token, internal, command, target, value = message
    flags = _INTERNAL if internal else 0
    parts = [to]
    if id_ is not None:
        flags |= _ID
        parts.append(id_)
    if token is not None:
        flags |= _TOKEN
        parts.append(token)
    parts.append(_encode_uint(command))
    if target is not None:
        flags |= _TARGET
        parts.append(target)
    if value is not None:
        flags |= _VALUE
        parts.append(_encode_uint(len(value)))
        parts.append(value)
    head = bytes((REQUEST, flags, tid & 0xFF, tid >> 8))
    return head + b"".join(parts)


def encode_response(message: ResponseMessage) -> bytes:
    """Give the datagram of a response."""
    tid, to, id_, token, closer, error, value = message
    flags = 0
    parts = [to]
    if id_ is not None:
        flags |= _ID
        parts.append(id_)
    if token is not None:
        flags |= _TOKEN
        parts.append(token)
    if closer:
        flags |= _CLOSER
        parts.append(_encode_uint(len(closer) // PACKED_BYTES))
        parts.append(closer)
    if error > 0:
        flags |= _ERROR
        parts.append(_encode_uint(error))
    if value is not None:
        flags |= _VALUE
        parts.append(_encode_uint(len(value)))
        parts.append(value)
    head = bytes((RESPONSE, flags, tid & 0xFF, tid >> 8))
    return head + b"".join(parts)


def decode_request(data: bytes) -> RequestMessage:
    """Read a datagram whose first byte is ``REQUEST``.

    Raises:
        RemoteProtocolError: A field is missing or longer than the datagram.
    """
    flags, tid, to, id_, token, at = _decode_head(data)
    command, at = _decode_uint(data, at)
    target = value = None
    if flags & _TARGET:
        target, at = _take(data, at, ID_BYTES)
    if flags & _VALUE:
        size, at = _decode_uint(data, at)
        value, at = _take(data, at, size)
    internal = flags & _INTERNAL != 0
    return RequestMessage(tid, to, id_, token, internal, command, target, value)


def decode_response(data: bytes) -> ResponseMessage:
    """Read a datagram whose first byte is ``RESPONSE``.

    Raises:
        RemoteProtocolError: A field is missing or longer than the datagram.
    """
    flags, tid, to, id_, token, at = _decode_head(data)
    closer = b""
    error = 0
    value = None
    if flags & _CLOSER:
        count, at = _decode_uint(data, at)
        closer, at = _take(data, at, count * PACKED_BYTES)
        closer = closer[: MAX_CLOSER_NODES * PACKED_BYTES]
    if flags & _ERROR:
        error, at = _decode_uint(data, at)
    if flags & _VALUE:
        size, at = _decode_uint(data, at)
        value, at = _take(data, at, size)
    return ResponseMessage(tid, to, id_, token, closer, error, value)


def _decode_head(
    data: bytes,
) -> tuple[int, int, bytes, bytes | None, bytes | None, int]:
    flags, at = _decode_uint(data, 1)
    end = at + _TID_AND_TO_BYTES
    if end > len(data):
        raise RemoteProtocolError("datagram ends in its head")
    tid = data[at] | data[at + 1] << 8
    to = data[at + 2 : end]
    at = end
    id_ = token = None
    if flags & _ID:
        id_, at = _take(data, at, ID_BYTES)
    if flags & _TOKEN:
        token, at = _take(data, at, ID_BYTES)
    return flags, tid, to, id_, token, at


def _take(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(data):
        raise RemoteProtocolError("datagram ends in a field")
    return data[at:end], end


def _decode_uint(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise RemoteProtocolError("datagram ends early")
    first = data[at]
    if first < 0xFD:
        return first, at + 1
    raw, end = _take(data, at + 1, 1 << (first - 0xFC))
    value = int.from_bytes(raw, "little")
    if value > MAX_SAFE_UINT:
        raise RemoteProtocolError("integer out of range")
    return value, end


def _encode_uint(value: int) -> bytes:
    if value < 0xFD:
        return bytes((value,))
    if value <= 0xFFFF:
        return b"\xfd" + value.to_bytes(2, "little")
    if value <= 0xFFFFFFFF:
        return b"\xfe" + value.to_bytes(4, "little")
    assert value <= MAX_SAFE_UINT, "integer too large for the wire"
    return b"\xff" + value.to_bytes(8, "little")
