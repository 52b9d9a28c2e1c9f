"""What is kept of acts grows with what they name, and with acts about one person."""

from __future__ import annotations

from app.audit.weight import MAX_WEIGHT, Weight
from app.rooms.operations import ACT_TYPES
from app.rooms.operations.acts import Mute, Rotate, Settings
from tests.unit.app.rooms.operations.test_acts import EXAMPLES

WHO = bytes(32)


def test_what_is_named_weighs() -> None:
    weight = Weight()
    weight.add(Rotate(bytes(16), (WHO,) * 5, b""), 3)
    assert weight.total == 8
    weight.add(Settings(description="x" * 64), 0)
    assert weight.total == 10
    weight.add(Mute(WHO, 0, ((WHO, 1),) * 2), 1)
    assert weight.total == 13
    assert not weight.is_too_much


def test_acts_about_one_person_weigh_more_and_more() -> None:
    weight, count = Weight(), 0
    while not weight.is_too_much:
        weight.add(Mute(WHO, 0, ()), 0)
        count += 1
    assert 5_000 < count < 6_000
    many = Weight()
    for number in range(count):
        many.add(Mute(number.to_bytes(32, "little"), 0, ()), 0)
    assert many.total == 0
    assert weight.total > MAX_WEIGHT


def test_every_sort_of_act_can_be_weighed() -> None:
    weight = Weight()
    for body in EXAMPLES:
        if isinstance(body, ACT_TYPES):
            weight.add(body, 1)
    assert weight.total >= len(ACT_TYPES)
