"""Work that is due: done at once, when it is time, when somebody says so, and ended."""

from __future__ import annotations

import asyncio
import logging

import pytest

from app import alarm as alarms
from app.alarm import Alarm
from store.errors import EnvironmentFault

LOG = logging.getLogger("covey.test-alarm")


class Work:
    """Gives what it is told, and remembers that it was asked."""

    def __init__(self, *due_ms: int | Exception | None) -> None:
        self.asked: asyncio.Queue[None] = asyncio.Queue()
        self.count = 0
        self._due_ms = list(due_ms)

    async def __call__(self) -> int | None:
        self.count += 1
        self.asked.put_nowait(None)
        found = self._due_ms.pop(0) if self._due_ms else None
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "MIN_PAUSE_S", 0.0)


def alarm(work: Work, now_ms: int = 1_000) -> Alarm:
    return Alarm(work, now_ms=lambda: now_ms, log=LOG, what="it failed")


async def test_it_is_done_at_once_and_when_somebody_says_so() -> None:
    work = Work()
    made = alarm(work)
    made.start()
    async with asyncio.timeout(60):
        await work.asked.get()
        for _ in range(3):
            made.poke()
            await work.asked.get()
    await made.stop()
    assert work.count == 4
    made.poke()
    await asyncio.sleep(0)
    assert work.count == 4


async def test_it_is_done_when_it_is_due() -> None:
    work = Work(999, 1_000, 1_001, 10**15)
    made = alarm(work)
    made.start()
    async with asyncio.timeout(60):
        for _ in range(4):
            await work.asked.get()
    await made.stop()
    assert work.count == 4, "what is due in ten thousand years waits"


async def test_only_what_is_due_earlier_is_news() -> None:
    work = Work(5_000)
    made = alarm(work)
    made.start()
    async with asyncio.timeout(60):
        await work.asked.get()
        made.poke_by(5_000)
        made.poke_by(9_000)
        for _ in range(10):
            await asyncio.sleep(0)
        assert work.count == 1
        made.poke_by(4_999)
        await work.asked.get()
    await made.stop()


async def test_what_fails_is_told_and_tried_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "RETRY_S", 0.0)
    work = Work(EnvironmentFault("the disk is full"), None)
    made = alarm(work)
    with caplog.at_level(logging.ERROR, logger=LOG.name):
        made.start()
        async with asyncio.timeout(60):
            await work.asked.get()
            await work.asked.get()
        await made.stop()
    [record] = caplog.records
    assert record.getMessage() == "it failed: the disk is full"


async def test_one_that_never_began_ends_as_well() -> None:
    await alarm(Work()).stop()
