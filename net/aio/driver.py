"""What drives one DHT node: its sockets and timer, and the streams it opens.

A datagram comes from the endpoint, the node acts on it, and what follows (answers,
sockets wanted, connections that became possible) is done before the callback returns.
It leaves to others: the streams' own turns (:mod:`net.aio.endpoint`), the connections
(:mod:`net.aio.stream`), and the face to applications (:mod:`net.aio.node`).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from net.aio.endpoint import Endpoint
from net.aio.errors import ConnectionClosedError
from net.aio.facts import ConnectionFacts
from net.aio.incoming import (
    EarlyPackets,
    UnprovenConnection,
    UnprovenConnections,
)
from net.aio.stream import Connection
from net.aio.timers import DeadlineTimer
from net.dht.connector import Connecting
from net.dht.errors import NodeClosedError
from net.dht.events import (
    ConnectFailed,
    DhtEvent,
    SocketReleased,
    SocketWanted,
    StreamReady,
)
from net.dht.server import Server as ServerMachine
from net.errors import EnvironmentFault, LocalProtocolError, NetError
from net.flow import Scheduler
from net.rpc import RpcEvent

if TYPE_CHECKING:
    from net.aio.raw_stream import UdxStream
    from net.dht.node import HyperDhtNode

Address = tuple[str, int]
Outcome = Connection | NetError
ConnectCallback = Callable[[Outcome], object]

MAX_CONNECTIONS = 4096
"""Open connections of one node; further incoming ones take the place of the oldest
whose peer has shown nothing yet, or are ended and counted."""


class Driver:
    """Sockets, clock and connections of one node.

    Made inside a running event loop; ended by ``stop``.

    Attributes:
        endpoint: The UDP sockets and the UDX streams over them.
        scheduler: The clock of the node and of everything built on it.
        connections: All that are open.
        counters: What happened how often.
    """

    def __init__(
        self,
        *,
        keep_alive_s: float | None,
        max_message_bytes: int,
        host: str,
        on_incoming: Callable[[ServerMachine, Connection], None],
        on_event: Callable[[DhtEvent | RpcEvent], None],
    ) -> None:
        self.endpoint = Endpoint(entropy=os.urandom, on_datagram=self._on_datagram)
        self.scheduler = Scheduler(now=time.monotonic())
        self.connections: set[Connection] = set()
        self.counters: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._host = host
        self._keep_alive_s = keep_alive_s
        self._max_message_bytes = max_message_bytes
        self._on_incoming = on_incoming
        self._on_event = on_event
        self._node: HyperDhtNode | None = None
        self._timer = DeadlineTimer(self._loop, self._handle_timer)
        self._streams: dict[int, UdxStream] = {}
        self._waiting: dict[Connecting, ConnectCallback] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._observers: list[Callable[[], None]] = []
        self._unproven = UnprovenConnections(self.counters)
        self._taking_events = False

    # -- life ----------------------------------------------------------------------

    def attach(self, node: HyperDhtNode) -> None:
        """Drive this node from now on."""
        assert self._node is None, "one node a driver"
        self._node = node

    def observe(self, callback: Callable[[], None]) -> None:
        """Call back after everything the node did, for machines built on it."""
        self._observers.append(callback)

    def forget(self, callback: Callable[[], None]) -> None:
        """Undo ``observe``."""
        if callback in self._observers:
            self._observers.remove(callback)

    async def stop(self) -> None:
        """End connections, tasks, timers and sockets; the node has ended before."""
        for connection in list(self.connections):
            connection.destroy("the node closed")
        for connecting, callback in list(self._waiting.items()):
            del self._waiting[connecting]
            callback(NodeClosedError())
        self._timer.stop()
        self._node = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.endpoint.stop()

    # -- intents -------------------------------------------------------------------

    def begin(self) -> None:
        """Set the clock before calling a machine."""
        self.scheduler.advance(time.monotonic())

    def pump(self) -> None:
        """Do what follows from whatever the node was just asked or told."""
        node = self._node
        if node is None:
            return
        try:
            self._take_events(node)
            for observer in self._observers:
                observer()
        finally:
            # A callback that fails is loud, but must not silence the node.
            self._send(node)
            if self._node is not None:
                self._timer.set(node.get_timer())

    def connect(self, connecting: Connecting, callback: ConnectCallback) -> None:
        """Report the outcome of an attempt of the node, once and not at once."""
        self._waiting[connecting] = callback
        self._loop.call_soon(self.pump)

    def allocate_stream_id(self) -> int:
        """Make an unconnected stream for the node; its id."""
        node = self._node
        assert node is not None, "the node is attached"

        def first_packet(socket: int, address: Address) -> bool:
            if stream.connected:
                # The peer may reach us at another socket than the one we send from.
                return True
            accepted = node.stream_packet(local_id, socket, address, time.monotonic())
            if accepted:
                self.pump()
            return accepted

        stream = self.endpoint.create_stream(on_unknown_source=first_packet)
        local_id = stream.local_id
        stream.listener = EarlyPackets(stream)
        self._streams[local_id] = stream
        return local_id

    def release_stream_id(self, local_id: int) -> None:
        """Forget a stream whose connection came to nothing."""
        stream = self._streams.pop(local_id, None)
        if stream is not None:
            stream.destroy()

    # -- inside --------------------------------------------------------------------

    def _on_datagram(self, socket: int, data: bytes, address: Address) -> None:
        node = self._node
        if node is not None:
            node.receive_datagram(data, address, time.monotonic(), socket=socket)
            self.pump()

    def _handle_timer(self) -> None:
        node = self._node
        if node is not None:
            node.handle_timer(time.monotonic())
            self.pump()

    def _send(self, node: HyperDhtNode) -> None:
        for socket, data, address, ttl in node.datagrams_to_send():
            self.endpoint.send_datagram(socket, data, address, ttl)

    def _take_events(self, node: HyperDhtNode) -> None:
        if self._taking_events:
            return
        self._taking_events = True
        loud: Exception | None = None
        try:
            while (event := node.next_event()) is not None:
                try:
                    self._act_on(event)
                except Exception as error:  # noqa: BLE001 - other events come first
                    loud = loud or error
        finally:
            self._taking_events = False
        if loud is not None:
            raise loud

    def _act_on(self, event: DhtEvent | RpcEvent) -> None:
        if isinstance(event, StreamReady):
            self._open(event)
        elif isinstance(event, ConnectFailed):
            self._report(event.handle, event.error)
        elif isinstance(event, SocketWanted):
            # Datagrams for the socket wait until it is there, or are lost.
            self.spawn(self._open_socket(event.socket))
        elif isinstance(event, SocketReleased):
            self.endpoint.close_socket(event.socket)
        self._on_event(event)

    def _open(self, ready: StreamReady) -> None:
        stream = self._streams.pop(ready.local_id)
        early = stream.listener
        assert isinstance(early, EarlyPackets)
        try:
            stream.connect(ready.remote_id, ready.socket, ready.address)
        except LocalProtocolError:
            self._stream_gone(ready.local_id)
            gone = ConnectionClosedError("The peer ended the connection.", code="reset")
            if isinstance(ready.handle, Connecting):
                self._report(ready.handle, gone)
            return
        full = len(self.connections) >= MAX_CONNECTIONS and not ready.is_initiator
        if full and not self._unproven.make_room():
            self.counters["connections-refused"] += 1
            # Connected first, because only then the peer can be told.
            stream.destroy()
            self._stream_gone(ready.local_id)
            return
        facts = ConnectionFacts(
            remote_public_key=ready.remote_public_key,
            path=ready.path,
            elapsed_s=ready.elapsed_s,
            opened_trace=ready.trace,
        )
        connection = Connection(
            stream,
            ready.result,
            facts,
            entropy=os.urandom,
            keep_alive_s=self._keep_alive_s,
            max_message_bytes=self._max_message_bytes,
        )
        self.connections.add(connection)

        def closed(_: Connection) -> None:
            self.connections.discard(connection)
            error = connection.error
            if error is not None and error.code == "message-too-large":
                self.counters[error.code] += 1
            # Later, because the last packet still needs the socket.
            self._loop.call_soon(self._stream_gone, ready.local_id)

        connection.on_close.append(closed)
        if isinstance(ready.handle, Connecting):
            stream.listener = connection
            self._report(ready.handle, connection)
        else:
            hand_on = partial(self._hand_on, ready.handle)
            UnprovenConnection(stream, connection, hand_on, counters=self.counters)
            self._unproven.add(connection)
        early.replay()

    def _hand_on(self, server: ServerMachine, connection: Connection) -> None:
        self._unproven.remove(connection)
        taken = False
        try:
            self._on_incoming(server, connection)
            taken = True
        finally:
            # A bug of who takes it is loud, but leaves nothing open that nobody has.
            if not taken:
                connection.destroy("nobody could take it")

    def _stream_gone(self, local_id: int) -> None:
        if self._node is not None:
            self._node.stream_closed(local_id, time.monotonic())
            self.pump()

    def _report(self, connecting: Connecting, outcome: Outcome) -> None:
        callback = self._waiting.pop(connecting, None)
        if callback is not None:
            callback(outcome)
        elif isinstance(outcome, Connection):
            outcome.destroy("nobody waits for it")

    async def _open_socket(self, socket: int) -> None:
        try:
            _, port = await self.endpoint.open_socket(socket, host=self._host)
        except EnvironmentFault:
            self.counters["punch-socket-failed"] += 1
            if self._node is not None:
                self._node.socket_failed(socket, time.monotonic())
        else:
            if self._node is not None:
                self._node.socket_opened(socket, port, time.monotonic())
        self.pump()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something beside, until it ends or ``stop``."""
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
