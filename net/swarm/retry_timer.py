"""When a peer whose connection ended is tried again: four coarse timers.

Peers share a timer per delay (short, medium, long, very long), so that ten thousand
waiting peers cost four timers. A timer ticks every 0.66 of its delay, and an added peer
leaves at the second tick, 0.66 to 1.33 delays later.
Upstream: hyperswarm, lib/retry-timer.js and lib/bulk-timer.js.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable

from net.flow import Scheduler, Timer
from net.swarm.peer_info import MAX_ATTEMPTS, PeerInfo

TICK_SHARE = 0.66
JITTER_S = 0.5


class Backoff(enum.Enum):
    """The delays, with their base and the width of their random part in seconds."""

    SHORT = (1.0, 0.5)
    MEDIUM = (5.0, 1.0)
    LONG = (15.0, 2.0)
    VERY_LONG = (600.0, 120.0)


_BY_ATTEMPTS = {
    (0, True): Backoff.SHORT,
    (0, False): Backoff.SHORT,
    (1, True): Backoff.SHORT,
    (1, False): Backoff.MEDIUM,
    (2, True): Backoff.MEDIUM,
    (2, False): Backoff.LONG,
    (3, True): Backoff.LONG,
    (3, False): Backoff.LONG,
}


def select_backoff(peer: PeerInfo) -> Backoff | None:
    """The delay before the next attempt, or None when there shall be none."""
    if peer.banned or not peer.reconnecting:
        return None
    if peer.attempts > MAX_ATTEMPTS:
        return Backoff.VERY_LONG if peer.explicit else None
    return _BY_ATTEMPTS[peer.attempts, peer.proven]


def uniform(entropy: Callable[[int], bytes], width_s: float) -> float:
    """A random duration from 0 to ``width_s`` seconds."""
    return int.from_bytes(entropy(6), "little") / float(1 << 48) * width_s


class BulkTimer:
    """One delay for any number of peers; ticks only while one waits."""

    def __init__(
        self,
        scheduler: Scheduler,
        delay_s: float,
        on_due: Callable[[list[PeerInfo]], None],
    ) -> None:
        self._scheduler = scheduler
        self._tick_s = delay_s * TICK_SHARE
        self._on_due = on_due
        self._pending: list[PeerInfo] = []
        self._next: list[PeerInfo] = []
        self._started_at: float | None = None
        self._timer: Timer | None = None

    def add(self, peer: PeerInfo) -> None:
        """Let a peer wait here until the tick after the next."""
        self._pending.append(peer)
        if self._started_at is None:
            self._started_at = self._scheduler.now
        if self._timer is None:
            self._schedule()

    def clear(self) -> list[PeerInfo]:
        """Forget everyone, and return whom."""
        peers = self._next + self._pending
        self._next, self._pending = [], []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return peers

    def _schedule(self) -> None:
        assert self._started_at is not None
        passed = (self._scheduler.now - self._started_at) / self._tick_s
        at = self._started_at + (math.floor(passed + 1e-9) + 1) * self._tick_s
        self._timer = self._scheduler.call_at(at, self._on_tick)

    def _on_tick(self) -> None:
        self._timer = None
        due, self._next, self._pending = self._next, self._pending, []
        if due:
            self._on_due(due)
        if (self._next or self._pending) and self._timer is None:
            self._schedule()


class RetryTimer:
    """Puts a peer on the timer that its history asks for."""

    def __init__(
        self,
        scheduler: Scheduler,
        entropy: Callable[[int], bytes],
        on_due: Callable[[list[PeerInfo]], None],
    ) -> None:
        self._timers: dict[Backoff, BulkTimer] = {}
        for backoff in Backoff:
            base_s, width_s = backoff.value
            delay_s = base_s + uniform(entropy, width_s) + uniform(entropy, JITTER_S)
            self._timers[backoff] = BulkTimer(scheduler, delay_s, on_due)

    def add(self, peer: PeerInfo) -> bool:
        """Let a peer wait for its next attempt; False when there shall be none."""
        backoff = select_backoff(peer)
        if backoff is None:
            return False
        self._timers[backoff].add(peer)
        return True

    def clear(self) -> list[PeerInfo]:
        """Forget everyone, and return whom."""
        return [peer for timer in self._timers.values() for peer in timer.clear()]
