"""A node of the Kademlia network under HyperDHT: one machine, several sockets.

    node = RpcNode(scheduler=scheduler, entropy=entropy, bootstrap=bootstrap)
    node.start(server_port=49737, client_port=51000)   # the rim has bound the sockets
    node.receive_datagram(data, address, now, socket=SERVER)
    for datagram in node.datagrams_to_send(): ...

The node composes the routing table (``neighbours``), our own address
(``reachability``), requests of ours (``requests``) and of others (``responder``), and
lookups (``query``). Requests leave from the client socket while we believe to be
firewalled, from the server socket once we are known to be open; answers leave from the
socket the request came in on. Our id goes out only while persistent, and only through
the server socket, because receivers compare it with the source address.

Leaves to others: sockets, names, clocks and entropy; the commands of HyperDHT; whether
a datagram belongs to a stream. Upstream: dht-rpc 6.27.0 ``index.js``, ``lib/io.js``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from net.errors import LocalProtocolError
from net.flow import Deferred, FlowTask, Scheduler
from net.rpc.addresses import ID_BYTES, Address, pack_address
from net.rpc.congestion import DEFAULT_WINDOW
from net.rpc.events import NetworkChanged, NetworkUpdated, RpcEvent
from net.rpc.exchange import DOWN_HINTS_PER_TICK, Exchange, Outgoing
from net.rpc.lifecycle import Lifecycle
from net.rpc.messages import DELAYED_PING, FIND_NODE, PING
from net.rpc.neighbours import Neighbours
from net.rpc.query import CONCURRENCY, QUERY_RETRIES, Candidate, Commit, Query
from net.rpc.reachability import Reachability
from net.rpc.requests import (
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT_S,
    PendingRequest,
    Reply,
)
from net.rpc.responder import MAX_PING_DELAY_S, Request, Responder
from net.rpc.stats import RpcStats
from net.rpc.table import RoutingTable

MAX_EVENTS: Final = 256
"""Events kept for the owner; the oldest leave first."""


class RpcNode:
    """One node of the network.

    Moved by ``start``, ``receive_datagram``, ``handle_timer``, ``suspend``, ``resume``
    and ``destroy``, and by the owner's requests and queries. Events come out of
    ``next_event`` or go to ``on_event`` at once.

    Attributes:
        scheduler: The clock and timers; the owner may share it.
        neighbours: The routing table and its upkeep.
        reachability: Our own address as others see it.
        responder: What becomes of requests that come in.
        exchange: Datagrams in and out, and requests of ours.
        lifecycle: Start, ticks, sleep, suspension.
        bootstrap_nodes: Packed addresses of the nodes to begin with.
        server_port: Local port of the server socket, 0 before ``start``.
        client_port: Local port of the client socket, 0 before ``start``.
        max_ping_delay_s: The longest delay a DELAYED_PING may ask for.
        stats: All counters.

    Args:
        scheduler: Clock, timers and flows.
        entropy: Gives random bytes.
        bootstrap: Nodes to begin with; none makes the first node of a network.
        nodes: Nodes remembered from before, best first.
        ephemeral: False to become persistent at start or never; None or True to
            begin ephemeral, None to become persistent when stable.
        firewalled: False if the server socket is known to be reached by all.
        adaptive: False to stay ephemeral if ``ephemeral`` is None.
        quick_firewall: Test at start whether we are open, if one node reaches us.
        public_address: Our own address, if known, as the first sample.
        concurrency: Requests in flight of one query.
        max_window: Transmissions per 750 ms.
        max_ping_delay_s: The longest delay of a delayed answer.
        down_hints_per_tick: How often, in 5 s, those who named a dead node are
            told; 0 for never.
        accept_node: Says whether a node may be used; None accepts all.
        on_request: Takes user commands; False if it does not know the command. A
            RemoteProtocolError it raises counts as a malformed datagram.
        on_event: Takes events at once; without it they wait for ``next_event``.
    """

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        entropy: Callable[[int], bytes],
        bootstrap: Sequence[Address] = (),
        nodes: Sequence[Address] = (),
        ephemeral: bool | None = None,
        firewalled: bool = True,
        adaptive: bool = True,
        quick_firewall: bool = True,
        public_address: Address | None = None,
        concurrency: int = CONCURRENCY,
        max_window: int = DEFAULT_WINDOW,
        max_ping_delay_s: float = MAX_PING_DELAY_S,
        down_hints_per_tick: int = DOWN_HINTS_PER_TICK,
        accept_node: Callable[[Address], bool] | None = None,
        on_request: Callable[[Request], bool] | None = None,
        on_event: Callable[[RpcEvent], None] | None = None,
    ) -> None:
        """Make a node that does nothing before ``start``."""
        self.scheduler = scheduler
        self.bootstrap_nodes = [pack_address(address) for address in bootstrap]
        self.server_port = 0
        self.client_port = 0
        self.concurrency = concurrency
        self.max_ping_delay_s = max_ping_delay_s
        self.stats = RpcStats()
        self._entropy = entropy
        self._on_event = on_event
        self._events: deque[RpcEvent] = deque()
        self.neighbours = Neighbours(self, RoutingTable(entropy(ID_BYTES)))
        self.reachability = Reachability(
            self, firewalled=firewalled, adaptive=adaptive and ephemeral is None
        )
        self.responder = Responder(self, on_request)
        self.exchange = Exchange(
            self,
            entropy=entropy,
            max_window=max_window,
            down_hints_per_tick=down_hints_per_tick,
            accept_node=accept_node,
        )
        self.lifecycle = Lifecycle(
            self, forced_persistent=ephemeral is False, quick_firewall=quick_firewall
        )
        if public_address is not None:
            self.reachability.sample(pack_address(public_address))
        for address in reversed(nodes):
            self.add_node(address)

    @classmethod
    def bootstrapper(
        cls,
        address: Address,
        *,
        scheduler: Scheduler,
        entropy: Callable[[int], bytes],
        bootstrap: Sequence[Address] = (),
        on_request: Callable[[Request], bool] | None = None,
        on_event: Callable[[RpcEvent], None] | None = None,
    ) -> RpcNode:
        """Make the first node of a network, which knows its own public address.

        Raises:
            LocalProtocolError: The address is not one that others could reach.
        """
        host, port = address
        if host == "0.0.0.0" or port == 0:
            raise LocalProtocolError("a bootstrap node needs its address and port")
        return cls(
            scheduler=scheduler,
            entropy=entropy,
            bootstrap=bootstrap,
            ephemeral=False,
            firewalled=False,
            public_address=address,
            on_request=on_request,
            on_event=on_event,
        )

    # -- what is known -----------------------------------------------------------

    @property
    def table(self) -> RoutingTable:
        """The routing table; replaced when our id changes."""
        return self.neighbours.table

    @property
    def id(self) -> bytes | None:
        """Our id, or None while ephemeral."""
        return None if self.reachability.ephemeral else self.table.id

    @property
    def host(self) -> str | None:
        """Our public host as others agree on it, or None."""
        return self.reachability.sampler.host

    @property
    def port(self) -> int:
        """Our public port as others agree on it; 0 if unknown or randomised."""
        return self.reachability.sampler.port

    @property
    def firewalled(self) -> bool:
        """True until others were seen to reach the server socket."""
        return self.reachability.firewalled

    @property
    def ephemeral(self) -> bool:
        """True while we send no id and enter no tables."""
        return self.reachability.ephemeral

    @property
    def randomized(self) -> bool:
        """True when others agree on our host but see different ports."""
        return self.host is not None and self.port == 0

    @property
    def online(self) -> bool:
        """False while nobody answers."""
        return self.lifecycle.health.online

    @property
    def degraded(self) -> bool:
        """True while most requests time out."""
        return self.lifecycle.health.degraded

    @property
    def bootstrapped(self) -> bool:
        """True once the first lookup is over."""
        return self.lifecycle.bootstrapped

    @property
    def ready(self) -> Deferred[None]:
        """Settled when the first lookup is over; fails if destroyed before."""
        return self.lifecycle.ready

    @property
    def suspended(self) -> bool:
        """True before ``start`` and between ``suspend`` and ``resume``."""
        return not self.exchange.running

    @property
    def destroyed(self) -> bool:
        """True after ``destroy``."""
        return self.lifecycle.destroyed

    @property
    def default_socket(self) -> int:
        """The socket requests leave from."""
        return self.exchange.default_socket()

    @property
    def requests_in_flight(self) -> int:
        """How many requests of ours have no answer yet."""
        return self.exchange.requests.in_flight

    def remote_address(self) -> Address | None:
        """Our public address, if others reach the server socket there."""
        host, port = self.host, self.port
        if host is None or port == 0 or self.firewalled or port != self.server_port:
            return None
        return (host, port)

    def known_addresses(self, limit: int = 1 << 16) -> list[Address]:
        """Addresses worth remembering, the node heard from last first."""
        return self.neighbours.newest(limit)

    # -- life --------------------------------------------------------------------

    def start(self, *, server_port: int, client_port: int) -> None:
        """Begin: the rim has bound both sockets to these local ports."""
        self.server_port = server_port
        self.client_port = client_port
        self.lifecycle.start()

    def suspend(self) -> None:
        """Stop, failing all requests; the rim closes the sockets."""
        self.lifecycle.suspend()

    def resume(self, *, server_port: int, client_port: int) -> None:
        """Go on with sockets the rim has bound anew, to the same ports if possible."""
        if self.suspended and not self.destroyed:
            self.server_port = server_port
            self.client_port = client_port
            self.lifecycle.resume()

    def destroy(self) -> None:
        """End for good, failing all requests."""
        self.lifecycle.destroy()

    def woke_up(self) -> None:
        """The rim saw that the machine slept, though its clock may have stood still."""
        self.lifecycle.woke_up()

    def network_changed(self) -> None:
        """The rim saw the machine's network interfaces change."""
        self.emit(NetworkChanged())
        self.emit(NetworkUpdated(self.online, self.degraded))

    # -- verbs -------------------------------------------------------------------

    def receive_datagram(
        self, data: bytes, address: Address, now: float, *, socket: int
    ) -> None:
        """Take a datagram; one that is none of ours is counted and dropped."""
        self.scheduler.advance(now)
        reason = self.exchange.receive(bytes(data), address, socket)
        if reason is not None:
            self.stats.dropped[reason] += 1

    def datagrams_to_send(self) -> list[Outgoing]:
        """Give and forget the datagrams that are to leave now."""
        return self.exchange.datagrams_to_send()

    def get_timer(self) -> float | None:
        """The instant at which ``handle_timer`` is to be called."""
        return self.scheduler.get_timer()

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        self.scheduler.handle_timer(now)

    def next_event(self) -> RpcEvent | None:
        """Give and forget the oldest event, or None."""
        return self._events.popleft() if self._events else None

    def send_datagram(
        self, data: bytes, to: Address, *, socket: int, ttl: int | None = None
    ) -> None:
        """Send bytes that are no message of this protocol, such as a probe."""
        self.exchange.transmit(socket, data, to, ttl)

    # -- asking ------------------------------------------------------------------

    def request(
        self,
        command: int,
        to: Address,
        *,
        target: bytes | None = None,
        value: bytes | None = None,
        token: bytes | None = None,
        internal: bool = False,
        socket: int | None = None,
        retries: int = DEFAULT_RETRIES,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        ttl: int | None = None,
    ) -> PendingRequest:
        """Ask one node.

        Args:
            command: Number of the command.
            to: Whom to ask.
            target: 32 bytes the request is about.
            value: Body.
            token: Token of an earlier reply from the same host.
            internal: True for the commands of dht-rpc itself.
            socket: Which socket to leave from, if not ``default_socket``.
            retries: Transmissions after the first one.
            timeout_s: Seconds to wait after each transmission.
            ttl: Hops each transmission may travel.

        Returns:
            The reply to come. It fails with RequestTimeoutError,
            RequestCancelledError, SuspendedError or RequestLimitError.
        """
        request = self.exchange.make_request(
            pack_address(to),
            command=command,
            internal=internal,
            target=target,
            value=value,
            token=token,
            socket=socket,
            retries=retries,
            timeout_s=timeout_s,
            ttl=ttl,
        )
        self.exchange.submit(request)
        return request

    def ping(
        self,
        to: Address,
        *,
        padding_bytes: int = 0,
        socket: int | None = None,
        retries: int = DEFAULT_RETRIES,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        ttl: int | None = None,
    ) -> PendingRequest:
        """Ask a node for a sign of life, in a datagram made larger by padding."""
        return self.request(
            PING,
            to,
            value=bytes(padding_bytes) if padding_bytes else None,
            internal=True,
            socket=socket,
            retries=retries,
            timeout_s=timeout_s,
            ttl=ttl,
        )

    def delayed_ping(
        self,
        to: Address,
        delay_s: float,
        *,
        socket: int | None = None,
        retries: int = DEFAULT_RETRIES,
        ttl: int | None = None,
    ) -> PendingRequest:
        """Ask a node for a sign of life after a delay of up to 10 s.

        Raises:
            LocalProtocolError: The delay is longer than nodes accept.
        """
        if not 0 <= delay_s <= self.max_ping_delay_s:
            raise LocalProtocolError(f"nodes do not wait {delay_s} s")
        return self.request(
            DELAYED_PING,
            to,
            value=round(delay_s * 1000).to_bytes(4, "little"),
            internal=True,
            socket=socket,
            retries=retries,
            timeout_s=delay_s + 1.0,
            ttl=ttl,
        )

    def query(
        self,
        target: bytes,
        command: int,
        value: bytes | None = None,
        *,
        nodes: Sequence[Address] | None = None,
        replies: Sequence[Reply] | None = None,
        only_closest_nodes: bool = False,
        retries: int = QUERY_RETRIES,
        concurrency: int | None = None,
        on_reply: Callable[[Reply], None] | None = None,
        commit: Commit | bool | None = None,
        internal: bool = False,
        force: bool = False,
    ) -> Query:
        """Ask the nodes closest to a target, finding them on the way.

        Args:
            target: 32 bytes.
            command: Number of the command asked of each node.
            value: Body for each node.
            nodes: Nodes to begin with, best first, instead of the table's.
            replies: Replies of an earlier query whose senders to begin with.
            only_closest_nodes: True to ask ``nodes`` or ``replies`` and nobody else.
            retries: Transmissions after the first one, for each node.
            concurrency: Requests in flight at a time.
            on_reply: Sees each reply without error, as it comes.
            commit: What to do with each of the closest replies at the end: True sends
                command, target and value again with the reply's token.
            internal: True for the commands of dht-rpc itself.
            force: Send once each, whatever the congestion window says.
        """
        self.neighbours.lookup_began()
        query = Query(
            self,
            target,
            command,
            value,
            internal=internal,
            force=force,
            retries=retries,
            concurrency=self.concurrency if concurrency is None else concurrency,
            only_closest_nodes=only_closest_nodes,
            on_reply=on_reply,
            commit=commit,
        )
        given: list[Candidate] = []
        if nodes is not None:
            given = [(pack_address(address), None) for address in nodes]
        elif replies is not None:
            given = [(pack_address(reply.source), reply.source_id) for reply in replies]
        query.start(given)
        return query

    def find_node(
        self,
        target: bytes,
        *,
        nodes: Sequence[Address] | None = None,
        concurrency: int | None = None,
        on_reply: Callable[[Reply], None] | None = None,
    ) -> Query:
        """Find the nodes closest to a target."""
        return self.query(
            target,
            FIND_NODE,
            nodes=nodes,
            concurrency=concurrency,
            on_reply=on_reply,
            internal=True,
        )

    def add_node(self, address: Address) -> None:
        """Put a node into the table without asking it."""
        self.neighbours.add_known(pack_address(address))

    def set_bootstrap(self, addresses: Sequence[Address]) -> None:
        """Begin later lookups with other nodes, when names resolve differently."""
        self.bootstrap_nodes = [pack_address(address) for address in addresses]

    def refresh(self) -> None:
        """Look up the surroundings of a random known node, in the background."""
        self.lifecycle.refresh()

    def check_network_state(self, *, only_firewall: bool = False) -> FlowTask[bool]:
        """Find out now whether others reach us; True when more than believed."""
        check = self.reachability.check(only_firewall=only_firewall)
        return self.scheduler.spawn(check)

    def issue_token(self, host: str) -> bytes:
        """Give the round-trip token for a host."""
        return self.exchange.issue_token(host)

    def accepts_token(self, token: bytes, host: str) -> bool:
        """Tell whether a token was given to this host a short time ago."""
        return self.exchange.accepts_token(token, host)

    # -- for the parts of this node ----------------------------------------------

    def emit(self, event: RpcEvent) -> None:
        """Tell the owner."""
        if self._on_event is not None:
            self._on_event(event)
            return
        if len(self._events) >= MAX_EVENTS:
            self._events.popleft()
            self.stats.lost_events += 1
        self._events.append(event)

    def random_below(self, limit: int) -> int:
        """Draw an integer from 0 to below ``limit``."""
        return int.from_bytes(self._entropy(6), "little") % limit

    def change_id(self, own_id: bytes) -> None:
        """Take the id of the address we were found to have."""
        self.neighbours.rebuild(own_id)
        if self.bootstrapped:
            self.refresh()
