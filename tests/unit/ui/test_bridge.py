from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.errors import UserFacingError
from app.events import Event, MembersChanged
from ui.bridge import MAX_PENDING_EVENTS, Bridge, Mailbox


class Recorder:
    """What a bridge called, in order."""

    def __init__(self, bridge: Bridge) -> None:
        self.batches: list[list[Event]] = []
        self.ended = asyncio.Event()
        self.surprises: list[str] = []
        bridge.flushed.connect(self.batches.append)
        bridge.ended.connect(self.ended.set)
        bridge.surprised.connect(self.surprises.append)

    @property
    def events(self) -> list[Event]:
        return [event for batch in self.batches for event in batch]


async def drain(bridge: Bridge) -> None:
    """Until no work is left."""
    while bridge._tasks:
        await asyncio.wait(list(bridge._tasks))
        await asyncio.sleep(0)


async def test_an_answer_comes_back_as_a_call() -> None:
    bridge = Bridge()
    answers: list[int] = []

    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    job = bridge.run(work(), done=answers.append)
    assert job.running
    await drain(bridge)
    assert answers == [7]
    assert not job.running


async def test_a_failure_for_a_person_comes_back_as_one() -> None:
    bridge = Bridge()
    recorder = Recorder(bridge)
    failures: list[str] = []

    async def work() -> None:
        raise UserFacingError("disk", "The disk is full.")

    bridge.run(work(), failed=lambda error: failures.append(error.sentence))
    await drain(bridge)
    assert failures == ["The disk is full."]
    assert recorder.surprises == []


@pytest.mark.expects_log("unexpected failure in the window")
@pytest.mark.parametrize("error", [OSError("gone"), KeyError("x"), AssertionError()])
async def test_any_other_failure_is_a_surprise(error: Exception) -> None:
    bridge = Bridge()
    recorder = Recorder(bridge)

    async def work() -> None:
        raise error

    bridge.run(work())
    await drain(bridge)
    await asyncio.sleep(0)
    assert len(recorder.surprises) == 1
    assert type(error).__name__ in recorder.surprises[0]


@pytest.mark.expects_log("unexpected failure in the window")
async def test_a_fault_in_a_callback_is_not_swallowed() -> None:
    bridge = Bridge()
    recorder = Recorder(bridge)

    async def work() -> int:
        return 1

    bridge.run(work(), done=lambda value: [][value])
    await drain(bridge)
    await asyncio.sleep(0)
    assert len(recorder.surprises) == 1


async def test_cancelled_work_calls_nobody() -> None:
    bridge = Bridge()
    called: list[object] = []
    job = bridge.run(asyncio.Event().wait(), done=called.append, failed=called.append)
    await asyncio.sleep(0)
    job.cancel()
    await drain(bridge)
    assert called == []


async def test_a_flood_comes_in_few_batches_and_in_order() -> None:
    bridge = Bridge()
    recorder = Recorder(bridge)
    mailbox = Mailbox()
    bridge.watch(mailbox.events())
    flood = [MembersChanged(str(n)) for n in range(5 * MAX_PENDING_EVENTS)]
    for event in flood:
        mailbox.post(event)
    mailbox.post(None)
    await asyncio.wait_for(recorder.ended.wait(), 60)
    assert recorder.events == flood
    assert max(map(len, recorder.batches)) <= MAX_PENDING_EVENTS
    assert len(recorder.batches) < 20


async def test_a_quiet_bridge_hands_an_event_on_at_once() -> None:
    bridge = Bridge()
    recorder = Recorder(bridge)
    mailbox = Mailbox()
    bridge.watch(mailbox.events())
    mailbox.post(MembersChanged("r"))
    mailbox.post(None)
    await asyncio.wait_for(recorder.ended.wait(), 60)
    assert recorder.events == [MembersChanged("r")]


@pytest.mark.expects_log("broke off")
async def test_events_that_break_off_end_the_watch() -> None:
    bridge = Bridge()
    recorder = Recorder(bridge)

    async def broken() -> AsyncIterator[Event]:
        yield MembersChanged("r")
        raise ConnectionResetError

    bridge.watch(broken())
    await asyncio.wait_for(recorder.ended.wait(), 60)
    assert recorder.events == [MembersChanged("r")]


async def test_stopping_ends_work_and_watch_without_calls() -> None:
    bridge = Bridge()
    recorder = Recorder(bridge)
    called: list[object] = []
    bridge.watch(Mailbox().events())
    bridge.run(asyncio.Event().wait(), done=called.append)
    await asyncio.sleep(0)
    await asyncio.wait_for(bridge.stop(), 60)
    assert called == []
    assert not recorder.ended.is_set()
    assert len(asyncio.all_tasks()) == 1
