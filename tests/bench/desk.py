"""A profile with rooms and a window on it, for the measurements of the whole program.

Everything runs on Qt's offscreen platform with its software painter, on loopback, with
a network of one node; what a graphics driver adds is not in these figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.client import Client

ROOT = Path(__file__).resolve().parents[2]
ROOM_COUNT = 10
MESSAGES_A_ROOM = 20


@dataclass(frozen=True, slots=True)
class Desk:
    """A profile and the network it belongs to."""

    profile: Path
    bootstrap: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A window that is usable."""

    pid: int
    usable_ms: float
    """From the start of its process to the first frame a person can act on."""

    def pss_mib(self) -> float:
        """Proportional memory of the window and its core together."""
        return sum(_pss_kib(pid) for pid in (self.pid, *_children(self.pid))) / 1024


@contextlib.contextmanager
def prepared_desk() -> Iterator[Desk]:
    """A network of one node and a profile with some rooms and messages."""
    node = subprocess.Popen(
        [
            *(sys.executable, "-m", "app", "--json"),
            *("dht", "--isolated", "--host", "127.0.0.1", "--port", "0"),
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert node.stdout is not None
    with tempfile.TemporaryDirectory() as folder, node.stdout:
        try:
            port = json.loads(node.stdout.readline())["port"]
            desk = Desk(Path(folder) / "profile", f"127.0.0.1:{port}")
            asyncio.run(_fill(desk))
            (desk.profile / "window.ini").write_text("[General]\nphraseSeen=yes\n")
            yield desk
        finally:
            node.terminate()
            node.wait()


async def _fill(desk: Desk) -> None:
    await Client.create(desk.profile, name="Ada", use_keychain=False)
    async with Client.connect(desk.profile, bootstrap=desk.bootstrap) as me:
        for number in range(ROOM_COUNT):
            room = await me.create_room(f"Room {number}")
            for line in range(MESSAGES_A_ROOM):
                await me.send(room.room, f"Message {line} in room {number}")


@contextlib.contextmanager
def opened_window(desk: Desk) -> Iterator[Opened]:
    """Start a window with its core, and end both afterwards."""
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "QT_QUICK_BACKEND": "software",
    }
    started_at = time.monotonic()
    window = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.bench.window"),
            *(str(desk.profile), desk.bootstrap),
        ],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert window.stdout is not None
    with window.stdout:
        try:
            usable_at = float(window.stdout.readline())
            yield Opened(window.pid, (usable_at - started_at) * 1000)
        finally:
            window.send_signal(signal.SIGTERM)
            window.wait()


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _pss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"no PSS of process {pid}")
