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
from net.aio.topics import OnPeer, RunningTopicQuery, TopicQueries
from net.crypto import KeyPair
from net.errors import LocalProtocolError, NetError
from net.flow import Deferred
from net.swarm import (
    ConnectionOpened,
    DiscoverySession,
    PeerInfo,
    SwarmMachine,
    SwarmOptions,
)

if TYPE_CHECKING:
    from typing import Self

    from net.aio.server import Server
    from net.dht.connector import Connecting

T = TypeVar("T")
Address = tuple[str, int]
Firewall = Callable[[bytes, Any], bool]

CLOSE_LIMIT_S = 3.0
"""How long ``close`` waits for topics to be unannounced."""


class SwarmLink:
    """One connection of the swarm, from its first attempt to its end."""

    def __init__(
        self, network: SwarmRim, public_key: bytes, *, is_initiator: bool
    ) -> None:
        self.remote_public_key = public_key
        self.is_initiator = is_initiator
        self.connection: Connection | None = None
        self.connecting: Connecting | None = None
        self._network = network
        self._destroyed = False

    @property
    def has_traffic(self) -> bool:
        """True once bytes went both ways."""
        return self.connection is not None and self.connection.has_traffic

    def destroy(self, reason: str) -> None:
        """End it at once."""
        self._destroyed = True
        if self.connection is not None:
            self.connection.destroy(reason)
        elif self.connecting is not None and not self.connecting.done:
            self.connecting.cancel()

    def send_keep_alive(self) -> None:
        """Send an empty frame."""
        if self.connection is not None:
            self.connection.send_keep_alive()

    def outcome(self, result: Connection | NetError) -> None:
        """The attempt came to an end."""
        if not isinstance(result, Connection):
            self._network.link_closed(self, str(getattr(result, "code", "")) or None)
            return
        self.attach(result)
        if self._destroyed:
            result.destroy("no longer wanted")
        elif not result.closed:
            self._network.link_opened(self)

    def attach(self, connection: Connection) -> None:
        """This is what it became."""
        self.connection = connection
        connection.on_close.append(self._closed)

    def _closed(self, connection: Connection) -> None:
        error = connection.error
        self._network.link_closed(self, None if error is None else error.code)


class SwarmRim:
    """A DHT node as the swarm machine wants to see it."""

    def __init__(self, dht: DHT, server: Server, key_pair: KeyPair) -> None:
        self.machine: SwarmMachine
        self._dht = dht
        self._server = server
        self._key_pair = key_pair
        self._listening: Deferred[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._queries = TopicQueries(
            dht.machine, key_pair, lambda: server.relay_addresses
        )

    def link_opened(self, link: SwarmLink) -> None:
        """An outgoing connection is ready."""
        self._dht.driver.begin()
        self.machine.connection_opened(link)
        self._dht.driver.pump()

    def link_closed(self, link: SwarmLink, code: str | None) -> None:
        """A connection ended or an attempt failed; told when the callback is over."""
        asyncio.get_running_loop().call_soon(self._tell_closed, link, code)

    def accept(self, connection: Connection) -> None:
        """The server got a connection."""
        link = SwarmLink(self, connection.remote_public_key, is_initiator=False)
        link.attach(connection)
        self._dht.driver.begin()
        self.machine.connection_incoming(link)
        self._dht.driver.pump()

    async def stop(self) -> None:
        """End what runs for the machine."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # what the machine asks

    def listen(self) -> Deferred[None]:
        """Start the server once."""
        if self._listening is None or self._listening.error is not None:
            self._listening = self._run(self._listen())
        return self._listening

    def lookup(
        self, topic: bytes, *, nodes: Sequence[Any], on_peer: OnPeer
    ) -> RunningTopicQuery:
        """Ask who announced."""
        return self._queries.run(
            topic, nodes=nodes, on_peer=on_peer, announce=False, clear=False
        )

    def lookup_and_unannounce(
        self, topic: bytes, *, nodes: Sequence[Any], on_peer: OnPeer
    ) -> RunningTopicQuery:
        """Ask, and take the own records back."""
        return self._queries.run(
            topic, nodes=nodes, on_peer=on_peer, announce=False, clear=True
        )

    def announce(
        self, topic: bytes, *, nodes: Sequence[Any], clear: bool, on_peer: OnPeer
    ) -> RunningTopicQuery:
        """Ask, then announce."""
        return self._queries.run(
            topic, nodes=nodes, on_peer=on_peer, announce=True, clear=clear
        )

    def unannounce(self, topic: bytes, *, nodes: Sequence[Any]) -> Deferred[None]:
        """Take the own records back from these nodes."""
        return self._queries.unannounce(topic, nodes)

    def connect(
        self,
        public_key: bytes,
        *,
        relay_addresses: Sequence[Address],
        force_relay: bool,
    ) -> SwarmLink:
        """Start a connection."""
        del force_relay
        link = SwarmLink(self, public_key, is_initiator=True)
        try:
            link.connecting = self._dht._connect(
                public_key,
                link.outcome,
                key_pair=self._key_pair,
                relay_addresses=relay_addresses,
            )
        except LocalProtocolError as error:
            self.link_closed(link, error.code)
        return link

    def suspend(self) -> Deferred[None]:
        """Take everything down."""
        return self._run(self._dht.suspend())

    def resume(self) -> Deferred[None]:
        """Bring everything up."""
        return self._run(self._dht.resume())

    def close(self) -> Deferred[None]:
        """Close the server."""
        return self._run(self._server.close())

    # inside

    async def _listen(self) -> None:
        await self._server.listen(self._key_pair)

    def _tell_closed(self, link: SwarmLink, code: str | None) -> None:
        if self._dht.started or not self.machine.destroyed:
            self._dht.driver.begin()
            self.machine.connection_closed(link, code)
            self._dht.driver.pump()

    def _run(self, coroutine: Any) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)

        def ended(_: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            error = None
            if not task.cancelled():
                error = task.exception()
            self._dht.driver.begin()
            if error is None:
                done.resolve(None)
            else:
                done.fail(error)
            self._dht.driver.pump()

        task.add_done_callback(ended)
        return done


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
        machine, rim = self._machine, self._rim
        if machine is not None and rim is not None:
            try:
                async with asyncio.timeout(CLOSE_LIMIT_S):
                    await self._wait(machine.destroy)
            except TimeoutError:
                self.dht.driver.counters["swarm-close-timeout"] += 1
            self.dht.driver.forget(self._take_events)
            if self._on_network_change in self.dht.on_network_change:
                self.dht.on_network_change.remove(self._on_network_change)
            await rim.stop()
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
        return machine

    def _on_network_change(self) -> None:
        if self._machine is not None:
            with self.dht._verb():
                self._machine.network_changed()

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
