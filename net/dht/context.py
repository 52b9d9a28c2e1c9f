"""What the parts of a HyperDHT node share: the node below, sockets, queues, limits.

One object made by :class:`net.dht.node.HyperDhtNode` and given to each server,
connector, puncher and announcer, so that they need not know the node itself.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from net.dht.constants import (
    MAX_EVENTS,
    OPEN_SESSION_TTL,
    PROBE,
    PROBE_TTL,
    Address,
)
from net.dht.events import DhtEvent
from net.dht.socket_pool import SocketPool
from net.errors import NetError
from net.flow import Deferred, Scheduler

if TYPE_CHECKING:
    from net.dht.router import Router
    from net.rpc import Reply, RpcEvent, RpcNode


class DhtContext:
    """Shared state and small services.

    Args:
        scheduler: Clock, timers and coroutines.
        entropy: Source of random bytes.
        rpc: The node below.
        router: The forward table.
        events: What the rim shall be told.
        allocate_stream_id: Reserves a UDX id at the rim.
        release_stream_id: Gives back an id that came to no stream.

    Attributes:
        local_hosts: Addresses of the own interfaces, as the rim found them.
        claimants: By UDX id, who takes the first packet of a stream not yet connected.
        counters: What happened how often; hostile input among it.
        suspended: True while the node sleeps.
        closed: True once the node is closed.
    """

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        entropy: Callable[[int], bytes],
        rpc: RpcNode,
        router: Router,
        events: deque[DhtEvent | RpcEvent],
        allocate_stream_id: Callable[[], int],
        release_stream_id: Callable[[int], None],
    ) -> None:
        self.scheduler = scheduler
        self.entropy = entropy
        self.rpc = rpc
        self.router = router
        self.allocate_stream_id = allocate_stream_id
        self.release_stream_id = release_stream_id
        self.events = events
        self.pool = SocketPool(self.emit)
        self.claimants: dict[int, Callable[[int, Address], bool]] = {}
        self._stream_sockets: dict[int, int] = {}
        self.local_hosts: tuple[str, ...] = ()
        self.counters: Counter[str] = Counter()
        self.suspended = False
        self.closed = False

    @property
    def now(self) -> float:
        """The node's clock, seconds."""
        return self.scheduler.now

    def emit(self, event: DhtEvent | RpcEvent) -> None:
        """Queue an event for the rim."""
        assert len(self.events) < MAX_EVENTS, "the rim takes no events"
        self.events.append(event)

    def hold_for_stream(self, local_id: int, socket: int) -> None:
        """Keep a punch socket open as long as a stream uses it."""
        if socket in self.pool:
            self.pool.hold(socket)
            self._stream_sockets[local_id] = socket

    def stream_closed(self, local_id: int) -> None:
        """A stream ended; its socket may be given back."""
        socket = self._stream_sockets.pop(local_id, None)
        if socket is not None:
            self.pool.release(socket)

    def public_address(self) -> Address | None:
        """Where the node can be reached by anyone; None unless it is open."""
        return self.rpc.remote_address()

    def local_addresses(self) -> tuple[Address, ...]:
        """The server socket on the own interfaces; loopback if there is no other."""
        port = self.rpc.server_port
        if not port:
            return ()
        outer = [host for host in self.local_hosts if not host.startswith("127.")]
        return tuple((host, port) for host in outer or ["127.0.0.1"])

    def send_probe(self, socket: int, address: Address) -> None:
        """Send the byte that tests a way."""
        self._send_probe(socket, address, PROBE_TTL)

    def open_session(self, socket: int, address: Address) -> None:
        """Open the own firewall towards an address, without reaching it."""
        self._send_probe(socket, address, OPEN_SESSION_TTL)

    def _send_probe(self, socket: int, address: Address, ttl: int) -> None:
        if 0 < address[1] <= 0xFFFF:
            self.rpc.send_datagram(PROBE, address, socket=socket, ttl=ttl)

    def ask_own_address(
        self,
        socket: int,
        node: Address,
        done: Callable[[Address | None], None],
    ) -> None:
        """Ask a node once how it sees a socket of ours."""

        def answered(reply: Deferred[Reply]) -> None:
            try:
                done(reply.result().to)
            except NetError:
                done(None)

        self.rpc.ping(node, socket=socket, retries=0).when_settled(answered)
