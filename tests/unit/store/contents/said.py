"""A room in memory where tests let people say things."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from app.rooms.operations.contents import (
    WRITERS,
    Delete,
    Deleted,
    Message,
    Newer,
)
from store import contents, rooms
from store.contents import MessageRow, NewContent, Outcome
from store.schema import migrate

ADA, BO, CY = b"a" * 32, b"b" * 32, b"c" * 32
"""Device keys; Ada's second one:"""
PHONE = b"p" * 32
PEOPLE = {ADA: b"A" * 32, PHONE: b"A" * 32, BO: b"B" * 32, CY: b"C" * 32}


def open_connection() -> apsw.Connection:
    """The tables of a profile, empty, in memory, set up as those on the disk."""
    connection = apsw.Connection(":memory:")
    connection.pragma("foreign_keys", "ON")
    connection.pragma("secure_delete", "ON")
    migrate(connection)
    return connection


def kind_of(body: Any) -> int:
    """The number that travels."""
    return body.type if isinstance(body, Newer) else WRITERS[type(body)][0]


def delete(*ids: bytes) -> Delete:
    """A deletion that names nothing but ids."""
    return Delete(tuple(Deleted(id, b"w" * 32, 0, 1) for id in ids))


class Room:
    """One room and the logs of three people, one of whom has two devices.

    Attributes:
        connection: The database's.
        row: Of the room.
        last: What the latest ``say`` or ``put`` gave.
    """

    def __init__(
        self, connection: apsw.Connection | None = None, *, room: bytes = b"r" * 32
    ) -> None:
        self.connection = connection or open_connection()
        fresh = rooms.NewRoom(room, b"k" * 32, ADA, "Birds", "group", 0)
        self.row = rooms.add_room(self.connection, fresh).row
        self.last = Outcome()
        self._room = room
        self._clock = 0
        self._lengths: dict[bytes, int] = {}
        for device, identity in PEOPLE.items():
            rooms.begin_log(
                self.connection, self.row, writer=device, discovery_key=device
            )
            contents.set_identity(self.connection, self.row, device, identity)

    def entry(
        self,
        device: bytes,
        body: Any,
        *,
        clock: int | None = None,
        sent_at: int = 1_000,
        shown: bool = True,
        allowed: bool = False,
    ) -> NewContent:
        """The next entry of a log; its clock is above all before unless told."""
        self._clock = max(self._clock + 1, clock or 0)
        sequence = self._lengths.get(device, 0)
        self._lengths[device] = sequence + 1
        return NewContent(
            sequence,
            self._clock if clock is None else clock,
            self._room[:1] + device[:1] + sequence.to_bytes(30),
            sent_at,
            kind_of(body),
            body,
            shown,
            allowed,
        )

    def put(self, device: bytes, rows: Sequence[NewContent]) -> Outcome:
        """Hand entries over."""
        with self.connection:
            self.last = contents.put(self.connection, self.row, device, rows)
        return self.last

    def say(self, device: bytes, body: Any, **how: Any) -> bytes:
        """Write and hand over one entry; gives its id."""
        entry = self.entry(device, body, **how)
        self.put(device, [entry])
        return entry.id

    def texts(self, **which: Any) -> list[str]:
        """What a page reads."""
        return [row.text for row in self.page(**which)]

    def page(self, **which: Any) -> list[MessageRow]:
        """A page, of the newest hundred unless told."""
        return contents.page(self.connection, self.row, **{"limit": 100} | which)

    def message(self, id: bytes) -> MessageRow:
        """One that is there."""
        found = contents.message(self.connection, self.row, id)
        assert found is not None
        return found

    def hide(self, device: bytes, *sequences: int) -> Outcome:
        """Let all of a log count but these."""
        return contents.judge(
            self.connection,
            self.row,
            device,
            lambda _, sequence, __: sequence not in sequences,
        )


def messages(room: Room, count: int, *, device: bytes = ADA) -> list[bytes]:
    """Say ``0``, ``1``, ... and give the ids."""
    return [room.say(device, Message(str(number))) for number in range(count)]
