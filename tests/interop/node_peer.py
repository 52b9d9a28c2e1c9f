"""Starts a Node process that runs real npm peers, and talks to it.

The other half is ``peer.js``. Every wait has a limit, and the process is ended with the
block that started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
LIMIT_S = 60.0
INSTALL_LIMIT_S = 300.0
MAX_LINE_BYTES = 16 * 1024 * 1024


class NodePeerError(Exception):
    """The npm side said no, or ended."""


def why_not() -> str | None:
    """Install the pinned packages if they are missing; the reason if that fails."""
    if shutil.which("node") is None:
        return "Node is not installed, so there are no npm peers to talk to"
    if _installed():
        return None
    if shutil.which("npm") is None:
        return "npm is not installed, so the npm peers cannot be installed"
    lock = HERE / ".installing"
    if not _take(lock):
        return "another run did not finish to install the npm peers"
    try:
        return None if _installed() else _install()
    finally:
        lock.rmdir()


def _installed() -> bool:
    # npm writes this file last.
    return (MODULES / ".package-lock.json").is_file()


def _install() -> str | None:
    command = [shutil.which("npm") or "npm", "ci", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            command, cwd=HERE, capture_output=True, timeout=INSTALL_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return "npm ci took too long"
    if done.returncode != 0:
        return f"npm ci failed: {done.stderr.decode(errors='replace')[-500:]}"
    return None


def _take(lock: Path) -> bool:
    """Take a lock that other test processes of this machine see."""
    deadline = time.monotonic() + INSTALL_LIMIT_S
    while True:
        try:
            lock.mkdir()
        except FileExistsError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        else:
            return True


class NodePeer:
    """A running ``peer.js``; commands may be in flight side by side."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._events: list[dict[str, Any]] = []
        self._arrived = asyncio.Condition()
        self._next_id = 0
        self._reading = asyncio.create_task(self._read())

    async def ask(self, do: str, *, limit_s: float = LIMIT_S, **options: Any) -> Any:
        """Give one command and wait for its answer.

        Raises:
            NodePeerError: The command failed over there.
            TimeoutError: No answer came in time.
        """
        self._next_id += 1
        line = json.dumps({"id": self._next_id, "do": do, **options}) + "\n"
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[self._next_id] = answer
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode())
        async with asyncio.timeout(limit_s):
            return await answer

    async def event(self, name: str, *, limit_s: float = LIMIT_S, **match: Any) -> Any:
        """Take the oldest event of that name with these values; wait if there is none.

        Raises:
            TimeoutError: It did not happen in time.
        """
        async with asyncio.timeout(limit_s), self._arrived:
            while True:
                for event in self._events:
                    if event["event"] == name and match.items() <= event.items():
                        self._events.remove(event)
                        return event
                await self._arrived.wait()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events of that name that nobody has taken yet."""
        return [event for event in self._events if event["event"] == name]

    async def stop(self) -> None:
        """End the process and what waits for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(30.0):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading
        # Closes the pipes now instead of whenever they are collected.
        self._process._transport.close()  # type: ignore[attr-defined]

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            await self._take(json.loads(line))
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(NodePeerError("the Node process ended"))

    async def _take(self, message: dict[str, Any]) -> None:
        if "event" in message:
            async with self._arrived:
                self._events.append(message)
                self._arrived.notify_all()
            return
        answer = self._answers.pop(message["id"])
        if answer.done():
            return
        if "failed" in message:
            answer.set_exception(NodePeerError(message["failed"]))
        else:
            answer.set_result(message["ok"])


@asynccontextmanager
async def node_peer() -> AsyncIterator[NodePeer]:
    """A Node process for the length of a block."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "peer.js"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_PATH": str(MODULES)},
        limit=MAX_LINE_BYTES,
    )
    peer = NodePeer(process)
    try:
        await peer.event("started")
        yield peer
    finally:
        await peer.stop()
