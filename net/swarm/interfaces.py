"""What the swarm needs from the network, owned by the swarm and fitted by shape.

The rim of :mod:`net.aio` puts a DHT node behind these; a simulation puts a model there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from net.flow import Deferred

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class PeerFound:
    """A record of a look-up: who has announced the topic."""

    public_key: bytes
    """Ed25519 public key, 32 bytes."""

    relay_addresses: tuple[Address, ...] = ()
    """Nodes that know the way to this peer; hints only."""


class TopicQuery(Protocol):
    """A running look-up or announce."""

    @property
    def finished(self) -> Deferred[Any]:
        """Settled when the query and its commits ended, also when cancelled."""

    @property
    def closest_nodes(self) -> Sequence[Any]:
        """The nodes nearest to the topic so far; given back to seed the next one."""

    def cancel(self) -> None:
        """Stop asking; ``finished`` settles soon, with a value or an error."""


class SwarmConnection(Protocol):
    """One connection to a peer, outgoing or incoming."""

    @property
    def remote_public_key(self) -> bytes:
        """The other side's key, 32 bytes; known from the start."""

    @property
    def is_initiator(self) -> bool:
        """True for a connection that this side started."""

    @property
    def has_traffic(self) -> bool:
        """True once raw bytes were both read and written."""

    def destroy(self, reason: str) -> None:
        """End it at once. The machine is told by ``connection_closed`` later."""

    def send_keep_alive(self) -> None:
        """Send an empty frame, so that a dead path is noticed."""


class SwarmNetwork(Protocol):
    """The DHT node of one swarm, with the server that listens on its key."""

    def listen(self) -> Deferred[Any]:
        """Start the server, or wait for the start under way."""

    def lookup(
        self,
        topic: bytes,
        *,
        nodes: Sequence[Any],
        on_peer: Callable[[PeerFound], None],
    ) -> TopicQuery:
        """Ask who announced ``topic``; ``on_peer`` is called for each record."""

    def lookup_and_unannounce(
        self,
        topic: bytes,
        *,
        nodes: Sequence[Any],
        on_peer: Callable[[PeerFound], None],
    ) -> TopicQuery:
        """A look-up that also removes this swarm's own records where it sees them."""

    def announce(
        self,
        topic: bytes,
        *,
        nodes: Sequence[Any],
        clear: bool,
        on_peer: Callable[[PeerFound], None],
    ) -> TopicQuery:
        """A look-up that ends by announcing this swarm at the closest nodes.

        Args:
            topic: 32 bytes.
            nodes: Where to start.
            clear: Also remove this swarm's stale records elsewhere.
            on_peer: Called for each record seen.
        """

    def unannounce(self, topic: bytes, *, nodes: Sequence[Any]) -> Deferred[Any]:
        """Remove this swarm's records from exactly these nodes, without retries."""

    def connect(
        self,
        public_key: bytes,
        *,
        relay_addresses: Sequence[Address],
        force_relay: bool,
    ) -> SwarmConnection:
        """Start a connection. It reports by ``connection_opened`` and ``_closed``.

        Neither of the two is called before this returns.
        """

    def suspend(self) -> Deferred[Any]:
        """Take the server and the DHT down, to be resumed."""

    def resume(self) -> Deferred[Any]:
        """Bring the DHT and the server up again."""

    def close(self) -> Deferred[Any]:
        """Close the server."""
