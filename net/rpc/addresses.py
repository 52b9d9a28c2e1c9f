"""Addresses of nodes: their six packed bytes and the node id that follows from them.

A node id is the BLAKE2b-256 hash of the packed address, so every receiver can check it.
Both directions and the hash are remembered for the most recent addresses, because a
lookup meets the same few hundred nodes again and again.

Leaves to others: names (the rim resolves them) and IPv6 (dht-rpc is IPv4 only).
Upstream: dht-rpc 6.27.0 ``lib/peer.js``; compact-encoding ``ipv4Address``.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TypeAlias

from net.errors import LocalProtocolError

Address: TypeAlias = tuple[str, int]
"""Dotted IPv4 text and port."""

PACKED_BYTES = 6
ID_BYTES = 32
FIRST_MULTICAST = 224
"""First byte from which addresses are multicast, reserved or broadcast."""
MAX_REMEMBERED_ADDRESSES = 32768
"""Entries of each cache; the least recently used leave first."""


@lru_cache(maxsize=MAX_REMEMBERED_ADDRESSES)
def pack_address(address: Address) -> bytes:
    """Give the four address bytes and the port as uint16 little endian.

    Raises:
        LocalProtocolError: The host is no dotted IPv4 text or the port no uint16.
    """
    host, port = address
    parts = host.split(".")
    if len(parts) != 4 or not all(_is_octet(part) for part in parts):
        raise LocalProtocolError(f"not an IPv4 address: {host!r}")
    if not 0 <= port <= 0xFFFF:
        raise LocalProtocolError(f"not a port: {port}")
    return bytes(map(int, parts)) + port.to_bytes(2, "little")


@lru_cache(maxsize=MAX_REMEMBERED_ADDRESSES)
def unpack_address(packed: bytes) -> Address:
    """Give the address of six packed bytes."""
    assert len(packed) == PACKED_BYTES, "six bytes are an address"
    a, b, c, d, low, high = packed
    return (f"{a}.{b}.{c}.{d}", low | high << 8)


@lru_cache(maxsize=MAX_REMEMBERED_ADDRESSES)
def packed_node_id(packed: bytes) -> bytes:
    """Give the 32-byte id of the node at a packed address."""
    return blake2b(packed, digest_size=ID_BYTES).digest()


def node_id(address: Address) -> bytes:
    """Give the 32-byte id of the node at an address."""
    return packed_node_id(pack_address(address))


def is_true_id(packed: bytes, claimed: bytes | None) -> bool:
    """Tell whether a claimed id is that of the node at an address."""
    return claimed is not None and packed_node_id(packed) == claimed


def is_sendable(packed: bytes) -> bool:
    """Tell whether a datagram to an address could reach one node.

    Port 0, "this network" (0.x) and everything from multicast upwards could not.
    """
    return 0 < packed[0] < FIRST_MULTICAST and packed[4:] != b"\0\0"


def _is_octet(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255
