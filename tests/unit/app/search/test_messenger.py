"""A messenger's search: fed by its rooms, asked like any other call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app import profile as profiles
from app.errors import UserFacingError
from app.messenger import Messenger
from app.rooms.operations.contents import Delete, Deleted, Edit
from app.rooms.room import Room
from store import contents
from store.rooms import NewRoom, set_left
from store.search import SearchQuery
from store.search.index import FILE_NAME
from tests.unit.app.rooms.joined import QuietNetwork
from tests.unit.app.search.talk import AT_ONCE


@pytest.fixture
async def ada(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Messenger]:
    """Somebody alone."""
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    profiles.create(tmp_path / "ada", name="Ada", now_s=1)
    ada = await started(tmp_path / "ada")
    yield ada
    await ada.close()


async def started(folder: Path) -> Messenger:
    messenger = Messenger(profiles.open_profile(folder), QuietNetwork())
    # Tests need not wait for what comes together in real life.
    messenger._searching._indexer._pace = AT_ONCE
    await messenger.start()
    return messenger


def room_of(messenger: Messenger, name: str) -> Room:
    return messenger._find(name)


async def texts(messenger: Messenger, query: str, **how: object) -> list[str]:
    found = await messenger.search(query, **how)  # type: ignore[arg-type]
    return [hit.message.text for hit in found]


async def indexed(messenger: Messenger) -> list[str]:
    """What the index holds, whatever the rooms say."""
    async with asyncio.timeout(60):
        await messenger._searching.settled()
        await messenger._searching._indexer._sweeps.finish()
    index = messenger._searching._indexer.index
    assert index is not None
    hits = await asyncio.wrap_future(index.newest(SearchQuery(), limit=100))
    return [hit.snippet.text for hit in hits]


async def test_rooms_feed_the_search(ada: Messenger) -> None:
    birds = await ada.create_room("Birds")
    await ada.create_room("Fish")
    sent = await ada.send("Birds", "a grey heron")
    await ada.send("Fish", "no heron here")
    [fish, hit] = await ada.search("heron")
    assert fish.room_name == "Fish"
    assert hit.message.id == sent.id
    assert hit.message.room == birds.room
    assert hit.message.author_name == "Ada"
    assert [hit.snippet[start:end] for start, end in hit.ranges] == ["heron"]
    assert await texts(ada, "heron", before=fish.cursor) == ["a grey heron"]
    assert await texts(ada, "heron", before=hit.cursor) == []
    assert await texts(ada, "heron", room="Fish") == ["no heron here"]
    assert len(await texts(ada, "heron", author="Ada", has_file=False)) == 2
    assert await texts(ada, "heron", has_file=True) == []
    for numbers in ((1 << 80, None, None), (None, 1 << 80, -(1 << 80))):
        before, since_ms, until_ms = numbers
        await ada.search("heron", before=before, since_ms=since_ms, until_ms=until_ms)
    with pytest.raises(UserFacingError, match="nobody called Eve"):
        await ada.search("heron", author="Eve")


async def test_what_is_edited_or_deleted_is_found_no_more(ada: Messenger) -> None:
    await ada.create_room("Birds")
    sent = await ada.send("Birds", "a grey zwitscherling")
    id = bytes.fromhex(sent.id)
    room = room_of(ada, "Birds")
    assert await indexed(ada) == ["a grey zwitscherling"]
    await room.write(lambda _: Edit(id, "a white zwitscherling"))
    assert await indexed(ada) == ["a white zwitscherling"]
    [hit] = await ada.search("white")
    assert hit.message.edited
    assert await texts(ada, "grey") == []
    row = room.row.row
    stored = await room.read(lambda connection: contents.message(connection, row, id))
    assert stored is not None
    deleted = Deleted(id, stored.device, stored.sequence, stored.clock)
    await room.write(lambda _: Delete((deleted,)))
    assert await texts(ada, "zwitscherling") == []
    assert await indexed(ada) == []


async def test_a_room_that_is_left_leaves_the_index(ada: Messenger) -> None:
    await ada.create_room("Birds")
    await ada.send("Birds", "a heron")
    assert await indexed(ada) == ["a heron"]
    await ada.leave("Birds")
    assert await texts(ada, "heron") == []
    assert await indexed(ada) == []


async def test_who_comes_back_finds_again_what_was_said(ada: Messenger) -> None:
    await ada.create_room("Birds")
    await ada.send("Birds", "a heron")
    room = room_of(ada, "Birds")
    assert await indexed(ada) == ["a heron"]
    write = ada._profile.database.write
    row = room.row.row
    await asyncio.wrap_future(write(lambda connection: set_left(connection, row, 1)))
    ada._searching.room_left(room.row.room)
    assert await indexed(ada) == []
    # As a messenger does with a room that somebody let it into again.
    kept = room.row
    fresh = NewRoom(
        *(kept.room, kept.key, kept.founder, kept.name, kept.kind, kept.joined_at)
    )
    again = await ada._store_room(fresh)
    ada._exchange.remove_room(room)
    await room.stop()
    await ada._add_room(again)
    assert await texts(ada, "heron") == ["a heron"]


async def test_the_index_lies_under_a_key_of_its_own(ada: Messenger) -> None:
    await ada.create_room("Birds")
    await ada.send("Birds", "a zwitscherling")
    folder = ada.folder
    assert await texts(ada, "zwitscherling") == ["a zwitscherling"]
    assert ada._profile.search_key != ada._profile.primary_key
    await ada.close()
    assert ada._searching._indexer.index is None, "it is closed"
    assert b"zwitscherling" not in (folder / FILE_NAME).read_bytes()
    again = await started(folder)
    try:
        assert await texts(again, "zwitscherling") == ["a zwitscherling"]
        index = again._searching._indexer.index
        assert index is not None
        assert index.rebuild is None, "it goes on with what there was"
    finally:
        await again.close()
