"""What others say our public address is, and what a majority of them agrees on.

Each sample counts for its (host, port) and for its host alone. Of the last 16 samples
all but a few must agree: none of up to 3, one of up to 7, two of up to 11, else three.

Leaves to others: whose word is a sample. Upstream: nat-sampler 1.0.1; vectors in
``tests/vectors/dht-rpc.json``.
"""

from __future__ import annotations

from collections import deque
from typing import Final

MAX_SAMPLES: Final = 16
RECENT_SAMPLES: Final = 4
"""A tally goes on only when it is among this many last samples."""


class _Tally:
    __slots__ = ("hits", "host", "port")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.hits = 1


class NatSampler:
    """Collects samples of our public address.

    Attributes:
        host: The host the samples agree on, or None.
        port: The port they agree on; 0 while unknown or different for each peer.
    """

    def __init__(self) -> None:
        self.host: str | None = None
        self.port = 0
        self._exact: deque[_Tally] = deque()
        self._hosts: deque[_Tally] = deque()
        self._best_exact: _Tally | None = None
        self._best_host: _Tally | None = None

    @property
    def size(self) -> int:
        """How many samples count, at most 16."""
        return len(self._exact)

    def add(self, host: str, port: int) -> None:
        """Take one sample."""
        exact = _count(self._exact, host, port)
        alone = _count(self._hosts, host, 0)
        if self._best_exact is None or exact.hits > self._best_exact.hits:
            self._best_exact = exact
        if self._best_host is None or alone.hits > self._best_host.hits:
            self._best_host = alone
        threshold = self.size - min(self.size // 4, 3)
        if self._best_exact.hits >= threshold:
            self.host, self.port = self._best_exact.host, self._best_exact.port
        elif self._best_host.hits >= threshold:
            self.host, self.port = self._best_host.host, 0
        else:
            self.host, self.port = None, 0


def _count(samples: deque[_Tally], host: str, port: int) -> _Tally:
    tally = _recent(samples, host, port)
    if tally is None:
        tally = _Tally(host, port)
    else:
        tally.hits += 1
    samples.append(tally)
    if len(samples) > MAX_SAMPLES:
        samples.popleft().hits -= 1
    return tally


def _recent(samples: deque[_Tally], host: str, port: int) -> _Tally | None:
    for back in range(1, min(RECENT_SAMPLES, len(samples)) + 1):
        tally = samples[-back]
        if tally.port == port and tally.host == host:
            return tally
    return None
