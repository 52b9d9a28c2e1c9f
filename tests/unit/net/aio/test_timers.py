"""The timer whose deadline moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from net.aio.timers import DeadlineTimer


class Handle:
    """A timer of the fake loop."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Counts what is armed, and fires when told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.armed: list[Handle] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def call_later(self, delay: float, callback: Callable[[], None]) -> Handle:
        handle = Handle(self.now + delay, callback)
        self.armed.append(handle)
        return handle

    def run_until(self, now: float) -> None:
        while True:
            due = [it for it in self.armed if not it.cancelled and it.at <= now]
            if not due:
                break
            first = min(due, key=lambda it: it.at)
            self.armed.remove(first)
            self.now = max(self.now, first.at)
            first.callback()
        self.now = now


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    return Loop(monkeypatch)


def timer(loop: Any, fired: list[float]) -> DeadlineTimer:
    return DeadlineTimer(loop, lambda: fired.append(loop.now))


def test_it_fires_once_at_its_deadline(loop: Loop) -> None:
    fired: list[float] = []
    timer(loop, fired).set(101.0)
    loop.run_until(105.0)
    assert fired == [101.0]


def test_moving_the_deadline_back_arms_nothing(loop: Loop) -> None:
    fired: list[float] = []
    ours = timer(loop, fired)
    for step in range(100):
        ours.set(101.0 + step * 0.01)
    assert len(loop.armed) == 1
    loop.run_until(105.0)
    assert fired == [101.99]


def test_an_earlier_deadline_wins(loop: Loop) -> None:
    fired: list[float] = []
    ours = timer(loop, fired)
    ours.set(110.0)
    ours.set(101.0)
    loop.run_until(120.0)
    assert fired == [101.0]


def test_no_deadline_and_stopping_fire_nothing(loop: Loop) -> None:
    fired: list[float] = []
    ours = timer(loop, fired)
    ours.set(101.0)
    ours.set(None)
    loop.run_until(102.0)
    ours.set(103.0)
    ours.stop()
    loop.run_until(104.0)
    ours.stop()
    assert fired == []


def test_a_deadline_in_the_past_fires_in_the_next_turn(loop: Loop) -> None:
    fired: list[float] = []
    timer(loop, fired).set(1.0)
    assert fired == []
    loop.run_until(100.0)
    assert fired == [100.0]


async def test_it_works_on_a_real_loop() -> None:
    fired = asyncio.Event()
    ours = DeadlineTimer(asyncio.get_running_loop(), fired.set)
    ours.set(time.monotonic())
    await fired.wait()
    ours.stop()
