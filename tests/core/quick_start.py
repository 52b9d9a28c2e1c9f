"""Command lines that start at once: a program that has loaded Covey parts into them.

    python -m tests.core.quick_start SOCKET

Four fifths of what ``python -m app`` does for a short command is to load modules, and
the tests of this folder run hundreds. This program has loaded them, and for each
command a process is parted from it (``fork``), in which nothing of Covey ever ran. It
gets arguments, environment and streams as if it had been started anew, and ends as
every program does. The system must know ``fork``; elsewhere, and for whatever runs
longer than a command, ``Stage`` starts whole programs.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
MAX_ORDER_BYTES = 1 << 20
AVAILABLE = hasattr(os, "fork")


class QuickStart:
    """The side of the tests: runs commands, ends the program with the block."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self._path = os.path.join(self._folder.name, "s")
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.core.quick_start", self._path],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._program.stdout is not None
        assert self._program.stdout.readline() == b"ready\n"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # It ends with its input.
        self._program.communicate()
        self._folder.cleanup()

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], limit_s: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line of Covey's, without any input.

        Raises:
            subprocess.TimeoutExpired: It took too long, and was killed.
        """
        order = {"arguments": list(arguments), "environment": dict(environment)}
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            socket.socket(socket.AF_UNIX) as channel,
        ):
            channel.connect(self._path)
            streams = [out.fileno(), err.fileno()]
            socket.send_fds(channel, [b"\0"], streams)
            channel.sendall(json.dumps(order).encode() + b"\n")
            with channel.makefile("r") as told:
                pid = int(told.readline())
                channel.settimeout(limit_s)
                try:
                    status = int(told.readline())
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(
                        order["arguments"], limit_s
                    ) from None
            words = []
            for stream in (out, err):
                stream.seek(0)
                words.append(stream.read().decode())
        return subprocess.CompletedProcess(order["arguments"], status, *words)


def serve(path: str) -> int:
    """Part a process for every command; returns the status of the process it is in."""
    import app.cli

    for module in pkgutil.iter_modules(app.cli.__path__, "app.cli."):
        importlib.import_module(module.name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    print("ready", flush=True)
    # Nobody waits for those who wait for the commands.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while all(key.fileobj is listener for key, _ in selector.select()):
            channel = listener.accept()[0]
            if os.fork() == 0:
                break
            channel.close()
        else:
            return 0
    listener.close()
    return attend(channel)


def attend(channel: socket.socket) -> int:
    """Take one order, part its process, and tell how that ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(channel, 1, 2)
    with channel.makefile("rb") as lines:
        order = json.loads(lines.readline(MAX_ORDER_BYTES))
    pid = os.fork()
    if pid == 0:
        channel.close()
        return become(order, streams)
    channel.sendall(f"{pid}\n".encode())
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    channel.sendall(f"{status}\n".encode())
    return 0


def become(order: dict[str, Any], streams: list[int]) -> int:
    """Be the command line that was asked for; returns its status."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for wanted, given in enumerate((nothing, *streams)):
        os.dup2(given, wanted)
        os.close(given)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv[1:] = order["arguments"]
    from app.__main__ import main

    return main()


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1]))
