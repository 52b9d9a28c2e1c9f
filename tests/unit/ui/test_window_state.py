"""What the window remembers, and what the demo has it remember."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QRect

from ui.window_state import SMALLEST_SIZE, WindowState


def test_a_made_profile_waits_for_its_words(tmp_path: Path) -> None:
    state = WindowState(tmp_path)
    assert state.phrase_seen()
    state.keep_phrase_unseen()
    assert not WindowState(tmp_path).phrase_seen()
    state.keep_phrase_seen()
    assert WindowState(tmp_path).phrase_seen()


@pytest.mark.parametrize(
    "screen", [QRect(0, 25, 1366, 700), QRect(1920, 0, 3840, 2100)]
)
def test_the_demo_windows_stand_side_by_side(tmp_path: Path, screen: QRect) -> None:
    places = []
    for side in ("left", "right"):
        (tmp_path / side).mkdir()
        state = WindowState(tmp_path / side)
        state.keep_phrase_unseen()
        state.keep_demo(side, screen)
        assert state.phrase_seen()
        assert state.key_warning_seen()
        places.append(state.geometry())
    left, right = places
    assert screen.contains(left)
    assert screen.contains(right)
    assert left.right() + 1 == right.left()


def test_on_a_small_screen_they_overlap_but_can_be_used(tmp_path: Path) -> None:
    screen = QRect(0, 0, 500, 400)
    state = WindowState(tmp_path)
    for side in ("left", "right"):
        state.keep_demo(side, screen)
        place = state.geometry()
        assert screen.contains(place.topLeft())
        assert (place.width(), place.height()) == SMALLEST_SIZE
