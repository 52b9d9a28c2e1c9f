"""The swarm as applications use it: join topics, get connections.

    async with Swarm() as swarm:
        await swarm.join(topic)
        async for connection in swarm.connections():
            ...

Whom to connect to and which of two crossing connections stays is decided by
:class:`net.swarm.SwarmMachine`; this puts a DHT node behind it.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from net.aio.deferred import settled
from net.aio.node import DHT
from net.aio.stream import Connection
from net.aio.swarm_network import SwarmLink, SwarmRim
from net.crypto import KeyPair
from net.errors import LocalProtocolError
from net.flow import Deferred
from net.rpc import NetworkUpdated, WokeUp
from net.swarm import (
    ConnectionOpened,
    DiscoverySession,
    PeerInfo,
    SwarmMachine,
    SwarmOptions,
)

if TYPE_CHECKING:
    from typing import Self


T = TypeVar("T")
Address = tuple[str, int]
Firewall = Callable[[bytes, Any], bool]

CLOSE_LIMIT_S = 3.0
"""How long ``close`` waits for topics to be unannounced."""


class Discovery:
    """A session in a topic, given by ``Swarm.join``."""

    def __init__(self, swarm: Swarm, session: DiscoverySession) -> None:
        self._swarm = swarm
        self._session = session

    @property
    def topic(self) -> bytes:
        """The 32 bytes it is about."""
        return self._session.topic

    async def flushed(self) -> bool:
        """Wait until the announce or look-up under way is over; True if it worked."""
        return await self._swarm._wait(self._session.flushed)

    async def refresh(
        self,
        *,
        server: bool | None = None,
        client: bool | None = None,
        limit: int | None = None,
    ) -> bool:
        """Announce or look up now, perhaps in another mode; True if it worked."""
        return await self._swarm._wait(
            lambda: self._session.refresh(server=server, client=client, limit=limit)
        )

    async def leave(self) -> None:
        """Give this session up; the last one to go unannounces the topic."""
        await self._swarm._wait(self._session.destroy)


class Swarm:
    """Topics and peers that are wanted, as connections.

    Starts with the first ``join`` or ``join_peer``, or as a context manager.

    Attributes:
        dht: The node below.
        key_pair: Own identity on every connection.
    """

    def __init__(
        self,
        bootstrap: Sequence[Address | str] | None = None,
        *,
        dht: DHT | None = None,
        key_pair: KeyPair | None = None,
        firewall: Firewall | None = None,
        options: SwarmOptions | None = None,
        **dht_options: Any,
    ) -> None:
        """Prepare a swarm; nothing is opened yet.

        Args:
            bootstrap: Where to enter the network; see :class:`net.aio.node.DHT`.
            dht: A node to use instead of one of its own; it is not closed at the end.
            key_pair: Own identity; the node's if not given.
            firewall: Called with a peer's key and payload (None for outgoing); True
                refuses and bans it.
            options: Limits.
            dht_options: For the node of its own: ``port``, ``host`` and so on.
        """
        self._owns_dht = dht is None
        self.dht = dht or DHT(bootstrap, key_pair=key_pair, **dht_options)
        self.key_pair = key_pair or self.dht.key_pair
        self._firewall = firewall
        self._options = options
        self._machine: SwarmMachine | None = None
        self._rim: SwarmRim | None = None
        self._starting: asyncio.Lock = asyncio.Lock()
        self._ready: deque[Connection] = deque()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._online = True
        self._closed = False

    # -- life ----------------------------------------------------------------------

    async def start(self) -> Self:
        """Open the node below; does not wait for the network.

        Raises:
            EnvironmentFault: The port is taken or names cannot be resolved.
            LocalProtocolError: The swarm is closed.
        """
        await self._start()
        return self

    async def close(self) -> None:
        """Leave every topic and end every connection; takes a few seconds at most."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._end()
        finally:
            if self._owns_dht:
                await self.dht.close()
            while self._waiters:
                self._wake()

    async def suspend(self) -> None:
        """Go to sleep: connections end, nothing is announced, sockets are closed."""
        await self._wait((await self._start()).suspend)

    async def resume(self) -> None:
        """Wake up: topics are announced and looked up at once."""
        await self._wait((await self._start()).resume)

    async def __aenter__(self) -> Self:
        try:
            return await self.start()
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

    # -- what is wanted ------------------------------------------------------------

    async def join(
        self,
        topic: bytes,
        *,
        server: bool = True,
        client: bool = True,
        limit: int | None = None,
    ) -> Discovery:
        """Take part in a topic; returns before the network was asked.

        Args:
            topic: 32 bytes.
            server: Announce, and accept connections.
            client: Look for peers, and connect to them.
            limit: New peers taken from one look-up; None for all.

        Raises:
            LocalProtocolError: No 32 bytes, neither mode, or the swarm is closed.
        """
        machine = await self._start()
        with self.dht._verb():
            session = machine.join(topic, server=server, client=client, limit=limit)
        return Discovery(self, session)

    async def leave(self, topic: bytes) -> None:
        """Leave a topic in all its sessions, and unannounce it."""
        machine = await self._start()
        await self._wait(lambda: machine.leave(topic))

    async def join_peer(self, public_key: bytes) -> None:
        """Keep a connection to this peer, whatever the topics say."""
        machine = await self._start()
        with self.dht._verb():
            machine.join_peer(public_key)

    async def leave_peer(self, public_key: bytes) -> None:
        """Stop wanting this peer; an open connection stays."""
        machine = await self._start()
        with self.dht._verb():
            machine.leave_peer(public_key)

    async def ban(self, public_key: bytes) -> None:
        """Refuse this peer from now on, and end its connection."""
        machine = await self._start()
        with self.dht._verb():
            machine.ban(public_key)

    async def flush(self) -> bool:
        """Wait for announces and look-ups under way and one attempt for each peer."""
        machine = await self._start()
        return await self._wait(machine.flush)

    # -- what there is -------------------------------------------------------------

    async def connections(self) -> AsyncIterator[Connection]:
        """Each new connection once, until the swarm closes."""
        while True:
            while self._ready:
                connection = self._ready.popleft()
                if not connection.closed:
                    yield connection
            if self._closed:
                return
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    @property
    def open_connections(self) -> list[Connection]:
        """All that are open now."""
        if self._machine is None:
            return []
        links = self._machine.open_connections()
        return [
            link.connection
            for link in links
            if isinstance(link, SwarmLink) and link.connection is not None
        ]

    @property
    def topics(self) -> list[bytes]:
        """The topics joined."""
        return [] if self._machine is None else self._machine.topics()

    def peer(self, public_key: bytes) -> PeerInfo | None:
        """What is known of a peer: topics, attempts, whether it was ever reached."""
        return None if self._machine is None else self._machine.peers.get(public_key)

    @property
    def machine(self) -> SwarmMachine:
        """The swarm without sockets; only after the start."""
        assert self._machine is not None, "the swarm has not started"
        return self._machine

    # -- inside --------------------------------------------------------------------

    async def _start(self) -> SwarmMachine:
        if self._closed:
            raise LocalProtocolError("the swarm is closed", code="closed")
        if self._machine is not None:
            return self._machine
        async with self._starting:
            if self._machine is None:
                await self.dht._start()
                self._machine = self._make_machine()
        return self._machine

    async def _end(self) -> None:
        """Leave and disconnect, as far as time allows."""
        machine, rim = self._machine, self._rim
        if machine is None or rim is None:
            return
        try:
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await self._wait(machine.destroy)
        except TimeoutError:
            self.dht.driver.counters["swarm-close-timeout"] += 1
        self.dht.driver.forget(self._take_events)
        self.dht.on_network_change.remove(self._on_network_change)
        self.dht.on_event.remove(self._on_node_event)
        await rim.stop()

    def _make_machine(self) -> SwarmMachine:
        server = self.dht.create_server(
            firewall=lambda key, payload, _: machine.refuses(key, payload),
            on_connection=lambda connection: rim.accept(connection),
        )
        rim = SwarmRim(self.dht, server, self.key_pair)
        machine = SwarmMachine(
            public_key=self.key_pair.public_key,
            scheduler=self.dht.driver.scheduler,
            entropy=os.urandom,
            network=rim,
            options=self._options,
            firewall=self._firewall,
        )
        rim.machine = machine
        self._rim = rim
        self.dht.driver.observe(self._take_events)
        self.dht.on_network_change.append(self._on_network_change)
        self.dht.on_event.append(self._on_node_event)
        return machine

    def _on_network_change(self) -> None:
        if self._machine is not None:
            with self.dht._verb():
                self._machine.network_changed()

    def _on_node_event(self, event: object) -> None:
        if isinstance(event, WokeUp) and self._machine is not None:
            with self.dht._verb():
                self._machine.woke_up()
        elif isinstance(event, NetworkUpdated):
            came_online = event.online and not self._online
            self._online = event.online
            if came_online:
                self._on_network_change()

    def _take_events(self) -> None:
        machine = self._machine
        if machine is None:
            return
        while (event := machine.next_event()) is not None:
            if isinstance(event, ConnectionOpened):
                link = event.connection
                assert isinstance(link, SwarmLink)
                assert link.connection is not None
                self._ready.append(link.connection)
                link.connection.on_close.append(self._not_ready)
                self._wake()

    def _not_ready(self, connection: Connection) -> None:
        if connection in self._ready:
            self._ready.remove(connection)

    async def _wait(self, verb: Callable[[], Deferred[T]]) -> T:
        with self.dht._verb():
            deferred = verb()
        return await settled(deferred)

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
