"""Runs simulations, fuzz and crash tests again and again, each time with a new seed.

    python packaging/soak.py [--minutes N] [--seed FIRST] [for pytest ...]
    python packaging/soak.py --only rooms [--seeds N] [--seed FIRST] [for pytest ...]

It stops at the first failure and prints the command that repeats it, or after the
minutes given; without them it goes on until it is interrupted. Which seed comes next
is decided by the first one, so a whole soak can be repeated too.

With ``--only`` it runs one file of tests once, ``tests/sim/test_NAME.py``. Those that
try many seeds by themselves (rooms, autobase) take 10,000 in a row then, or as many as
``--seeds`` says, and print how long one took.
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
SEEDS = 10_000
"""How many each test takes that tries many by itself."""


def run_once(
    seed: int, extra: list[str], *, suites: tuple[str, ...] = SUITES, seeds: int = SEEDS
) -> bool:
    """Runs suites with one seed and tells whether all held."""
    environment = {**os.environ, "COVEY_SEED": str(seed), "COVEY_SOAK": "1"}
    environment["COVEY_SEEDS"] = str(seeds)
    environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--timeout=1200"]
    done = subprocess.run(
        [*command, *suites, *extra], cwd=ROOT, env=environment, check=False
    )
    return done.returncode == 0


def run_only(name: str, seeds: int, seed: int, extra: list[str]) -> int:
    """Runs one file of tests once; returns 1 when something did not hold."""
    found = sorted(ROOT.glob(f"tests/sim/test_{name}.py"))
    if not found:
        print(f"There is no tests/sim/test_{name}.py.")
        return 2
    begun = time.monotonic()
    suites = tuple(str(path.relative_to(ROOT)) for path in found)
    held = run_once(seed, extra, suites=suites, seeds=seeds)
    spent_s = time.monotonic() - begun
    each = f"{spent_s:.0f} s, {spent_s / seeds:.2f} s a seed"
    print(
        f"{'Held' if held else 'Found something'}: {seeds} seeds from {seed}, {each}."
    )
    return 0 if held else 1


def main() -> int:
    """Soaks; returns 1 at the first failure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, help="how long; default: no end")
    parser.add_argument("--seed", type=int, help="the first seed; default: any")
    parser.add_argument("--only", help="one file of tests, once: rooms, autobase, ...")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="for these, in a row")
    options, extra = parser.parse_known_args()
    first = random.randrange(MAX_SEED) if options.seed is None else options.seed
    if options.only is not None:
        return run_only(options.only, options.seeds, first, extra)
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
            again = f"COVEY_SEED={seed} COVEY_SEEDS={SEEDS} COVEY_SOAK=1 make test"
            print(f"Found something with seed {seed}. Again: {again}")
            return 1
        rounds, seed = rounds + 1, order.randrange(MAX_SEED)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
