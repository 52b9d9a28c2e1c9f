"""Events on their way to one listener, bounded in number."""

from __future__ import annotations

import asyncio
from collections import deque

from store.hypercore.events import Closed, CoreEvent

MAX_WAITING_EVENTS = 4_096
"""A listener that is slower loses the oldest."""


class EventQueue:
    """An async iterator of events, from its making to ``Closed``.

    Attributes:
        lost: Events that did not find room.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.lost = 0
        self._events: deque[CoreEvent] = deque(maxlen=MAX_WAITING_EVENTS)
        self._waiting: asyncio.Future[None] | None = None
        self._ended = False

    def put(self, event: CoreEvent) -> None:
        """Add an event; never waits."""
        if self._ended:
            return
        self.lost += len(self._events) == MAX_WAITING_EVENTS
        self._events.append(event)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def __aiter__(self) -> EventQueue:
        return self

    async def __anext__(self) -> CoreEvent:
        while not self._events:
            if self._ended:
                raise StopAsyncIteration
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        event = self._events.popleft()
        self._ended = isinstance(event, Closed)
        return event
