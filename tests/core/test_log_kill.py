"""A process that writes to a log is killed 200 times at random: nothing is lost.

Ten logs, plain and encrypted, each written by twenty processes one after the other:
appends of one block and of many, several at once, truncations and clearings. Whatever
was acknowledged is there, what was under way is there whole or not at all, and the
signed tree is the tree of exactly the blocks that are there.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from store.database import Synchronous
from store.errors import StoreError
from tests.core.log_writer import LogModel, kill_a_writer

SEED = 20_261_121
LOGS = 5
KILLS = 20
MAX_LIFE_S = 0.2
"""Half of them live from the start of the process on, and may die while they open the
log, the others from their first word on."""


@pytest.mark.slow
@pytest.mark.parametrize("number", range(LOGS))
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_a_killed_writer_loses_nothing_it_was_told_to_be_safe(
    tmp_path: Path, encrypted: bool, number: int
) -> None:
    seed = int(os.environ.get("COVEY_SEED", SEED)) + number + 100 * encrypted
    print(f"seed {seed}")
    chance = random.Random(seed)
    storage_key = chance.randbytes(32) if encrypted else None
    synchronous = Synchronous.NORMAL if number % 2 else Synchronous.FULL
    model = LogModel()
    for kill in range(KILLS):
        kill_a_writer(
            tmp_path,
            storage_key,
            synchronous,
            seed=chance.getrandbits(32),
            life_s=chance.uniform(0, MAX_LIFE_S),
            speaks_first=kill % 2 == 1,
            model=model,
        )
        try:
            asyncio.run(model.check(tmp_path, storage_key, synchronous))
        except (AssertionError, StoreError) as error:
            raise AssertionError(f"seed {seed}, kill {kill}: {error}") from error
    assert model.acknowledged > KILLS
    print(f"{model.acknowledged} blocks acknowledged, {len(model.forks)} there")
