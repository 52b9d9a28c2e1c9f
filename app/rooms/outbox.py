"""What this device writes into a room: checked, sealed, appended and derived.

Everything goes one after the other. What may change the rules goes alone, because it
may change what the next one is allowed; messages that wait meanwhile go together, so
that they share the disk's answer. Each writer hears when its own is on the disk, log
and meaning both.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from app.errors import UserFacingError
from app.rooms.intake import Intake
from app.rooms.logs import OpenLog, RoomLogs
from app.rooms.operations import Body, Operation
from app.rooms.outlook import Outlook
from app.rooms.roles import Right
from app.rooms.view import Applied, RoomView
from app.tasks import Tasks
from store.database import Connection
from store.errors import EnvironmentFault, LocalProtocolError

MAX_BATCH = 64
"""Messages appended together."""


@dataclass(frozen=True, slots=True)
class Saying:
    """Something that changes no rule, so that all to be known of it is here."""

    body: Body
    right: Right
    """What it takes."""


Check = Callable[[RoomView], Body | Operation | None]
"""Runs in the writer thread: what to write, None for nothing, or an error."""
Draft = bytes | Exception | None
"""A block, why it must not be, or None for nothing."""
Drafts = list[Draft]
Transact = Callable[[Callable[[Connection, RoomView], Drafts]], Awaitable[Drafts]]


@dataclass(frozen=True, slots=True)
class Written:
    """What came of writing an operation."""

    applied: Applied
    """Of all that was appended together."""
    sequence: int
    """Its place in the log."""


@dataclass(slots=True)
class _Letter:
    """One operation and who waits for it."""

    check: Check | Saying
    alone: bool
    written: asyncio.Future[Written | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def is_saying(self) -> bool:
        """True when all to be known of it is here."""
        return isinstance(self.check, Saying)

    def draft(self, view: RoomView, now_ms: int, behind: int) -> Draft:
        """The block, why it must not be, or None for nothing to write."""
        try:
            check = self.check
            if isinstance(check, Saying):
                view.outlook().require(check.right)
                return view.draft(check.body, now_ms=now_ms, behind=behind)
            body = check(view)
            if body is None:
                return None
            return view.draft(body, now_ms=now_ms, behind=behind)
        # Whatever a check raises belongs to its asker; its neighbours go on.
        except Exception as error:  # noqa: BLE001
            return error

    def draft_at_once(self, outlook: Outlook, now_ms: int, behind: int) -> Draft:
        """The same without the view."""
        assert isinstance(self.check, Saying), "acts are checked where they count"
        try:
            outlook.require(self.check.right)
            return outlook.draft(self.check.body, now_ms=now_ms, behind=behind)
        except UserFacingError as error:
            return error

    def settle(self, result: Written | Exception | None) -> None:
        """Tell who waits."""
        if self.written.done():
            return
        if isinstance(result, Exception):
            self.written.set_exception(result)
            # The asker may be gone.
            self.written.exception()
        else:
            self.written.set_result(result)


class Outbox:
    """Writes into this device's log of one room."""

    def __init__(
        self,
        logs: RoomLogs,
        intake: Intake,
        transact: Transact,
        outlook: Callable[[], Outlook],
        *,
        now_ms: Callable[[], int],
    ) -> None:
        """Begin empty.

        Args:
            logs: Its cores.
            intake: Derives what was appended.
            transact: Runs work on the view in the writer thread.
            outlook: The newest one.
            now_ms: The wall clock.
        """
        self._logs = logs
        self._intake = intake
        self._transact = transact
        self._outlook = outlook
        self._now_ms = now_ms
        self._letters: deque[_Letter] = deque()
        self._running = False
        self._tasks = Tasks(None)

    async def write(self, check: Check, *, alone: bool = True) -> Written | None:
        """Write what ``check`` makes; returns once it is durable and derived.

        It is written also when whoever waits gives up.

        Args:
            check: Judges and makes the operation, in the writer thread.
            alone: It may change what the rules allow.

        Returns:
            None when ``check`` made nothing.
        """
        return await self._send(_Letter(check, alone))

    async def say(self, saying: Saying) -> Written:
        """Write a content; like ``write``.

        Raises:
            UserFacingError: ``not-a-member``, ``read-only``, ``muted`` or
                ``no-room-key``.
        """
        written = await self._send(_Letter(saying, alone=False))
        assert written is not None, "it is written, or refused"
        return written

    async def _send(self, letter: _Letter) -> Written | None:
        self._letters.append(letter)
        if not self._running:
            self._running = True
            self._tasks.spawn(self._run())
        return await asyncio.shield(letter.written)

    async def stop(self) -> None:
        """Let everything that waits be written."""
        await self._tasks.finish()

    async def _run(self) -> None:
        try:
            while self._letters:
                letters = self._next()
                try:
                    await self._post(letters)
                # Also a bug here must not leave people waiting for ever.
                except Exception as error:  # noqa: BLE001
                    for letter in letters:
                        letter.settle(error)
        finally:
            self._running = False

    def _next(self) -> list[_Letter]:
        """The next operation, with the messages behind it if it is one."""
        letters = [self._letters.popleft()]
        while (
            not letters[0].alone
            and self._letters
            and not self._letters[0].alone
            and len(letters) < MAX_BATCH
        ):
            letters.append(self._letters.popleft())
        return letters

    async def _post(self, letters: list[_Letter]) -> None:
        own, now_ms = self._logs.device, self._now_ms()
        async with self._intake.own:
            await self._intake.level(own)
            log = await self._logs.own_log()
            start = log.core.length
            if self._logs.derived.get(own, 0) < start:
                raise LocalProtocolError(
                    "what this device answered before is still on its way",
                    code="behind",
                )
            outlook = self._outlook()
            if outlook.length == start and all(it.is_saying for it in letters):
                drafts = _drafts_at_once(outlook, letters, now_ms)
            else:
                drafts = await self._transact(
                    lambda _, view: _drafts(view, letters, now_ms)
                )
            blocks: list[bytes] = []
            places: dict[int, _Letter] = {}
            for letter, draft in zip(letters, drafts, strict=True):
                if not isinstance(draft, bytes):
                    letter.settle(draft)
                    continue
                places[start + len(blocks)] = letter
                blocks.append(draft)
            if not blocks:
                return
            applied = await self._append(log, start, blocks)
        for sequence, letter in places.items():
            letter.settle(Written(applied, sequence))

    async def _append(self, log: OpenLog, start: int, blocks: list[bytes]) -> Applied:
        """Append and derive in one go: both wait for the disk together."""
        appending = self._tasks.spawn(_place(log, start, blocks))
        # What is derived below must be what stands there: the place is taken first.
        await asyncio.sleep(0)
        if appending.done():
            appending.result()
        try:
            try:
                applied = await self._intake.derive(log.writer, start, blocks)
            finally:
                await appending
            if applied.length == start:
                applied = await self._intake.derive(log.writer, start, blocks)
        except EnvironmentFault as error:
            if appending.exception() is not None:
                raise
            # It stands in the log: who heard that it failed would write it again.
            raise UserFacingError(
                "stored-only",
                "What you wrote is stored, but the disk is full: it is shown and sent"
                " once there is room.",
            ) from error
        self._logs.settle(log.writer)
        return applied


def _drafts(view: RoomView, letters: Sequence[_Letter], now_ms: int) -> Drafts:
    drafts: Drafts = []
    written = 0
    for letter in letters:
        drafts.append(letter.draft(view, now_ms, written))
        written += isinstance(drafts[-1], bytes)
    return drafts


def _drafts_at_once(
    outlook: Outlook, letters: Sequence[_Letter], now_ms: int
) -> Drafts:
    drafts: Drafts = []
    written = 0
    for letter in letters:
        drafts.append(letter.draft_at_once(outlook, now_ms, written))
        written += isinstance(drafts[-1], bytes)
    return drafts


async def _place(log: OpenLog, start: int, blocks: list[bytes]) -> None:
    """Append blocks that were sealed for a place, or none if it is another's.

    Raises:
        LocalProtocolError: ``behind``: a peer brings more of this log just now.
        StoreError: The disk refused.
    """
    if log.core.core.state.tip.length != start:
        raise LocalProtocolError(
            "what this device wrote before is just coming in", code="behind"
        )
    await log.core.append(blocks)
