"""What is written and not said yet."""

from __future__ import annotations

import pytest

from store import drafts, rooms
from store.drafts import ScheduledRow
from store.errors import LocalProtocolError
from tests.unit.store.contents.said import ADA, Room


def test_a_room_has_one_draft() -> None:
    room = Room()
    connection = room.connection
    assert drafts.draft(connection, room.row) == ""
    for text in ("a hero", "a heron", ""):
        drafts.set_draft(connection, room.row, text)
        assert drafts.draft(connection, room.row) == text
    assert connection.execute("SELECT count(*) FROM draft").get == 0


def test_what_waits_comes_by_time() -> None:
    room = Room()
    connection = room.connection
    late, early = (
        drafts.schedule(connection, room.row, send_at=at, data=b"%d" % at)
        for at in (20, 10)
    )
    first = ScheduledRow(early, room.row, 10, b"10", None, "")
    assert drafts.scheduled(connection)[0] == first
    assert drafts.next_send_ms(connection) == 10
    assert drafts.due_now(connection, 9, limit=9) == []
    assert drafts.due_now(connection, 10, limit=9) == [first]
    assert [it.id for it in drafts.due_now(connection, 99, limit=9)] == [early, late]
    assert len(drafts.due_now(connection, 99, limit=1)) == 1
    drafts.set_tried(connection, early, 7)
    assert drafts.due_now(connection, 10, limit=9)[0].tried == 7
    drafts.set_problem(connection, early, "No.")
    assert [it.id for it in drafts.due_now(connection, 99, limit=9)] == [late]
    assert drafts.next_send_ms(connection) == 20
    assert [it.problem for it in drafts.scheduled(connection)] == ["No.", ""]
    assert drafts.drop_scheduled(connection, early)
    assert not drafts.drop_scheduled(connection, early)
    assert drafts.drop_scheduled(connection, late)
    assert drafts.next_send_ms(connection) is None
    assert drafts.schedule(connection, room.row, send_at=1, data=b"") > late


def test_so_much_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MAX_SCHEDULED", 2)
    room = Room()
    for _ in range(2):
        drafts.schedule(room.connection, room.row, send_at=1, data=b"x")
    with pytest.raises(LocalProtocolError) as caught:
        drafts.schedule(room.connection, room.row, send_at=1, data=b"x")
    assert caught.value.code == "too-many"


def test_a_room_that_is_left_takes_it_along() -> None:
    birds = Room()
    fish = Room(birds.connection, room=b"f" * 32)
    for room in (birds, fish):
        drafts.set_draft(room.connection, room.row, "x")
        drafts.schedule(room.connection, room.row, send_at=1, data=b"x")
    rooms.forget_room(birds.connection, birds.row, ADA)
    assert drafts.draft(birds.connection, birds.row) == ""
    assert [it.room for it in drafts.scheduled(birds.connection)] == [fish.row]
    assert drafts.draft(fish.connection, fish.row) == "x"
