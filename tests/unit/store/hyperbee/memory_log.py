"""A log in memory with the face that a bee needs, and another side to fetch from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple

from store.errors import EnvironmentFault, LocalProtocolError
from store.hyperbee.blocks import Block, decode_block
from store.hyperbee.records import Steps
from store.hyperbee.shelf import Shelf


class Appended(NamedTuple):
    """What an append says."""

    length: int
    byte_length: int


class Download:
    """A wish, fulfilled in the background."""

    def __init__(self, log: MemoryLog, blocks: Sequence[int]) -> None:
        self.blocks = list(blocks)
        self.open = True
        self._tasks = [asyncio.create_task(log.get(seq)) for seq in blocks]

    def close(self) -> None:
        """Give up what is not here."""
        self.open = False
        for task in self._tasks:
            task.cancel()


class Extension:
    """Carries messages between two logs in the next turn of the loop."""

    def __init__(
        self, log: MemoryLog, on_message: Callable[[bytes, Any], object]
    ) -> None:
        self.log = log
        self.on_message = on_message
        self.sent: list[bytes] = []
        self.closed = False

    def send(self, message: bytes, peer: Any) -> None:
        """To one side."""
        self.sent.append(message)
        asyncio.get_running_loop().call_soon(peer.on_message, message, self)

    def close(self) -> None:
        """It is still called, to see that nothing comes of it."""
        self.closed = True

    def broadcast(self, message: bytes) -> None:
        """To the other side."""
        self.sent.append(message)
        other = self.log.origin
        if other is not None and other.extensions:
            asyncio.get_running_loop().call_soon(
                other.extensions[0].on_message, message, self
            )


class Kernel:
    """Reads many blocks at once."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    async def blocks(self, indexes: Sequence[int]) -> dict[int, bytes]:
        """Those that are here."""
        await asyncio.sleep(0)
        held = self._log.blocks
        return {index: held[index] for index in indexes if index in held}


class MemoryLog:
    """Blocks in a list; with an ``origin`` it fetches what it lacks from there.

    Attributes:
        turns: How many turns of the loop a block takes to come.
        most_in_flight: The most fetches that were under way at once.
        fetched: What came from the origin, in order of asking.
        broken: The next appends fail.
    """

    def __init__(self, origin: MemoryLog | None = None, *, turns: int = 10) -> None:
        self.blocks: dict[int, bytes] = {}
        self.length: int = 0 if origin is None else origin.length
        self.fork: int = 0 if origin is None else origin.fork
        self.origin = origin
        self.writable = origin is None
        self.turns = turns
        self.in_flight = 0
        self.most_in_flight = 0
        self.fetched: list[int] = []
        self.appends = 0
        self.broken = False
        self.downloads: list[Download] = []
        self.extensions: list[Extension] = []
        self.open_snapshots = 0
        self._queues: list[asyncio.Queue[str | None]] = []

    @property
    def contiguous_length(self) -> int:
        """Blocks without a gap."""
        return next(
            (i for i in range(self.length) if i not in self.blocks), self.length
        )

    @property
    def core(self) -> Kernel:
        """Where blocks are read from, many at once."""
        return Kernel(self)

    async def append(self, blocks: list[bytes], /) -> Appended:
        """Append after one turn of the loop."""
        await asyncio.sleep(0)
        if self.broken:
            raise EnvironmentFault("the disk is full")
        self.appends += 1
        for block in blocks:
            self.blocks[self.length] = block
            self.length += 1
        self._tell("appended")
        return Appended(self.length, sum(map(len, self.blocks.values())))

    async def get(
        self, index: int, *, wait: bool = True, timeout_s: float | None = None
    ) -> bytes | None:
        """A block, from the other side if need be."""
        if index in self.blocks or not wait:
            return self.blocks.get(index)
        if self.origin is None:
            async with asyncio.timeout(timeout_s):
                while index not in self.blocks:
                    await asyncio.sleep(0)
            return self.blocks[index]
        self.fetched.append(index)
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        try:
            for _ in range(self.turns):
                await asyncio.sleep(0)
        finally:
            self.in_flight -= 1
        self.blocks[index] = self.origin.blocks[index]
        return self.blocks[index]

    async def update(self) -> bool:
        """Learn of the other side's length."""
        if self.origin is None or self.length == self.origin.length:
            return False
        self.length = self.origin.length
        self._tell("appended")
        return True

    async def truncate(self, length: int) -> None:
        """Drop blocks and begin a new fork."""
        for index in range(length, self.length):
            self.blocks.pop(index, None)
        self.length = length
        self.fork += 1
        self._tell("truncated")

    async def clear(self, start: int, end: int | None = None) -> int:
        """Forget blocks."""
        stop = start + 1 if end is None else end
        return sum(len(self.blocks.pop(index, b"")) for index in range(start, stop))

    def snapshot(self) -> SnapshotLog:
        """The log as it is."""
        self.open_snapshots += 1
        return SnapshotLog(self)

    def download(
        self, start: int = 0, end: int | None = None, *, blocks: Sequence[int] | None
    ) -> Download:
        """Fetch in the background."""
        del start, end
        assert blocks is not None
        self.downloads.append(Download(self, blocks))
        return self.downloads[-1]

    def extension(
        self, name: str, on_message: Callable[[bytes, Any], object]
    ) -> Extension:
        """Messages to and from the origin."""
        assert name == "hyperbee"
        self.extensions.append(Extension(self, on_message))
        return self.extensions[-1]

    async def events(self) -> AsyncIterator[str]:
        """Names of what happens."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._queues.append(queue)
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._queues.remove(queue)

    async def close(self) -> None:
        """End the events."""
        for queue in self._queues:
            queue.put_nowait(None)

    def _tell(self, event: str) -> None:
        for queue in self._queues:
            queue.put_nowait(event)


class SnapshotLog:
    """A log as it was."""

    writable = False

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self.length = log.length
        self.fork = log.fork
        self.closed = False

    @property
    def core(self) -> Kernel:
        """The log's."""
        return self._log.core

    @property
    def contiguous_length(self) -> int:
        """Blocks without a gap."""
        return min(self.length, self._log.contiguous_length)

    async def get(
        self, index: int, *, wait: bool = True, timeout_s: float | None = None
    ) -> bytes | None:
        """A block, unless it was truncated away since."""
        assert not self.closed
        if self._log.fork != self.fork:
            raise LocalProtocolError("gone", code="snapshot-not-available")
        return await self._log.get(index, wait=wait, timeout_s=timeout_s)

    async def update(self) -> bool:
        """It stays as it is."""
        return False

    async def append(self, blocks: list[bytes], /) -> Appended:
        """It cannot grow."""
        del blocks
        raise LocalProtocolError("read only", code="not-writable")

    async def clear(self, start: int, end: int | None = None) -> int:
        """Forget blocks of the log."""
        return await self._log.clear(start, end)

    def snapshot(self) -> SnapshotLog:
        """The same again."""
        again = self._log.snapshot()
        again.length, again.fork = self.length, self.fork
        return again

    def events(self) -> AsyncIterator[str]:
        """The log's."""
        return self._log.events()

    def download(
        self, start: int = 0, end: int | None = None, *, blocks: Sequence[int] | None
    ) -> Download:
        """The log's."""
        return self._log.download(start, end, blocks=blocks)

    def extension(
        self, name: str, on_message: Callable[[bytes, Any], object]
    ) -> Extension:
        """The log's."""
        return self._log.extension(name, on_message)

    async def close(self) -> None:
        """Count it as closed."""
        if not self.closed:
            self.closed = True
            self._log.open_snapshots -= 1


def carry_through(
    steps: Steps[Any], blocks: Sequence[bytes] | dict[int, bytes], shelf: Shelf
) -> Any:
    """Run work on a tree without an event loop; wishes are ignored."""
    try:
        wanted = next(steps)
        while True:
            block: Block = decode_block(wanted[0], blocks[wanted[0]])
            shelf.add(block)
            wanted = steps.send(block)
    except StopIteration as done:
        return done.value
