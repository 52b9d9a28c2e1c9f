"""Settings: name, devices, what others see, how the window looks, the words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt

from app.errors import UserFacingError
from tests.ui.stage import Stage
from tests.ui.test_accessibility import nameless
from tests.ui.test_details import pick
from ui.sample import SampleCore, SampleGateway
from ui.window_state import Looks, WindowState

CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def stage(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> Stage:
    """The window with the settings open."""
    core.add_room("Garden", people=("Grace",))
    stage = open_stage(gateway, state=remembered)
    stage.wait_until(lambda: stage.focused() == "composer")
    stage.press(Qt.Key.Key_Comma, CTRL)
    stage.get("settings:profile")
    return stage


def turn(stage: Stage, page: str) -> None:
    """Open a page of the settings."""
    stage.click(f"settings:{page}")
    stage.get("settingsBackButton")


def test_the_name_is_changed_everywhere(stage: Stage, core: SampleCore) -> None:
    turn(stage, "profile")
    stage.click("profileNameField")
    stage.press(Qt.Key.Key_A, CTRL)
    stage.type("Countess")
    stage.click("saveNameButton")
    stage.wait_until(lambda: core.me == "Countess")
    stage.wait_until(lambda: "Countess" in stage.window.title())


def test_a_device_is_linked_by_code_and_put_out(stage: Stage, core: SampleCore) -> None:
    turn(stage, "devices")
    stage.get("device:Desk")
    stage.click("linkDeviceButton")
    code = stage.get("deviceCodeImage")
    stage.wait_until(lambda: code.property("implicitWidth") > 21)
    core.add_device("Laptop")
    stage.wait_for_text("Laptop is linked.")
    assert not stage.shows("deviceCode")
    stage.get("device:Laptop")
    stage.click("revokeDeviceButton")
    stage.wait_for_text("Put Laptop out?")
    stage.click("agreeButton")
    stage.wait_until(lambda: not stage.shows("revokeDeviceButton"), what="it is out")
    assert [it.revoked for it in stage.run(core.devices())] == [False, True]


def test_what_others_see_is_switched_off(stage: Stage, core: SampleCore) -> None:
    turn(stage, "privacy")
    stage.click("shareTyping")
    stage.wait_until(lambda: not core.shared.typing)
    assert core.shared.presence
    core.refusal = UserFacingError("disk", "The disk is full.")
    stage.click("sharePresence")
    stage.wait_for_text("The disk is full.")
    stage.wait_until(lambda: stage.get("sharePresence").property("checked") is True)


def test_looks_are_changed_and_remembered(
    stage: Stage, remembered: WindowState
) -> None:
    turn(stage, "looks")
    before = stage.get("settingsBackButton").height()
    stage.click("scheme:dark")
    stage.wait_until(lambda: remembered.looks().scheme == "dark")
    stage.wait_until(lambda: stage.window.color().lightness() < 60)
    pick(stage, "sizeSelect", 5)
    stage.wait_until(lambda: stage.get("settingsBackButton").height() > before)
    stage.click("motionToggle")
    stage.wait_until(lambda: not remembered.looks().motion)
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.shows("motionToggle"))
    stage.press(Qt.Key.Key_0, CTRL)
    stage.wait_until(lambda: remembered.looks() == Looks("dark", 100, motion=False))
    stage.press(Qt.Key.Key_Minus, CTRL)
    stage.wait_until(lambda: remembered.looks().percent == 90)


def test_the_words_are_shown_after_a_question(stage: Stage) -> None:
    stage.click("settings:words")
    stage.wait_for_text("Show your 24 words?")
    assert not stage.shows("word0")
    stage.click("showWordsButton")
    stage.get("word23")


def test_the_shortcuts_are_a_key_away(stage: Stage) -> None:
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.shows("settings:profile"))
    stage.press(Qt.Key.Key_Slash, CTRL)
    stage.wait_for_text("Go to a room or person")


@pytest.mark.parametrize("page", ["profile", "devices", "privacy", "looks", "about"])
def test_every_page_can_be_heard(stage: Stage, page: str) -> None:
    turn(stage, page)
    assert nameless(stage) == []
