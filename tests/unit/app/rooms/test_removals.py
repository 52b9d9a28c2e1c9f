"""Who was removed while it was away hears of that, and by whom, when it comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.errors import UserFacingError
from app.messenger import Messenger
from app.rooms import removals
from app.rooms.operations import Remove
from app.rooms.removals import (
    Evidence,
    check_evidence,
    decode_evidence,
    encode_evidence,
    evidence_of,
)
from app.rooms.roles import Role
from app.rooms.room import Room
from net.errors import RemoteProtocolError
from store.autobase import Place
from tests.unit.app.rooms.conftest import Open
from tests.unit.app.rooms.joined import Wires
from tests.unit.app.rooms.test_exchange import let_in

REMOVED = "You were removed from this room by Ada."


def birds(who: Messenger) -> Room:
    [room] = [it for it in who._rooms.values() if it.name == "Birds"]
    return room


async def three(opened: Open, wires: Wires) -> tuple[Messenger, Messenger, Messenger]:
    """Ada, who began the room, Bo and Cy; everybody is connected."""
    ada, bo, cy = [await opened(name) for name in ("Ada", "Bo", "Cy")]
    await ada.create_room("Birds")
    for first, second in ((ada, bo), (ada, cy), (bo, cy)):
        wires.connect(first, second)
    await let_in(wires, ada, bo)
    await let_in(wires, ada, cy)
    await wires.until(lambda: birds(bo).facts.present_count == 3)
    await ada.send("Birds", "before")
    await wires.until(lambda: birds(bo)._counts.unread == 1)
    return ada, bo, cy


@pytest.mark.parametrize("ban", [False, True])
async def test_who_was_away_hears_of_it_from_anybody(opened: Open, ban: bool) -> None:
    wires = Wires()
    ada, bo, cy = await three(opened, wires)
    wires.cut(ada, bo)
    wires.cut(bo, cy)
    await (ada.ban if ban else ada.kick)("Birds", "Bo")
    await ada.send("Birds", "a secret")
    await wires.until(lambda: birds(cy).facts.present_count == 2)
    wires.cut(ada, cy)

    wires.connect(bo, cy)
    await wires.until(lambda: bool(birds(bo).facts.farewell))
    what = "You were banned from this room by Ada." if ban else REMOVED
    [seen] = await bo.rooms()
    assert (seen.farewell, seen.can_write, seen.members) == (what, False, 2)
    with pytest.raises(UserFacingError) as told:
        await bo.send("Birds", "am I here?")
    assert (told.value.code, told.value.sentence) == ("not-a-member", what)
    with pytest.raises(UserFacingError) as told:
        await bo.invite("Birds")
    assert told.value.code == "not-a-member"
    await wires.until(lambda: not birds(bo).online)
    assert [it.text for it in await bo.history("Birds")] == ["before"]


async def test_it_is_known_after_a_restart_and_over_when_let_in_again(
    opened: Open,
) -> None:
    wires = Wires()
    ada, bo, cy = await three(opened, wires)
    wires.cut(ada, bo)
    wires.cut(bo, cy)
    await ada.kick("Birds", "Bo")
    wires.connect(ada, bo)
    await wires.until(lambda: birds(bo).facts.farewell == REMOVED)
    wires.cut(ada, bo)
    await bo.close()
    bo = await opened("Bo")
    assert (await bo.rooms())[0].farewell == REMOVED

    await ada.send("Birds", "while you were out")
    wires.connect(ada, bo)
    await let_in(wires, ada, bo)
    [seen] = await bo.rooms()
    assert (seen.farewell, seen.members) == ("", 3)
    await bo.send("Birds", "back again")
    await wires.until(lambda: birds(ada)._counts.unread == 1)
    # The rules know of it themselves now: nothing more is kept aside.
    await bo.close()
    bo = await opened("Bo")
    assert (await bo.rooms())[0].can_write
    texts = [it.text for it in await bo.history("Birds")]
    assert texts == ["before", "while you were out", "back again"]


async def forged(opened: Open, wires: Wires) -> tuple[Messenger, Messenger, Evidence]:
    """Bo, a member, writes that Ada is out, which means nothing."""
    ada, bo, cy = await three(opened, wires)
    for first, second in ((ada, bo), (ada, cy), (bo, cy)):
        wires.cut(first, second)
    room, identity = birds(bo), ada._profile.identity_key
    await bo.send("Birds", "something before")
    written = await room.write(lambda _: Remove(identity, ()))
    place = Place(0, room.device, written.sequence)
    return ada, bo, await evidence_of(room, place)


async def test_a_junior_alone_puts_nobody_out(opened: Open) -> None:
    wires = Wires()
    ada, bo, shown = await forged(opened, wires)
    mine, data = birds(ada), encode_evidence(shown)
    await mine.removal_told(birds(bo).device, data)
    await mine.removal_told(b"n" * 32, data)
    assert (mine.facts.farewell, mine.is_member) == ("", True)

    # Two may know of a rank that has not come here; the act itself ends the doubt.
    [cy] = {it for it in mine.facts.devices if mine.facts.member_of(it).name == "Cy"}  # type: ignore[union-attr]
    await mine.removal_told(cy, data)
    assert mine.facts.farewell == "You were removed from this room by Bo."
    assert not mine.is_member
    with pytest.raises(UserFacingError):
        await ada.send("Birds", "hello?")
    wires.connect(ada, bo)
    await wires.until(lambda: mine.is_member)
    assert mine.facts.farewell == ""
    await ada.send("Birds", "still here")
    await mine.removal_told(cy, data)
    assert mine.is_member, "what is here is judged by the rules alone"


async def test_only_what_stands_in_the_log_is_evidence(opened: Open) -> None:
    ada, bo, shown = await forged(opened, Wires())
    row = birds(ada).row
    people = {"identity": ada._profile.identity_key}
    keys = {"room": row.room, "room_key": row.key}
    assert check_evidence(shown, **keys, **people).sequence == shown.sequence
    assert decode_evidence(encode_evidence(shown)) == shown
    block, last = shown.block, shown.siblings[-1]
    for false in (
        shown._replace(writer=birds(ada).device),
        shown._replace(sequence=shown.sequence - 1),
        shown._replace(block=block[:-1] + bytes((block[-1] ^ 1,))),
        shown._replace(block_key=b"k" * 32),
        shown._replace(length=shown.length + 1),
        shown._replace(roots=shown.roots[:-1]),
        shown._replace(signature=bytes(len(shown.signature))),
        shown._replace(siblings=(*shown.siblings[:-1], (last[0], b"h" * 32))),
        shown._replace(siblings=shown.siblings[:-1]),
    ):
        with pytest.raises(RemoteProtocolError):
            check_evidence(false, **keys, **people)
    with pytest.raises(RemoteProtocolError):
        check_evidence(shown, **keys, identity=bo._profile.identity_key)
    await birds(ada).removal_told(birds(bo).device, b"nonsense")
    assert birds(ada).is_member


@pytest.mark.parametrize("field", ["length", "sequence", "siblings", "roots"])
async def test_evidence_is_bounded(field: str) -> None:
    many = ((1, b"h" * 32),) * (removals.MAX_NODES + 1)
    one = Evidence(b"w" * 32, 1, b"block", b"k" * 32, 2, (), b"s", ())
    assert decode_evidence(encode_evidence(one)) == one
    value: Any = 1 << 40 if field in ("length", "sequence") else many
    with pytest.raises(RemoteProtocolError) as told:
        decode_evidence(encode_evidence(one._replace(**{field: value})))
    assert told.value.code == "too-large"


async def test_the_only_owner_stays_one(opened: Open) -> None:
    wires = Wires()
    ada, bo, _ = await three(opened, wires)
    with pytest.raises(UserFacingError) as told:
        await ada.set_role("Birds", "Ada", "admin")
    assert told.value.code == "only-owner"
    await ada.set_role("Birds", "Bo", "owner")
    await ada.set_role("Birds", "Ada", "admin")
    identity = ada._profile.identity_key
    await wires.until(lambda: birds(bo).facts.members[identity].role is Role.ADMIN)
    with pytest.raises(UserFacingError):
        await bo.set_role("Birds", "Bo", "member")


async def test_who_left_on_another_device_is_not_told_of_others(opened: Open) -> None:
    """A farewell is an act of one's own: it needs no sentence about somebody else."""
    wires = Wires()
    ada, bo, _ = await three(opened, wires)
    room = birds(ada)
    leaving = asyncio.create_task(bo.leave("Birds"))
    await wires.until(leaving.done)
    await wires.until(lambda: room.facts.present_count == 2)
    assert room.facts.farewell == ""
