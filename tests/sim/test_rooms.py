"""Whole rooms, with many seeds: 300 here, 10,000 with COVEY_SOAK=1.

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

SEEDS = 10_000 if os.environ.get("COVEY_SOAK") else 300
GROUPS = 10
MAX_UPSET = 0.02
"""The share of rooms in which two sides that ended each other confirmed something."""


def run(seed: int) -> bool:
    """One room; tells whether what was confirmed changed."""
    world, watch = World(seed), Watch()
    world.watchers.append(watch.look)
    try:
        with small_steps(), listening(watch):
            rooms_deeds.begin(world)
            for _ in range(world.chance.randint(30, 110)):
                rooms_deeds.step(world)
            world.heal()
            check_healed(world, watch)
    finally:
        world.close()
    return watch.upset


@pytest.mark.timeout(3600 if os.environ.get("COVEY_SOAK") else 120)
@pytest.mark.parametrize("group", range(GROUPS))
def test_everybody_ends_with_one_room(group: int, seed: int) -> None:
    upset = 0
    for number in range(seed + group, seed + SEEDS, GROUPS):
        try:
            upset += run(number)
        except BaseException:
            print(f"seed {number}")
            raise
    assert upset <= 1 + MAX_UPSET * SEEDS / GROUPS
