"""When the network counts as gone, bad and good again."""

from __future__ import annotations

from net.rpc.health import Health


class Ticks:
    def __init__(self) -> None:
        self.health = Health()
        self.responses = self.timeouts = 0
        for _ in range(3):
            self.tick(10, 0)

    def tick(self, responses: int, timeouts: int) -> bool:
        self.responses += responses
        self.timeouts += timeouts
        return self.health.update(self.responses, self.timeouts)

    @property
    def verdict(self) -> tuple[bool, bool]:
        return self.health.online, self.health.degraded


def test_two_silent_ticks_in_a_row_are_offline_and_one_answer_ends_it() -> None:
    ticks = Ticks()
    assert not ticks.tick(0, 5)
    assert ticks.verdict == (True, False)
    assert ticks.tick(0, 5)
    assert ticks.verdict == (False, False)
    assert not ticks.tick(0, 0)
    assert ticks.tick(4, 0)
    assert ticks.verdict == (True, False)


def test_an_answer_between_silent_ticks_starts_the_count_anew() -> None:
    ticks = Ticks()
    for _ in range(5):
        ticks.tick(0, 5)
        if not ticks.health.online:
            break
        ticks.tick(5, 0)
    assert ticks.health.online


def test_four_ticks_of_mostly_timeouts_are_degraded_and_four_good_ones_heal() -> None:
    ticks = Ticks()
    changes = [ticks.tick(2, 5) for _ in range(4)]
    assert changes == [False, False, False, True]
    assert ticks.verdict == (True, True)
    changes = [ticks.tick(5, 2) for _ in range(4)]
    assert changes == [False, False, False, True]
    assert ticks.verdict == (True, False)


def test_idle_ticks_say_nothing() -> None:
    ticks = Ticks()
    for _ in range(20):
        assert not ticks.tick(0, 3)
    assert ticks.verdict == (True, False)


def test_a_cold_start_says_nothing() -> None:
    health = Health()
    assert not any(health.update(0, 10 * tick) for tick in range(3))
    assert health.online


def test_a_reset_tells_whether_it_changed_anything() -> None:
    ticks = Ticks()
    assert not ticks.health.reset()
    for _ in range(3):
        ticks.tick(10, 0)
    for _ in range(3):
        ticks.tick(0, 10)
    assert not ticks.health.online
    assert ticks.health.reset()
    assert ticks.health.online
