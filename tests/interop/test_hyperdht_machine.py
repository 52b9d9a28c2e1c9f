"""The HyperDHT machine and npm's on loopback, each in both roles.

No UDX here: a connection counts as made when both sides have told the same handshake
and, where one was needed, the punch went through. Streams are tried with the rim.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from net.crypto import KeyPair, blake2b_256
from net.dht import (
    Connecting,
    HyperDhtNode,
    SocketReleased,
    SocketWanted,
    StreamReady,
)
from net.flow import Deferred, Scheduler
from net.rpc import CLIENT, SERVER, Address

HERE = Path(__file__).resolve().parent
MODULES = Path(os.environ.get("NODE_PATH", HERE / "node_modules"))
LIMIT_S = 60.0
LOCAL = "127.0.0.1"
TOPIC = bytes(range(32))
OUR_KEYS = KeyPair.from_seed(b"\x31" * 32)
NPM_SEED = "32" * 32
NPM_KEYS = KeyPair.from_seed(bytes.fromhex(NPM_SEED))
FIREWALLED = {"quickFirewall": False, "ephemeral": True}

pytestmark = pytest.mark.interop


@pytest.fixture(autouse=True)
def _needs_npm() -> None:
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    if not (MODULES / "hyperdht").is_dir():
        pytest.skip("npm's hyperdht is not installed under tests/interop")


class Npm:
    """The process of ``peer.js``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.events: list[dict[str, Any]] = []
        self._reader = asyncio.create_task(self._read())

    async def ask(self, do: str, **options: Any) -> Any:
        assert self._process.stdin is not None
        number = next(self._ids)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        line = json.dumps({"id": number, "do": do, **options}) + "\n"
        self._process.stdin.write(line.encode())
        told = await asyncio.wait_for(answer, LIMIT_S)
        assert "ok" in told, told
        return told["ok"]

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            told = json.loads(line)
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
            else:
                self.events.append(told)

    async def end(self) -> None:
        self._process.kill()
        await self._process.wait()
        await self._reader
        self._process._transport.close()  # type: ignore[attr-defined]


@asynccontextmanager
async def npm() -> AsyncIterator[Npm]:
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "peer.js"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_PATH": str(MODULES)},
        limit=1 << 20,
    )
    peer = Npm(process)
    try:
        yield peer
    finally:
        await peer.end()


class Receiver(asyncio.DatagramProtocol):
    def __init__(self, ours: Ours, socket: int) -> None:
        self.ours = ours
        self.socket = socket

    def datagram_received(self, data: bytes, address: tuple[str | Any, int]) -> None:
        self.ours.received(data, address, self.socket)


class Ours:
    """A node of ours on sockets of this machine, pumped by hand."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.transports: dict[int, asyncio.DatagramTransport] = {}
        self.timer: asyncio.TimerHandle | None = None
        self.ready: list[StreamReady] = []
        self.openings: set[asyncio.Task[None]] = set()
        self.node: HyperDhtNode

    def seams(self) -> dict[str, Any]:
        return {
            "scheduler": Scheduler(now=self.loop.time()),
            "entropy": os.urandom,
            "allocate_stream_id": lambda: int.from_bytes(os.urandom(4), "little"),
        }

    async def bind(self, socket: int) -> int:
        transport, _ = await self.loop.create_datagram_endpoint(
            lambda: Receiver(self, socket), local_addr=(LOCAL, 0)
        )
        self.transports[socket] = transport
        return int(transport.get_extra_info("sockname")[1])

    def received(self, data: bytes, address: Address, socket: int) -> None:
        now = self.loop.time()
        if data[:1] == b"\xff" and len(data) >= 20:
            local_id = int.from_bytes(data[4:8], "little")
            if self.node.stream_packet(local_id, socket, address, now):
                self.pump()
                return
        self.node.receive_datagram(data, address, now, socket=socket)
        self.pump()

    def pump(self) -> None:
        while (event := self.node.next_event()) is not None:
            if isinstance(event, SocketWanted):
                task = self.loop.create_task(self.open_punch_socket(event.socket))
                self.openings.add(task)
                task.add_done_callback(self.openings.discard)
            elif isinstance(event, SocketReleased):
                self.transports.pop(event.socket).close()
            elif isinstance(event, StreamReady):
                self.ready.append(event)
        for datagram in self.node.datagrams_to_send():
            transport = self.transports.get(datagram.socket)
            if transport is not None:
                transport.sendto(datagram.data, datagram.address)
        if self.timer is not None:
            self.timer.cancel()
        at = self.node.get_timer()
        if at is not None:
            self.timer = self.loop.call_at(at, self.fire)

    def fire(self) -> None:
        self.node.handle_timer(self.loop.time())
        self.pump()

    async def open_punch_socket(self, socket: int) -> None:
        port = await self.bind(socket)
        self.node.socket_opened(socket, port, self.loop.time())
        self.pump()

    async def wait(self, deferred: Deferred[Any]) -> Any:
        future: asyncio.Future[None] = self.loop.create_future()

        def settled(_: Deferred[Any]) -> None:
            if not future.done():
                future.set_result(None)

        deferred.when_settled(settled)
        self.pump()
        await asyncio.wait_for(future, LIMIT_S)
        return deferred.result()

    async def start(self) -> None:
        self.node.local_addresses = [LOCAL]
        ports = [await self.bind(socket) for socket in (SERVER, CLIENT)]
        self.node.start(server_port=ports[0], client_port=ports[1])
        await self.wait(self.node.ready)

    async def end(self) -> None:
        await self.wait(self.node.close())
        if self.timer is not None:
            self.timer.cancel()
        for transport in self.transports.values():
            transport.close()
        for task in self.openings:
            task.cancel()
        await asyncio.sleep(0)


@asynccontextmanager
async def our_node(bootstrap: Address, **options: Any) -> AsyncIterator[Ours]:
    ours = Ours()
    ours.node = HyperDhtNode(**ours.seams(), bootstrap=[bootstrap], **options)
    try:
        await ours.start()
        yield ours
    finally:
        await ours.end()


@asynccontextmanager
async def our_network(size: int) -> AsyncIterator[Address]:
    """A network of persistent nodes of ours; gives the first one's address."""
    first = Ours()
    port = await first.bind(SERVER)
    first.node = HyperDhtNode.bootstrapper((LOCAL, port), **first.seams())
    first.node.start(server_port=port, client_port=await first.bind(CLIENT))
    nodes = [first]
    try:
        await first.wait(first.node.ready)
        for _ in range(size - 1):
            ours = Ours()
            ours.node = HyperDhtNode(
                **ours.seams(),
                bootstrap=[(LOCAL, port)],
                ephemeral=False,
                firewalled=False,
            )
            nodes.append(ours)
            await ours.start()
        yield (LOCAL, port)
    finally:
        for ours in reversed(nodes):
            await ours.end()


async def npm_network(peer: Npm, size: int = 8) -> Address:
    made = await peer.ask("testnet.create", size=size)
    (first,) = made["bootstrap"]
    return (first["host"], first["port"])


def as_npm(address: Address) -> list[dict[str, Any]]:
    return [{"host": address[0], "port": address[1]}]


@asynccontextmanager
async def network(kind: str, peer: Npm) -> AsyncIterator[Address]:
    if kind == "npm":
        yield await npm_network(peer)
    else:
        async with our_network(8) as address:
            yield address


async def connect_to_npm(
    peer: Npm, bootstrap: Address, ours: Ours, npm_options: dict[str, Any], **how: Any
) -> tuple[Connecting, StreamReady]:
    made = await peer.ask(
        "dht.create", bootstrap=as_npm(bootstrap), options=npm_options
    )
    await peer.ask("dht.listen", node=made["node"], seed=NPM_SEED)
    connecting = ours.node.connect(NPM_KEYS.public_key, **how)
    return connecting, await ours.wait(connecting.finished)


@pytest.mark.parametrize("kind", ["npm", "ours"])
async def test_we_connect_to_an_open_npm_server(kind: str) -> None:
    async with (
        npm() as peer,
        network(kind, peer) as bootstrap,
        our_node(bootstrap) as ours,
    ):
        options = {"firewalled": False, "ephemeral": False}
        _, ready = await connect_to_npm(peer, bootstrap, ours, options)
        assert ready.path == "direct"
        assert ready.result.remote_public_key == NPM_KEYS.public_key


@pytest.mark.parametrize("kind", ["npm", "ours"])
async def test_we_reach_a_firewalled_npm_server_inside_the_network(kind: str) -> None:
    async with (
        npm() as peer,
        network(kind, peer) as bootstrap,
        our_node(bootstrap, quick_firewall=False) as ours,
    ):
        _, ready = await connect_to_npm(peer, bootstrap, ours, FIREWALLED)
        assert ready.path in ("lan", "direct")


@pytest.mark.parametrize("kind", ["npm", "ours"])
async def test_we_punch_to_a_firewalled_npm_server(kind: str) -> None:
    async with (
        npm() as peer,
        network(kind, peer) as bootstrap,
        our_node(bootstrap, quick_firewall=False) as ours,
    ):
        connecting, ready = await connect_to_npm(
            peer, bootstrap, ours, FIREWALLED, local_connection=False
        )
        assert (ready.path, ready.socket >= 2) == ("direct", True)
        assert "handshake complete" in " ".join(step for _, step in connecting.trace)
        if kind == "npm":
            seen = await peer.ask("testnet.seen")
            modes = {(s["command"], s["mode"]) for s in seen}
            assert {(0, 0), (0, 1), (1, 0)} <= modes


@pytest.mark.parametrize("kind", ["npm", "ours"])
async def test_we_punch_in_full_rounds_to_an_npm_server(kind: str) -> None:
    async with (
        npm() as peer,
        network(kind, peer) as bootstrap,
        our_node(bootstrap, quick_firewall=False) as ours,
    ):
        _, ready = await connect_to_npm(
            peer,
            bootstrap,
            ours,
            FIREWALLED,
            local_connection=False,
            fast_open=False,
        )
        assert ready.socket >= 2


@pytest.mark.parametrize("kind", ["npm", "ours"])
@pytest.mark.parametrize(
    "npm_options",
    [{"localConnection": False}, {"localConnection": False, "fastOpen": False}, {}],
    ids=["punch", "full-rounds", "lan"],
)
async def test_npm_connects_to_our_firewalled_server(
    kind: str, npm_options: dict[str, Any]
) -> None:
    async with (
        npm() as peer,
        network(kind, peer) as bootstrap,
        our_node(bootstrap, quick_firewall=False) as ours,
    ):
        server = ours.node.create_server()
        await ours.wait(server.listen(OUR_KEYS))
        made = await peer.ask(
            "dht.create", bootstrap=as_npm(bootstrap), options=FIREWALLED
        )
        told = asyncio.ensure_future(
            peer.ask(
                "dht.connect",
                node=made["node"],
                publicKey=OUR_KEYS.public_key.hex(),
                seed=NPM_SEED,
                options=npm_options,
            )
        )
        while not told.done():
            await asyncio.sleep(0.01)
            ours.pump()
        assert told.result()["remotePort"] > 0


@pytest.mark.parametrize("kind", ["npm", "ours"])
async def test_npm_connects_to_our_open_server(kind: str) -> None:
    async with (
        npm() as peer,
        network(kind, peer) as bootstrap,
        our_node(bootstrap, firewalled=False, ephemeral=False) as ours,
    ):
        server = ours.node.create_server()
        await ours.wait(server.listen(OUR_KEYS))
        made = await peer.ask(
            "dht.create", bootstrap=as_npm(bootstrap), options=FIREWALLED
        )
        told = await peer.ask(
            "dht.connect",
            node=made["node"],
            publicKey=OUR_KEYS.public_key.hex(),
            seed=NPM_SEED,
        )
        assert told["remotePort"] == ours.node.rpc.server_port


@pytest.mark.parametrize("kind", ["npm", "ours"])
async def test_records_go_both_ways(kind: str) -> None:
    async with (
        npm() as peer,
        network(kind, peer) as bootstrap,
        our_node(bootstrap) as ours,
    ):
        made = await peer.ask("dht.create", bootstrap=as_npm(bootstrap), options={})
        node = made["node"]
        await ours.wait(ours.node.announce(TOPIC, OUR_KEYS).finished)
        seen = await peer.ask("dht.lookup", node=node, topic=TOPIC.hex())
        assert OUR_KEYS.public_key.hex() in {p["publicKey"] for p in seen}
        await peer.ask("dht.announce", node=node, topic=TOPIC.hex(), seed=NPM_SEED)
        found = await ours.wait(ours.node.lookup(TOPIC).finished)
        keys = {p.public_key for topic in found for p in topic.peers}
        assert keys == {OUR_KEYS.public_key, NPM_KEYS.public_key}
        await ours.wait(ours.node.unannounce(TOPIC, OUR_KEYS))
        await peer.ask("dht.unannounce", node=node, topic=TOPIC.hex(), seed=NPM_SEED)
        assert await peer.ask("dht.lookup", node=node, topic=TOPIC.hex()) == []
        assert await ours.wait(ours.node.lookup(TOPIC).finished) == []

        put = await ours.wait(ours.node.mutable_put(OUR_KEYS, b"ours", seq=4))
        got = await peer.ask(
            "dht.mutableGet", node=node, publicKey=put.public_key.hex()
        )
        assert (got["value"], got["seq"]) == (b"ours".hex(), 4)
        theirs = await peer.ask(
            "dht.mutablePut", node=node, seed=NPM_SEED, value="beef", seq=7
        )
        key = bytes.fromhex(theirs["publicKey"])
        value = await ours.wait(ours.node.mutable_get(key))
        assert (value.value, value.seq) == (b"\xbe\xef", 7)

        stored = await ours.wait(ours.node.immutable_put(b"for ever"))
        got = await peer.ask("dht.immutableGet", node=node, hash=stored.hash.hex())
        assert got["value"] == b"for ever".hex()
        theirs = await peer.ask("dht.immutablePut", node=node, value="cafe")
        assert bytes.fromhex(theirs["hash"]) == blake2b_256(b"\xca\xfe")
        target = bytes.fromhex(theirs["hash"])
        assert await ours.wait(ours.node.immutable_get(target)) == b"\xca\xfe"


@pytest.mark.parametrize("kind", ["npm", "ours"])
async def test_peers_are_found_both_ways(kind: str) -> None:
    async with (
        npm() as peer,
        network(kind, peer) as bootstrap,
        our_node(bootstrap, quick_firewall=False) as ours,
    ):
        made = await peer.ask(
            "dht.create", bootstrap=as_npm(bootstrap), options=FIREWALLED
        )
        await peer.ask("dht.listen", node=made["node"], seed=NPM_SEED)
        found = await ours.wait(ours.node.find_peer(NPM_KEYS.public_key).finished)
        assert {f.record.public_key for f in found} == {NPM_KEYS.public_key}
        server = ours.node.create_server()
        await ours.wait(server.listen(OUR_KEYS))
        key = OUR_KEYS.public_key.hex()
        seen = await peer.ask("dht.findPeer", node=made["node"], publicKey=key)
        assert set(seen) == {key}
        await ours.wait(server.close())
        seen = await peer.ask("dht.findPeer", node=made["node"], publicKey=key)
        assert seen == []
