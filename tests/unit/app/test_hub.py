"""Events reach whoever listens, and a slow listener harms only itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from app import hub as hubs
from app.events import (
    CoreStopped,
    Event,
    MessagesChanged,
    MessageStored,
    RoomLeft,
)
from app.hub import Hub
from app.snapshots import (
    MessageSnapshot,
    PollOptionSnapshot,
    PollSnapshot,
    PreviewSnapshot,
)


async def all_of(events: hubs.Subscription) -> list[Event]:
    return [event async for event in events]


async def test_everybody_hears_everything_from_then_on() -> None:
    hub = Hub()
    hub.publish(RoomLeft("before"))
    one, two = hub.subscribe(), hub.subscribe()
    hub.publish(RoomLeft("a"))
    hub.unsubscribe(two)
    hub.publish(RoomLeft("b"))
    hub.close(CoreStopped("Over."))
    assert await all_of(one) == [RoomLeft("a"), RoomLeft("b"), CoreStopped("Over.")]
    assert await all_of(two) == [RoomLeft("a")]


async def test_a_waiting_listener_is_woken() -> None:
    hub = Hub()
    subscription = hub.subscribe()
    waiting = asyncio.create_task(anext(subscription))
    await asyncio.sleep(0)
    hub.publish(RoomLeft("a"))
    assert await waiting == RoomLeft("a")


async def test_a_slow_listener_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MAX_WAITING_EVENTS", 3)
    hub = Hub()
    slow, quick = hub.subscribe(), hub.subscribe()
    for number in range(6):
        hub.publish(RoomLeft(str(number)))
        if number < 5:
            assert await anext(quick) == RoomLeft(str(number))
    [last] = await all_of(slow)
    assert isinstance(last, CoreStopped)
    assert slow.late
    assert not quick.late


async def test_unread_texts_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MAX_WAITING_CHARACTERS", 2500)
    hub = Hub()
    slow, quick = hub.subscribe(), hub.subscribe()
    event = MessageStored(
        MessageSnapshot(
            id="0",
            room="0",
            author="0",
            author_name="Bo",
            text="x" * 1000,
            sent_at=0,
            mine=False,
        )
    )
    for _ in range(5):
        hub.publish(event)
        assert await anext(quick) == event
    [last] = await all_of(slow)
    assert isinstance(last, CoreStopped)
    assert slow.late
    assert not quick.late


async def test_all_that_others_choose_of_an_event_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubs, "MAX_WAITING_CHARACTERS", 2500)
    plain = MessageSnapshot("0", "0", "0", "Bo", "", 0, mine=False)
    option = PollOptionSnapshot("x" * 1000, 0, mine=False)
    for event in (
        MessageStored(replace(plain, mentions=("k" * 500,) * 2)),
        MessageStored(replace(plain, reply=PreviewSnapshot("", "", "", "x" * 1000))),
        MessageStored(replace(plain, poll=PollSnapshot((option,), False, None, 0))),
        MessagesChanged("0", ("i" * 500,) * 2),
    ):
        hub = Hub()
        slow = hub.subscribe()
        hub.publish(event)
        hub.publish(event)
        assert await anext(slow) == event
        for _ in range(2):
            hub.publish(event)
        assert slow.late, event


async def test_a_listener_nobody_holds_is_forgotten() -> None:
    hub = Hub()
    hub.subscribe()
    assert len(hub._subscriptions) == 0
