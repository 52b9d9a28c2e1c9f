"""The connections of a swarm, one per peer, and the rule that keeps it so.

Two peers that find each other at the same time connect twice. Both sides must drop the
same one without a word about it, so the rule reads only what both know: the keys, and
who started the connection.
Upstream: hyperswarm, lib/connection-set.js and index.js.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

from net.swarm.interfaces import SwarmConnection


class Verdict(enum.Enum):
    """Which of two connections to the same peer stays."""

    KEEP_EXISTING = enum.auto()
    KEEP_INCOMING = enum.auto()


def resolve_duplicate(
    *, own_public_key: bytes, incoming: SwarmConnection, existing: SwarmConnection
) -> Verdict:
    """Decide between a connection that came in and one that is there already.

    An existing one that has carried bytes both ways was lost by the peer, or the peer
    would not connect again. Otherwise the two crossed, and the one started by the side
    with the greater key stays.
    """
    if existing.has_traffic:
        return Verdict.KEEP_INCOMING
    own_is_greater = own_public_key > incoming.remote_public_key
    if own_is_greater == incoming.is_initiator:
        return Verdict.KEEP_INCOMING
    return Verdict.KEEP_EXISTING


class ConnectionSet:
    """Connections by remote key, open and opening ones alike."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, SwarmConnection] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[SwarmConnection]:
        return iter(list(self._by_key.values()))

    def __contains__(self, public_key: bytes) -> bool:
        return public_key in self._by_key

    def get(self, public_key: bytes) -> SwarmConnection | None:
        """The connection to a peer, if there is one."""
        return self._by_key.get(public_key)

    def add(self, connection: SwarmConnection) -> None:
        """Take a connection in; there must be none to the same peer."""
        key = connection.remote_public_key
        assert key not in self._by_key, "one connection per peer"
        self._by_key[key] = connection

    def discard(self, connection: SwarmConnection) -> None:
        """Remove exactly this connection, if it is the one in the set."""
        key = connection.remote_public_key
        if self._by_key.get(key) is connection:
            del self._by_key[key]
