from __future__ import annotations

import random
from dataclasses import replace

import pytest
from PySide6.QtCore import QAbstractItemModel
from PySide6.QtTest import QAbstractItemModelTester

from app.snapshots import (
    MessageSnapshot,
    PollOptionSnapshot,
    PollSnapshot,
    PreviewSnapshot,
)
from ui.models.message_rows import MAX_SHOWN_CHARS
from ui.models.messages import MAX_LOADED, MessageListModel

NOW = 1_793_197_920_000
MINUTE = 60_000


def message(
    number: int, *, author: str = "grace", at: int | None = None, text: str = ""
) -> MessageSnapshot:
    return MessageSnapshot(
        id=f"id{number}",
        room="r",
        author=author,
        author_name=author.title(),
        text=text or f"text {number}",
        sent_at=NOW + number * MINUTE if at is None else at,
        mine=author == "me",
    )


@pytest.fixture
def model() -> MessageListModel:
    model = MessageListModel(now_ms=lambda: NOW)
    QAbstractItemModelTester(
        model, QAbstractItemModelTester.FailureReportingMode.Fatal, model
    )
    return model


def ids(model: MessageListModel) -> list[str]:
    """From oldest to newest."""
    return [row.messageId for row in reversed(model.rows)]


def rebuilt(model: MessageListModel) -> MessageListModel:
    """What the model would show if it were filled at once."""
    fresh = MessageListModel(now_ms=lambda: NOW)
    fresh.load([entry.message for entry in reversed(model.entries)])
    fresh.mark_fresh(model.fresh_id)
    return fresh


def test_a_page_is_shown_newest_first(model: MessageListModel) -> None:
    model.load([message(1), message(2)])
    assert [row.messageId for row in model.rows] == ["id2", "id1"]
    assert isinstance(model, QAbstractItemModel)
    assert model.rowCount() == 2


def test_messages_find_their_place_by_time(model: MessageListModel) -> None:
    model.load([message(1), message(5)])
    added = model.receive([message(6), message(3), message(4), message(0)])
    assert ids(model) == ["id0", "id1", "id3", "id4", "id5", "id6"]
    assert [m.id for m in added] == ["id6", "id3", "id4", "id0"]


def test_a_message_told_twice_is_shown_once(model: MessageListModel) -> None:
    model.load([message(1)])
    assert model.receive([message(1), message(1)]) == []
    assert ids(model) == ["id1"]


def test_groups_follow_author_minute_and_day(model: MessageListModel) -> None:
    start = NOW // MINUTE * MINUTE
    model.load(
        [
            message(1, at=start),
            message(2, at=start + 59_999),
            message(3, at=start + MINUTE),
            message(4, at=start + MINUTE, author="emmy"),
        ]
    )
    edges = [(row.first, row.last) for row in reversed(model.rows)]
    assert edges == [(True, False), (False, True), (True, True), (True, True)]
    assert [bool(row.day) for row in reversed(model.rows)] == [
        True,
        False,
        False,
        False,
    ]


def test_a_late_message_between_two_splits_their_group(
    model: MessageListModel,
) -> None:
    start = NOW // MINUTE * MINUTE
    model.load([message(1, at=start), message(2, at=start + 20_000)])
    model.receive([message(3, at=start + 10_000, author="emmy")])
    edges = [(row.first, row.last) for row in reversed(model.rows)]
    assert edges == [(True, True), (True, True), (True, True)]


def test_rows_are_the_same_however_the_messages_came() -> None:
    seed = 7
    chance = random.Random(seed)
    for attempt in range(40):
        model = MessageListModel(now_ms=lambda: NOW)
        model.load([])
        pool = [
            message(
                number,
                author=chance.choice(["me", "grace", "emmy"]),
                at=NOW + chance.randrange(10) * MINUTE // 2 + number,
            )
            for number in range(25)
        ]
        order = pool[:]
        chance.shuffle(order)
        while order:
            count = chance.randrange(1, 6)
            model.receive(order[:count])
            order = order[count:]
        assert list(model.rows) == list(rebuilt(model).rows), (seed, attempt)
        assert ids(model) == [m.id for m in sorted(pool, key=lambda m: m.sent_at)], (
            seed,
            attempt,
        )


def test_the_new_line_stands_above_the_first_unread(model: MessageListModel) -> None:
    model.load(
        [message(1), message(2, author="me"), message(3), message(4, author="me")],
        unread=1,
    )
    assert [row.fresh for row in reversed(model.rows)] == [False, False, True, False]
    model.mark_fresh("")
    assert not any(row.fresh for row in model.rows)


def test_the_order_of_the_core_is_taken_over(model: MessageListModel) -> None:
    model.load([message(1), message(2)])
    wrong_clock = message(3, at=NOW - 100 * MINUTE)
    model.receive([wrong_clock])
    assert ids(model) == ["id3", "id1", "id2"]
    assert model.agree([message(1), message(2), wrong_clock])
    assert ids(model) == ["id1", "id2", "id3"]
    assert not model.agree([message(1), message(2), wrong_clock])
    assert list(model.rows) == list(rebuilt(model).rows)


def test_a_pending_message_becomes_the_stored_one(model: MessageListModel) -> None:
    model.load([])
    model.add_pending(message(9, author="me", text="hello"))
    assert model.rows[0].sendState == "sending"
    model.settle("id9", message(1, author="me", text="hello"))
    assert [(row.messageId, row.sendState) for row in model.rows] == [("id1", "here")]


@pytest.mark.parametrize("event_first", [True, False])
def test_answer_and_event_of_one_sending_make_one_row(
    model: MessageListModel, event_first: bool
) -> None:
    model.load([])
    model.add_pending(message(9, author="me", text="hello"))
    stored = message(1, author="me", text="hello")
    if event_first:
        assert model.receive([stored]) == []
        model.settle("id9", stored)
    else:
        model.settle("id9", stored)
        assert model.receive([stored]) == []
    assert ids(model) == ["id1"]


def test_a_failed_message_keeps_its_text_until_taken_back(
    model: MessageListModel,
) -> None:
    model.load([])
    model.add_pending(message(9, author="me", text="hello"))
    model.fail("id9", "The disk is full.")
    assert (model.rows[0].sendState, model.rows[0].stateText) == (
        "failed",
        "The disk is full.",
    )
    taken = model.take_failed("id9")
    assert taken is not None
    assert taken.text == "hello"
    assert model.rowCount() == 0
    assert model.take_failed("id9") is None


def test_delivery_only_grows(model: MessageListModel) -> None:
    model.load([message(1, author="me")])
    assert model.rows[0].stateText == "Here only"
    model.deliver("id1", 2)
    model.deliver("id1", 1)
    assert (model.rows[0].sendState, model.rows[0].stateText) == (
        "delivered",
        "On 2 devices",
    )


def test_a_long_message_is_cut_until_asked_for(model: MessageListModel) -> None:
    model.load([message(1, text="x" * (MAX_SHOWN_CHARS + 10))])
    assert model.rows[0].cut
    assert len(model.rows[0].body) == MAX_SHOWN_CHARS + 1
    assert len(model.rows[0].plain) == MAX_SHOWN_CHARS + 10
    model.expand("id1")
    assert not model.rows[0].cut
    assert len(model.rows[0].body) == MAX_SHOWN_CHARS + 10


def test_the_window_onto_the_history_stays_small(model: MessageListModel) -> None:
    model.load([message(n) for n in range(MAX_LOADED)])
    model.add_older([message(n) for n in range(-50, 0)])
    assert model.trim_newest(50) == f"id{MAX_LOADED - 50}"
    assert model.rowCount() == MAX_LOADED
    model.add_newer([message(n) for n in range(MAX_LOADED - 50, MAX_LOADED)])
    assert model.trim_oldest()
    assert ids(model) == [f"id{n}" for n in range(MAX_LOADED)]
    assert list(model.rows) == list(rebuilt(model).rows)


def test_what_was_edited_says_so_and_stands_alone(model: MessageListModel) -> None:
    model.load([message(1, at=NOW), message(2, at=NOW), message(3, at=NOW)])
    assert [row.last for row in model.rows] == [True, False, False]
    model.change([replace(message(2, at=NOW), text="better", edited=True)])
    row = model.rows[1]
    assert (row.body, row.plain) == ("better", "better")
    assert "edited" in row.time
    assert row.last
    assert model.rows == rebuilt(model).rows


def test_what_is_deleted_or_newer_has_no_words(model: MessageListModel) -> None:
    answer = replace(message(2), reply_to="id1")
    model.load([message(1, text="a secret"), answer])
    assert model.rows[0].quoteText == "a secret"
    model.change([replace(message(1), text="", deleted=True)])
    assert (model.rows[1].body, model.rows[1].plain) == ("Message deleted", "")
    assert model.rows[0].quoteText == "Message deleted"
    model.change([replace(message(1), text="", kind="newer")])
    assert model.rows[1].body == "Update Covey to see this message"
    model.change([], gone=["id1", "unknown"])
    assert ids(model) == ["id2"]
    assert model.rows[0].quoteText == "to an earlier message"


def test_what_is_quoted_need_not_be_loaded(model: MessageListModel) -> None:
    preview = PreviewSnapshot("id1", "ada", "Ada", "who?")
    answer = replace(message(2), reply_to="id1", reply=preview)
    model.load([answer])
    assert (model.rows[0].quoteAuthor, model.rows[0].quoteText) == ("Ada", "who?")
    gone = replace(preview, text="", deleted=True)
    model.change([replace(answer, reply=gone)])
    assert model.rows[0].quoteText == "Message deleted"


def test_polls_and_what_is_forwarded_say_what_they_are(
    model: MessageListModel,
) -> None:
    poll = PollSnapshot(
        (
            PollOptionSnapshot("heron", 2, mine=True),
            PollOptionSnapshot("owl", 0, mine=False),
        ),
        multiple=False,
        closes_at=None,
        voters=2,
    )
    model.load(
        [
            replace(message(1, text="which?"), kind="poll", poll=poll),
            replace(message(2, text="look"), forwarded_from="Bo"),
        ]
    )
    assert model.rows[1].body == "which?"
    options = model.rows[1].poll["options"]
    assert [(it["text"], it["count"], it["leads"]) for it in options] == [
        ("heron", 2, True),
        ("owl", 0, False),
    ]
    assert (model.rows[0].forwarded, model.rows[0].body) == ("Bo", "look")
