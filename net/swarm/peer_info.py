"""What a swarm remembers of one peer: attempts, priority, whether it was ever reached.

It leaves to others: timers (:mod:`net.swarm.retry_timer`) and the queue.
Upstream: hyperswarm, lib/peer-info.js.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from net.swarm.interfaces import Address

STABLE_CONNECTION_S = 15.0
"""A connection that lasted this long makes the next attempt a first one again."""

MAX_ATTEMPTS = 3
"""More attempts than this and only an explicit wish or a new look-up tries again."""

MAX_TOPICS_PER_PEER = 256
"""Topics remembered for one peer; further ones are only ours to know anyway."""


class Priority(enum.IntEnum):
    """Order in the queue; the highest goes first."""

    VERY_LOW = 0
    LOW = 1
    NORMAL = 2
    HIGH = 3
    VERY_HIGH = 4


_PRIORITY_BY_ATTEMPTS = {
    0: Priority.NORMAL,
    1: Priority.VERY_HIGH,
    2: Priority.HIGH,
    3: Priority.LOW,
}


@dataclass(slots=True, eq=False)
class PeerInfo:
    """One known peer; changed only by the swarm that owns it."""

    public_key: bytes
    """Ed25519 public key, 32 bytes."""

    relay_addresses: tuple[Address, ...] = ()
    """Nodes from the newest look-up that know the way."""

    attempts: int = 0
    """Connections that ended or failed since the last stable one."""

    priority: Priority = Priority.NORMAL
    """Computed when it was last queued."""

    proven: bool = False
    """True once a connection of ours has opened."""

    is_client: bool = False
    """True while the latest connection was started by us."""

    banned: bool = False
    """Never connected again, in either direction."""

    explicit: bool = False
    """Wanted by key (``join_peer``), not only by a topic."""

    reconnecting: bool = True
    """False when the application asked not to retry."""

    queued: bool = False
    """In the queue now."""

    waiting: bool = False
    """On a retry timer now."""

    force_relay: bool = False
    """The last failure said that only a relay can help."""

    connected_at: float | None = None
    """When the current connection of ours opened."""

    disconnected_at: float = float("-inf")
    """When the last connection of ours ended."""

    flush_tick: int = 0
    """Which flushes wait for this one."""

    topics: set[bytes] = field(default_factory=set)
    """Topics under which it was found."""

    @property
    def prioritized(self) -> bool:
        """True when new look-ups need not help it along."""
        return self.priority >= Priority.NORMAL

    @property
    def forgettable(self) -> bool:
        """True when nothing is remembered here that is still needed."""
        return not (self.banned or self.queued or self.explicit or self.waiting)

    def note_topic(self, topic: bytes) -> None:
        """Remember a topic it was found under."""
        if len(self.topics) < MAX_TOPICS_PER_PEER:
            self.topics.add(topic)

    def note_connected(self, now: float) -> None:
        """A connection of ours opened."""
        self.proven = True
        self.is_client = True
        self.connected_at = now

    def note_disconnected(self, now: float) -> None:
        """A connection of ours ended, or could not be made."""
        self.disconnected_at = now
        opened_at, self.connected_at = self.connected_at, None
        if opened_at is not None and now - opened_at >= STABLE_CONNECTION_S:
            self.attempts = 0
        self.attempts += 1

    def reset(self) -> None:
        """Start counting again: it was found anew."""
        self.is_client = False
        self.proven = False
        self.attempts = 0

    def update_priority(self) -> bool:
        """Compute the priority for the queue.

        Returns:
            False when it must not be queued: banned, queued already, or tried too
            often.
        """
        if self.explicit and self.attempts > MAX_ATTEMPTS:
            self.attempts = MAX_ATTEMPTS
        if self.banned or self.queued or self.attempts > MAX_ATTEMPTS:
            return False
        self.priority = _PRIORITY_BY_ATTEMPTS[self.attempts]
        return True
