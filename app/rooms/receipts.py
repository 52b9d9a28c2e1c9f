"""What other devices hold of a room: told to clients, remembered, waited for.

``Receipts`` belongs to one room and lives on the network's loop. What is derived from
it for one message is the business of ``app/rooms/ledger.py``; who is told by peers how
long a log is with them, of ``app/rooms/links.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from app.errors import UserFacingError
from app.events import Event, MessageDelivered
from app.faults import explained
from app.rooms.ledger import Known, Tally, delivery, most
from app.snapshots import DeliverySnapshot
from store import contents, rooms
from store.contents import MessageRow
from store.database import Connection, Database

if TYPE_CHECKING:
    from app.rooms.room import Room

MAX_HEARD_TOLD = 256
"""Own messages told of as delivered at once, the newest."""

_LOG = logging.getLogger("covey.room")


class Receipts:
    """Who holds what of one room.

    Attributes:
        held: How much of this device's log each other device holds, as far as known.
    """

    def __init__(
        self, room: Room, database: Database, publish: Callable[[Event], None]
    ) -> None:
        """Know nothing yet; see ``load``.

        Args:
            room: Whose messages these are.
            database: Where what others hold is remembered.
            publish: Tells clients.
        """
        self.held: dict[bytes, int] = {}
        self._room = room
        self._database = database
        self._publish = publish
        self._tally: Tally | None = None
        self._claims: dict[bytes, int] = {}
        self._recording = False
        self._changed = asyncio.Event()

    async def load(self) -> None:
        """Read what was remembered, and what the logs tell."""
        room, own = self._room, self._room.device
        row = room.row.row
        held = await room.read(
            lambda connection: rooms.held_lengths(connection, row, own)
        )
        seen = await room.transact(lambda _, view: view.holders(own))
        self._hold(most(held, seen))

    def delivered_to(self, row: MessageRow) -> int:
        """How many other devices than its author's hold an own message."""
        if row.device != self._room.device:
            # This one holds what another device of the same person wrote.
            return int(row.identity == self._room.identity)
        if self._tally is None:
            self._tally = Tally(self.held.values())
        return self._tally.count(row.sequence)

    async def delivery(self, id: str) -> DeliverySnapshot:
        """Which members' devices hold a message, and how it comes to the others.

        Raises:
            UserFacingError: ``unknown-message``.
        """
        room, number = self._room, self._room.row.row
        named = await room.conversation.reading.id_of(id)
        place = await room.read(
            lambda connection: contents.place(connection, number, named)
        )
        if place is None:
            raise UserFacingError("unknown-message", f"There is no message {id} here.")
        writer = place.writer
        lengths = await room.transact(lambda _, view: view.holders(writer))
        if room.listener is not None:
            lengths = most(lengths, room.listener.told(writer))
        if writer == room.device:
            lengths = most(lengths, self.held)
        known = Known(writer, place.sequence, lengths, frozenset(room.online))
        return delivery(
            room.facts, known, own=room.device, room=room.id, id=named.hex()
        )

    async def wait_held(self, row: MessageRow) -> int:
        """Wait until another device holds an own message; returns how many do."""
        while not (count := self.delivered_to(row)):
            self._changed.clear()
            await self._changed.wait()
        return count

    async def heard(self, writer: bytes, length: int) -> None:
        """The newest entry of a device had seen so much of this device's log."""
        known = self.held.get(writer, 0)
        if length > known:
            self._hold({writer: length})
            await self._tell(max(known, length - MAX_HEARD_TOLD), length)

    async def record(self, device: bytes, length: int) -> None:
        """Remember that another device holds so much of this device's log.

        What is told while something is being remembered goes together, so that nobody
        makes work by telling one block after the other.
        """
        known = max(self.held.get(device, 0), self._claims.get(device, 0))
        if length <= known or device == self._room.device:
            return
        self._claims[device] = length
        if self._recording:
            return
        self._recording = True
        try:
            while self._claims:
                claims, self._claims = self._claims, {}
                await self._record(claims)
        finally:
            self._recording = False

    async def _record(self, claims: dict[bytes, int]) -> None:
        row, writer = self._room.row.row, self._room.device

        def work(connection: Connection) -> None:
            for device, length in claims.items():
                rooms.set_held(
                    connection, row, writer=writer, device=device, length=length
                )

        try:
            with explained():
                await asyncio.wrap_future(self._database.write(work))
        except UserFacingError as error:
            # It is so nevertheless, and told again on the next connection.
            _LOG.error("what others hold could not be stored: %s", error.code)
        start = min(self.held.get(device, 0) for device in claims)
        self._hold(claims)
        await self._tell(start, max(claims.values()))

    def _hold(self, lengths: Mapping[bytes, int]) -> None:
        """Other devices hold so much of this device's log, if not more."""
        self.held = most(self.held, lengths)
        self._tally = None
        self._changed.set()

    async def _tell(self, start: int, end: int) -> None:
        """Tell clients of own messages that one more device holds."""
        room = self._room
        row, own = room.row.row, room.device
        newest = await room.read(
            lambda connection: contents.own_between(connection, row, own, start, end)
        )
        for found in newest:
            if not room.left:
                count = self.delivered_to(found)
                self._publish(MessageDelivered(room.id, found.id.hex(), count))
