"""Tries a built Covey once: its version, a profile, a network of its own, a window.

    python packaging/smoke.py PATH_OF_COVEY

It needs nothing of the project but the version in pyproject.toml, leaves nothing
behind, and uses no network but this machine's own. The exit status is 1 if a step
fails, after a sentence that names it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STEP_TIMEOUT_S = 60
WINDOW_STAYS_S = 8
GRACE_S = 20


class SmokeError(Exception):
    """A step did not do what a built Covey must."""


def expected_version() -> str:
    """Returns the version that pyproject.toml names."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["version"])


def answer(program: str, *arguments: str, environment: dict[str, str]) -> str:
    """Runs the program to its end and returns what it printed.

    Raises:
        SmokeError: if it fails or hangs.
    """
    try:
        done = subprocess.run(
            [program, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=STEP_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SmokeError(f"covey {' '.join(arguments)} hangs") from error
    if done.returncode != 0:
        said = done.stderr.strip()
        raise SmokeError(f"covey {' '.join(arguments)} failed: {said}")
    return done.stdout


def stays_up(program: str, *arguments: str, environment: dict[str, str]) -> None:
    """Starts the program, expects it to stay, and ends it.

    Raises:
        SmokeError: if it ends by itself.
    """
    # A file and not a pipe: a core that lives on would hold the pipe open.
    with tempfile.TemporaryFile("w+") as output:
        running = subprocess.Popen(
            [program, *arguments],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            running.wait(WINDOW_STAYS_S)
        except subprocess.TimeoutExpired:
            running.terminate()
            try:
                running.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
                raise SmokeError("covey did not end when asked to") from None
            return
        output.seek(0)
        said = output.read().strip()
    raise SmokeError(f"covey {' '.join(arguments)} ended by itself: {said}")


def try_all(program: str, folder: Path) -> None:
    """Tries every step with profiles below the folder.

    Raises:
        SmokeError: at the first that fails.
    """
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "COVEY_BOOTSTRAP": "127.0.0.1:9",
    }
    version = answer(program, "--version", environment=environment)
    if expected_version() not in version:
        raise SmokeError(f"the version is {version.strip()!r}")
    profile = ("--profile", str(folder / "profile"))
    answer(program, *profile, "init", "--name", "Smoke", environment=environment)
    told = answer(program, *profile, "--json", "whoami", environment=environment)
    if json.loads(told)["name"] != "Smoke":
        raise SmokeError(f"whoami says {told.strip()!r}")
    stays_up(program, *profile, environment=environment)
    stays_up(program, "demo", environment=environment)


def main() -> int:
    """Tries the program named on the command line; returns the exit status."""
    if len(sys.argv) != 2:
        print("usage: smoke.py PATH_OF_COVEY")
        return 2
    with tempfile.TemporaryDirectory(prefix="covey-smoke-") as folder:
        try:
            try_all(sys.argv[1], Path(folder))
        except SmokeError as error:
            print(f"The built program does not work: {error}.")
            return 1
    print("It tells its version, keeps a profile, opens its window and its demo.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
