"""Real processes for tests: networks, cores and command lines, all ended at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.core.quick_start import QuickStart

ROOT = Path(__file__).resolve().parents[2]
LINE_LIMIT = 64 * 1024
WORDS_LIMIT = 2000
PATIENCE_S = 90.0
"""For what takes a second or two where nothing else runs; reached only by a failure."""
PAUSE_S = 0.1
COMMAND_LIMIT_S = PATIENCE_S + 30
END_LIMIT_S = 60.0
PATIENTLY = ("--timeout", f"{PATIENCE_S:g}")
DELIVERED = ("--wait", "delivered", *PATIENTLY)


class Stage:
    """A folder with profiles, and every process started there.

    Attributes:
        bootstrap: Where the stage's own network is, once ``start_network`` was called.
    """

    def __init__(self, folder: Path, quick: QuickStart | None = None) -> None:
        self.folder = folder
        self._quick = quick
        self.bootstrap = "127.0.0.1:1"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._cores: dict[str, subprocess.Popen[bytes]] = {}
        self._words = folder / "words"
        runtime = folder / "run"
        runtime.mkdir(mode=0o700)
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "XDG_RUNTIME_DIR": str(runtime),
            "COVEY_KEYCHAIN": "off",
        }

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The network last, so that cores can take their leave from it.
        for process in reversed(self._processes):
            self.stop(process)

    def start_network(self) -> None:
        """Start the first node of a network of its own."""
        _, said = self.start(
            "--json", "dht", "--isolated", "--host", "127.0.0.1", "--port", "0"
        )
        assert said.keys() == {"event", "host", "port"}
        self.bootstrap = f"{said['host']}:{said['port']}"

    def profile(self, name: str) -> Path:
        """Where somebody's profile is."""
        return self.folder / name.lower()

    def init(self, name: str, *options: str) -> dict[str, Any]:
        """Make somebody's profile."""
        [made] = self.run(name, "init", "--name", name, *options)
        return made

    def serve(self, name: str) -> subprocess.Popen[bytes]:
        """Start somebody's core and wait until it is ready."""
        process, said = self.start(*self.options(name), "serve")
        self._cores[name] = process
        assert said == {"event": "ready", "profile": str(self.profile(name))}
        return process

    def serving(self, name: str) -> subprocess.Popen[bytes]:
        """Somebody's core, as it was started last."""
        return self._cores[name]

    def options(self, name: str) -> list[str]:
        """The common options for somebody."""
        return [
            *("--json", "--profile", str(self.profile(name))),
            *("--bootstrap", self.bootstrap),
        ]

    def run(self, name: str, *arguments: str) -> list[dict[str, Any]]:
        """Run a command for somebody; it must succeed and print objects only."""
        done = self.attempt(name, *arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def attempt(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command for somebody, whatever comes of it."""
        words = (*self.options(name), *arguments)
        if self._quick is None:
            return self.command(*words)
        return self._quick.run(words, self.environment, COMMAND_LIMIT_S)

    def refusal(self, name: str, *arguments: str) -> str:
        """Run a command that must fail with one sentence; returns the sentence."""
        done = self.attempt(name, *arguments)
        return sentence(done)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command line as a program started anew."""
        return subprocess.run(
            _command(arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )

    def start(
        self, *arguments: str, **options: Any
    ) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
        """Start a program and wait for its first object."""
        process = self.spawn(*arguments, **options)
        assert process.stdout is not None
        line = process.stdout.readline(LINE_LIMIT)
        assert line, f"it ended before it was ready: {self.words()}"
        said = json.loads(line)
        assert isinstance(said, dict)
        return process, said

    def spawn(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a program that is ended with the stage."""
        with self._words.open("ab") as words:
            given: dict[str, Any] = {
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": words,
                **options,
            }
            process = subprocess.Popen(
                _command(arguments), env=self.environment, **given
            )
        self._processes.append(process)
        return process

    def words(self) -> str:
        """The last of what all programs wrote to standard error."""
        return self._words.read_text(errors="replace")[-WORDS_LIMIT:]

    def stop(self, process: subprocess.Popen[bytes]) -> int:
        """End a program and give its exit status."""
        if process.poll() is None:
            process.terminate()
        try:
            status = process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        return status


def until(look: Callable[[], Any]) -> Any:
    """Look again until there is something; gives what was found.

    Raises:
        AssertionError: There was nothing for :data:`PATIENCE_S`.
    """
    end = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < end, f"it never came to be so, but: {found!r}"
        time.sleep(PAUSE_S)
    return found


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a command that failed."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].endswith("."), lines[0]
    return lines[0]


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "app", *arguments]
