"""Two people, two windows, two real cores, and a network of one node on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from tests.ui.stage import Stage
from ui.local_gateway import LocalGateway
from ui.window_state import WindowState

CTRL = Qt.KeyboardModifier.ControlModifier
MENU_TRIES = 5
"""A row that real cores change under the mouse takes its menu with it."""
MENU_LIMIT_S = 5.0
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bootstrap() -> Iterator[str]:
    """Address of the first node of a network of its own."""
    node = subprocess.Popen(
        [
            *(sys.executable, "-m", "app", "--json"),
            *("dht", "--isolated", "--host", "127.0.0.1", "--port", "0"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    assert node.stdout is not None
    try:
        ready = json.loads(node.stdout.readline())
        assert ready["event"] == "ready"
        yield f"127.0.0.1:{ready['port']}"
    finally:
        node.terminate()
        node.wait(60)
        node.stdout.close()


@pytest.fixture
def newcomer(
    open_stage: Callable[..., Stage], bootstrap: str, tmp_path: Path
) -> Callable[[str], Stage]:
    """Opens a window on an empty folder and goes through the first run."""

    def arrive(name: str) -> Stage:
        folder = tmp_path / name
        gateway = LocalGateway(folder, bootstrap=bootstrap, use_keychain=False)
        stage = open_stage(gateway, state=WindowState(folder))
        stage.wait_for_text("Welcome to Covey")
        stage.type(name)
        stage.press(Qt.Key.Key_Return)
        stage.wait_until(lambda: stage.shows("word23"), what="24 words are shown")
        stage.click("phraseDoneButton")
        stage.wait_for_text("No rooms yet")
        return stage

    return arrive


def make_room(stage: Stage, name: str) -> None:
    """Make a room by the keyboard."""
    stage.press(Qt.Key.Key_N, CTRL)
    stage.get("roomNameField")
    stage.type(name)
    stage.press(Qt.Key.Key_Return)
    stage.wait_for_text("Your room is ready")


def say(stage: Stage, text: str) -> None:
    """Click into the composer, type and send."""
    stage.window.requestActivate()
    stage.wait_until(stage.window.isActive)
    stage.click("composer")
    stage.type(text)
    stage.press(Qt.Key.Key_Return)


def bubbles(stage: Stage) -> set[str]:
    """What the visible bubbles say."""
    return {
        str(item.property("text"))
        for item in stage.items()
        if item.objectName() == "messageText"
    }


def test_two_newcomers_meet_by_an_invite_and_talk(
    newcomer: Callable[[str], Stage],
) -> None:
    ada = newcomer("Ada")
    make_room(ada, "Garden")
    say(ada, "Written before anybody came")
    ada.wait_for_text("Here only")
    ada.click("inviteButton")
    ada.wait_until(lambda: ada.get("inviteLink").property("text"), what="a link")
    ada.click("copyLinkButton")
    ada.wait_for_text("Copied")
    assert QGuiApplication.clipboard().text().startswith("covey://")
    ada.press(Qt.Key.Key_Escape)

    grace = newcomer("Grace")
    grace.press(Qt.Key.Key_J, CTRL)
    grace.click("pasteButton")
    grace.click("confirmJoinButton")
    grace.wait_until(lambda: grace.shows("roomTitle"), what="the room is open")
    assert grace.get("roomTitle").property("text") == "Garden"
    grace.wait_until(
        lambda: "Written before anybody came" in bubbles(grace),
        what="what was written before is there",
    )
    ada.wait_for_text("On 1 device")

    say(grace, "Good morning, Ada")
    ada.wait_until(lambda: "Good morning, Ada" in bubbles(ada), what="the answer")
    say(ada, "Good morning, Grace")
    grace.wait_until(lambda: "Good morning, Grace" in bubbles(grace), what="a reply")

    ada.wait_for_text("Connected to 1 device")
    ada.wait_for_text("2 members \u00b7 1 connected")
    ada.click("membersButton")
    ada.get("member:Grace")
    ada.wait_for_text("Connected now")


def choose(stage: Stage, text: str, item: str) -> None:
    """Take a line of a message's menu."""
    stage.window.requestActivate()
    stage.wait_until(stage.window.isActive)
    stage.wait_until(lambda: text in bubbles(stage), what=f"{text!r} is shown")
    for _ in range(MENU_TRIES):
        shown = next(
            it
            for it in stage.items()
            if it.objectName() == "messageText" and it.property("text") == text
        )
        stage.click_item(shown, Qt.MouseButton.RightButton)
        end = stage.loop.time() + MENU_LIMIT_S
        while not stage.shows(item) and stage.loop.time() < end:
            stage.pause(0.05)
        if stage.shows(item):
            break
    stage.click(item)
    stage.wait_until(lambda: not stage.shows(item), what="the menu has closed")


def test_what_one_does_with_messages_the_other_sees(
    newcomer: Callable[[str], Stage],
) -> None:
    ada = newcomer("Ada")
    make_room(ada, "Garden")
    ada.wait_until(lambda: not ada.shows("roomNameField"), what="the dialog is gone")
    ada.click("inviteButton")
    ada.wait_until(lambda: ada.get("inviteLink").property("text"), what="a link")
    ada.click("copyLinkButton")
    ada.wait_for_text("Copied")
    ada.press(Qt.Key.Key_Escape)
    grace = newcomer("Grace")
    grace.press(Qt.Key.Key_J, CTRL)
    grace.click("pasteButton")
    grace.click("confirmJoinButton")
    grace.wait_until(lambda: grace.shows("roomTitle"), what="the room is open")

    say(ada, "Who waters today?")
    choose(grace, "Who waters today?", "quickReaction:\U0001f44d")
    ada.get("reaction:\U0001f44d")
    choose(grace, "Who waters today?", "replyItem")
    grace.wait_for_text("Reply to Ada")
    grace.wait_until(lambda: grace.focused() == "composer")
    grace.type("I do, at sevn")
    grace.press(Qt.Key.Key_Return)
    ada.wait_until(lambda: "I do, at sevn" in bubbles(ada), what="the reply")
    ada.get("quote")
    grace.wait_for_text("On 1 device")
    grace.press(Qt.Key.Key_Up)
    grace.wait_for_text("Edit message")
    grace.press(Qt.Key.Key_Backspace)
    grace.type("en")
    grace.press(Qt.Key.Key_Return)
    ada.wait_until(lambda: "I do, at seven" in bubbles(ada), what="the edit")

    choose(ada, "Who waters today?", "pinItem")
    grace.get("pinsBar")
    grace.window.requestActivate()
    grace.wait_until(grace.window.isActive)
    grace.click("composer")

    def keeps_typing() -> bool:
        grace.type("h")
        grace.pause(0.3)
        return ada.sees("Grace is typing")

    ada.wait_until(keeps_typing, what="Ada sees that Grace is typing")
    choose(ada, "I do, at seven", "ledgerItem")
    ada.get("deliveryList")
    ada.get("delivery:Grace")
    ada.press(Qt.Key.Key_Escape)
    ada.wait_until(lambda: not ada.shows("deliveryList"))
    choose(ada, "Who waters today?", "deleteItem")
    ada.click("confirmDeleteButton")
    grace.wait_until(lambda: "Message deleted" in bubbles(grace), what="the deletion")
    grace.wait_until(lambda: not grace.shows("pinsBar"), what="the pin has gone")


def test_what_was_said_is_there_again_in_the_next_window(
    newcomer: Callable[[str], Stage],
    open_stage: Callable[..., Stage],
    bootstrap: str,
    tmp_path: Path,
) -> None:
    first = newcomer("Ada")
    make_room(first, "Ideas")
    say(first, "Count the birds")
    first.wait_for_text("Here only")
    first.run(first.face.stop())

    folder = tmp_path / "Ada"
    gateway = LocalGateway(folder, bootstrap=bootstrap, use_keychain=False)
    second = open_stage(gateway, state=WindowState(folder))
    second.click("room:Ideas")
    second.wait_until(lambda: "Count the birds" in bubbles(second))
    assert not second.shows("word0")
