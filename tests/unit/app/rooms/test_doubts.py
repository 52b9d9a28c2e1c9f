"""What was told of messages, held against what stands in the tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.rooms.blocks import LogHead
from app.rooms.doubts import Logs, Told, doubt_sentence, is_false
from app.rooms.facts import DeviceFact, RoomFacts
from app.rooms.pages import PageRow
from app.rooms.roles import Kind
from store.autobase import Place
from store.contents.standing import Standing

DEVICE, ADA, BO = b"d" * 32, b"a" * 32, b"b" * 32
ROW = PageRow(b"i" * 32, DEVICE, 5, 90, 2, 77, "Ada", "hello", identity=ADA)
TOLD = Told(ROW, BO, is_first=True, page=b"")
STANDS = Standing(
    Place(90, DEVICE, 5), ADA, 77, None, deleted=False, readable=True, said=True
)


def logs(derived: int, *, cut: int | None = None, forked: bool = False) -> Logs:
    fact = DeviceFact(ADA, present=cut is None, wanted_length=cut)
    head = LogHead(derived, forked=forked)
    facts = RoomFacts(Kind.GROUP, "Birds", devices={DEVICE: fact})
    return Logs(facts, {DEVICE: head}, {DEVICE: derived})


@pytest.mark.parametrize(
    ("row", "stands", "false"),
    [
        ({}, {}, False),
        ({"text": "no"}, {"said": False}, True),
        ({}, {"said": False, "readable": False}, False),
        ({"sent_at": 78}, {}, True),
        ({"clock": 91}, {}, True),
        ({"sequence": 4}, {}, True),
        ({"reply_to": b"r" * 32}, {}, True),
        ({"identity": BO}, {}, True),
        ({"identity": None}, {}, False),
        ({"identity": BO}, {"identity": None}, False),
        ({"deleted": True, "text": ""}, {"said": False}, True),
        ({"deleted": True, "text": ""}, {"deleted": True, "said": False}, False),
        ({"edited_at": 80}, {"said": False}, True),
    ],
)
def test_what_is_there_is_compared(
    row: dict[str, object], stands: dict[str, object], *, false: bool
) -> None:
    told = replace(TOLD, row=replace(ROW, **row))  # type: ignore[arg-type]
    here = replace(STANDS, **stands)  # type: ignore[arg-type]
    assert is_false(told, here, logs(9), ()) is false


@pytest.mark.parametrize("change", [{"edited_at": 80}, {"deleted": True}])
def test_what_may_have_changed_since_is_left_undecided(
    change: dict[str, object],
) -> None:
    row = replace(ROW, **change)  # type: ignore[arg-type]
    later = replace(TOLD, row=row, is_first=False)
    assert not is_false(later, replace(STANDS, said=False), logs(9), ())
    # What an edit never touches is judged all the same.
    assert is_false(later, replace(STANDS, sent_at=1, said=False), logs(9), ())


def test_what_is_not_there_though_its_log_is_was_made_up() -> None:
    assert is_false(TOLD, None, logs(6), ())
    assert is_false(replace(TOLD, is_first=False), None, logs(6), ())


def test_what_was_never_written_was_made_up_where_the_lengths_reach_beyond() -> None:
    assert is_false(TOLD, None, logs(5), ())
    assert not is_false(TOLD, None, logs(5), {DEVICE}), "the log is on its way"
    assert not is_false(replace(TOLD, is_first=False), None, logs(5), ())


def test_who_may_not_have_known_better_does_not_lie() -> None:
    assert not is_false(TOLD, None, logs(9, cut=5), ()), "removed before"
    assert is_false(TOLD, None, logs(9, cut=6), ())
    assert not is_false(TOLD, None, logs(9, forked=True), ())
    gone = replace(TOLD, row=replace(ROW, deleted=True, text=""))
    assert not is_false(gone, None, logs(9), ())


def test_the_sentence_names_who_said_it() -> None:
    assert doubt_sentence("Bo", 1).startswith("One message that Bo showed you")
    assert doubt_sentence("Bo", 3).startswith("3 messages that Bo showed you")
