"""Messages that disappear: those with a lifetime, and those a room keeps no longer.

``Expiry`` belongs to one profile. It wipes the words from the database and tells
clients; clearing the blocks they came in is done by who hears of it
(``app/rooms/clearing.py``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from app.alarm import Alarm
from app.events import Event, MembersChanged, MessageStored
from store import contents
from store.database import Connection, Database

if TYPE_CHECKING:
    from app.rooms.room import Room

T = TypeVar("T")

_LOG = logging.getLogger("covey.expiry")

MAX_AT_ONCE: Final = 256
"""Messages wiped in one transaction: others wait for the writer meanwhile."""


class Expiry:
    """Lets the messages of a profile disappear in time."""

    def __init__(
        self,
        database: Database,
        rooms: Mapping[bytes, Room],
        now_ms: Callable[[], int],
    ) -> None:
        """Do nothing before ``start``.

        Args:
            database: The profile's.
            rooms: Those that are loaded, by id.
            now_ms: The wall clock.
        """
        self._database = database
        self._rooms = rooms
        self._now_ms = now_ms
        self._alarm = Alarm(
            self.sweep, now_ms=now_ms, log=_LOG, what="messages could not disappear"
        )

    def start(self) -> None:
        """Look what is over, and from now on."""
        self._alarm.start()

    async def stop(self) -> None:
        """Finish what is being wiped."""
        await self._alarm.stop()

    def heard(self, event: Event) -> None:
        """Something changed: it may be that something disappears earlier."""
        if isinstance(event, MessageStored):
            message = event.message
            if message.expires_at is not None:
                self._alarm.poke_by(message.expires_at)
            room = self._rooms.get(bytes.fromhex(message.room))
            if room is not None and room.facts.retention_ms:
                self._alarm.poke_by(message.sent_at + room.facts.retention_ms)
        elif isinstance(event, MembersChanged):
            room = self._rooms.get(bytes.fromhex(event.room))
            if room is not None and room.facts.retention_ms:
                self._alarm.poke()

    async def sweep(self) -> int | None:
        """Let go what is over; gives when something will be, in ms since 1970.

        Raises:
            StoreError: The disk refused.
        """
        while await self._sweep_some(self._now_ms()):
            pass
        return await self._read(self._next)

    async def _sweep_some(self, now_ms: int) -> bool:
        """Let some of what is over go; True when there may be more."""
        over = await self._read(lambda connection: self._over(connection, now_ms))
        known = {room.row.row: room for room in self._rooms.values()}
        for row, numbers in over.items():
            if (room := known.get(row)) is not None:
                await room.expire(numbers)
            else:
                await self._wipe(numbers)
        return any(len(numbers) >= MAX_AT_ONCE for numbers in over.values())

    async def _wipe(self, numbers: Sequence[int]) -> None:
        """Let messages of a room go that is being left."""
        await asyncio.wrap_future(
            self._database.write(
                lambda connection: contents.expire(connection, numbers)
            )
        )

    def _over(self, connection: Connection, now_ms: int) -> dict[int, list[int]]:
        """Numbers of what is over, by the row of its room."""
        over = contents.due_by_room(connection, now_ms, limit=MAX_AT_ONCE)
        for row, retention_ms in self._retentions():
            numbers = over.setdefault(row, [])
            older = contents.older_than(
                connection, row, now_ms - retention_ms, limit=MAX_AT_ONCE
            )
            numbers += [number for number in older if number not in numbers]
        return {row: numbers for row, numbers in over.items() if numbers}

    def _next(self, connection: Connection) -> int | None:
        times = [contents.next_due_ms(connection)]
        for row, retention_ms in self._retentions():
            oldest = contents.oldest_clock(connection, row)
            times.append(None if oldest is None else oldest + retention_ms + 1)
        return min((time for time in times if time is not None), default=None)

    def _retentions(self) -> list[tuple[int, int]]:
        """Row and time to keep of the rooms that do not keep for ever."""
        return [
            (room.row.row, room.facts.retention_ms)
            for room in tuple(self._rooms.values())
            if room.facts.retention_ms
        ]

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self._database.read(work))
