"""Runs work on a tree over a log: fetches the blocks it lacks, and some ahead of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from store.errors import LocalProtocolError
from store.hyperbee.blocks import Block, decode_block
from store.hyperbee.records import Log, Steps
from store.hyperbee.shelf import Shelf

T = TypeVar("T")

MAX_IN_FLIGHT = 256
"""Blocks fetched ahead at a time."""

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
        self._on_wait = on_wait if wait and shelf.ahead else None
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
        for flight in self._flights.values():
            flight.cancel()
        self._flights.clear()

    async def _load(self, wanted: Sequence[int]) -> Block:
        first = wanted[0]
        if len(wanted) > 1 and self._wait:
            self._fetch_ahead(wanted[1:])
        flight = self._flights.pop(first, None)
        return await (self._fetch(first) if flight is None else flight)

    def _fetch_ahead(self, wishes: Sequence[int]) -> None:
        flights = self._flights
        for seq in wishes:
            if len(flights) >= MAX_IN_FLIGHT:
                break
            if seq not in flights:
                flights[seq] = task = asyncio.create_task(self._fetch(seq))
                task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[Block]) -> None:
        if task.cancelled() or task.exception() is not None:
            # Whoever needs the block asks again and meets the reason.
            for seq, flight in list(self._flights.items()):
                if flight is task:
                    del self._flights[seq]
            return
        self._flights.pop(task.result().seq, None)

    async def _fetch(self, seq: int) -> Block:
        log = self._log
        data = None
        if self._on_wait is not None:
            data = await log.get(seq, wait=False)
            if data is None:
                self._on_wait()
        if data is None:
            data = await log.get(seq, wait=self._wait, timeout_s=self._timeout_s)
        if log.fork != self._fork:
            raise LocalProtocolError(
                "the log was truncated while it was read", code=SNAPSHOT_GONE
            )
        if data is None:
            raise LocalProtocolError(
                f"block {seq} is not stored here", code="block-missing"
            )
        block = decode_block(seq, data)
        self.shelf.add(block)
        return block
