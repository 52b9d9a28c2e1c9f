"""Making a room, inviting to it, joining one, leaving one; the room list."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QGuiApplication

from app.errors import UserFacingError
from app.snapshots import NetworkSnapshot
from tests.ui.stage import Stage
from ui.sample import LINK, SampleCore, SampleGateway, online, peer
from ui.window_state import WindowState

CTRL = Qt.KeyboardModifier.ControlModifier
ALT = Qt.KeyboardModifier.AltModifier


def test_a_room_is_made_by_keyboard_and_opens(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    stage = open_stage(gateway, state=remembered)
    stage.wait_for_text("No rooms yet")
    stage.press(Qt.Key.Key_N, CTRL)
    stage.wait_until(lambda: stage.shows("newRoomDialog") or stage.sees("New room"))
    stage.get("roomNameField")
    stage.type("Garden")
    stage.press(Qt.Key.Key_Return)
    stage.wait_for_text("Your room is ready")
    assert stage.get("roomTitle").property("text") == "Garden"
    assert stage.sees("Only you so far")
    stage.wait_until(lambda: stage.focused() == "composer", what="composer has focus")
    rooms = stage.run(core.rooms())
    assert [(room.name, room.kind) for room in rooms] == [("Garden", "group")]


def test_a_broadcast_is_made_by_mouse(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    stage = open_stage(gateway, state=remembered)
    stage.click("emptyNewRoomButton")
    stage.get("roomNameField")
    assert not stage.get("createRoomButton").isEnabled()
    stage.type("Field notes")
    stage.click("broadcastChoice")
    stage.click("createRoomButton")
    stage.wait_for_text("Your room is ready")
    assert stage.run(core.rooms())[0].kind == "broadcast"


def test_a_refusal_to_make_a_room_stays_in_the_dialog(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    core.refusal = UserFacingError("disk", "The disk is full.")
    stage = open_stage(gateway, state=remembered)
    stage.wait_for_text("No rooms yet")
    stage.press(Qt.Key.Key_N, CTRL)
    stage.get("roomNameField")
    stage.type("Garden")
    stage.press(Qt.Key.Key_Return)
    stage.wait_for_text("The disk is full.")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.shows("roomNameField"))
    assert stage.sees("No rooms yet")


def test_an_invite_shows_link_and_code_and_copies_the_link(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    core.add_room("Garden")
    stage = open_stage(gateway, state=remembered)
    stage.click("room:Garden")
    stage.click("inviteButton")
    stage.wait_until(lambda: stage.get("inviteLink").property("text") == LINK)
    code = stage.get("qrCode")
    assert code.property("implicitWidth") > 21
    assert code.width() % code.property("implicitWidth") == 0
    QGuiApplication.clipboard().setText("")
    stage.click("copyLinkButton")
    stage.wait_for_text("Copied")
    assert QGuiApplication.clipboard().text() == LINK
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.shows("qrCode"))


def test_joining_by_a_pasted_link_tells_its_progress(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    core.waits_s = 0.4
    stage = open_stage(gateway, state=remembered)
    QGuiApplication.clipboard().setText(f"  {LINK}\n")
    stage.press(Qt.Key.Key_J, CTRL)
    stage.click("pasteButton")
    stage.click("confirmJoinButton")
    stage.wait_for_text("Looking for a member who is online")
    stage.wait_until(lambda: stage.shows("roomTitle"))
    assert stage.get("roomTitle").property("text") == "Reading circle"


def test_a_link_that_is_none_is_told_before_anything_is_asked(
    open_stage: Callable[..., Stage], gateway: SampleGateway, remembered: WindowState
) -> None:
    stage = open_stage(gateway, state=remembered)
    stage.wait_for_text("No rooms yet")
    stage.press(Qt.Key.Key_J, CTRL)
    stage.get("linkField")
    stage.type("https://example.org/a-room")
    stage.wait_for_text("An invite link begins with covey://")
    assert not stage.get("confirmJoinButton").isEnabled()
    stage.press(Qt.Key.Key_Return)
    assert not stage.sees("Looking for a member")


def test_a_wrong_link_fails_with_a_sentence_and_can_be_mended(
    open_stage: Callable[..., Stage], gateway: SampleGateway, remembered: WindowState
) -> None:
    stage = open_stage(gateway, state=remembered)
    stage.wait_for_text("No rooms yet")
    stage.press(Qt.Key.Key_J, CTRL)
    stage.get("linkField")
    stage.type("covey://join/damaged-link")
    stage.press(Qt.Key.Key_Return)
    stage.wait_for_text("This is not an invite link of Covey, or it is damaged.")
    stage.press(Qt.Key.Key_A, CTRL)
    stage.type(LINK)
    assert not stage.sees("damaged.")
    stage.press(Qt.Key.Key_Return)
    stage.wait_until(lambda: stage.shows("roomTitle"))


def test_waiting_for_a_member_can_be_cancelled(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    core.waits_s = 60.0
    stage = open_stage(gateway, state=remembered)
    stage.wait_for_text("No rooms yet")
    stage.press(Qt.Key.Key_J, CTRL)
    stage.get("linkField")
    stage.type(LINK)
    stage.press(Qt.Key.Key_Return)
    stage.wait_for_text("Looking for a member who is online")
    stage.click("cancelJoinButton")
    stage.wait_until(lambda: stage.shows("confirmJoinButton"))
    assert stage.run(core.rooms()) == []


def test_leaving_asks_and_then_forgets_the_room(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    core.add_room("Garden")
    core.add_room("Choir")
    stage = open_stage(gateway, state=remembered)
    stage.click("room:Garden")
    stage.click("roomMenuButton")
    stage.click("leaveItem")
    stage.wait_for_text("Leave Garden?")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.sees("Leave Garden?"))
    assert len(stage.run(core.rooms())) == 2

    stage.click("roomMenuButton")
    stage.click("leaveItem")
    stage.click("confirmLeaveButton")
    stage.wait_for_text("Choose a room")
    stage.wait_until(lambda: not stage.shows("room:Garden"))
    assert stage.shows("room:Choir")


def test_the_list_counts_unread_and_sorts_by_what_came_last(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    garden = core.add_room("Garden", people=("Grace",)).snapshot.room
    choir = core.add_room("Choir", people=("Grace",)).snapshot.room
    core.hear(garden, "Grace", "Frost tonight", at_ms=core.now_ms - 60_000)
    core.hear(choir, "Grace", "Rehearsal at six", at_ms=core.now_ms - 30_000)
    stage = open_stage(gateway, state=remembered)
    stage.wait_for_text("Grace: Frost tonight")
    assert stage.get("room:Choir").y() < stage.get("room:Garden").y()
    core.hear(garden, "Grace", "And wind")
    stage.wait_for_text("Grace: And wind")
    stage.wait_until(
        lambda: stage.get("room:Garden").y() < stage.get("room:Choir").y(),
        what="the room with the newest message is on top",
    )
    assert stage.get("room:Garden").property("unread") == 2
    assert stage.window.title().startswith("(3)")
    stage.click("room:Garden")
    stage.wait_until(lambda: stage.get("room:Garden").property("unread") == 0)
    assert stage.window.title().startswith("(1)")


def test_rooms_are_walked_by_keyboard(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    for name in ("Garden", "Choir", "Club"):
        room = core.add_room(name, people=("Grace",)).snapshot.room
        core.now_ms += 1000
        core.hear(room, "Grace", "Hello")
    stage = open_stage(gateway, state=remembered)
    stage.get("room:Club")
    stage.press(Qt.Key.Key_Down, ALT)
    stage.wait_until(lambda: stage.get("roomTitle").property("text") == "Club")
    stage.press(Qt.Key.Key_Down, ALT)
    stage.wait_until(lambda: stage.get("roomTitle").property("text") == "Choir")
    stage.press(Qt.Key.Key_Up, ALT)
    stage.wait_until(lambda: stage.get("roomTitle").property("text") == "Club")


def test_the_connection_tells_the_truth(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    core.set_network(NetworkSnapshot("searching", 0, "unknown", None))
    stage = open_stage(gateway, state=remembered)
    title = stage.get("connectionTitle")
    stage.wait_until(lambda: title.property("text") == "Looking for the network")
    core.set_network(online())
    stage.wait_until(lambda: title.property("text") == "Online, nobody connected")
    core.set_network(
        online(
            peer("Grace", "direct", "198.51.100.7:1", 24.0),
            peer("Emmy", "relayed", "198.51.100.8:1", 90.0),
        )
    )
    stage.wait_until(lambda: title.property("text") == "Connected to 2 devices")
    assert stage.sees("1 directly, 1 through a relay")
    stage.click("connectionChip")
    stage.wait_for_text("Through a relay")
    assert stage.sees("203.0.113.24:51820")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: not stage.sees("203.0.113.24:51820"))
    sentence = "The network does not answer."
    core.set_network(NetworkSnapshot("offline", 0, "unknown", None, (), sentence))
    stage.wait_until(lambda: title.property("text") == "Offline")


def test_a_core_that_ends_is_told_and_started_again(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    core.add_room("Garden")
    stage = open_stage(gateway, state=remembered)
    stage.click("room:Garden")
    second = SampleCore(name="Ada", now_ms=core.now_ms)
    second.set_network(online())
    gateway.core = second
    core.end("Covey's core has ended.")
    stage.wait_for_text("Covey's core has ended.")
    assert stage.get("connectionTitle").property("text") == "Stopped"
    second.add_room("Garden")
    stage.click("bannerAction")
    stage.wait_until(lambda: not stage.shows("bannerAction"))
    assert stage.get("connectionTitle").property("text") == "Online, nobody connected"


def test_a_narrow_window_shows_one_side_at_a_time(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    core.add_room("Garden")
    stage = open_stage(gateway, state=remembered, size=(360, 640))
    stage.click("room:Garden")
    stage.wait_until(lambda: not stage.shows("roomList"))
    assert stage.shows("composer")
    stage.click("backButton")
    stage.wait_until(lambda: stage.shows("roomList"))
    assert not stage.shows("composer")


def test_the_window_comes_back_in_its_size(
    open_stage: Callable[..., Stage], gateway: SampleGateway, remembered: WindowState
) -> None:
    stage = open_stage(gateway, state=remembered, size=(820, 610))
    stage.wait_for_text("No rooms yet")
    stage.run(stage.face.stop())
    kept = remembered.geometry()
    assert isinstance(kept, QRect)
    assert (kept.width(), kept.height()) == (820, 610)


def test_the_only_room_is_open_from_the_start(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    core: SampleCore,
    remembered: WindowState,
) -> None:
    core.add_room("Garden")
    stage = open_stage(gateway, state=remembered)
    stage.wait_until(lambda: stage.focused() == "composer", what="composer has focus")
    assert stage.get("roomTitle").property("text") == "Garden"
