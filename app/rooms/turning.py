"""When this device turns the room's key: its turn among all devices.

A key turns after some days of use, and soon when somebody holds it who is out. Each
device has a delay of its own (``app/rooms/epochs.py``); who sees that another was
faster does nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from app.errors import UserFacingError
from app.rooms import proposals
from app.rooms.epochs import rotation_due_at
from app.rooms.facts import RoomFacts
from app.tasks import Tasks
from store.errors import StoreError

if TYPE_CHECKING:
    from app.rooms.operations import Body
    from app.rooms.view import RoomView

_LOG = logging.getLogger("covey.room")

MAX_SLEEP_S = 24 * 3600.0
"""Between two looks: a computer that sleeps must not make it late by more than this,
and what is said meanwhile makes use of a key without any facts changing."""
MIN_AGAIN_S = 600.0
"""Before another attempt of what was due and could not be done."""

Write = Callable[[Callable[["RoomView"], "Body | None"]], Awaitable[object]]
"""Writes what is made in the writer thread, if anything."""


class Turning:
    """Turns the key of one room when it is this device's turn."""

    def __init__(
        self, device: bytes, write: Write, tasks: Tasks, now_ms: Callable[[], int]
    ) -> None:
        """Wait for facts.

        Args:
            device: Key of this device.
            write: See ``Write``.
            tasks: Owns what is under way.
            now_ms: The wall clock.
        """
        self._device = device
        self._write = write
        self._tasks = tasks
        self._now_ms = now_ms
        self._timer: asyncio.TimerHandle | None = None
        self._facts: RoomFacts
        self._stale_since: int | None = None
        self._stopped = False

    def facts_changed(self, facts: RoomFacts) -> None:
        """See again when it is time."""
        if self._timer is not None:
            self._timer.cancel()
        self._facts = facts
        self._arm(at_least_s=0.0)

    async def turn(self) -> None:
        """Give the room a new key, if it is this device's turn and allowed."""

        def check(view: RoomView) -> Body | None:
            view.require_member()
            self._facts = facts = view.facts(self._now_ms())
            due = self._due_at(facts)
            if not facts.stale_epoch and (due is None or due > self._now_ms()):
                return None
            return proposals.rotation(view)

        try:
            await self._write(check)
        except (StoreError, UserFacingError) as error:
            # Another device's turn comes, too.
            _LOG.info("the room's key could not be turned: %s", error.code)

    def stop(self) -> None:
        """Turn nothing more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due_at(self, facts: RoomFacts) -> int | None:
        """When it is this device's turn, in ms since 1970; None for not at all."""
        if not facts.stale_epoch:
            self._stale_since = None
        elif self._stale_since is None:
            self._stale_since = self._now_ms()
        return rotation_due_at(
            epoch=facts.epoch,
            device=self._device,
            started_at=facts.epoch_since_ms,
            entries=int(facts.epoch_used),
            stale_since=self._stale_since,
        )

    def _arm(self, *, at_least_s: float) -> None:
        if self._stopped:
            return
        due, wait_s = self._due_at(self._facts), MAX_SLEEP_S
        if due is not None:
            wait_s = min((due - self._now_ms()) / 1000, MAX_SLEEP_S)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(wait_s, at_least_s), self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._tasks.spawn(self._look())

    async def _look(self) -> None:
        await self.turn()
        if self._timer is None:
            self._arm(at_least_s=MIN_AGAIN_S)
