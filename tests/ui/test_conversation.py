"""Writing and reading in a room: states, drafts, history, newest, members."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtQuick import QQuickItem
from PySide6.QtTest import QTest

from app.errors import UserFacingError
from tests.ui.stage import Stage
from ui.sample import LINK, SampleCore, SampleGateway
from ui.window_state import WindowState

SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def garden(core: SampleCore) -> str:
    """A room with Grace in it."""
    return core.add_room("Garden", people=("Grace",)).snapshot.room


def messages(stage: Stage) -> list[QQuickItem]:
    """The bubbles' texts that can be seen, from top to bottom."""
    found = [i for i in stage.items() if i.objectName() == "messageText"]
    return sorted(found, key=lambda item: item.mapToScene(QPointF(0, 0)).y())


def words(stage: Stage) -> list[str]:
    """What the visible bubbles say, from top to bottom."""
    return [str(item.property("text")) for item in messages(stage)]


def test_enter_sends_and_shift_enter_makes_a_line(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    stage.type("One")
    stage.press(Qt.Key.Key_Return, SHIFT)
    stage.type("two")
    stage.press(Qt.Key.Key_Return)
    stage.wait_until(lambda: words(stage) == ["One\ntwo"])
    assert stage.get("composer").property("text") == ""
    assert stage.focused() == "composer"
    assert [m.text for m in stage.run(core.history(garden))] == ["One\ntwo"]


def test_the_state_of_a_message_is_true(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.sends_wait_s = 0.3
    stage.type("Anybody?")
    stage.press(Qt.Key.Key_Return)
    stage.wait_until(lambda: words(stage) == ["Anybody?"])
    assert not stage.sees("Here only")
    stage.wait_for_text("Here only")
    sent = stage.run(core.history(garden))[0]
    core.deliver(garden, sent.id, 1)
    stage.wait_for_text("On 1 device")
    core.deliver(garden, sent.id, 3)
    stage.wait_for_text("On 3 devices")


def test_a_message_that_cannot_be_stored_says_so_and_can_be_sent_again(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.refusal = UserFacingError("disk", "The disk is full.")
    stage.type("Keep this")
    stage.press(Qt.Key.Key_Return)
    stage.wait_for_text("Not sent. The disk is full.")
    assert stage.run(core.history(garden)) == []
    core.refusal = None
    stage.click("sendAgainButton")
    stage.wait_for_text("Here only")
    assert words(stage) == ["Keep this"]
    assert [m.text for m in stage.run(core.history(garden))] == ["Keep this"]


def test_an_answer_appears_while_one_writes(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    stage.type("half a sen")
    core.hear(garden, "Grace", "Good morning")
    stage.wait_until(lambda: words(stage) == ["Good morning"])
    assert stage.get("composer").property("text") == "half a sen"
    assert stage.focused() == "composer"


def test_drafts_stay_with_their_rooms(stage: Stage, core: SampleCore) -> None:
    core.add_room("Choir", people=("Emmy",))
    stage.type("for the garden")
    stage.click("room:Choir")
    stage.wait_until(lambda: stage.get("composer").property("text") == "")
    assert stage.sees("Draft:")
    stage.type("for the choir")
    stage.click("room:Garden")
    stage.wait_until(
        lambda: stage.get("composer").property("text") == "for the garden",
        what="the draft is back",
    )
    stage.click("room:Choir")
    stage.wait_until(lambda: stage.get("composer").property("text") == "for the choir")


def test_bubbles_of_one_author_and_minute_share_one_time(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    minute = core.now_ms // 60_000 * 60_000 - 600_000
    core.hear(garden, "Grace", "a", at_ms=minute)
    core.hear(garden, "Grace", "b", at_ms=minute + 30_000)
    core.hear(garden, "Grace", "c", at_ms=minute + 61_000)
    stage.wait_until(lambda: words(stage) == ["a", "b", "c"])
    assert len([t for t in stage.texts() if t == "Grace"]) == 2


def test_the_new_line_stands_above_what_came_unseen(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    garden: str,
    remembered: WindowState,
) -> None:
    core.say(garden, "seen", at_ms=core.now_ms - 9000)
    core.hear(garden, "Grace", "unseen 1", at_ms=core.now_ms - 8000)
    core.hear(garden, "Grace", "unseen 2", at_ms=core.now_ms - 7000)
    stage = open_stage(gateway, state=remembered)
    stage.click("room:Garden")
    line = stage.get("newLine").mapToScene(QPointF(0, 0)).y()
    places = {
        str(item.property("text")): item.mapToScene(QPointF(0, 0)).y()
        for item in messages(stage)
    }
    assert places["seen"] < line < places["unseen 1"] < places["unseen 2"]
    stage.wait_until(lambda: stage.get("room:Garden").property("unread") == 0)
    assert stage.shows("newLine"), "the line stays while the room is open"


def test_history_comes_in_pages_while_scrolling_up(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    garden: str,
    remembered: WindowState,
) -> None:
    for number in range(180):
        core.say(garden, f"message {number}", at_ms=core.now_ms - 200_000 + number)
    stage = open_stage(gateway, state=remembered)
    stage.click("room:Garden")
    stage.wait_until(lambda: "message 179" in words(stage))
    list_view = stage.get("messageList")
    assert list_view.property("count") < 180
    for _ in range(400):
        if "message 0" in words(stage):
            break
        _wheel(stage, list_view, 960)
    assert "message 0" in words(stage)
    assert list_view.property("count") == 180

    core.hear(garden, "Grace", "look here")
    stage.wait_until(lambda: stage.get("jumpButton").property("missed") == 1)
    assert "look here" not in words(stage)
    stage.click("jumpButton")
    stage.wait_until(lambda: "look here" in words(stage))
    stage.wait_until(lambda: not stage.shows("jumpButton"))
    assert stage.shows("newLine")


def _wheel(stage: Stage, item: QQuickItem, delta: int) -> None:
    middle = item.mapToScene(QPointF(item.width() / 2, item.height() / 2))
    QTest.wheelEvent(stage.window, middle, QPoint(0, delta))
    stage.pause(0.01)


def test_a_burst_of_messages_ends_with_the_newest_in_view(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    for number in range(300):
        core.hear(garden, "Grace", f"burst {number}", at_ms=core.now_ms + number)
    stage.wait_until(lambda: "burst 299" in words(stage))
    assert not stage.shows("jumpButton")


def test_the_composer_grows_and_the_newest_stays_in_view(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    for number in range(40):
        core.hear(garden, "Grace", f"line {number}", at_ms=core.now_ms + number)
    stage.wait_until(lambda: "line 39" in words(stage))
    before = stage.get("messageList").height()
    for _ in range(4):
        stage.type("x")
        stage.press(Qt.Key.Key_Return, SHIFT)
    stage.wait_until(lambda: stage.get("messageList").height() < before - 30)
    stage.wait_until(lambda: not stage.shows("jumpButton"))
    newest = messages(stage)[-1]
    assert newest.property("text") == "line 39"
    bottom = newest.mapToScene(QPointF(0, newest.height())).y()
    view = stage.get("messageList")
    assert bottom <= view.mapToScene(QPointF(0, view.height())).y()


def test_text_is_shown_as_written_and_copied_as_written(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    text = "<b>not bold</b> & https://example.org/?a=1&b=2."
    core.hear(garden, "Grace", text)
    stage.wait_until(lambda: len(messages(stage)) == 1)
    item = messages(stage)[0]
    assert item.metaObject().className()
    plain = item.property("length")
    assert plain == len(text)
    QGuiApplication.clipboard().setText("")
    stage.click_item(item, Qt.MouseButton.RightButton)
    stage.click("copyTextItem")
    stage.wait_until(lambda: QGuiApplication.clipboard().text() == text)


def test_what_others_change_is_shown_as_it_is_now(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    first = core.hear(garden, "Grace", "a haron")
    second = core.hear(garden, "Grace", "oops")
    third = core.hear(garden, "Grace", "a secret")
    stage.wait_until(lambda: words(stage) == ["a haron", "oops", "a secret"])
    core.change(garden, first.id, text="a heron", edited=True)
    core.change(garden, second.id, text="", deleted=True)
    core.vanish(garden, third.id)
    stage.wait_until(lambda: words(stage) == ["a heron", "Message deleted"])
    assert stage.sees("edited")


def test_an_invite_in_a_message_is_followed_only_when_clicked(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.hear(garden, "Grace", LINK)
    stage.wait_until(lambda: len(messages(stage)) == 1)
    assert not stage.shows("linkField")
    stage.click_item(messages(stage)[0])
    stage.get("linkField")
    stage.wait_until(lambda: stage.get("confirmJoinButton").isEnabled())
    stage.press(Qt.Key.Key_Return)
    stage.wait_until(lambda: stage.get("roomTitle").property("text") != "Garden")
    assert stage.get("roomTitle").property("text") == "Reading circle"


def test_a_very_long_message_is_shown_in_full_when_asked_for(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.hear(garden, "Grace", "word " * 2000 + "end")
    stage.wait_until(lambda: len(messages(stage)) == 1)
    assert messages(stage)[0].property("length") < 5000
    stage.click("showAllButton")
    stage.wait_until(lambda: messages(stage)[0].property("length") == 10_003)


def test_readers_of_a_broadcast_have_no_composer(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    core.add_room("Notes", kind="broadcast", people=("Rachel",))
    stage = open_stage(gateway, state=remembered)
    stage.click("room:Notes")
    stage.wait_for_text("Only admins write here.")
    assert not stage.shows("composer")


def test_members_are_listed_with_who_is_connected(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    stage.click("membersButton")
    stage.get("member:Grace")
    assert stage.sees("Not connected")
    core.connect(garden, "Grace")
    stage.wait_for_text("Connected now")
    assert stage.sees("2 members \u00b7 1 connected")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.shows("memberList"))


def test_unseen_in_an_inactive_window_stays_unread(
    stage: Stage, core: SampleCore, garden: str, open_stage: Callable[..., Stage]
) -> None:
    other = open_stage(SampleGateway(SampleCore(name="Emmy", now_ms=core.now_ms)))
    stage.wait_until(lambda: not stage.window.isActive())
    core.hear(garden, "Grace", "psst")
    stage.wait_until(lambda: words(stage) == ["psst"])
    stage.wait_until(lambda: stage.get("room:Garden").property("unread") == 1)
    assert stage.shows("newLine")
    assert other.window.isActive()
    stage.window.requestActivate()
    stage.wait_until(lambda: stage.get("room:Garden").property("unread") == 0)
