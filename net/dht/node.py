"""A HyperDHT node: the machine that finds, announces and connects keys.

    node = HyperDhtNode(scheduler=scheduler, entropy=entropy, allocate_stream_id=...)
    node.local_addresses = ["192.168.0.9"]
    node.start(server_port=49737, client_port=51000)     # the rim has bound 0 and 1
    connecting = node.connect(remote_public_key)
    server = node.create_server(); server.listen(key_pair)
    event = node.next_event()                            # StreamReady, ...

It composes an ``RpcNode`` with storage for others, the forward table, servers and
outgoing connections, and owns no socket. What its driver has to do:

* bind sockets 0 and 1, then ``start``; on ``SocketWanted`` bind another one and call
  ``socket_opened`` (or ``socket_failed``), on ``SocketReleased`` close it;
* take events before datagrams after each call, since a datagram may need a socket that
  an event asks for;
* hand in every datagram that is no packet of a live UDX stream, with its socket;
* report the first packet of a stream that is not connected with ``stream_packet``; when
  that returns True a ``StreamReady`` for it is, or will be, among the events;
* on ``StreamReady`` connect the UDX stream; ``stream_closed`` when it has ended.

Upstream: hyperdht 6.34.0 ``index.js``.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from net.crypto import KeyPair, blake2b_256
from net.dht.caches import GenerationCache
from net.dht.connector import Connecting, ConnectOptions
from net.dht.constants import (
    MAX_CONNECTING,
    MAX_EVENTS,
    MAX_RELAY_CACHE,
    PUBLIC_BOOTSTRAP,
    UNANNOUNCE_LIMIT_S,
    Address,
    accepts_node,
)
from net.dht.context import DhtContext
from net.dht.errors import NodeClosedError, SuspendedError
from net.dht.events import DhtEvent
from net.dht.persistent import Persistent
from net.dht.queries import (
    DhtQuery,
    FoundPeer,
    FoundTopic,
    ImmutableStored,
    MutableStored,
    Queries,
)
from net.dht.router import Router
from net.dht.server import FirewallHook, HolepunchHook, Server
from net.errors import LocalProtocolError
from net.flow import Deferred, FlowTask, Scheduler, all_settled
from net.rpc import NetworkChanged, RpcNode, WokeUp
from net.rpc import Persistent as BecamePersistent

if TYPE_CHECKING:
    from net.dht.messages import MutableValue, RelayThroughInfo
    from net.rpc import Outgoing, Request, RpcEvent


def _ignore_id(stream_id: int) -> None:
    del stream_id


class HyperDhtNode:
    """One node of the HyperDHT network.

    Attributes:
        rpc: The Kademlia node below: routing table, own address, statistics.
        key_pair: Own identity where none is named.
        servers: Servers that listen now.
        persistent: Storage for others; None while the node is not persistent.
        router: The forward table.
    """

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        entropy: Callable[[int], bytes],
        allocate_stream_id: Callable[[], int],
        release_stream_id: Callable[[int], None] = _ignore_id,
        bootstrap: Sequence[Address] = PUBLIC_BOOTSTRAP,
        nodes: Sequence[Address] = (),
        key_pair: KeyPair | None = None,
        ephemeral: bool | None = None,
        firewalled: bool = True,
        quick_firewall: bool = True,
        public_address: Address | None = None,
        wall_clock_ms: Callable[[], int] | None = None,
    ) -> None:
        """Make a node that does nothing before ``start``.

        Args:
            scheduler: Clock, timers and coroutines; may be shared with the driver.
            entropy: Gives random bytes.
            allocate_stream_id: Reserves a UDX id and makes its stream, unconnected.
            release_stream_id: Gives back an id whose connection came to nothing.
            bootstrap: Nodes to begin with; none makes the first node of a network.
            nodes: Nodes remembered from before.
            key_pair: Own identity, drawn if not given.
            ephemeral: False to become persistent at once or never, True to stay
                ephemeral, None to become persistent when stable.
            firewalled: False if the server socket is known to be reached by all.
            quick_firewall: Test at start whether the node is open.
            public_address: Our own public address, if known.
            wall_clock_ms: The time of day in ms, for the bumps of announcements.
        """
        self.key_pair = key_pair or KeyPair.from_seed(entropy(32))
        self.router = Router()
        self.persistent: Persistent | None = None
        self.servers: list[Server] = []
        self._entropy = entropy
        self._wall_clock_ms = wall_clock_ms
        self._connecting: set[Connecting] = set()
        self._relay_cache: GenerationCache[bytes, tuple[Address, ...]] = (
            GenerationCache(max_entries=MAX_RELAY_CACHE, max_age_s=0)
        )
        self._events: deque[DhtEvent | RpcEvent] = deque(maxlen=MAX_EVENTS)
        self._closing: FlowTask[None] | None = None
        self._suspending: FlowTask[None] | None = None
        self.rpc = RpcNode(
            scheduler=scheduler,
            entropy=entropy,
            bootstrap=bootstrap,
            nodes=nodes,
            ephemeral=ephemeral,
            firewalled=firewalled,
            quick_firewall=quick_firewall,
            public_address=public_address,
            accept_node=accepts_node,
            on_request=self._on_request,
            on_event=self._on_rpc_event,
        )
        self._context = DhtContext(
            scheduler=scheduler,
            entropy=entropy,
            rpc=self.rpc,
            router=self.router,
            events=self._events,
            allocate_stream_id=allocate_stream_id,
            release_stream_id=release_stream_id,
        )
        self._queries = Queries(self.rpc, forget=self._forget)

    @classmethod
    def bootstrapper(
        cls,
        address: Address,
        *,
        scheduler: Scheduler,
        entropy: Callable[[int], bytes],
        allocate_stream_id: Callable[[], int],
        release_stream_id: Callable[[int], None] = _ignore_id,
        bootstrap: Sequence[Address] = (),
        key_pair: KeyPair | None = None,
        wall_clock_ms: Callable[[], int] | None = None,
    ) -> HyperDhtNode:
        """Make the first node of a network, which knows its own public address.

        Raises:
            LocalProtocolError: The address is not one that others could reach.
        """
        if address[0] == "0.0.0.0" or address[1] == 0:
            raise LocalProtocolError("a bootstrap node needs its address and port")
        return cls(
            scheduler=scheduler,
            entropy=entropy,
            allocate_stream_id=allocate_stream_id,
            release_stream_id=release_stream_id,
            bootstrap=bootstrap,
            key_pair=key_pair,
            ephemeral=False,
            firewalled=False,
            public_address=address,
            wall_clock_ms=wall_clock_ms,
        )

    # -- what is known -------------------------------------------------------------

    @property
    def scheduler(self) -> Scheduler:
        """Clock, timers and coroutines of this node."""
        return self._context.scheduler

    @property
    def ready(self) -> Deferred[None]:
        """Settled once the node has found its place in the network."""
        return self.rpc.ready

    @property
    def local_addresses(self) -> tuple[str, ...]:
        """Addresses of the own interfaces, IPv4 text without ports."""
        return self._context.local_hosts

    @local_addresses.setter
    def local_addresses(self, hosts: Iterable[str]) -> None:
        self._context.local_hosts = tuple(hosts)

    @property
    def counters(self) -> Counter[str]:
        """What happened how often: punches, refusals, hostile messages by reason."""
        total = Counter(self._context.counters)
        for reason, count in self.router.dropped.items():
            total[f"router-{reason}"] += count
        if self.persistent is not None:
            for reason, count in self.persistent.dropped.items():
                total[f"storage-{reason}"] += count
        return total

    @property
    def punch_socket_count(self) -> int:
        """Punch sockets open now."""
        return len(self._context.pool)

    # -- life ----------------------------------------------------------------------

    def start(self, *, server_port: int, client_port: int) -> None:
        """Begin: the rim has bound sockets 0 and 1 to these local ports."""
        self.rpc.start(server_port=server_port, client_port=client_port)

    def network_changed(self) -> None:
        """The machine's interfaces changed: servers announce anew."""
        self.rpc.network_changed()

    def woke_up(self) -> None:
        """The machine slept, which the clock does not show everywhere."""
        self.rpc.woke_up()

    def suspend(self) -> FlowTask[None]:
        """Go to sleep: connections in the making fail, servers are unannounced.

        Returns:
            A task settled, in bounded time, when the rim may close the sockets.
        """
        if self._suspending is None:
            self._context.suspended = True
            self._suspending = self.scheduler.spawn(self._suspend())
        return self._suspending

    def resume(self, *, server_port: int, client_port: int) -> None:
        """Wake up with sockets bound anew, to the same ports if possible."""
        if self._closing is not None or not self._context.suspended:
            return
        if self._suspending is not None:
            self._suspending.cancel()
            self._suspending = None
        self.rpc.suspend()
        self._context.suspended = False
        self.rpc.resume(server_port=server_port, client_port=client_port)
        for server in self.servers:
            server.resume()

    def close(self) -> FlowTask[None]:
        """End: unannounce all servers, for a bounded time, and stop.

        Returns:
            A task settled when the rim may close all sockets.
        """
        if self._closing is None:
            self._closing = self.scheduler.spawn(self._close())
        return self._closing

    # -- verbs ---------------------------------------------------------------------

    def receive_datagram(
        self, data: bytes, address: Address, now: float, *, socket: int
    ) -> None:
        """Take a datagram that is no packet of a live UDX stream."""
        self.scheduler.advance(now)
        if len(data) <= 1 and socket in self._context.pool:
            if address[1] > 0:
                self._context.pool.probe(socket, address)
            return
        self.rpc.receive_datagram(data, address, now, socket=socket)

    def datagrams_to_send(self) -> list[Outgoing]:
        """Give and forget the datagrams that are to leave now."""
        return self.rpc.datagrams_to_send()

    def get_timer(self) -> float | None:
        """The instant at which ``handle_timer`` is to be called."""
        return self.scheduler.get_timer()

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        self.scheduler.handle_timer(now)

    def next_event(self) -> DhtEvent | RpcEvent | None:
        """Give and forget the oldest event, or None."""
        return self._events.popleft() if self._events else None

    def socket_opened(self, socket: int, local_port: int, now: float) -> None:
        """The rim bound a socket that was wanted."""
        self.scheduler.advance(now)
        self._context.pool.opened(socket, local_port)

    def socket_failed(self, socket: int, now: float) -> None:
        """The rim could not bind a socket that was wanted."""
        self.scheduler.advance(now)
        self._context.pool.failed(socket)

    def stream_packet(
        self, local_id: int, socket: int, address: Address, now: float
    ) -> bool:
        """The first packet of a stream that is not connected came in.

        Returns:
            True if the stream is expected; keep the packet for when it is connected.
        """
        self.scheduler.advance(now)
        claim = self._context.claimants.get(local_id)
        return claim is not None and claim(socket, address)

    def stream_closed(self, local_id: int, now: float) -> None:
        """A stream told by ``StreamReady`` has ended."""
        self.scheduler.advance(now)
        self._context.stream_closed(local_id)

    # -- connections ---------------------------------------------------------------

    def create_server(
        self,
        *,
        firewall: FirewallHook | None = None,
        holepunch: HolepunchHook | bool = True,
        share_local_address: bool = True,
    ) -> Server:
        """Make a server; ``listen`` puts it to work.

        Args:
            firewall: Takes a client's key, payload and address; True refuses it
                without an answer.
            holepunch: Asked before each punch; False for never punching.
            share_local_address: Tell clients the addresses of own interfaces.
        """
        return Server(
            self._context,
            queries=self._queries,
            siblings=self.servers,
            default_key_pair=self.key_pair,
            firewall=firewall,
            holepunch=holepunch,
            share_local_address=share_local_address,
        )

    def connect(
        self,
        remote_public_key: bytes,
        *,
        key_pair: KeyPair | None = None,
        relay_addresses: Sequence[Address] = (),
        local_connection: bool = True,
        fast_open: bool = True,
        holepunch: HolepunchHook | None = None,
        relay_through: RelayThroughInfo | None = None,
    ) -> Connecting:
        """Connect to a key; the outcome is a ``StreamReady`` or ``ConnectFailed``.

        Args:
            remote_public_key: Whom to connect to, 32 bytes.
            key_pair: Own identity, the node's if not given.
            relay_addresses: Nodes known to reach the peer, tried first.
            local_connection: Share own interfaces' addresses and try the peer's.
            fast_open: Open the own firewall towards the server early.
            holepunch: Asked before a punch; False gives up.
            relay_through: A blind relay to propose to the server.

        Raises:
            LocalProtocolError: No public key, or too many connections in the making.
        """
        if len(remote_public_key) != 32:
            raise LocalProtocolError("a public key has 32 bytes")
        if len(self._connecting) >= MAX_CONNECTING:
            raise LocalProtocolError("too many connections in the making")
        connecting = Connecting(
            self._context,
            queries=self._queries,
            relay_cache=self._relay_cache,
            remote_public_key=bytes(remote_public_key),
            options=ConnectOptions(
                key_pair=key_pair or self.key_pair,
                relay_addresses=tuple(relay_addresses),
                local_connection=local_connection,
                fast_open=fast_open,
                holepunch=holepunch,
                relay_through=relay_through,
            ),
        )
        self._connecting.add(connecting)
        connecting.finished.when_settled(lambda _: self._connecting.discard(connecting))
        if self._context.closed:
            connecting.cancel(NodeClosedError())
        elif self._context.suspended:
            connecting.cancel(SuspendedError())
        else:
            connecting.start()
        return connecting

    # -- queries -------------------------------------------------------------------

    def find_peer(
        self,
        public_key: bytes,
        *,
        on_found: Callable[[FoundPeer], None] | None = None,
    ) -> DhtQuery[FoundPeer]:
        """Find nodes that know a peer, without connecting."""
        return self._queries.find_peer(blake2b_256(public_key), on_found=on_found)

    def lookup(
        self, topic: bytes, *, on_found: Callable[[FoundTopic], None] | None = None
    ) -> DhtQuery[FoundTopic]:
        """Find peers that announced a topic (32 bytes)."""
        return self._queries.lookup(topic, on_found=on_found)

    def announce(
        self,
        topic: bytes,
        key_pair: KeyPair | None = None,
        *,
        relay_addresses: Sequence[Address] = (),
        bump: int = 0,
        on_found: Callable[[FoundTopic], None] | None = None,
    ) -> DhtQuery[FoundTopic]:
        """Announce a key under a topic; the results are who did so before.

        Args:
            topic: 32 bytes.
            key_pair: Whose key, the node's if not given.
            relay_addresses: Nodes through which the key is reachable.
            bump: Time in ms for others to look at the topic again, 0 for none.
            on_found: Called with each answer as it comes.
        """
        return self._queries.announce(
            topic,
            key_pair or self.key_pair,
            relay_addresses=relay_addresses,
            bump=bump,
            on_found=on_found,
        )

    def unannounce(
        self, topic: bytes, key_pair: KeyPair | None = None
    ) -> FlowTask[None]:
        """Take a key back from a topic."""
        flow = self._queries.unannounce(topic, key_pair or self.key_pair)
        return self.scheduler.spawn(flow, watched=True)

    def mutable_put(
        self, key_pair: KeyPair, value: bytes, *, seq: int = 0
    ) -> FlowTask[MutableStored]:
        """Store a signed record under a key; see ``Queries.mutable_put``."""
        flow = self._queries.mutable_put(key_pair, value, seq=seq)
        return self.scheduler.spawn(flow, watched=True)

    def mutable_get(
        self, public_key: bytes, *, seq: int = 0, latest: bool = True
    ) -> FlowTask[MutableValue | None]:
        """Find the signed record of a key; see ``Queries.mutable_get``."""
        flow = self._queries.mutable_get(public_key, seq=seq, latest=latest)
        return self.scheduler.spawn(flow, watched=True)

    def immutable_put(self, value: bytes) -> FlowTask[ImmutableStored]:
        """Store bytes under their hash; see ``Queries.immutable_put``."""
        flow = self._queries.immutable_put(value)
        return self.scheduler.spawn(flow, watched=True)

    def immutable_get(self, target: bytes) -> FlowTask[bytes | None]:
        """Find the bytes with a hash; see ``Queries.immutable_get``."""
        flow = self._queries.immutable_get(target)
        return self.scheduler.spawn(flow, watched=True)

    # -- inside --------------------------------------------------------------------

    def _on_request(self, request: Request) -> bool:
        now = self._context.now
        if self.router.handle(request, now):
            return True
        if self.persistent is None or self.rpc.id is None:
            return False
        return self.persistent.handle(request, now)

    def _on_rpc_event(self, event: RpcEvent) -> None:
        if isinstance(event, BecamePersistent) and self.persistent is None:
            self.persistent = Persistent(
                router=self.router,
                node_id=lambda: self.rpc.id,
                entropy=self._entropy,
                wall_clock_ms=self._wall_clock_ms,
            )
        elif isinstance(event, NetworkChanged | WokeUp):
            for server in self.servers:
                server.refresh()
        self._events.append(event)

    def _forget(self, target: bytes, public_key: bytes) -> None:
        if self.persistent is not None:
            self.persistent.unannounce(target, public_key)

    async def _suspend(self) -> None:
        for connecting in list(self._connecting):
            connecting.cancel(SuspendedError())
        leaving = [server.suspend() for server in list(self.servers)]
        await all_settled([task for task in leaving if task is not None])
        self.rpc.suspend()

    async def _close(self) -> None:
        for connecting in list(self._connecting):
            connecting.cancel(NodeClosedError())
        leaving = [server.close() for server in list(self.servers)]
        everyone = self.scheduler.spawn(all_settled(list(leaving)))
        try:
            await self.scheduler.wait_for(everyone, UNANNOUNCE_LIMIT_S)
        except TimeoutError:
            self._context.counters["close-timeout"] += 1
        self._context.closed = True
        self._context.pool.close()
        self.rpc.destroy()
