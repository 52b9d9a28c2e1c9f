"""The panel beside a room: members, ranks, invites, requests, settings, the key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QStandardPaths, Qt

from app.errors import UserFacingError
from tests.ui.stage import Stage
from tests.ui.test_accessibility import nameless, walk
from ui.sample import SampleCore, SampleGateway, key_of
from ui.window_state import WindowState

CTRL = Qt.KeyboardModifier.ControlModifier
GRACE = key_of("Grace")
Opens = Callable[..., Stage]


@pytest.fixture
def garden(core: SampleCore) -> str:
    """Ada owns a room in which Grace and Emmy are."""
    room = core.add_room("Garden", people=("Grace", "Emmy"))
    for at, role in enumerate(("owner", "member")):
        room.members[at] = replace(room.members[at], role=role)
    return room.snapshot.room


@pytest.fixture
def stage(
    open_stage: Opens, gateway: SampleGateway, remembered: WindowState, garden: str
) -> Stage:
    """The window with the panel open."""
    assert garden
    stage = open_stage(gateway, state=remembered)
    stage.wait_until(lambda: stage.focused() == "composer", what="the room is open")
    stage.click("membersButton")
    stage.get("member:Grace")
    stage.wait_until(lambda: stage.sees("your role: Owner"), what="rights are known")
    return stage


def choose(stage: Stage, member: str, item: str) -> None:
    """Open a member's menu and choose a line."""
    stage.click(f"member:{member}")
    stage.click(item)


def pick(stage: Stage, select: str, option: int) -> None:
    """Choose from a menu of words, once it is fully open."""
    stage.click(f"{select}Box")
    current = max(0, int(stage.get(select).property("index")))
    stage.wait_until(
        lambda: stage.get(f"{select}Option{current}").property("highlighted")
    )
    stage.click(f"{select}Option{option}")
    stage.wait_until(lambda: not stage.shows(f"{select}Option{option}"))


def test_a_rank_is_changed(stage: Stage, core: SampleCore, garden: str) -> None:
    choose(stage, "Grace", "roleItem")
    stage.wait_for_text("Role of Grace")
    assert not stage.get("saveRoleButton").isEnabled()
    stage.click("role:admin")
    stage.click("saveRoleButton")
    stage.wait_until(lambda: not stage.shows("saveRoleButton"), what="it closes")
    stage.wait_until(lambda: stage.sees("Admin"), what="the new rank is shown")
    ranks = {it.name: it.role for it in stage.run(core.members(garden))}
    assert ranks["Grace"] == "admin"


def test_a_member_is_muted_and_speaks_again(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    choose(stage, "Grace", "muteItem")
    stage.click("mute:24")
    stage.click("confirmMuteButton")
    stage.wait_until(lambda: not stage.shows("confirmMuteButton"), what="it closes")
    stage.wait_for_text("Muted \u00b7")
    assert 0 < core.doors[garden].muted[GRACE] - core.now_ms < 25 * 3_600_000
    choose(stage, "Grace", "unmuteItem")
    stage.wait_until(lambda: not stage.sees("Muted \u00b7"))
    assert core.doors[garden].muted[GRACE] == 0


def test_a_ban_asks_first_and_is_lifted(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    choose(stage, "Grace", "banItem")
    stage.wait_for_text("Ban Grace?")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.shows("confirmRemoveButton"))
    assert stage.shows("member:Grace")
    choose(stage, "Grace", "banItem")
    stage.click("confirmRemoveButton")
    stage.wait_until(lambda: not stage.shows("confirmRemoveButton"), what="it closes")
    stage.wait_until(lambda: not stage.shows("member:Grace"), what="she is out")
    stage.click("bannedRow")
    stage.get("banned:Grace")
    stage.click("unbanButton")
    stage.wait_for_text("Nobody is banned")
    assert core.doors[garden].banned == {}


def test_a_device_with_two_histories_is_told_and_marked(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.fork(garden, GRACE)
    stage.wait_for_text("A device of Grace has written two histories of this room.")
    stage.wait_until(lambda: stage.sees("Wrote two histories"))
    assert nameless(stage) == []


def test_removing_is_refused_with_a_sentence(stage: Stage, core: SampleCore) -> None:
    choose(stage, "Emmy", "removeItem")
    core.refusal = UserFacingError("not-allowed", "Your role does not allow that.")
    stage.click("confirmRemoveButton")
    stage.wait_for_text("Your role does not allow that.")
    assert stage.shows("confirmRemoveButton")


def test_who_knocks_is_seen_in_the_list_and_let_in(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    core.knock(garden, "Rachel", key_of("Rachel"))
    core.knock(garden, "Mary A", key_of("Mary"))
    stage.wait_until(lambda: stage.get("room:Garden").property("waiting") == 2)
    stage.click("requestsRow")
    stage.get("request:Rachel")
    stage.click("approveButton")
    stage.wait_until(lambda: not stage.shows("request:Rachel"))
    stage.click("denyButton")
    stage.wait_for_text("Nobody waits")
    stage.click("detailsBackButton")
    stage.get("member:Rachel")
    assert not stage.shows("member:Mary A")
    assert stage.get("room:Garden").property("waiting") == 0


def test_an_invite_with_limits_is_made_and_ended(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    stage.click("detailsInviteButton")
    stage.wait_until(lambda: stage.get("inviteLink").property("text"))
    stage.click("inviteOptionsButton")
    pick(stage, "inviteRoleSelect", 0)
    stage.wait_until(lambda: stage.get("inviteLink").property("text"))
    pick(stage, "inviteUsesSelect", 2)
    stage.wait_until(lambda: stage.get("inviteLink").property("text"))
    [made] = core.doors[garden].invites
    assert (made.role, made.uses, made.approval) == ("reader", 5, False)
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.shows("inviteLink"))
    stage.click("invitesRow")
    stage.wait_for_text("0 of 5 used")
    stage.click("closeInviteButton")
    stage.click("agreeButton")
    stage.wait_for_text("No open invites")
    assert core.doors[garden].invites == []


def test_settings_are_changed_by_whoever_may(
    stage: Stage, core: SampleCore, garden: str
) -> None:
    stage.click("roomSettingsRow")
    stage.get("settingsNameField")
    assert not stage.get("saveRoomButton").isEnabled()
    stage.click("settingsAboutField")
    stage.type("Beds and tools")
    pick(stage, "retentionSelect", 2)
    stage.click("saveRoomButton")
    stage.wait_until(lambda: core.doors[garden].retention_ms == 7 * 86_400_000)
    assert core.doors[garden].description == "Beds and tools"
    stage.wait_until(lambda: not stage.get("saveRoomButton").isEnabled())
    stage.press(Qt.Key.Key_Escape)
    stage.wait_for_text("Beds and tools")
    assert stage.shows("member:Grace")


def test_the_key_turns_and_the_proofs_are_written(
    stage: Stage,
    core: SampleCore,
    garden: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        QStandardPaths, "writableLocation", staticmethod(lambda _: str(tmp_path))
    )
    stage.click("roomSettingsRow")
    stage.click("turnKeyRow")
    stage.wait_for_text("The room has a new key")
    assert core.doors[garden].keys_turned == 1
    stage.click("exportAuditRow")
    stage.wait_for_text("Written to")
    assert core.exports == [str(tmp_path / "Garden audit.jsonl")]


def test_somebody_of_low_rank_is_offered_nothing_in_vain(
    open_stage: Opens,
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    core.add_room("Choir", people=("Emmy", "Grace"))
    stage = open_stage(gateway, state=remembered)
    stage.click("membersButton")
    stage.wait_for_text("your role: Member")
    stage.click("member:Grace")
    stage.get("copyMemberKeyItem")
    assert not any(
        stage.shows(item) for item in ("roleItem", "muteItem", "removeItem", "banItem")
    )
    stage.press(Qt.Key.Key_Escape)
    stage.click("roomSettingsRow")
    stage.wait_for_text("Admins and owners change these.")
    assert not stage.shows("saveRoomButton")


def test_the_panel_can_be_heard_and_walked(stage: Stage) -> None:
    assert nameless(stage) == []
    assert set(walk(stage)) >= {
        *("member:Ada", "invitesRow", "roomSettingsRow", "membersCloseButton"),
        *("detailsInviteButton", "detailsLeaveRow"),
    }
    stage.click("roomSettingsRow")
    stage.get("settingsNameField")
    assert nameless(stage) == []


def test_a_member_s_menu_opens_by_keyboard(stage: Stage) -> None:
    for _ in range(20):
        stage.press(Qt.Key.Key_Tab)
        if stage.focused() in ("memberList", "member:Ada"):
            break
    stage.press(Qt.Key.Key_Down)
    stage.press(Qt.Key.Key_Return)
    stage.get("roleItem")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.shows("roleItem"))
