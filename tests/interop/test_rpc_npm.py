"""Our dht-rpc node and npm's in one network on loopback, each in both roles."""

from __future__ import annotations

import asyncio
import json
import os
import socket as system_socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from net.flow import Deferred, Scheduler
from net.rpc import CLIENT, SERVER, Address, Request, RpcNode, node_id

HERE = Path(__file__).resolve().parent
STORE, FETCH = 7, 8
LIMIT_S = 60.0
TARGET = bytes(range(32))

pytestmark = pytest.mark.interop


class NpmPeer:
    """The process of ``rpc_peer.js``."""

    def __init__(self, process: asyncio.subprocess.Process, address: Address) -> None:
        self.address = address
        self._process = process

    async def ask(self, do: str, **options: Any) -> Any:
        assert self._process.stdin is not None
        line = json.dumps({"do": do, **options}) + "\n"
        self._process.stdin.write(line.encode())
        answer = await read_line(self._process)
        assert "ok" in answer, answer
        return answer["ok"]


async def read_line(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), LIMIT_S)
    assert line, "the npm peer ended early"
    return json.loads(line)


@asynccontextmanager
async def npm_peer(
    *,
    bootstrap: Address | None = None,
    first_on_port: int | None = None,
    firewalled: bool = False,
) -> AsyncIterator[NpmPeer]:
    options: dict[str, Any] = {
        "first": first_on_port is not None,
        "firewalled": firewalled,
    }
    if first_on_port is not None:
        options["port"] = first_on_port
    if bootstrap is not None:
        options["bootstrap"] = [{"host": bootstrap[0], "port": bootstrap[1]}]
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "rpc_peer.js"),
        json.dumps(options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        listening = (await read_line(process))["listening"]
        peer = NpmPeer(process, ("127.0.0.1", listening["port"]))
        yield peer
        await peer.ask("end")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Receiver(asyncio.DatagramProtocol):
    def __init__(self, ours: OurNode, socket: int) -> None:
        self.ours = ours
        self.socket = socket

    def datagram_received(self, data: bytes, address: tuple[str | Any, int]) -> None:
        now = self.ours.now()
        self.ours.node.receive_datagram(data, address, now, socket=self.socket)
        self.ours.pump()


class OurNode:
    """A node of ours on two sockets of this machine, pumped by hand."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.stored: dict[bytes, bytes | None] = {}
        self.transports: dict[int, asyncio.DatagramTransport] = {}
        self.timer: asyncio.TimerHandle | None = None
        self.node: RpcNode

    def now(self) -> float:
        return self.loop.time()

    async def open(self) -> None:
        for socket in (SERVER, CLIENT):
            transport, _ = await self.loop.create_datagram_endpoint(
                lambda socket=socket: Receiver(self, socket),  # type: ignore[misc]
                local_addr=("127.0.0.1", 0),
            )
            self.transports[socket] = transport

    def port(self, socket: int) -> int:
        port: int = self.transports[socket].get_extra_info("sockname")[1]
        return port

    def on_request(self, request: Request) -> bool:
        if request.target is None:
            return False
        if request.command == STORE:
            if not request.token_valid:
                request.reply()
            else:
                self.stored[request.target] = request.value
                request.reply(b"stored")
            return True
        if request.command == FETCH:
            request.reply(self.stored.get(request.target))
            return True
        return False

    def pump(self) -> None:
        for socket, data, address, _ in self.node.datagrams_to_send():
            self.transports[socket].sendto(data, address)
        if self.timer is not None:
            self.timer.cancel()
        due = self.node.get_timer()
        self.timer = None if due is None else self.loop.call_at(due, self.on_timer)

    def on_timer(self) -> None:
        self.node.handle_timer(self.now())
        self.pump()

    async def settled(self, deferred: Deferred[Any]) -> Any:
        self.pump()
        done: asyncio.Future[None] = self.loop.create_future()

        def note(_: Deferred[Any]) -> None:
            if not done.done():
                done.set_result(None)

        deferred.when_settled(note)
        await asyncio.wait_for(done, LIMIT_S)
        self.pump()
        return deferred.result()

    def close(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        for transport in self.transports.values():
            transport.close()


@asynccontextmanager
async def our_node(
    *,
    bootstrap: Address | None = None,
    firewalled: bool = False,
    quick_firewall: bool = True,
) -> AsyncIterator[OurNode]:
    ours = OurNode()
    await ours.open()
    try:
        port = ours.port(SERVER)
        first = bootstrap is None
        ours.node = RpcNode(
            scheduler=Scheduler(now=ours.now()),
            entropy=os.urandom,
            bootstrap=[] if bootstrap is None else [bootstrap],
            ephemeral=None if firewalled else False,
            firewalled=firewalled,
            quick_firewall=quick_firewall,
            public_address=("127.0.0.1", port) if first else None,
            on_request=ours.on_request,
        )
        ours.node.start(server_port=port, client_port=ours.port(CLIENT))
        await ours.settled(ours.node.ready)
        yield ours
    finally:
        ours.close()
        await asyncio.sleep(0)


async def test_npm_bootstraps_from_ours() -> None:
    async with our_node() as ours:
        address = ours.node.remote_address()
        assert address is not None
        async with npm_peer(bootstrap=address) as npm:
            state = await npm.ask("state")
            assert state["ephemeral"] is False
            assert state["id"] == node_id(npm.address).hex()
            assert state["address"] == {"host": "127.0.0.1", "port": npm.address[1]}
            assert {"host": "127.0.0.1", "port": address[1]} in state["nodes"]
            assert ours.node.known_addresses() == [npm.address]


async def test_ours_bootstraps_from_npm(unused_port: int) -> None:
    async with (
        npm_peer(first_on_port=unused_port) as npm,
        our_node(bootstrap=npm.address) as ours,
    ):
        assert not ours.node.ephemeral
        assert ours.node.id == node_id(("127.0.0.1", ours.port(SERVER)))
        assert ours.node.remote_address() == ("127.0.0.1", ours.port(SERVER))
        await ours.settled(ours.node.find_node(TARGET).finished)
        assert ours.node.known_addresses() == [npm.address]
        nodes = (await npm.ask("state"))["nodes"]
        assert {"host": "127.0.0.1", "port": ours.port(SERVER)} in nodes


async def test_ours_finds_out_from_npm_that_it_is_open(unused_port: int) -> None:
    async with (
        npm_peer(first_on_port=unused_port) as npm,
        our_node(bootstrap=npm.address, firewalled=True, quick_firewall=False) as ours,
    ):
        assert ours.node.firewalled
        assert ours.node.ephemeral
        check = ours.node.check_network_state()
        assert await ours.settled(check) is True
        assert not ours.node.firewalled
        assert ours.node.id == node_id(("127.0.0.1", ours.port(SERVER)))


async def test_ours_learns_at_its_start_that_npm_reaches_it(unused_port: int) -> None:
    async with (
        npm_peer(first_on_port=unused_port) as npm,
        our_node(bootstrap=npm.address, firewalled=True) as ours,
        asyncio.timeout(LIMIT_S),
    ):
        while ours.node.firewalled:
            await asyncio.sleep(0.01)
        assert ours.node.ephemeral, "open is not yet known to be there to stay"
        assert ours.node.id is None


async def test_npm_finds_out_from_ours_that_it_is_open() -> None:
    async with our_node() as first:
        address = first.node.remote_address()
        assert address is not None
        async with (
            our_node(bootstrap=address),
            our_node(bootstrap=address),
            npm_peer(bootstrap=address, firewalled=True) as npm,
        ):
            before = await npm.ask("state")
            assert before["ephemeral"] is True
            assert await npm.ask("check") is True
            after = await npm.ask("state")
            assert (after["firewalled"], after["ephemeral"]) == (False, False)
            port = after["address"]["port"]
            assert after["id"] == node_id(("127.0.0.1", port)).hex()


async def test_find_node_meets_both_kinds(unused_port: int) -> None:
    async with (
        npm_peer(first_on_port=unused_port) as first,
        npm_peer(bootstrap=first.address) as second,
        our_node(bootstrap=first.address) as ours,
        our_node(bootstrap=first.address) as other,
    ):
        all_ports = {
            first.address[1],
            second.address[1],
            ours.port(SERVER),
            other.port(SERVER),
        }
        query = ours.node.find_node(TARGET)
        await ours.settled(query.finished)
        found = {port for _, port in query.closest_nodes}
        assert found == all_ports - {ours.port(SERVER)}
        theirs = await second.ask("find", target=TARGET.hex())
        ports = {node["port"] for node in theirs["closest"]}
        assert ports == all_ports - {second.address[1]}


async def test_our_commit_reaches_npm_and_is_fetched(unused_port: int) -> None:
    async with (
        npm_peer(first_on_port=unused_port) as npm,
        our_node(bootstrap=npm.address) as ours,
    ):
        query = ours.node.query(TARGET, STORE, b"from ours", commit=True)
        await ours.settled(query.finished)
        assert all(reply.token is not None for reply in query.closest_replies)
        state = await npm.ask("state")
        assert state["stored"] == [[TARGET.hex(), b"from ours".hex()]]
        values: list[bytes | None] = []
        fetch = ours.node.query(
            TARGET, FETCH, on_reply=lambda reply: values.append(reply.value)
        )
        await ours.settled(fetch.finished)
        assert values == [b"from ours"]


async def test_npm_commit_reaches_ours_and_is_fetched() -> None:
    async with our_node() as ours:
        address = ours.node.remote_address()
        assert address is not None
        async with npm_peer(bootstrap=address) as npm:
            await npm.ask("store", target=TARGET.hex(), value=b"from npm".hex())
            assert ours.stored == {TARGET: b"from npm"}
            fetched = await npm.ask("fetch", target=TARGET.hex())
            assert [reply["value"] for reply in fetched["found"]] == [b"from npm".hex()]


async def test_wrong_tokens_and_unknown_commands_are_refused_alike() -> None:
    async with our_node() as ours:
        address = ours.node.remote_address()
        assert address is not None
        async with npm_peer(bootstrap=address) as npm:
            to = {"host": address[0], "port": address[1]}
            wrong = await npm.ask(
                "request", command=STORE, to=to, target=TARGET.hex(), token="00" * 32
            )
            reply = await ours.settled(
                ours.node.request(STORE, npm.address, target=TARGET, token=bytes(32))
            )
            assert wrong["error"] == reply.error == 2
            assert wrong["token"] is not None
            assert reply.token is not None
            unknown = await npm.ask("request", command=99, to=to, target=TARGET.hex())
            reply = await ours.settled(
                ours.node.request(99, npm.address, target=TARGET)
            )
            assert (unknown["error"], unknown["token"]) == (1, None)
            assert (reply.error, reply.token) == (1, None)
            assert wrong["id"] == node_id(address).hex()
            assert reply.source_id == node_id(npm.address)
            assert not ours.stored


async def test_pings_and_delayed_pings_go_both_ways() -> None:
    async with our_node() as ours:
        address = ours.node.remote_address()
        assert address is not None
        async with npm_peer(bootstrap=address) as npm:
            to = {"host": address[0], "port": address[1]}
            assert (await npm.ask("ping", to=to))["error"] == 0
            assert (await npm.ask("ping", to=to, delay=150))["rtt"] >= 150
            reply = await ours.settled(ours.node.ping(npm.address, padding_bytes=900))
            assert reply.error == 0
            reply = await ours.settled(ours.node.delayed_ping(npm.address, 0.15))
            assert reply.rtt_s >= 0.14


@pytest.fixture
def unused_port() -> int:
    with system_socket.socket(system_socket.AF_INET, system_socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
