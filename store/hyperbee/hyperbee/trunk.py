"""What a bee shares with its parts and snapshots: caches, writer, listeners."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from store.errors import LocalProtocolError
from store.hyperbee.hyperbee.hints import HINTED_PER_WALK, Hints
from store.hyperbee.hyperbee.reading import Reader
from store.hyperbee.hyperbee.writing import Writer
from store.hyperbee.messages import GetRequest, IteratorRequest
from store.hyperbee.ranges import Cursor
from store.hyperbee.records import Bounds, Log, Metadata
from store.hyperbee.shelf import Shelf

Listener = Callable[[], None]


class Trunk:
    """One log as a tree.

    Attributes:
        log: The log.
        writer: Its writer.
        closed: Whether it may be used no more.
    """

    def __init__(self, log: Log, *, metadata: Metadata | None, extension: bool) -> None:
        self.log = log
        self.closed = False
        self._left = False
        self._shelf = Shelf()
        self._fork = log.fork
        self._length = log.length
        self.writer = Writer(log, self.shelf_for, metadata)
        self._hints = Hints(log) if extension else None
        self._listeners: list[Listener] = []
        self._listening: asyncio.Task[None] | None = None

    def shelf_for(self, log: Log) -> Shelf:
        """The shared shelf, or an own one for a snapshot of another fork."""
        present = self.log
        fork, length = present.fork, present.length
        if fork != self._fork or length < self._length:
            self._shelf.clear()
            self._fork = fork
        self._length = length
        return self._shelf if log is present or log.fork == fork else Shelf()

    def getter(
        self, log: Log, version: int, key: bytes, *, wait: bool, timeout_s: float | None
    ) -> Reader:
        """Something to look a key up with."""
        self._check_open()
        shelf = self.shelf_for(log)
        hints = self._hints
        if hints is None or log.contiguous_length >= version:
            return Reader(log, shelf, wait=wait, timeout_s=timeout_s)
        asked = False

        def ask() -> None:
            nonlocal asked
            if not asked:
                asked = True
                hints.ask_get(GetRequest(version, key))

        return Reader(log, shelf, wait=wait, timeout_s=timeout_s, on_wait=ask)

    def walker(
        self, log: Log, *, wait: bool, timeout_s: float | None, walk: Walk | None = None
    ) -> Reader:
        """Something to walk a tree with; given a ``walk``, peers are asked along."""
        self._check_open()
        shelf = self.shelf_for(log)
        hints = self._hints
        if hints is None or walk is None or log.contiguous_length >= log.length:
            return Reader(log, shelf, wait=wait, timeout_s=timeout_s)
        left = 0

        def ask() -> None:
            nonlocal left
            if left == 0:
                left = HINTED_PER_WALK
                hints.ask_walk(walk.rest())
            left -= 1

        return Reader(log, shelf, wait=wait, timeout_s=timeout_s, on_wait=ask)

    def watch(self, listener: Listener) -> Callable[[], None]:
        """Call a listener when the log changes or is closed; returns how to stop."""
        self._check_open()
        self._listeners.append(listener)
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    async def close(self) -> None:
        """Finish what is being appended and end everything else; the log stays open."""
        if self._left:
            return
        # The log may have been closed before, which ends watchers and nothing else.
        self._left = self.closed = True
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])
        self._tell()
        if self._hints is not None:
            await self._hints.close()
        await self.writer.close()
        self._shelf.clear()

    def _check_open(self) -> None:
        if self.closed:
            raise LocalProtocolError("the bee is closed", code="session-closed")

    async def _listen(self) -> None:
        seen = (self._length, self._fork)
        async for _ in self.log.events():
            now = (self.log.length, self.log.fork)
            if now != seen:
                seen = now
                self._tell()
        self.closed = True
        self._tell()

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()


class Walk:
    """A walk over a range as it is told to peers.

    Attributes:
        cursor: Where it is.
    """

    def __init__(
        self, version: int, bounds: Bounds, *, limit: int | None, reverse: bool
    ) -> None:
        self.cursor: Cursor | None = None
        self._version = version
        self._bounds = bounds
        self._limit = limit
        self._reverse = reverse

    def rest(self) -> IteratorRequest:
        """What is left of it: from the key taken last on."""
        bounds = self._bounds
        last = None if self.cursor is None else self.cursor.last_key
        if last is not None and self._reverse:
            bounds = Bounds(bounds.lower, bounds.lower_inclusive, last, False)
        elif last is not None:
            bounds = Bounds(last, False, bounds.upper, bounds.upper_inclusive)
        return IteratorRequest(self._version, bounds, self._limit, self._reverse, [])
