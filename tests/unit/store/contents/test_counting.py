"""Unread, mentioned, and news for the search."""

from __future__ import annotations

import pytest

from app.rooms.operations.contents import Edit, Message, React
from store import contents
from tests.unit.store.contents.said import (
    ADA,
    BO,
    CY,
    PEOPLE,
    PHONE,
    Room,
    delete,
    messages,
)

ME = PEOPLE[ADA]


@pytest.fixture
def room() -> Room:
    return Room()


def counted(room: Room) -> tuple[int, int]:
    found = contents.counts(room.connection, room.row, me=ME)
    return found.unread, found.mentions


def read(room: Room, up_to: bytes | None = None) -> bool:
    return contents.mark_read(room.connection, room.row, up_to=up_to)


def test_an_empty_room(room: Room) -> None:
    found = contents.counts(room.connection, room.row, me=ME)
    assert (found.unread, found.mentions, found.last) == (0, 0, None)
    assert not read(room)


def test_what_others_wrote_is_unread_until_it_is_read(room: Room) -> None:
    messages(room, 2)
    messages(room, 1, device=PHONE)
    ids = messages(room, 3, device=BO)
    assert counted(room) == (3, 0)
    assert read(room, ids[1])
    assert counted(room) == (1, 0)
    # Another device may have read less.
    assert not read(room, ids[0])
    assert not read(room, b"?" * 32)
    assert counted(room) == (1, 0)
    assert read(room)
    assert counted(room) == (0, 0)
    assert not read(room)


def test_what_arrives_late_is_unread_wherever_it_stands(room: Room) -> None:
    early = room.entry(CY, Message("early"), clock=1)
    messages(room, 3, device=BO)
    read(room)
    room.put(CY, [early])
    assert counted(room) == (1, 0)
    last = contents.counts(room.connection, room.row, me=ME).last
    assert last is not None
    assert last.text == "2"


def test_hidden_deleted_and_expired_ones_are_not_unread(room: Room) -> None:
    ids = messages(room, 5, device=BO)
    room.say(BO, React(ids[0], "x", on=True))
    assert counted(room) == (5, 0)
    room.hide(BO, 0)
    assert counted(room) == (4, 0)
    room.say(BO, delete(ids[1]))
    assert counted(room) == (3, 0)
    contents.expire(room.connection, [room.message(ids[2]).number])
    assert counted(room) == (2, 0)


def test_mentions_are_counted_by_what_is_read_now(room: Room) -> None:
    named = [
        room.say(BO, Message("x", mentions=(PEOPLE[CY], ME))),
        room.say(BO, Message("x", mentions=(ME, ME))),
        room.say(BO, Message("x", mentions=(PEOPLE[CY],))),
        room.say(BO, Message("x")),
    ]
    room.say(PHONE, Message("to myself", mentions=(ME,)))
    assert counted(room) == (4, 2)
    room.say(BO, Edit(named[0], "nobody"))
    room.say(BO, Edit(named[3], "you", (ME,)))
    room.say(BO, Edit(named[2], "you", (ME,)))
    assert counted(room) == (4, 3)
    room.say(BO, delete(named[1], named[2]))
    assert counted(room) == (2, 1)
    read(room, named[0])
    assert counted(room) == (1, 1)


def test_a_key_across_two_mentions_is_none(room: Room) -> None:
    """A name made of the halves of two others calls nobody."""
    straddling = (b"." * 16 + ME[:16], ME[16:] + b"." * 16)
    room.say(BO, Message("x", mentions=straddling))
    assert counted(room) == (1, 0)


def test_counting_ends(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.contents.counting.MAX_COUNTED", 3)
    monkeypatch.setattr("store.contents.counting.MAX_MENTIONS_COUNTED", 2)
    for _ in range(5):
        room.say(BO, Message("x", mentions=(ME,)))
    assert counted(room) == (3, 2)


def test_new_ones_are_found_by_their_arrival(room: Room) -> None:
    other = Room(room.connection, room=b"s" * 32)
    messages(room, 2)
    messages(other, 1)
    messages(room, 1, device=BO)
    room.hide(ADA, 0)
    found = contents.arrived(room.connection, room.row, after=0, limit=9)
    assert [(row.number, row.shown) for row in found] == [
        (1, False),
        (2, True),
        (4, True),
    ]
    found = contents.arrived(room.connection, room.row, after=1, limit=1)
    assert [row.number for row in found] == [2]
    assert {row.room for row in found} == {room.row}


def changes(room: Room) -> list[tuple[bytes, str]]:
    found = contents.changed(room.connection, limit=99)
    return [(row.message.id, row.message.text) for row in found]


def test_the_search_hears_of_what_changed(room: Room) -> None:
    ids = messages(room, 5)
    room.say(ADA, React(ids[0], "x", on=True))
    assert changes(room) == []
    room.say(ADA, Edit(ids[4], "new"))
    room.say(ADA, delete(ids[3]))
    room.hide(ADA, 2)
    contents.expire(room.connection, [room.message(ids[1]).number])
    assert changes(room) == [(ids[4], "new"), (ids[3], ""), (ids[2], "2"), (ids[1], "")]
    room.hide(ADA)
    assert changes(room)[-1] == (ids[2], "2")
    assert len(changes(room)) == 4


def test_what_changes_while_it_is_looked_at_is_not_lost(room: Room) -> None:
    ids = messages(room, 2)
    for id in ids:
        room.say(ADA, Edit(id, "new"))
    seen = contents.changed(room.connection, limit=99)
    room.say(ADA, Edit(ids[1], "newer"))
    contents.drop_changed(room.connection, seen[-1].serial)
    assert changes(room) == [(ids[1], "newer")]
    (row,) = contents.changed(room.connection, limit=1)
    contents.drop_changed(room.connection, row.serial)
    room.say(ADA, Edit(ids[0], "newest"))
    (again,) = contents.changed(room.connection, limit=1)
    assert again.serial > row.serial


def test_what_was_read_stays_read_when_all_is_derived_anew(room: Room) -> None:
    """Numbers are others then; what is unread comes last, with all that names it."""
    old = [room.entry(BO, Message(f"old {number}")) for number in range(2)]
    new = [room.entry(CY, Message(f"new {number}")) for number in range(2)]
    gone = room.entry(CY, Message("counts no more"))
    liked = room.entry(BO, React(new[0].id, "+", on=True))
    room.put(BO, old)
    assert read(room)
    room.put(CY, [*new, gone])
    room.put(BO, [liked])
    unread = contents.unread_ids(room.connection, room.row)
    assert unread == [new[0].id, new[1].id, gone.id]
    above = contents.last_number(room.connection)
    contents.forget(room.connection, room.row)
    assert contents.unread_ids(room.connection, room.row) == []
    # What was unread comes first now.
    room.put(CY, new)
    room.put(BO, [*old, liked])
    with room.connection:
        contents.number_anew(room.connection, room.row, unread, above=above)
    assert min(row.number for row in room.page()) > above
    assert counted(room) == (2, 0)
    assert contents.unread_ids(room.connection, room.row) == [it.id for it in new]
    [first, *_] = room.page()[2:]
    assert first.text == "new 0"
    [reactions] = contents.reactions(room.connection, [first]).values()
    assert [it.emoji for it in reactions] == ["+"]
    changed = contents.changed(room.connection, limit=9)
    assert {it.message.id for it in changed} <= {new[0].id, new[1].id}
    assert read(room, new[0].id)
    assert counted(room) == (1, 0)
