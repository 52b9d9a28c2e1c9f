"""Being told of changes: of a range, and of one key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from store.errors import LocalProtocolError, StoreError
from store.hyperbee.hyperbee.reading import SNAPSHOT_GONE
from store.hyperbee.hyperbee.trunk import Trunk
from store.hyperbee.hyperbee.view import Snapshot
from store.hyperbee.records import Entry

if TYPE_CHECKING:
    from store.hyperbee.hyperbee.bee import Hyperbee


class _Bell:
    """Rings when the log changes, until it is taken down."""

    def __init__(self, trunk: Trunk) -> None:
        self._trunk = trunk
        self._rung = asyncio.Event()
        self._stop = trunk.watch(self._rung.set)
        self.down = False

    @property
    def over(self) -> bool:
        """Whether there will be no more changes."""
        return self.down or self._trunk.closed

    async def wait(self) -> None:
        """Until it rings, or there is nothing to wait for."""
        if not self.over:
            await self._rung.wait()
            self._rung.clear()

    def take_down(self) -> None:
        """Ring a last time."""
        self.down = True
        self._stop()
        self._rung.set()


class Watcher:
    """Yields ``(current, previous)`` snapshots at each change within a range.

    One reader at a time; ``close`` ends it from anywhere, and so does closing the bee.
    """

    def __init__(self, bee: Hyperbee, trunk: Trunk, bounds: dict[str, Any]) -> None:
        self._bee = bee
        self._bounds = bounds
        self._bell = _Bell(trunk)
        self._current: Snapshot = bee.snapshot()
        self._fork = bee.core.fork
        self._previous: Snapshot | None = None
        self._reading = asyncio.Lock()

    def __aiter__(self) -> Watcher:
        return self

    async def __anext__(self) -> tuple[Snapshot, Snapshot]:
        async with self._reading:
            try:
                while not self._bell.over:
                    core, current = self._bee.core, self._current
                    now = (self._bee.version, core.fork)
                    if now == (current.version, self._fork):
                        await self._bell.wait()
                    elif await self._move_on():
                        assert self._previous is not None
                        return self._current, self._previous
            except StoreError:
                # Closed while it was reading.
                if not self._bell.over:
                    raise
            await self._close_snapshots()
            raise StopAsyncIteration

    async def close(self) -> None:
        """End it."""
        self._bell.take_down()
        await self._close_snapshots()

    async def __aenter__(self) -> Watcher:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _move_on(self) -> bool:
        """Take the newest snapshot; tells whether the range differs in it."""
        if self._previous is not None:
            await self._previous.close()
        self._previous = self._current
        self._current = self._bee.snapshot()
        fork, self._fork = self._fork, self._bee.core.fork
        if fork != self._fork:
            return True
        try:
            changes = self._current.diff(self._previous, **self._bounds, limit=1)
            async for _ in changes:
                return True
        except LocalProtocolError as error:
            # Truncated again meanwhile, which is a change too.
            return error.code == SNAPSHOT_GONE
        return False

    async def _close_snapshots(self) -> None:
        await self._current.close()
        if self._previous is not None:
            await self._previous.close()
            self._previous = None


class EntryWatcher:
    """One key's entry, kept up to date while somebody waits for its changes.

    Attributes:
        key: The key.
        entry: What it held when it was last looked at, or None.
    """

    def __init__(self, bee: Hyperbee, trunk: Trunk, key: Any) -> None:
        self.key = key
        self.entry: Entry | None = None
        self._bee = bee
        self._bell = _Bell(trunk)
        self._seen = (0, 0)

    async def start(self) -> None:
        """Read the entry for the first time."""
        try:
            await self._look()
        except BaseException:
            self._bell.take_down()
            raise

    def __aiter__(self) -> EntryWatcher:
        return self

    async def __anext__(self) -> Entry | None:
        """The entry after its next change; None once the key is deleted."""
        while not self._bell.over:
            core = self._bee.core
            if (core.length, core.fork) == self._seen:
                await self._bell.wait()
                continue
            fork = self._seen[1]
            before = self.entry
            try:
                await self._look()
            except StoreError:
                # Closed while it was reading.
                if not self._bell.over:
                    raise
                break
            if self.entry != before or (fork != self._seen[1] and self.entry):
                return self.entry
        raise StopAsyncIteration

    async def close(self) -> None:
        """End it."""
        self._bell.take_down()

    async def __aenter__(self) -> EntryWatcher:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _look(self) -> None:
        core = self._bee.core
        seen = (core.length, core.fork)
        self.entry = await self._bee.get(self.key)
        self._seen = seen
