"""The datagrams of a connection that wait for the application: few, and the newest."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

MAX_QUEUED_DATAGRAMS = 1024
"""Datagrams that nobody has taken; beyond these the oldest are dropped and counted."""


class DatagramInbox:
    """``async for datagram in inbox``; ends when the connection does.

    Attributes:
        received: Datagrams that came in.
        dropped: Datagrams that nobody took in time.
    """

    def __init__(self) -> None:
        self.received = 0
        self.dropped = 0
        self._queue: deque[bytes] = deque()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, datagram: bytes) -> None:
        """Add one, for the connection that owns this."""
        self.received += 1
        if len(self._queue) >= MAX_QUEUED_DATAGRAMS:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(datagram)
        self._wake()

    def close(self) -> None:
        """Let whoever iterates take what is there and then end."""
        self._closed = True
        while self._waiters:
            self._wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
        return self._queue.popleft()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
