"""Rooms in a profile's database where tests let people say things."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from app.rooms.operations.contents import (
    WRITERS,
    Delete,
    Deleted,
    Edit,
    Message,
    Poll,
)
from app.search import Found, Pace, Searching
from net.crypto import blake2b_256
from store import contents, rooms
from store.contents import NewContent
from store.database import Connection, Database
from store.search import SearchQuery

T = TypeVar("T")

ADA, BO = b"a" * 32, b"b" * 32
"""Device keys, and whose they are:"""
PEOPLE = {ADA: b"A" * 32, BO: b"B" * 32}
BIRDS, FISH = b"r" * 32, b"f" * 32
"""Rooms."""
FIRST_MS = 1_700_000_000_000
"""When the first message is sent; each further one a minute later."""
MINUTE_MS = 60_000
AT_ONCE = Pace(arrivals_s=0.0, changes_s=0.0, retry_s=0.0, patience_s=30.0)
"""No pauses, so that tests need not wait for them."""


class Talk:
    """The database of a profile, plain so that its bytes can be searched.

    Attributes:
        database: The profile's.
        rows: Of the rooms, by their ids.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Database.open(folder / "covey.db", key=None)
        self.rows: dict[bytes, int] = {}
        self._lengths: dict[tuple[bytes, bytes], int] = {}
        self._count = 0

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run work on the database."""
        return self.database.write(work).result(60)

    def begin(self, room: bytes) -> None:
        """Have a room with its logs."""
        fresh = rooms.NewRoom(room, b"k" * 32, ADA, "Birds", "group", 0)

        def work(connection: Connection) -> int:
            row = rooms.add_room(connection, fresh).row
            for device, identity in PEOPLE.items():
                rooms.begin_log(
                    connection, row, writer=device, discovery_key=room + device
                )
                contents.set_identity(connection, row, device, identity)
            return row

        self.rows[room] = self.write(work)

    def say(
        self,
        *bodies: Message | Edit | Delete | Poll,
        room: bytes = BIRDS,
        device: bytes = ADA,
    ) -> list[bytes]:
        """Write entries of one log in one transaction; gives their ids."""
        fresh = [self._entry(room, device, body) for body in bodies]
        self.write(
            lambda connection: contents.put(connection, self.rows[room], device, fresh)
        )
        return [entry.id for entry in fresh]

    def texts(self, *texts: str, room: bytes = BIRDS, device: bytes = ADA) -> None:
        """Write messages; see ``say``."""
        self.say(*map(Message, texts), room=room, device=device)

    def delete(self, *ids: bytes) -> None:
        """Ada deletes messages of hers."""
        self.say(Delete(tuple(Deleted(id, ADA, 0, 1) for id in ids)))

    def show(self, device: bytes, shows: Callable[[int], bool]) -> None:
        """Let only these count of a log, by their places in it."""
        self.write(
            lambda connection: contents.judge(
                connection,
                self.rows[BIRDS],
                device,
                lambda _, sequence, __: shows(sequence),
            )
        )

    def expire(self, now_ms: int) -> None:
        """Let go what has no time left."""
        self.write(
            lambda connection: contents.expire(
                connection, contents.due(connection, now_ms, limit=1_000)
            )
        )

    def leave(self, room: bytes) -> None:
        """Note that a room was left."""
        self.write(
            lambda connection: rooms.set_left(connection, self.rows[room], FIRST_MS)
        )

    def pending(self) -> int:
        """How many changes the index has not dropped."""
        return len(
            self.database.read(
                lambda connection: contents.changed(connection, limit=10_000)
            ).result(60)
        )

    def raw(self) -> dict[str, bytes]:
        """What lies on the disk, by the names of the files."""
        return {
            path.name: path.read_bytes()
            for path in sorted(self.folder.iterdir())
            if not path.name.endswith("-shm")
        }

    def _entry(
        self, room: bytes, device: bytes, body: Message | Edit | Delete | Poll
    ) -> NewContent:
        at_ms = FIRST_MS + self._count * MINUTE_MS
        self._count += 1
        sequence = self._lengths.get((room, device), 0)
        self._lengths[room, device] = sequence + 1
        id = blake2b_256(room, device, sequence.to_bytes(8, "big"))
        kind = WRITERS[type(body)][0]
        return NewContent(sequence, at_ms, id, at_ms, kind, body)


async def find(
    searching: Searching,
    talk: Talk,
    text: str,
    *,
    limit: int = 50,
    before: int | None = None,
    best: bool = False,
    **filters: object,
) -> list[Found]:
    """Search in all rooms there are."""
    query = SearchQuery(text, **filters)  # type: ignore[arg-type]
    return await searching.search(
        query, talk.rows, limit=limit, before=before, best=best
    )


async def found_texts(
    searching: Searching, talk: Talk, text: str, **options: object
) -> list[str]:
    """The texts of what is found."""
    found = await find(searching, talk, text, **options)  # type: ignore[arg-type]
    return [one.message.text for one in found]


async def told(searching: Searching, rooms: Sequence[bytes] = (BIRDS,)) -> None:
    """Say that there are news, and wait until they are indexed."""
    for room in rooms:
        searching.content_changed(room)
    async with asyncio.timeout(60):
        await searching.settled()
