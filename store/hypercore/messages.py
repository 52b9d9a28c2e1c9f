"""The messages of a replication channel, as bytes and as values.

A channel runs on a Protomux; its name is ``PROTOCOL`` and its id the discovery key. A
message's number is its place in ``MessageKind``. Integers, buffers and counts are as in
``wire``; bytes behind a message are ignored, as upstream does. ``decode_request`` and
``decode_data`` are made for speed: one pass, no object but the result, and one check of
the end, because positions only grow. What the messages mean is decided in
``replicator``. Follows npm hypercore 11.37.1 (``lib/messages.js``).

Layouts (parts after flags only where the flag is set, in this order)::

    handshake  flags (1 seeks), capability (32)
    sync       flags (1 can upgrade, 2 uploading, 4 downloading, 8 has manifest,
               16 allows push), fork, length, remote length
    request    flags, id, fork; 1 block: index, nodes; 2 hash: index, nodes; 4 seek:
               bytes, padding; 8 upgrade: start, length; 16 manifest; 32 priority
    cancel     id
    data       flags, id, fork; 1 block: index, buffer, nodes; 2 hash: index, nodes;
               4 seek: bytes, nodes; 8 upgrade: start, length, nodes, nodes, buffer;
               16 manifest
    no data    id, flags; 1 reason
    want       start, length, flags (1 any; left out when 0); unwant is the same
    bitfield   start, count and 32-bit words
    range      flags (1 drop, 2 one block), start, length unless flag 2
    extension  name, the rest

``nodes`` is a count and nodes of ``index, size, hash (32)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore.manifest import encode_manifest, read_manifest
from store.hypercore.records import (
    BlockProof,
    BlockRequest,
    HashProof,
    Node,
    Proof,
    Request,
    SeekProof,
    SeekRequest,
    UpgradeProof,
    UpgradeRequest,
)
from store.hypercore.signatures import MAX_SIGNATURE_BYTES
from store.hypercore.wire import (
    MAX_SAFE_UINT,
    read_buffer,
    read_bytes,
    read_count,
    read_uint,
    too_short,
    write_uint,
)

PROTOCOL: Final = "hypercore/alpha"
PROTOCOL_ALIASES: Final = ("hypercore",)

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""A whole message: no frame of the stream below can hold more."""

MAX_PROOF_NODES: Final = 256
"""Nodes of one list of a proof: two per level of the highest tree, and to spare."""

MAX_BITFIELD_WORDS: Final = 65536
"""32-bit words of one bitfield message: 2,097,152 blocks."""

MAX_EXTENSION_NAME_BYTES: Final = 256

MAX_PRIORITY: Final = 255

# Makes a named tuple at half the price of calling its class.
_new: Final = tuple.__new__

_CAPABILITY_BYTES: Final = 32
_HASH_BYTES: Final = 32

_NOTHING_ELSE: Final = (None, None, None, False)
"""What follows the block of a request that asks for nothing more."""

_BLOCK: Final = 1
_HASH: Final = 2
_SEEK: Final = 4
_UPGRADE: Final = 8
_MANIFEST: Final = 16
_PRIORITY: Final = 32


class MessageKind(IntEnum):
    """The numbers of the messages on a channel."""

    SYNC = 0
    REQUEST = 1
    CANCEL = 2
    DATA = 3
    NO_DATA = 4
    WANT = 5
    UNWANT = 6
    BITFIELD = 7
    RANGE = 8
    EXTENSION = 9


class ChannelHandshake(NamedTuple):
    """What each side says when it opens a channel."""

    capability: bytes
    """Proves knowledge of the core's key, 32 bytes."""
    seeks: bool = True


class Sync(NamedTuple):
    """The sender's state."""

    fork: int
    length: int
    """Blocks."""
    remote_length: int
    """The receiver's length as far as the sender has taken it into account."""
    can_upgrade: bool = False
    """The sender can prove its length to who has ``remote_length`` blocks."""
    uploading: bool = True
    downloading: bool = False
    has_manifest: bool = False
    allow_push: bool = False


class WireRequest(NamedTuple):
    """A request with what only the wire needs."""

    id: int
    request: Request
    priority: int = 0


class WireData(NamedTuple):
    """A proof and the request it answers; 0 for what nobody asked for."""

    id: int
    proof: Proof


class NoData(NamedTuple):
    """A request that gets no proof."""

    id: int
    reason: int = 0
    """1 not available, 2 invalid request, 0 not told."""


class Want(NamedTuple):
    """Begins or ends an interest in what blocks are there."""

    start: int
    length: int
    any: bool = False
    """The first block of the range is enough."""


class BitfieldUpdate(NamedTuple):
    """Which blocks of a range are there, replacing what was known of it."""

    start: int
    """The first block, a multiple of 32."""
    bits: bytes
    """Whole 32-bit words; block ``start + i`` is bit ``i & 7`` of byte ``i >> 3``."""


class RangeUpdate(NamedTuple):
    """Blocks that are there, or that are no longer."""

    start: int
    length: int
    drop: bool = False


class ExtensionMessage(NamedTuple):
    """A message of an application."""

    name: str
    """Empty: the name of the message before in this direction."""
    payload: bytes


def encode_handshake(handshake: ChannelHandshake) -> bytes:
    """The bytes of a channel's handshake."""
    if len(handshake.capability) != _CAPABILITY_BYTES:
        raise LocalProtocolError("a capability has 32 bytes", code="bad-argument")
    return (b"\1" if handshake.seeks else b"\0") + handshake.capability


def decode_handshake(data: bytes) -> ChannelHandshake:
    """The inverse; raises ``RemoteProtocolError``."""
    flags, at = read_uint(data, 0)
    proof, _ = read_bytes(data, at, _CAPABILITY_BYTES)
    return ChannelHandshake(proof, flags & 1 != 0)


def encode_sync(sync: Sync) -> bytes:
    """The bytes of a state."""
    flags = (
        (1 if sync.can_upgrade else 0)
        | (2 if sync.uploading else 0)
        | (4 if sync.downloading else 0)
        | (8 if sync.has_manifest else 0)
        | (16 if sync.allow_push else 0)
    )
    numbers = (flags, sync.fork, sync.length, sync.remote_length)
    return b"".join(map(write_uint, numbers))


def decode_sync(data: bytes) -> Sync:
    """The inverse; raises ``RemoteProtocolError``."""
    flags, at = read_uint(data, 0)
    fork, at = read_uint(data, at)
    length, at = read_uint(data, at)
    remote_length, _ = read_uint(data, at)
    return Sync(
        fork,
        length,
        remote_length,
        can_upgrade=flags & 1 != 0,
        uploading=flags & 2 != 0,
        downloading=flags & 4 != 0,
        has_manifest=flags & 8 != 0,
        allow_push=flags & 16 != 0,
    )


def encode_block_request(number: int, request: Request) -> bytes:
    """``encode_request`` for the common request: one block, nothing else, no hurry."""
    block = request.block
    assert block is not None, "asked before"
    index, levels = block
    return (
        b"\1"
        + write_uint(number)
        + write_uint(request.fork)
        + write_uint(index)
        + write_uint(levels)
    )


def encode_request(wire_request: WireRequest) -> bytes:
    """The bytes of a request."""
    number, request, priority = wire_request
    fork, block, hash_, seek, upgrade, manifest = request
    flags = _PRIORITY if priority else 0
    numbers: tuple[int, ...] = ()
    if block is not None:
        flags |= _BLOCK
        numbers += block
    if hash_ is not None:
        flags |= _HASH
        numbers += hash_
    if seek is not None:
        flags |= _SEEK
        numbers += seek
    if upgrade is not None:
        flags |= _UPGRADE
        numbers += upgrade
    if manifest:
        flags |= _MANIFEST
    if priority:
        numbers += (priority,)
    return b"".join(map(write_uint, (flags, number, fork, *numbers)))


def decode_request(data: bytes) -> WireRequest:
    """A request.

    Raises:
        RemoteProtocolError: It is malformed.
    """
    # The common request asks for one block.
    if data[:1] != b"\1":
        return _decode_request(data)
    numbers = []
    at = 1
    try:
        for _ in range(4):
            number = data[at]
            at += 1
            if number >= 0xFD:
                number, at = _read_wide(data, at, number)
            numbers.append(number)
    except IndexError:
        raise too_short() from None
    if at > len(data):
        raise too_short()
    number, fork, index, levels = numbers
    block = _new(BlockRequest, (index, levels))
    request = _new(Request, (fork, block, *_NOTHING_ELSE))
    return _new(WireRequest, (number, request, 0))


def _decode_request(data: bytes) -> WireRequest:
    flags, at = read_uint(data, 0)
    number, at = read_uint(data, at)
    fork, at = read_uint(data, at)
    block = hash_ = seek = upgrade = None
    priority = 0
    if flags & _BLOCK:
        first, second, at = _read_pair(data, at)
        block = BlockRequest(first, second)
    if flags & _HASH:
        first, second, at = _read_pair(data, at)
        hash_ = BlockRequest(first, second)
    if flags & _SEEK:
        first, second, at = _read_pair(data, at)
        seek = SeekRequest(first, second)
    if flags & _UPGRADE:
        first, second, at = _read_pair(data, at)
        upgrade = UpgradeRequest(first, second)
    if flags & _PRIORITY:
        priority, at = read_uint(data, at)
        priority = min(priority, MAX_PRIORITY)
    request = Request(fork, block, hash_, seek, upgrade, flags & _MANIFEST != 0)
    return WireRequest(number, request, priority)


def encode_cancel(number: int) -> bytes:
    """The bytes that drop a request."""
    return write_uint(number)


def decode_cancel(data: bytes) -> int:
    """The inverse; raises ``RemoteProtocolError``."""
    return read_uint(data, 0)[0]


def encode_data(wire_data: WireData) -> bytes:
    """The bytes of a proof.

    Raises:
        LocalProtocolError: They are more than a frame can hold (code ``too-large``).
    """
    number, (fork, block, hash_, seek, upgrade, manifest) = wire_data
    flags = 0
    parts: list[bytes] = []
    if block is not None:
        flags = _BLOCK
        index, value, nodes = block
        parts += (write_uint(index), write_uint(len(value)), value)
        _put_nodes(parts, nodes)
    if hash_ is not None:
        flags |= _HASH
        parts.append(write_uint(hash_.index))
        _put_nodes(parts, hash_.nodes)
    if seek is not None:
        flags |= _SEEK
        parts.append(write_uint(seek.bytes))
        _put_nodes(parts, seek.nodes)
    if upgrade is not None:
        flags |= _UPGRADE
        parts += (write_uint(upgrade.start), write_uint(upgrade.length))
        _put_nodes(parts, upgrade.nodes)
        _put_nodes(parts, upgrade.additional_nodes)
        parts += (write_uint(len(upgrade.signature)), upgrade.signature)
    if manifest is not None:
        flags |= _MANIFEST
        parts.append(manifest)
    head = write_uint(flags) + write_uint(number) + write_uint(fork)
    message = head + b"".join(parts)
    if len(message) > MAX_MESSAGE_BYTES:
        raise LocalProtocolError(f"a proof of {len(message)} bytes", code="too-large")
    return message


def decode_data(data: bytes) -> WireData:
    """A proof; nothing in it is verified.

    Raises:
        RemoteProtocolError: It is malformed or too large.
    """
    try:
        flags, number, fork = data[0], data[1], data[2]
        at = 3
        if flags >= 0xFD or number >= 0xFD or fork >= 0xFD:
            flags, at = read_uint(data, 0)
            number, at = read_uint(data, at)
            fork, at = read_uint(data, at)
        block = None
        if flags & _BLOCK:
            index = data[at]
            at += 1
            if index >= 0xFD:
                index, at = _read_wide(data, at, index)
            size = data[at]
            at += 1
            if size >= 0xFD:
                size, at = _read_wide(data, at, size)
            end = at + size
            value = data[at:end]
            nodes, at = _read_nodes(data, end)
            block = _new(BlockProof, (index, value, nodes))
        if flags == _BLOCK:
            if at > len(data):
                raise too_short()
            proof = _new(Proof, (fork, block, None, None, None, None))
            return _new(WireData, (number, proof))
        return WireData(number, _read_other_parts(data, at, flags, fork, block))
    except IndexError:
        raise too_short() from None


def _read_other_parts(
    data: bytes, at: int, flags: int, fork: int, block: BlockProof | None
) -> Proof:
    hash_ = seek = upgrade = manifest = None
    if flags & _HASH:
        index, at = read_uint(data, at)
        nodes, at = _read_nodes(data, at)
        hash_ = HashProof(index, nodes)
    if flags & _SEEK:
        place, at = read_uint(data, at)
        nodes, at = _read_nodes(data, at)
        seek = SeekProof(place, nodes)
    if flags & _UPGRADE:
        start, length, at = _read_pair(data, at)
        nodes, at = _read_nodes(data, at)
        additional, at = _read_nodes(data, at)
        signature, at = read_buffer(data, at, max_bytes=MAX_SIGNATURE_BYTES)
        upgrade = UpgradeProof(start, length, nodes, additional, signature)
    if flags & _MANIFEST:
        # Written anew, so that equal manifests are equal bytes from here on.
        told, at = read_manifest(data, at)
        manifest = encode_manifest(told)
    if at > len(data):
        raise too_short()
    return Proof(fork, block, hash_, seek, upgrade, manifest)


def encode_no_data(no_data: NoData) -> bytes:
    """The bytes of a refusal."""
    told = b"\1" + write_uint(no_data.reason) if no_data.reason else b"\0"
    return write_uint(no_data.id) + told


def decode_no_data(data: bytes) -> NoData:
    """The inverse; raises ``RemoteProtocolError``."""
    number, at = read_uint(data, 0)
    # Old peers tell nothing but the number.
    flags, at = read_uint(data, at) if at < len(data) else (0, at)
    reason = read_uint(data, at)[0] if flags & 1 else 0
    return NoData(number, reason)


def encode_want(want: Want) -> bytes:
    """The bytes of an interest, for its begin and for its end."""
    told = write_uint(want.start) + write_uint(want.length)
    return told + b"\1" if want.any else told


def decode_want(data: bytes) -> Want:
    """The inverse; raises ``RemoteProtocolError``."""
    start, length, at = _read_range(data, 0)
    flags = read_uint(data, at)[0] if at < len(data) else 0
    return Want(start, length, flags & 1 != 0)


def encode_bitfield(update: BitfieldUpdate) -> bytes:
    """The bytes of a bitfield."""
    words, odd = divmod(len(update.bits), 4)
    if odd or words > MAX_BITFIELD_WORDS:
        raise LocalProtocolError(
            f"{len(update.bits)} bytes are no bitfield", code="bad-argument"
        )
    return write_uint(update.start) + write_uint(words) + update.bits


def decode_bitfield(data: bytes) -> BitfieldUpdate:
    """The inverse; raises ``RemoteProtocolError``."""
    start, at = read_uint(data, 0)
    words, at = read_count(data, at, max_count=MAX_BITFIELD_WORDS)
    bits, _ = read_bytes(data, at, 4 * words)
    if start % 32 or start + 32 * words > MAX_SAFE_UINT:
        raise RemoteProtocolError(f"a bitfield that starts at {start}")
    return BitfieldUpdate(start, bits)


def encode_range(update: RangeUpdate) -> bytes:
    """The bytes of a range."""
    flags = 1 if update.drop else 0
    if update.length == 1:
        return write_uint(flags | 2) + write_uint(update.start)
    return write_uint(flags) + write_uint(update.start) + write_uint(update.length)


def decode_range(data: bytes) -> RangeUpdate:
    """The inverse; raises ``RemoteProtocolError``."""
    flags, at = read_uint(data, 0)
    drop = flags & 1 != 0
    if flags & 2:
        return RangeUpdate(read_uint(data, at)[0], 1, drop)
    start, length, _ = _read_range(data, at)
    return RangeUpdate(start, length, drop)


def encode_extension(message: ExtensionMessage) -> bytes:
    """The bytes of an application's message."""
    name = message.name.encode()
    if len(name) > MAX_EXTENSION_NAME_BYTES:
        raise LocalProtocolError("the name is too long", code="bad-argument")
    return write_uint(len(name)) + name + message.payload


def decode_extension(data: bytes) -> ExtensionMessage:
    """The inverse; raises ``RemoteProtocolError``."""
    name, at = read_buffer(data, 0, max_bytes=MAX_EXTENSION_NAME_BYTES)
    try:
        return ExtensionMessage(name.decode(), data[at:])
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("the name is not UTF-8") from error


def encode_nodes(nodes: Sequence[Node]) -> bytes:
    """A list of nodes, as in proofs."""
    parts: list[bytes] = []
    _put_nodes(parts, nodes)
    return b"".join(parts)


def decode_nodes(data: bytes) -> list[Node]:
    """The inverse; raises ``RemoteProtocolError``."""
    try:
        nodes, at = _read_nodes(data, 0)
    except IndexError:
        raise too_short() from None
    if at > len(data):
        raise too_short()
    return nodes


def _put_nodes(parts: list[bytes], nodes: Sequence[Node]) -> None:
    parts.append(write_uint(len(nodes)))
    for index, size, digest in nodes:
        parts += (write_uint(index), write_uint(size), digest)


def _read_nodes(data: bytes, at: int) -> tuple[list[Node], int]:
    """Nodes, and the position behind them, which may lie behind the end.

    Raises:
        IndexError: The input ends too early; a position behind it says the same.
        RemoteProtocolError: There are too many.
    """
    count = data[at]
    at += 1
    if count >= 0xFD:
        count, at = _read_wide(data, at, count)
    if count > MAX_PROOF_NODES:
        raise RemoteProtocolError(
            f"{count} nodes, at most {MAX_PROOF_NODES} allowed", code="too-large"
        )
    nodes = []
    for _ in range(count):
        index = data[at]
        at += 1
        if index >= 0xFD:
            index, at = _read_wide(data, at, index)
        size = data[at]
        at += 1
        if size >= 0xFD:
            size, at = _read_wide(data, at, size)
        end = at + _HASH_BYTES
        nodes.append(_new(Node, (index, size, data[at:end])))
        at = end
    return nodes, at


def _read_wide(data: bytes, at: int, first: int) -> tuple[int, int]:
    """The integer whose first byte was taken; a position behind the end if cut off."""
    end = at + (1 << (first - 0xFC))
    value = int.from_bytes(data[at:end], "little")
    if value > MAX_SAFE_UINT:
        raise RemoteProtocolError(f"{value} is above 2^53 - 1", code="too-large")
    return value, end


def _read_pair(data: bytes, at: int) -> tuple[int, int, int]:
    first, at = read_uint(data, at)
    second, at = read_uint(data, at)
    return first, second, at


def _read_range(data: bytes, at: int) -> tuple[int, int, int]:
    start, length, at = _read_pair(data, at)
    if start + length > MAX_SAFE_UINT:
        raise RemoteProtocolError(f"a range that starts at {start}", code="too-large")
    return start, length, at
