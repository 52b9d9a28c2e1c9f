"""Bytes between keys: the HyperDHT network, from datagrams to topics.

The names below load the asyncio face when they are first used, so that a program that
needs only ``net.encoding`` or ``net.crypto`` pays for nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from net.aio.node import DHT
    from net.aio.server import Server
    from net.aio.stream import Connection
    from net.aio.swarm import Swarm
    from net.crypto import KeyPair

_HOMES = {
    "DHT": "net.aio.node",
    "Server": "net.aio.server",
    "Connection": "net.aio.stream",
    "Swarm": "net.aio.swarm",
    "KeyPair": "net.crypto",
}

__all__ = ["DHT", "Connection", "KeyPair", "Server", "Swarm"]


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
