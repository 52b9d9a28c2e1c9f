from __future__ import annotations

import random
from dataclasses import replace

import pytest
from PySide6.QtTest import QAbstractItemModelTester

from app.snapshots import MessageSnapshot, RoomSnapshot
from ui.models.rooms import RoomListModel

NOW = 1_793_197_920_000
DAY = 86_400_000


class Clock:
    now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def model(clock: Clock) -> RoomListModel:
    model = RoomListModel(now_ms=clock)
    QAbstractItemModelTester(
        model, QAbstractItemModelTester.FailureReportingMode.Fatal, model
    )
    return model


def room(name: str, *, at: int | None = None, unread: int = 0) -> RoomSnapshot:
    last = (
        None
        if at is None
        else MessageSnapshot("m", name, "k", "Grace", "Hello\nyou", at, mine=False)
    )
    return RoomSnapshot(name, name, "group", unread, 2, 0, last_message=last)


def names(model: RoomListModel) -> list[str]:
    return [row.name for row in model.rows]


def test_the_newest_message_is_on_top_and_silent_rooms_last(
    model: RoomListModel,
) -> None:
    model.reset([room("a", at=1), room("b", at=3), room("c"), room("d", at=2)])
    assert names(model) == ["b", "d", "a", "c"]


def test_a_new_room_without_messages_counts_from_its_arrival(
    model: RoomListModel, clock: Clock
) -> None:
    model.reset([room("a", at=NOW - 1)])
    model.update([room("b")])
    assert names(model) == ["b", "a"]
    clock.now += 5
    model.update([room("a", at=NOW + 1)])
    assert names(model) == ["a", "b"]


def test_rows_move_to_where_sorting_would_put_them(model: RoomListModel) -> None:
    seed = 3
    chance = random.Random(seed)
    model.reset([room(f"r{n}", at=n) for n in range(12)])
    known = {f"r{n}": n for n in range(12)}
    for step in range(300):
        name = f"r{chance.randrange(12)}"
        known[name] = chance.randrange(1000)
        model.update([room(name, at=known[name])])
        expected = sorted(known, key=lambda n: (-known[n], n))
        assert names(model) == expected, (seed, step)


def test_unread_messages_are_summed(model: RoomListModel) -> None:
    model.reset([room("a", unread=2), room("b", unread=3)])
    assert model.property("unread") == 5
    model.update([room("a", unread=0)])
    assert model.property("unread") == 3
    model.forget("b")
    assert model.property("unread") == 0


def test_a_draft_shows_while_another_room_is_open(model: RoomListModel) -> None:
    model.reset([room("a", at=1), room("b", at=2)])
    model.select("a")
    model.set_draft("a", "half a")
    assert not any(row.draft for row in model.rows)
    model.select("b")
    row = model.rows[model.rowOf("a")]
    assert (row.draft, row.preview) == (True, "half a")
    model.set_draft("a", "  \n")
    assert model.draft("a") == ""
    assert model.rows[model.rowOf("a")].preview == "Grace: Hello you"


def test_time_goes_on(model: RoomListModel, clock: Clock) -> None:
    model.reset([room("a", at=NOW)])
    assert ":" in model.rows[0].time
    clock.now += DAY
    model.notice_time()
    assert model.rows[0].time == "Yesterday"


def test_out_of_range_rows_are_nothing(model: RoomListModel) -> None:
    assert model.roomAt(0) == ""
    assert model.rowOf("x") == -1
    model.forget("x")


def test_the_last_line_says_what_cannot_be_read(model: RoomListModel) -> None:
    for changes, line in (
        ({}, "Grace: Hello you"),
        ({"text": "", "deleted": True}, "Message deleted"),
        ({"text": "", "kind": "newer"}, "Update Covey to see this message"),
    ):
        found = room("a", at=1)
        assert found.last_message is not None
        last = replace(found.last_message, **changes)  # type: ignore[arg-type]
        model.reset([replace(found, last_message=last)])
        assert model.rows[0].preview == line
