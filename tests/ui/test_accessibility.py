"""What a screen reader and the Tab key find on every screen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtQuick import QQuickItem

from tests.ui.stage import Stage
from ui.sample import SampleCore, SampleGateway, online, peer
from ui.window_state import WindowState

CTRL = Qt.KeyboardModifier.ControlModifier


def nameless(stage: Stage) -> list[str]:
    """Controls that the keyboard reaches but a screen reader cannot name."""
    return [describe(item) for item in stage.items() if reachable(item) and bad(item)]


def reachable(item: QQuickItem) -> bool:
    return item.isEnabled() and item.activeFocusOnTab() and item.width() > 0


def bad(item: QQuickItem) -> bool:
    spoken = QAccessible.queryAccessibleInterface(item)
    return (
        spoken is None
        or not spoken.text(QAccessible.Text.Name).strip()
        or spoken.role() in (QAccessible.Role.NoRole, QAccessible.Role.Client)
    )


def describe(item: QQuickItem) -> str:
    return f"{item.metaObject().className()} {item.objectName()!r}"


def walk(stage: Stage, steps: int = 40) -> list[str]:
    """Object names of what Tab reaches, once around."""
    seen: list[str] = []
    for _ in range(steps):
        stage.press(Qt.Key.Key_Tab)
        item = stage.window.activeFocusItem()
        assert item is not None
        assert item.isVisible(), describe(item)
        name = item.objectName() or describe(item)
        if name in seen:
            break
        seen.append(name)
    return seen


@pytest.fixture
def lively(core: SampleCore) -> SampleCore:
    room = core.add_room("Garden", people=("Grace",)).snapshot.room
    core.hear(room, "Grace", "Good morning")
    core.say(room, "Good morning, Grace", held_by=2)
    core.connect(room, "Grace")
    core.set_network(online(peer("Grace", "direct", "198.51.100.7:1", 24.0)))
    return core


def test_the_first_run_can_be_heard(
    open_stage: Callable[..., Stage], core: SampleCore
) -> None:
    stage = open_stage(SampleGateway(core, exists=False))
    stage.wait_for_text("Welcome to Covey")
    stage.type("Ada")
    assert nameless(stage) == []
    assert set(walk(stage)) >= {"createProfileButton", "restoreButton"}
    stage.click("restoreButton")
    stage.get("phraseField")
    assert nameless(stage) == []


@pytest.mark.parametrize(
    ("key", "shown"), [(Qt.Key.Key_N, "roomNameField"), (Qt.Key.Key_J, "linkField")]
)
def test_dialogs_can_be_heard_and_keep_the_keyboard_inside(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    remembered: WindowState,
    key: Qt.Key,
    shown: str,
) -> None:
    stage = open_stage(gateway, state=remembered)
    stage.wait_for_text("No rooms yet")
    stage.press(key, CTRL)
    stage.get(shown)
    stage.wait_until(
        lambda: (
            stage.window.activeFocusItem() is not None
            and stage.window.activeFocusItem().inherits("QQuickTextField")
        ),
        what="the field has the keyboard",
    )
    assert nameless(stage) == []
    reached: list[str] = []

    def reaches_all() -> bool:
        reached[:] = walk(stage)
        return len(reached) >= 3

    # Once it has come to rest the sheet takes the keyboard, also out of a walk.
    stage.wait_until(reaches_all, what="Tab reaches all of the sheet")
    assert not {"connectionChip", "newRoomButton", "joinButton"} & set(reached)


def test_rooms_and_conversation_can_be_heard(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    lively: SampleCore,
    remembered: WindowState,
) -> None:
    assert lively
    stage = open_stage(gateway, state=remembered)
    stage.click("room:Garden")
    stage.wait_until(lambda: stage.focused() == "composer")
    stage.wait_for_text("On 2 devices")
    assert nameless(stage) == []
    spoken = {
        QAccessible.queryAccessibleInterface(item).text(QAccessible.Text.Name)
        for item in stage.items()
        if item.metaObject().className().startswith("MessageRow")
    }
    assert any(
        name.startswith("You, Good morning, Grace") and name.endswith("On 2 devices")
        for name in spoken
    )
    assert any(name.startswith("Grace, Good morning") for name in spoken)
    room = QAccessible.queryAccessibleInterface(stage.get("room:Garden"))
    assert "1 device connected" in room.text(QAccessible.Text.Name)
    chip = QAccessible.queryAccessibleInterface(stage.get("connectionChip"))
    assert chip.text(QAccessible.Text.Name) == "Connection: Connected to 1 device"
    assert set(walk(stage)) >= {
        *("composer", "room:Garden", "messageList", "connectionChip"),
        *("inviteButton", "membersButton", "newRoomButton", "profileButton"),
    }


def test_every_picture_without_words_is_silent(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    lively: SampleCore,
    remembered: WindowState,
) -> None:
    assert lively
    stage = open_stage(gateway, state=remembered)
    stage.click("room:Garden")
    stage.wait_for_text("On 2 devices")
    graphics = [
        describe(item)
        for item in stage.items()
        if item.inherits("QQuickImage")
        and (found := QAccessible.queryAccessibleInterface(item)) is not None
        and found.role() == QAccessible.Role.Graphic
        and not found.text(QAccessible.Text.Name)
    ]
    assert graphics == []


def test_a_room_is_opened_with_the_keyboard_alone(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    lively: SampleCore,
    remembered: WindowState,
) -> None:
    other = lively.add_room("Choir", people=("Emmy",)).snapshot.room
    lively.hear(other, "Emmy", "Rehearsal", at_ms=lively.now_ms - 99_000)
    stage = open_stage(gateway, state=remembered)
    stage.get("room:Choir")
    for _ in range(12):
        stage.press(Qt.Key.Key_Tab)
        if stage.focused().startswith("room:"):
            break
    assert stage.focused() == "room:Garden"
    stage.press(Qt.Key.Key_Down)
    stage.wait_until(lambda: stage.focused() == "room:Choir")
    stage.press(Qt.Key.Key_Return)
    stage.wait_until(lambda: stage.shows("roomTitle"))
    assert stage.get("roomTitle").property("text") == "Choir"
