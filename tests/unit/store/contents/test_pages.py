"""Reading: pages from anywhere, threads, previews, and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import apsw
import pytest

from app.rooms.operations.contents import Edit, Message, Pin, Poll, React, Vote
from store import contents, rooms
from store.contents import MAX_PAGE, MessageRow, ThreadSize
from store.errors import LocalProtocolError
from tests.unit.store.contents.said import ADA, BO, CY, PEOPLE, Room, delete, messages


@pytest.fixture
def room() -> Room:
    return Room()


def test_pages_go_both_ways_from_anywhere(room: Room) -> None:
    ids = messages(room, 9)
    assert room.texts(limit=3) == ["6", "7", "8"]
    assert room.texts(limit=3, before=ids[6]) == ["3", "4", "5"]
    assert room.texts(limit=3, before=ids[1]) == ["0"]
    assert room.texts(limit=3, after=ids[2]) == ["3", "4", "5"]
    assert room.texts(limit=3, after=ids[8]) == []
    assert room.texts(limit=3, around=ids[4]) == ["3", "4", "5"]
    assert room.texts(limit=4, around=ids[4]) == ["3", "4", "5", "6"]
    assert room.texts(limit=4, around=ids[0]) == ["0", "1", "2", "3"]
    assert room.texts(limit=1, around=ids[4]) == ["4"]
    assert room.texts(limit=0) == room.texts(limit=-1) == []


def test_a_page_begins_at_one_place(room: Room) -> None:
    (id,) = messages(room, 1)
    for anchor in ("before", "after", "around"):
        assert room.texts(**{anchor: b"?" * 32}) == []
    with pytest.raises(LocalProtocolError):
        room.page(before=id, after=id)


def test_a_page_has_an_end(room: Room) -> None:
    count = MAX_PAGE + 1
    room.put(ADA, [room.entry(ADA, Message(str(n))) for n in range(count)])
    assert len(room.page(limit=10**9)) == MAX_PAGE


def test_order_is_by_place_and_not_by_arrival(room: Room) -> None:
    late = room.entry(BO, Message("early"), clock=1)
    for device, clock in ((CY, 7), (ADA, 7), (ADA, 8)):
        room.say(device, Message(f"{device[:1].decode()} {clock}"), clock=clock)
    room.put(BO, [late])
    assert room.texts() == ["early", "a 7", "c 7", "a 8"]
    assert [row.place for row in room.page()] == sorted(
        row.place for row in room.page()
    )
    assert [row.number for row in room.page()] == [4, 2, 1, 3]


def test_rooms_do_not_mix(room: Room) -> None:
    other = Room(room.connection, room=b"s" * 32)
    messages(room, 2)
    id = other.say(ADA, Message("elsewhere"))
    assert room.texts() == ["0", "1"]
    assert other.texts() == ["elsewhere"]
    assert contents.message(room.connection, room.row, id) is None
    assert room.texts(before=id) == []


def test_threads(room: Room) -> None:
    root, alone = messages(room, 2)
    ids = [
        room.say(device, Message(f"re {n}", thread=root), sent_at=n)
        for n, device in enumerate((BO, ADA, CY))
    ]

    def texts(**which: Any) -> list[str]:
        found = contents.thread(room.connection, room.row, root, **{"limit": 9} | which)
        return [row.text for row in found]

    assert texts() == ["re 0", "re 1", "re 2"]
    assert texts(limit=1) == ["re 2"]
    assert texts(before=ids[2], limit=1) == ["re 1"]
    assert texts(after=ids[0]) == ["re 1", "re 2"]
    assert texts(around=ids[1], limit=1) == ["re 1"]
    sizes = contents.thread_sizes(room.connection, room.row, [root, alone])
    assert sizes == {root: ThreadSize(3, 2)}
    room.hide(CY, 0)
    sizes = contents.thread_sizes(room.connection, room.row, [root])
    assert sizes == {root: ThreadSize(2, 1)}


def test_previews_of_what_is_answered(room: Room) -> None:
    long, edited, gone, hidden = (
        room.say(ADA, Message("x" * 300)),
        room.say(ADA, Message("old")),
        room.say(ADA, Message("gone")),
        room.say(ADA, Message("hidden"), shown=False),
    )
    room.say(ADA, Edit(edited, "new"))
    room.say(ADA, delete(gone))
    wanted = [long, edited, gone, hidden, long, b"?" * 32]
    found = contents.previews(room.connection, room.row, wanted)
    assert {id: it.text for id, it in found.items()} == {
        long: "x" * contents.MAX_PREVIEW_CHARS,
        edited: "new",
        gone: "",
        hidden: "",
    }
    assert [found[id].visible for id in (edited, gone, hidden)] == [True, False, False]
    assert [found[id].deleted for id in (edited, gone, hidden)] == [False, True, False]
    assert (found[long].device, found[long].identity) == (ADA, PEOPLE[ADA])
    assert contents.previews(room.connection, room.row, []) == {}


def test_ids_by_their_beginning(room: Room) -> None:
    ids = messages(room, 2)
    find = contents.ids_with_prefix
    assert find(room.connection, room.row, ids[0]) == [ids[0]]
    assert find(room.connection, room.row, ids[0][:2]) == ids
    assert find(room.connection, room.row, b"?") == []


def test_a_part_of_one_log(room: Room) -> None:
    messages(room, 5)
    messages(room, 2, device=BO)
    room.hide(ADA, 2)
    found = contents.own_between(room.connection, room.row, ADA, 1, 4)
    assert [row.text for row in found] == ["1", "3"]


def test_who_holds_what(room: Room) -> None:
    ids = messages(room, 3)
    for device, length in ((BO, 3), (CY, 2)):
        rooms.set_held(
            room.connection, room.row, writer=ADA, device=device, length=length
        )
    found = contents.delivered(room.connection, room.page())
    assert found == dict(zip(ids, (2, 2, 1), strict=True))


@dataclass(frozen=True)
class Asker:
    """Who asks, and about what."""

    room: Room
    id: bytes
    """In the middle of the room and of its thread."""
    root: bytes

    def page(self, **which: Any) -> list[MessageRow]:
        return self.room.page(**{"limit": 50} | which)

    def thread(self, **which: Any) -> list[MessageRow]:
        where = (self.room.connection, self.room.row, self.root)
        return contents.thread(*where, **{"limit": 50} | which)

    def ask(self, question: Callable[..., object], *rest: Any, **how: Any) -> object:
        return question(self.room.connection, self.room.row, *rest, **how)

    def ask_all(
        self, question: Callable[..., object], *rest: Any, **how: Any
    ) -> object:
        return question(self.room.connection, *rest, **how)


QUESTIONS: dict[str, Callable[[Asker], object]] = {
    "newest": lambda it: it.page(),
    "before": lambda it: it.page(before=it.id),
    "after": lambda it: it.page(after=it.id),
    "around": lambda it: it.page(around=it.id),
    "thread": lambda it: it.thread(),
    "thread around": lambda it: it.thread(around=it.id),
    "thread size": lambda it: it.ask(contents.thread_sizes, [it.root]),
    "message": lambda it: it.ask(contents.message, it.id),
    "pins": lambda it: it.ask(contents.pins),
    "own": lambda it: it.ask(contents.own_between, ADA, 10, 60),
    "prefix": lambda it: it.ask(contents.ids_with_prefix, it.id[:4]),
    "previews": lambda it: it.ask(contents.previews, [it.id, it.root]),
    "reactions": lambda it: it.ask_all(contents.reactions, it.page()),
    "tallies": lambda it: it.ask_all(contents.tallies, it.page(around=it.root)),
    "delivered": lambda it: it.ask_all(contents.delivered, it.page()),
    "counts": lambda it: it.ask(contents.counts, me=PEOPLE[BO]),
    "arrived": lambda it: it.ask(contents.arrived, after=3, limit=50),
    "changed": lambda it: it.ask_all(contents.changed, limit=50),
    "due": lambda it: it.ask_all(contents.due, 10**15, limit=50),
    "next due": lambda it: it.ask_all(contents.next_due_ms),
    "old": lambda it: it.ask(contents.older_than, 10**15, limit=50),
    "oldest": lambda it: it.ask(contents.oldest_clock),
    "to clear": lambda it: it.ask(contents.to_clear, limit=50),
    "to reread": lambda it: it.ask(contents.to_reread, limit=50),
}
IN_ORDER = ("SCAN c", "SCAN json_each VIRTUAL", "SCAN j VIRTUAL", "SCAN (subquery")
"""Lists that are read to an end that was given: what changed, the rows of a page, what
another step of the same plan gives."""


def lived_in(count: int) -> Asker:
    """A room with so many messages in a thread, and one in the middle of it."""
    room = Room()
    root = room.say(ADA, Message("root"))
    poll = room.say(ADA, Poll("?", ("a", "b"), multiple=False))
    entries = [
        room.entry(ADA, Message(str(n), thread=root, lifetime_ms=10**6))
        for n in range(count)
    ]
    room.put(ADA, entries)
    for n in range(0, count, 10):
        room.say(BO, React(entries[n].id, "x", on=True))
        room.say(BO, Pin(entries[n].id, on=True))
    room.say(BO, Vote(poll, (1,)))
    rows = range(count // 2, count // 2 + 30)
    room.hide(ADA, *rows)
    return Asker(room, entries[count // 2].id, root)


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_question_reads_a_room_through(name: str) -> None:
    asker = lived_in(30)
    for plan in plans(asker.room.connection, lambda: QUESTIONS[name](asker)):
        assert not plan[0].startswith("SCAN") or plan[0].startswith(IN_ORDER), plan
        assert "TEMP B-TREE" not in plan[0], plan


def plans(
    connection: apsw.Connection, work: Callable[[], object]
) -> list[tuple[str, str]]:
    """How SQLite does what some work asks of it: a step, and of which statement."""
    asked: list[tuple[str, Any]] = []

    def trace(_: apsw.Cursor, statement: str, values: Any) -> bool:
        asked.append((statement, values))
        return True

    connection.exec_trace = trace
    work()
    connection.exec_trace = None
    found = [
        (detail, statement)
        for statement, values in asked
        if not statement.startswith(("SAVEPOINT", "RELEASE"))
        for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
    ]
    assert found
    return found


def test_no_change_reads_a_room_through() -> None:
    asker = lived_in(30)
    room, root = asker.room, asker.root

    def work() -> None:
        room.say(ADA, Edit(root, "new"))
        room.say(BO, React(root, "x", on=True))
        room.say(BO, Pin(root, on=True))
        room.say(ADA, delete(root))
        room.hide(ADA)
        room.hide(ADA, 32, 33)
        again = room.entry(ADA, Message("root"))._replace(sequence=0)
        contents.restore(room.connection, room.row, ADA, [again])
        assert room.message(root).text == "root"
        blocks = contents.to_reread(room.connection, room.row, limit=9)
        contents.give_up(room.connection, room.row, blocks)
        contents.expire(room.connection, [room.message(root).number])
        contents.mark_read(room.connection, room.row)
        contents.drop_changed(room.connection, 5)
        contents.set_identity(room.connection, room.row, BO, None)

    for plan in plans(room.connection, work):
        assert not plan[0].startswith("SCAN"), plan


STEADY = (
    *("newest", "before", "after", "around", "thread", "thread around", "message"),
    *("own", "prefix", "previews", "reactions", "tallies", "due", "old", "arrived"),
)


@pytest.mark.parametrize("name", STEADY)
def test_a_longer_room_costs_no_more(name: str) -> None:
    """Counted in steps of SQLite's machine, which are the same everywhere."""
    costs = []
    for count in (400, 1_200):
        asker = lived_in(count)
        steps = 0

        def step() -> bool:
            nonlocal steps
            steps += 1
            return False

        asker.room.connection.set_progress_handler(step, 10)
        QUESTIONS[name](asker)
        asker.room.connection.set_progress_handler(None)
        costs.append(steps)
    assert costs[1] <= 1.1 * costs[0] + 5, costs
