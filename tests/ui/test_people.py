"""Writing to one person: contacts, requests, blocking, codes and safety numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from app.errors import UserFacingError
from tests.ui.stage import Stage
from tests.ui.test_accessibility import nameless
from ui.sample import SampleCore, SampleGateway, key_of
from ui.window_state import WindowState

GRACE = key_of("Grace")


@pytest.fixture
def stage(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> Stage:
    """Ada's window; she has two rooms, none of them open."""
    core.add_room("Garden", people=("Grace", "Emmy"))
    core.add_room("Choir", people=("Emmy",))
    stage = open_stage(gateway, state=remembered)
    stage.get("room:Garden")
    return stage


def test_a_pasted_contact_link_opens_a_room_of_two(
    stage: Stage, core: SampleCore
) -> None:
    stage.click("peopleButton")
    stage.wait_for_text("Nobody yet")
    stage.click("writeButton")
    stage.get("contactField")
    stage.type("not a key")
    stage.wait_for_text("A contact link begins with")
    assert not stage.get("confirmWriteButton").isEnabled()
    QGuiApplication.clipboard().setText(f" covey://contact/{GRACE}\n")
    stage.click("pasteContactButton")
    stage.click("greetingField")
    stage.type("From the choir")
    stage.press(Qt.Key.Key_Return)
    stage.wait_until(lambda: stage.shows("roomTitle"), what="the room is open")
    assert core.greetings[GRACE] == "From the choir"


def test_a_request_is_seen_and_accepted(stage: Stage, core: SampleCore) -> None:
    core.meet("Maria", "asking", "I draw moths")
    stage.click("askingRow")
    stage.wait_for_text("I draw moths")
    assert nameless(stage) == []
    stage.click("acceptButton")
    stage.wait_until(lambda: stage.shows("roomTitle"), what="the room is open")
    assert stage.get("roomTitle").property("text") == "Maria"
    stage.wait_until(lambda: not stage.shows("askingRow"), what="nobody asks")


def test_requests_are_declined_and_people_blocked_and_unblocked(
    stage: Stage, core: SampleCore
) -> None:
    core.meet("Maria", "asking")
    stage.click("askingRow")
    stage.click("declineButton")
    stage.wait_until(lambda: not stage.shows("asking:Maria"))
    core.meet("Spam", "asking")
    stage.click("blockButton")
    stage.get("blocked:Spam")
    stage.click("unblockButton")
    stage.wait_until(lambda: not stage.shows("blocked:Spam"))
    states = {it.name: it.state for it in core.known.values()}
    assert states == {"Maria": "declined"}


def test_a_refusal_is_told_where_it_was_asked(stage: Stage, core: SampleCore) -> None:
    core.meet("Maria", "asking")
    stage.click("askingRow")
    core.refusal = UserFacingError("offline", "She cannot be reached now.")
    stage.click("acceptButton")
    stage.wait_for_text("She cannot be reached now.")
    assert stage.shows("asking:Maria")


def test_the_own_code_is_shown_and_its_link_copied(stage: Stage) -> None:
    stage.click("peopleButton")
    stage.click("myCodeButton")
    code = stage.get("myCodeImage")
    stage.wait_until(lambda: code.property("implicitWidth") > 21)
    stage.click("copyMyLinkButton")
    stage.wait_for_text("Copied")
    assert QGuiApplication.clipboard().text() == "covey://contact/" + key_of("Ada")


def test_a_safety_number_is_compared_and_marks_the_member(
    stage: Stage, core: SampleCore
) -> None:
    stage.click("room:Garden")
    stage.click("membersButton")
    stage.wait_until(lambda: stage.sees("your role"))
    stage.click("member:Emmy")
    stage.click("compareMemberItem")
    stage.wait_until(lambda: stage.shows("verifyButton"))
    number = stage.run(core.safety_number(key_of("Emmy")))
    stage.wait_for_text(number.split()[0])
    assert nameless(stage) == []
    stage.click("verifyButton")
    stage.get("verifiedText")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: stage.get("member:Emmy").property("verified") is True)
    assert key_of("Emmy") in core.kept["verified-people"]


def test_one_writes_to_a_member_alone(stage: Stage, core: SampleCore) -> None:
    stage.click("room:Garden")
    stage.click("membersButton")
    stage.wait_until(lambda: stage.sees("your role"))
    stage.click("member:Grace")
    stage.click("writeMemberItem")
    stage.wait_until(lambda: GRACE in core.known, what="she is asked")
    stage.wait_until(lambda: stage.get("roomTitle").property("text") == "Somebody")
