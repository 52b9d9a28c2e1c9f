"""UDX without encryption or DHT: bytes, small answers and unordered messages.

Tells how much of the figures of ``stream`` and ``messages`` is the transport's. Not in
a whole run; ``python -m tests.bench.udx [--quick]`` measures it alone.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.contenders import NPM_MODULES, Contender
from tests.bench.registry import Row, Settings, compare

PEER = "npm udx-native"
PEER_SCRIPT = Path(__file__).parent / "peers" / "udx.js"
MIB = 1024 * 1024
CHUNK_BYTES = 64 * 1024
MESSAGE_BYTES = 100
WINDOW = 16
"""Unordered messages on their way at once."""


def contenders() -> list[Contender]:
    """Covey, and npm where Node and the package are."""
    own = Contender("covey", (sys.executable, "-m", "tests.bench.udx_worker"), {})
    node = shutil.which("node")
    if node is None or not (NPM_MODULES / "udx-native").is_dir():
        return [own]
    path = os.pathsep.join(
        filter(None, (os.environ.get("NODE_PATH"), str(NPM_MODULES)))
    )
    return [own, Contender(PEER, (node, str(PEER_SCRIPT)), {"NODE_PATH": path})]


def run_all(bench: str, rounds: int, **order: Any) -> dict[str, list[dict[str, Any]]]:
    """The answers of each side, measured in turns."""
    sides = contenders()
    answers: dict[str, list[dict[str, Any]]] = {side.name: [] for side in sides}
    for number in range(rounds):
        for side in sides if number % 2 == 0 else sides[::-1]:
            with side.serving(0) as server:
                answers[side.name].append(server.run(bench, **order))
    return answers


def measure(settings: Settings) -> Iterator[Row]:
    """Throughput, its cost on both sides, round trips and messages a second."""
    amount = (64 if settings.quick else 512) * MIB
    answers = run_all("stream", settings.rounds, bytes=amount, chunk=CHUNK_BYTES)
    own, peer = answers["covey"], answers.get(PEER, [])
    yield compare(
        "udx.throughput",
        "MB/s",
        "higher",
        [amount / it["ms"] / 1e3 for it in own],
        PEER,
        [amount / it["ms"] / 1e3 for it in peer],
    )
    for name, key in (("udx.sendCpu", "sendCpu"), ("udx.receiveCpu", "receiveCpu")):
        yield compare(
            name,
            "s/GB",
            "lower",
            [it[key] / amount * 1e9 for it in own],
            PEER,
            [it[key] / amount * 1e9 for it in peer],
        )
    for name, bench, count in (
        ("udx.pingPong", "pingPong", 30_000),
        ("udx.messages", "messages", 100_000),
    ):
        count = count // 10 if settings.quick else count
        answers = run_all(
            bench, settings.rounds, count=count, size=MESSAGE_BYTES, window=WINDOW
        )
        yield compare(
            name,
            "1/s",
            "higher",
            [count / it["ms"] * 1e3 for it in answers["covey"]],
            PEER,
            [count / it["ms"] * 1e3 for it in answers.get(PEER, [])],
        )


if __name__ == "__main__":
    for row in measure(Settings(quick="--quick" in sys.argv)):
        print(f"{row.bench:18} {row.covey:12,.2f} {row.unit:5}", end="")
        if row.peerValue is not None and row.ratio is not None:
            print(
                f"   {row.peer} {row.peerValue:12,.2f}   ratio {row.ratio:.2f}", end=""
            )
        print(flush=True)
