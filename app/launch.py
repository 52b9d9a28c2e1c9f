"""Starts a core process for a profile and waits until it is ready.

The core is this program again, as ``covey serve``. Its first line on stdout says that
it is ready or why it cannot be; a passphrase goes to it through its stdin, never over
its command line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.errors import UserFacingError

LINE_LIMIT_BYTES = 64 * 1024
STOP_LIMIT_S = 15.0


class CoreProcess:
    """A core that this process started."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def wait(self, timeout_s: float = STOP_LIMIT_S) -> bool:
        """Wait until it ended; False when it did not in time. Blocks."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def detach(self) -> None:
        """Let it run on without anybody waiting for it."""
        # Silences the warning of a process object that is dropped while it runs.
        self._process.returncode = 0


def command(*arguments: str) -> list[str]:
    """How to start this program again with other arguments."""
    if getattr(sys, "frozen", False):
        return [sys.executable, *arguments]
    return [sys.executable, "-m", "app", *arguments]


def environment() -> dict[str, str]:
    """The environment in which ``command`` finds this program."""
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def start_core(
    profile: Path,
    *,
    bootstrap: str | None = None,
    passphrase: str | None = None,
    keep_running: bool = False,
    log_level: str | None = None,
) -> CoreProcess:
    """Start a core and wait until it is ready. Blocks; run it in a thread.

    Args:
        profile: The profile's folder.
        bootstrap: ``host:port[,host:port...]``; None for the public nodes.
        passphrase: What unlocks the profile, if it is locked.
        keep_running: Stay when the last client has gone.
        log_level: For the core's log.

    Raises:
        UserFacingError: What the core says, or ``core-failed``.
    """
    arguments = ["--profile", str(profile), "--json"]
    if bootstrap is not None:
        arguments += ["--bootstrap", bootstrap]
    if log_level is not None:
        arguments += ["--log-level", log_level]
    arguments += ["serve", "--launched"]
    if not keep_running:
        arguments.append("--until-idle")
    if passphrase is not None:
        arguments.append("--passphrase-stdin")
    process = subprocess.Popen(
        command(*arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if passphrase is not None:
            process.stdin.write(passphrase.encode() + b"\n")
        process.stdin.close()
        line = process.stdout.readline(LINE_LIMIT_BYTES)
    except BrokenPipeError:
        line = b""
    finally:
        process.stdout.close()
    return _judge(process, line)


def _judge(process: subprocess.Popen[bytes], line: bytes) -> CoreProcess:
    try:
        said: Any = json.loads(line)
    except ValueError:
        said = None
    if isinstance(said, dict) and said.get("event") == "ready":
        return CoreProcess(process)
    process.wait()
    if isinstance(said, dict) and said.get("event") == "failed":
        raise UserFacingError(str(said.get("code")), str(said.get("sentence")))
    raise UserFacingError(
        "core-failed",
        f"Covey's core could not be started (exit status {process.returncode}): its log"
        " is in the profile's folder.",
    )


def spawn(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start this program again beside this one; its output is thrown away."""
    return subprocess.Popen(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
