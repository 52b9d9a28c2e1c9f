"""From nothing to an identity: the name, the words, restoring, unlocking, failing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt

from app.errors import UserFacingError
from tests.ui.stage import Stage
from ui.sample import PHRASE, SampleCore, SampleGateway, online
from ui.window_state import WindowState


def test_a_newcomer_gives_a_name_and_writes_down_the_words(
    open_stage: Callable[..., Stage], core: SampleCore, tmp_path: Path
) -> None:
    gateway = SampleGateway(core, exists=False)
    stage = open_stage(gateway, state=WindowState(tmp_path))
    stage.wait_for_text("Welcome to Covey")
    assert not stage.get("createProfileButton").isEnabled()

    stage.type("Ada Lovelace")
    stage.press(Qt.Key.Key_Return)

    stage.wait_for_text("Your 24 words")
    words = PHRASE.split()
    stage.wait_until(lambda: stage.shows("word23"))
    shown = [stage.get(f"word{i}").property("modelData") for i in range(24)]
    assert shown == words
    assert not WindowState(tmp_path).phrase_seen()

    stage.click("phraseDoneButton")
    stage.wait_for_text("No rooms yet")
    assert stage.sees("Ada Lovelace")
    assert WindowState(tmp_path).phrase_seen()
    assert not stage.sees(words[0])


def test_the_words_come_again_until_they_are_confirmed(
    open_stage: Callable[..., Stage], gateway: SampleGateway, tmp_path: Path
) -> None:
    WindowState(tmp_path).keep_phrase_unseen()
    stage = open_stage(gateway, state=WindowState(tmp_path))
    stage.wait_for_text("Your 24 words")


def test_a_profile_made_elsewhere_opens_at_once(
    open_stage: Callable[..., Stage], gateway: SampleGateway, tmp_path: Path
) -> None:
    stage = open_stage(gateway, state=WindowState(tmp_path))
    stage.wait_for_text("No rooms yet")


def test_somebody_comes_back_with_the_words(
    open_stage: Callable[..., Stage], core: SampleCore, tmp_path: Path
) -> None:
    gateway = SampleGateway(core, exists=False)
    stage = open_stage(gateway, state=WindowState(tmp_path))
    stage.click("restoreButton")
    stage.wait_for_text("Restore your identity")
    stage.type("legal winner thank")
    stage.wait_for_text("3 of 24 words")
    assert not stage.get("confirmRestoreButton").isEnabled()
    stage.type(" " + " ".join(PHRASE.split()[3:]))
    stage.wait_for_text("All 24 words are there.")
    stage.press(Qt.Key.Key_Tab)
    stage.type("Ada")
    stage.click("confirmRestoreButton")

    stage.wait_for_text("No rooms yet")
    assert gateway.restored_from == PHRASE
    assert WindowState(tmp_path).phrase_seen()


def test_a_refused_phrase_is_told_in_a_sentence(
    open_stage: Callable[..., Stage], core: SampleCore
) -> None:
    gateway = SampleGateway(core, exists=False)
    gateway.refusal = UserFacingError("bad-phrase", "One of the words is misspelt.")
    stage = open_stage(gateway)
    stage.click("restoreButton")
    stage.type(PHRASE)
    stage.press(Qt.Key.Key_Tab)
    stage.type("Ada")
    stage.click("confirmRestoreButton")
    stage.wait_for_text("One of the words is misspelt.")
    assert stage.shows("phraseField")


def test_escape_leads_back_from_restoring(
    open_stage: Callable[..., Stage], core: SampleCore
) -> None:
    stage = open_stage(SampleGateway(core, exists=False))
    stage.click("restoreButton")
    stage.wait_for_text("Restore your identity")
    stage.press(Qt.Key.Key_Escape)
    stage.wait_until(lambda: stage.shows("nameField"))
    stage.type("Grace")
    assert stage.get("createProfileButton").isEnabled()


def test_a_locked_profile_asks_for_its_passphrase(
    open_stage: Callable[..., Stage], gateway: SampleGateway, tmp_path: Path
) -> None:
    WindowState(tmp_path).keep_phrase_seen()
    gateway.passphrase = "open sesame"
    stage = open_stage(gateway, state=WindowState(tmp_path))
    stage.wait_for_text("Welcome back")
    stage.type("guess")
    stage.press(Qt.Key.Key_Return)
    stage.wait_for_text("The passphrase is not this profile's")
    stage.press(Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    stage.type("open sesame")
    stage.press(Qt.Key.Key_Return)
    stage.wait_for_text("No rooms yet")


def test_a_core_that_does_not_start_is_told_and_tried_again(
    open_stage: Callable[..., Stage], gateway: SampleGateway, tmp_path: Path
) -> None:
    WindowState(tmp_path).keep_phrase_seen()
    gateway.refusal = UserFacingError("disk", "The disk is full.")
    stage = open_stage(gateway, state=WindowState(tmp_path))
    stage.wait_for_text("Covey could not start")
    assert stage.sees("The disk is full.")
    gateway.refusal = None
    stage.press(Qt.Key.Key_Space)
    stage.wait_for_text("No rooms yet")


def test_how_the_key_is_kept_is_told_until_it_is_dismissed(
    open_stage: Callable[..., Stage],
    core: SampleCore,
    gateway: SampleGateway,
    tmp_path: Path,
) -> None:
    WindowState(tmp_path).keep_phrase_seen()
    core.warning = "The key of this profile lies in a file."
    stage = open_stage(gateway, state=WindowState(tmp_path))
    stage.wait_for_text("The key of this profile lies in a file.")
    stage.click("bannerDismiss")
    stage.wait_until(lambda: not stage.shows("bannerDismiss"))
    stage.run(stage.face.session.stop())

    core.set_network(online())
    again = open_stage(SampleGateway(core), state=WindowState(tmp_path))
    again.wait_for_text("No rooms yet")
    assert not again.sees("The key of this profile")
