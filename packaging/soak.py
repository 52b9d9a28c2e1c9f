"""Runs simulations, fuzz and crash tests again and again, each time with a new seed.

    python packaging/soak.py [--minutes N] [--seed FIRST] [for pytest ...]

It stops at the first failure and prints the command that repeats it, or after the
minutes given; without them it goes on until it is interrupted. Which seed comes next
is decided by the first one, so a whole soak can be repeated too.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITES = (
    *("tests/sim", "tests/fuzz"),
    *("tests/core/test_log_kill.py", "tests/core/test_files_in_place.py"),
)
MAX_SEED = 2**31


def run_once(seed: int, extra: list[str]) -> bool:
    """Runs every suite with one seed and tells whether all held."""
    environment = {**os.environ, "COVEY_SEED": str(seed), "COVEY_SOAK": "1"}
    environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--timeout=1200"]
    done = subprocess.run(
        [*command, *SUITES, *extra], cwd=ROOT, env=environment, check=False
    )
    return done.returncode == 0


def main() -> int:
    """Soaks; returns 1 at the first failure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, help="how long; default: no end")
    parser.add_argument("--seed", type=int, help="the first seed; default: any")
    options, extra = parser.parse_known_args()
    first = random.randrange(MAX_SEED) if options.seed is None else options.seed
    order = random.Random(first)
    begun = time.monotonic()
    rounds, seed = 0, first
    while True:
        spent_minutes = (time.monotonic() - begun) / 60
        if options.minutes is not None and spent_minutes >= options.minutes:
            print(f"{rounds} rounds held in {spent_minutes:.0f} minutes.")
            return 0
        print(f"--- round {rounds + 1}, seed {seed}", flush=True)
        if not run_once(seed, extra):
            again = f"COVEY_SEED={seed} COVEY_SOAK=1 make test"
            print(f"Found something with seed {seed}. Again: {again}")
            return 1
        rounds, seed = rounds + 1, order.randrange(MAX_SEED)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
