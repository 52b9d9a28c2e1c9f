"""Whole rooms, with many seeds: 300 here, 10,000 in ``make soak``.

Each seed is a room of up to some twenty devices whose people talk, let each other in
and throw each other out, part, meet, stop and crash at random; what they hear comes in
pieces, twice and in any order. In the end everybody who is in says the same of the
room, and an oracle that walks all links finds nobody who did what they might not.
"""

from __future__ import annotations

import os

import pytest

from tests.sim import rooms_deeds
from tests.sim.rooms_checks import Watch, check_healed, listening
from tests.sim.rooms_world import World, small_steps

SEEDS = int(os.environ.get("COVEY_SEEDS", "300"))
GROUPS = 10
ONCE_DIFFERENT = (244, 279, 301, 922, 1555, 20123, 20275, 20352, 20433)
"""Seeds of rooms that parted, confirmed too much, or told a key to one who was out."""
MANY_QUARRELS = 0.3
ONCE_DIFFERENT_IN_QUARRELS = (81, 140, 229, 344)
"""The same where every third thing that happens is a quarrel."""


def run(seed: int, *, quarrels: float | None = None) -> None:
    """One room.

    Args:
        seed: What happens in it.
        quarrels: How likely each thing is a quarrel; None leaves that to the seed.
    """
    world, watch = World(seed), Watch()
    world.watchers.append(watch.look)
    try:
        with small_steps(), listening(watch):
            rooms_deeds.begin(world)
            if quarrels is not None:
                world.quarrels = quarrels
            for _ in range(world.chance.randint(30, 110)):
                rooms_deeds.step(world)
            world.heal()
            check_healed(world, watch)
    finally:
        world.close()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", ONCE_DIFFERENT)
def test_what_was_different_once_is_not_any_more(number: int) -> None:
    run(number)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", ONCE_DIFFERENT_IN_QUARRELS)
def test_no_more_with_many_quarrels(number: int) -> None:
    run(number, quarrels=MANY_QUARRELS)


@pytest.mark.timeout(3600 if os.environ.get("COVEY_SOAK") else 120)
@pytest.mark.parametrize("group", range(GROUPS))
def test_everybody_ends_with_one_room(group: int, seed: int) -> None:
    for number in range(seed + group, seed + SEEDS, GROUPS):
        try:
            run(number)
        except BaseException:
            print(f"seed {number}")
            raise
