"""Messages that are said by themselves when their time comes.

``Schedule`` belongs to one profile. What waits is kept in its database; it is said
once, also when the core is killed between saying and forgetting: before it is written
the length of the own log is noted, and after a start it is looked for behind that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from app.alarm import RETRY_S, Alarm
from app.errors import UserFacingError
from app.events import Event, ScheduledChanged
from app.faults import explained
from app.rooms.operations import Message, Operation, decode_operation, encode_operation
from app.rooms.roles import Right
from app.snapshots import ScheduledSnapshot
from net.constants import MAX_SAFE_UINT
from store import contents, drafts, rooms
from store.database import Connection, Database
from store.drafts import ScheduledRow
from store.errors import LocalProtocolError

if TYPE_CHECKING:
    from app.rooms.room import Room

T = TypeVar("T")

_LOG = logging.getLogger("covey.schedule")

MAX_AHEAD_MS: Final = 10 * 366 * 24 * 3600 * 1000
"""Nothing is kept to be said later than that."""
MAX_AT_ONCE: Final = 64
"""Messages looked at together when their time has come."""
PASSING: Final = frozenset(("disk", "behind", "no-room-key"))
"""Errors that go away: what met one is tried again."""


class Schedule:
    """Keeps what waits for its time, and says it."""

    def __init__(
        self,
        database: Database,
        rooms: Mapping[bytes, Room],
        now_ms: Callable[[], int],
        publish: Callable[[Event], None],
    ) -> None:
        """Do nothing before ``start``.

        Args:
            database: The profile's.
            rooms: Those that are loaded, by id.
            now_ms: The wall clock.
            publish: Tells clients.
        """
        self._database = database
        self._rooms = rooms
        self._now_ms = now_ms
        self._publish = publish
        self._saying = asyncio.Lock()
        self._alarm = Alarm(
            self.say_due, now_ms=now_ms, log=_LOG, what="what is due could not be said"
        )

    def start(self) -> None:
        """Say what is due, and from now on."""
        self._alarm.start()

    async def stop(self) -> None:
        """Finish what is being said."""
        await self._alarm.stop()

    async def add(
        self, room: Room, body: Message, *, send_at: int
    ) -> ScheduledSnapshot:
        """Keep a message until its time.

        Args:
            room: Where it is said.
            body: The message.
            send_at: When, in ms since 1970.

        Raises:
            UserFacingError: ``bad-time``, ``too-many``, ``disk``, and what a message
                said now would meet.
        """
        if not 0 < send_at - self._now_ms() <= MAX_AHEAD_MS:
            raise UserFacingError(
                "bad-time", "The time to send at must lie ahead, at most ten years."
            )
        room.outlook.require(Right.POST)
        row, data = room.row.row, encode_operation(Operation(0, body))
        with explained():
            try:
                id = await self._write(
                    lambda connection: drafts.schedule(
                        connection, row, send_at=send_at, data=data
                    )
                )
            except LocalProtocolError as error:
                if error.code != "too-many":
                    raise
                raise UserFacingError(
                    "too-many",
                    f"At most {drafts.MAX_SCHEDULED} messages can wait for their time.",
                ) from error
        self._alarm.poke_by(send_at)
        self._publish(ScheduledChanged(room.id))
        return _snapshot(room, ScheduledRow(id, row, send_at, data, None, ""))

    async def all(self, room: Room | None = None) -> list[ScheduledSnapshot]:
        """What waits, by time; in all rooms when None."""
        with explained():
            rows = await self._read(drafts.scheduled)
        known = self._by_row()
        return [
            _snapshot(known[row.room], row)
            for row in rows
            if row.room in known and room in (None, known[row.room])
        ]

    async def cancel(self, id: str) -> None:
        """Do not say what waits.

        Raises:
            UserFacingError: ``unknown-message``: it is not there, or said already.
        """
        found = [it for it in await self.all() if it.id == id]
        with explained():
            gone = bool(found) and await self._write(
                lambda connection: drafts.drop_scheduled(connection, int(id))
            )
        if not gone:
            raise UserFacingError("unknown-message", f"No message {id} waits.")
        self._publish(ScheduledChanged(found[0].room))

    async def say_due(self) -> int | None:
        """Say what is due; gives when something will be, in ms since 1970.

        Raises:
            StoreError: The disk refused.
        """
        async with self._saying:
            return await self._say_due(self._now_ms())

    async def _say_due(self, now_ms: int) -> int | None:
        due = await self._read(
            lambda connection: drafts.due_now(connection, now_ms, limit=MAX_AT_ONCE)
        )
        known = self._by_row()
        held_up = False
        for row in due:
            room = known.get(row.room)
            if room is not None:
                held_up = not await self._say(room, row) or held_up
        next_ms = await self._read(drafts.next_send_ms)
        if next_ms is not None and held_up:
            return max(next_ms, now_ms + int(RETRY_S * 1000))
        return next_ms

    async def _say(self, room: Room, row: ScheduledRow) -> bool:
        """Say one thing and forget it; False when it is to be tried again."""
        body = decode_operation(row.data).body
        assert isinstance(body, Message), "messages are kept"
        if row.tried is None or not await self._was_said(room, row.tried, body):
            await self._write(
                lambda connection: drafts.set_tried(
                    connection,
                    row.id,
                    rooms.derived(connection, row.room, room.device),
                )
            )
            try:
                await room.conversation.say(body)
            except UserFacingError as error:
                if error.code in PASSING:
                    return False
                if error.code != "stored-only":
                    await self._give_up(room, row, error.sentence)
                    return True
        await self._write(lambda connection: drafts.drop_scheduled(connection, row.id))
        self._publish(ScheduledChanged(room.id))
        return True

    async def _was_said(self, room: Room, start: int, body: Message) -> bool:
        """Whether the own log holds it behind where it ended before."""
        since = await self._read(
            lambda connection: contents.own_between(
                connection, room.row.row, room.device, start, MAX_SAFE_UINT
            )
        )
        said = (body.text, body.reply_to, body.thread)
        return any((it.text, it.reply_to, it.thread) == said for it in since)

    async def _give_up(self, room: Room, row: ScheduledRow, sentence: str) -> None:
        await self._write(
            lambda connection: drafts.set_problem(connection, row.id, sentence)
        )
        self._publish(ScheduledChanged(room.id))

    def _by_row(self) -> dict[int, Room]:
        return {room.row.row: room for room in self._rooms.values()}

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self._database.read(work))

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self._database.write(work))


def _snapshot(room: Room, row: ScheduledRow) -> ScheduledSnapshot:
    body = decode_operation(row.data).body
    assert isinstance(body, Message), "messages are kept"
    return ScheduledSnapshot(
        id=str(row.id),
        room=room.id,
        text=body.text,
        send_at=row.send_at,
        reply_to=body.reply_to.hex() if body.reply_to else None,
        thread=body.thread.hex() if body.thread else None,
        lifetime_ms=body.lifetime_ms,
        problem=row.problem,
    )
