"""Brings everything Covey needs to run and to be tested on this machine.

Run by the system's Python with nothing but its standard library:

    python3 packaging/bootstrap.py venv      .venv with `covey` in it
    python3 packaging/bootstrap.py run       the same, and what the window needs
    python3 packaging/bootstrap.py test      the same, and what the tests need
    python3 packaging/bootstrap.py package   the same as `run`, and the packager

What is there already is found by looking (`system.py`) and left alone; a second run
takes a fraction of a second. Missing system packages are installed when this is a
Debian-like Linux and root or a sudo without password allows it; otherwise the one
line to type is printed, before anything else is done. It works the same on macOS and
Windows, where only the virtual environment and Node matter.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import system

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "covey-stamp.json"
OLDEST_PYTHON = (3, 11)
NEWEST_TRIED_PYTHON = (3, 13)
LOCKS: dict[str, str] = {
    "venv": "run",
    "run": "run",
    "test": "dev",
    "package": "package",
}
"""The lock each purpose installs. `dev` and `package` hold all of `run`."""

INTEROP = ROOT / "tests" / "interop"


def in_ci() -> bool:
    """Tells whether a continuous-integration service started this."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def say(sentence: str) -> None:
    """Prints one plain sentence at once, so that slow steps are announced."""
    print(sentence, flush=True)


def digest(*paths: Path) -> str:
    """Returns a hash of the files' contents."""
    state = hashlib.sha256()
    for path in paths:
        state.update(path.read_bytes())
    return state.hexdigest()


def newer_python() -> str | None:
    """Finds an interpreter that is new enough when this one is not."""
    for minor in range(NEWEST_TRIED_PYTHON[1], OLDEST_PYTHON[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            return found
    return None


def require_python() -> None:
    """Goes on under a Python that is new enough.

    Raises:
        SystemExit: if there is none.
    """
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return
    found = newer_python()
    if found is None:
        raise SystemExit(
            f"Covey needs Python 3.11 or newer; this is {platform.python_version()}. "
            "Install a newer one and start this again."
        )
    raise SystemExit(subprocess.call([found, *sys.argv]))


# ------------------------------------------------------------ virtual environment


def venv_python() -> Path:
    """Returns the interpreter inside .venv, which need not exist yet."""
    if os.name == "nt":
        return VENV / "Scripts" / "python.exe"
    return VENV / "bin" / "python"


def read_stamp() -> dict[str, str]:
    """Returns what the last set-up wrote; empty if .venv is not usable."""
    if not venv_python().exists():
        return {}
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(stamp: dict[str, str]) -> None:
    """Records what .venv holds, as the last step, so that a broken-off run shows."""
    STAMP.write_text(json.dumps(stamp, indent=1, sort_keys=True), encoding="utf-8")


def lock_path(name: str) -> Path:
    """Returns the file of a lock."""
    return ROOT / "packaging" / "locks" / f"{name}.txt"


def create_venv(*, anew: bool) -> bool:
    """Makes .venv unless one with this Python is there.

    Args:
        anew: also replace one that works.

    Returns:
        Whether it was made, so that it is empty.

    Raises:
        SystemExit: if Python cannot make one.
    """
    expected = f"{sys.version_info[0]}.{sys.version_info[1]}"
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    if venv_python().exists() and not anew:
        answer = subprocess.run(
            [str(venv_python()), "-c", question],
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.stdout.strip() == expected:
            return False
        say("The virtual environment does not work any more; it is made anew.")
    say(f"Making the virtual environment .venv with Python {expected}.")
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], check=False
    )
    if made.returncode != 0:
        raise SystemExit("Python could not make a virtual environment, see above.")
    return True


def pip(*arguments: str) -> None:
    """Runs pip inside .venv, silently unless it fails.

    Raises:
        SystemExit: if it fails, after showing what pip said.
    """
    command = [str(venv_python()), "-m", "pip", "--disable-pip-version-check"]
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    done = subprocess.run(
        [*command, *arguments, "--no-input"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        say(done.stdout)
        raise SystemExit("pip could not install what Covey needs, see above.")


def ensure_venv(purpose: str) -> None:
    """Brings .venv to what a purpose needs; does nothing when it is.

    What another purpose brought stays, and is remembered while its lock is unchanged.
    """
    lock = LOCKS[purpose]
    digests = {name: digest(lock_path(name)) for name in set(LOCKS.values())}
    project = {"folder": str(ROOT), "pyproject": digest(ROOT / "pyproject.toml")}
    stamp = read_stamp()
    held = {name for name in digests if stamp.get(name) == digests[name]}
    if lock in held and all(stamp.get(key) == project[key] for key in project):
        return
    if create_venv(anew=stamp.get("folder", str(ROOT)) != str(ROOT)):
        held = set()
    STAMP.unlink(missing_ok=True)
    if lock not in held:
        path = lock_path(lock)
        say(f"Installing packaging/locks/{path.name}, checked by its hashes.")
        say("The first time this fetches a few hundred MB.")
        pip("install", "--require-hashes", "-r", str(path))
        held |= {lock, "run"}  # every lock holds all of `run`, at the same versions
    pip("install", "--no-deps", "--no-build-isolation", "-e", ".")
    write_stamp({**project, **{name: digests[name] for name in held}})


# ----------------------------------------------------------------- npm peers


def ensure_npm_peers(node: str | None) -> str | None:
    """Installs the npm packages the interop tests talk to, exactly as locked.

    Returns:
        Why they are not there, or None if they are.
    """
    lock = INTEROP / "package-lock.json"
    if not lock.exists():
        return "tests/interop has no package-lock.json"
    npm = shutil.which("npm")
    if node is None or npm is None:
        return "Node 18 or newer and npm are not installed"
    stamp = INTEROP / "node_modules" / ".covey-stamp"
    expected = digest(lock, INTEROP / "package.json")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == expected:
        return None
    say("Installing the npm peers for the interop tests.")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    if subprocess.call(command, cwd=INTEROP) != 0:
        return "npm could not install the packages of tests/interop, see above"
    stamp.write_text(expected, encoding="utf-8")
    return None


def ensure_test_tools() -> None:
    """Brings Node's peers; says what stays out, and in CI insists.

    Raises:
        SystemExit: in CI, when the peers cannot be had.
    """
    missing = ensure_npm_peers(system.find_node())
    if missing is None:
        return
    if in_ci():
        raise SystemExit(f"The interop tests must run in CI, but {missing}.")
    say(f"The interop tests will be skipped: {missing}.")


# ----------------------------------------------------------------------- entry


def main() -> None:
    """Sets up for one purpose; prints nothing when there is nothing to do."""
    require_python()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("purpose", choices=sorted(LOCKS))
    purpose = parser.parse_args().purpose
    try:
        system.ensure_packages(purpose, insist=in_ci())
        ensure_venv(purpose)
        if purpose != "venv":
            system.verify_window_libraries(VENV)
        if purpose == "test":
            ensure_test_tools()
    except system.SetupError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
