"""Two devices of one person, and friends of that person, over wires."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.devices.founding import founding_block
from app.errors import UserFacingError
from app.messenger import Messenger
from app.rooms.guest import Guest
from app.rooms.invitations import decode_link, decode_request
from net.crypto import blake2b_256
from tests.unit.app.devices.conftest import People


def room_names(who: Messenger) -> list[str]:
    return sorted(r.facts.name for r in who._rooms.values() if not r.left)


def last_text(who: Messenger, room: str) -> str:
    last = who._find(room)._counts.last
    return last.text if last is not None else ""


async def join(people: People, host: Messenger, guest: Messenger, room: str) -> None:
    """Let somebody into a room over their connection."""
    link = await host.invite(room)
    joining = asyncio.create_task(guest.join(link))
    await people.wires.until(joining.done)
    await joining


def inside(who: Messenger, room: str) -> int:
    """How many devices of this person are in a room, as far as known here."""
    found = who._find(room)
    me = found.facts.member_of(who._profile.device.public_key)
    return len(me.devices) if me is not None and me.present else 0


async def test_a_linked_device_is_the_same_person_in_every_room(people: People) -> None:
    ada = await people.open("Ada")
    await ada.create_room("Birds")
    bo = await people.open("Bo")
    people.wires.connect(ada, bo)
    await join(people, ada, bo, "Birds")
    await ada.send("Birds", "before")
    phone = await people.linked(ada, "Phone")
    await people.wires.until(lambda: room_names(phone) == ["Birds"])
    await people.wires.until(lambda: inside(phone, "Birds") == 2)
    await people.wires.until(lambda: phone._find("Birds")._counts.last is not None)
    await phone.send("Birds", "from the phone")
    people.wires.connect(phone, bo)
    await people.wires.until(lambda: bo._find("Birds")._counts.unread == 2)
    heard = await bo.history("Birds")
    mine = (await ada.profile()).identity_key
    assert [(m.text, m.author, m.author_name) for m in heard] == [
        ("before", mine, "Ada"),
        ("from the phone", mine, "Ada"),
    ]
    await people.wires.until(lambda: last_text(ada, "Birds") == "from the phone")
    assert [m.mine for m in await ada.history("Birds")] == [True, True]
    assert [m.mine for m in await phone.history("Birds")] == [True, True]
    members = await bo.members("Birds")
    assert [(m.name, m.devices) for m in members] == [("Ada", 2), ("Bo", 1)]
    listed = await ada.devices()
    assert [(d.me, d.online, d.revoked) for d in listed] == [
        (True, True, False),
        (False, True, False),
    ]
    assert listed[1].name == "Phone"
    with pytest.raises(UserFacingError) as caught:
        await phone.recovery_phrase()
    assert caught.value.code == "no-phrase"


async def test_rooms_that_come_and_go_follow_on_the_other_device(
    people: People,
) -> None:
    ada = await people.open("Ada")
    phone = await people.linked(ada, "Phone")
    await people.wires.until(lambda: phone._devices.room.is_member)  # type: ignore[union-attr]
    bo = await people.open("Bo")
    await bo.create_room("Cats")
    people.wires.connect(phone, bo)
    await join(people, bo, phone, "Cats")
    await ada.create_room("Dogs")
    await people.wires.until(
        lambda: room_names(ada) == room_names(phone) == ["Cats", "Dogs"]
    )
    await people.wires.until(lambda: inside(ada, "Cats") == 2)
    await people.wires.until(lambda: inside(phone, "Dogs") == 2)
    leaving = asyncio.create_task(phone.leave("Cats"))
    await people.wires.until(leaving.done)
    await people.wires.until(lambda: room_names(ada) == ["Dogs"])
    await people.wires.until(lambda: bo._find("Cats").facts.present_count == 1)


async def test_a_revoked_device_is_told_and_hears_nothing_new(people: People) -> None:
    ada = await people.open("Ada")
    await ada.create_room("Birds")
    phone = await people.linked(ada, "Phone")
    await people.wires.until(lambda: room_names(phone) == ["Birds"])
    await people.wires.until(lambda: inside(phone, "Birds") == 2)
    epochs = ada._find("Birds").facts.epoch, ada._devices.room.facts.epoch  # type: ignore[union-attr]
    revoking = asyncio.create_task(ada.revoke_device("Phone"))
    await people.wires.until(revoking.done)
    await revoking
    await people.wires.until(lambda: phone._devices.revoked)
    assert "revoked" in (await phone.profile()).warning
    assert inside(ada, "Birds") == 1
    await people.wires.until(lambda: phone._find("Birds").facts.farewell != "")
    with pytest.raises(UserFacingError) as caught:
        await phone.send("Birds", "still here?")
    assert caught.value.sentence == (
        "Another of your devices took this device out of this room."
    )
    now = ada._find("Birds").facts.epoch, ada._devices.room.facts.epoch  # type: ignore[union-attr]
    assert epochs[0] != now[0]
    assert epochs[1] != now[1]
    await ada.send("Birds", "secret")
    people.wires.cut(ada, phone)
    people.wires.connect(ada, phone)
    bo = await people.open("Bo")
    people.wires.connect(ada, bo)
    await join(people, ada, bo, "Birds")
    assert [m.text for m in await phone.history("Birds")] == []
    assert [d.revoked for d in await ada.devices()] == [False, True]
    for call in (phone.link_device(), phone.revoke_device("Ada")):
        with pytest.raises(UserFacingError) as caught:
            await call
        assert caught.value.code == "revoked"


async def test_the_words_bring_everything_back(people: People) -> None:
    ada = await people.open("Ada")
    await ada.create_room("Birds")
    await ada.send("Birds", "one")
    again = await people.open("Again", phrase=await ada.recovery_phrase())
    assert (await again.profile()).identity_key == (await ada.profile()).identity_key
    people.wires.connect(ada, again)
    await people.wires.until(lambda: room_names(again) == ["Birds"])
    await people.wires.until(lambda: inside(again, "Birds") == 2)
    await people.wires.until(lambda: again._find("Birds")._counts.last is not None)
    assert [m.text for m in await again.history("Birds")] == ["one"]
    await again.send("Birds", "two")
    await people.wires.until(lambda: last_text(ada, "Birds") == "two")
    assert len(await ada.devices()) == len(await again.devices()) == 2


async def test_the_words_find_a_device_that_another_one_linked(people: People) -> None:
    """The linked device does not know the words; the first one is gone."""
    ada = await people.open("Ada")
    await ada.create_room("Birds")
    phrase = await ada.recovery_phrase()
    phone = await people.linked(ada, "Phone")
    await people.wires.until(
        lambda: inside(phone, "Birds") == 2 if room_names(phone) else False
    )
    people.wires.cut(ada, phone)
    await people.close(ada)
    again = await people.open("Again", phrase=phrase)
    people.wires.connect(phone, again)
    await people.wires.until(lambda: room_names(again) == ["Birds"])
    await people.wires.until(lambda: inside(again, "Birds") == 3)
    assert len(await again.devices()) == 3


async def test_what_was_read_on_one_device_is_read_on_the_other(people: People) -> None:
    ada = await people.open("Ada")
    await ada.create_room("Birds")
    bo = await people.open("Bo")
    people.wires.connect(ada, bo)
    await join(people, ada, bo, "Birds")
    phone = await people.linked(ada, "Phone")
    await people.wires.until(
        lambda: inside(phone, "Birds") == 2 if room_names(phone) else False
    )
    for text in ("one", "two", "three"):
        await bo.send("Birds", text)
    await people.wires.until(
        lambda: (
            ada._find("Birds")._counts.unread
            == phone._find("Birds")._counts.unread
            == 3
        )
    )
    second = (await phone.history("Birds"))[1]
    await phone.mark_read("Birds", up_to=second.id)
    await people.wires.until(lambda: ada._find("Birds")._counts.unread == 1)
    await ada.mark_read("Birds")
    await people.wires.until(lambda: phone._find("Birds")._counts.unread == 0)
    # What was read before is no news, and nothing is unread again.
    await bo.send("Birds", "four")
    await people.wires.until(lambda: phone._find("Birds")._counts.unread == 1)


async def states(who: Messenger) -> dict[str, str]:
    return {row.identity_key: row.state for row in await who.contacts()}


async def test_contacts_and_blocks_are_the_same_on_all_devices(people: People) -> None:
    ada = await people.open("Ada")
    await ada.create_room("Birds")
    bo, cy = await people.open("Bo"), await people.open("Cy")
    for friend in (bo, cy):
        people.wires.connect(ada, friend)
        await join(people, ada, friend, "Birds")
    keys = [(await friend.profile()).identity_key for friend in (bo, cy)]
    await ada.block_contact("Bo")
    phone = await people.linked(ada, "Phone")
    rows = phone._contacts
    await people.wires.until(lambda: [r.state for r in rows.rows] == ["blocked"])
    assert await states(phone) == {keys[0]: "blocked"}
    await people.wires.until(lambda: inside(phone, "Birds") == 2)
    await people.wires.until(lambda: phone._find("Birds").facts.present_count == 3)
    await phone.block_contact("Cy")
    await people.wires.until(lambda: len(ada._contacts.rows) == 2)
    assert await states(ada) == dict.fromkeys(keys, "blocked")
    await ada.unblock_contact("Bo")
    await people.wires.until(lambda: len(rows.rows) == 1)
    assert await states(phone) == {keys[1]: "blocked"}
    # Nothing of it comes back after a restart.
    people.wires.cut(ada, phone)
    await people.close(phone)
    phone = await people.open("Phone")
    people.wires.connect(ada, phone)
    await people.wires.until(lambda: bool(phone._devices.records.people))
    assert await states(phone) == {keys[1]: "blocked"}


async def test_a_new_name_and_picture_are_seen_everywhere(
    people: People, tmp_path: Path
) -> None:
    ada = await people.open("Ada")
    await ada.create_room("Birds")
    bo = await people.open("Bo")
    people.wires.connect(ada, bo)
    await join(people, ada, bo, "Birds")
    phone = await people.linked(ada, "Phone")
    await people.wires.until(lambda: room_names(phone) == ["Birds"])
    picture = tmp_path / "me.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    told = await ada.set_profile(name=" Ada  L. ", picture=str(picture))
    assert told.name == "Ada L."
    mine = bytes.fromhex(told.identity_key)
    facts = bo._find("Birds")
    await people.wires.until(lambda: facts.facts.members[mine].name == "Ada L.")
    known = await facts._transact(lambda _, view: view.law.members[mine].picture_hash)
    assert known == blake2b_256(picture.read_bytes())
    await people.wires.until(lambda: phone._profile.name == "Ada L.")
    # What a device says of itself to strangers, who find it in no room, is that too.
    link = decode_link(await ada.invite("Birds"))
    asked = Guest(link, phone._profile, entropy=bytes)
    assert decode_request(asked.candidate.request.user_data).name == "Ada L."
    asked.close()
    await people.close(phone)
    phone = await people.open("Phone")
    assert (await phone.profile()).name == "Ada L."
    people.wires.connect(ada, phone)
    # A room that comes later is told as well.
    await phone.create_room("Cats")
    cats = phone._find("Cats")
    await people.wires.until(lambda: cats.facts.members[mine].name == "Ada L.")
    picture.write_bytes(b"GIF89a")
    for wrong, code in ((str(picture), "bad-picture"), ("/nowhere", "file")):
        with pytest.raises(UserFacingError) as caught:
            await ada.set_profile(picture=wrong)
        assert caught.value.code == code


async def test_both_sides_see_the_same_safety_number(people: People) -> None:
    ada = await people.open("Ada")
    await ada.create_room("Birds")
    bo = await people.open("Bo")
    people.wires.connect(ada, bo)
    await join(people, ada, bo, "Birds")
    number = await ada.safety_number("Bo")
    assert number == await bo.safety_number("Ada")
    assert len(number.split()) == 12
    assert sum(c.isdigit() for c in number) == 60
    assert number != await ada.safety_number("11" * 32)


async def test_a_link_is_for_one_device(people: People) -> None:
    ada = await people.open("Ada")
    link = await ada.link_device()
    waiting = asyncio.create_task(ada.wait_linked(link))
    first = await people.open("First", fresh=True)
    people.wires.connect(ada, first)
    joining = asyncio.create_task(first.join_device(link))
    await people.wires.until(lambda: joining.done() and waiting.done())
    assert (await waiting).key == (await joining).device_key
    second = await people.open("Second", fresh=True)
    people.wires.connect(ada, second)
    trying = asyncio.create_task(second.join_device(link, timeout_s=0.5))
    await people.wires.until(trying.done)
    with pytest.raises(UserFacingError) as caught:
        await trying
    assert caught.value.code == "nobody-online"
    assert len(await ada.devices()) == 2


async def test_nobodys_profile_is_linked_and_somebodys_is_not(people: People) -> None:
    ada, bo = await people.open("Ada"), await people.open("Bo")
    fresh = await people.open("Fresh", fresh=True)
    link = await ada.link_device()
    for asked, code in (
        (bo.join_device(link), "not-fresh"),
        (fresh.join_device("covey-device://what"), "bad-link"),
        (fresh.link_device(), "not-linked"),
        (fresh.devices(), "not-linked"),
        (ada.revoke_device("nobody"), "unknown-device"),
        (bo.wait_linked(link), "expired-link"),
    ):
        with pytest.raises(UserFacingError) as caught:
            await asked
        assert caught.value.code == code


async def test_everybody_who_knows_the_words_makes_the_same_first_block(
    people: People,
) -> None:
    ada = await people.open("Ada")
    phrase = await ada.recovery_phrase()
    block = founding_block(phrase)
    assert block == founding_block(phrase)
    again = await people.open("Again", phrase=phrase)
    founder = ada._profile.personal_founder
    rooms = [who._devices.room for who in (ada, again)]
    heads = [room.heads[founder] for room in rooms if room is not None]
    assert len(heads) == 2
    assert heads[0] == heads[1]
    assert heads[0].length == 1
    people.wires.connect(ada, again)
    await people.wires.until(lambda: len(again._devices.records.devices) == 2)
    assert not any(
        head.forked for room in rooms if room for head in room.heads.values()
    )


async def test_a_device_revoked_while_it_was_away_is_told(people: People) -> None:
    ada = await people.open("Ada")
    await ada.create_room("Birds")
    phone = await people.linked(ada, "Phone")
    await people.wires.until(lambda: room_names(phone) == ["Birds"])
    await people.wires.until(lambda: inside(phone, "Birds") == 2)
    people.wires.cut(ada, phone)
    await ada.revoke_device("Phone")
    await ada.create_room("Cats")
    assert (await phone.profile()).warning == phone._profile.warning
    people.wires.connect(ada, phone)
    await people.wires.until(lambda: phone._devices.warning != "")
    assert "revoked" in (await phone.profile()).warning
    assert room_names(phone) == ["Birds"]
    assert ada._devices.warning == ""
