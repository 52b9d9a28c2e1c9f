"""People who write to one person: asked, agreed, refused, blocked."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from app.contacts import calls, contacts
from app.contacts.calls import Call
from app.errors import UserFacingError
from app.identity import attest_data
from app.messenger import Messenger
from app.snapshots import ContactSnapshot
from net.errors import RemoteProtocolError
from tests.unit.app.rooms.conftest import Open
from tests.unit.app.rooms.joined import Wires
from tests.unit.app.rooms.test_exchange import let_in

T = TypeVar("T")


async def carried(wires: Wires, work: Coroutine[Any, Any, T]) -> T:
    """Do something for which the connections must carry."""
    task = asyncio.create_task(work)
    await wires.until(task.done)
    return await task


async def contact(who: Messenger, state: str) -> ContactSnapshot | None:
    """The only contact, once it is in that state."""
    found = [row for row in await who.contacts() if row.state == state]
    return found[0] if found else None


async def until_contact(wires: Wires, who: Messenger, state: str) -> ContactSnapshot:
    """Wait for it."""
    await wires.until(lambda: any(r.state == state for r in who._contacts.rows))
    found = await contact(who, state)
    assert found is not None
    return found


async def texts(who: Messenger, room: str) -> list[str]:
    return [message.text for message in await who.history(room)]


def key(who: Messenger) -> str:
    return who._profile.identity_key.hex()


async def test_a_stranger_asks_and_is_accepted(opened: Open) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    wires.connect(ada, bo)
    room = await ada.dm(key(bo), greeting="We met\nat the \x1b[2Jlake")
    await ada.send(room.room, "hello Bo")
    asked = await until_contact(wires, bo, "asking")
    assert (asked.name, asked.greeting) == ("Ada", "We metat the [2Jlake")
    assert await bo.rooms() == [], "nothing of a stranger is entered or fetched"
    entered = await carried(wires, bo.accept_contact("Ada"))
    assert (entered.room, entered.kind, entered.name) == (room.room, "direct", "Ada")
    his = bo._rooms[bytes.fromhex(room.room)]
    await wires.until(lambda: his._counts.last is not None)
    assert await texts(bo, room.room) == ["hello Bo"]
    mine = ada._rooms[bytes.fromhex(room.room)]
    await wires.until(lambda: mine.facts.present_count == 2)
    assert mine.snapshot().name == "Bo"
    [line] = await ada.contacts()
    assert (line.name, line.state, line.room) == ("Bo", "accepted", room.room)
    assert (await ada.dm("Bo")).room == room.room
    assert (await bo.dm("Ada")).room == room.room
    with pytest.raises(UserFacingError, match="does not allow"):
        await bo.invite(room.room)


async def test_who_calls_back_agrees(opened: Open) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    wires.connect(ada, bo)
    room = await ada.dm(key(bo))
    await until_contact(wires, bo, "asking")
    assert (await carried(wires, bo.dm("Ada"))).room == room.room


async def test_two_who_call_each_other_share_one_room(opened: Open) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    for who, other in ((ada, bo), (bo, ada)):
        own = await who.dm(key(other))
        await who.send(own.room, f"from {who._profile.name}")
    wires = Wires()
    wires.connect(ada, bo)
    winner = min((ada, bo), key=key)
    [room] = await winner.rooms()

    def shared() -> bool:
        lines = [
            [line for line in who._rooms.values() if not line.left] for who in (ada, bo)
        ]
        return all(
            len(line) == 1 and line[0].facts.present_count == 2 for line in lines
        )

    await wires.until(shared)
    for who in (ada, bo):
        assert [line.room for line in await who.rooms()] == [room.room]
        mine = who._rooms[bytes.fromhex(room.room)]
        await wires.until(lambda mine=mine: mine._counts.unread == 1)
        assert set(await texts(who, room.room)) == {"from Ada", "from Bo"}


async def test_members_of_a_room_are_called_by_name(opened: Open) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    wires.connect(ada, bo)
    await ada.create_room("Birds")
    await let_in(wires, ada, bo)
    room = await bo.dm("Ada")
    asked = await until_contact(wires, ada, "asking")
    assert asked.identity_key == key(bo)
    assert (await carried(wires, ada.accept_contact("Bo"))).room == room.room
    for wrong, code in (("Nobody", "unknown-person"), (key(bo), "not-allowed")):
        with pytest.raises(UserFacingError) as refused:
            await bo.dm(wrong)
        assert refused.value.code == code


async def test_who_is_declined_or_blocked_hears_nothing(opened: Open) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    wires.connect(ada, bo)
    await ada.dm(key(bo))
    await until_contact(wires, bo, "asking")
    await bo.decline_contact("Ada")
    assert (await until_contact(wires, ada, "calling")).room is not None
    wires.cut(ada, bo)
    wires.connect(ada, bo)
    turns = iter(range(50))
    await wires.until(lambda: next(turns, None) is None)
    assert [row.state for row in await bo.contacts()] == ["declined"]
    await bo.block_contact("Ada")
    assert [row.state for row in await bo.contacts()] == ["blocked"]
    with pytest.raises(UserFacingError, match="blocked Ada"):
        await bo.dm("Ada")
    await bo.unblock_contact(key(ada))
    assert await bo.contacts() == []


async def test_requests_outlive_a_restart(opened: Open) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    room = await ada.dm(key(bo))
    await ada.close()
    ada = await opened("Ada")
    wires = Wires()
    wires.connect(ada, bo)
    await until_contact(wires, bo, "asking")
    wires.cut(ada, bo)
    await bo.close()
    bo = await opened("Bo")
    wires.connect(ada, bo)
    assert (await carried(wires, bo.accept_contact("Ada"))).room == room.room


async def test_too_many_strangers_wait(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "MAX_ASKING", 1)
    monkeypatch.setattr(contacts, "MAX_CALLING", 1)
    ada, bo, cy = [await opened(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    wires.connect(ada, bo)
    await ada.dm(key(bo))
    await until_contact(wires, bo, "asking")
    wires.connect(cy, bo)
    await cy.dm(key(bo))
    turns = iter(range(50))
    await wires.until(lambda: next(turns, None) is None)
    assert [row.name for row in await bo.contacts()] == ["Ada"]
    assert cy._contacts._told == set(), "a later connection is tried again"
    with pytest.raises(UserFacingError, match="not answered yet"):
        await cy.dm(key(ada))


async def test_only_who_proves_it_is_heard(opened: Open) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    profile, called = ada._profile, bo._profile.identity_key
    signable = calls.challenge(called, b"another connection")
    proof = attest_data(profile.proof, profile.device, signable)
    forged = Call(proof, "Ada", "", "covey://x").encode()
    wires = Wires()
    wires.connect(ada, bo)
    peer = next(iter(ada._contacts._peers))
    channel = peer.mux.create_channel(
        calls.PROTOCOL,
        calls.channel_id(called, peer.handshake_hash),
        messages=[None, lambda _: None],
        handshake=b"\x01",
    )
    channel.send(calls.CALL, forged)
    await wires.until(lambda: channel.closed)
    assert await bo.contacts() == []


def test_calls_are_read_as_they_are_written() -> None:
    from tests.unit.app.rooms.people import ADA

    call = Call(replace(ADA.proof, data_signature=b"s" * 64), "Ada", "hi", "covey://x")
    assert calls.decode_call(call.encode()) == call
    for wrong in (b"", call.encode()[:-1], call.encode() + b"x"):
        with pytest.raises(RemoteProtocolError):
            calls.decode_call(wrong)
    long = replace(call, greeting="x" * (calls.MAX_GREETING_BYTES + 1))
    with pytest.raises(RemoteProtocolError):
        calls.decode_call(long.encode())
