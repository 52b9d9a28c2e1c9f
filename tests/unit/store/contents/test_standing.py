"""What stands beside what was told, and pages between two places."""

from __future__ import annotations

import pytest

from app.rooms.operations.contents import Edit, Message
from store.autobase import Place
from store.contents import MAX_PAGE
from store.contents.standing import Standing, page_between, standing
from tests.unit.store.contents.said import (
    ADA,
    BO,
    PEOPLE,
    PHONE,
    Room,
    delete,
    messages,
)


@pytest.fixture
def room() -> Room:
    return Room()


def stands(room: Room, id: bytes, text: str) -> Standing:
    found = standing(room.connection, room.row, id, text)
    assert found is not None
    return found


def test_a_message_tells_where_and_whose_it_is(room: Room) -> None:
    root, id = messages(room, 2)
    answer = room.say(BO, Message("yes", reply_to=root), clock=90, sent_at=77)
    found = stands(room, answer, "yes")
    assert found == Standing(
        Place(90, BO, 0),
        PEOPLE[BO],
        77,
        root,
        deleted=False,
        readable=True,
        said=True,
    )
    assert stands(room, id, "1").reply_to is None
    assert standing(room.connection, room.row, b"?" * 32, "1") is None
    assert standing(room.connection, room.row + 1, id, "1") is None


def test_every_version_by_its_author_was_said(room: Room) -> None:
    id = room.say(ADA, Message("first"))
    room.say(ADA, Edit(id, "second"))
    room.say(PHONE, Edit(id, "third"))
    room.say(BO, Edit(id, "by another"))
    said = {
        text
        for text in ("first", "second", "third", "by another", "never")
        if stands(room, id, text).said
    }
    assert said == {"first", "second", "third"}


def test_what_is_deleted_can_be_read_no_more(room: Room) -> None:
    (id,) = messages(room, 1)
    assert stands(room, id, "0").readable
    room.say(ADA, delete(id))
    found = stands(room, id, "0")
    assert (found.deleted, found.readable) == (True, False)


def test_pages_between_two_places(room: Room) -> None:
    messages(room, 9)
    places = [row.place for row in room.page()]

    def texts(floor: int | None, below: int | None, limit: int = 9) -> str:
        found = page_between(
            room.connection,
            room.row,
            floor=None if floor is None else places[floor],
            below=None if below is None else places[below],
            limit=limit,
        )
        return "".join(row.text for row in found)

    assert texts(None, None) == "012345678"
    assert texts(3, None) == "345678"
    assert texts(None, 3) == "012"
    assert texts(2, 5) == "234"
    assert texts(2, 5, limit=2) == "34"
    assert texts(5, 5) == texts(None, None, limit=0) == texts(0, None, limit=-1) == ""


def test_what_is_hidden_stands_on_no_page(room: Room) -> None:
    messages(room, 3)
    room.hide(ADA, 1)
    found = page_between(room.connection, room.row, floor=None, below=None, limit=10**9)
    assert [row.text for row in found] == ["0", "2"]


def test_a_page_between_has_an_end(room: Room) -> None:
    count = MAX_PAGE + 1
    room.put(ADA, [room.entry(ADA, Message(str(n))) for n in range(count)])
    found = page_between(room.connection, room.row, floor=None, below=None, limit=10**9)
    assert len(found) == MAX_PAGE
