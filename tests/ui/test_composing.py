"""Writing: completions, marks, drafts, timers, later; and how marked text looks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from tests.ui.stage import Stage
from tests.ui.test_conversation import messages, words
from tests.ui.test_talk import bubble, gone
from ui.sample import SampleCore, SampleGateway
from ui.window_state import WindowState

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


def written(stage: Stage) -> str:
    """What stands in the composer."""
    return str(stage.get("composer").property("text"))


def test_names_are_completed_by_arrow_and_enter(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    stage.type("Thanks @")
    stage.get("completion:Emmy")
    stage.get("completion:Grace")
    stage.press(Qt.Key.Key_Down)
    stage.press(Qt.Key.Key_Return)
    stage.wait_until(lambda: written(stage) == "Thanks @Grace ")
    assert not stage.shows("completionList")
    stage.press(Qt.Key.Key_Return)
    stage.wait_until(lambda: len(stage.run(core.history(garden))) == 1)


def test_completions_are_narrowed_clicked_and_dismissed(stage: Stage) -> None:
    stage.type("@gr")
    stage.wait_until(lambda: not stage.shows("completion:Emmy"))
    stage.click("completion:Grace")
    stage.wait_until(lambda: written(stage) == "@Grace ")
    stage.type("@")
    stage.get("completionList")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.shows("completionList"))
    assert written(stage) == "@Grace @"


def test_an_emoji_is_completed_by_its_code(stage: Stage) -> None:
    stage.type(":tad")
    stage.get("completion::tada:")
    stage.press(Qt.Key.Key_Tab)
    stage.wait_until(lambda: written(stage) == "\U0001f389 ")


@pytest.mark.parametrize(
    ("key", "modifiers", "sign"),
    [
        (Qt.Key.Key_B, CTRL, "**"),
        (Qt.Key.Key_I, CTRL, "*"),
        (Qt.Key.Key_E, CTRL, "`"),
        (Qt.Key.Key_X, CTRL | SHIFT, "~~"),
    ],
)
def test_marks_go_around_what_is_chosen_and_off_again(
    stage: Stage, key: Qt.Key, modifiers: Qt.KeyboardModifier, sign: str
) -> None:
    stage.type("well")
    stage.press(Qt.Key.Key_A, CTRL)
    stage.press(key, modifiers)
    stage.wait_until(lambda: written(stage) == f"{sign}well{sign}")
    stage.press(key, modifiers)
    stage.wait_until(lambda: written(stage) == "well")
    assert not stage.shows("inviteLink")


def test_the_draft_is_kept_by_the_core_and_comes_back(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    garden: str,
    remembered: WindowState,
) -> None:
    core.drafts[garden] = "begun elsewhere"
    stage = open_stage(gateway, state=remembered)
    stage.click("room:Garden")
    stage.wait_until(lambda: written(stage) == "begun elsewhere")
    stage.wait_until(lambda: stage.focused() == "composer")
    stage.type("!")
    stage.wait_until(lambda: core.drafts[garden] == "begun elsewhere!")
    stage.press(Qt.Key.Key_Return)
    stage.wait_until(lambda: core.drafts[garden] == "")


def test_others_are_told_that_one_writes_and_one_sees_that_they_do(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    stage.type("Hel")
    stage.wait_until(lambda: core.typing == [(garden, True)])
    for _ in range(3):
        stage.press(Qt.Key.Key_Backspace)
    stage.wait_until(lambda: core.typing[-1] == (garden, False))
    core.writes(garden, "Grace")
    stage.wait_for_text("Grace is typing")
    core.writes(garden, "Emmy")
    stage.wait_for_text("Grace and Emmy are typing")
    core.hear(garden, "Grace", "Here")
    stage.wait_for_text("Emmy is typing")
    core.writes(garden, "Emmy", typing=False)
    gone(stage, "typingLine")


def test_a_message_is_kept_for_later_and_taken_back(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    stage.type("Good morning")
    stage.click("sendButton", Qt.MouseButton.RightButton)
    stage.click("sendLaterItem")
    stage.click("proposal:1")
    gone(stage, "proposal:1")
    stage.wait_for_text("1 message waiting to be sent")
    assert written(stage) == ""
    assert words(stage) == []
    kept = stage.run(core.scheduled(garden))
    assert [it.text for it in kept] == ["Good morning"]
    stage.click("waitingLine")
    stage.wait_for_text("Good morning")
    stage.click("cancelScheduledButton")
    stage.wait_for_text("Nothing waits.")
    stage.press(Qt.Key.Key_Escape)
    gone(stage, "waitingLine")


def test_a_time_of_ones_own_must_be_one_that_comes(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    stage.type("Later")
    stage.click("composerMenuButton")
    stage.click("laterItem")
    stage.click("scheduleDay")
    stage.press(Qt.Key.Key_A, CTRL)
    stage.type("2001-01-01")
    stage.wait_until(lambda: not stage.get("confirmScheduleButton").isEnabled())
    stage.press(Qt.Key.Key_A, CTRL)
    stage.type("2099-01-31")
    stage.click("confirmScheduleButton")
    stage.wait_until(lambda: len(stage.run(core.scheduled(garden))) == 1)


def test_messages_disappear_when_one_wants_it(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    stage.click("composerMenuButton")
    stage.click("lifetime:3600000")
    gone(stage, "lifetime:3600000")
    stage.click("composer")
    stage.type("psst")
    stage.press(Qt.Key.Key_Return)
    stage.get("expiryMark")
    sent = stage.run(core.history(garden))[0]
    assert sent.expires_at == core.now_ms + 3_600_000


def test_marked_text_is_shown_in_pieces_and_code_is_copied(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.hear(garden, "Grace", "**Look**\n```python\nprint(1 < 2)\n```\n> old words")
    stage.get("copyCodeButton")
    shown = [it.property("text") for it in messages(stage)]
    assert len(shown) == 2
    assert "old words" in shown[1]
    QGuiApplication.clipboard().setText("")
    stage.click("copyCodeButton")
    stage.wait_until(lambda: QGuiApplication.clipboard().text() == "print(1 < 2)")


def test_marks_in_one_line_keep_the_words(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.hear(garden, "Grace", "so **very** <b>good</b>")
    stage.wait_until(lambda: len(messages(stage)) == 1)
    assert messages(stage)[0].property("length") == len("so very <b>good</b>")


def test_a_draft_does_not_follow_into_an_edit(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.say(garden, "Hello")
    bubble(stage, "Hello")
    stage.press(Qt.Key.Key_Up)
    stage.wait_until(lambda: written(stage) == "Hello")
    stage.click("cancelReplyButton")
    stage.wait_until(lambda: written(stage) == "")
    assert core.drafts.get(garden, "") == ""
