"""Closes gaps in logs: blocks that nobody has any more, and what keeps their places.

``Gaps`` belongs to one room and lives on the loop. Whoever comes later finds logs in
which blocks are missing everywhere, because what they said was deleted or has expired.
When a log that is being fetched does not go on for ``GAP_S``, it is looked why:

1. What stands behind the gap is here already, in this log and in others, and each
   block opens alone. Deletions among them name what they deleted, its clock and links.
2. Of what has expired nobody writes. Members are asked aside (``hole_lists``), and it
   is remembered who told.

A place is taken for a hole only while nobody who is connected has its block. A block
that turns up after all is held against the hole: one that agrees was deleted or has
expired, and is cleared; one that does not is counted, kept, and believed from the next
start on. A hole with which the log cannot go on is none, and its teller is not believed
about it again; about one that leads to nothing that is here others are asked
(``app/rooms/hole_doubts.py``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from app.rooms.hole_doubts import HoleDoubts
from app.rooms.hole_lists import MAX_HOLES, AskHoles, HoleList, fit
from app.tasks import Tasks
from store import holes
from store.database import Connection, Database
from store.errors import StoreError
from store.holes import Hole

if TYPE_CHECKING:
    from app.rooms.logs import RoomLogs
    from app.rooms.view import RoomView

_LOG = logging.getLogger("covey.room")

GAP_S: Final = 1.0
"""A log that does not go on for so long has a gap; looked at again after twice as long
each time, up to ``MAX_GAP_S``."""
MAX_GAP_S: Final = 60.0
STUCK_TRIES: Final = 4
"""After so many tries something else than holes may be the matter."""
MAX_BUSY_LOOKS: Final = 8
"""So often a gap waits while other logs go on: who brings them brings this one next."""
MAX_CLAIMS: Final = 16_384
"""Holes remembered that others tell of and that are not taken for such yet."""
MAX_SCANNED: Final = 1_024
"""Blocks behind gaps that are looked into in one transaction."""
MAX_REFUSED: Final = 4_096
"""False holes remembered with their tellers."""
MAX_ANSWERS: Final = 16
"""Questions of others that are being answered; of more some are not."""

T = TypeVar("T")


class Transact(Protocol):
    """Runs work on the room's view in the writer thread."""

    def __call__(self, work: Callable[[Connection, RoomView], T]) -> Awaitable[T]: ...


@dataclass(slots=True)
class _Stuck:
    """A log that may have a gap."""

    reach: int
    tries: int = 0
    wait: int = 1
    """Looks until the next try."""


class Gaps:
    """Closes the gaps in the logs of one room.

    Attributes:
        on_ask: Asks members; set by whoever talks to them. The number says how often
            that was done before without success.
        on_stuck: Called with a log that did not go on for long.
        doubts: About holes that were told of and lead nowhere.
        mismatch_count: Blocks that came and were not what was told of their places.
        false_count: Holes with which their logs could not go on.
    """

    def __init__(
        self, logs: RoomLogs, transact: Transact, database: Database, row: int
    ) -> None:
        """Begin with nothing to do.

        Args:
            logs: The room's cores.
            transact: Runs work on the view in the writer thread.
            database: The profile's.
            row: Of the room.
        """
        self.on_ask: Callable[[AskHoles, int], None] = _unasked
        self.on_stuck: Callable[[bytes], None] = _unheard
        self.doubts = HoleDoubts(logs, transact, row, self._ask_others)
        self.mismatch_count = 0
        self.false_count = 0
        self._logs = logs
        self._transact = transact
        self._database = database
        self._row = row
        self._stuck: dict[bytes, _Stuck] = {}
        self._claims: dict[bytes, dict[int, Hole]] = {}
        self._claim_count = 0
        self._refused: dict[tuple[bytes, int, bytes], None] = {}
        self._scanned: dict[bytes, int] = {}
        self._answers = 0
        self._derived = 0
        self._busy_looks = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._tasks = Tasks(_LOG, "a gap in a log could not be looked at")
        logs.on_gap = self.gap
        logs.on_late = self.late
        logs.on_false_hole = self.false_hole

    def gap(self, writer: bytes) -> None:
        """More of a log is signed than is here; most often it is just coming."""
        if writer not in self._stuck and not self._stopped:
            self._stuck[writer] = _Stuck(self._logs.length(writer))
            self._arm()

    def retry(self) -> None:
        """Somebody came who may know more: try soon what did not succeed before."""
        for stuck in self._stuck.values():
            stuck.tries, stuck.wait = 0, 1
        self.doubts.retry()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._arm()

    def late(self, writer: bytes, sequences: Sequence[int]) -> None:
        """Blocks came that were taken for holes."""
        if not self._stopped:
            self._tasks.spawn(self._compare(writer, tuple(sequences)))

    def false_hole(self, writer: bytes, hole: Hole) -> None:
        """A log cannot go on with a hole that somebody told of."""
        self.false_count += 1
        _LOG.warning("a member told of a hole in a log that cannot be there")
        if len(self._refused) >= MAX_REFUSED:
            del self._refused[next(iter(self._refused))]
        self._refused[writer, hole.sequence, hole.source] = None

    def told(self, source: bytes, answer: HoleList) -> None:
        """A member's device tells of holes; only where something is lacking."""
        self.doubts.told(source, answer)
        if answer.writer in self._stuck and not self._stopped:
            self._claim(replace(hole, source=source) for hole in answer.holes)
            self._tasks.spawn(self._go_on(answer))

    def answer(self, ask: AskHoles, send: Callable[[HoleList | None], None]) -> None:
        """Tell a member of holes, or None while there is too much to do."""
        if self._answers >= MAX_ANSWERS or self._stopped:
            send(None)
            return
        self._answers += 1
        self._tasks.spawn(self._answer(ask, send))

    async def stop(self) -> None:
        """Let the work in hand end."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        await self.doubts.stop()
        await self._tasks.finish()

    def _ask_others(self, ask: AskHoles, tries: int) -> None:
        self.on_ask(ask, tries)

    def _arm(self) -> None:
        if self._timer is None and self._stuck and not self._stopped:
            wait = min(stuck.wait for stuck in self._stuck.values())
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(GAP_S * wait, self._look, wait)

    def _look(self, waited: int) -> None:
        """See which logs did not go on since the last time."""
        self._timer = None
        if self._is_busy():
            self._arm()
            return
        due: list[tuple[bytes, int]] = []
        for writer, stuck in tuple(self._stuck.items()):
            reach = self._logs.gap(writer)
            if reach is None:
                self._forget(writer)
            elif reach != stuck.reach:
                self._stuck[writer] = _Stuck(reach)
            else:
                stuck.wait -= waited
                if stuck.wait <= 0:
                    stuck.wait = int(min(2 ** min(stuck.tries, 8), MAX_GAP_S / GAP_S))
                    due.append((writer, stuck.tries))
                    stuck.tries += 1
                    if stuck.tries >= STUCK_TRIES:
                        self.on_stuck(writer)
        if due:
            self._tasks.spawn(self._close(due))
        if not self._stuck:
            self._forget_all()
        self._arm()

    def _is_busy(self) -> bool:
        """Whether other logs went on since the last look."""
        before, self._derived = self._derived, sum(self._logs.derived.values())
        if before == self._derived or self._busy_looks >= MAX_BUSY_LOOKS:
            self._busy_looks = 0
            return False
        self._busy_looks += 1
        return True

    async def _close(self, due: Iterable[tuple[bytes, int]]) -> None:
        try:
            await self._scan()
            for writer, tries in due:
                if not await self._adopt(writer):
                    self._ask(writer, tries)
        except StoreError as error:
            _LOG.error("a gap in a log could not be closed: %s", error)

    def _ask(self, writer: bytes, tries: int) -> None:
        reach = self._logs.gap(writer)
        if reach is not None and not self._stopped:
            self.on_ask(AskHoles(writer, reach), tries)

    async def _go_on(self, answer: HoleList) -> None:
        """Use what was told, and ask for the rest if there was more than fits."""
        try:
            closed = await self._adopt(answer.writer)
        except StoreError as error:
            _LOG.error("a gap in a log could not be closed: %s", error)
            return
        reach = self._logs.gap(answer.writer)
        if closed and reach is not None and reach >= answer.end:
            self._ask(answer.writer, 0)

    async def _scan(self) -> None:
        """Look into what is here behind gaps for deletions, each block once."""
        while not self._stopped:

            def work(connection: Connection, view: RoomView) -> tuple[list[Hole], bool]:
                return view.timeline.named(connection, self._scanned, limit=MAX_SCANNED)

            found, more = await self._transact(work)
            self._claim(found)
            if not more:
                return

    def _claim(self, told: Iterable[Hole]) -> None:
        """Remember what is said of places that are not here."""
        for hole in told:
            known = self._claims.setdefault(hole.writer, {})
            fresh = hole.sequence >= self._logs.length(hole.writer)
            mark = hole.writer, hole.sequence, hole.source
            if (
                fresh
                and hole.sequence not in known
                and mark not in self._refused
                and self._claim_count < MAX_CLAIMS
            ):
                known[hole.sequence] = hole
                self._claim_count += 1

    async def _adopt(self, writer: bytes) -> bool:
        """Take places for holes that are told of and whose blocks nobody has.

        Returns:
            Whether the log goes on.
        """
        claims = self._claims.get(writer)
        if not claims:
            return False
        log = await self._logs.borrow(writer)
        try:
            before, length = log.reach, log.core.length
            taken = [
                hole
                for sequence, hole in sorted(claims.items())
                if before <= sequence < length and log.lacks(sequence)
            ]
            for sequence in [at for at in claims if at < before]:
                self._unclaim(writer, sequence)
            if taken:
                await self._keep(writer, taken)
            return log.reach > before
        finally:
            self._logs.give_back(log)

    async def _keep(self, writer: bytes, taken: Sequence[Hole]) -> None:
        def work(connection: Connection) -> None:
            holes.keep(connection, self._row, taken)

        await asyncio.wrap_future(self._database.write(work))
        for hole in taken:
            self._unclaim(writer, hole.sequence)
        await self._logs.know_holes(writer, [hole.sequence for hole in taken])

    def _unclaim(self, writer: bytes, sequence: int) -> None:
        if self._claims.get(writer, {}).pop(sequence, None) is not None:
            self._claim_count -= 1

    def _forget(self, writer: bytes) -> None:
        """A log has no gap any more."""
        del self._stuck[writer]
        self._claim_count -= len(self._claims.pop(writer, ()))

    def _forget_all(self) -> None:
        """Nothing is lacking: what others told beside it is not needed.

        So whoever names what is no hole does not fill the place for others for ever.
        """
        self._claims.clear()
        self._claim_count = 0
        self._scanned.clear()

    async def _compare(self, writer: bytes, sequences: Sequence[int]) -> None:
        def work(connection: Connection, view: RoomView) -> list[int]:
            return view.timeline.contradicted(connection, writer, sequences)

        wrong = await self._transact(work)
        if wrong:
            self.mismatch_count += len(wrong)
            _LOG.warning("%d blocks are not what was told of their places", len(wrong))
        log = await self._logs.borrow(writer)
        try:
            await log.clear(at for at in sequences if at not in wrong)
        finally:
            self._logs.give_back(log)

    async def _answer(
        self, ask: AskHoles, send: Callable[[HoleList | None], None]
    ) -> None:
        def look(connection: Connection) -> list[Hole]:
            return holes.between(
                connection,
                self._row,
                ask.writer,
                ask.start,
                1 << 40,
                limit=MAX_HOLES + 1,
            )

        told = None
        try:
            found = await asyncio.wrap_future(self._database.read(look))
            told = fit(ask, found, self._logs.length(ask.writer))
        finally:
            self._answers -= 1
            send(told)


def _unasked(ask: AskHoles, tries: int) -> None:
    del ask, tries


def _unheard(writer: bytes) -> None:
    del writer
