"""Starting the two sides that are compared, each in processes of its own.

A contender is a command with two roles: ``serve ARGUMENT`` brings up a private network
and a server, ``run BENCH ORDER`` measures against it. Both print JSON lines and end
when their standard input ends, so that nothing survives the harness.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PEER_SCRIPTS = Path(__file__).parent / "peers"
NPM_MODULES = ROOT / "tests" / "interop" / "node_modules"
RUN_LIMIT_S = 180


class ContenderError(RuntimeError):
    """A process of a measurement failed; its own words are in the message."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One implementation under measurement."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]

    @contextmanager
    def serving(self, argument: str) -> Iterator[Server]:
        """A private network with a server, for the time of the block."""
        process = self._start("serve", argument)
        try:
            yield Server(self, _read_answer(process))
        finally:
            _stop(process)

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | self.environment,
            text=True,
        )


@dataclass(frozen=True, slots=True)
class Server:
    """A network that serves, and what a client must know of it."""

    contender: Contender
    facts: dict[str, Any]

    def run(self, bench: str, **order: Any) -> dict[str, Any]:
        """Measure from a second process.

        Raises:
            ContenderError: That process failed or said nothing in time.
        """
        process = self.contender._start("run", bench, json.dumps(self.facts | order))
        try:
            return _read_answer(process)
        finally:
            _stop(process)


def _read_answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise ContenderError(f"no answer from {process.args!r}")
    answer = json.loads(line)
    assert isinstance(answer, dict)
    return answer


def _stop(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def covey(worker: str = "worker") -> Contender:
    """This implementation, by one of the modules beside this one."""
    return Contender("covey", (sys.executable, "-m", f"tests.bench.{worker}"), {})


def npm(package: str = "hyperdht") -> Contender | None:
    """The JavaScript implementation, where Node and its packages are."""
    node = shutil.which("node")
    paths = [
        *filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep)),
        str(NPM_MODULES),
    ]
    if node is None or not any((Path(it) / package).is_dir() for it in paths):
        return None
    return Contender(
        f"npm {package}",
        (node, str(PEER_SCRIPTS / f"{package}.js")),
        {"NODE_PATH": os.pathsep.join(paths)},
    )


DHT_SIDES = (covey(), npm())


def alternate(
    bench: str,
    *,
    rounds: int,
    serve: str,
    sides: Sequence[Contender | None] = DHT_SIDES,
    **order: Any,
) -> dict[str, list[dict[str, Any]]]:
    """Measure both sides in turns and return their answers by contender's name.

    The order changes every round, so that a machine that warms up or is disturbed does
    not favour one side. Each measurement has a network of its own.

    Args:
        bench: Its name, known to both sides.
        rounds: How often each side is measured.
        serve: What the serving role is told: for the DHT the number of nodes.
        sides: Who is compared; None for one that is not installed.
        order: What the measuring role is told.
    """
    answers: dict[str, list[dict[str, Any]]] = {}
    for number in range(rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            if side is None:
                continue
            with side.serving(serve) as server:
                answer = server.run(bench, **order)
            answers.setdefault(side.name, []).append(answer)
    return answers


PEER = "npm hyperdht"
OWN = "covey"
