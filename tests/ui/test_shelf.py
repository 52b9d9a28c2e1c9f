"""What can be done with rooms from the list: pins, archive, unread marks, typing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt

from app.events import TypingChanged
from tests.ui.stage import Stage
from tests.ui.test_accessibility import nameless
from ui.sample import SampleCore, SampleGateway, key_of
from ui.window_state import WindowState


@pytest.fixture
def rooms(core: SampleCore) -> dict[str, str]:
    """Three rooms with something to read; the garden is the newest."""
    made: dict[str, str] = {}
    for name in ("Choir", "Club", "Garden"):
        made[name] = core.add_room(name, people=("Grace",)).snapshot.room
        core.now_ms += 1000
        core.hear(made[name], "Grace", f"Hello {name}")
    return made


@pytest.fixture
def stage(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    rooms: dict[str, str],
    remembered: WindowState,
) -> Stage:
    assert rooms
    stage = open_stage(gateway, state=remembered)
    stage.get("room:Garden")
    return stage


def order(stage: Stage) -> list[str]:
    """Names in the list from top to bottom."""
    rows = [i for i in stage.items() if i.objectName().startswith("room:")]
    rows.sort(key=lambda row: row.y())
    return [row.objectName().removeprefix("room:") for row in rows]


def menu(stage: Stage, room: str, item: str) -> None:
    """Choose from a room's menu."""
    stage.click(f"room:{room}", Qt.MouseButton.RightButton)
    stage.click(item)
    stage.wait_until(lambda: not stage.shows(item), what="the menu closes")


def test_a_pinned_room_stays_on_top(
    stage: Stage, core: SampleCore, rooms: dict[str, str]
) -> None:
    assert order(stage) == ["Garden", "Club", "Choir"]
    menu(stage, "Choir", "pinRoomItem")
    stage.wait_until(lambda: order(stage) == ["Choir", "Garden", "Club"])
    core.hear(rooms["Club"], "Grace", "Again")
    stage.wait_until(lambda: order(stage) == ["Choir", "Club", "Garden"])
    assert rooms["Choir"] in core.kept["pinned-rooms"]
    menu(stage, "Choir", "pinRoomItem")
    stage.wait_until(lambda: order(stage)[-1] == "Choir")


def test_a_room_is_put_away_and_taken_out(
    stage: Stage, core: SampleCore, rooms: dict[str, str]
) -> None:
    menu(stage, "Club", "archiveRoomItem")
    stage.wait_until(lambda: order(stage) == ["Garden", "Choir"])
    core.hear(rooms["Club"], "Grace", "Still here")
    stage.click("archiveRow")
    stage.wait_until(lambda: order(stage) == ["Club"])
    assert nameless(stage) == []
    menu(stage, "Club", "archiveRoomItem")
    stage.wait_until(lambda: sorted(order(stage)) == ["Choir", "Club", "Garden"])
    assert not stage.shows("archiveRow")


def test_a_room_is_marked_as_read_and_unread(
    stage: Stage, core: SampleCore, rooms: dict[str, str]
) -> None:
    menu(stage, "Club", "markRoomItem")
    stage.wait_until(lambda: stage.get("room:Club").property("unread") == 0)
    menu(stage, "Club", "markRoomItem")
    stage.wait_until(lambda: stage.get("room:Club").property("marked") is True)
    assert rooms["Club"] in core.kept["unread-rooms"]
    stage.click("room:Club")
    stage.wait_until(lambda: stage.get("room:Club").property("marked") is False)


def test_who_writes_is_seen_in_the_list(
    stage: Stage, core: SampleCore, rooms: dict[str, str]
) -> None:
    for typing in (True, False):
        core._mail.post(TypingChanged(rooms["Choir"], key_of("Grace"), "Grace", typing))
        stage.wait_until(lambda t=typing: stage.sees("Grace is writing") is t)
    core._change(rooms["Choir"], mentions=1)
    stage.wait_until(lambda: stage.get("room:Choir").property("mentions") == 1)


def test_leaving_from_the_list_asks_first(stage: Stage) -> None:
    menu(stage, "Club", "leaveRoomItem")
    stage.wait_for_text("Leave Club?")
    stage.click("confirmLeaveButton")
    stage.wait_until(lambda: not stage.shows("room:Club"))
