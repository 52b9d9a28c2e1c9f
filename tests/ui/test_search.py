"""The search with its filters, and going somewhere by a few letters."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt

from app.errors import UserFacingError
from tests.ui.stage import Stage
from tests.ui.test_accessibility import nameless
from tests.ui.test_details import pick
from ui.sample import SampleCore, SampleGateway
from ui.window_state import WindowState

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
DAY_MS = 86_400_000


@pytest.fixture
def stage(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> Stage:
    """Two rooms with something said in each, the garden open."""
    garden = core.add_room("Garden", people=("Grace", "Emmy")).snapshot.room
    choir = core.add_room("Choir", people=("Emmy",)).snapshot.room
    core.hear(garden, "Grace", "The seedlings need water", at_ms=core.now_ms - DAY_MS)
    for number in range(120):
        core.hear(garden, "Emmy", f"Note {number}", at_ms=core.now_ms - 9000 + number)
    core.hear(garden, "Emmy", "Water and <b>compost</b>", at_ms=core.now_ms - 100)
    core.hear(choir, "Emmy", "Music for Water", at_ms=core.now_ms - 9 * DAY_MS)
    stage = open_stage(gateway, state=remembered)
    stage.click("room:Garden")
    stage.wait_until(lambda: stage.focused() == "composer")
    return stage


def hits(stage: Stage) -> list[str]:
    """What is found, as it is shown."""
    return [
        item.objectName().removeprefix("hit:")
        for item in stage.items()
        if item.objectName().startswith("hit:")
    ]


def test_a_word_is_found_in_the_room_and_everywhere(stage: Stage) -> None:
    stage.press(Qt.Key.Key_F, CTRL)
    stage.wait_for_text("Find what was said")
    stage.type("water")
    stage.wait_until(lambda: len(hits(stage)) == 2, what="two hits in the room")
    assert hits(stage) == ["Water and <b>compost</b>", "The seedlings need water"]
    assert nameless(stage) == []
    stage.press(Qt.Key.Key_F, CTRL | SHIFT)
    stage.wait_until(lambda: len(hits(stage)) == 3, what="three hits everywhere")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: stage.shows("roomList"))


def test_filters_narrow_what_is_found(stage: Stage) -> None:
    stage.press(Qt.Key.Key_F, CTRL | SHIFT)
    stage.type("water")
    stage.wait_until(lambda: len(hits(stage)) == 3)
    stage.wait_until(
        lambda: "Grace" in stage.get("searchAuthorSelect").property("options")
    )
    options = list(stage.get("searchAuthorSelect").property("options"))
    pick(stage, "searchAuthorSelect", options.index("Emmy"))
    stage.wait_until(lambda: len(hits(stage)) == 2)
    pick(stage, "searchSpanSelect", 2)
    stage.wait_until(lambda: hits(stage) == ["Water and <b>compost</b>"])
    pick(stage, "searchRoomSelect", 1)
    stage.wait_until(lambda: len(hits(stage)) == 1)


def test_a_hit_far_back_is_shown_where_it_was_said(stage: Stage) -> None:
    stage.press(Qt.Key.Key_F, CTRL)
    stage.type("seedlings")
    stage.wait_until(lambda: hits(stage) == ["The seedlings need water"])
    stage.press(Qt.Key.Key_Down)
    stage.press(Qt.Key.Key_Return)
    stage.wait_until(
        lambda: any(
            item.property("text") and "seedlings" in str(item.property("text"))
            for item in stage.items()
            if item.objectName() == "messageText"
        ),
        what="the message is in view",
    )


def test_a_hit_in_another_room_opens_it(stage: Stage) -> None:
    stage.press(Qt.Key.Key_F, CTRL | SHIFT)
    stage.type("music")
    stage.click("hit:Music for Water")
    stage.wait_until(lambda: stage.get("roomTitle").property("text") == "Choir")


def test_more_comes_while_scrolling_and_nothing_is_told(stage: Stage) -> None:
    stage.press(Qt.Key.Key_F, CTRL)
    stage.type("note")
    stage.wait_until(lambda: stage.get("hitList").property("count") == 30)
    stage.click("hit:Note 119")
    for _ in range(40):
        stage.press(Qt.Key.Key_Down)
    stage.wait_until(lambda: stage.get("hitList").property("count") > 30)
    stage.click("searchField")
    stage.press(Qt.Key.Key_A, CTRL)
    stage.type("zebra")
    stage.wait_for_text("Nothing found")


def test_what_is_not_indexed_yet_is_told_and_looked_for_again(
    stage: Stage, core: SampleCore
) -> None:
    core.index_is_whole = False
    stage.press(Qt.Key.Key_F, CTRL)
    stage.type("compost")
    stage.wait_for_text("still being indexed")
    core.index_is_whole = True
    stage.wait_until(lambda: not stage.shows("indexingText"), what="it is whole")
    assert core.queries.count("compost") >= 2


def test_a_search_that_fails_says_why(
    stage: Stage, core: SampleCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(query: str, **filters: object) -> list[object]:
        del query, filters
        raise UserFacingError("bad-query", "A quotation mark is missing.")

    monkeypatch.setattr(core, "search", refuse)
    stage.press(Qt.Key.Key_F, CTRL)
    stage.type("x")
    stage.wait_for_text("A quotation mark is missing.")


def test_a_room_is_reached_by_a_few_letters(stage: Stage) -> None:
    stage.press(Qt.Key.Key_K, CTRL)
    stage.get("switch:Choir")
    assert nameless(stage) == []
    stage.type("chr")
    stage.wait_until(lambda: not stage.shows("switch:Garden"))
    stage.press(Qt.Key.Key_Return)
    stage.wait_until(lambda: stage.get("roomTitle").property("text") == "Choir")
    stage.wait_until(lambda: not stage.shows("switchField"))


def test_a_person_is_reached_by_a_few_letters(stage: Stage, core: SampleCore) -> None:
    stage.press(Qt.Key.Key_K, CTRL)
    stage.wait_until(lambda: stage.focused() != "composer")
    stage.type("mer")
    stage.wait_for_text("Nothing is called that")
    # Who becomes known meanwhile is offered at once.
    core.meet("Maria Merian", "accepted")
    stage.click("switch:Maria Merian")
    stage.wait_until(lambda: stage.get("roomTitle").property("text") == "Maria Merian")


def test_a_narrow_window_shows_the_search_alone(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    room = core.add_room("Garden", people=("Grace",)).snapshot.room
    core.hear(room, "Grace", "Water the beans")
    stage = open_stage(gateway, state=remembered, size=(360, 640))
    stage.click("searchButton")
    stage.type("beans")
    stage.click("hit:Water the beans")
    stage.wait_until(lambda: stage.shows("roomTitle"))
    assert not stage.shows("searchField")
