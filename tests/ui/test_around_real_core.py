"""What is around the talk, in a window with a real core behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt

from tests.ui.stage import Stage
from tests.ui.test_two_people import bootstrap, make_room, newcomer, say
from ui.local_gateway import LocalGateway
from ui.window_state import WindowState

__all__ = ["bootstrap", "newcomer"]

CTRL = Qt.KeyboardModifier.ControlModifier


def test_a_room_is_looked_after_searched_and_pinned_by_its_maker(
    newcomer: Callable[[str], Stage],
    open_stage: Callable[..., Stage],
    bootstrap: str,
    tmp_path: Path,
) -> None:
    ada = newcomer("Ada")
    make_room(ada, "Garden")
    say(ada, "Count the seedlings")
    ada.wait_for_text("Here only")

    ada.click("membersButton")
    ada.wait_for_text("your role: Owner")
    ada.click("detailsInviteButton")
    ada.wait_until(lambda: ada.get("inviteLink").property("text"), what="a link")
    ada.press(Qt.Key.Key_Escape)
    ada.wait_until(lambda: not ada.shows("inviteLink"))
    ada.click("invitesRow")
    ada.wait_for_text("Invite as member")
    ada.click("closeInviteButton")
    ada.click("agreeButton")
    ada.wait_for_text("No open invites")
    ada.wait_until(lambda: not ada.shows("agreeButton"), what="the question is gone")
    ada.press(Qt.Key.Key_Escape)
    ada.click("roomSettingsRow")
    ada.click("settingsAboutField")
    ada.type("Beds and tools")
    ada.click("saveRoomButton")
    ada.wait_until(lambda: not ada.get("saveRoomButton").isEnabled())
    ada.click("turnKeyRow")
    ada.wait_for_text("The room has a new key")
    ada.press(Qt.Key.Key_Escape)
    ada.wait_for_text("Beds and tools")

    ada.press(Qt.Key.Key_F, CTRL)
    ada.type("seedl")
    ada.get("hit:Count the seedlings")
    ada.press(Qt.Key.Key_Escape)
    ada.get("roomList")
    ada.click("room:Garden", Qt.MouseButton.RightButton)
    ada.click("pinRoomItem")
    ada.wait_until(lambda: ada.get("room:Garden").property("pinned") is True)
    ada.wait_until(lambda: not ada.shows("pinRoomItem"), what="the menu is gone")
    ada.press(Qt.Key.Key_Comma, CTRL)
    ada.click("settings:profile")
    ada.click("profileNameField")
    ada.press(Qt.Key.Key_A, CTRL)
    ada.type("Countess")
    ada.click("saveNameButton")
    ada.wait_until(lambda: "Countess" in ada.window.title(), what="the new name")
    ada.run(ada.face.stop())

    folder = tmp_path / "Ada"
    gateway = LocalGateway(folder, bootstrap=bootstrap, use_keychain=False)
    again = open_stage(gateway, state=WindowState(folder))
    again.wait_until(lambda: "Countess" in again.window.title())
    again.wait_until(lambda: again.get("room:Garden").property("pinned") is True)
