"""Where a node starts: bootstrap addresses from arguments, environment or the network.

Names are resolved by the operating system; the machines below see dotted IPv4 only.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Iterable, Sequence

from net.errors import EnvironmentFault, LocalProtocolError

Address = tuple[str, int]

PUBLIC_BOOTSTRAP: tuple[Address, ...] = (
    ("88.99.3.86", 49737),
    ("142.93.90.113", 49737),
    ("138.68.147.8", 49737),
)
"""The nodes by which the public HyperDHT network is entered."""

BOOTSTRAP_VARIABLE = "COVEY_BOOTSTRAP"
MAX_BOOTSTRAP_NODES = 64


def parse_address(text: str) -> Address:
    """Read ``host:port``.

    Raises:
        LocalProtocolError: It is not of that form.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise LocalProtocolError(f"{text.strip()!r} is not an address like host:port")
    return host, int(port)


def parse_bootstrap(text: str) -> tuple[Address, ...]:
    """Read ``host:port,host:port,...``; empty parts are passed over.

    Raises:
        LocalProtocolError: A part is no address, or there are too many.
    """
    nodes = tuple(parse_address(part) for part in text.split(",") if part.strip())
    if len(nodes) > MAX_BOOTSTRAP_NODES:
        raise LocalProtocolError(f"more than {MAX_BOOTSTRAP_NODES} bootstrap nodes")
    return nodes


def default_bootstrap() -> tuple[Address, ...]:
    """What ``COVEY_BOOTSTRAP`` says, else the public network."""
    text = os.environ.get(BOOTSTRAP_VARIABLE, "")
    return parse_bootstrap(text) or PUBLIC_BOOTSTRAP


def is_ipv4(host: str) -> bool:
    """True for a dotted IPv4 text."""
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


async def resolve(nodes: Iterable[Address | str]) -> Sequence[Address]:
    """Turn names into IPv4 addresses; names that fail are left out.

    Raises:
        EnvironmentFault: There were nodes, and none of the names could be resolved.
        LocalProtocolError: A text is not of the form host:port.
    """
    wanted = [parse_address(it) if isinstance(it, str) else it for it in nodes]
    found: list[Address] = []
    loop = asyncio.get_running_loop()
    for host, port in wanted[:MAX_BOOTSTRAP_NODES]:
        if is_ipv4(host):
            found.append((host, port))
            continue
        try:
            infos = await loop.getaddrinfo(
                host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM
            )
        except OSError:
            continue
        found.extend((str(info[4][0]), port) for info in infos[:1])
    if wanted and not found:
        names = ", ".join(host for host, _ in wanted)
        raise EnvironmentFault(
            f"The bootstrap nodes' names could not be resolved ({names}). "
            "Is this machine online?",
            code="unresolved",
        )
    return found
