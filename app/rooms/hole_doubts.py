"""Holes that lead nowhere: what somebody told of a place is asked of others as well.

Nobody signs what a hole is (``app/rooms/gaps.py``): its links could be invented, and
its log would wait for what they name for ever. So while a log waits for the links of a
hole that somebody told of, members are asked for the same place again, others each
time. One that tells of links to what is here is believed instead; so is one that says
that there is a block, which then is fetched. A log that goes on has found its cause
here, in what is signed: then there is nothing to doubt any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from app.rooms.hole_lists import AskHoles, HoleList
from app.tasks import Tasks
from store import holes
from store.database import Connection
from store.holes import Hole

if TYPE_CHECKING:
    from app.rooms.logs import RoomLogs
    from app.rooms.view import RoomView

_LOG = logging.getLogger("covey.room")

DOUBT_S: Final = 5.0
"""A log waits for the links of a hole for so long before others are asked; then twice
as long each time, up to ``MAX_DOUBT_S``."""
MAX_DOUBT_S: Final = 120.0

T = TypeVar("T")


class Transact(Protocol):
    """Runs work on the room's view in the writer thread."""

    def __call__(self, work: Callable[[Connection, RoomView], T]) -> Awaitable[T]: ...


class _Verdict(Enum):
    KEPT = "kept"
    REPLACED = "replaced"
    DROPPED = "dropped"


@dataclass(slots=True)
class _Doubt:
    hole: Hole
    tries: int = 0


class HoleDoubts:
    """Asks about the holes for whose links logs of one room wait: one a log.

    Attributes:
        replaced_count: Holes that were not what was told of them first.
    """

    def __init__(
        self,
        logs: RoomLogs,
        transact: Transact,
        row: int,
        ask: Callable[[AskHoles, int], None],
    ) -> None:
        """Begin without doubts.

        Args:
            logs: The room's cores.
            transact: Runs work on the view in the writer thread.
            row: Of the room.
            ask: Asks members; the number says how often that was done before.
        """
        self.replaced_count = 0
        self._logs = logs
        self._transact = transact
        self._row = row
        self._ask = ask
        self._doubts: dict[bytes, _Doubt] = {}
        self._timers: dict[bytes, asyncio.TimerHandle] = {}
        self._stopped = False
        self._tasks = Tasks(_LOG, "a hole could not be looked at")
        logs.on_doubtful = self.doubt

    def doubt(self, hole: Hole) -> None:
        """A log waits for the links of a hole that somebody told of."""
        known = self._doubts.get(hole.writer)
        if self._stopped or (known is not None and known.hole == hole):
            return
        self._doubts[hole.writer] = _Doubt(hole)
        self._arm(hole.writer, DOUBT_S)

    def retry(self) -> None:
        """Somebody came who may know better: ask soon."""
        for writer, doubt in self._doubts.items():
            doubt.tries = 0
            self._arm(writer, DOUBT_S)

    def told(self, source: bytes, answer: HoleList) -> None:
        """A member's device tells of the holes of a part of a log."""
        doubt = self._doubts.get(answer.writer)
        if doubt is None or self._stopped or source == doubt.hole.source:
            return
        at = doubt.hole.sequence
        if answer.start <= at < answer.end:
            found = next((it for it in answer.holes if it.sequence == at), None)
            other = None if found is None else replace(found, source=source)
            self._tasks.spawn(self._reconsider(doubt.hole, other))

    async def stop(self) -> None:
        """Let the work in hand end."""
        self._stopped = True
        for timer in self._timers.values():
            timer.cancel()
        await self._tasks.finish()

    def _arm(self, writer: bytes, delay_s: float) -> None:
        if (timer := self._timers.pop(writer, None)) is not None:
            timer.cancel()
        if not self._stopped:
            loop = asyncio.get_running_loop()
            self._timers[writer] = loop.call_later(delay_s, self._look, writer)

    def _look(self, writer: bytes) -> None:
        self._timers.pop(writer, None)
        doubt = self._doubts.get(writer)
        if doubt is None:
            return
        if self._logs.derived.get(writer, 0) != doubt.hole.sequence:
            # It went on, or is read anew.
            del self._doubts[writer]
            return
        self._ask(AskHoles(writer, doubt.hole.sequence), doubt.tries)
        doubt.tries += 1
        self._arm(writer, min(MAX_DOUBT_S, DOUBT_S * 2 ** min(doubt.tries, 8)))

    async def _reconsider(self, hole: Hole, other: Hole | None) -> None:
        """Hold what was told against what somebody else tells.

        Args:
            hole: As it was told first.
            other: As it is told now; None for a place that has a block.
        """
        writer, at = hole.writer, hole.sequence

        def work(connection: Connection, view: RoomView) -> _Verdict:
            known = holes.one(connection, self._row, writer, at)
            if known != hole or view.length(writer) != at:
                return _Verdict.KEPT
            if other is None:
                holes.drop(connection, self._row, writer, at)
                return _Verdict.DROPPED
            same = (other.clock, other.links) == (hole.clock, hole.links)
            if same or not view.timeline.has_seen(other.links):
                return _Verdict.KEPT
            holes.drop(connection, self._row, writer, at)
            holes.keep(connection, self._row, [other])
            return _Verdict.REPLACED

        verdict = await self._transact(work)
        if verdict is _Verdict.KEPT or self._stopped:
            return
        _LOG.warning("members tell otherwise of a hole in a log")
        self._doubts.pop(writer, None)
        self.replaced_count += 1
        if verdict is _Verdict.DROPPED:
            self._logs.no_hole(writer, hole)
        self._logs.on_grown(writer)
