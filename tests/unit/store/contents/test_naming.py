"""Which edits a message has, how often it was changed, and what is over where."""

from __future__ import annotations

from app.rooms.operations.contents import Edit, Message, React
from store import contents
from store.contents import Block
from tests.unit.store.contents.said import ADA, BO, PHONE, Room


def test_the_edits_of_a_message_are_named_those_of_its_author_first() -> None:
    room = Room()
    id = room.say(ADA, Message("one"))
    other = room.say(ADA, Message("another"))
    room.say(BO, Edit(id, "not his"))
    room.say(PHONE, Edit(id, "two"))
    room.say(ADA, React(id, "x", on=True))
    room.say(ADA, Edit(id, "three"), shown=False)
    room.say(ADA, Edit(other, "x"))

    def edits(limit: int) -> list[Block]:
        return contents.edits(room.connection, room.row, id, limit=limit)

    assert edits(9) == [Block(PHONE, 0), Block(ADA, 3), Block(BO, 0)]
    assert edits(2) == [Block(PHONE, 0), Block(ADA, 3)]
    assert contents.edits(room.connection, room.row, b"?" * 32, limit=9) == []


def test_the_changes_of_a_device_are_counted_by_kind() -> None:
    room = Room()
    id = room.say(ADA, Message("one"))
    for on in (True, False, True):
        room.say(BO, React(id, "x", on=on))
    room.say(BO, Edit(id, "not his"))

    def count(device: bytes, kind: int) -> int:
        return contents.change_count(
            room.connection, room.row, id, device=device, kind=kind
        )

    assert count(BO, contents.REACT) == 3
    assert count(BO, contents.EDIT) == 1
    assert count(ADA, contents.REACT) == 0


def test_what_is_over_is_told_room_by_room() -> None:
    birds = Room()
    fish = Room(birds.connection, room=b"f" * 32)
    for room, lifetimes in ((birds, (10, 30)), (fish, (20, 40))):
        for lifetime_ms in lifetimes:
            body = Message(str(lifetime_ms), lifetime_ms=lifetime_ms)
            room.say(ADA, body, sent_at=100)
    room.say(ADA, Message("stays"))

    def over(now_ms: int, limit: int = 9) -> dict[int, list[int]]:
        return contents.due_by_room(birds.connection, now_ms, limit=limit)

    assert over(109) == {}
    assert over(130) == {birds.row: [1, 2], fish.row: [3]}
    assert over(140, 2) == {birds.row: [1], fish.row: [3]}
    contents.expire(birds.connection, over(130)[birds.row])
    assert over(130) == {fish.row: [3]}
