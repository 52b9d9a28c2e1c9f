"""Events to whoever listens, each with a bounded queue of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from weakref import WeakSet

from app.events import CoreStopped, Event

MAX_WAITING_EVENTS = 10_000
"""Events one listener may leave unread before it is cut off."""


class Subscription:
    """One listener's events, oldest first; ends when the hub closes or it is late.

    Attributes:
        late: True when too much was left unread and the rest was thrown away.
    """

    def __init__(self) -> None:
        self.late = False
        self._events: deque[Event] = deque()
        self._news = asyncio.Event()
        self._ended = False

    def put(self, event: Event) -> None:
        """Queue an event; cut the listener off when it does not keep up."""
        if self._ended:
            return
        if len(self._events) >= MAX_WAITING_EVENTS:
            self._events.clear()
            self.late = True
            self._events.append(
                CoreStopped("This listener was too slow and missed events.")
            )
            self.end()
            return
        self._events.append(event)
        self._news.set()

    def end(self) -> None:
        """Let the listener finish what is queued, and no more."""
        self._ended = True
        self._news.set()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._events.popleft()


class Hub:
    """Hands each event to every subscription that somebody still holds."""

    def __init__(self) -> None:
        self._subscriptions: WeakSet[Subscription] = WeakSet()

    def subscribe(self) -> Subscription:
        """Listen from now on; give it back with ``unsubscribe``."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop listening; harmless when done twice."""
        subscription.end()
        self._subscriptions.discard(subscription)

    def publish(self, event: Event) -> None:
        """Tell everybody."""
        for subscription in tuple(self._subscriptions):
            subscription.put(event)

    def close(self, event: Event | None = None) -> None:
        """Tell everybody the last thing and end all subscriptions."""
        if event is not None:
            self.publish(event)
        for subscription in tuple(self._subscriptions):
            self.unsubscribe(subscription)
