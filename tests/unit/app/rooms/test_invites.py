"""Whole messengers and invites: a person decides, nobody is there, somebody else is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from app import profile as profiles
from app.errors import UserFacingError
from app.events import ApprovalAwaited, RequestsChanged
from app.messenger import Messenger
from app.rooms import admission, exchange, joining
from app.rooms.invitations import Link, decode_link
from app.rooms.room import Room
from app.rooms.seals import epoch_id
from store import rooms as stored_rooms
from tests.unit.app.rooms.joined import QuietNetwork, Records, Wires

T = TypeVar("T")
Make = Callable[[str], Awaitable[Messenger]]


@pytest.fixture
async def person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Make]:
    """Makes people with a messenger each, who share one DHT."""
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    monkeypatch.setattr(joining, "ASK_AGAIN_S", (0.01,))
    monkeypatch.setattr(exchange, "ASK_TWICE_S", 0.01)
    records = Records()
    made: list[Messenger] = []

    async def make(name: str) -> Messenger:
        folder = tmp_path / name.lower()
        profiles.create(folder, name=name, now_s=1)
        messenger = Messenger(profiles.open_profile(folder), QuietNetwork(records))
        made.append(messenger)
        await messenger.start()
        return messenger

    yield make
    for messenger in made:
        await messenger.close()


async def refused(wires: Wires, asking: Awaitable[object]) -> str:
    """The code of the refusal that a join ends with."""
    task = asyncio.ensure_future(asking)
    await wires.until(task.done)
    with pytest.raises(UserFacingError) as told:
        await task
    return told.value.code


def has_turned(room: Room, before: bytes) -> bool:
    """Whether a room has another key than before."""
    return room.facts.epoch != before


async def kept_waiting(wires: Wires, who: Messenger, link: str) -> bool:
    """Whether somebody is told that a person has to decide.

    Asked again where nobody answered: the time given is short for a busy machine.
    """
    said = "nobody-online"
    while said == "nobody-online":
        said = await refused(wires, who.join(link, timeout_s=1.5))
    return said == "waiting-approval"


async def told(wires: Wires, asking: Awaitable[T]) -> T:
    """What somebody is told."""
    task = asyncio.ensure_future(asking)
    await wires.until(task.done)
    return await task


async def waiting_at(wires: Wires, who: Messenger, count: int = 1) -> list[str]:
    """The ids of those who wait, once so many do."""
    [room] = await who.rooms()
    found = bytes.fromhex(room.room)
    host = who._exchange._attached[found].host
    await wires.until(lambda: len(host.waiting) == count)
    return [request.id for request in await who.requests(room.room)]


async def in_the_room(wires: Wires, host: Messenger, *guests: Messenger) -> None:
    """Everybody joins the host's only room, and knows of the others."""
    for guest in guests:
        link = await host.invite("Birds")
        joining = asyncio.create_task(guest.join(link, timeout_s=60))
        await wires.until(joining.done)
        await joining
    rooms = [room for who in (host, *guests) for room in who._rooms.values()]
    await wires.until(
        lambda: all(room.facts.present_count == len(rooms) for room in rooms)
    )


async def test_a_person_approves(person: Make) -> None:
    ada, bo = [await person(name) for name in ("Ada", "Bo")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    events, theirs = ada.events(), bo.events()
    link = await ada.invite("Birds", approval=True, role="reader")
    assert decode_link(link).approval
    joining = asyncio.create_task(bo.join(link, timeout_s=60))
    [id] = await waiting_at(wires, ada)
    [request] = await ada.requests("Birds")
    assert (request.name, request.role) == ("Bo", "reader")
    assert request.identity_key == bo._profile.identity_key.hex()
    assert [member.name for member in await ada.members("Birds")] == ["Ada"]
    [guest] = bo._exchange._joining.guests.values()
    await wires.until(lambda: guest.held)
    assert not joining.done()
    awaited = decode_link(link).room.hex()
    while await anext(theirs) != ApprovalAwaited(awaited):
        continue
    await ada.approve("Birds", id[:8])
    await wires.until(joining.done)
    assert (await joining).members == 2
    records = ada._exchange._network.records  # type: ignore[union-attr]
    await wires.until(lambda: not any(records.announced.values()))
    assert await ada.requests("Birds") == []
    told: list[RequestsChanged] = []
    while len(told) < 2:
        event = await anext(events)
        told += [event] if isinstance(event, RequestsChanged) else []
    with pytest.raises(UserFacingError) as error:
        await ada.approve("Birds", id)
    assert error.value.code == "unknown-request"


async def test_who_waits_is_told_so_and_let_in_later(person: Make) -> None:
    """The newcomer goes; the answer waits in the DHT."""
    ada, bo = [await person(name) for name in ("Ada", "Bo")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    link = await ada.invite("Birds", approval=True)
    assert await kept_waiting(wires, bo, link)
    [id] = await waiting_at(wires, ada)
    wires.cut(ada, bo)
    await ada.approve("Birds", id)
    assert len(await ada.members("Birds")) == 2
    records = ada._exchange._network.records  # type: ignore[union-attr]
    await wires.until(lambda: len(records.values) == 2)
    again = asyncio.create_task(bo.join(link, timeout_s=60))
    await wires.until(lambda: bool(bo._rooms))
    wires.connect(ada, bo)
    await wires.until(again.done)
    assert (await again).members == 2


async def test_who_waits_still_does_after_a_restart(person: Make) -> None:
    """And is answered, though it is not there any more."""
    ada, bo, cy = [await person(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await ada.create_room("Birds")
    links = [await ada.invite("Birds", approval=True) for _ in range(2)]
    for who, link in ((bo, links[0]), (cy, links[1])):
        wires.connect(ada, who)
        assert await kept_waiting(wires, who, link)
        wires.cut(ada, who)
    ids = await waiting_at(wires, ada, 2)
    folder = ada._profile.folder
    await ada.close()
    # What the network had of the requests is lost meanwhile.
    network = QuietNetwork(Records())
    ada = Messenger(profiles.open_profile(folder), network)
    await ada.start()
    try:
        assert await waiting_at(wires, ada, 2) == ids
        names = [request.name for request in await ada.requests("Birds")]
        assert names == ["Bo", "Cy"]
        await ada.approve("Birds", "Bo")
        await wires.until(lambda: len(network.records.values) == 1)
        assert [member.name for member in await ada.members("Birds")] == ["Ada", "Bo"]
        bo._exchange._network.records = network.records  # type: ignore[union-attr]
        again = asyncio.create_task(bo.join(links[0], timeout_s=60))
        await wires.until(lambda: bool(bo._rooms))
        wires.connect(ada, bo)
        await wires.until(again.done)
        assert (await again).members == 2
        await ada.deny("Birds", "Cy")
        await ada.close()
        # Nobody waits any more.
        ada = Messenger(profiles.open_profile(folder), network)
        await ada.start()
        assert ada._find("Birds").kept_requests == []
    finally:
        await ada.close()


async def test_a_person_declines_once(
    person: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.rooms.guest.OTHERS_LIMIT_S", 0.0)
    ada, bo = [await person(name) for name in ("Ada", "Bo")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    link = await ada.invite("Birds", approval=True)
    joining = asyncio.create_task(bo.join(link, timeout_s=60))
    [id] = await waiting_at(wires, ada)
    await ada.deny("Birds", id)
    assert await refused(wires, joining) == "declined"
    # It bothers nobody a second time.
    assert await refused(wires, bo.join(link, timeout_s=60)) == "declined"
    assert await ada.requests("Birds") == []
    assert len(await ada.members("Birds")) == 1


async def test_who_may_not_approve_is_not_asked(person: Make) -> None:
    ada, bo, cy = [await person(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await in_the_room(wires, ada, bo)
    link = await ada.invite("Birds", approval=True)
    [room] = bo._rooms.values()
    await wires.until(
        lambda: decode_link(link).key_pair.public_key in room.facts.invites
    )
    wires.cut(ada, bo)
    wires.connect(bo, cy)
    assert await kept_waiting(wires, cy, link)
    assert await bo.requests("Birds") == []
    assert len(await bo.members("Birds")) == 2


async def test_who_may_approve_later_is_asked_then(person: Make) -> None:
    """Cy's request waits in the DHT; Bo passes it over until it is Bo's to decide."""
    ada, bo, cy = [await person(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await in_the_room(wires, ada, bo)
    link = await ada.invite("Birds", approval=True)
    invite_key = decode_link(link).key_pair.public_key
    [room] = bo._rooms.values()
    await wires.until(lambda: invite_key in room.facts.invites)
    assert await kept_waiting(wires, cy, link)
    host = bo._exchange._attached[room.row.room].host
    member = host._desks[invite_key].member
    bo._exchange._doors.refresh()
    await wires.until(lambda: bool(member.pending))
    await wires.until(lambda: not member.pending)
    assert await bo.requests("Birds") == []
    await ada.set_role("Birds", "Bo", "moderator")
    await wires.until(
        lambda: (
            room.facts.members[room._around.profile.identity_key].role.word
            == "moderator"
        )
    )
    bo._exchange._doors.refresh()
    await waiting_at(wires, bo)


async def test_what_one_approves_waits_nowhere_else(person: Make) -> None:
    ada, bo, cy = [await person(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await in_the_room(wires, ada, bo)
    await ada.set_role("Birds", "Bo", "moderator")
    link = await ada.invite("Birds", approval=True)
    [room] = bo._rooms.values()
    await wires.until(
        lambda: decode_link(link).key_pair.public_key in room.facts.invites
    )
    wires.connect(ada, cy)
    wires.connect(bo, cy)
    joining = asyncio.create_task(cy.join(link, timeout_s=60))
    await waiting_at(wires, ada)
    [id] = await waiting_at(wires, bo)
    await bo.approve("Birds", id)
    await wires.until(joining.done)
    assert (await joining).can_write
    assert await waiting_at(wires, ada, 0) == []
    assert len(await ada.members("Birds")) == 3


@pytest.mark.parametrize("limit", ["MAX_APPROVALS", "MAX_APPROVALS_PER_INVITE"])
async def test_no_more_wait_than_people_can_look_through(
    person: Make, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(admission, limit, 2)
    ada, *others = [await person(name) for name in ("Ada", "Bo", "Cy", "Di")]
    wires = Wires()
    await ada.create_room("Birds")
    link = await ada.invite("Birds", approval=True, uses=0)
    for other in others:
        wires.connect(ada, other)
    waits = [asyncio.create_task(kept_waiting(wires, who, link)) for who in others]
    await waiting_at(wires, ada, 2)
    assert all(await asyncio.gather(*waits))
    assert len(await ada.requests("Birds")) == 2


async def test_nobody_is_online_at_the_same_time(
    person: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bo asks and goes; Ada answers and goes; Bo finds the answer."""
    monkeypatch.setattr(exchange, "FIRST_SYNC_LIMIT_S", 0.2)
    ada, bo = [await person(name) for name in ("Ada", "Bo")]
    alone = Wires()
    await ada.create_room("Birds")
    link = await ada.invite("Birds")
    records: Records = ada._exchange._network.records  # type: ignore[union-attr]
    assert await refused(alone, bo.join(link, timeout_s=1.0)) == "nobody-online"
    assert len(records.values) == 1
    ada._exchange._doors.refresh()
    await alone.until(lambda: len(records.values) == 2)
    assert [member.name for member in await ada.members("Birds")] == ["Ada", "Bo"]
    [room] = ada._rooms.values()
    for value in records.values.values():
        assert room.row.key not in value
    assert await refused(alone, bo.join(link, timeout_s=60)) == "not-synchronised"
    [theirs] = bo._rooms.values()
    assert theirs.row.key == room.row.key
    alone.connect(ada, bo)
    await alone.until(lambda: theirs.is_member)
    await ada.send("Birds", "welcome")
    await alone.until(lambda: theirs._counts.last is not None)


async def test_who_waits_no_more_is_let_in_all_the_same(
    person: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bo gave up looking, but the program goes on."""
    monkeypatch.setattr(joining, "JOIN_LIMIT_S", 0.1)
    ada, bo = [await person(name) for name in ("Ada", "Bo")]
    wires = Wires()
    await ada.create_room("Birds")
    link = await ada.invite("Birds")
    assert await refused(wires, bo.join(link, timeout_s=0.0)) == "nobody-online"
    assert bo._exchange._joining.guests == {}, "who names a time means it"
    assert await refused(wires, bo.join(link)) == "nobody-online"
    assert len(bo._exchange._joining.guests) == 1
    wires.connect(ada, bo)
    await wires.until(lambda: any(r.is_member for r in bo._rooms.values()))
    assert [member.name for member in await bo.members("Birds")] == ["Ada", "Bo"]
    assert bo._exchange._joining.guests == {}
    assert (await bo.join(link)).members == 2


async def test_what_is_tried_in_vain_makes_room(
    person: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "MAX_JOINS", 2)
    monkeypatch.setattr(joining, "JOIN_LIMIT_S", 0.01)
    bo = await person("Bo")
    links = [Link(bytes((number,)) * 16, b"r" * 32) for number in range(4)]
    for link in links[:3]:
        assert await refused(Wires(), bo.join(link.encode()))
    assert list(bo._exchange._joining.guests) == links[1:3]
    waiting = [
        asyncio.create_task(bo.join(link.encode(), timeout_s=60)) for link in links[:2]
    ]
    await asyncio.sleep(0)
    assert await refused(Wires(), bo.join(links[3].encode())) == "too-many"
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert bo._exchange._joining.guests == {}


async def test_another_member_lets_in_for_who_is_away(person: Make) -> None:
    ada, bo, cy = [await person(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await in_the_room(wires, ada, bo)
    link = await ada.invite("Birds")
    [room] = bo._rooms.values()
    await wires.until(
        lambda: decode_link(link).key_pair.public_key in room.facts.invites
    )
    wires.cut(ada, bo)
    await ada.close()
    wires.connect(bo, cy)
    joining = asyncio.create_task(cy.join(link, timeout_s=60))
    await wires.until(joining.done)
    assert (await joining).members == 3


async def test_a_member_that_learns_of_an_invite_late_is_asked_again(
    person: Make,
) -> None:
    """Cy asks Bo first, who has not heard of the invite yet."""
    ada, bo, cy = [await person(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await in_the_room(wires, ada, bo)
    wires.cut(ada, bo)
    link = await ada.invite("Birds")
    wires.connect(bo, cy)
    joining = asyncio.create_task(cy.join(link, timeout_s=60))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not joining.done()
    wires.connect(ada, bo)
    await wires.until(joining.done)
    assert (await joining).members == 3


async def test_a_revoked_invite_lets_nobody_in(
    person: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither who comes, nor who waits already."""
    monkeypatch.setattr("app.rooms.guest.OTHERS_LIMIT_S", 0.0)
    ada, bo, cy = [await person(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    wires.connect(ada, cy)
    link = await ada.invite("Birds", approval=True, uses=5)
    waiting = asyncio.create_task(bo.join(link, timeout_s=60))
    await waiting_at(wires, ada)
    await ada.revoke(link)
    assert await refused(wires, waiting) == "closed-invite"
    assert await ada.requests("Birds") == []
    assert await refused(wires, cy.join(link, timeout_s=60)) == "closed-invite"
    assert len(await ada.members("Birds")) == 1
    with pytest.raises(UserFacingError) as error:
        await bo.revoke(link)
    assert error.value.code == "unknown-room"


async def test_a_newcomer_begins_with_the_keys_that_came_later(person: Make) -> None:
    ada, bo, cy = [await person(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await in_the_room(wires, ada, bo)
    [room] = ada._rooms.values()
    first = room.facts.epoch
    for _ in range(2):
        before = room.facts.epoch
        await room.moderation.rotate()
        await wires.until(partial(has_turned, room, before))
    link = decode_link(await ada.invite("Birds"))
    wires.connect(ada, cy)
    admitted = await told(wires, cy._exchange.ask(link, timeout_s=60))
    keys = [epoch_id(key) for key in admitted.keys]
    assert keys[0] == room.facts.epoch
    assert len(set(keys)) == 2
    assert first not in keys
    joined = await told(wires, cy.join(link.encode(), timeout_s=60))
    assert joined.members == 3
    theirs = cy._rooms[room.row.room]
    await ada.send("Birds", "under the new key")
    await wires.until(lambda: theirs.snapshot().last_message is not None)
    stored = await asyncio.wrap_future(
        cy._profile.database.read(
            lambda connection: stored_rooms.keys(connection, theirs.row.row)
        )
    )
    assert list(admitted.keys) == stored[::-1]


async def test_a_link_as_a_picture(person: Make) -> None:
    ada = await person("Ada")
    await ada.create_room("Birds")
    assert (await ada.invite_code(await ada.invite("Birds"))).startswith("<svg")
    with pytest.raises(UserFacingError) as told:
        await ada.invite_code("covey://nonsense")
    assert told.value.code == "bad-invite"
