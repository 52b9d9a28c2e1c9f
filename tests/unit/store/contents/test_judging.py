"""Rows that are hidden and reappear, as the rules change their mind."""

from __future__ import annotations

import pytest

from app.rooms.operations.contents import Edit, Message, Pin, Poll, React, Vote
from store import contents
from tests.unit.store.contents.said import ADA, BO, CY, PEOPLE, Room, delete, messages


@pytest.fixture
def room() -> Room:
    return Room()


def test_messages_vanish_and_reappear(room: Room) -> None:
    ids = messages(room, 3)
    assert room.hide(ADA, 1).messages == (ids[1],)
    assert room.texts() == ["0", "2"]
    assert not room.message(ids[1]).shown
    assert room.hide(ADA, 1).count == 0
    assert room.hide(ADA).messages == (ids[1],)
    assert room.texts() == ["0", "1", "2"]


def test_what_comes_hidden_may_appear(room: Room) -> None:
    id = room.say(ADA, Message("x"), shown=False)
    assert room.texts() == []
    assert room.hide(ADA).messages == (id,)
    assert room.texts() == ["x"]


def test_hidden_changes_count_for_nothing(room: Room) -> None:
    id = room.say(ADA, Message("old"))
    poll = room.say(ADA, Poll("?", ("a", "b"), multiple=False))
    room.say(ADA, Edit(id, "new"))
    room.say(ADA, Edit(id, "newest"))
    for change in (React(id, "x", on=True), Pin(id, on=True), Vote(poll, (1,))):
        room.say(ADA, change)
    room.say(ADA, delete(poll))

    def state() -> tuple[object, ...]:
        rows = room.page()
        votes = contents.tallies(room.connection, rows).get(poll)
        return (
            rows[0].text,
            len(contents.reactions(room.connection, rows)),
            rows[0].pinned,
            votes and votes.votes,
            rows[1].deleted,
        )

    assert state() == ("newest", 1, True, None, True)
    outcome = room.hide(ADA, 3)
    assert (outcome.messages, state()[0]) == ((id,), "new")
    outcome = room.hide(ADA, 2, 3, 4, 5, 6, 7)
    assert outcome.messages == (id, poll)
    assert state() == ("old", 0, False, (), False)
    room.hide(ADA, 7)
    assert state() == ("newest", 1, True, ((PEOPLE[ADA], (1,)),), False)


def test_only_what_stands_beyond_is_asked_about(room: Room) -> None:
    messages(room, 4)
    room.say(ADA, React(room.page()[0].id, "x", on=True))
    asked = []

    def shows(clock: int, sequence: int, kind: int) -> bool:
        asked.append((clock, sequence, kind))
        return True

    for sequence, clock in ((2, 0), (0, 3), (3, 1)):
        contents.judge(
            room.connection, room.row, ADA, shows, sequence=sequence, clock=clock
        )
    beyond = [(3, 2, 2), (4, 3, 2), (5, 4, 35)]
    assert asked == beyond + beyond + beyond[1:]


def test_other_logs_stay_as_they_are(room: Room) -> None:
    messages(room, 2)
    messages(room, 2, device=BO)
    room.hide(BO, 0, 1)
    assert [row.device for row in room.page()] == [ADA, ADA]


def test_deletions_of_what_others_wrote_need_leave(room: Room) -> None:
    id = room.say(ADA, Message("x"))
    room.say(BO, delete(id))
    assert not room.message(id).deleted
    asked = []

    def allows(clock: int, sequence: int, of: bytes) -> bool:
        asked.append((clock, sequence, of))
        return True

    def judge(allowed: bool) -> contents.Outcome:
        return contents.judge(
            room.connection,
            room.row,
            BO,
            lambda *_: True,
            allows=lambda *asks: allows(*asks) and allowed,
        )

    assert judge(True).messages == (id,)
    assert asked == [(2, 0, ADA)]
    assert room.message(id).deleted
    outcome = judge(False)
    assert (outcome.messages, outcome.reread) == ((id,), True)
    assert not room.message(id).deleted


def test_a_moderator_deletes_at_once(room: Room) -> None:
    id = room.say(ADA, Message("x"))
    room.say(BO, delete(id), allowed=True)
    assert room.message(id).deleted


def test_what_a_deletion_may_not_touch_is_never_wiped(room: Room) -> None:
    mine, other = room.say(CY, Message("x")), room.say(ADA, Message("y"))
    own = room.say(BO, Message("z"))
    asked = []

    def allows(clock: int, sequence: int, of: bytes) -> bool:
        asked.append((clock, sequence, of))
        return of == ADA

    entry = room.entry(BO, delete(mine, other, own), allowed=True)
    outcome = contents.put(room.connection, room.row, BO, [entry], allows=allows)
    assert asked == [(4, 1, CY), (4, 1, ADA), (4, 1, BO)]
    assert (outcome.messages, room.texts()) == ((other, own), ["x", "", ""])
    assert contents.to_reread(room.connection, room.row, limit=1) == []


def test_hidden_messages_still_tell_a_place(room: Room) -> None:
    ids = messages(room, 3)
    room.hide(ADA, 1)
    assert room.texts(before=ids[1]) == ["0"]
    assert room.texts(after=ids[1]) == ["2"]
    assert room.texts(around=ids[1]) == ["0", "2"]
