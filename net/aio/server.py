"""A key that accepts connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from net.errors import LocalProtocolError

if TYPE_CHECKING:
    from typing import Self

    from net.aio.node import DHT
    from net.aio.stream import Connection
    from net.crypto import KeyPair
    from net.dht.messages import NoisePayload
    from net.dht.server import HolepunchHook
    from net.dht.server import Server as ServerMachine

Address = tuple[str, int]

MAX_BACKLOG = 256
"""Connections that nobody has taken; further ones are ended and counted."""

Firewall = Callable[[bytes, "NoisePayload", Address], bool]
"""Called with a client's key, payload and address; True refuses it unanswered."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """How a server is reached."""

    public_key: bytes
    """What others connect to."""

    host: str
    """Own address as others see it, or the local one while that is unknown."""

    port: int
    """The UDP port."""


class Server:
    """Accepts connections for one key: ``async for connection in server``.

    Made by ``DHT.create_server``; works from ``listen`` to ``close``. Connections
    belong to whoever takes them and outlive the server.

    Attributes:
        listening: True from ``listen`` to ``close``.
        refused: Connections ended because nobody took them in time.
        on_connection: Called with each connection instead of queueing it.
    """

    def __init__(
        self,
        dht: DHT,
        *,
        firewall: Firewall | None = None,
        holepunch: HolepunchHook | bool = True,
        share_local_address: bool = True,
        on_connection: Callable[[Connection], object] | None = None,
    ) -> None:
        self.listening = False
        self.refused = 0
        self.on_connection = on_connection
        self._dht = dht
        self._firewall = firewall
        self._holepunch = holepunch
        self._share_local_address = share_local_address
        self._machine: ServerMachine | None = None
        self._closed = False
        self._backlog: deque[Connection] = deque()
        self._waiters: deque[asyncio.Future[None]] = deque()

    async def listen(self, key_pair: KeyPair | None = None) -> Self:
        """Accept connections for a key, and announce it to the network.

        Args:
            key_pair: The key; the node's own if not given.

        Raises:
            LocalProtocolError: It listens already, or is closed.
            DhtError: The key is in use by another server of this node.
            EnvironmentFault: The node could not start.
        """
        if self.listening or self._closed:
            raise LocalProtocolError("a server listens once")
        self.listening = True
        try:
            self._machine = await self._dht._start_server(
                self,
                firewall=self._firewall,
                holepunch=self._holepunch,
                share_local_address=self._share_local_address,
                key_pair=key_pair,
            )
        except BaseException:
            self.listening = False
            raise
        return self

    @property
    def public_key(self) -> bytes:
        """The key others connect to; only once it listens."""
        if self._machine is None:
            raise LocalProtocolError("the server does not listen yet")
        return self._machine.public_key

    @property
    def relay_addresses(self) -> tuple[Address, ...]:
        """Nodes through which clients reach this server."""
        return () if self._machine is None else self._machine.relay_addresses

    def address(self) -> ServerAddress:
        """Key, host and port; only once it listens."""
        host, port = self._dht.address()
        return ServerAddress(self.public_key, host, port)

    async def close(self) -> None:
        """Stop accepting; bounded, also when the network does not answer."""
        if self._closed:
            return
        self._closed = True
        self.listening = False
        while self._waiters:
            self._wake()
        while self._backlog:
            self._backlog.popleft().destroy("the server closed")
        if self._machine is not None:
            await self._dht._stop_server(self._machine)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Connection:
        while True:
            while self._backlog:
                connection = self._backlog.popleft()
                if not connection.closed or connection.stats.unread_bytes:
                    return connection
            if self._closed:
                raise StopAsyncIteration
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def accept(self, connection: Connection) -> None:
        """Take in one connection; called by the node."""
        if self.on_connection is not None:
            self.on_connection(connection)
            return
        if len(self._backlog) >= MAX_BACKLOG:
            self._backlog = deque(it for it in self._backlog if not it.closed)
        if self._closed or len(self._backlog) >= MAX_BACKLOG:
            self.refused += 1
            connection.destroy("nobody takes it")
        else:
            self._backlog.append(connection)
            self._wake()

    def node_closed(self) -> None:
        """The node ended, and this with it; called by the node."""
        self._closed = True
        self.listening = False
        while self._waiters:
            self._wake()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
