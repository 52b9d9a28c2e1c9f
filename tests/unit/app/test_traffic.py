"""What counters rose by in the last minute."""

from __future__ import annotations

from app.traffic import SAMPLE_S, LastMinute


def test_the_rise_of_a_minute_is_told_and_no_more() -> None:
    minute = LastMinute({"packets": 100}, 0.0)
    assert minute.rise({"packets": 103}, 4.0) == {"packets": 3, "seconds": 4.0}
    for number in range(1, 41):
        minute.sample({"packets": 100 + number}, number * SAMPLE_S)
    told = minute.rise({"packets": 140}, 40 * SAMPLE_S)
    assert told == {"packets": 12, "seconds": 60.0}
    assert len(minute._samples) <= 60 / SAMPLE_S + 2


def test_a_counter_that_is_new_begins_at_nothing() -> None:
    minute = LastMinute({}, 0.0)
    assert minute.rise({"packets": 2}, 1.0)["packets"] == 2
