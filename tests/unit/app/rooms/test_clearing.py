"""Deleted and expired: nowhere, and the room goes on with holes in its logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from app import profile as profiles
from app.messenger import Messenger
from app.rooms.clearing import GRACE_MS
from app.rooms.operations import Body, Delete, Deleted
from app.rooms.room import Room
from app.rooms.view import RoomView
from store import contents, holes
from store.database import Connection
from store.holes import Hole
from tests.unit.app.rooms.joined import QuietNetwork, Wires

NOW_MS = 1_000_000_000_000
SECRET = "where the treasure lies"

Open = Callable[..., Awaitable[Messenger]]


@pytest.fixture
def clock() -> dict[str, int]:
    """What time it is for everybody."""
    return {"now": NOW_MS}


@pytest.fixture
async def opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: dict[str, int]
) -> AsyncIterator[Open]:
    """Opens the profile of a folder, made when it is missing."""
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    running: list[Messenger] = []

    async def open_(name: str) -> Messenger:
        folder = tmp_path / name
        if not profiles.exists(folder):
            profiles.create(folder, name=name, now_s=1)
        messenger = Messenger(
            profiles.open_profile(folder), QuietNetwork(), now_ms=lambda: clock["now"]
        )
        running.append(messenger)
        await messenger.start()
        return messenger

    yield open_
    for messenger in running:
        await messenger.close()


def only_room(messenger: Messenger) -> Room:
    """The one room of somebody."""
    [room] = messenger._rooms.values()
    return room


async def meet(wires: Wires, host: Messenger, guest: Messenger) -> None:
    """Somebody joins the host's only room."""
    wires.connect(host, guest)
    [line] = await host.rooms()
    joining = asyncio.create_task(guest.join(await host.invite(line.room), timeout_s=9))
    await wires.until(joining.done)
    await joining


async def texts(messenger: Messenger) -> list[str]:
    """What somebody sees, what is deleted left out."""
    [line] = await messenger.rooms()
    history = await messenger.history(line.room)
    return [message.text for message in history if not message.deleted]


async def ids_of(room: Room, text: str) -> list[bytes]:
    """Names of the messages that say something."""
    found = await room.read(
        lambda connection: contents.page(connection, room.row.row, limit=500)
    )
    return [message.id for message in found if message.text == text]


async def delete(
    messenger: Messenger, text: str, falsify: Callable[[Deleted], Deleted] | None = None
) -> None:
    """Delete all messages that say something."""
    room = only_room(messenger)
    ids = await ids_of(room, text)
    assert ids, "there is something to delete"
    named: list[Deleted] = []

    def name(connection: Connection, view: RoomView) -> None:
        for id in ids:
            place = contents.place(connection, room.row.row, id)
            assert place is not None
            entry = view.timeline.entry(connection, place.writer, place.sequence)
            assert entry is not None
            writer, sequence, clock, links, _ = entry
            named.append(Deleted(id, writer, sequence, clock, links))

    await room._transact(name)
    targets = tuple(named if falsify is None else map(falsify, named))

    def body(view: RoomView) -> Body:
        return Delete(targets)

    await room.write(body)


async def cleared(messenger: Messenger, clock: dict[str, int]) -> None:
    """Let the grace pass, and wait until what is listed is cleared."""
    clock["now"] += GRACE_MS + 60_000
    clearing = only_room(messenger).clearing
    clearing.look()
    await clearing._tasks.finish()


async def expire(messenger: Messenger, text: str) -> None:
    """Let the time of messages be over."""
    room = only_room(messenger)
    ids = await ids_of(room, text)
    assert ids

    def work(connection: Connection, view: RoomView) -> None:
        marks = ",".join("?" * len(ids))
        found = connection.execute(
            f"SELECT arrival FROM content WHERE id IN ({marks})", ids
        ).fetchall()
        contents.expire(connection, [number for (number,) in found])

    await room._transact(work)
    room.clearing.wake()
    await room.clearing._tasks.finish()


def dump(connection: Connection) -> bytes:
    """Everything that stands in any table."""
    tables = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table'"
    ).fetchall()
    parts = []
    for (table,) in tables:
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            for value in row:
                parts.append(value if isinstance(value, bytes) else str(value).encode())
    return b"\0".join(parts)


async def holes_of(messenger: Messenger, writer: bytes) -> list[Hole]:
    """The holes of a log."""
    room = only_room(messenger)
    return await room.read(
        lambda connection: holes.between(connection, room.row.row, writer, 0, 1 << 40)
    )


async def stored(messenger: Messenger, writer: bytes) -> list[int]:
    """The numbers of the blocks of a log that are here."""
    room = only_room(messenger)

    def look(connection: Connection) -> list[int]:
        found = holes.stored(connection, room.row.row, writer, 0, 1 << 40)
        return [sequence for sequence, _ in found]

    return await room.read(look)


async def test_what_is_deleted_lies_nowhere_and_the_room_goes_on(
    opened: Open, clock: dict[str, int], tmp_path: Path
) -> None:
    ada = await opened("Ada")
    await ada.create_room("Birds")
    await ada.send("Birds", "before")
    await ada.send("Birds", SECRET)
    await ada.send("Birds", "behind")
    room = only_room(ada)
    database = ada._profile.database
    block = await room.read(
        lambda c: dict(holes.stored(c, room.row.row, room.device, 2, 3))[2]
    )
    assert SECRET.encode() in await room.read(dump)
    assert block in await room.read(dump)
    await delete(ada, SECRET)
    assert SECRET.encode() not in await room.read(dump)
    await cleared(ada, clock)
    assert await holes_of(ada, room.device) != []
    assert await stored(ada, room.device) == [0, 1, 3, 4]
    assert block not in await room.read(dump)
    await room.clearing._empty()
    assert (tmp_path / "Ada" / (database.path.name + "-wal")).stat().st_size == 0
    assert room.heads[room.device].length == 5
    await ada.send("Birds", "goes on")
    assert await texts(ada) == ["before", "behind", "goes on"]
    await ada.close()
    again = await opened("Ada")
    room = only_room(again)
    assert room.heads[room.device].length == 6
    await again.send("Birds", "after a restart")
    assert await texts(again) == ["before", "behind", "goes on", "after a restart"]
    assert room.heads[room.device].length == 7
