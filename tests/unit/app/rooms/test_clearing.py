"""Deleted and expired: nowhere, and the room goes on with holes in its logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from app import profile as profiles
from app.messenger import Messenger
from app.rooms import clearing, gaps, hole_doubts
from app.rooms.clearing import GRACE_MS, OTHERS_GRACE_MS
from app.rooms.hole_lists import AskHoles, HoleList
from app.rooms.logs import OpenLog
from app.rooms.operations import Delete, Deleted, Edit
from app.rooms.room import Room
from app.rooms.view import RoomView
from store import contents, holes
from store.autobase import Link
from store.database import Connection, Database
from store.errors import EnvironmentFault
from store.holes import Hole
from tests.unit.app.rooms.joined import QuietNetwork, Wires
from tests.unit.app.search.talk import AT_ONCE

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
        # Tests need not wait for what comes together in real life.
        messenger._searching._indexer._pace = AT_ONCE
        await messenger.start()
        return messenger

    yield open_
    for messenger in running:
        await messenger.close()


def birds(messenger: Messenger) -> Room:
    """The room that all this is about."""
    return messenger._find("Birds")


async def meet(wires: Wires, host: Messenger, guest: Messenger) -> None:
    """Somebody joins the host's only room."""
    wires.connect(host, guest)
    joining = asyncio.create_task(guest.join(await host.invite("Birds"), timeout_s=60))
    await wires.until(joining.done)
    await joining


def level(*people: Messenger) -> bool:
    """True when all have the same of all logs, and all of their own."""
    heads = [birds(it).heads for it in people]
    own = [birds(it).device for it in people]
    return all(
        device in head and head[device] == heads[0].get(device)
        for head in heads
        for device in own
        if device in heads[own.index(device)]
    )


async def texts(messenger: Messenger) -> list[str]:
    """What somebody sees, what is deleted left out."""
    history = await messenger.history("Birds")
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
    room = birds(messenger)
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

    await room.write(lambda _: Delete(targets))


async def cleared(messenger: Messenger, clock: dict[str, int]) -> None:
    """Let the grace pass, and wait until what is listed is cleared."""
    clock["now"] += GRACE_MS + 60_000
    room = birds(messenger)
    room.clearing.look()
    await room.clearing._tasks.finish()


async def expire(messenger: Messenger, text: str) -> None:
    """Let the time of messages be over."""
    room = birds(messenger)
    ids = await ids_of(room, text)
    assert ids

    def look(connection: Connection) -> list[int]:
        marks = ",".join("?" * len(ids))
        found = connection.execute(
            f"SELECT arrival FROM content WHERE id IN ({marks})", ids
        )
        return [int(number) for (number,) in found]

    await room.expire(await room.read(look))
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


async def indexed(messenger: Messenger) -> bytes:
    """Everything that stands in the search index."""
    searching = messenger._searching
    async with asyncio.timeout(60):
        await searching.settled()
        await searching._indexer._sweeps.finish()
    index = searching._indexer.index
    assert index is not None
    return await asyncio.wrap_future(index._database.read(dump))


async def holes_of(messenger: Messenger, writer: bytes) -> list[Hole]:
    """The holes of a log."""
    room = birds(messenger)
    return await room.read(
        lambda connection: holes.between(connection, room.row.row, writer, 0, 1 << 40)
    )


async def stored(messenger: Messenger, writer: bytes) -> list[int]:
    """The numbers of the blocks of a log that are here."""
    room = birds(messenger)

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
    room = birds(ada)
    database = ada._profile.database
    block = await room.read(
        lambda c: dict(holes.stored(c, room.row.row, room.device, 2, 3))[2]
    )
    assert SECRET.encode() in await room.read(dump)
    assert block in await room.read(dump)
    assert SECRET.encode() in await indexed(ada)
    await delete(ada, SECRET)
    assert SECRET.encode() not in await room.read(dump)
    found = await indexed(ada)
    assert SECRET.encode() not in found
    assert b"treasure" not in found
    assert b"behind" in found
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
    room = birds(again)
    assert room.heads[room.device].length == 6
    await again.send("Birds", "after a restart")
    assert await texts(again) == ["before", "behind", "goes on", "after a restart"]
    assert room.heads[room.device].length == 7


async def test_edits_go_with_their_message(opened: Open, clock: dict[str, int]) -> None:
    ada = await opened("Ada")
    await ada.create_room("Birds")
    await ada.send("Birds", "plain")
    room = birds(ada)
    [id] = await ids_of(room, "plain")
    await room.write(lambda _: Edit(id, SECRET))
    await room.write(lambda _: Edit(id, "plain again"))
    await ada.send("Birds", "behind")
    await delete(ada, "plain again")
    await room.write(lambda _: Edit(id, SECRET + " is told too late"))
    await cleared(ada, clock)
    assert await stored(ada, room.device) == [0, 4, 5]
    assert SECRET.encode() not in await room.read(dump)
    assert await texts(ada) == ["behind"]


async def test_what_expires_is_cleared_at_once_and_what_is_deleted_after_a_while(
    opened: Open, clock: dict[str, int]
) -> None:
    ada = await opened("Ada")
    await ada.create_room("Birds")
    for text in (SECRET, "short-lived", "behind"):
        await ada.send("Birds", text)
    room = birds(ada)
    await delete(ada, SECRET)
    await expire(ada, "short-lived")
    assert await stored(ada, room.device) == [0, 1, 3, 4]
    clock["now"] += GRACE_MS // 2
    await ada.close()
    again = await opened("Ada")
    room = birds(again)
    await room.clearing._tasks.finish()
    assert await stored(again, room.device) == [0, 1, 3, 4]
    assert "look" in room.clearing._timers
    await again.close()
    clock["now"] += GRACE_MS
    again = await opened("Ada")
    room = birds(again)
    await room.clearing._tasks.finish()
    assert await stored(again, room.device) == [0, 3, 4]
    assert room.heads[room.device].length == 5
    assert "look" not in room.clearing._timers


async def test_a_clearing_that_was_interrupted_is_gone_on_with(
    opened: Open, clock: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await opened("Ada")
    await ada.create_room("Birds")
    for text in ("one", SECRET, "two"):
        await ada.send("Birds", text)
    room = birds(ada)

    async def refuse(*_: object) -> None:
        raise EnvironmentFault("the disk refused")

    with monkeypatch.context() as patch:
        patch.setattr(OpenLog, "clear", refuse)
        await delete(ada, SECRET)
        await cleared(ada, clock)
    assert len(await stored(ada, room.device)) == 5
    assert len(await holes_of(ada, room.device)) == 1
    assert room.heads[room.device].length == 5
    await ada.close()
    again = await opened("Ada")
    room = birds(again)
    await room.clearing._tasks.finish()
    assert await stored(again, room.device) == [0, 1, 3, 4]
    assert room.heads[room.device].length == 5
    assert await texts(again) == ["one", "two"]


async def test_the_log_of_writes_is_emptied_soon(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearing, "EMPTY_S", 0.01)
    ada = await opened("Ada")
    await ada.create_room("Birds")
    await ada.send("Birds", SECRET)
    path = ada._profile.database.path
    written = path.with_name(path.name + "-wal")
    assert written.stat().st_size > 0
    refused = 0
    empty = Database.empty_log

    def busy_once(database: Database) -> Future[None]:
        nonlocal refused
        refused += 1
        if refused > 1:
            return empty(database)
        future: Future[None] = Future()
        future.set_exception(EnvironmentFault("a read needs it", code="busy"))
        return future

    monkeypatch.setattr(Database, "empty_log", busy_once)
    await delete(ada, SECRET)
    await Wires().until(lambda: refused > 1 and written.stat().st_size == 0)


async def test_a_newcomer_ends_equal_though_blocks_are_missing_everywhere(
    opened: Open, clock: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaps, "GAP_S", 0.02)
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await ada.create_room("Birds")
    for text in ("one", SECRET, "two", "short-lived", "short-lived", "three"):
        await ada.send("Birds", text)
    await delete(ada, SECRET)
    await expire(ada, "short-lived")
    await cleared(ada, clock)
    device = birds(ada).device
    assert [hole.sequence for hole in await holes_of(ada, device)] == [2, 4, 5]
    await meet(wires, ada, bo)
    await wires.until(lambda: level(ada, bo))
    assert await texts(bo) == ["one", "two", "three"]
    mine, found = await holes_of(ada, device), await holes_of(bo, device)
    assert [(it.sequence, it.clock, it.links) for it in found] == [
        (it.sequence, it.clock, it.links) for it in mine
    ]
    # The deletion says what it deleted; of what has expired a member tells.
    assert [it.source for it in found] == [device] * 3
    await ada.send("Birds", "goes on")
    await wires.until(lambda: level(ada, bo))
    await bo.send("Birds", "for both")
    await wires.until(lambda: level(ada, bo))
    await wires.until(lambda: birds(ada)._counts.last is not None)
    assert (
        await texts(bo)
        == await texts(ada)
        == ["one", "two", "three", "goes on", "for both"]
    )
    wires.cut(ada, bo)
    await bo.close()
    again = await opened("Bo")
    assert await texts(again) == await texts(ada)
    wires.connect(ada, again)
    await again.send("Birds", "after a restart")
    await wires.until(lambda: level(ada, again))


async def three(opened: Open, wires: Wires) -> tuple[Messenger, Messenger]:
    """Ada and Bo in a room, level; of Ada's log block 2 will be deleted by her."""
    ada, bo = await opened("Ada"), await opened("Bo")
    await ada.create_room("Birds")
    await meet(wires, ada, bo)
    await ada.send("Birds", "one")
    await ada.send("Birds", SECRET)
    await ada.send("Birds", "two")
    await wires.until(lambda: level(ada, bo))
    return ada, bo


async def test_a_deletion_tells_of_the_hole_when_its_author_is_gone(
    opened: Open, clock: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaps, "GAP_S", 0.02)
    # Nobody tells of holes: what stands behind must be enough.
    monkeypatch.setattr(gaps.Gaps, "answer", lambda *told: told[-1](None))
    wires = Wires()
    ada, bo = await three(opened, wires)
    device = birds(ada).device
    await delete(ada, SECRET)
    await wires.until(lambda: level(ada, bo))
    await cleared(ada, clock)
    await cleared(bo, clock)
    assert await holes_of(bo, device) == await holes_of(ada, device) != []
    wires.cut(ada, bo)
    await ada.close()
    cy = await opened("Cy")
    await meet(wires, bo, cy)
    await wires.until(lambda: level(bo, cy))
    await wires.until(lambda: birds(cy).heads.get(device) == birds(bo).heads[device])
    assert await texts(cy) == ["one", "two"]
    assert SECRET.encode() not in await birds(cy).read(dump)
    [hole] = await holes_of(cy, device)
    assert hole.source == device


async def test_who_is_far_behind_catches_up_over_what_expired(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log ends in the middle of blocks that are gone everywhere else."""
    monkeypatch.setattr(gaps, "GAP_S", 0.02)
    wires = Wires()
    ada, bo = await three(opened, wires)
    device = birds(ada).device
    wires.cut(ada, bo)
    for _ in range(20):
        await ada.send("Birds", "short-lived")
    await expire(ada, "short-lived")
    await expire(ada, "two")
    await expire(ada, SECRET)
    await ada.send("Birds", "lasting")
    assert len(await holes_of(ada, device)) == 22
    wires.connect(ada, bo)
    await wires.until(lambda: level(ada, bo))
    assert await texts(bo) == ["one", SECRET, "two", "lasting"]
    found = await holes_of(bo, device)
    assert len(found) == 20
    assert {hole.source for hole in found} == {device}
    cy = await opened("Cy")
    wires.cut(ada, bo)
    await ada.close()
    await meet(wires, bo, cy)
    await wires.until(lambda: level(bo, cy))
    await wires.until(lambda: birds(cy).heads.get(device) == birds(bo).heads[device])
    found = await holes_of(cy, device)
    assert {hole.source for hole in found} == {birds(bo).device}
    assert await texts(cy) == await texts(bo)


@pytest.mark.parametrize(
    "falsify",
    [
        lambda it: replace(it, clock=it.clock + 1),
        lambda it: replace(it, links=(Link(b"?" * 32, 1),)),
        lambda it: replace(it, sequence=it.sequence + 1),
    ],
    ids=["clock", "links", "sequence"],
)
async def test_a_false_deletion_is_void_for_who_has_the_block(
    opened: Open, clock: dict[str, int], falsify: Callable[[Deleted], Deleted]
) -> None:
    wires = Wires()
    ada, bo = await three(opened, wires)
    await delete(ada, SECRET, falsify)
    await wires.until(lambda: level(ada, bo))
    for who in (ada, bo):
        await cleared(who, clock)
        assert await texts(who) == ["one", SECRET, "two"]
        assert await holes_of(who, birds(ada).device) == []


@pytest.mark.parametrize("clock_told", [1, 2**53 - 1], ids=["too low", "too high"])
async def test_a_false_hole_is_forgotten_and_the_true_one_taken(
    opened: Open, monkeypatch: pytest.MonkeyPatch, clock_told: int
) -> None:
    monkeypatch.setattr(gaps, "GAP_S", 0.02)
    wires = Wires()
    ada, bo = await three(opened, wires)
    device = birds(ada).device
    for who in (ada, bo):
        await expire(who, SECRET)
    honest = gaps.Gaps.answer
    liar = birds(bo).gaps

    def answer(self: gaps.Gaps, ask: AskHoles, send: Callable[..., None]) -> None:
        def lie(told: HoleList | None) -> None:
            assert told is not None
            false = tuple(replace(hole, clock=clock_told) for hole in told.holes)
            send(replace(told, holes=false))

        honest(self, ask, lie if self is liar else send)

    monkeypatch.setattr(gaps.Gaps, "answer", answer)
    wires.cut(ada, bo)
    cy = await opened("Cy")
    wires.connect(bo, cy)
    joining = asyncio.create_task(cy.join(await bo.invite("Birds"), timeout_s=60))
    await wires.until(lambda: bool(cy._rooms))
    mine = birds(cy).gaps
    await wires.until(lambda: mine.false_count == 1)
    wires.connect(ada, cy)
    await wires.until(joining.done)
    await wires.until(lambda: level(ada, cy))
    assert await texts(cy) == ["one", "two"]
    assert mine.false_count == 1
    [hole] = await holes_of(cy, device)
    assert hole.source == device
    assert [hole] == [replace(it, source=device) for it in await holes_of(ada, device)]


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known"])
@pytest.mark.parametrize("has_block", [False, True], ids=["hole", "block"])
async def test_invented_links_make_a_log_wait_only_until_others_are_asked(
    opened: Open, monkeypatch: pytest.MonkeyPatch, *, known: bool, has_block: bool
) -> None:
    monkeypatch.setattr(gaps, "GAP_S", 0.02)
    monkeypatch.setattr(hole_doubts, "DOUBT_S", 0.02)
    wires = Wires()
    ada, bo = await three(opened, wires)
    cy = await opened("Cy")
    await meet(wires, ada, cy)
    await wires.until(lambda: level(ada, bo, cy))
    wires.cut(ada, cy)
    device, other = birds(ada).device, birds(bo).device
    for text in ("short-lived", "lasting"):
        await ada.send("Birds", text)
    await wires.until(lambda: level(ada, bo))
    for who in (bo,) if has_block else (ada, bo):
        await expire(who, "short-lived")
    honest, liar = gaps.Gaps.answer, birds(bo).gaps
    invented = (Link(other if known else b"x" * 32, 1 << 20),)

    def answer(self: gaps.Gaps, ask: AskHoles, send: Callable[..., None]) -> None:
        def lie(told: HoleList | None) -> None:
            assert told is not None
            false = tuple(replace(hole, links=invented) for hole in told.holes)
            send(replace(told, holes=false))

        honest(self, ask, lie if self is liar else send)

    monkeypatch.setattr(gaps.Gaps, "answer", answer)
    wires.cut(ada, bo)
    wires.connect(bo, cy)
    doubts = birds(cy).gaps.doubts
    await wires.until(lambda: device in doubts._doubts)
    [false] = await holes_of(cy, device)
    assert (false.source, false.links) == (other, invented)
    wires.connect(ada, cy)
    await wires.until(lambda: doubts.replaced_count == 1)
    await wires.until(lambda: birds(cy)._counts.last.text == "lasting")  # type: ignore[union-attr]
    assert await texts(cy) == await texts(ada)
    assert ("short-lived" in await texts(cy)) is has_block
    true = [replace(it, source=device) for it in await holes_of(ada, device)]
    assert await holes_of(cy, device) == true


@pytest.mark.parametrize("truth", [True, False], ids=["as told", "not as told"])
async def test_a_block_that_comes_late_is_held_against_its_hole(
    opened: Open, *, truth: bool
) -> None:
    wires = Wires()
    ada, bo = await three(opened, wires)
    device, room = birds(ada).device, birds(bo)
    before = await stored(bo, device)
    entry = await room._transact(lambda c, view: view.timeline.entry(c, device, 2))
    assert entry is not None
    told = Hole(device, 2, entry.clock + (not truth), entry.links, b"w" * 32)
    await room._transact(lambda c, _: holes.keep(c, room.row.row, [told]))
    await room.logs.know_holes(device, [2])
    room.gaps.late(device, [2])
    await room.gaps._tasks.finish()
    assert room.gaps.mismatch_count == (not truth)
    after = await stored(bo, device)
    assert after == ([at for at in before if at != 2] if truth else before)
    assert room.heads[device] == birds(ada).heads[device]


async def test_words_of_others_stay_in_their_blocks_until_it_is_sure(
    opened: Open, clock: dict[str, int]
) -> None:
    wires = Wires()
    ada, bo = await three(opened, wires)
    await bo.send("Birds", "by Bo")
    await bo.send("Birds", "later by Bo")
    await wires.until(lambda: level(ada, bo))
    theirs, mine = birds(bo).device, birds(ada).device
    wires.cut(ada, bo)
    # Nobody hears of it, so nothing confirms it.
    await delete(ada, "by Bo")
    await delete(ada, SECRET)
    assert await texts(ada) == ["one", "two", "later by Bo"]
    await cleared(ada, clock)
    assert len(await holes_of(ada, mine)) == 1
    assert await holes_of(ada, theirs) == []
    clock["now"] += OTHERS_GRACE_MS - 2 * (GRACE_MS + 60_000)
    await cleared(ada, clock)
    assert await holes_of(ada, theirs) == []
    await cleared(ada, clock)
    [hole] = await holes_of(ada, theirs)
    assert hole.sequence not in await stored(ada, theirs)


async def test_words_come_back_when_their_deletion_counts_no_more(
    opened: Open, clock: dict[str, int]
) -> None:
    wires = Wires()
    ada, bo = await three(opened, wires)
    await delete(ada, SECRET)
    await delete(ada, "two")
    await wires.until(lambda: level(ada, bo))
    room, device = birds(bo), birds(ada).device
    assert await texts(bo) == ["one"]

    def hide(connection: Connection, _: RoomView) -> None:
        last = room.logs.length(device) - 2
        contents.judge(
            connection,
            room.row.row,
            device,
            lambda _clock, sequence, _kind: sequence < last,
            sequence=last,
        )

    await room._transact(hide)
    room.clearing.wake()
    await room.clearing._tasks.finish()
    assert await texts(bo) == ["one", SECRET, "two"]
    await cleared(bo, clock)
    assert await holes_of(bo, device) == []
    assert await texts(bo) == ["one", SECRET, "two"]
