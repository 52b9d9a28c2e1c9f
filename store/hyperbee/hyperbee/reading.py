"""Runs work on a tree over a log: fetches the blocks it lacks, and some ahead of it.

What is stored here is read many blocks at once; what is not comes from peers, many
requests in flight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from store.errors import LocalProtocolError
from store.hyperbee.blocks import Block, decode_block
from store.hyperbee.records import Log, Steps
from store.hyperbee.shelf import Shelf

T = TypeVar("T")

MAX_AHEAD_BYTES = 2 * 1024 * 1024
"""Read ahead, judged by the blocks seen so far; a bee's are small as a rule."""

MAX_IN_FLIGHT = 256
"""Blocks asked of peers at a time."""

SNAPSHOT_GONE = "snapshot-not-available"


class Reader:
    """Reads one version of one log for one operation; ``stop`` it afterwards.

    Args:
        log: Where blocks come from.
        shelf: Where they are kept.
        wait: Whether to wait for peers.
        timeout_s: The longest to wait for one block.
        on_wait: Called when a block has to come from a peer.
    """

    def __init__(
        self,
        log: Log,
        shelf: Shelf,
        *,
        wait: bool = True,
        timeout_s: float | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        self.shelf = shelf
        self._log = log
        self._fork = log.fork
        self._wait = wait
        self._timeout_s = timeout_s
        self._on_wait = on_wait
        self._mean_bytes = 512
        self._flights: dict[int, asyncio.Task[Block]] = {}

    async def run(self, steps: Steps[T]) -> T:
        """Carry the work through and give its result.

        Raises:
            RemoteProtocolError: A block, or the tree, is malformed.
            LocalProtocolError: A block is not here and must not be waited for, or the
                log was truncated meanwhile.
        """
        try:
            wanted = next(steps)
            while True:
                wanted = steps.send(await self._load(wanted))
        except StopIteration as done:
            result: T = done.value
            return result

    def stop(self) -> None:
        """Want nothing more."""
        flights, self._flights = self._flights, {}
        for flight in flights.values():
            flight.cancel()

    async def _load(self, wanted: Sequence[int]) -> Block:
        first = wanted[0]
        flight = self._flights.pop(first, None)
        if flight is not None:
            return await flight
        if len(wanted) == 1:
            block = await self._stored(first)
        else:
            block = await self._load_ahead(first, wanted)
        return await self._fetch(first) if block is None else block

    async def _load_ahead(self, first: int, wanted: Sequence[int]) -> Block | None:
        """Read what is stored of many blocks, and ask peers for some of the others."""
        near = wanted[: max(1, MAX_AHEAD_BYTES // self._mean_bytes)]
        await self._log.core.blocks(near)
        found = await self._stored(first)
        missing = []
        room = MAX_AHEAD_BYTES
        for seq in near[1:]:
            block = await self._stored(seq)
            if block is None:
                missing.append(seq)
            else:
                room -= block.cost_bytes
                if room <= 0:
                    # They are larger than those before: too many for now.
                    break
        if self._wait and missing:
            self._ask_ahead(missing)
        return found

    def _ask_ahead(self, wishes: Sequence[int]) -> None:
        flights = self._flights
        for seq in wishes:
            if len(flights) >= MAX_IN_FLIGHT:
                break
            if seq not in flights:
                flights[seq] = task = asyncio.create_task(self._fetch(seq))
                task.add_done_callback(partial(self._landed, seq))

    def _landed(self, seq: int, task: asyncio.Task[Block]) -> None:
        if not task.cancelled():
            # A failure is met again by whoever needs the block.
            task.exception()
        if self._flights.get(seq) is task:
            del self._flights[seq]

    async def _stored(self, seq: int) -> Block | None:
        """A block without waiting for peers, or None."""
        data = await self._log.get(seq, wait=False)
        return None if data is None else self._take(seq, data)

    async def _fetch(self, seq: int) -> Block:
        """A block from wherever it is."""
        if not self._wait:
            raise LocalProtocolError(
                f"block {seq} is not stored here", code="block-missing"
            )
        if self._on_wait is not None:
            self._on_wait()
        data = await self._log.get(seq, timeout_s=self._timeout_s)
        assert data is not None
        return self._take(seq, data)

    def _take(self, seq: int, data: bytes) -> Block:
        if self._log.fork != self._fork:
            raise LocalProtocolError(
                "the log was truncated while it was read", code=SNAPSHOT_GONE
            )
        self._mean_bytes += (len(data) - self._mean_bytes) // 16
        block = decode_block(seq, data)
        self.shelf.add(block)
        return block
