"""Who holds a message, and how it comes to the others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from app.messenger import Messenger
from app.rooms import hearing, ledger
from app.rooms.facts import DeviceFact, MemberFact, RoomFacts
from app.rooms.ledger import Known, Tally, delivery, most
from app.rooms.roles import Kind, Role
from app.snapshots import DeliverySnapshot
from tests.unit.app.rooms.conftest import Open
from tests.unit.app.rooms.joined import Wires
from tests.unit.app.rooms.test_exchange import let_in

ADA1, ADA2, BO1, BO2, CY1, OUT = (bytes([number]) * 32 for number in range(1, 7))


def room(people: Mapping[str, tuple[bytes, ...]]) -> RoomFacts:
    """A room of these people with these devices; one device is nobody's any more."""
    members = {
        name.encode(): MemberFact(name.encode(), name, Role.MEMBER, devices, True)
        for name, devices in people.items()
    }
    gone = MemberFact(b"Gone", "Gone", Role.MEMBER, (), False)
    facts = {
        device: DeviceFact(key, present=True, wanted_length=None)
        for key, member in members.items()
        for device in member.devices
    }
    facts[OUT] = DeviceFact(b"Gone", present=False, wanted_length=0)
    return RoomFacts(
        Kind.GROUP, "Birds", members={**members, b"Gone": gone}, devices=facts
    )


PEOPLE = {"Ada": (ADA1, ADA2), "Bo": (BO1, BO2), "Cy": (CY1,)}


def told(
    lengths: dict[bytes, int], *online: bytes, people: Mapping[str, tuple[bytes, ...]]
) -> DeliverySnapshot:
    """What Ada's first device tells of its own entry of number 4."""
    known = Known(ADA1, 4, lengths, frozenset(online))
    return delivery(room(people), known, own=ADA1, room="00", id="11")


def sentences(found: DeliverySnapshot) -> dict[str, str]:
    return {member.name: member.sentence for member in found.members}


def test_only_who_is_known_to_hold_it_is_told_to() -> None:
    found = told({BO1: 5, CY1: 4}, people=PEOPLE)
    assert (found.holding, found.devices) == (2, 5)
    assert found.sentence == "On 2 of 5 devices."
    assert sentences(found) == {
        "Ada": "You have it on 1 of 2 devices; the others get it when they are online.",
        "Bo": "Bo has it on 1 of 2 devices; the others get it when they are online.",
        "Cy": "It reaches Cy when Cy is online together with you or Bo.",
    }
    states = {
        device.device_key: device.state
        for member in found.members
        for device in member.devices
    }
    assert states == {
        ADA1.hex(): "holds",
        ADA2.hex(): "waiting",
        BO1.hex(): "holds",
        BO2.hex(): "waiting",
        CY1.hex(): "waiting",
    }


def test_who_is_online_brings_it_and_gets_it() -> None:
    found = told({BO1: 5, BO2: 9}, BO1, people=PEOPLE)
    assert sentences(found)["Bo"] == "Bo has it on all 2 devices."
    assert sentences(found)["Cy"] == (
        "It reaches Cy when Cy is online: you and Bo can bring it."
    )
    [cy] = [member for member in found.members if member.name == "Cy"]
    assert (cy.brought_by, cy.waits_for) == (("Bo",), ())
    found = told({}, CY1, people=PEOPLE)
    assert sentences(found)["Cy"] == "It is on its way to Cy."
    # Cy lacks it, gets it from here, and may then meet Bo.
    assert sentences(found)["Bo"] == (
        "It reaches Bo when Bo is online: you and Cy can bring it."
    )
    found = told({}, BO1, people=PEOPLE)
    assert sentences(found)["Bo"] == "It is on its way to 1 of 2 devices of Bo."
    found = told({BO2: 5}, BO1, people=PEOPLE)
    assert sentences(found)["Bo"] == (
        "Bo has it on 1 of 2 devices; it is on its way to the others."
    )


def test_who_is_out_neither_counts_nor_brings() -> None:
    found = told({OUT: 5}, OUT, people={"Ada": (ADA1,), "Cy": (CY1,)})
    assert (found.holding, found.devices) == (1, 2)
    assert sentences(found) == {
        "Ada": "You have it.",
        "Cy": "It reaches Cy when Cy is online together with you.",
    }


def test_the_author_holds_what_others_were_not_told() -> None:
    known = Known(CY1, 0, {}, frozenset())
    found = delivery(room(PEOPLE), known, own=ADA1, room="00", id="11")
    assert sentences(found)["Cy"] == "Cy has it."
    assert sentences(found)["Bo"] == (
        "It reaches Bo when Bo is online together with you or Cy."
    )


def test_crowds_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MAX_MEMBERS_TOLD", 3)
    people = {"Ada": (ADA1,), "Zoe" * 50: (b"z" * 32,)}
    people |= {f"Bo{number}": (bytes([100 + number]) * 32,) for number in range(6)}
    holding = {device: 5 for (device,) in people.values() if device[0] > 100}
    found = told(holding, people=people)
    assert (found.holding, found.devices) == (7, 8)
    assert (len(found.members), found.left_out) == (3, 5)
    assert found.members[0].name == "Bo0", "who lacks it comes first"
    assert found.members[0].sentence == (
        "It reaches Bo0 when Bo0 is online together with"
        " you, Bo1, Bo2, Bo3 or 3 others."
    )
    assert len(found.members[0].waits_for) == ledger.MAX_NAMED + 1
    long = told(
        {b"z" * 32: 5}, people={"Ada": (ADA1,), "Z" * 99: (b"z" * 32,), "Xi": (CY1,)}
    )
    [xi] = [member for member in long.members if member.name == "Xi"]
    assert [len(name) for name in xi.waits_for] == [ledger.MAX_NAME_CHARS]


def test_lengths_are_counted_as_one_by_one() -> None:
    lengths = {ADA2: 1, BO1: 3, BO2: 3, CY1: 0}
    for sequence in range(5):
        expected = sum(length > sequence for length in lengths.values())
        assert Tally(lengths.values()).count(sequence) == expected
    assert most({ADA1: 1, BO1: 5}, {ADA1: 2, BO1: 3, CY1: 0}) == {ADA1: 2, BO1: 5}


async def ask(who: Messenger, id: str) -> dict[str, str]:
    """The sentence for each member, as somebody is told them."""
    return sentences(await who.delivery("Birds", id))


async def test_a_message_is_known_to_arrive_where_nobody_went_together(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "MIN_PAUSE_S", 0.01)
    wires = Wires()
    ada, bo, cy = [await opened(name) for name in ("Ada", "Bo", "Cy")]
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await let_in(wires, ada, bo)
    wires.connect(ada, cy)
    await let_in(wires, ada, cy)
    mine, his, hers = (next(iter(x._rooms.values())) for x in (ada, bo, cy))
    await wires.until(lambda: his.facts.present_count == 3)
    wires.cut(ada, cy)
    wires.cut(ada, bo)

    first = await ada.send("Birds", "who carries it?")
    assert first.delivered_to == 0
    assert await ask(ada, first.id) == {
        "Ada": "You have it.",
        "Bo": "It reaches Bo when Bo is online together with you.",
        "Cy": "It reaches Cy when Cy is online together with you.",
    }
    wires.connect(ada, bo)
    waiting = asyncio.create_task(ada.wait_delivered("Birds", first.id, timeout_s=60))
    await wires.until(waiting.done)
    assert await ask(ada, first.id[:8]) == {
        "Ada": "You have it.",
        "Bo": "Bo has it.",
        "Cy": "It reaches Cy when Cy is online: you and Bo can bring it.",
    }
    # Of what somebody else wrote the ledger tells as well.
    await wires.until(
        lambda: his._counts.last is not None and his._counts.last.id.hex() == first.id
    )
    assert (await bo.delivery("Birds", first.id)).holding == 2
    wires.cut(ada, bo)
    assert await ask(ada, first.id) == {
        "Ada": "You have it.",
        "Bo": "Bo has it.",
        "Cy": "It reaches Cy when Cy is online together with you or Bo.",
    }

    # Bo meets Cy, and later Ada: what Cy signed to have seen says enough.
    wires.connect(bo, cy)
    author, number = mine.device, mine.heads[mine.device].length

    def heard_at_bo() -> bool:
        assert his._view is not None
        return his._view.holders(author).get(hers.device, 0) >= number

    await wires.until(heard_at_bo)
    wires.cut(bo, cy)
    wires.connect(ada, bo)
    await wires.until(lambda: mine.receipts.held.get(hers.device, 0) >= number)
    assert (await ask(ada, first.id))["Cy"] == "Cy has it."
    [again] = await ada.history("Birds")
    assert again.delivered_to == 2
    # It is known after a start, too, though Cy never told Ada.
    wires.cut(ada, bo)
    await ada.close()
    ada = await opened("Ada")
    assert (await ask(ada, first.id))["Cy"] == "Cy has it."
    [again] = await ada.history("Birds")
    assert again.delivered_to == 2


async def test_connected_devices_tell_what_they_hold_of_others(opened: Open) -> None:
    wires = Wires()
    ada, bo, cy = [await opened(name) for name in ("Ada", "Bo", "Cy")]
    await ada.create_room("Birds")
    for guest in (bo, cy):
        wires.connect(ada, guest)
        await let_in(wires, ada, guest)
    wires.connect(bo, cy)
    his, hers = (next(iter(x._rooms.values())) for x in (bo, cy))
    await wires.until(lambda: hers.device in his.online)
    said = await ada.send("Birds", "who has heard?")
    mine = next(iter(ada._rooms.values()))
    author, number = mine.device, mine.heads[mine.device].length
    listener = his.listener
    assert listener is not None
    await wires.until(lambda: listener.told(author).get(hers.device, 0) >= number)
    await wires.until(
        lambda: his._counts.last is not None and his._counts.last.id.hex() == said.id
    )
    # Nobody has acknowledged it in a log yet.
    assert his._view is not None
    assert his._view.holders(author)[hers.device] < number
    assert set((await ask(bo, said.id)).values()) == {
        "Ada has it.",
        "You have it.",
        "Cy has it.",
    }
    wires.cut(bo, cy)
    assert (await ask(bo, said.id))["Cy"].startswith("It reaches Cy when")


async def test_a_reader_of_a_broadcast_room_says_what_it_heard(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "MIN_PAUSE_S", 0.01)
    wires = Wires()
    ada, bo, cy = [await opened(name) for name in ("Ada", "Bo", "Cy")]
    await ada.create_room("Birds", kind="broadcast")
    for guest in (bo, cy):
        wires.connect(ada, guest)
        link = await ada.invite("Birds", role="reader")
        joining = asyncio.create_task(guest.join(link, timeout_s=60))
        await wires.until(joining.done)
        assert not (await joining).can_write
    mine, his, hers = (next(iter(x._rooms.values())) for x in (ada, bo, cy))
    await wires.until(lambda: his.facts.present_count == 3)
    wires.cut(ada, cy)
    said = await ada.send("Birds", "news")
    number = mine.heads[mine.device].length
    await wires.until(lambda: mine.receipts.held.get(his.device, 0) >= number)
    wires.cut(ada, bo)
    wires.connect(bo, cy)
    await wires.until(
        lambda: hers._counts.last is not None and hers._counts.last.id.hex() == said.id
    )

    def heard_at_bo() -> bool:
        assert his._view is not None
        return his._view.holders(mine.device).get(hers.device, 0) >= number

    await wires.until(heard_at_bo)
    wires.connect(ada, bo)
    await wires.until(lambda: mine.receipts.held.get(hers.device, 0) >= number)
    assert set((await ask(ada, said.id)).values()) == {
        "You have it.",
        "Bo has it.",
        "Cy has it.",
    }
    assert set((await ask(cy, said.id)).values()) == {
        "Ada has it.",
        "Bo has it.",
        "You have it.",
    }


async def test_what_others_hold_is_known_after_a_start(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "MIN_PAUSE_S", 0.01)
    wires = Wires()
    ada, bo = await opened("Ada"), await opened("Bo")
    wires.connect(ada, bo)
    await ada.create_room("Birds")
    await let_in(wires, ada, bo)
    said = await bo.send("Birds", "mine")
    [here], [there] = ada._rooms.values(), bo._rooms.values()
    number = there.heads[there.device].length
    await wires.until(lambda: there.receipts.held.get(here.device, 0) >= number)
    await wires.until(
        lambda: here._counts.last is not None and here._counts.last.id.hex() == said.id
    )

    def acknowledged() -> bool:
        assert there._view is not None
        return there._view.holders(there.device).get(here.device, 0) >= number

    await wires.until(acknowledged)
    wires.cut(ada, bo)
    await bo.close()
    again = await opened("Bo")
    [message] = await again.history("Birds")
    assert message.delivered_to == 1
    assert (await ask(again, said.id)) == {"Ada": "Ada has it.", "Bo": "You have it."}
