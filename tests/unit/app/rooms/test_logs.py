"""The cores of a room: after a crash, ahead of time, forked, and left behind."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import profile as profiles
from app.errors import UserFacingError
from app.messenger import Messenger
from app.rooms import intake, logs
from app.rooms.blocks import LogHead, log_key, log_manifest
from app.rooms.facts import DeviceFact
from app.rooms.logs import OpenLog
from app.rooms.operations import Message, Operation, encode_operation
from app.rooms.room import Room
from app.rooms.seals import EpochSeal
from app.rooms.timeline import MAX_AHEAD_MS
from app.rooms.view import Applied, RoomView
from store import rooms as stored_rooms
from store.autobase import encode_entry
from store.database import Connection
from store.errors import EnvironmentFault, LocalProtocolError
from store.rooms import LogRow
from tests.unit.app.rooms.joined import QuietNetwork, Wires

NOW_MS = 1_000_000_000_000
NONE = LogHead(0)

Open = Callable[..., Awaitable[Messenger]]


@pytest.fixture
def clocks() -> dict[str, int]:
    """What time it is for somebody, where it is not now."""
    return {}


@pytest.fixture
async def opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clocks: dict[str, int]
) -> AsyncIterator[Open]:
    """Opens the profile of a folder, made when it is missing."""
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    running: list[Messenger] = []

    async def open_(name: str) -> Messenger:
        folder = tmp_path / name
        if not profiles.exists(folder):
            profiles.create(folder, name=name, now_s=1)
        messenger = Messenger(
            profiles.open_profile(folder),
            QuietNetwork(),
            now_ms=lambda: clocks.get(name, NOW_MS),
        )
        running.append(messenger)
        await messenger.start()
        return messenger

    yield open_
    for messenger in running:
        await messenger.close()


async def meet(wires: Wires, host: Messenger, guest: Messenger) -> tuple[Room, Room]:
    """Somebody joins the host's only room; both sides of it."""
    wires.connect(host, guest)
    [line] = await host.rooms()
    joining = asyncio.create_task(
        guest.join(await host.invite(line.room), timeout_s=60)
    )
    await wires.until(joining.done)
    key = bytes.fromhex(line.room)
    return host._rooms[key], guest._rooms[key]


async def texts(messenger: Messenger) -> list[str]:
    """What somebody sees."""
    [line] = await messenger.rooms()
    return [message.text for message in await messenger.history(line.room)]


async def rows(messenger: Messenger, room: Room) -> dict[bytes, LogRow]:
    """The room's logs as stored."""

    def look(connection: Connection) -> list[LogRow]:
        return stored_rooms.logs(connection, room.row.row)

    found = await asyncio.wrap_future(messenger._profile.database.read(look))
    return {log.writer: log for log in found}


def block(room: Room, sequence: int, text: str, *, clock: int = NOW_MS) -> bytes:
    """A message as this device would have it in its log."""
    return EpochSeal(room.row.key, room.row.room).seal(
        encode_entry(
            clock + sequence, (), encode_operation(Operation(clock, Message(text)))
        ),
        writer=room.device,
        sequence=sequence,
        entropy=lambda size: bytes(size),
    )


async def append(room: Room, *texts: str) -> None:
    """Write past the room, as if a crash came before what follows."""
    log = await room.logs.own_log()
    start = log.core.length
    room.logs.on_grown = lambda _: None
    await log.core.append(
        [block(room, start + number, text) for number, text in enumerate(texts)]
    )


async def test_what_a_crash_left_is_derived_at_the_start(opened: Open) -> None:
    ada = await opened("Ada")
    await ada.create_room("Birds")
    [room] = ada._rooms.values()
    await ada.send("Birds", "before")
    await append(room, "one", "two")
    assert await texts(ada) == ["before"]
    assert room.heads[room.device].length == 2, "what is not derived is not told"
    await ada.close()
    again = await opened("Ada")
    assert await texts(again) == ["before", "one", "two"]
    [room] = again._rooms.values()
    assert room.heads[room.device].length == 4
    await again.send("Birds", "three")
    assert await texts(again) == ["before", "one", "two", "three"]


async def test_a_crash_before_the_room_leaves_no_room(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await opened("Ada")

    async def crash(_: object) -> None:
        raise EnvironmentFault("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(ada, "_store_room", crash)
        with pytest.raises(UserFacingError):
            await ada.create_room("Lost")
    assert await ada.rooms() == []
    await ada.create_room("Birds")
    await ada.close()
    assert [room.name for room in await (await opened("Ada")).rooms()] == ["Birds"]


async def test_sends_at_once_share_an_append_and_keep_their_order(
    opened: Open,
) -> None:
    ada = await opened("Ada")
    await ada.create_room("Birds")
    [room] = ada._rooms.values()
    log = await room.logs.own_log()
    sizes: list[int] = []
    whole = log.core.append

    async def counted(blocks: list[bytes]) -> object:
        sizes.append(len(blocks))
        return await whole(blocks)

    log.core.append = counted  # type: ignore[method-assign, assignment]
    words = [str(number) for number in range(100)]
    sent = await asyncio.gather(*(ada.send("Birds", word) for word in words))
    assert [message.text for message in sent] == words
    assert await texts(ada) == words[-50:]
    assert sum(sizes) == 100
    assert len(sizes) < 10
    with pytest.raises(UserFacingError):
        await asyncio.gather(
            ada.send("Birds", "fine"), ada.send("Birds", "x", reply_to="ff" * 32)
        )


async def test_a_disk_that_refuses_loses_nobody_else_s_message(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await opened("Ada")
    await ada.create_room("Birds")
    [room] = ada._rooms.values()
    log = await room.logs.own_log()

    async def full(_: object) -> None:
        raise EnvironmentFault("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(log.core, "append", full)
        with pytest.raises(UserFacingError) as told:
            await ada.send("Birds", "lost")
        assert told.value.code == "disk"
    await ada.send("Birds", "kept")
    assert await texts(ada) == ["kept"]


async def test_nothing_is_written_where_more_of_the_own_log_comes_in(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile put back from a copy gets its own log from a peer just now."""
    ada = await opened("Ada")
    await ada.create_room("Birds")
    [room] = ada._rooms.values()
    log = await room.logs.own_log()
    append = room._outbox._append
    coming: list[asyncio.Task[object]] = []

    async def meanwhile(log: OpenLog, start: int, blocks: list[bytes]) -> Applied:
        theirs = log.core.append(block(room, start, "from before"))
        coming.append(asyncio.create_task(theirs))
        await asyncio.sleep(0)
        return await append(log, start, blocks)

    with monkeypatch.context() as patch:
        patch.setattr(room._outbox, "_append", meanwhile)
        with pytest.raises(UserFacingError) as told:
            await ada.send("Birds", "in its place")
    assert told.value.code == "behind"
    await asyncio.gather(*coming)
    await ada.send("Birds", "after it")
    assert log.core.length == 3
    assert await texts(ada) == ["from before", "after it"]


async def test_what_a_full_disk_left_is_derived_once_there_is_room(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more has to come for that, and the profile starts meanwhile."""
    monkeypatch.setattr(intake, "RETRY_S", 0.01)
    derive, full = RoomView.derive, True

    def refused(*arguments: Any, **options: Any) -> Applied:
        if full:
            raise EnvironmentFault("the disk is full")
        return derive(*arguments, **options)

    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await ada.create_room("Birds")
    theirs, mine = await meet(wires, ada, bo)
    monkeypatch.setattr(RoomView, "derive", refused)
    with pytest.raises(UserFacingError) as told:
        await bo.send("Birds", "the log had room for it")
    assert told.value.code == "stored-only"
    await wires.until(lambda: theirs.logs.length(mine.device) == 1)
    wires.cut(ada, bo)
    for _ in range(2):
        await ada.close()
        ada = await opened("Ada")
        assert await texts(ada) == []
    full = False
    [theirs] = ada._rooms.values()
    await wires.until(lambda: theirs._counts.last is not None)
    assert await texts(ada) == ["the log had room for it"]
    await wires.until(lambda: mine._counts.last is not None)
    assert await texts(bo) == ["the log had room for it"]


async def test_a_long_log_holds_up_no_other(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_READ_BLOCKS", 1)
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await ada.create_room("Birds")
    theirs, mine = await meet(wires, ada, bo)
    wires.cut(ada, bo)
    for number in range(20):
        await bo.send("Birds", str(number))
    turns: list[bytes] = []

    async def noted(writer: bytes, start: int, blocks: list[bytes]) -> Applied:
        turns.append(writer)
        mine.logs.derived[writer] = start + len(blocks)
        return Applied(writer, start + len(blocks))

    monkeypatch.setattr(mine._intake, "derive", noted)
    for writer in (mine.device, theirs.device):
        mine.logs.derived[writer] = 0
        mine._intake.log_grew(writer)
    await mine._intake._tasks.finish()
    assert len(turns) > 20
    assert turns[:4] == [mine.device, theirs.device] * 2


async def test_a_log_ahead_of_time_is_kept_told_and_read_in_its_time(
    opened: Open, monkeypatch: pytest.MonkeyPatch, clocks: dict[str, int]
) -> None:
    monkeypatch.setattr(intake, "HELD_RETRY_S", 0.01)
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await ada.create_room("Birds")
    theirs, mine = await meet(wires, ada, bo)
    later = clocks["Bo"] = NOW_MS + 2 * MAX_AHEAD_MS
    sent = [await bo.send("Birds", text) for text in ("from later", "and more")]
    waiting = [
        asyncio.create_task(bo.wait_delivered("Birds", message.id)) for message in sent
    ]
    await wires.until(lambda: all(task.done() for task in waiting))
    assert theirs.heads[mine.device].length == 2
    assert (await rows(ada, theirs))[mine.device].derived == 0
    assert await texts(ada) == []
    clocks["Ada"] = later
    await wires.until(lambda: theirs._counts.unread == 2)
    assert await texts(ada) == ["from later", "and more"]


@pytest.mark.parametrize("count", [1, 2], ids=["as long", "longer"])
async def test_two_histories_freeze_a_log(
    opened: Open, tmp_path: Path, count: int
) -> None:
    """A profile put back from a copy writes before it meets anybody."""
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await ada.create_room("Birds")
    theirs, _ = await meet(wires, ada, bo)
    await bo.send("Birds", "first")
    await wires.until(lambda: theirs._counts.last is not None)
    wires.cut(ada, bo)
    await bo.close()
    shutil.copytree(tmp_path / "Bo", tmp_path / "copy")
    bo = await opened("Bo")
    await bo.send("Birds", "from Bo")
    wires.connect(ada, bo)
    await wires.until(lambda: theirs._counts.last.text == "from Bo")  # type: ignore[union-attr]
    wires.cut(ada, bo)
    copy = await opened("copy")
    for _ in range(count):
        await copy.send("Birds", "from the copy")
    wires.connect(ada, copy)
    device = copy._profile.device.public_key
    [mine] = copy._rooms.values()
    await wires.until(lambda: theirs.heads[device].forked)
    await wires.until(lambda: mine.heads[device].forked)
    with pytest.raises(UserFacingError) as told:
        await copy.send("Birds", "more")
    assert told.value.code == "forked"
    assert await texts(ada) == await texts(copy) == ["first"]
    wires.cut(ada, copy)
    await ada.close()
    again = await opened("Ada")
    [room] = again._rooms.values()
    assert (await rows(again, room))[device].forked
    assert room.heads[device].forked
    await again.send("Birds", "goes on")


async def test_a_log_begun_anew_is_not_followed(opened: Open) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await ada.create_room("Birds")
    theirs, mine = await meet(wires, ada, bo)
    await bo.send("Birds", "first")
    await wires.until(lambda: theirs._counts.last is not None)
    log = await mine.logs.own_log()
    await log.core.truncate(0)
    await log.core.append([block(mine, 0, "rewritten"), block(mine, 1, "more")])
    await ada.send("Birds", "goes on")
    await wires.until(lambda: mine._counts.last.text == "goes on")  # type: ignore[union-attr]
    assert await texts(ada) == ["first", "goes on"]
    assert (await rows(ada, theirs))[mine.device].fork == 0
    assert not theirs.heads[mine.device].forked


async def test_what_is_not_signed_is_no_evidence(opened: Open) -> None:
    ada = await opened("Ada")
    await ada.create_room("Birds")
    await ada.send("Birds", "hello")
    [room] = ada._rooms.values()
    mine = await room.logs.signed_head(room.device)
    assert mine is not None
    for shown in (
        mine,
        replace(mine, hash=bytes(32)),
        replace(mine, fork=1),
        replace(mine, length=1),
        replace(mine, signature=b"", hash=bytes(32)),
        replace(mine, signature=b"\xff" * 70, hash=bytes(32)),
        replace(mine, writer=b"?" * 32),
    ):
        room.logs.know({b"?" * 32: DeviceFact(b"", present=True, wanted_length=None)})
        assert not await room.logs.check_signed(shown)
    assert not room.heads[room.device].forked


async def test_logs_of_a_room_are_limited(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_WRITERS", 2)
    ada = await opened("Ada")
    await ada.create_room("Birds")
    [room] = ada._rooms.values()
    devices = [bytes([number]) * 32 for number in range(2)]
    fact = DeviceFact(b"", present=True, wanted_length=None)
    room.logs.know(dict.fromkeys(devices, fact))
    room.logs.give_back(await room.logs.borrow(devices[0]))
    with pytest.raises(LocalProtocolError) as caught:
        await room.logs.borrow(devices[1])
    assert caught.value.code == "too-many"
    await ada.send("Birds", "goes on")


async def test_who_leaves_keeps_the_own_log_only(opened: Open) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await ada.create_room("Birds")
    _, mine = await meet(wires, ada, bo)
    await ada.send("Birds", "from Ada")
    await wires.until(lambda: mine._counts.last is not None)
    await bo.send("Birds", "from Bo")
    await bo.leave("Birds")
    await wires.until(lambda: not bo._rooms)
    await bo._exchange._tasks.finish()
    found = await bo._around.corestore.cores()
    key = log_key(mine.device, mine.row.key)
    personal = bo._devices.room
    assert personal is not None
    others = {log_key(it, personal.row.key) for it in personal.facts.devices}
    assert [core.key for core in found if core.key not in others] == [key]
    [row] = (await rows(bo, mine)).values()
    assert (row.writer, row.derived, row.length) == (mine.device, 0, 2)


@pytest.mark.parametrize("place", [0, 1])
async def test_a_block_lost_on_the_disk_comes_anew(opened: Open, place: int) -> None:
    """While the log is open with who has it, and in the middle of what was read."""
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await ada.create_room("Birds")
    theirs, mine = await meet(wires, ada, bo)
    for text in ("one", "two", "three"):
        await bo.send("Birds", text)
    device = mine.device
    await wires.until(lambda: theirs.heads.get(device, NONE).length == 3)
    wires.cut(ada, bo)
    await ada.close()
    ada = await opened("Ada")
    wires.connect(ada, bo)
    [theirs] = ada._rooms.values()
    log = await theirs.logs.borrow(device)
    await wires.until(lambda: log.replication.peers != [])
    await log.core.core.clear(place, place + 1)
    assert theirs.heads[device].length == place
    await wires.until(lambda: theirs.heads[device].length == 3)
    await bo.send("Birds", "four")
    await wires.until(lambda: theirs.heads[device].length == 4)
    assert await texts(ada) == ["one", "two", "three", "four"]
    theirs.logs.give_back(log)


def test_logs_differ_by_room_and_device() -> None:
    keys = {log_key(bytes([d]) * 32, bytes([r]) * 32) for d in (1, 2) for r in (3, 4)}
    assert len(keys) == 4
    manifest = log_manifest(b"d" * 32, b"r" * 32)
    assert manifest.version == 1
    [signer] = manifest.signers
    assert signer.public_key == b"d" * 32
    assert b"r" * 32 not in (signer.namespace, log_key(b"d" * 32, b"r" * 32))
