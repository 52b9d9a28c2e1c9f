"""The swarm: topics in, connections out.

It decides whom to connect to, how many at a time, when to try again, and which of two
crossing connections stays. It leaves to others: the DHT, handshakes and streams (behind
:class:`net.swarm.interfaces.SwarmNetwork`), and what is said on a connection.
Upstream: hyperswarm 4.17.2, index.js.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from net.errors import LocalProtocolError
from net.flow import Deferred, Scheduler, all_settled
from net.swarm.connection_set import ConnectionSet, Verdict, resolve_duplicate
from net.swarm.interfaces import (
    Address,
    PeerFound,
    SwarmConnection,
    SwarmNetwork,
)
from net.swarm.peer_discovery import DiscoverySession, PeerDiscovery
from net.swarm.peer_info import PeerInfo
from net.swarm.peer_queue import PeerQueue
from net.swarm.retry_timer import RetryTimer

MAX_PEERS = 64
MAX_PARALLEL = 3
MAX_SERVER_CONNECTIONS = 1024
MAX_KNOWN_PEERS = 16_384
"""Peers remembered at a time; more than that in look-ups are passed over."""

MAX_EXPLICIT_ATTEMPTS = 5
EXPLICIT_ATTEMPT_STEP_S = 1.0

DUPLICATE = "Duplicate connection"
FIREWALLED = "Peer is firewalled"
STOPPED = "Swarm has been destroyed"

RELAY_ONLY_CODES = frozenset(
    {
        "HOLEPUNCH_ABORTED",
        "HOLEPUNCH_DOUBLE_RANDOMIZED_NATS",
        "CANNOT_HOLEPUNCH",
        "REMOTE_NOT_HOLEPUNCHABLE",
    }
)
"""Failures after which only a relay can connect the two."""

TOPIC_BYTES = 32


@dataclass(frozen=True, slots=True)
class ConnectionOpened:
    """A connection is ready for use and is the only one to its peer."""

    connection: SwarmConnection
    peer: PeerInfo


@dataclass(frozen=True, slots=True)
class PeerBanned:
    """A peer was refused for good."""

    peer: PeerInfo
    reason: str


SwarmEvent = ConnectionOpened | PeerBanned


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmOptions:
    """Limits of a swarm."""

    max_peers: int = MAX_PEERS
    """Connections beyond which it stops connecting out (explicit peers aside)."""

    max_parallel: int = MAX_PARALLEL
    """Attempts in progress at a time."""

    max_client_connections: int | None = None
    """Connections of its own; None for no limit of their own."""

    max_server_connections: int = MAX_SERVER_CONNECTIONS
    """Incoming connections kept at a time; further ones are refused."""

    wanted: Callable[[bytes], int] | None = None
    """New peers to take from a look-up of a topic, asked each time; None takes all."""

    can_relay: bool = False
    """A relay is configured, so that a hopeless hole punch can be retried by it."""


@dataclass(slots=True)
class SwarmCounters:
    """What happened since the start."""

    client_attempted: int = 0
    client_opened: int = 0
    client_closed: int = 0
    server_opened: int = 0
    server_closed: int = 0
    banned_peers: int = 0
    duplicates: int = 0
    refused_connections: int = 0
    forgotten_peers: int = 0


@dataclass(slots=True, eq=False)
class _Flush:
    missing: int
    tick: int
    done: Deferred[bool]


class SwarmMachine:
    """Topics and keys that are wanted, turned into one connection per peer.

    Moved by ``join``/``leave``/``join_peer``, by what the owner reports of connections
    (``connection_opened``, ``connection_closed``, ``connection_incoming``) and by the
    scheduler's clock. Says what happened through ``next_event``.
    """

    def __init__(
        self,
        *,
        public_key: bytes,
        scheduler: Scheduler,
        entropy: Callable[[int], bytes],
        network: SwarmNetwork,
        options: SwarmOptions | None = None,
        firewall: Callable[[bytes, Any], bool] | None = None,
    ) -> None:
        """Prepare a swarm.

        Args:
            public_key: Own key, which every connection uses.
            scheduler: The clock and timers, shared with the DHT machine.
            entropy: Random bytes for jitter and shuffling.
            network: The DHT below.
            options: Limits.
            firewall: Called with a remote key and the handshake's payload (None for
                outgoing); True refuses and bans the peer.
        """
        self.public_key = public_key
        self.options = options or SwarmOptions()
        self.counters = SwarmCounters()
        self.suspended = False
        self.destroyed = False
        self.peers: dict[bytes, PeerInfo] = {}
        self.connections = ConnectionSet()
        self._scheduler = scheduler
        self._entropy = entropy
        self._network = network
        self._firewall = firewall
        self._events: deque[SwarmEvent] = deque()
        self._queue = PeerQueue(entropy)
        self._retry = RetryTimer(scheduler, entropy, self._requeue)
        self._topics: dict[bytes, PeerDiscovery] = {}
        self._explicit: dict[bytes, PeerInfo] = {}
        self._opened: set[SwarmConnection] = set()
        self._outgoing: dict[SwarmConnection, tuple[PeerInfo, bool]] = {}
        self._incoming: dict[SwarmConnection, PeerInfo] = {}
        self._replaced_by: dict[SwarmConnection, SwarmConnection] = {}
        self._flushes: list[_Flush] = []
        self._flush_tick = 0
        self._draining = False

    # -- what the owner wants ------------------------------------------------------

    def join(
        self,
        topic: bytes,
        *,
        server: bool = True,
        client: bool = True,
        limit: int | None = None,
    ) -> DiscoverySession:
        """Take part in a topic.

        Args:
            topic: 32 bytes.
            server: Announce, and accept connections.
            client: Look for peers, and connect to them.
            limit: New peers taken from one refresh; None for all.

        Raises:
            LocalProtocolError: The swarm ended, the topic is no 32 bytes, or neither
                mode is asked for.
        """
        if self.destroyed:
            raise LocalProtocolError("the swarm is closed")
        if len(topic) != TOPIC_BYTES:
            raise LocalProtocolError("a topic is 32 bytes")
        if not (server or client):
            raise LocalProtocolError("join as a server, as a client or as both")
        discovery = self._topics.get(topic)
        if discovery is None or discovery.destroyed:
            discovery = self._open_topic(
                topic, wait=discovery.destroy() if discovery is not None else None
            )
        session = discovery.open_session()
        session.refresh(server=server, client=client, limit=limit)
        return session

    def leave(self, topic: bytes) -> Deferred[Any]:
        """Leave a topic in all its sessions; settled when it is unannounced."""
        discovery = self._topics.get(topic)
        if discovery is None:
            return _settled(value=True)
        leaving = discovery.destroy()

        def left(_: Deferred[Any]) -> None:
            if self._topics.get(topic) is discovery:
                del self._topics[topic]

        leaving.when_settled(left)
        return leaving

    def topics(self) -> list[bytes]:
        """The topics joined."""
        return [topic for topic, it in self._topics.items() if not it.destroyed]

    def join_peer(self, public_key: bytes) -> None:
        """Keep a connection to one peer, whatever the topics say."""
        peer = self._upsert_peer(public_key, ())
        if peer is None:
            return
        peer.explicit = True
        self._explicit[public_key] = peer
        if public_key not in self.connections and peer.update_priority():
            self._enqueue(peer)

    def leave_peer(self, public_key: bytes) -> None:
        """Stop wanting this peer; a connection that is open stays."""
        peer = self._explicit.pop(public_key, None)
        if peer is not None:
            peer.explicit = False
            self._forget_maybe(peer)

    def ban(self, public_key: bytes, reason: str = "banned") -> None:
        """Refuse a peer from now on, and end its connection."""
        peer = self._upsert_peer(public_key, ())
        if peer is not None:
            self._ban(peer, reason)
            connection = self.connections.get(public_key)
            if connection is not None:
                connection.destroy(reason)

    def flush(self) -> Deferred[bool]:
        """Wait for running refreshes and one attempt for every queued peer.

        Settles with True, or with False when the swarm ended first.
        """
        return self._scheduler.spawn(self._flush(), watched=True)

    def suspend(self) -> Deferred[None]:
        """Go down but remember what is wanted; settled when all is down."""
        return self._scheduler.spawn(self._suspend(), watched=True)

    def resume(self) -> Deferred[None]:
        """Take up again after ``suspend``."""
        return self._scheduler.spawn(self._resume(), watched=True)

    def destroy(self) -> Deferred[None]:
        """Leave everything and end every connection; settled when that is done."""
        return self._scheduler.spawn(self._destroy(), watched=True)

    def network_changed(self) -> None:
        """Test every connection and refresh every topic: the machine moved."""
        if self.suspended or self.destroyed:
            return
        for connection in self.connections:
            connection.send_keep_alive()
        for discovery in list(self._topics.values()):
            discovery.refresh()

    def woke_up(self) -> None:
        """Test every connection and refresh every topic soon: the machine slept."""
        if self.suspended or self.destroyed:
            return
        for connection in self.connections:
            connection.send_keep_alive()
        for discovery in list(self._topics.values()):
            discovery.woke_up()

    # -- what the network reports --------------------------------------------------

    def refuses(self, public_key: bytes, payload: Any = None) -> bool:
        """The firewall for incoming handshakes; True refuses."""
        if public_key == self.public_key or self.destroyed or self.suspended:
            return True
        peer = self.peers.get(public_key)
        if peer is not None and peer.banned:
            return True
        if (
            payload is not None
            and len(self._incoming) >= self.options.max_server_connections
            and public_key not in self.connections
        ):
            self.counters.refused_connections += 1
            return True
        if self._firewall is None or not self._firewall(public_key, payload):
            return False
        if peer is None and len(self.peers) < MAX_KNOWN_PEERS:
            peer = self._upsert_peer(public_key, ())
        if peer is not None:
            self._ban(peer, FIREWALLED)
        return True

    def connection_opened(self, connection: SwarmConnection) -> None:
        """An outgoing connection is ready."""
        entry = self._outgoing.get(connection)
        if entry is None or connection in self._opened:
            return
        peer, queued = entry
        self._opened.add(connection)
        self.counters.client_opened += 1
        peer.note_connected(self._scheduler.now)
        self._events.append(ConnectionOpened(connection, peer))
        if queued:
            self._flush_one(peer)
        self._attempt_ended()

    def connection_incoming(self, connection: SwarmConnection) -> None:
        """The server got a connection, which is ready."""
        if self.destroyed or self.suspended:
            connection.destroy(STOPPED)
            return
        existing = self.connections.get(connection.remote_public_key)
        if existing is None:
            self._accept(connection)
            return
        self.counters.duplicates += 1
        verdict = resolve_duplicate(
            own_public_key=self.public_key, incoming=connection, existing=existing
        )
        if verdict is Verdict.KEEP_EXISTING:
            existing.send_keep_alive()
            connection.destroy(DUPLICATE)
            return
        previous = self._replaced_by.get(existing)
        self._replaced_by[existing] = connection
        if previous is not None:
            previous.destroy(DUPLICATE)
        else:
            existing.destroy(DUPLICATE)

    def connection_closed(
        self, connection: SwarmConnection, code: str | None = None
    ) -> None:
        """A connection ended, or an attempt failed.

        Args:
            connection: Which.
            code: The error's code, None for a clean end.
        """
        if connection in self._outgoing:
            self._outgoing_closed(connection, code)
        elif connection in self._incoming:
            peer = self._incoming.pop(connection)
            self._opened.discard(connection)
            self.connections.discard(connection)
            self.counters.server_closed += 1
            self._forget_maybe(peer)
            self._connect_more()
        else:
            for old, new in list(self._replaced_by.items()):
                if new is connection:
                    del self._replaced_by[old]
            return
        successor = self._replaced_by.pop(connection, None)
        if successor is not None:
            self.connection_incoming(successor)

    def next_event(self) -> SwarmEvent | None:
        """The oldest event not yet taken."""
        return self._events.popleft() if self._events else None

    # -- figures -------------------------------------------------------------------

    @property
    def connecting(self) -> int:
        """Attempts in progress."""
        return sum(1 for it in self._outgoing if it not in self._opened)

    @property
    def queued(self) -> int:
        """Peers waiting for a connection."""
        return len(self._queue)

    def open_connections(self) -> list[SwarmConnection]:
        """Connections that were announced and have not ended."""
        return [it for it in self.connections if it in self._opened]

    # -- inside --------------------------------------------------------------------

    def _open_topic(self, topic: bytes, wait: Deferred[Any] | None) -> PeerDiscovery:
        def on_peer(found: PeerFound) -> None:
            self._peer_found(found, topic)

        wanted = self.options.wanted
        discovery = PeerDiscovery(
            topic,
            scheduler=self._scheduler,
            entropy=self._entropy,
            network=self._network,
            on_peer=on_peer,
            is_connected=self._is_open,
            on_empty=lambda: self.leave(topic),
            wanted=None if wanted is None else partial(wanted, topic),
            suspended=self.suspended,
            wait=wait,
        )
        self._topics[topic] = discovery
        return discovery

    def _is_open(self, public_key: bytes) -> bool:
        connection = self.connections.get(public_key)
        return connection is not None and connection in self._opened

    def _upsert_peer(
        self, public_key: bytes, relay_addresses: Sequence[Address]
    ) -> PeerInfo | None:
        if public_key == self.public_key:
            return None
        peer = self.peers.get(public_key)
        if peer is None:
            peer = PeerInfo(public_key)
            self.peers[public_key] = peer
        peer.relay_addresses = tuple(relay_addresses)
        return peer

    def _forget_maybe(self, peer: PeerInfo) -> None:
        if peer.forgettable and peer.public_key not in self.connections:
            self.peers.pop(peer.public_key, None)

    def _peer_found(self, found: PeerFound, topic: bytes) -> None:
        if (
            found.public_key not in self.peers
            and len(self.peers) >= MAX_KNOWN_PEERS
            and found.public_key != self.public_key
        ):
            self.counters.forgotten_peers += 1
            return
        peer = self._upsert_peer(found.public_key, found.relay_addresses)
        if peer is None:
            return
        peer.note_topic(topic)
        if found.public_key in self.connections:
            return
        if not peer.prioritized or not peer.is_client:
            peer.reset()
        if peer.update_priority():
            self._enqueue(peer)

    def _enqueue(self, peer: PeerInfo) -> None:
        peer.flush_tick = self._flush_tick
        self._queue.add(peer)
        self._connect_more()

    def _requeue(self, peers: list[PeerInfo]) -> None:
        if self.suspended or self.destroyed:
            return
        for peer in peers:
            peer.waiting = False
            if peer.public_key not in self.connections and peer.update_priority():
                peer.flush_tick = self._flush_tick
                self._queue.add(peer)
            else:
                self._forget_maybe(peer)
        self._connect_more()

    def _within_max_peers(self) -> bool:
        explicit = len(self._explicit)
        factor = (1, 2, 3, 3)[explicit] if explicit < 4 else 4
        return factor * len(self.connections) < self.options.max_peers

    def _may_connect(self) -> bool:
        limit = self.options.max_client_connections
        return (
            not (self.destroyed or self.suspended)
            and self.connecting < self.options.max_parallel
            and self._within_max_peers()
            and (limit is None or len(self._outgoing) < limit)
        )

    def _connect_more(self) -> None:
        if self._draining or self.suspended or self.destroyed:
            return
        self._draining = True
        try:
            self._connect_explicit()
            while len(self._queue) and self._may_connect():
                self._connect(self._queue.take(), queued=True)
        finally:
            self._draining = False
        self._flush_all_maybe()

    def _connect_explicit(self) -> None:
        for peer in list(self._explicit.values()):
            if self.connecting >= self.options.max_parallel:
                return
            pause_s = peer.attempts * EXPLICIT_ATTEMPT_STEP_S
            if (
                peer.attempts < MAX_EXPLICIT_ATTEMPTS
                and self._scheduler.now - peer.disconnected_at >= pause_s
            ):
                self._connect(peer, queued=False)

    def _connect(self, peer: PeerInfo, *, queued: bool) -> None:
        if (
            peer.banned
            or peer.public_key in self.connections
            or self.refuses(peer.public_key)
        ):
            if queued:
                self._flush_one(peer)
            self._forget_maybe(peer)
            return
        connection = self._network.connect(
            peer.public_key,
            relay_addresses=peer.relay_addresses,
            force_relay=peer.force_relay,
        )
        self.connections.add(connection)
        self._outgoing[connection] = (peer, queued)
        self.counters.client_attempted += 1

    def _outgoing_closed(self, connection: SwarmConnection, code: str | None) -> None:
        peer, queued = self._outgoing.pop(connection)
        opened = connection in self._opened
        self._opened.discard(connection)
        self.connections.discard(connection)
        self.counters.client_closed += 1
        if not opened and self.options.can_relay and code in RELAY_ONLY_CODES:
            peer.force_relay = True
            peer.attempts = 0
        peer.note_disconnected(self._scheduler.now)
        if self._wanted(peer) and not peer.waiting:
            peer.waiting = self._retry.add(peer)
        self._forget_maybe(peer)
        if queued and not opened:
            self._flush_one(peer)
        self._attempt_ended()

    def _wanted(self, peer: PeerInfo) -> bool:
        if self.suspended or self.destroyed:
            return False
        return peer.explicit or any(
            topic in self._topics and not self._topics[topic].destroyed
            for topic in peer.topics
        )

    def _accept(self, connection: SwarmConnection) -> None:
        peer = self._upsert_peer(connection.remote_public_key, ())
        if peer is None:
            connection.destroy(FIREWALLED)
            return
        peer.is_client = False
        self.connections.add(connection)
        self._incoming[connection] = peer
        self._opened.add(connection)
        self.counters.server_opened += 1
        self._events.append(ConnectionOpened(connection, peer))

    def _ban(self, peer: PeerInfo, reason: str) -> None:
        if not peer.banned:
            peer.banned = True
            self.counters.banned_peers += 1
            self._events.append(PeerBanned(peer, reason))

    def _attempt_ended(self) -> None:
        self._connect_more()

    # -- flushes and going down ----------------------------------------------------

    def _flush_one(self, peer: PeerInfo) -> None:
        for flush in list(self._flushes):
            if peer.flush_tick <= flush.tick:
                flush.missing -= 1
                if flush.missing <= 0:
                    self._flushes.remove(flush)
                    flush.done.resolve(True)

    def _flush_all_maybe(self) -> bool:
        limit = self.options.max_client_connections
        more_possible = self._within_max_peers() and (
            limit is None or len(self._outgoing) < limit
        )
        if self.connecting or more_possible:
            return False
        flushes, self._flushes = self._flushes, []
        for flush in flushes:
            flush.done.resolve(True)
        return True

    async def _flush(self) -> bool:
        await all_settled([it.flushed() for it in self._topics.values()])
        if self.destroyed:
            return False
        pending = len(self._queue) + self.connecting
        if self._flush_all_maybe() or not pending:
            return True
        flush = _Flush(pending, self._flush_tick, Deferred())
        self._flush_tick += 1
        self._flushes.append(flush)
        return await flush.done

    def _drop_waiting(self) -> None:
        for peer in self._retry.clear():
            peer.waiting = False
            self._forget_maybe(peer)
        for peer in self._queue.clear():
            self._forget_maybe(peer)

    def _end_flushes(self) -> None:
        flushes, self._flushes = self._flushes, []
        for flush in flushes:
            flush.done.resolve(False)

    def _end_connections(self, reason: str) -> None:
        for successor in list(self._replaced_by.values()):
            successor.destroy(reason)
        self._replaced_by.clear()
        for connection in self.connections:
            connection.destroy(reason)

    async def _suspend(self) -> None:
        if self.suspended or self.destroyed:
            return
        self.suspended = True
        self._end_connections("suspended")
        self._drop_waiting()
        self._end_flushes()
        await all_settled([it.suspend() for it in list(self._topics.values())])
        await all_settled([self._network.suspend()])

    async def _resume(self) -> None:
        if not self.suspended or self.destroyed:
            return
        await all_settled([self._network.resume()])
        self.suspended = False
        for discovery in list(self._topics.values()):
            discovery.resume()
        for peer in self._explicit.values():
            if peer.public_key not in self.connections and peer.update_priority():
                self._queue.add(peer)
        self._connect_more()

    async def _destroy(self) -> None:
        if self.destroyed:
            return
        self.destroyed = True
        self._drop_waiting()
        self._end_connections(STOPPED)
        self._end_flushes()
        leaving = [it.destroy() for it in self._topics.values()]
        self._topics.clear()
        await all_settled(leaving)
        await all_settled([self._network.close()])


def _settled(*, value: bool) -> Deferred[bool]:
    deferred: Deferred[bool] = Deferred()
    deferred.resolve(value)
    return deferred
