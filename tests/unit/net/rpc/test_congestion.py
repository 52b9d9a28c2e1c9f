"""The window fills by slot and in all, and empties with time and answers."""

from __future__ import annotations

from net.rpc.congestion import SLOT_S, CongestionWindow


def fill(window: CongestionWindow, count: int, now: float) -> None:
    for _ in range(count):
        window.sent(now)


def test_one_slot_takes_eighty() -> None:
    window = CongestionWindow(0.0)
    fill(window, 79, 0.0)
    assert not window.is_full(0.0)
    fill(window, 1, 0.0)
    assert window.is_full(0.0)
    assert window.is_full(SLOT_S - 0.01)
    assert not window.is_full(SLOT_S)


def test_all_slots_take_a_hundred_and_sixty() -> None:
    window = CongestionWindow(0.0)
    fill(window, 80, 0.0)
    fill(window, 79, SLOT_S)
    assert not window.is_full(2 * SLOT_S)
    fill(window, 1, 2 * SLOT_S)
    assert window.is_full(2 * SLOT_S)
    assert window.is_full(3 * SLOT_S)
    assert not window.is_full(4 * SLOT_S)


def test_answers_make_room_in_the_present_slot_and_never_below_nothing() -> None:
    window = CongestionWindow(0.0)
    fill(window, 80, 0.0)
    window.answered(0.0)
    assert not window.is_full(0.0)
    for _ in range(500):
        window.answered(0.0)
    fill(window, 80, 0.0)
    assert window.is_full(0.0)


def test_a_long_pause_and_a_clear_empty_it() -> None:
    window = CongestionWindow(0.0, limit=2)
    fill(window, 2, 0.0)
    assert window.is_full(0.0)
    assert not window.is_full(1000.0)
    fill(window, 2, 1000.0)
    assert window.is_full(1000.0)
    window.clear()
    assert not window.is_full(1000.0)
