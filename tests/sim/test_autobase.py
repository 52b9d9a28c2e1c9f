"""The order of many logs, with many seeds: 300 here, 10,000 in ``make soak``.

Each seed is a flock of 2 to 12 writers that write, meet and part at random; what they
hear comes in pieces, twice and in any order, and some are let in, put to rest and let
in again meanwhile.
"""

from __future__ import annotations

import os

import pytest

from tests.unit.store.autobase import test_confirmation, test_linearizer

SEEDS = int(os.environ.get("COVEY_SEEDS", "300"))
GROUPS = 10


@pytest.mark.timeout(1800 if os.environ.get("COVEY_SOAK") else 120)
@pytest.mark.parametrize("group", range(GROUPS))
def test_everybody_ends_with_one_history(group: int, seed: int) -> None:
    for number in range(seed + group, seed + SEEDS, GROUPS):
        try:
            test_linearizer.test_all_devices_end_with_one_order(number)
            test_linearizer.test_what_does_not_count_has_no_place(number)
            test_confirmation.test_a_confirmed_prefix_never_changes(number)
        except BaseException:
            print(f"seed {number}")
            raise
