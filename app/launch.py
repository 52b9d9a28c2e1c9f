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
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.errors import UserFacingError

LINE_LIMIT_BYTES = 64 * 1024
STOP_LIMIT_S = 15.0
READY_LIMIT_S = 60.0
"""How long a core may take to say that it is ready; old machines are slow."""


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


class StartingCore:
    """A core about to be started, which another thread may give up."""

    def __init__(
        self,
        profile: Path,
        *,
        bootstrap: str | None = None,
        passphrase: str | None = None,
        keep_running: bool = False,
        log_level: str | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            profile: The profile's folder.
            bootstrap: ``host:port[,host:port...]``; None for the public nodes.
            passphrase: What unlocks the profile, if it is locked.
            keep_running: Stay when the last client has gone.
            log_level: For the core's log.
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
        self._arguments = arguments
        self._passphrase = passphrase
        self._process: subprocess.Popen[bytes] | None = None
        self._mutex = threading.Lock()
        self._given_up = False
        self._late = False

    def run(self) -> CoreProcess:
        """Start it and wait until it is ready. Blocks; run it in a thread.

        Raises:
            UserFacingError: What the core says, or ``core-failed``.
        """
        with self._mutex:
            process = subprocess.Popen(
                command(*self._arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(),
                start_new_session=True,
            )
            self._process = process
            if self._given_up:
                process.kill()
        limit = threading.Timer(READY_LIMIT_S, self._end_late, (process,))
        limit.daemon = True
        limit.start()
        try:
            return _judge(process, _first_line(process, self._passphrase))
        except UserFacingError:
            if self._late:
                raise UserFacingError(
                    "core-stuck",
                    f"Covey's core was not ready after {READY_LIMIT_S:.0f} seconds.",
                ) from None
            raise
        finally:
            limit.cancel()

    def give_up(self) -> None:
        """End it, wherever its start stands; ``run`` then fails soon."""
        with self._mutex:
            self._given_up = True
            if self._process is not None:
                self._process.terminate()

    def _end_late(self, process: subprocess.Popen[bytes]) -> None:
        self._late = True
        process.kill()


def _first_line(process: subprocess.Popen[bytes], passphrase: str | None) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if passphrase is not None:
            process.stdin.write(passphrase.encode("utf-8", "replace") + b"\n")
        process.stdin.close()
        return process.stdout.readline(LINE_LIMIT_BYTES)
    except BrokenPipeError:
        return b""
    finally:
        process.stdout.close()


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
