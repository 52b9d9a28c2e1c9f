"""Runs the project's checks in one order: style, types, then the tests.

    python packaging/check.py lint      ruff and mypy
    python packaging/check.py all       the same, then every test
    python packaging/check.py natlab    the tests in network namespaces

Run by the Python of .venv, after `bootstrap.py test`. Every step runs even if one
before it failed, so that one run tells all; the exit status is 1 if any failed. The
last line printed by the tests is pytest's.

All tests are run by two processes at a time, see tests/helpers/both_ends.py. Arguments
after the first go to pytest; with any of them the tests run one after the other, as
`-k`, `-s` and `--pdb` want it, unless `-n 2` is among them. Files or folders among them
take the place of the whole suite.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

LINT: tuple[tuple[str, ...], ...] = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
)

TWO_AT_A_TIME = ("-n", "2")

SUITES: dict[str, tuple[str, ...]] = {
    "all": ("tests",),
    "natlab": ("tests/natlab",),
}


def run(arguments: tuple[str, ...], environment: dict[str, str]) -> bool:
    """Runs one Python module and tells whether it was content.

    Args:
        arguments: the module's name and its arguments.
        environment: the variables it gets.
    """
    print(f"--- {' '.join(arguments)}", flush=True)
    begun = time.monotonic()
    status = subprocess.call(
        [sys.executable, "-m", *arguments], cwd=ROOT, env=environment
    )
    spent_s = time.monotonic() - begun
    verdict = "done" if status == 0 else f"FAILED with status {status}"
    print(f"--- {arguments[0]}: {verdict} after {spent_s:.0f} s", flush=True)
    return status == 0


def tests(suite: str, extra: list[str]) -> tuple[str, ...]:
    """The command line of pytest.

    Args:
        suite: which of SUITES.
        extra: what else the command line says.
    """
    named = any(word.startswith("tests/") for word in extra)
    places = () if named else SUITES[suite]
    workers = TWO_AT_A_TIME if suite == "all" and not extra else ()
    return ("pytest", "--continue-on-collection-errors", *workers, *places, *extra)


def main() -> int:
    """Runs what the command line names; returns the exit status."""
    chosen, *extra = sys.argv[1:] or ["all"]
    if chosen not in {"lint", *SUITES}:
        print(f"usage: check.py lint|{'|'.join(SUITES)} [for pytest ...]")
        return 2
    environment = dict(os.environ)
    environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    outcomes: list[bool] = []
    if chosen in {"lint", "all"}:
        outcomes += [run(step, environment) for step in LINT]
    if chosen in SUITES:
        outcomes.append(run(tests(chosen, extra), environment))
        # Said last, so that the reason of a bad status stands beside pytest's line.
        if outcomes[-1] and not all(outcomes):
            print("ruff or mypy found something, see the top", flush=True)
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
