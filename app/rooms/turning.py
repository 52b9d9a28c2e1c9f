"""When this device turns the room's key: its turn among all devices.

A key turns after some days of use, and soon when somebody holds it who is out. Each
device has a delay of its own (``app/rooms/epochs.py``); who sees that another was
faster does nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from app.rooms.epochs import rotation_due_at
from app.rooms.facts import RoomFacts

MAX_SLEEP_S = 24 * 3600.0
"""A computer that sleeps must not make it late by more than this."""


class Turning:
    """Waits for this device's turn in one room."""

    def __init__(
        self, device: bytes, turn: Callable[[], None], now_ms: Callable[[], int]
    ) -> None:
        """Wait for facts.

        Args:
            device: Key of this device.
            turn: Begins to turn the key, if that is still due.
            now_ms: The wall clock.
        """
        self._device = device
        self._turn = turn
        self._now_ms = now_ms
        self._timer: asyncio.TimerHandle | None = None
        self._stale_since: int | None = None
        self._stopped = False

    def due_at(self, facts: RoomFacts) -> int | None:
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

    def facts_changed(self, facts: RoomFacts) -> None:
        """See again when it is time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.due_at(facts)
        if due is None or self._stopped:
            return
        wait_s = min(max(0.0, (due - self._now_ms()) / 1000), MAX_SLEEP_S)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(wait_s, self._fire)

    def stop(self) -> None:
        """Turn nothing more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self._turn()
