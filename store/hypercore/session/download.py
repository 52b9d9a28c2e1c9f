"""A download that somebody holds: how far it is, its end, and giving it up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.errors import StoreError
from store.hypercore.replicator import Download as Wish

if TYPE_CHECKING:
    from store.hypercore.core import Core
    from store.hypercore.replication import DownloadHandle


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """How far a download is."""

    downloaded: int
    """Blocks of it that are stored here."""
    total: int
    """Blocks of it, as far as is known."""


class Download:
    """Blocks that are being fetched; await it for its end.

    Attributes:
        on_progress: Called when blocks were committed, at most once a turn of the loop.
    """

    def __init__(
        self,
        core: Core,
        start: int,
        end: int | None,
        *,
        blocks: Sequence[int] | None,
        linear: bool,
        live: bool,
    ) -> None:
        """Begin; see ``Hypercore.download``."""
        self.on_progress: Callable[[], object] | None = None
        self._core = core
        self._start = start
        self._end = end
        self._blocks = None if blocks is None else list(blocks)
        self._linear = linear
        self._live = live
        self._handle: DownloadHandle | None = None
        self._changed: list[asyncio.Future[None]] = []
        self._closed = False
        self._finding: asyncio.Task[None] | None = None
        length = core.state.length
        if live or end is not None or blocks is not None or length:
            self._begin(end if live or end is not None else length)
        else:
            # How long the log is has to be heard from a peer first.
            self._finding = core.traffic.loop.create_task(self._find_length())
            self._finding.add_done_callback(self._found)

    @property
    def finished(self) -> bool:
        """It is complete, or was closed."""
        return self._closed or (self._handle is not None and self._handle.finished)

    async def done(self) -> None:
        """Wait until every block is stored here, or it is closed.

        Raises:
            LocalProtocolError: The core was closed (``session-closed``, or why).
        """
        if self._finding is not None:
            await asyncio.wait({self._finding})
            if not self._finding.cancelled():
                self._finding.result()
        if self._handle is not None and not self._closed:
            await self._handle.done()

    def __await__(self) -> Generator[object, None, None]:
        return self.done().__await__()

    def close(self) -> None:
        """Ask for nothing more; who waits is woken."""
        self._closed = True
        if self._finding is not None:
            self._finding.cancel()
        if self._handle is not None:
            self._handle.close()
        self._wake()

    async def progress(self) -> AsyncIterator[DownloadProgress]:
        """How far it is, now and whenever that changes; ends with the download."""
        while True:
            finished = self.finished
            yield self._progress()
            if finished:
                return
            changed: asyncio.Future[None] = self._core.traffic.loop.create_future()
            self._changed.append(changed)
            if self.finished:
                continue
            await changed

    def _progress(self) -> DownloadProgress:
        stored = self._core.state.stored
        if self._blocks is not None:
            held = sum(map(stored.has_block, self._blocks))
            return DownloadProgress(held, len(self._blocks))
        end = self._core.state.length if self._end is None else self._end
        held = stored.blocks.count(self._start, end)
        return DownloadProgress(held, max(0, end - self._start))

    async def _find_length(self) -> None:
        await self._core.replication.update(wait=True)
        self._begin(self._core.state.length)

    def _found(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and isinstance(task.exception(), StoreError):
            # Told by ``done``, to whoever waits.
            self._closed = True
        self._wake()

    def _begin(self, end: int | None) -> None:
        self._end = end
        wish = Wish(self._start, end, blocks=self._blocks, linear=self._linear)
        self._handle = self._core.replication.download(wish)
        self._handle.on_progress = self._progressed

    def _progressed(self) -> None:
        self._wake()
        if self.on_progress is not None:
            self.on_progress()

    def _wake(self) -> None:
        changed, self._changed = self._changed, []
        for future in changed:
            if not future.done():
                future.set_result(None)
