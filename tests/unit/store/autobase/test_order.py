"""Putting in and taking out, beside a list that is sorted anew each time."""

from __future__ import annotations

import random

import pytest

from store.autobase import Place
from store.autobase.order import Order
from store.errors import LocalProtocolError
from tests.unit.store.autobase.flocks import name

SEED = 20_261_121


@pytest.mark.parametrize("seed", range(SEED, SEED + 20))
def test_beside_a_sorted_list(seed: int) -> None:
    chance = random.Random(seed)
    order, model, told = Order(), set[Place](), list[Place]()
    floor = 0
    for _ in range(60):
        added = {
            Place(chance.randint(floor + 1, floor + 100), name(chance.randint(1, 3)), n)
            for n in range(chance.randint(0, 6))
        } - model
        free = sorted(place for place in model if place.clock > floor)
        removed = set(chance.sample(free, min(len(free), chance.randint(0, 3))))
        model = (model | added) - removed
        reorder = order.change(added, removed)
        assert told[reorder.kept :] == list(reorder.undone)
        told[reorder.kept :] = reorder.done
        assert told == sorted(model)
        if reorder:
            changed = min(added | removed)
            assert reorder.kept == sum(place < changed for place in told)
        if chance.random() < 0.3:
            floor += chance.randint(1, 30)
            settled = order.settle(floor)
            assert list(settled) == told[order.settled - len(settled) : order.settled]
        assert len(order) == len(told)
        assert told[: order.settled] == [it for it in told if it.clock <= floor]
        assert list(order.tail) == told[order.settled :]


def test_nothing_comes_before_what_is_settled() -> None:
    order = Order()
    order.change([Place(5, name(1), 0)])
    order.settle(5)
    for added, removed in (
        ([Place(4, name(1), 0)], []),
        ([Place(9, name(1), 2)], [Place(5, name(1), 0)]),
    ):
        with pytest.raises(LocalProtocolError) as caught:
            order.change(added, removed)
        assert caught.value.code == "settled"
    assert not order.change([])
    assert order.change([Place(5, name(2), 0)])
