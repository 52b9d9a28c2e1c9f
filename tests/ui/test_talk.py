"""What can be done with messages: by the mouse, by the menu, by the keyboard."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtQuick import QQuickItem
from PySide6.QtTest import QTest

from app.errors import UserFacingError
from tests.ui.stage import Stage
from tests.ui.test_conversation import messages, words
from ui.sample import SampleCore, SampleGateway
from ui.window_state import WindowState

CTRL = Qt.KeyboardModifier.ControlModifier
RIGHT = Qt.MouseButton.RightButton


def bubble(stage: Stage, text: str) -> QQuickItem:
    """The words of a message that is shown."""
    stage.wait_until(lambda: text in words(stage), what=f"{text!r} is shown")
    return next(it for it in messages(stage) if it.property("text") == text)


def choose(stage: Stage, text: str, item: str) -> None:
    """Take a line of a message's menu."""
    stage.click_item(bubble(stage, text), RIGHT)
    stage.click(item)
    gone(stage, item)


def gone(stage: Stage, name: str) -> None:
    """Wait until a menu or a dialog has closed, to its last frame."""
    stage.wait_until(lambda: not stage.shows(name), what=f"{name} is gone")


def hover(stage: Stage, item: QQuickItem) -> None:
    """Move the mouse over an item."""
    middle = item.mapToScene(QPointF(item.width() / 2, item.height() / 2))
    QTest.mouseMove(stage.window, QPoint(round(middle.x()), round(middle.y())))
    stage.pause(0.02)


def test_a_reply_names_what_it_answers_and_leads_there(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    first = core.hear(garden, "Grace", "Who has time?")
    hover(stage, bubble(stage, "Who has time?"))
    stage.click("replyButton")
    stage.wait_for_text("Reply to Grace")
    stage.wait_until(lambda: stage.focused() == "composer")
    stage.type("I do")
    stage.press(Qt.Key.Key_Return)
    bubble(stage, "I do")
    stage.wait_until(
        lambda: (
            [m.reply_to for m in stage.run(core.history(garden))] == [None, first.id]
        )
    )
    assert not stage.sees("Reply to Grace")
    for number in range(120):
        core.hear(garden, "Emmy", f"more {number}", at_ms=core.now_ms + number)
    core.say(garden, "see above", at_ms=core.now_ms + 500, reply_to=first.id)
    bubble(stage, "see above")
    assert "Who has time?" not in words(stage)
    stage.click("quote")
    bubble(stage, "Who has time?")
    stage.click("jumpButton")
    bubble(stage, "see above")


def test_an_answer_that_was_begun_is_left_by_escape(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.hear(garden, "Grace", "Who has time?")
    choose(stage, "Who has time?", "replyItem")
    stage.wait_for_text("Reply to Grace")
    stage.wait_until(lambda: stage.focused() == "composer")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.sees("Reply to Grace"))
    assert stage.shows("composer")


def test_the_last_own_message_is_edited_by_the_up_key(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.say(garden, "See you at nien")
    bubble(stage, "See you at nien")
    stage.press(Qt.Key.Key_Up)
    composer = stage.get("composer")
    stage.wait_until(lambda: composer.property("text") == "See you at nien")
    stage.wait_for_text("Edit message")
    stage.press(Qt.Key.Key_Backspace)
    stage.press(Qt.Key.Key_Backspace)
    stage.type("ne")
    stage.press(Qt.Key.Key_Return)
    bubble(stage, "See you at nine")
    assert stage.sees("edited")
    assert composer.property("text") == ""


def test_an_edit_that_is_left_changes_nothing_and_gives_the_draft_back(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.say(garden, "Hello")
    bubble(stage, "Hello")
    stage.type("half a thought")
    choose(stage, "Hello", "editItem")
    composer = stage.get("composer")
    stage.wait_until(lambda: composer.property("text") == "Hello")
    stage.wait_until(lambda: stage.focused() == "composer")
    stage.type("!!!")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: composer.property("text") == "half a thought")
    assert stage.run(core.history(garden))[0].text == "Hello"


def test_reactions_are_put_taken_and_counted(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    told = core.hear(garden, "Grace", "It rains")
    choose(stage, "It rains", "quickReaction:\U0001f44d")
    chip = "reaction:\U0001f44d"
    stage.get(chip)
    core.react_as(garden, told.id, "\U0001f44d")
    stage.wait_until(lambda: str(stage.get(chip).property("text")) == "2")
    assert stage.get(chip).property("checked")
    stage.click(chip)
    stage.wait_until(lambda: str(stage.get(chip).property("text")) == "1")
    assert not stage.get(chip).property("checked")
    choose(stage, "It rains", "responsesItem")
    stage.get("responseList")
    stage.wait_until(lambda: stage.get("responseList").property("count") == 1)
    stage.press(Qt.Key.Key_Escape)
    gone(stage, "responseList")
    hover(stage, stage.get(chip))
    stage.wait_until(
        lambda: stage.get(chip).property("hint") == "Grace",
        what="the tip names who reacted",
    )


def test_the_picker_finds_by_name_and_knows_what_was_used(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.hear(garden, "Grace", "It rains")
    hover(stage, bubble(stage, "It rains"))
    stage.click("reactButton")
    stage.wait_until(lambda: stage.focused() == "emojiSearch")
    stage.type("sunflow")
    stage.click("emoji:\U0001f33b")
    stage.get("reaction:\U0001f33b")
    stage.click("emojiButton")
    stage.get("emojiSearch")
    stage.click("emoji:\U0001f33b")
    composer = stage.get("composer")
    stage.wait_until(lambda: composer.property("text") == "\U0001f33b")


def test_hands_come_in_the_tone_that_was_chosen(stage: Stage) -> None:
    stage.click("emojiButton")
    stage.click("toneButton")
    stage.click("tone:3")
    stage.click("emojiGroup:people")
    stage.click("emoji:\U0001f44b\U0001f3fd")
    composer = stage.get("composer")
    stage.wait_until(lambda: composer.property("text") == "\U0001f44b\U0001f3fd")


def test_a_message_is_deleted_after_a_question(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.say(garden, "Oops")
    choose(stage, "Oops", "deleteItem")
    stage.wait_for_text("Delete this message?")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.sees("Delete this message?"))
    assert "Oops" in words(stage)
    choose(stage, "Oops", "deleteItem")
    stage.click("confirmDeleteButton")
    bubble(stage, "Message deleted")


def test_others_messages_offer_only_what_may_be_done(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.hear(garden, "Grace", "Hers")
    stage.click_item(bubble(stage, "Hers"), RIGHT)
    stage.get("replyItem")
    assert not stage.shows("editItem")
    assert not stage.shows("deleteItem")
    assert not stage.shows("pinItem")


def test_a_refused_change_says_why(stage: Stage, core: SampleCore, garden: str) -> None:
    core.say(garden, "Keep")
    bubble(stage, "Keep")
    core.refusal = UserFacingError("disk", "The disk is full.")
    choose(stage, "Keep", "quickReaction:\U0001f44d")
    stage.wait_for_text("The disk is full.")
    assert not stage.shows("reaction:\U0001f44d")


def test_several_are_chosen_copied_and_deleted(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.say(garden, "one")
    core.say(garden, "two", at_ms=core.now_ms + 1)
    core.hear(garden, "Grace", "three", at_ms=core.now_ms + 2)
    choose(stage, "one", "selectItem")
    stage.wait_for_text("1 chosen")
    stage.click_item(bubble(stage, "two"))
    stage.wait_for_text("2 chosen")
    QGuiApplication.clipboard().setText("")
    stage.click("copySelectedButton")
    stage.wait_until(lambda: "two" in QGuiApplication.clipboard().text())
    stage.wait_until(lambda: not stage.shows("selectedCount"))

    choose(stage, "one", "selectItem")
    stage.click_item(bubble(stage, "three"))
    stage.wait_for_text("2 chosen")
    assert not stage.get("deleteSelectedButton").isEnabled(), "one is not ours"
    stage.click_item(bubble(stage, "three"))
    stage.click_item(bubble(stage, "two"))
    stage.click("deleteSelectedButton")
    stage.click("confirmDeleteButton")
    gone(stage, "confirmDeleteButton")
    stage.wait_until(
        lambda: words(stage) == ["Message deleted", "Message deleted", "three"]
    )
    assert stage.shows("composer")


def test_a_message_is_forwarded_with_a_label(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.add_room("Choir", people=("Emmy",))
    core.hear(garden, "Grace", "Frost tonight")
    choose(stage, "Frost tonight", "forwardItem")
    stage.wait_until(lambda: stage.focused() == "forwardSearchField")
    stage.type("cho")
    stage.wait_until(lambda: not stage.shows("forwardTo:Garden"))
    stage.click("forwardTo:Choir")
    gone(stage, "forwardList")
    stage.click("room:Choir")
    bubble(stage, "Frost tonight")
    stage.wait_for_text("Forwarded from Grace")


def test_a_thread_is_opened_answered_and_left(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    root = core.hear(garden, "Grace", "About the key")
    core.hear(garden, "Emmy", "Something else", at_ms=core.now_ms + 1)
    choose(stage, "About the key", "threadItem")
    stage.get("threadHeading")
    stage.wait_until(lambda: words(stage) == ["About the key"])
    stage.click("composer")
    stage.type("Which one?")
    stage.press(Qt.Key.Key_Return)
    stage.wait_until(lambda: words(stage) == ["About the key", "Which one?"])
    core.hear(garden, "Emmy", "Not in the thread", at_ms=core.now_ms + 2)
    core.hear(garden, "Grace", "The blue", at_ms=core.now_ms + 3, thread=root.id)
    bubble(stage, "The blue")
    assert "Not in the thread" not in words(stage)
    stage.click("threadBackButton")
    bubble(stage, "Not in the thread")
    stage.wait_for_text("2 messages in thread")


def test_the_ledger_tells_who_has_a_message(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    sent = core.say(garden, "Anybody?", held_by=1)
    bubble(stage, "Anybody?")
    stage.wait_for_text("On 1 of 2 devices")
    stage.click("messageState")
    stage.get("deliveryList")
    stage.wait_for_text("On 2 of 3 devices.")
    assert stage.sees("Gets it when both of you are online.")
    core.deliver(garden, sent.id, 2)
    stage.wait_for_text("On 3 of 3 devices.")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.shows("deliveryList"))
    stage.wait_for_text("On 2 devices")


def test_pins_stand_above_and_lead_to_their_messages(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    room = core.add_room("Alone").snapshot.room
    core.say(room, "The rules", at_ms=core.now_ms - 9_000_000)
    stage = open_stage(gateway, state=remembered)
    stage.wait_until(lambda: stage.focused() == "composer")
    choose(stage, "The rules", "pinItem")
    stage.get("pinsBar")
    for number in range(150):
        core.say(room, f"line {number}", at_ms=core.now_ms + number)
    bubble(stage, "line 149")
    stage.click("pinsBar")
    bubble(stage, "The rules")
    choose(stage, "The rules", "pinItem")
    stage.wait_until(lambda: not stage.shows("pinsBar"))


def test_a_poll_is_made_and_voted_in(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    stage.click("composerMenuButton")
    stage.click("pollItem")
    stage.wait_until(lambda: stage.focused() == "pollQuestion")
    stage.type("Which day?")
    stage.click("pollAnswer:0")
    stage.type("Friday")
    assert not stage.get("makePollButton").isEnabled()
    stage.click("pollAnswer:1")
    stage.type("Sunday")
    stage.get("pollAnswer:2")
    stage.click("makePollButton")
    gone(stage, "makePollButton")
    bubble(stage, "Which day?")
    stage.click("pollOption:Sunday")
    stage.wait_for_text("1 vote")
    poll = stage.run(core.history(garden))[-1].poll
    assert poll is not None
    assert [it.count for it in poll.options] == [0, 1]
    stage.click("pollOption:Friday")
    stage.wait_until(
        lambda: (
            [
                it.mine
                for it in stage.run(core.history(garden))[-1].poll.options  # type: ignore[union-attr]
            ]
            == [True, False]
        )
    )


def test_messages_are_walked_and_used_by_the_keyboard(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.hear(garden, "Grace", "first")
    core.say(garden, "second", at_ms=core.now_ms + 1)
    bubble(stage, "second")
    view = stage.get("messageList")
    view.forceActiveFocus()
    stage.press(Qt.Key.Key_Up)
    stage.press(Qt.Key.Key_Up)
    stage.wait_until(lambda: view.property("currentIndex") == 1)
    QGuiApplication.clipboard().setText("")
    stage.press(Qt.Key.Key_C, CTRL)
    stage.wait_until(lambda: QGuiApplication.clipboard().text() == "first")
    stage.press(Qt.Key.Key_Return)
    stage.get("replyItem")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.shows("replyItem"))
    stage.press(Qt.Key.Key_Space)
    stage.wait_for_text("1 chosen")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.shows("selectedCount"))
    view.forceActiveFocus()
    stage.press(Qt.Key.Key_Down)
    stage.press(Qt.Key.Key_Delete)
    stage.wait_for_text("Delete this message?")
