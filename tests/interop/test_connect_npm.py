"""Connections between our node and npm's, in networks of both kinds, both roles.

Each carries 1 MiB there and back with half-close, unordered messages, and channels.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from net import DHT, Connection, KeyPair
from tests.interop.networks import (
    Network,
    Seen,
    as_seen,
    network_of,
    npm_node,
    our_node,
    watch,
)
from tests.interop.node_peer import LIMIT_S, NodePeer

pytestmark = pytest.mark.interop

OURS = KeyPair.from_seed(b"\x41" * 32)
NPM_SEED = "42" * 32
THEIRS = KeyPair.from_seed(bytes.fromhex(NPM_SEED))
ONE_MIB = 1 << 20

both_networks = pytest.mark.parametrize("kind", ["npm", "ours"])
both_roles = pytest.mark.parametrize("we_connect", [True, False], ids=["out", "in"])


@dataclass
class Link:
    """A connection as both ends hold it."""

    npm: NodePeer
    network: Network
    connection: Connection
    stream: str
    """npm's name of its end."""

    server_seen: set[Seen]
    """Which handshake and holepunch requests reached the end that listened."""


@asynccontextmanager
async def link(
    npm: NodePeer,
    kind: str,
    *,
    we_connect: bool,
    on_data: str,
    ours: dict[str, Any] | None = None,
    theirs: dict[str, Any] | None = None,
    local_connection: bool = True,
    fast_open: bool = True,
) -> AsyncIterator[Link]:
    """One connection between a node of ours and one of npm's in a network.

    Args:
        npm: The Node process.
        kind: Whose network.
        we_connect: Who listens and who connects.
        on_data: What npm's end does.
        ours: Options of our node.
        theirs: Options of npm's node.
        local_connection: Whether the two may try each other's local addresses.
        fast_open: Whether a punch may go through before the full exchange is over.
    """
    async with (
        network_of(kind, npm) as network,
        our_node(network.bootstrap, **(ours or {})) as dht,
    ):
        node = await npm_node(npm, network, **(theirs or {}))
        if we_connect:
            dht.machine.connect = partial(  # type: ignore[method-assign]
                dht.machine.connect, fast_open=fast_open
            )
            made = await connect_out(npm, dht, node, on_data, local=local_connection)
            server_seen = as_seen(await npm.ask("dht.seen", node=node))
        else:
            server_seen = set()
            watch(dht, server_seen)
            options = {"localConnection": local_connection, "fastOpen": fast_open}
            made = await connect_in(npm, dht, node, on_data, options)
        connection, told = made
        assert connection.remote_public_key == THEIRS.public_key
        assert connection.handshake_hash.hex() == told["hash"]
        assert told["remotePublicKey"] == OURS.public_key.hex()
        assert connection.is_initiator == we_connect == (not told["isInitiator"])
        yield Link(npm, network, connection, told["stream"], server_seen)


async def connect_out(
    npm: NodePeer, dht: DHT, node: str, on_data: str, *, local: bool
) -> tuple[Connection, Any]:
    await npm.ask("dht.listen", node=node, seed=NPM_SEED, onData=on_data)
    connection = await dht.connect(
        THEIRS.public_key, key_pair=OURS, local_connection=local
    )
    return connection, await npm.event("connection")


async def connect_in(
    npm: NodePeer, dht: DHT, node: str, on_data: str, options: dict[str, Any]
) -> tuple[Connection, Any]:
    server = dht.create_server()
    await server.listen(OURS)
    told = await npm.ask(
        "dht.connect",
        node=node,
        publicKey=OURS.public_key.hex(),
        seed=NPM_SEED,
        onData=on_data,
        options=options,
    )
    async with asyncio.timeout(LIMIT_S):
        return await anext(server), told


@both_networks
@both_roles
async def test_we_send_a_mebibyte_and_npm_echoes_it(
    npm: NodePeer, kind: str, we_connect: bool
) -> None:
    async with link(npm, kind, we_connect=we_connect, on_data="echo") as made:
        await send_and_check_echo(made.connection, ONE_MIB)
        await made.npm.event("stream.close", stream=made.stream)


async def send_and_check_echo(connection: Connection, size: int) -> None:
    """Write, end our side, and read the echo until the other side has ended."""
    sent, received = hashlib.sha256(), hashlib.sha256()

    async def write() -> None:
        for number in range(size // 32768):
            chunk = bytes((number % 251,)) * 32768
            sent.update(chunk)
            await connection.write(chunk)
        connection.end()

    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        async for message in connection:
            received.update(message)
    assert sent.digest() == received.digest()
    assert connection.remote_ended
    async with asyncio.timeout(LIMIT_S):
        await connection.wait_closed()
    assert connection.error is None


@both_networks
@both_roles
async def test_npm_sends_a_mebibyte_and_we_echo_it(
    npm: NodePeer, kind: str, we_connect: bool
) -> None:
    async with link(npm, kind, we_connect=we_connect, on_data="none") as made:
        trip = asyncio.create_task(
            npm.ask("stream.roundTrip", stream=made.stream, bytes=ONE_MIB)
        )
        held = []
        async with asyncio.timeout(LIMIT_S):
            async for message in made.connection:
                held.append(message)
        # npm has ended its side; ours goes on.
        assert sum(map(len, held)) == ONE_MIB
        assert not trip.done()
        for message in held:
            await made.connection.write(message)
        made.connection.end()
        told = await trip
        assert told["bytes"] == ONE_MIB
        assert told["sent"] == told["received"]


@both_networks
@both_roles
async def test_unordered_messages(npm: NodePeer, kind: str, we_connect: bool) -> None:
    async with link(npm, kind, we_connect=we_connect, on_data="echo") as made:
        wanted = {b"", b"short", b"m" * made.connection.max_datagram_bytes}
        for message in wanted:
            made.connection.send(message)
        got = set()
        async with asyncio.timeout(LIMIT_S):
            async for message in made.connection.datagrams():
                got.add(message)
                if got == wanted:
                    break
        assert made.connection.stats.datagrams_dropped == 0
        made.connection.destroy()


@both_networks
@both_roles
async def test_channels(npm: NodePeer, kind: str, we_connect: bool) -> None:
    async with link(npm, kind, we_connect=we_connect, on_data="mux") as made:
        await npm.ask(
            "channel.pair",
            stream=made.stream,
            protocol="echo",
            handshake=b"from npm".hex(),
            kinds=2,
            onMessage="echo",
        )
        happened: asyncio.Queue[Any] = asyncio.Queue()
        put = happened.put_nowait
        channel = made.connection.mux.create_channel(
            "echo",
            b"\1\2",
            handshake=b"from us",
            messages=[lambda data: put((0, data)), lambda data: put((1, data))],
            on_open=put,
            on_close=lambda: put("closed"),
        )
        channel.cork()
        channel.send(0, b"one")
        channel.send(1, b"x" * 200_000)
        channel.uncork()
        async with asyncio.timeout(LIMIT_S):
            assert await happened.get() == b"from npm"
            assert await happened.get() == (0, b"one")
            assert await happened.get() == (1, b"x" * 200_000)
            paired = await npm.event("channel.paired")
            assert paired["channelId"] == "0102"
            await npm.ask("channel.close", channel=paired["channel"])
            assert await happened.get() == "closed"
        made.connection.destroy()


@both_networks
@both_roles
async def test_npm_destroys_a_connection(
    npm: NodePeer, kind: str, we_connect: bool
) -> None:
    async with link(npm, kind, we_connect=we_connect, on_data="none") as made:
        await npm.ask("stream.destroy", stream=made.stream)
        async with asyncio.timeout(LIMIT_S):
            await made.connection.wait_closed()
        assert made.connection.error is not None


@both_networks
@both_roles
async def test_we_destroy_a_connection(
    npm: NodePeer, kind: str, we_connect: bool
) -> None:
    async with link(npm, kind, we_connect=we_connect, on_data="tell") as made:
        made.connection.destroy()
        await npm.event("stream.close", stream=made.stream)
