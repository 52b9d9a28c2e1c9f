"""The peers waiting for a connection: highest priority first, random within one.

Upstream: shuffled-priority-queue 2.1.0.
"""

from __future__ import annotations

from collections.abc import Callable

from net.swarm.peer_info import PeerInfo, Priority


class PeerQueue:
    """A shuffled priority queue; adding and taking cost constant time."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._levels: list[list[PeerInfo]] = [[] for _ in Priority]

    def __len__(self) -> int:
        return sum(map(len, self._levels))

    def add(self, peer: PeerInfo) -> None:
        """Queue a peer under its current priority; it must not be in already."""
        assert not peer.queued, "a peer is queued once"
        peer.queued = True
        self._levels[peer.priority].append(peer)

    def take(self) -> PeerInfo:
        """Remove and return a random one of the highest priority there is."""
        for level in reversed(self._levels):
            if level:
                index = int.from_bytes(self._entropy(4), "little") % len(level)
                level[index], level[-1] = level[-1], level[index]
                peer = level.pop()
                peer.queued = False
                return peer
        raise IndexError("the queue is empty")

    def clear(self) -> list[PeerInfo]:
        """Empty the queue and return what was in it."""
        peers = [peer for level in self._levels for peer in level]
        for peer in peers:
            peer.queued = False
        for level in self._levels:
            level.clear()
        return peers
