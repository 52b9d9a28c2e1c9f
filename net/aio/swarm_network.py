"""A DHT node as the swarm machine wants to see it (:mod:`net.swarm.interfaces`)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from net.aio.stream import Connection
from net.aio.topics import OnPeer, RunningTopicQuery, TopicQueries
from net.errors import LocalProtocolError, NetError
from net.flow import Deferred

if TYPE_CHECKING:
    from net.aio.node import DHT
    from net.aio.server import Server
    from net.crypto import KeyPair
    from net.dht.connector import Connecting
    from net.swarm import SwarmMachine

Address = tuple[str, int]


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

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> Deferred[None]:
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
