"""What is kept of contents as they come, and what they make of messages."""

from __future__ import annotations

from typing import Any

import pytest

from app.rooms.operations.contents import (
    Edit,
    Message,
    Newer,
    Pin,
    Poll,
    React,
    Vote,
)
from store import contents, rooms
from store.contents import MAX_CHANGES, MAX_EDITS, PollRow
from tests.unit.store.contents.said import ADA, BO, CY, PEOPLE, PHONE, Room, delete


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_message_is_read_as_it_was_written(room: Room) -> None:
    body = Message("hi", b"r" * 32, b"t" * 32, (b"m" * 32, b"n" * 32), "Di", 5_000)
    id = room.say(ADA, body, sent_at=7)
    (row,) = room.page()
    assert (row.id, row.device, row.identity) == (id, ADA, PEOPLE[ADA])
    assert (row.sequence, row.clock, row.kind, row.sent_at) == (0, 1, 2, 7)
    assert (row.text, row.reply_to, row.thread) == ("hi", b"r" * 32, b"t" * 32)
    assert (row.mentions, row.forwarded_from) == ((b"m" * 32, b"n" * 32), "Di")
    assert (row.expires_at, row.edited_at, row.poll) == (5_007, None, None)
    assert row.shown
    assert not (row.deleted)
    assert not (row.expired)
    assert not (row.wiped)
    assert not row.pinned


def test_what_only_a_newer_version_reads_is_kept_whole(room: Room) -> None:
    id = room.say(ADA, Newer(99, b"\2later"))
    row = room.message(id)
    assert (row.kind, row.text, row.body) == (99, "", b"\2later")
    assert [it.id for it in room.page()] == [id]


def test_a_poll_stands_among_the_messages(room: Room) -> None:
    room.say(ADA, Message("before"))
    room.say(ADA, Poll("Which?", ("ä", 'b"'), multiple=True, closes_at=9))
    assert room.texts() == ["before", "Which?"]
    assert room.page()[1].poll == PollRow(("ä", 'b"'), True, 9)


def test_many_at_once_with_changes_in_between(room: Room) -> None:
    first = room.entry(ADA, Message("one"))
    edit = room.entry(ADA, Edit(first.id, "1"))
    second = room.entry(ADA, Message("two"))
    pin = room.entry(ADA, Pin(second.id, on=True))
    outcome = room.put(ADA, [first, edit, second, pin, room.entry(ADA, Message("3"))])
    assert room.texts() == ["1", "two", "3"]
    assert outcome.messages == (first.id, second.id)
    assert (outcome.count, outcome.refused) == (2, 0)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_last_edit_by_place_counts_whichever_came_first(
    room: Room, order: tuple[int, int]
) -> None:
    id = room.say(ADA, Message("old"))
    edits = [
        (ADA, room.entry(ADA, Edit(id, "newest"), clock=20, sent_at=5)),
        (PHONE, room.entry(PHONE, Edit(id, "newer"), clock=10, sent_at=6)),
    ]
    for index in order:
        device, entry = edits[index]
        room.put(device, [entry])
    row = room.message(id)
    assert (row.text, row.edited_at) == ("newest", 5)


def test_between_equal_clocks_the_writer_and_then_the_sequence_decide(
    room: Room,
) -> None:
    id = room.say(ADA, Message("old"))
    phone = room.entry(PHONE, Edit(id, "phone"), clock=9)
    ada = room.entry(ADA, Edit(id, "ada"), clock=9)
    room.put(PHONE, [phone])
    room.put(ADA, [ada])
    assert max(ADA, PHONE) == PHONE
    assert room.texts() == ["phone"]


def test_only_the_author_edits_on_whatever_device(room: Room) -> None:
    id = room.say(ADA, Message("old"))
    room.say(BO, Edit(id, "Bo was here"))
    assert room.texts() == ["old"]
    room.say(PHONE, Edit(id, "new", (b"m" * 32,)))
    assert room.texts() == ["new"]
    assert room.page()[0].mentions == (b"m" * 32,)


def test_an_edit_takes_mentions_along(room: Room) -> None:
    id = room.say(ADA, Message("old", mentions=(PEOPLE[BO],)))
    assert contents.counts(room.connection, room.row, me=PEOPLE[BO]).mentions == 1
    room.say(ADA, Edit(id, "new"))
    assert room.page()[0].mentions == ()
    assert contents.counts(room.connection, room.row, me=PEOPLE[BO]).mentions == 0


def test_whose_device_it_is_may_be_known_later(room: Room) -> None:
    fresh = b"f" * 32
    rooms.begin_log(room.connection, room.row, writer=fresh, discovery_key=fresh)
    id = room.say(ADA, Message("old"))
    room.say(fresh, Edit(id, "from the new device"))
    room.say(fresh, React(id, "x", on=True))
    room.say(ADA, React(id, "x", on=True))
    assert (room.texts(), reacted(room, id)) == (["old"], {"x": [fresh, PEOPLE[ADA]]})
    outcome = contents.set_identity(room.connection, room.row, fresh, PEOPLE[ADA])
    assert outcome.messages == (id,)
    assert room.texts() == ["from the new device"]
    assert reacted(room, id) == {"x": [PEOPLE[ADA]]}
    again = contents.set_identity(room.connection, room.row, fresh, PEOPLE[ADA])
    assert again.count == 0
    contents.set_identity(room.connection, room.row, fresh, None)
    assert room.texts() == ["old"]


def reacted(room: Room, id: bytes) -> dict[str, list[bytes]]:
    found = contents.reactions(room.connection, room.page())
    return {it.emoji: list(it.identities) for it in found.get(id, ())}


def test_reactions_of_a_page(room: Room) -> None:
    first, second = (room.say(ADA, Message(text)) for text in "12")
    assert contents.reactions(room.connection, room.page()) == {}
    room.say(CY, React(first, "🐦", on=True))
    room.say(ADA, React(first, "🐦", on=True))
    room.say(BO, React(first, "x", on=True))
    room.say(PHONE, React(second, "x", on=True))
    assert reacted(room, first) == {
        "🐦": [PEOPLE[CY], PEOPLE[ADA]],
        "x": [PEOPLE[BO]],
    }
    room.say(CY, React(first, "🐦", on=False))
    # The person takes it away, whatever the device.
    room.say(ADA, React(second, "x", on=False))
    assert reacted(room, first) == {"🐦": [PEOPLE[ADA]], "x": [PEOPLE[BO]]}
    assert reacted(room, second) == {}
    assert room.last.messages == (second,)


def test_pins_belong_to_all(room: Room) -> None:
    ids = [room.say(ADA, Message(text)) for text in "123"]
    for id in ids[::-1]:
        room.say(BO, Pin(id, on=True))
    found = contents.pins(room.connection, room.row)
    assert [row.id for row in found] == ids
    assert all(row.pinned for row in found)
    room.say(CY, Pin(ids[1], on=False))
    newest = contents.pins(room.connection, room.row, limit=1)
    assert [row.id for row in newest] == ids[2:]
    assert not room.message(ids[1]).pinned


def test_the_last_vote_of_each_person_counts(room: Room) -> None:
    poll = room.say(ADA, Poll("?", ("a", "b", "c"), multiple=True, closes_at=1_000))
    for device, choices, sent_at in (
        (ADA, (0,), 1),
        (PHONE, (1, 2), 2),
        (BO, (1,), 1_000),
        (BO, (0,), 1_001),
        (CY, (2,), 1),
        (CY, (), 1),
    ):
        room.say(device, Vote(poll, choices), sent_at=sent_at)
    tally = contents.tallies(room.connection, room.page())[poll]
    assert tally.counts == (0, 2, 1)
    assert dict(tally.votes) == {PEOPLE[ADA]: (1, 2), PEOPLE[BO]: (1,)}


@pytest.mark.parametrize(
    "change",
    [
        Edit(b"?" * 32, "x"),
        React(b"?" * 32, "x", on=True),
        Pin(b"?" * 32, on=True),
        Vote(b"?" * 32, (0,)),
        delete(b"?" * 32, b"!" * 32),
    ],
    ids=lambda body: type(body).__name__,
)
def test_a_change_of_nothing_leaves_nothing(room: Room, change: Any) -> None:
    room.say(ADA, Message("x"))
    room.say(ADA, change)
    assert room.last.refused == (2 if hasattr(change, "targets") else 1)
    assert room.last.messages == ()
    assert room.connection.execute("SELECT count(*) FROM change").get == 0


def test_a_change_stays_in_its_room(room: Room) -> None:
    other = Room(room.connection, room=b"s" * 32)
    id = room.say(ADA, Message("x"))
    other.say(ADA, delete(id))
    assert other.last.refused == 1
    assert room.texts() == ["x"]


def test_changes_that_do_not_fit_are_refused(room: Room) -> None:
    message = room.say(ADA, Message("x"))
    poll = room.say(ADA, Poll("?", ("a", "b"), multiple=False))
    for change in (
        Edit(poll, "another question"),
        Vote(message, (0,)),
        Vote(poll, (0, 1)),
        Vote(poll, (2,)),
    ):
        room.say(ADA, change)
        assert room.last.refused == 1, change
    assert room.connection.execute("SELECT count(*) FROM change").get == 0


def test_one_device_changes_one_message_so_often_and_no_more(room: Room) -> None:
    id = room.say(ADA, Message("x"))
    for number in range(MAX_CHANGES + 1):
        room.say(BO, React(id, str(number), on=True))
    assert room.last.refused == 1
    assert len(reacted(room, id)) == MAX_CHANGES
    # Another device and another kind have their own.
    room.say(CY, React(id, "64", on=True))
    room.say(BO, Pin(id, on=True))
    assert room.last.refused == 0
    rows = [room.entry(ADA, Edit(id, str(n))) for n in range(MAX_EDITS + 1)]
    assert room.put(ADA, rows).refused == 1
    assert room.texts() == [str(MAX_EDITS - 1)]


def test_one_outcome_names_only_so_many(room: Room) -> None:
    count = contents.MAX_TOLD + 1
    rows = [room.entry(ADA, Message(str(n))) for n in range(count)]
    assert room.put(ADA, rows).count == 0
    outcome = room.hide(ADA, *range(count))
    assert outcome.count == count
    assert outcome.messages == tuple(row.id for row in rows[: contents.MAX_TOLD])


def test_contents_of_a_log_nobody_began_are_a_bug(room: Room) -> None:
    with pytest.raises(AssertionError):
        room.put(b"?" * 32, [])
