"""Programs of the lab: what they say, how they end."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO

WORDS_LIMIT = 2000
END_LIMIT_S = 20.0


class LabError(Exception):
    """The lab or a program in it did not do what it must."""


def run(*command: str, stdin: str = "") -> None:
    """Run one command of the system.

    Raises:
        LabError: It failed.
    """
    done = subprocess.run(
        command, capture_output=True, text=True, input=stdin, check=False
    )
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")


class Program:
    """A program in one of the lab's places; what it prints is JSON, a line each."""

    def __init__(
        self, process: subprocess.Popen[bytes], words: BinaryIO, name: str
    ) -> None:
        self.process = process
        self._words = words
        self._name = name
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._reader: threading.Thread | None = None

    def hear(self, limit_s: float) -> dict[str, Any]:
        """The next thing it tells.

        Raises:
            LabError: It ended, or told nothing in time.
        """
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()
        try:
            line = self._lines.get(timeout=limit_s)
        except Empty:
            text = f"{self._name} told nothing in {limit_s:g} s: {self.words()}"
            raise LabError(text) from None
        if not line:
            raise LabError(f"{self._name} ended: {self.words()}")
        told: dict[str, Any] = json.loads(line)
        return told

    def tell(self, what: Mapping[str, Any]) -> None:
        """Give it a line of JSON."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()

    def finish(self, data: bytes, limit_s: float) -> Finished:
        """Give it all of its input, and wait for its end.

        Raises:
            LabError: It took too long.
        """
        try:
            output, _ = self.process.communicate(data, timeout=limit_s)
        except subprocess.TimeoutExpired:
            text = f"{self._name} did not end in {limit_s:g} s: {self.words()}"
            raise LabError(text) from None
        return Finished(self.process.returncode, output, self.words())

    def words(self) -> str:
        """The end of what it wrote to standard error."""
        self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, self._words.tell() - WORDS_LIMIT))
        return self._words.read().decode(errors="replace").strip()

    def end(self) -> None:
        """End it; forgiving, because it may have ended."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self._reader is not None:
            self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self._words):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(b"")


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a program."""

    status: int
    output: bytes
    words: str
    """The end of its standard error."""
