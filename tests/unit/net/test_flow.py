"""Coroutines without an event loop: order, time, errors, cancellation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from net.flow import (
    Deferred,
    FlowCancelledError,
    FlowTask,
    Scheduler,
    all_settled,
    first_settled,
)


class OurError(Exception):
    """Raised on purpose."""


async def wait(deferred: Deferred[int], log: list[object]) -> int:
    try:
        value = await deferred
    except (OurError, FlowCancelledError) as error:
        log.append(type(error))
        raise
    log.append(value)
    return value


def test_a_deferred_settles_once() -> None:
    deferred: Deferred[int] = Deferred()
    seen: list[int] = []
    deferred.when_settled(lambda done: seen.append(done.result()))
    assert not deferred.settled
    assert deferred.resolve(1)
    assert not deferred.resolve(2)
    assert not deferred.fail(OurError())
    assert (deferred.settled, deferred.result(), deferred.error) == (True, 1, None)
    deferred.when_settled(lambda done: seen.append(done.result() + 10))
    assert seen == [1, 11]


def test_a_deferred_can_fail() -> None:
    deferred: Deferred[int] = Deferred()
    error = OurError()
    assert deferred.fail(error)
    assert deferred.error is error
    with pytest.raises(OurError):
        deferred.result()


def test_an_unsettled_result_is_our_bug() -> None:
    with pytest.raises(AssertionError):
        Deferred[int]().result()


def test_callbacks_can_be_forgotten() -> None:
    deferred: Deferred[int] = Deferred()
    seen: list[int] = []

    def callback(done: Deferred[int]) -> None:
        seen.append(done.result())

    deferred.when_settled(callback)
    deferred.forget(callback)
    deferred.forget(callback)
    deferred.resolve(1)
    assert seen == []


def test_a_task_runs_to_its_first_wait_and_on_when_woken() -> None:
    scheduler, log = Scheduler(), list[object]()
    deferred: Deferred[int] = Deferred()

    async def flow() -> str:
        log.append("started")
        await wait(deferred, log)
        return "done"

    task = scheduler.spawn(flow())
    assert log == ["started"]
    assert not task.settled
    deferred.resolve(5)
    assert log == ["started", 5]
    assert task.result() == "done"


def test_awaiting_what_is_settled_does_not_wait() -> None:
    scheduler = Scheduler()
    deferred: Deferred[int] = Deferred()
    deferred.resolve(3)
    assert scheduler.spawn(wait(deferred, [])).result() == 3


def test_tasks_await_each_other() -> None:
    scheduler = Scheduler()
    deferred: Deferred[int] = Deferred()

    async def outer() -> int:
        inner = scheduler.spawn(wait(deferred, []))
        return await inner + await inner

    task = scheduler.spawn(outer())
    deferred.resolve(4)
    assert task.result() == 8


def test_waiters_run_in_the_order_of_their_waiting() -> None:
    scheduler, log = Scheduler(), list[object]()
    deferred: Deferred[int] = Deferred()

    async def flow(name: str) -> None:
        await deferred
        log.append(name)

    for name in ("first", "second", "third"):
        scheduler.spawn(flow(name))
    deferred.resolve(0)
    assert log == ["first", "second", "third"]


def test_a_spawn_inside_a_task_runs_after_its_step() -> None:
    scheduler, log = Scheduler(), list[object]()

    async def child() -> None:
        log.append("child")

    async def parent() -> None:
        scheduler.spawn(child())
        log.append("parent")

    scheduler.spawn(parent())
    assert log == ["parent", "child"]


def test_an_error_reaches_who_awaits() -> None:
    scheduler, log = Scheduler(), list[object]()
    deferred: Deferred[int] = Deferred()

    async def outer() -> str:
        try:
            await scheduler.spawn(wait(deferred, log))
        except OurError:
            return "caught"
        return "missed"

    task = scheduler.spawn(outer())
    deferred.fail(OurError())
    assert (task.result(), log) == ("caught", [OurError])


def test_an_error_nobody_awaits_is_loud() -> None:
    scheduler, log = Scheduler(), list[object]()
    deferred: Deferred[int] = Deferred()
    task = scheduler.spawn(wait(deferred, log))
    with pytest.raises(OurError):
        deferred.fail(OurError())
    assert isinstance(task.error, OurError)


def test_one_loud_error_leaves_no_other_waiter_behind() -> None:
    scheduler, log = Scheduler(), list[object]()
    deferred: Deferred[int] = Deferred()

    async def bad() -> None:
        await deferred
        raise OurError

    scheduler.spawn(bad())
    scheduler.spawn(wait(deferred, log))
    with pytest.raises(OurError):
        deferred.resolve(6)
    assert log == [6]


def test_one_loud_error_leaves_no_ready_task_behind() -> None:
    scheduler, log = Scheduler(), list[object]()

    async def bad() -> None:
        raise OurError

    async def good() -> None:
        log.append("ran")

    async def parent() -> None:
        scheduler.spawn(bad())
        scheduler.spawn(good())

    with pytest.raises(OurError):
        scheduler.spawn(parent())
    assert log == ["ran"]


def test_an_owner_can_take_the_errors() -> None:
    errors: list[Exception] = []
    scheduler = Scheduler(on_error=errors.append)
    deferred: Deferred[int] = Deferred()
    scheduler.spawn(wait(deferred, []))
    error = OurError()
    deferred.fail(error)
    assert errors == [error]


def test_a_watched_task_keeps_its_error() -> None:
    scheduler = Scheduler()

    async def bad() -> None:
        raise OurError

    task = scheduler.spawn(bad(), watched=True)
    assert isinstance(task.error, OurError)


def test_cancelling_a_waiting_task() -> None:
    scheduler, log = Scheduler(), list[object]()
    deferred: Deferred[int] = Deferred()
    task = scheduler.spawn(wait(deferred, log))
    task.cancel()
    task.cancel()
    assert log == [FlowCancelledError]
    assert isinstance(task.error, FlowCancelledError)
    deferred.resolve(1)
    assert log == [FlowCancelledError]


def test_cancelling_passes_through_who_awaits() -> None:
    scheduler = Scheduler()
    deferred: Deferred[int] = Deferred()
    inner = scheduler.spawn(wait(deferred, []))

    async def outer() -> None:
        await inner

    task = scheduler.spawn(outer())
    inner.cancel()
    assert isinstance(task.error, FlowCancelledError)


def test_a_task_can_cancel_itself_and_tidy_up() -> None:
    scheduler, log = Scheduler(), list[object]()
    tasks: list[FlowTask[None]] = []
    gate: Deferred[None] = Deferred()

    async def flow() -> None:
        try:
            await gate
            tasks[0].cancel()
            log.append("still running")
            await scheduler.sleep(1.0)
            log.append("never")
        finally:
            log.append("tidied")

    tasks.append(scheduler.spawn(flow()))
    gate.resolve(None)
    assert log == ["still running", "tidied"]
    assert isinstance(tasks[0].error, FlowCancelledError)
    scheduler.handle_timer(2.0)
    assert log == ["still running", "tidied"]


def test_a_stale_wake_does_not_end_a_later_wait() -> None:
    """Cancelled and woken at once: what is awaited while tidying is not cut short."""
    scheduler, log = Scheduler(), list[object]()
    gate: Deferred[None] = Deferred()
    deferred: Deferred[int] = Deferred()
    tidying: Deferred[str] = Deferred()
    tasks: list[FlowTask[None]] = []

    async def flow() -> None:
        await gate
        tasks[0].cancel()
        try:
            await deferred
        finally:
            log.append(await tidying)

    async def waker() -> None:
        await gate
        deferred.resolve(1)

    tasks.append(scheduler.spawn(flow()))
    scheduler.spawn(waker())
    gate.resolve(None)
    deferred.resolve(1)
    assert not tasks[0].settled
    assert log == []
    tidying.resolve("tidied")
    assert log == ["tidied"]
    assert isinstance(tasks[0].error, FlowCancelledError)


def test_a_task_cancelled_before_its_first_step_never_runs() -> None:
    scheduler, log = Scheduler(), list[object]()

    async def child() -> None:
        log.append("ran")

    async def parent() -> None:
        scheduler.spawn(child()).cancel()

    scheduler.spawn(parent())
    assert log == []


def test_timers_run_in_the_order_of_their_instants() -> None:
    scheduler, log = Scheduler(now=100.0), list[object]()
    scheduler.call_later(2.0, lambda: log.append("late"))
    scheduler.call_at(101.0, lambda: log.append("early"))
    scheduler.call_at(101.0, lambda: log.append("early too"))
    cancelled = scheduler.call_later(0.5, lambda: log.append("never"))
    assert scheduler.get_timer() == 100.5
    cancelled.cancel()
    assert scheduler.get_timer() == 101.0
    scheduler.handle_timer(100.9)
    assert log == []
    scheduler.handle_timer(101.0)
    assert log == ["early", "early too"]
    scheduler.handle_timer(200.0)
    assert log == ["early", "early too", "late"]
    assert scheduler.get_timer() is None


def test_time_never_runs_back() -> None:
    scheduler = Scheduler(now=5.0)
    scheduler.advance(3.0)
    assert scheduler.now == 5.0
    scheduler.advance(6.0)
    assert scheduler.now == 6.0


def test_sleep() -> None:
    scheduler = Scheduler(now=10.0)
    task = scheduler.spawn(scheduler.sleep(3.0))
    assert scheduler.get_timer() == 13.0
    scheduler.handle_timer(12.9)
    assert not task.settled
    scheduler.handle_timer(13.0)
    assert task.settled


def test_a_cancelled_sleep_leaves_no_timer() -> None:
    scheduler = Scheduler()
    scheduler.spawn(scheduler.sleep(3.0)).cancel()
    assert scheduler.get_timer() is None


def test_many_cancelled_timers_do_not_pile_up() -> None:
    scheduler = Scheduler()
    scheduler.call_at(1.0, lambda: None)
    for _ in range(10_000):
        scheduler.call_at(1000.0, lambda: None).cancel()
    assert len(scheduler._timers) < 1000
    assert scheduler.get_timer() == 1.0


def test_wait_for_gives_the_value_or_the_time_out() -> None:
    scheduler = Scheduler()
    quick: Deferred[int] = Deferred()
    task = scheduler.spawn(scheduler.wait_for(quick, 5.0))
    quick.resolve(7)
    assert task.result() == 7
    assert scheduler.get_timer() is None
    slow: Deferred[int] = Deferred()
    task = scheduler.spawn(scheduler.wait_for(slow, 5.0), watched=True)
    scheduler.handle_timer(5.0)
    assert isinstance(task.error, TimeoutError)
    assert not slow.settled
    failed: Deferred[int] = Deferred()
    task = scheduler.spawn(scheduler.wait_for(failed, 5.0), watched=True)
    failed.fail(OurError())
    assert isinstance(task.error, OurError)


def test_first_settled() -> None:
    scheduler = Scheduler()
    deferreds: list[Deferred[int]] = [Deferred() for _ in range(3)]
    task = scheduler.spawn(first_settled(list(deferreds)))
    deferreds[2].resolve(1)
    assert task.result() is deferreds[2]
    deferreds[1].resolve(2)
    again = scheduler.spawn(first_settled(list(deferreds)))
    assert again.result() is deferreds[1]


def test_all_settled_does_not_mind_errors() -> None:
    scheduler = Scheduler()
    deferreds: list[Deferred[int]] = [Deferred() for _ in range(3)]
    task = scheduler.spawn(all_settled(list(deferreds)))
    deferreds[2].fail(OurError())
    deferreds[0].resolve(1)
    assert not task.settled
    deferreds[1].resolve(1)
    assert task.settled
    assert task.error is None


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20), st.floats(0, 100))
def test_sleepers_wake_in_order_whatever_the_steps(
    delays: list[float], step: float
) -> None:
    scheduler, woken = Scheduler(), list[float]()

    async def sleeper(delay: float) -> None:
        await scheduler.sleep(delay)
        woken.append(delay)

    for delay in delays:
        scheduler.spawn(sleeper(delay))
    scheduler.handle_timer(step)
    assert woken == sorted(delay for delay in delays if delay <= step)
    scheduler.handle_timer(1000.0)
    assert woken == sorted(delays)
