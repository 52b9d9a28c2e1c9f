"""Deterministic coroutines for machines that do no I/O.

A protocol flow such as "ask, wait for the answer or a time-out, then ask the next one"
reads best as a coroutine. This module runs ``async def`` functions without an event
loop: time is given by the owner through :meth:`Scheduler.handle_timer` and
:meth:`Scheduler.advance`, results arrive through :class:`Deferred`, and everything that
can run has run when the call that woke it returns. The same inputs in the same order
therefore give the same outputs, which is what the simulator relies on.

It leaves to others: sockets, clocks and entropy.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final, Generic, TypeVar, cast

T = TypeVar("T")

_MIN_CANCELLED_TIMERS: Final = 128


class FlowCancelledError(BaseException):
    """Thrown into a task that is cancelled; not an Exception, so that it passes."""


class Deferred(Generic[T]):
    """A result that is not there yet, awaited by tasks or observed by callbacks.

    Settled once, by ``resolve`` or ``fail``; later attempts are ignored and return
    False, because two answers to one question are normal on a network.
    """

    __slots__ = ("_callbacks", "_error", "_settled", "_value")

    def __init__(self) -> None:
        self._callbacks: list[Callable[[Deferred[T]], None]] = []
        self._value: T | None = None
        self._error: BaseException | None = None
        self._settled = False

    @property
    def settled(self) -> bool:
        """True once a value or an error is there."""
        return self._settled

    @property
    def error(self) -> BaseException | None:
        """The error this was settled with, if any."""
        return self._error

    def resolve(self, value: T) -> bool:
        """Settle with a value; returns False if it was settled before."""
        return self._settle(value, None)

    def fail(self, error: BaseException) -> bool:
        """Settle with an error; returns False if it was settled before."""
        return self._settle(None, error)

    def result(self) -> T:
        """The value, or raises the error; only once settled."""
        assert self._settled, "result of an unsettled deferred"
        if self._error is not None:
            raise self._error
        return cast("T", self._value)

    def when_settled(self, callback: Callable[[Deferred[T]], None]) -> None:
        """Call ``callback(self)`` when settled, at once if it is already."""
        if self._settled:
            callback(self)
        else:
            self._callbacks.append(callback)

    def forget(self, callback: Callable[[Deferred[T]], None]) -> None:
        """Remove a callback; nothing happens if it is not there."""
        if callback in self._callbacks:
            self._callbacks.remove(callback)

    def _settle(self, value: T | None, error: BaseException | None) -> bool:
        if self._settled:
            return False
        self._settled = True
        self._value = value
        self._error = error
        callbacks, self._callbacks = self._callbacks, []
        loud: Exception | None = None
        for callback in callbacks:
            try:
                callback(self)
            except Exception as error:  # noqa: BLE001 - the other waiters come first
                loud = loud or error
        if loud is not None:
            raise loud
        return True

    def __await__(self) -> Generator[Deferred[T], None, T]:
        if not self._settled:
            yield self
        return self.result()


class FlowTask(Deferred[T]):
    """A running coroutine; settled with what it returns or raises."""

    __slots__ = ("_cancelling", "_coroutine", "_scheduler", "_waiting_for")

    def __init__(self, scheduler: Scheduler, coroutine: Coroutine[Any, Any, T]) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._coroutine = coroutine
        self._waiting_for: Deferred[Any] | None = None
        self._cancelling = False

    def cancel(self) -> None:
        """Throw FlowCancelledError into the coroutine; no effect once settled."""
        if self._settled or self._cancelling:
            return
        self._cancelling = True
        self._scheduler._ready.append((self, FlowCancelledError()))
        self._scheduler._run_ready()

    def _wake(self, deferred: Deferred[Any]) -> None:
        del deferred
        self._scheduler._ready.append((self, None))
        self._scheduler._run_ready()

    def _step(self, thrown: BaseException | None) -> None:
        if self._settled or (thrown is None and not self._may_go_on()):
            return
        waited, self._waiting_for = self._waiting_for, None
        if thrown is not None:
            self._cancelling = False
            if waited is not None:
                waited.forget(self._wake)
        try:
            if thrown is None:
                awaited = self._coroutine.send(None)
            else:
                awaited = self._coroutine.throw(thrown)
        except StopIteration as stop:
            self.resolve(cast("T", stop.value))
        except FlowCancelledError as cancelled:
            self.fail(cancelled)
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits the task
            awaited_by_someone = bool(self._callbacks)
            self.fail(error)
            if not awaited_by_someone and not self._scheduler._observed(self):
                self._scheduler._unobserved(error)
        else:
            self._waiting_for = awaited
            awaited.when_settled(self._wake)

    def _may_go_on(self) -> bool:
        # A wake is stale when a cancellation was faster: it comes first, and what the
        # coroutine waits for after it may be something else.
        waited = self._waiting_for
        return not self._cancelling and (waited is None or waited.settled)


class Timer:
    """A call at an instant; ``cancel`` makes it void."""

    __slots__ = ("_scheduler", "at", "callback")

    def __init__(
        self, at: float, callback: Callable[[], None], scheduler: Scheduler
    ) -> None:
        self.at = at
        self.callback: Callable[[], None] | None = callback
        self._scheduler = scheduler

    def cancel(self) -> None:
        """Forget the call."""
        if self.callback is not None:
            self.callback = None
            self._scheduler._timer_cancelled()


class Scheduler:
    """Runs tasks and timers of one machine against a clock given from outside.

    Moved by ``advance(now)`` (before handing in a datagram) and ``handle_timer(now)``.
    An error that no one awaits is a bug and is raised out of the call that caused it,
    unless the owner passes ``on_error``.
    """

    def __init__(
        self,
        *,
        now: float = 0.0,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        self.now = now
        self._on_error = on_error
        self._timers: list[tuple[float, int, Timer]] = []
        self._sequence = 0
        self._cancelled_count = 0
        self._ready: deque[tuple[FlowTask[Any], BaseException | None]] = deque()
        self._running = False
        self._watched: set[int] = set()

    def advance(self, now: float) -> None:
        """Move the clock forward without running timers; never moves it back."""
        self.now = max(self.now, now)

    def spawn(
        self, coroutine: Coroutine[Any, Any, T], *, watched: bool = False
    ) -> FlowTask[T]:
        """Start a coroutine; it runs up to its first wait before this returns.

        Args:
            coroutine: What to run.
            watched: True when the caller looks at the error itself.
        """
        task: FlowTask[T] = FlowTask(self, coroutine)
        if watched:
            self._watched.add(id(task))
            task.when_settled(lambda done: self._watched.discard(id(done)))
        self._ready.append((task, None))
        self._run_ready()
        return task

    def call_at(self, at: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` at an instant (seconds of the given clock)."""
        timer = Timer(at, callback, self)
        self._sequence += 1
        heapq.heappush(self._timers, (at, self._sequence, timer))
        return timer

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` after ``delay_s`` seconds."""
        return self.call_at(self.now + delay_s, callback)

    async def sleep(self, delay_s: float) -> None:
        """Wait ``delay_s`` seconds of the given clock."""
        deferred: Deferred[None] = Deferred()
        timer = self.call_later(delay_s, lambda: _resolve_none(deferred))
        try:
            await deferred
        finally:
            timer.cancel()

    async def wait_for(self, awaitable: Deferred[T], timeout_s: float) -> T:
        """Wait for a deferred at most ``timeout_s`` seconds.

        Raises:
            TimeoutError: The time passed first; the deferred itself lives on.
        """
        gate: Deferred[None] = Deferred()
        timer = self.call_later(timeout_s, lambda: _resolve_none(gate))

        def settled(_: Deferred[T]) -> None:
            gate.resolve(None)

        awaitable.when_settled(settled)
        try:
            await gate
        finally:
            timer.cancel()
            awaitable.forget(settled)
        if not awaitable.settled:
            raise TimeoutError
        return awaitable.result()

    def get_timer(self) -> float | None:
        """The next instant at which ``handle_timer`` wants to be called."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
            self._cancelled_count -= 1
        return self._timers[0][0] if self._timers else None

    def handle_timer(self, now: float) -> None:
        """Run everything that is due at ``now``."""
        self.advance(now)
        while True:
            at = self.get_timer()
            if at is None or at > self.now:
                return
            _, _, timer = heapq.heappop(self._timers)
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()

    def _timer_cancelled(self) -> None:
        # Time-outs are mostly cancelled long before they are due; without this they
        # would stay in the heap until then.
        self._cancelled_count += 1
        if self._cancelled_count * 2 > len(self._timers) + _MIN_CANCELLED_TIMERS:
            self._timers = [t for t in self._timers if t[2].callback is not None]
            heapq.heapify(self._timers)
            self._cancelled_count = 0

    def _run_ready(self) -> None:
        if self._running:
            return
        self._running = True
        loud: Exception | None = None
        try:
            while self._ready:
                task, thrown = self._ready.popleft()
                try:
                    task._step(thrown)
                except Exception as error:  # noqa: BLE001 - the other tasks come first
                    loud = loud or error
        finally:
            self._running = False
        if loud is not None:
            raise loud

    def _observed(self, task: FlowTask[Any]) -> bool:
        return id(task) in self._watched

    def _unobserved(self, error: Exception) -> None:
        if self._on_error is None:
            raise error
        self._on_error(error)


def _resolve_none(deferred: Deferred[None]) -> None:
    deferred.resolve(None)


async def first_settled(deferreds: list[Deferred[Any]]) -> Deferred[Any]:
    """Wait until one of several is settled and return the earliest listed of those."""
    gate: Deferred[None] = Deferred()

    def settled(_: Deferred[Any]) -> None:
        gate.resolve(None)

    for deferred in deferreds:
        deferred.when_settled(settled)
    try:
        await gate
    finally:
        for deferred in deferreds:
            deferred.forget(settled)
    return next(deferred for deferred in deferreds if deferred.settled)


async def all_settled(deferreds: list[Deferred[Any]]) -> None:
    """Wait until each of several is settled, with a value or an error."""
    for deferred in deferreds:
        gate: Deferred[None] = Deferred()

        def settled(_: Deferred[Any], gate: Deferred[None] = gate) -> None:
            gate.resolve(None)

        deferred.when_settled(settled)
        await gate
