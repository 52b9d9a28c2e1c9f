"""Whole messengers over joined muxes: coming back, asking twice, and strangers."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from app import profile as profiles
from app.errors import UserFacingError
from app.messenger import Messenger
from app.network import MAX_PEERS
from app.rooms import exchange, keys
from app.rooms.exchange import MAX_STRANGERS
from store import rooms as stored_rooms
from tests.unit.app.rooms.joined import QuietNetwork, Wires, attached, ends

Make = Callable[[str], Awaitable[Messenger]]


@pytest.fixture
async def person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Make]:
    """Makes people with a messenger each."""
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    monkeypatch.setattr(exchange, "ASK_TWICE_S", 0.01)
    made: list[Messenger] = []

    async def make(name: str) -> Messenger:
        folder = tmp_path / name.lower()
        profiles.create(folder, name=name, now_s=1)
        messenger = Messenger(profiles.open_profile(folder), QuietNetwork())
        made.append(messenger)
        await messenger.start()
        return messenger

    yield make
    for messenger in made:
        await messenger.close()


async def let_in(wires: Wires, host: Messenger, guest: Messenger) -> None:
    """Somebody joins the host's only room."""
    [room] = await host.rooms()
    joining = asyncio.create_task(
        guest.join(await host.invite(room.room), timeout_s=60)
    )
    await wires.until(joining.done)
    assert (await joining).can_write


async def heard(wires: Wires, writer: Messenger, reader: Messenger, text: str) -> None:
    """What one writes reaches the other."""
    [room] = await writer.rooms()
    await writer.send(room.room, text)
    theirs = reader._rooms[bytes.fromhex(room.room)]
    await wires.until(
        lambda: theirs._counts.last is not None and theirs._counts.last.text == text,
    )


async def test_who_was_removed_comes_back_on_the_same_connections(person: Make) -> None:
    ada, bo, cy = [await person(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await ada.create_room("Birds")
    for first, second in ((ada, bo), (ada, cy), (bo, cy)):
        wires.connect(first, second)
    await let_in(wires, ada, bo)
    await let_in(wires, ada, cy)
    theirs, [hers], [his] = (list(x._rooms.values()) for x in (ada, cy, bo))
    await wires.until(lambda: len(his.online) == 2)
    await ada.kick("Birds", "Bo")
    await wires.until(lambda: not his.is_member and not his.online)
    await wires.until(lambda: hers.facts.present_count == 2)

    # Cy hears of Bo's return last, and refuses Bo until then.
    joining = asyncio.create_task(bo.join(await ada.invite("Birds"), timeout_s=60))
    await wires.until(joining.done, silent=frozenset((ada, cy)))
    assert (await joining).can_write
    assert len(theirs) == 1
    await wires.until(lambda: hers.facts.present_count == 3 and len(his.online) == 2)
    wires.cut(ada, bo)
    wires.cut(ada, cy)
    await heard(wires, bo, cy, "back again")


async def test_no_more_are_looked_for_than_pass_things_on(
    person: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bo, cy = [await person(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await let_in(wires, ada, bo)
    [room] = ada._rooms.values()
    await wires.until(lambda: len(room.online) == 1)
    topic = keys.room_topic(room.row.key)
    assert ada._exchange.wanted(topic) == exchange.ENOUGH_PEERS - 1
    assert ada._exchange.wanted(bytes(32)) == exchange.ENOUGH_PEERS
    monkeypatch.setattr(exchange, "ENOUGH_PEERS", 1)
    wires.connect(ada, cy)
    await let_in(wires, ada, cy)
    await wires.until(lambda: len(room.online) == 2)
    assert ada._exchange.wanted(topic) == 0


async def test_the_doctor_tells_what_a_room_carries(person: Make) -> None:
    ada, bo = [await person(name) for name in ("Ada", "Bo")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await let_in(wires, ada, bo)
    [link] = [it.links for it in attached(ada)]
    before = link.facts()["lastMinute"]
    await heard(wires, ada, bo, "hello " * 100)
    told = [it for it in (await ada.doctor())["busiestRooms"] if it["members"] == 2]
    [room] = ada._rooms.values()
    assert [it["room"] for it in told] == [room.id[:8]]
    assert (told[0]["writers"], told[0]["connections"]) == (1, 1)
    assert told[0]["channels"] == told[0]["logsOpen"] == 2, "the logs of both"
    after = told[0]["lastMinute"]
    assert after["bytesSent"] - before["bytesSent"] > 600
    assert after["messagesReceived"] > before["messagesReceived"], "it has come"


async def test_who_left_unheard_comes_back(person: Make) -> None:
    ada, bo = [await person(name) for name in ("Ada", "Bo")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await let_in(wires, ada, bo)
    link = await ada.invite("Birds")
    wires.cut(ada, bo)
    await bo.leave("Birds")
    assert await bo.rooms() == []
    joining = asyncio.create_task(bo.join(link, timeout_s=60))
    await asyncio.sleep(0)
    wires.connect(ada, bo)
    await wires.until(joining.done)
    assert (await joining).can_write
    await heard(wires, bo, ada, "back again")
    kept = await asyncio.wrap_future(bo._profile.database.read(stored_rooms.list_rooms))
    assert [
        (row.left_at, len(row.key))
        for row in kept
        if row.founder != bo._profile.personal_founder
    ] == [(None, 32)]


async def test_two_may_ask_by_one_link_at_a_time(person: Make) -> None:
    ada, bo = [await person(name) for name in ("Ada", "Bo")]
    wires = Wires()
    await ada.create_room("Birds")
    link = await ada.invite("Birds")
    asking = [asyncio.create_task(bo.join(link, timeout_s=60)) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    wires.connect(ada, bo)
    await wires.until(lambda: all(task.done() for task in asking))
    assert [(await task).members for task in asking[1:]] == [2, 2]
    assert len(await bo.rooms()) == 1
    assert bo._exchange._joining.guests == {}


async def test_a_refusal_is_told_when_nobody_says_otherwise(
    person: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.rooms.guest.OTHERS_LIMIT_S", 3600.0)
    ada, bo, cy = [await person(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    wires.connect(ada, cy)
    link = await ada.invite("Birds")
    first = asyncio.create_task(bo.join(link))
    await wires.until(first.done)
    said = "nobody-online"
    # So little time is not always enough on a busy machine.
    while said == "nobody-online":
        late = asyncio.create_task(cy.join(link, timeout_s=0.2))
        await wires.until(late.done)
        with pytest.raises(UserFacingError) as told:
            await late
        said = told.value.code
    assert said == "used-invite"


async def test_a_room_whose_maker_gave_up_is_there(person: Make) -> None:
    ada = await person("Ada")
    for ticks in range(1, 4):
        making = asyncio.create_task(ada.create_room(f"R{ticks}"))
        for _ in range(ticks):
            await asyncio.sleep(0)
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
    await ada._tasks.finish()
    every = await asyncio.wrap_future(
        ada._profile.database.write(stored_rooms.list_rooms)
    )
    kept = [row for row in every if row.founder != ada._profile.personal_founder]
    await Wires().until(lambda: len(ada._rooms) == len(kept))
    assert len(kept) >= 2
    assert {room.name for room in await ada.rooms()} == {row.name for row in kept}


async def test_strangers_take_no_member_s_place(person: Make) -> None:
    ada, bo = [await person(name) for name in ("Ada", "Bo")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await let_in(wires, ada, bo)
    strangers = [ends(number)[1] for number in range(1000, 1000 + 2 * MAX_PEERS)]
    for stranger in strangers:
        ada._exchange.peer_connected(stranger)
    left = [stranger for stranger in strangers if not stranger.mux.closed]
    assert left == strangers[-MAX_STRANGERS:], "the oldest went"
    await heard(wires, bo, ada, "still here")
    cy = await person("Cy")
    wires.connect(ada, cy)
    await let_in(wires, ada, cy)


async def test_a_stranger_does_not_stay(
    person: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bo = [await person(name) for name in ("Ada", "Bo")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await let_in(wires, ada, bo)
    monkeypatch.setattr(exchange, "STRANGER_LIMIT_S", 0.0)
    stranger = ends(1000)[1]
    ada._exchange.peer_connected(stranger)
    for peer in tuple(ada._exchange._peers):
        # As if the time of every connection were up.
        ada._exchange._judge(peer)
    assert stranger.mux.closed
    assert len(ada._exchange._peers) == 1
    await heard(wires, bo, ada, "still here")


async def test_a_stranger_brings_the_logs_that_make_it_a_member(person: Make) -> None:
    """Cy was let in by Ada, who is away; Bo has never heard of Cy."""
    ada, bo, cy = [await person(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await let_in(wires, ada, bo)
    wires.cut(ada, bo)
    wires.connect(ada, cy)
    await let_in(wires, ada, cy)
    await heard(wires, ada, cy, "while Bo was away")
    wires.cut(ada, cy)
    [room] = bo._rooms.values()
    own = room.logs.heads[ada._profile.device.public_key].length
    wires.connect(bo, cy)
    await wires.until(lambda: room.facts.present_count == 3)
    assert room.logs.heads[ada._profile.device.public_key].length > own
    await heard(wires, cy, bo, "here I am")
    await heard(wires, bo, cy, "welcome")
    assert [m.text for m in await bo.history("Birds")] == [
        *("while Bo was away", "here I am", "welcome")
    ]


async def test_what_a_device_signed_besides_freezes_its_log(
    person: Make, tmp_path: Path
) -> None:
    """A profile put back from a copy writes before it meets anybody."""
    ada, bo = [await person(name) for name in ("Ada", "Bo")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await let_in(wires, ada, bo)
    await heard(wires, bo, ada, "first")
    [theirs] = ada._rooms.values()
    wires.cut(ada, bo)
    await bo.close()
    shutil.copytree(tmp_path / "bo", tmp_path / "copy")
    for folder in ("bo", "copy"):
        again = Messenger(profiles.open_profile(tmp_path / folder), QuietNetwork())
        await again.start()
        await again.send("Birds", f"from {folder}")
        if folder == "bo":
            wires.connect(ada, again)
            await wires.until(
                lambda: (
                    theirs._counts.last is not None
                    and theirs._counts.last.text == "from bo"
                )
            )
            wires.cut(ada, again)
            await again.close()
    wires.connect(ada, again)
    device = bo._profile.device.public_key
    [mine] = again._rooms.values()
    for room in (theirs, mine):
        await wires.until(lambda room=room: room.heads[device].forked)
    with pytest.raises(UserFacingError) as told:
        await again.send("Birds", "more")
    assert told.value.code == "forked"
    assert [m.text for m in await ada.history("Birds")] == ["first"]
    kept = await asyncio.wrap_future(
        ada._profile.database.write(
            lambda connection: stored_rooms.logs(connection, theirs.row.row)
        )
    )
    assert [bool(log.forked) for log in kept if log.writer == device] == [True]
    wires.cut(ada, again)
    await again.close()
