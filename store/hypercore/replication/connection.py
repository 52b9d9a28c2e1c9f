"""What replication needs of a connection, and who may write to one next.

All cores of a connection share its room: each peer that has answers to send stands in
one ring, and sends a share of bytes when it is its turn. So a log of a terabyte starves
no other, and what is queued to a slow peer stays small.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from net.mux import Mux

SHARE_BYTES: Final = 64 * 1024
"""What one log sends before it is another's turn."""

MAX_TURN_BYTES: Final = 512 * 1024
"""What is handed to a connection in one turn of the loop."""


class ReplicaConnection(Protocol):
    """An encrypted connection with channels; ``net.Connection`` fits."""

    @property
    def mux(self) -> Mux:
        """Its channels."""
        ...

    @property
    def handshake_hash(self) -> bytes:
        """64 bytes that both sides share and nobody else knows."""
        ...

    @property
    def is_initiator(self) -> bool:
        """True on the side that connected."""
        ...

    @property
    def remote_public_key(self) -> bytes:
        """Who is at the other end."""
        ...

    @property
    def has_room(self) -> bool:
        """False while more would only queue; the channels' ``on_drain`` ends that."""
        ...


class Sender(Protocol):
    """One log at one peer, as the ring knows it."""

    @property
    def has_work(self) -> bool:
        """It has something to send."""
        ...

    def serve(self, budget_bytes: int, now: float) -> int:
        """Send about so much; returns how much it was."""
        ...


class ConnectionShare:
    """The ring of the senders of one connection."""

    def __init__(self, connection: ReplicaConnection) -> None:
        self._connection = connection
        self._ring: deque[Sender] = deque()
        self._queued: set[Sender] = set()
        self._users = 0
        self._scheduled = False

    def add(self, sender: Sender) -> None:
        """A sender has something to send."""
        if sender not in self._queued:
            self._queued.add(sender)
            self._ring.append(sender)
        self.wake()

    def remove(self, sender: Sender) -> None:
        """A sender sends no more."""
        if sender in self._queued:
            self._queued.discard(sender)
            self._ring.remove(sender)

    def wake(self) -> None:
        """There may be room again."""
        if self._ring and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        connection = self._connection
        mux = connection.mux
        if mux.closed:
            return
        now = time.monotonic()
        ring = self._ring
        left = MAX_TURN_BYTES
        mux.cork()
        try:
            while ring and left > 0 and connection.has_room:
                sender = ring.popleft()
                self._queued.discard(sender)
                left -= max(1, sender.serve(min(SHARE_BYTES, left), now))
                if sender.has_work and sender not in self._queued:
                    self._queued.add(sender)
                    ring.append(sender)
        finally:
            if not mux.closed:
                mux.uncork()
        if connection.has_room:
            self.wake()


class Shares:
    """The rings of all connections that anything is replicated over."""

    def __init__(self) -> None:
        self._shares: dict[Mux, tuple[ConnectionShare, list[object]]] = {}

    def join(self, connection: ReplicaConnection, user: object) -> ConnectionShare:
        """The ring of a connection, kept while somebody uses it."""
        found = self._shares.get(connection.mux)
        if found is None:
            found = self._shares[connection.mux] = (ConnectionShare(connection), [])
        found[1].append(user)
        return found[0]

    def leave(self, connection: ReplicaConnection, user: object) -> None:
        """Somebody uses the ring no longer."""
        found = self._shares.get(connection.mux)
        if found is not None and user in found[1]:
            found[1].remove(user)
            if not found[1]:
                del self._shares[connection.mux]


SHARES: Final = Shares()
"""One for the process: logs that know nothing of each other meet on a connection."""
