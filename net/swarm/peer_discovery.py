"""One topic of a swarm: its sessions, its announces and look-ups, and their rhythm.

A topic is refreshed ten to twelve minutes after the last refresh ended, at once when
its mode changes or the network does, and shortly after a sleep of the machine. Who
looks for peers looks a few times more in the first minute: two that join in the same
instant both look before the other has announced. Upstream, which leaves those two apart
until the next refresh: hyperswarm, lib/peer-discovery.js.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from net.errors import LocalProtocolError
from net.flow import Deferred, FlowTask, Scheduler, Timer, all_settled
from net.swarm.interfaces import PeerFound, SwarmNetwork, TopicQuery
from net.swarm.retry_timer import uniform

REFRESH_INTERVAL_S = 600.0
REFRESH_JITTER_S = 120.0
EARLY_REFRESHES_S = (2.0, 8.0, 30.0)
"""Waits between the first refreshes of one that looks for peers; each up to half more,
so that two which began together drift apart."""

OVERDUE_S = 30.0
"""A timer this late means that the machine slept."""

MAX_DISCOVERED = 64
"""Keys remembered of one refresh, to count peers already connected."""


class DiscoverySession:
    """One caller's interest in a topic."""

    def __init__(self, discovery: PeerDiscovery) -> None:
        self._discovery = discovery
        self.is_client = False
        self.is_server = False
        self.destroyed = False

    @property
    def topic(self) -> bytes:
        """The 32 bytes it is about."""
        return self._discovery.topic

    def refresh(
        self,
        *,
        server: bool | None = None,
        client: bool | None = None,
        limit: int | None = None,
    ) -> Deferred[bool]:
        """Change the mode, and announce or look up now.

        Returns:
            Settled when the refresh ended; True if it was not cut short.

        Raises:
            LocalProtocolError: The session was left, or asks for neither mode.
        """
        if self.destroyed:
            raise LocalProtocolError("this session has left its topic")
        server = self.is_server if server is None else server
        client = self.is_client if client is None else client
        if not (server or client):
            raise LocalProtocolError("join as a server, as a client or as both")
        self.is_server, self.is_client = server, client
        self._discovery.limit = limit
        return self._discovery.refresh()

    def flushed(self) -> Deferred[bool]:
        """Settled when the refresh under way, if any, ended."""
        return self._discovery.flushed()

    def destroy(self) -> Deferred[Any]:
        """Give the interest up; the last one to go unannounces the topic."""
        if self.destroyed:
            return _settled(value=True)
        self.destroyed = True
        return self._discovery._session_left(self)


class PeerDiscovery:
    """The state of one topic.

    Moved by its sessions, by the queries it starts and by the scheduler's clock.
    """

    def __init__(
        self,
        topic: bytes,
        *,
        scheduler: Scheduler,
        entropy: Callable[[int], bytes],
        network: SwarmNetwork,
        on_peer: Callable[[PeerFound], None],
        is_connected: Callable[[bytes], bool],
        on_empty: Callable[[], Deferred[Any]],
        wanted: Callable[[], int] | None = None,
        suspended: bool = False,
        wait: Deferred[Any] | None = None,
    ) -> None:
        self.topic = topic
        self.limit: int | None = None
        self.destroyed = False
        self.suspended = suspended
        self._scheduler = scheduler
        self._entropy = entropy
        self._network = network
        self._on_peer = on_peer
        self._is_connected = is_connected
        self._on_empty = on_empty
        self._wanted = wanted
        self._wait = wait
        self._sessions: list[DiscoverySession] = []
        self._is_server = False
        self._is_client = False
        self._query: TopicQuery | None = None
        self._refreshing: FlowTask[bool] | None = None
        self._timer: Timer | None = None
        self._refresh_count = 0
        self._early_count = 0
        self._first_announce = True
        self._announced = False
        self._closest_nodes: Sequence[Any] = ()
        self._discovered: set[bytes] = set()
        self._destroying: FlowTask[None] | None = None

    @property
    def is_server(self) -> bool:
        """True while at least one session announces."""
        return any(session.is_server for session in self._sessions)

    @property
    def is_client(self) -> bool:
        """True while at least one session looks for peers."""
        return any(session.is_client for session in self._sessions)

    @property
    def active(self) -> bool:
        """False once left, and while suspended."""
        return not (self.destroyed or self.suspended)

    def open_session(self) -> DiscoverySession:
        """Add a session; it takes part once its ``refresh`` named a mode."""
        session = DiscoverySession(self)
        self._sessions.append(session)
        return session

    def refresh(self) -> Deferred[bool]:
        """Announce or look up now; joins a refresh of the same mode under way."""
        if not self.active:
            return _settled(value=False)
        server, client = self.is_server, self.is_client
        running = self._refreshing
        if (server, client) == (self._is_server, self._is_client):
            if running is not None:
                return running
        else:
            self._early_count = 0
            if self._query is not None:
                self._query.cancel()
        self._is_server, self._is_client = server, client
        self._refresh_count += 1
        task = self._scheduler.spawn(self._run(self._refresh_count), watched=True)
        if not task.settled:
            self._refreshing = task
            task.when_settled(self._refresh_ended)
        return task

    def flushed(self) -> Deferred[bool]:
        """Settled when the refresh under way, if any, ended."""
        return self._refreshing or _settled(value=True)

    def destroy(self) -> Deferred[None]:
        """Stop everything and unannounce; settled when that is done."""
        if self._destroying is None:
            self.destroyed = True
            self._destroying = self._scheduler.spawn(self._abort(), watched=True)
        return self._destroying

    def suspend(self) -> Deferred[None]:
        """Stop and unannounce, but remember the sessions."""
        self.suspended = True
        return self._scheduler.spawn(self._abort(), watched=True)

    def resume(self) -> None:
        """Take up again after ``suspend``."""
        if self.suspended:
            self.suspended = False
            self._early_count = 0
            self.refresh()

    def woke_up(self) -> None:
        """Refresh soon, and as after a start if peers are looked for.

        Not at once: the machine's network comes back after the machine.
        """
        if self.active and self._refreshing is None:
            self._early_count = 0
            self._refresh_later(eager=not self._is_client)

    async def _run(self, clock: int) -> bool:
        if self._wait is not None:
            await all_settled([self._wait])
            self._wait = None
            if clock != self._refresh_count or not self.active:
                return False
        clear = self._is_server and self._first_announce
        if clear:
            self._first_announce = False
        if self._is_server:
            listening = self._network.listen()
            await all_settled([listening])
            if clock != self._refresh_count or not self.active:
                return False
            if listening.error is not None:
                self._refresh_later(eager=False)
                return False
            self._announced = True
        announcing = self._is_server
        query = self._start_query(clear=clear)
        self._query = query
        await all_settled([query.finished])
        if self._query is query:
            self._query = None
            if self.active:
                self._refresh_later(eager=False)
        if query.finished.error is not None:
            return False
        self._closest_nodes = tuple(query.closest_nodes)
        if clock == self._refresh_count and not announcing:
            self._announced = False
        return True

    def _start_query(self, *, clear: bool) -> TopicQuery:
        on_peer = self._limited_on_peer()
        nodes = self._closest_nodes
        if self._is_server:
            return self._network.announce(
                self.topic, nodes=nodes, clear=clear, on_peer=on_peer
            )
        if self._announced:
            return self._network.lookup_and_unannounce(
                self.topic, nodes=nodes, on_peer=on_peer
            )
        return self._network.lookup(self.topic, nodes=nodes, on_peer=on_peer)

    def _limited_on_peer(self) -> Callable[[PeerFound], None]:
        limit = self.limit
        if limit is not None:
            already = sum(1 for key in self._discovered if self._is_connected(key))
            limit = max(limit - already, 0)
        elif self._wanted is not None:
            limit = self._wanted()
        self._discovered = set()
        left = limit
        # Several nodes name the same peer.
        taken: set[bytes] = set()

        def on_peer(peer: PeerFound) -> None:
            nonlocal left
            if not self._is_client or not self.active:
                return
            if left is not None and peer.public_key not in taken:
                if len(self._discovered) < MAX_DISCOVERED:
                    self._discovered.add(peer.public_key)
                if left == 0:
                    return
                if not self._is_connected(peer.public_key):
                    left -= 1
                taken.add(peer.public_key)
            self._on_peer(peer)

        return on_peer

    def _refresh_ended(self, task: Deferred[bool]) -> None:
        if self._refreshing is task:
            self._refreshing = None

    def _refresh_later(self, *, eager: bool) -> None:
        if self._is_client and not eager and self._early_count < len(EARLY_REFRESHES_S):
            delay_s = EARLY_REFRESHES_S[self._early_count]
            delay_s += uniform(self._entropy, delay_s / 2)
            self._early_count += 1
        else:
            jitter_s = uniform(self._entropy, REFRESH_JITTER_S)
            delay_s = jitter_s if eager else REFRESH_INTERVAL_S + jitter_s
        self._cancel_timer()
        due_at = self._scheduler.now + delay_s

        def on_due() -> None:
            self._timer = None
            if self._scheduler.now - due_at > OVERDUE_S:
                self._refresh_later(eager=True)
            else:
                self.refresh()

        self._timer = self._scheduler.call_at(due_at, on_due)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _session_left(self, session: DiscoverySession) -> Deferred[Any]:
        self._sessions.remove(session)
        if self.destroyed:
            return self.destroy()
        if not self._sessions:
            return self._on_empty()
        if not self.is_server and self._announced:
            return self.refresh()
        return _settled(value=True)

    async def _abort(self) -> None:
        if self._wait is not None:
            await all_settled([self._wait])
        if self._query is not None:
            self._query.cancel()
            self._query = None
        self._cancel_timer()
        nodes = list(self._closest_nodes)
        if self._refreshing is not None:
            await all_settled([self._refreshing])
        if self.active:
            return
        nodes.extend(node for node in self._closest_nodes if node not in nodes)
        if not self._announced:
            return
        self._announced = False
        if nodes:
            unannouncing = self._network.unannounce(self.topic, nodes=nodes)
            await all_settled([unannouncing])


def _settled(*, value: bool) -> Deferred[bool]:
    deferred: Deferred[bool] = Deferred()
    deferred.resolve(value)
    return deferred
