"""Networks of one kind on loopback, npm's or ours, and nodes to put into them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

from net import DHT
from net.dht.constants import Command
from net.dht.messages import HandshakeMessage, HolepunchMessage, Mode
from net.errors import RemoteProtocolError
from net.rpc.messages import REQUEST, decode_request
from tests.interop.node_peer import NodePeer

LOCAL = "127.0.0.1"
NETWORK_SIZE = 6

Address = tuple[str, int]
Seen = tuple[Command, Mode]


class Network(Protocol):
    """A network with one known address and a record of the handshakes it relayed."""

    bootstrap: Address

    async def seen(self) -> set[Seen]:
        """Which handshake and holepunch requests reached its nodes."""


class NpmNetwork:
    """Nodes of npm's in the Node process of the test."""

    def __init__(self, npm: NodePeer, bootstrap: Address) -> None:
        self.bootstrap = bootstrap
        self._npm = npm

    async def seen(self) -> set[Seen]:
        """As its nodes noted."""
        return as_seen(await self._npm.ask("testnet.seen"))


class OurNetwork:
    """Nodes of ours in this process."""

    def __init__(self, bootstrap: Address) -> None:
        self.bootstrap = bootstrap
        self.noted: set[Seen] = set()

    async def seen(self) -> set[Seen]:
        """As their datagrams showed."""
        return set(self.noted)


def watch(dht: DHT, noted: set[Seen]) -> None:
    """Note the handshakes that reach a started node of ours."""
    machine = dht.machine
    receive = machine.receive_datagram

    def noting(data: bytes, *args: Any, **options: Any) -> None:
        mode = relayed_mode(bytes(data))
        if mode is not None:
            noted.add(mode)
        receive(data, *args, **options)

    machine.receive_datagram = noting  # type: ignore[assignment]


def as_seen(rows: list[dict[str, int]]) -> set[Seen]:
    """What npm's nodes noted, in our words."""
    return {(Command(row["command"]), Mode(row["mode"])) for row in rows}


def relayed_mode(datagram: bytes) -> Seen | None:
    """What a captured datagram is, if it is a handshake or holepunch request."""
    if datagram[:1] != bytes((REQUEST,)):
        return None
    try:
        request = decode_request(datagram)
        if request.internal or request.value is None:
            return None
        if request.command == Command.PEER_HANDSHAKE:
            decoded = HandshakeMessage.decode(request.value)
            return Command.PEER_HANDSHAKE, Mode(decoded.mode)
        if request.command == Command.PEER_HOLEPUNCH:
            punch = HolepunchMessage.decode(request.value)
            return Command.PEER_HOLEPUNCH, Mode(punch.mode)
    except RemoteProtocolError:
        pass
    return None


def our_node(bootstrap: Address, **options: Any) -> DHT:
    """A node of ours on loopback, to be used as a context manager."""
    return DHT([bootstrap], host=LOCAL, port=0, **options)


@asynccontextmanager
async def our_network() -> AsyncIterator[OurNetwork]:
    """A network of nodes of ours for the length of a block."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(DHT.bootstrapper(0, LOCAL))
        network = OurNetwork((LOCAL, first.port))
        watch(first, network.noted)
        for _ in range(NETWORK_SIZE - 1):
            node = our_node(network.bootstrap, ephemeral=False, firewalled=False)
            watch(await stack.enter_async_context(node), network.noted)
        yield network


@asynccontextmanager
async def network_of(kind: str, npm: NodePeer) -> AsyncIterator[Network]:
    """A network of that kind, ``npm`` or ``ours``."""
    if kind == "npm":
        made = await npm.ask("testnet.create", size=NETWORK_SIZE)
        (first,) = made["bootstrap"]
        yield NpmNetwork(npm, (first["host"], first["port"]))
    else:
        async with our_network() as network:
            yield network


def as_npm(bootstrap: Address) -> list[dict[str, Any]]:
    """An address as npm writes it."""
    return [{"host": bootstrap[0], "port": bootstrap[1]}]


async def npm_node(npm: NodePeer, network: Network, **options: Any) -> str:
    """A node of npm's in a network; returns its name."""
    made = await npm.ask(
        "dht.create", bootstrap=as_npm(network.bootstrap), options=options
    )
    name: str = made["node"]
    return name
