"""What people hold of a replication: downloads, and the search for peers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.errors import StoreError
    from store.hypercore.replication.replication import Replication
    from store.hypercore.replicator import Download


class Update:
    """Somebody waits for the core to change."""

    __slots__ = ("before", "done", "since", "wait")

    def __init__(
        self,
        before: tuple[int, int],
        done: asyncio.Future[bool],
        *,
        wait: bool,
        since: float,
    ) -> None:
        self.before = before
        self.done = done
        self.wait = wait
        self.since = since


class DownloadHandle:
    """A download that goes on until it is complete or closed.

    Attributes:
        on_progress: Called when blocks were committed, at most once a turn.
    """

    def __init__(self, replication: Replication, download: Download) -> None:
        self.download = download
        self.on_progress: Callable[[], object] | None = None
        self._replication = replication
        self._done: asyncio.Future[None] = replication.loop.create_future()
        download.on_progress = self.progressed

    @property
    def finished(self) -> bool:
        """It is complete, or was closed."""
        return self._done.done()

    async def done(self) -> None:
        """Wait until every block is stored.

        Raises:
            LocalProtocolError: The core was closed (``session-closed`` or why).
        """
        await asyncio.shield(self._done)

    def close(self) -> None:
        """Ask for nothing more; who waits is woken."""
        self._replication.machine.asking.release_download(self.download)
        if not self._done.done():
            self._done.set_result(None)

    def failed(self, error: StoreError) -> None:
        """The core is closed."""
        if not self._done.done():
            self._done.set_exception(error)
            self._done.exception()

    def progressed(self) -> None:
        """Blocks were committed (for the replication)."""
        if self.download.ended and not self._done.done():
            self._done.set_result(None)
        if self.on_progress is not None:
            self.on_progress()


class FindingPeers:
    """While it is open, ``update`` waits for the first peer."""

    def __init__(self, replication: Replication) -> None:
        self._replication = replication
        self._open = True
        replication.finding += 1

    def done(self) -> None:
        """All that could be found was found."""
        if self._open:
            self._open = False
            self._replication.finding -= 1
            self._replication.schedule()

    def __enter__(self) -> FindingPeers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.done()
