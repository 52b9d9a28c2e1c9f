"""Judging IPv4 addresses: which are private, which are near to ours.

Follows npm bogon 1.3.0 and the address matching of hyperdht's hole puncher. Pure
functions; where the addresses come from is the caller's matter.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from net.dht.constants import Address


def _ranges(*networks: str) -> tuple[tuple[int, int], ...]:
    pairs = []
    for text in networks:
        network = ipaddress.IPv4Network(text)
        pairs.append((int(network.network_address), int(network.netmask)))
    return tuple(pairs)


_PRIVATE = _ranges(
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
)
_RESERVED = _ranges(
    "0.0.0.0/8",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
)

_NO_HOST = _ranges("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4")


def _inside(host: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    value = int(ipaddress.IPv4Address(host))
    return any(value & mask == start for start, mask in ranges)


def is_private(host: str) -> bool:
    """True for addresses of local networks, the own machine included."""
    return _inside(host, _PRIVATE)


def is_reserved(host: str) -> bool:
    """True for addresses nobody can have: documentation, multicast, future use."""
    return _inside(host, _RESERVED)


def is_bogon(host: str) -> bool:
    """True for addresses that mean nothing on the public internet."""
    return is_private(host) or is_reserved(host)


def is_usable(address: Address) -> bool:
    """True for an address a peer may make us send to: one host with a port.

    Ranges for documentation and tests count as usable, because networks of tests are
    made of them.
    """
    return address[1] > 0 and not _inside(address[0], _NO_HOST)


def match_address(own: Iterable[Address], remote: Sequence[Address]) -> Address | None:
    """Pick the remote address that shares the most leading octets with one of ours.

    Three equal octets win at once, in the order given; else the first with two, else
    the first with one, else none.
    """
    best: Address | None = None
    best_octets = 0
    for own_host, _ in own:
        ours = own_host.split(".")
        for address in remote:
            theirs = address[0].split(".")
            octets = 0
            while octets < 3 and ours[octets] == theirs[octets]:
                octets += 1
            if octets == 3:
                return address
            if octets > best_octets:
                best, best_octets = address, octets
    return best
