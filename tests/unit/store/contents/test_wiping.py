"""Words that go: by deletion, by time; and what becomes of their blocks."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from app.rooms.operations.contents import Edit, Message, Newer, Pin, Poll, React
from store import contents, rooms
from store.contents import Block, NewContent
from store.schema import migrate
from tests.unit.store.contents.said import ADA, BO, PEOPLE, PHONE, Room, delete

SECRET = "nobody shall read this any more"
BETTER = "nor this, which was better"


@pytest.fixture
def room() -> Room:
    return Room()


def blocks(room: Room) -> tuple[list[Block], list[Block]]:
    """To be cleared, and to be read again."""
    where = (room.connection, room.row)
    return contents.to_clear(*where, limit=9), contents.to_reread(*where, limit=9)


def test_deleted_words_are_gone_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "plain.db"
    connection = apsw.Connection(str(path))
    connection.pragma("secure_delete", "ON")
    migrate(connection)
    room = Room(connection)
    long = SECRET * 1_000
    id = room.say(ADA, Message(long, forwarded_from=SECRET))
    room.say(ADA, Edit(id, BETTER))
    poll = room.say(ADA, Poll(SECRET, (SECRET, BETTER), multiple=False))
    newer = room.say(ADA, Newer(99, SECRET.encode()))
    assert SECRET.encode() in path.read_bytes()
    room.say(ADA, delete(id, poll, newer))
    connection.close()
    left = path.read_bytes()
    assert SECRET.encode() not in left
    assert BETTER.encode() not in left
    assert id in left


def test_a_deletion_lists_the_blocks_of_a_message_and_its_edits(room: Room) -> None:
    id = room.say(ADA, Message(SECRET))
    room.say(ADA, Message("another"))
    room.say(PHONE, Edit(id, BETTER))
    room.say(ADA, React(id, "x", on=True))
    room.say(BO, delete(id), allowed=True)
    assert room.last.clear
    wanted = [Block(ADA, 0), Block(PHONE, 0)]
    assert blocks(room) == (wanted, [])
    contents.cleared(room.connection, room.row, wanted[:1])
    assert blocks(room) == (wanted[1:], [])
    row = room.message(id)
    assert (row.text, row.deleted, row.wiped) == ("", True, True)
    assert room.page()[0].id == id
    assert contents.reactions(room.connection, room.page()) == {}


def test_an_edit_of_what_is_deleted_is_never_kept(room: Room) -> None:
    id = room.say(ADA, Message(SECRET))
    room.say(ADA, delete(id))
    room.say(ADA, Edit(id, BETTER))
    assert room.last.clear
    assert blocks(room)[0] == [Block(ADA, 0), Block(ADA, 2)]
    assert room.connection.execute("SELECT max(text) FROM change").get == ""


def test_words_come_back_from_the_blocks(room: Room) -> None:
    said = room.entry(ADA, Message("first", mentions=(PEOPLE[BO],)))
    edit = room.entry(ADA, Edit(said.id, "second", (PEOPLE[BO],)))
    room.put(ADA, [said, edit])
    room.say(ADA, delete(said.id))
    outcome = room.hide(ADA, 2)
    assert outcome.reread
    assert blocks(room) == ([], [Block(ADA, 0), Block(ADA, 1)])
    row = room.message(said.id)
    assert (row.text, row.deleted, row.wiped) == ("", False, True)
    contents.restore(room.connection, room.row, ADA, [said])
    assert not room.message(said.id).wiped
    assert blocks(room)[1] == [Block(ADA, 1)]
    outcome = contents.restore(room.connection, room.row, ADA, [edit])
    assert outcome.messages == (said.id,)
    assert (room.texts(), blocks(room)) == (["second"], ([], []))
    assert contents.counts(room.connection, room.row, me=PEOPLE[BO]).mentions == 1
    room.hide(ADA, 1, 2)
    assert room.texts() == ["first"]


@pytest.mark.parametrize(
    "body",
    [
        Poll("Which?", ("a", "b"), multiple=False),
        Newer(99, b"later"),
        Message("x", forwarded_from="Bo", mentions=(b"m" * 32,)),
    ],
    ids=lambda body: type(body).__name__,
)
def test_every_kind_comes_back_whole(room: Room, body: object) -> None:
    entry = room.entry(ADA, body)
    room.put(ADA, [entry])
    before = room.message(entry.id)
    room.say(ADA, delete(entry.id))
    room.hide(ADA, 1)
    assert room.message(entry.id) != before
    contents.restore(room.connection, room.row, ADA, [entry])
    assert room.message(entry.id) == before


def test_what_is_not_wanted_is_not_put_back(room: Room) -> None:
    said = room.entry(ADA, Message(SECRET))
    room.put(ADA, [said])
    room.say(ADA, delete(said.id))
    assert contents.restore(room.connection, room.row, ADA, [said]).count == 0
    room.hide(ADA, 1)
    room.hide(ADA)
    assert blocks(room) == ([Block(ADA, 0)], [])
    assert contents.restore(room.connection, room.row, ADA, [said]).count == 0
    assert room.texts() == [""]


def test_half_restored_and_deleted_again_is_wiped_again(room: Room) -> None:
    said = room.entry(ADA, Message(SECRET))
    edit = room.entry(ADA, Edit(said.id, BETTER))
    room.put(ADA, [said, edit])
    room.say(ADA, delete(said.id))
    room.hide(ADA, 2)
    contents.restore(room.connection, room.row, ADA, [edit])
    assert room.texts() == [BETTER]
    room.hide(ADA)
    assert room.connection.execute("SELECT max(text) FROM change").get == ""
    assert blocks(room) == ([Block(ADA, 0), Block(ADA, 1)], [])


def test_words_that_nobody_has_any_more(room: Room) -> None:
    id = room.say(ADA, Message("x"))
    room.say(ADA, delete(id))
    room.hide(ADA, 1)
    contents.give_up(room.connection, room.row, [Block(ADA, 0)])
    assert blocks(room) == ([], [])
    assert room.message(id).wiped


def disappearing(room: Room, *lifetimes_ms: int | None) -> list[bytes]:
    return [
        room.say(ADA, Message(str(it), lifetime_ms=it), sent_at=100)
        for it in lifetimes_ms
    ]


def test_messages_disappear_in_time(room: Room) -> None:
    connection = room.connection
    assert contents.next_due_ms(connection) is None
    ids = disappearing(room, 30, 10, None, 20)
    assert contents.next_due_ms(connection) == 110
    assert contents.due(connection, 109, limit=9) == []
    numbers = {id: room.message(id).number for id in ids}
    due = contents.due(connection, 120, limit=9)
    assert due == [numbers[ids[1]], numbers[ids[3]]]
    assert contents.due(connection, 130, limit=1) == due[:1]
    outcome = contents.expire(connection, due)
    assert (outcome.messages, outcome.clear) == ((ids[1], ids[3]), True)
    assert room.texts() == ["30", "None"]
    assert contents.next_due_ms(connection) == 130
    row = room.message(ids[1])
    assert (row.text, row.expired, row.wiped) == ("", True, True)
    assert blocks(room)[0] == [Block(ADA, 1), Block(ADA, 3)]


def test_with_a_message_goes_what_was_said_of_it(room: Room) -> None:
    (id,) = disappearing(room, 10)
    room.say(ADA, Edit(id, BETTER))
    room.say(BO, React(id, "x", on=True))
    room.say(BO, Pin(id, on=True))
    poll = room.say(ADA, Poll(SECRET, ("a", "b"), multiple=False), clock=90)
    numbers = [room.message(it).number for it in (id, poll)]
    contents.expire(room.connection, numbers)
    for table in ("change", "poll"):
        assert room.connection.execute(f"SELECT count(*) FROM {table}").get == 0
    assert blocks(room)[0] == [Block(ADA, 0), Block(ADA, 1), Block(ADA, 2)]
    assert contents.pins(room.connection, room.row) == []
    assert contents.tallies(room.connection, [room.message(poll)]) == {}
    # Whatever comes later changes nothing; words of it are to be cleared.
    room.say(ADA, Edit(id, BETTER))
    assert (room.last.refused, room.last.clear) == (1, True)
    assert blocks(room)[0][-1] == Block(ADA, 3)
    room.say(BO, React(id, "x", on=True))
    assert (room.last.refused, room.last.clear) == (1, False)


def test_what_expired_does_not_come_back(room: Room) -> None:
    said = room.entry(ADA, Message("x"))
    room.put(ADA, [said])
    room.say(BO, delete(said.id), allowed=True)
    contents.expire(room.connection, [room.message(said.id).number])
    room.hide(BO, 0)
    room.hide(ADA, 0)
    room.hide(ADA)
    contents.restore(room.connection, room.row, ADA, [said])
    assert (room.texts(), blocks(room)[1]) == ([], [])


def test_the_retention_of_a_room_takes_what_is_old_hidden_or_not(room: Room) -> None:
    connection, row = room.connection, room.row
    other = Room(connection, room=b"s" * 32)
    other.say(ADA, Message("elsewhere"), clock=1)
    assert contents.oldest_clock(connection, row) is None
    ids = [room.say(ADA, Message(str(n)), clock=10 * n + 10) for n in range(4)]
    room.hide(ADA, 1)
    assert contents.oldest_clock(connection, row) == 10
    old = contents.older_than(connection, row, 30, limit=9)
    assert old == [room.message(id).number for id in ids[:2]]
    assert contents.older_than(connection, row, 30, limit=1) == old[:1]
    contents.expire(connection, old)
    assert contents.older_than(connection, row, 30, limit=9) == []
    assert contents.oldest_clock(connection, row) == 30
    assert (room.texts(), other.texts()) == (["2", "3"], ["elsewhere"])


def test_a_room_is_forgotten_whole(room: Room) -> None:
    connection = room.connection
    other = Room(connection, room=b"s" * 32)
    for it in (room, other):
        said = it.entry(ADA, Message("x"))
        it.put(ADA, [said])
        poll = it.say(ADA, Poll("?", ("a", "b"), multiple=False))
        it.say(BO, React(poll, "x", on=True))
        it.say(ADA, delete(said.id, poll))
    room.hide(ADA, 2)
    contents.forget(connection, room.row)
    contents.forget(connection, room.row)
    assert room.page() == []
    assert blocks(room) == ([], [])
    assert len(other.page()) == 2
    assert len(blocks(other)[0]) == 2
    assert len(contents.changed(connection, limit=9)) == 2
    # The own log goes on where it ended, and is read anew.
    rooms.begin_log(connection, room.row, writer=ADA, discovery_key=ADA)
    room.put(ADA, [NewContent(0, 1, b"n" * 32, 1, 2, Message("again"))])
    assert room.texts() == ["again"]
