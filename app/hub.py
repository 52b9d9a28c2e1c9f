"""Events to whoever listens, each with a bounded queue of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from weakref import WeakSet

from app.events import (
    CoreStopped,
    Event,
    MessagesChanged,
    MessageStored,
    RoomChanged,
)
from app.snapshots import MessageSnapshot

MAX_WAITING_EVENTS = 10_000
"""Events one listener may leave unread before it is cut off."""
MAX_WAITING_CHARACTERS = 32 * 1024 * 1024
"""Length of all texts in these events, before which it is cut off as well."""


class Subscription:
    """One listener's events, oldest first; ends when the hub closes or it is late.

    Attributes:
        late: True when too much was left unread and the rest was thrown away.
    """

    def __init__(self) -> None:
        self.late = False
        self._events: deque[Event] = deque()
        self._characters = 0
        self._news = asyncio.Event()
        self._ended = False

    def put(self, event: Event) -> None:
        """Queue an event; cut the listener off when it does not keep up."""
        if self._ended:
            return
        self._characters += _text_length(event)
        if (
            len(self._events) >= MAX_WAITING_EVENTS
            or self._characters > MAX_WAITING_CHARACTERS
        ):
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
        event = self._events.popleft()
        self._characters -= _text_length(event)
        return event


def _text_length(event: Event) -> int:
    """How long the part is whose size others choose; the rest is small."""
    match event:
        case MessageStored(message=message):
            return _message_length(message)
        case RoomChanged(room=room) if room.last_message is not None:
            return _message_length(room.last_message)
        case MessagesChanged(ids=ids):
            return sum(map(len, ids))
        case _:
            return 0


def _message_length(message: MessageSnapshot) -> int:
    length = len(message.text) + sum(map(len, message.mentions))
    if message.reply is not None:
        length += len(message.reply.text)
    if message.poll is not None:
        length += sum(len(option.text) for option in message.poll.options)
    return length


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
