"""The DHT as applications use it: a node with servers, connections and records.

    async with DHT() as dht:
        connection = await dht.connect(public_key)

The protocol is :mod:`net.dht`'s, sockets and streams are :mod:`net.aio.driver`'s.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from net.aio.deferred import settled
from net.aio.driver import Driver, Outcome
from net.aio.errors import ConnectTimeoutError
from net.aio.facts import DhtStats, Traffic, dht_stats, network_facts
from net.aio.lan import InterfaceWatcher, local_addresses
from net.aio.resolve import default_bootstrap, resolve
from net.aio.server import Firewall, Server
from net.aio.stream import KEEP_ALIVE_S, Connection
from net.aio.udp import allow_many_sockets
from net.aio.verbs import DhtVerbs
from net.constants import MAX_PLAINTEXT_BYTES
from net.crypto import KeyPair
from net.dht.events import DhtEvent
from net.dht.node import HyperDhtNode
from net.errors import EnvironmentFault, LocalProtocolError, NetError
from net.rpc import CLIENT, SERVER, RpcEvent

if TYPE_CHECKING:
    from typing import Self

    from net.dht.connector import Connecting
    from net.dht.server import HolepunchHook
    from net.dht.server import Server as ServerMachine

T = TypeVar("T")
Address = tuple[str, int]

DEFAULT_PORT = 49737
"""Tried first where no port is asked for; any other one will do."""

MIN_MESSAGE_LIMIT_BYTES = 4096
"""The lowest limit that may be set to what peers send as one message."""

DEFAULT_HOST = "0.0.0.0"
CONNECTIONS_LIMIT_S = 0.5
"""How long ``close`` lets connections end in good order before it cuts them."""

SERVERS_LIMIT_S = 3.0
"""How long it lets servers unannounce themselves."""


class DHT(DhtVerbs):
    """One node of the HyperDHT network.

    Starts with the first thing asked of it. Use it as an asynchronous context manager,
    or call ``close`` at the end. ``await DHT(...)`` waits until it is ready.

    Attributes:
        key_pair: Own identity where none is named.
        on_network_change: Called when the machine's addresses changed.
        on_event: Called with what the node tells: ready, persistent, online or not.
    """

    def __init__(
        self,
        bootstrap: Sequence[Address | str] | None = None,
        *,
        port: int | None = None,
        host: str = DEFAULT_HOST,
        ephemeral: bool | None = None,
        firewalled: bool | None = None,
        key_pair: KeyPair | None = None,
        nodes: Sequence[Address] = (),
        quick_firewall: bool = True,
        keep_alive_s: float | None = KEEP_ALIVE_S,
        max_message_bytes: int = MAX_PLAINTEXT_BYTES,
        offload: bool = True,
    ) -> None:
        """Prepare a node; nothing is opened yet.

        Args:
            bootstrap: Where to enter the network; ``COVEY_BOOTSTRAP`` or else the
                public network if not given, nobody if empty.
            port: UDP port; if not given 49737, or any if that is taken. 0 is any.
            host: Local address to bind.
            ephemeral: False to serve others from the start, True never to; otherwise
                the node finds out whether it is stable enough.
            firewalled: True or None until others prove the opposite, False if this
                machine is known to be reachable.
            key_pair: Own identity; drawn if not given.
            nodes: Nodes remembered from before.
            quick_firewall: Test at start whether others reach this machine.
            keep_alive_s: Silence after which connections send an empty frame.
            max_message_bytes: Longest message that connections receive; a peer that
                begins a longer one is cut off before it is kept. At least 4 KiB.
            offload: False to leave the kernel's segmentation offload unused.
        """
        self.key_pair = key_pair or KeyPair.generate()
        self.on_network_change: list[Callable[[], object]] = []
        self.on_event: list[Callable[[DhtEvent | RpcEvent], object]] = []
        self._bootstrap = bootstrap
        self._isolated = False
        self._port = port
        self._host = host
        self._ephemeral = ephemeral
        self._firewalled = firewalled
        self._nodes = nodes
        self._quick_firewall = quick_firewall and firewalled is not True
        self._keep_alive_s = keep_alive_s
        if not MIN_MESSAGE_LIMIT_BYTES <= max_message_bytes <= MAX_PLAINTEXT_BYTES:
            raise LocalProtocolError("a message limit from 4 KiB to 16 MiB is needed")
        self._max_message_bytes = max_message_bytes
        self._offload = offload
        self._node: HyperDhtNode | None = None
        self._driver: Driver | None = None
        self._watcher: InterfaceWatcher | None = None
        self._servers: dict[ServerMachine, Server] = {}
        self._starting: asyncio.Task[None] | None = None
        self._bootstrap_nodes: Sequence[Address] = ()
        self._unresolved: EnvironmentFault | None = None
        self._closed = False
        self._closing: asyncio.Task[None] | None = None
        self._suspended = False

    @classmethod
    def bootstrapper(
        cls,
        port: int = DEFAULT_PORT,
        host: str = "127.0.0.1",
        *,
        bootstrap: Sequence[Address | str] = (),
        key_pair: KeyPair | None = None,
    ) -> Self:
        """The first node of a network of its own.

        ``await`` it, or use it as an asynchronous context manager.

        Args:
            port: UDP port, 0 for any.
            host: The address others reach it under, which is also bound; with
                ``0.0.0.0`` the first interface's address is told to others.
            bootstrap: Further first nodes, if the network shall have several.
            key_pair: Own identity; drawn if not given.
        """
        made = cls(
            bootstrap,
            port=port,
            host=host,
            ephemeral=False,
            firewalled=False,
            key_pair=key_pair,
        )
        made._isolated = True
        return made

    # -- life ----------------------------------------------------------------------

    async def ready(self) -> Self:
        """Start, and wait until the node has found its place in the network.

        Raises:
            EnvironmentFault: The port is taken, names cannot be resolved, or none of
                the bootstrap nodes answered. Unless it is the port the node lives on,
                and tries again when the network changes or this is called again.
        """
        node = await self._start()
        await settled(node.ready)
        if self._unresolved is not None:
            await self._renew_bootstrap()
        if node.rpc.table.size:
            return self
        if self._unresolved is not None:
            raise self._unresolved
        if self._bootstrap_nodes:
            asked = ", ".join(f"{host}:{port}" for host, port in self._bootstrap_nodes)
            raise EnvironmentFault(
                f"None of the bootstrap nodes answered ({asked}). Check the addresses "
                "and whether this machine is online.",
                code="no-network",
            )
        return self

    async def close(self) -> None:
        """End servers, connections and sockets; takes a few seconds at most."""
        if self._closing is None:
            self._closed = True
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def suspend(self) -> None:
        """Go to sleep: connections end, servers are unannounced, sockets are closed."""
        if self._starting is not None and not self._starting.done():
            with suppress(EnvironmentFault):
                await asyncio.shield(self._starting)
        if self._node is None or self._driver is None or self._suspended:
            return
        self._suspended = True
        driver, node = self._driver, self._node
        for connection in list(driver.connections):
            connection.destroy("suspended")
        with self._verb():
            suspending = node.suspend()
        await settled(suspending)
        driver.endpoint.flush()
        driver.endpoint.close_socket(SERVER)
        driver.endpoint.close_socket(CLIENT)

    async def resume(self) -> None:
        """Wake up after ``suspend``, on the same port if it is still free.

        Raises:
            EnvironmentFault: No socket can be opened.
        """
        if self._node is None or self._driver is None or not self._suspended:
            return
        server_port, client_port = await self._open_sockets(self._driver)
        self._suspended = False
        # Changes in the meantime were not told to a node that slept.
        self._node.local_addresses = self._own_addresses()
        with self._verb():
            self._node.resume(server_port=server_port, client_port=client_port)

    def woke_up(self) -> None:
        """Tell the node that the machine slept; called when this sees it itself."""
        if self._node is not None and self.started:
            with self._verb():
                self._node.woke_up()

    def network_changed(self) -> None:
        """Tell the node that the machine's addresses changed."""
        if self._node is None or self._driver is None or self._suspended:
            return
        self._node.local_addresses = self._own_addresses()
        self._driver.begin()
        self._node.network_changed()
        self._driver.pump()
        if self._unresolved is not None:
            self._driver.spawn(self._renew_bootstrap())
        for callback in list(self.on_network_change):
            callback()

    async def __aenter__(self) -> Self:
        try:
            return await self.ready()
        except BaseException:
            await self.close()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __await__(self) -> Generator[Any, None, Self]:
        return self.ready().__await__()

    # -- connections ---------------------------------------------------------------

    def create_server(
        self,
        *,
        firewall: Firewall | None = None,
        holepunch: HolepunchHook | bool = True,
        share_local_address: bool = True,
        on_connection: Callable[[Connection], object] | None = None,
    ) -> Server:
        """Prepare a server; ``await server.listen(key_pair)`` puts it to work.

        Args:
            firewall: Called with a client's key, payload and address; True refuses.
            holepunch: Asked before each punch; False for never punching.
            share_local_address: Tell clients the addresses of own interfaces.
            on_connection: Takes connections instead of ``async for``.
        """
        return Server(
            self,
            firewall=firewall,
            holepunch=holepunch,
            share_local_address=share_local_address,
            on_connection=on_connection,
        )

    async def connect(
        self,
        public_key: bytes,
        relay_through: bytes | None = None,
        *,
        key_pair: KeyPair | None = None,
        relay_addresses: Sequence[Address] = (),
        local_connection: bool = True,
        timeout_s: float | None = None,
    ) -> Connection:
        """Open a connection to whoever listens on a key.

        Args:
            public_key: 32 bytes.
            relay_through: A blind relay's key; not supported yet.
            key_pair: Own identity, the node's if not given.
            relay_addresses: Nodes known to reach the peer, tried first.
            local_connection: Tell own interfaces' addresses and try the peer's.
            timeout_s: Give up after so long; without it the network's own limits
                count, about twenty seconds.

        Raises:
            DhtError: The peer is not there or cannot be reached; see its ``code``.
            ConnectTimeoutError: ``timeout_s`` passed.
            EnvironmentFault: The node could not start.
        """
        if relay_through is not None:
            raise LocalProtocolError(
                "connecting through a blind relay is not supported yet",
                code="unsupported",
            )
        await self._start()
        outcome: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()

        def report(result: Outcome) -> None:
            if outcome.done():
                if isinstance(result, Connection):
                    result.destroy("nobody waits for it")
            elif isinstance(result, Connection):
                outcome.set_result(result)
            else:
                outcome.set_exception(result)

        connecting = self._connect(
            public_key,
            report,
            key_pair=key_pair,
            relay_addresses=relay_addresses,
            local_connection=local_connection,
        )
        opened: Connection | None = None
        try:
            async with asyncio.timeout(timeout_s) as limit:
                opened = await outcome
                return opened
        except TimeoutError:
            if not limit.expired():
                raise
            words = f"The peer could not be reached within {timeout_s:g} s."
            raise ConnectTimeoutError(words) from None
        finally:
            if not connecting.done:
                connecting.cancel()
                self._pump()
            # A cancel or the limit may come in the turn in which it opened.
            outcome.cancel()
            if opened is None and not outcome.cancelled() and not outcome.exception():
                outcome.result().destroy("nobody waits for it")

    # -- what is known -------------------------------------------------------------

    @property
    def started(self) -> bool:
        """True while sockets are open."""
        return self._node is not None and not (self._suspended or self._closed)

    @property
    def host(self) -> str:
        """Local address that is bound."""
        return self._host

    @property
    def port(self) -> int:
        """Local UDP port; 0 before the start."""
        return 0 if self._node is None else self._node.rpc.server_port

    @property
    def machine(self) -> HyperDhtNode:
        """The node without sockets; only after the start."""
        assert self._node is not None, "the node has not started"
        return self._node

    @property
    def driver(self) -> Driver:
        """What moves the node; only after the start."""
        assert self._driver is not None, "the node has not started"
        return self._driver

    @property
    def connections(self) -> list[Connection]:
        """All open connections."""
        return [] if self._driver is None else list(self._driver.connections)

    def address(self) -> Address:
        """Host and port as others see them, else the local ones."""
        rpc = self.machine.rpc
        public = rpc.remote_address()
        if public is not None:
            return public
        host = self._host
        if host == DEFAULT_HOST:
            host = (local_addresses() or ("127.0.0.1",))[0]
        return host, self.port

    @property
    def stats(self) -> DhtStats:
        """Figures of now; only after the start."""
        return dht_stats(self.machine, self.driver)

    @property
    def traffic(self) -> Traffic:
        """What the sockets carried; only after the start."""
        return self.driver.endpoint.traffic

    def doctor_facts(self) -> dict[str, Any]:
        """What the doctor reports of the network, as plain data."""
        if self._closed or self._node is None or self._driver is None:
            return {"state": "closed" if self._closed else "not started"}
        return {
            "state": "suspended" if self._suspended else "running",
            "host": self._host,
            "port": self.port,
            "bootstrap": [f"{host}:{port}" for host, port in self._bootstrap_nodes],
        } | network_facts(self._node, self._driver)

    def known_nodes(self) -> list[Address]:
        """Addresses worth remembering for the next start, best first."""
        return [] if self._node is None else self._node.rpc.known_addresses(256)

    # -- for servers and swarms ----------------------------------------------------

    def _connect(
        self,
        public_key: bytes,
        report: Callable[[Outcome], object],
        *,
        key_pair: KeyPair | None = None,
        relay_addresses: Sequence[Address] = (),
        local_connection: bool = True,
    ) -> Connecting:
        driver = self.driver
        driver.begin()
        connecting = self.machine.connect(
            public_key,
            key_pair=key_pair,
            relay_addresses=tuple(relay_addresses),
            local_connection=local_connection,
        )
        driver.connect(connecting, report)
        return connecting

    async def _start_server(
        self,
        server: Server,
        *,
        firewall: Firewall | None,
        holepunch: HolepunchHook | bool,
        share_local_address: bool,
        key_pair: KeyPair | None,
    ) -> ServerMachine:
        node = await self._start()
        machine = node.create_server(
            firewall=firewall,
            holepunch=holepunch,
            share_local_address=share_local_address,
        )
        self._servers[machine] = server
        try:
            await self._do(lambda: machine.listen(key_pair))
        except BaseException:
            del self._servers[machine]
            await self._do(machine.close)
            raise
        return machine

    async def _stop_server(self, machine: ServerMachine) -> None:
        self._servers.pop(machine, None)
        if not self._closed:
            await self._do(machine.close)

    # -- inside --------------------------------------------------------------------

    async def _start(self) -> HyperDhtNode:
        if self._closed:
            raise LocalProtocolError("the node is closed", code="closed")
        if self._node is None:
            if self._starting is None:
                self._starting = asyncio.ensure_future(self._open())
            starting = self._starting
            try:
                await asyncio.shield(starting)
            finally:
                if starting.done() and self._node is None:
                    self._starting = None
        if self._node is None:
            raise LocalProtocolError("the node is closed", code="closed")
        return self._node

    async def _open(self) -> None:
        allow_many_sockets()
        await self._resolve_bootstrap()
        driver = Driver(
            keep_alive_s=self._keep_alive_s,
            max_message_bytes=self._max_message_bytes,
            host=self._host,
            on_incoming=self._on_incoming,
            on_event=self._on_event,
        )
        try:
            server_port, client_port = await self._open_sockets(driver)
        except BaseException:
            await driver.stop()
            raise
        node = self._make_node(driver, server_port)
        node.local_addresses = self._own_addresses()
        driver.attach(node)
        self._driver, self._node = driver, node
        driver.begin()
        node.start(server_port=server_port, client_port=client_port)
        driver.pump()
        self._watcher = InterfaceWatcher(
            lambda _: self.network_changed(),
            read=self._own_addresses,
            on_wake=self.woke_up,
        )
        self._watcher.start()

    async def _resolve_bootstrap(self) -> None:
        wanted = default_bootstrap() if self._bootstrap is None else self._bootstrap
        try:
            self._bootstrap_nodes = await resolve(wanted)
            self._unresolved = None
        except EnvironmentFault as fault:
            # A machine that starts without a network may get one later.
            self._unresolved = fault

    async def _renew_bootstrap(self) -> None:
        await self._resolve_bootstrap()
        if self._unresolved is None and self.started:
            with self._verb():
                rpc = self.machine.rpc
                rpc.set_bootstrap(self._bootstrap_nodes)
                query = rpc.find_node(rpc.table.id)
            with suppress(NetError):
                await settled(query.finished)

    def _make_node(self, driver: Driver, server_port: int) -> HyperDhtNode:
        public: Address | None = None
        if self._isolated:
            host = self._host
            if host == DEFAULT_HOST:
                host = (local_addresses() or ("127.0.0.1",))[0]
            public = (host, server_port)
        return HyperDhtNode(
            scheduler=driver.scheduler,
            entropy=os.urandom,
            allocate_stream_id=driver.allocate_stream_id,
            release_stream_id=driver.release_stream_id,
            bootstrap=self._bootstrap_nodes,
            nodes=tuple(self._nodes),
            key_pair=self.key_pair,
            ephemeral=self._ephemeral,
            firewalled=self._firewalled is not False,
            quick_firewall=self._quick_firewall,
            public_address=public,
            wall_clock_ms=lambda: int(time.time() * 1000),
        )

    async def _open_sockets(self, driver: Driver) -> tuple[int, int]:
        """Bind both sockets; returns their ports."""
        endpoint, host = driver.endpoint, self._host
        wanted = self._port
        if self._node is not None:
            wanted = self.port
        try:
            _, server_port = await endpoint.open_socket(
                SERVER,
                host=host,
                port=DEFAULT_PORT if wanted is None else wanted,
                offload=self._offload,
            )
        except EnvironmentFault:
            if wanted is not None and self._node is None:
                raise
            _, server_port = await endpoint.open_socket(
                SERVER, host=host, offload=self._offload
            )
        try:
            _, client_port = await endpoint.open_socket(
                CLIENT, host=host, offload=self._offload
            )
        except BaseException:
            endpoint.close_socket(SERVER)
            raise
        return server_port, client_port

    def _own_addresses(self) -> tuple[str, ...]:
        return local_addresses() if self._host == DEFAULT_HOST else (self._host,)

    def _on_incoming(self, machine: ServerMachine, connection: Connection) -> None:
        server = self._servers.get(machine)
        if server is None:
            connection.destroy("nobody listens")
        else:
            server.accept(connection)

    def _on_event(self, event: DhtEvent | RpcEvent) -> None:
        for callback in list(self.on_event):
            callback(event)

    def _relays_of(self, public_key: bytes) -> tuple[Address, ...]:
        for machine in self._servers:
            if machine.public_key == public_key:
                return machine.relay_addresses
        return ()

    def _pump(self) -> None:
        if self._driver is not None:
            self._driver.pump()

    async def _close(self) -> None:
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._watcher is not None:
            self._watcher.stop()
        driver, node = self._driver, self._node
        if driver is None or node is None:
            return
        try:
            await self._end(driver, node)
        finally:
            for server in list(self._servers.values()):
                server.node_closed()
            self._servers.clear()
            await driver.stop()

    async def _end(self, driver: Driver, node: HyperDhtNode) -> None:
        """End connections and servers in good order, as far as time allows."""
        ending: list[Awaitable[object]] = [it.close() for it in driver.connections]
        driver.begin()
        closing = node.close()
        driver.pump()
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECTIONS_LIMIT_S):
                for awaitable in ending:
                    await awaitable
        try:
            async with asyncio.timeout(SERVERS_LIMIT_S):
                await settled(closing)
        except TimeoutError:
            driver.counters["close-timeout"] += 1
