"""Fetching one file to where it shall lie.

What arrives is written at its final offset into a hidden file beside the destination,
which gets its name when all is there: a rename, no copy. What is missing is a hole.
The kernel verifies blocks and asks peers for them; here is decided what a file may be,
when it is whole and what to do when the disk or the user gets in the way.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store.errors import (
    EnvironmentFault,
    LocalProtocolError,
    RemoteProtocolError,
    StoreError,
)
from store.files.block_file import BLOCK_BYTES, BlockFile, Condition, block_count
from store.files.descriptors import make_hollow, set_size, sync_file, sync_folder
from store.files.destination import check_room, remove_file, take_name
from store.files.fingerprint import GONE
from store.files.rows import FileRow, check_placed
from store.hypercore.encryption import PADDING_BYTES
from store.hypercore.replicator import Download

if TYPE_CHECKING:
    from store.files.shared_files import SharedFiles
    from store.hypercore.session import Hypercore

CHECKED_AT_ONCE = 64
"""Blocks read back together when a download goes on after a crash."""


class DownloadState(Enum):
    """What a download is doing."""

    WAITING = "waiting"
    """Nobody has told yet how large the file is."""
    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"
    """``resume`` tries again what failed."""
    DONE = "done"
    CANCELLED = "cancelled"


_ENDED = (DownloadState.DONE, DownloadState.FAILED, DownloadState.CANCELLED)


@dataclass(frozen=True, slots=True)
class FileProgress:
    """How much of a file is here."""

    downloaded_bytes: int
    total_bytes: int | None
    """None until somebody told."""


class FileDownload:
    """A file on its way here; made by ``SharedFiles``.

    Attributes:
        key: The core's.
        path: Where the file shall lie; where it does once it is done.
        size: Bytes, once known.
        state: What it is doing.
    """

    def __init__(
        self, files: SharedFiles, row: FileRow, place: BlockFile, *, max_bytes: int
    ) -> None:
        """Use ``SharedFiles.fetch``."""
        self.key = row.key
        self.path = Path(row.destination or row.path)
        self.size = row.size
        self.state = DownloadState.WAITING
        self._files = files
        self._row = row
        self._place = place
        self._max_bytes = max_bytes
        self._core: Hypercore | None = None
        self._task: asyncio.Task[None] | None = None
        self._finishing: asyncio.Task[None] | None = None
        self._fault: asyncio.Future[None] | None = None
        self._error: StoreError | None = None
        self._progress = FileProgress(0, row.size)
        self._news = asyncio.Event()
        self._doubtful = False

    def begin(self, *, doubtful: bool) -> None:
        """Start, or go on.

        Args:
            doubtful: Whether to read back what is there, because the process that
                wrote it did not say goodbye.
        """
        self._doubtful = self._doubtful or doubtful
        self._error = None
        self._fault = asyncio.get_running_loop().create_future()
        self._move(DownloadState.WAITING)
        self._task = asyncio.create_task(self._run())

    def was_done(self) -> None:
        """Have nothing to do: all of it is there."""
        size = self._place.size or 0
        self.size = size
        self.path = Path(self._place.path)
        self._tell(FileProgress(size, size))
        self._move(DownloadState.DONE)

    async def done(self) -> Path:
        """Wait until all of the file is there under its name, and say which that is.

        A pause is waited out.

        Raises:
            EnvironmentFault: The disk is full, the file was taken away.
            RemoteProtocolError: What the key stands for is no such file.
            LocalProtocolError: It was cancelled (``cancelled``).
        """
        while not self._ended:
            await self._news.wait()
        if self._error is not None:
            raise self._error
        if self.state is DownloadState.CANCELLED:
            raise LocalProtocolError("the download was cancelled", code="cancelled")
        return self.path

    async def progress(self) -> AsyncIterator[FileProgress]:
        """How much is here, now and whenever that changes; ends with the download."""
        last: FileProgress | None = None
        while True:
            news, ended = self._news, self._ended
            if self._progress != last:
                last = self._progress
                yield last
                continue
            if ended:
                return
            await news.wait()

    async def pause(self) -> None:
        """Ask for no more until ``resume``; what is here is kept and served."""
        if self._ended:
            return
        await self._stop()
        if not self._ended:
            self._move(DownloadState.PAUSED)

    async def resume(self) -> None:
        """Go on after a pause or a failure.

        A file that was taken away is begun anew.

        Raises:
            EnvironmentFault: The disk refuses.
        """
        if self.state not in (DownloadState.PAUSED, DownloadState.FAILED):
            return
        if await asyncio.to_thread(self._place.look) is Condition.GONE:
            await self._begin_anew()
        self.begin(doubtful=False)

    async def cancel(self) -> None:
        """Give up: what has arrived is deleted. A file that is done stays."""
        if self._is_done or self.state is DownloadState.CANCELLED:
            return
        await self.close()
        if self._is_done:
            return
        await self._files.forget(self._row)
        await asyncio.to_thread(self._remove_partial)
        self._error = None
        self._move(DownloadState.CANCELLED)

    async def close(self) -> None:
        """Stop for now; the row stays, so that it can go on some other day."""
        await self._stop()
        if not self._ended:
            self._move(DownloadState.PAUSED)
        await self._close_core()

    def write_failed(self, error: StoreError) -> None:
        """Hear, on the loop, that what arrived could not be kept."""
        if self._fault is not None and not self._fault.done():
            self._fault.set_exception(error)
            # Whoever waits for it sees it; a download that ended by itself need not.
            self._fault.exception()

    @property
    def _ended(self) -> bool:
        return self.state in _ENDED

    @property
    def _is_done(self) -> bool:
        return self.state is DownloadState.DONE

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if self._finishing is not None:
            await asyncio.wait([self._finishing])

    async def _run(self) -> None:
        try:
            await self._fetch()
        except StoreError as error:
            await self._close_core()
            self._error = error
            self._move(DownloadState.FAILED)
            self._files.fetch_failed(self.key, error)

    async def _close_core(self) -> None:
        core, self._core = self._core, None
        if core is not None:
            await core.close()

    async def _fetch(self) -> None:
        core = self._core = self._core or await self._files.open_core(self.key)
        check_placed(core.core.state.place)
        await self._learn_size(core)
        self._move(DownloadState.RUNNING)
        if self._doubtful:
            await self._read_back(core)
            self._doubtful = False
        await self._download(core)
        # Between its two names nothing is to be cut off.
        self._finishing = asyncio.create_task(self._finish())
        await asyncio.shield(self._finishing)

    async def _learn_size(self, core: Hypercore) -> None:
        """Wait for the tree's length and refuse what cannot be a file."""
        while not core.length:
            await self._unless_fault(core.update(wait=True))
        padding = PADDING_BYTES if self._row.block_key else 0
        size = core.byte_length - padding * core.length
        if size < 0 or block_count(size) != core.length:
            raise RemoteProtocolError("the log is no file", code="not-a-file")
        if size > self._max_bytes:
            raise RemoteProtocolError("the file is too large", code="too-large")
        if self.size not in (None, size):
            raise RemoteProtocolError("the file has another size", code="wrong-size")
        if self.size is None or self._place.size is None:
            path = self._place.path
            await asyncio.to_thread(check_room, os.path.dirname(path), size)
            await asyncio.to_thread(set_size, path, size)
            self.size = self._place.size = size
            await self._files.keep_size(self._row.number, size)

    async def _read_back(self, core: Hypercore) -> None:
        """Let the kernel check what an earlier process wrote; bad blocks go."""
        stored = core.core.state.stored.blocks
        for start in range(0, core.length, CHECKED_AT_ONCE):
            end = min(start + CHECKED_AT_ONCE, core.length)
            there = [index for index in range(start, end) if stored.get(index)]
            if there:
                await self._unless_fault(core.core.blocks(there))
        # What was dropped counts as missing once that is written.
        await core.core.flushed()

    async def _download(self, core: Hypercore) -> None:
        handle = core.core.replication.download(Download(0, core.length))
        handle.on_progress = partial(self._count, core)
        self._count(core)
        try:
            await self._unless_fault(handle.done())
        finally:
            handle.on_progress = None
            handle.close()

    def _count(self, core: Hypercore) -> None:
        size, stored = self.size or 0, core.core.state.stored.blocks
        blocks = stored.count(0, core.length)
        self._tell(FileProgress(min(blocks * BLOCK_BYTES, size), size))

    async def _unless_fault(self, work: Coroutine[Any, Any, object]) -> None:
        """Wait for work, or for the news that nothing can be written."""
        assert self._fault is not None, "it is there while the download runs"
        task = asyncio.create_task(work)
        try:
            both: list[asyncio.Future[Any]] = [task, self._fault]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if self._fault.done():
                self._fault.result()
            await task
        finally:
            task.cancel()

    async def _finish(self) -> None:
        size = self.size or 0
        await asyncio.to_thread(self._name_it, size)
        await self._files.settled(self._row, self._place)
        self.was_done()
        await self._close_core()

    def _name_it(self, size: int) -> None:
        """Give the whole file its name; blocks the thread."""
        place = self._place
        if place.look() is Condition.GONE:
            raise EnvironmentFault("the file was taken away", code=GONE)
        set_size(place.path, size)
        sync_file(place.path)
        if place.path == self._row.path:
            take_name(place, str(self.path), overwrite=self._row.overwrite)
        sync_folder(str(self.path.parent))

    def _remove_partial(self) -> None:
        if self._place.look() is Condition.PARTIAL:
            remove_file(self._place.path)

    async def _begin_anew(self) -> None:
        core = self._core = self._core or await self._files.open_core(self.key)
        await core.clear(0, core.length)
        path = self._place.path
        inode = await asyncio.to_thread(make_hollow, path, self.size)
        self._place.begin_anew(inode)
        await self._files.keep_inode(self._row.number, inode)

    def _tell(self, progress: FileProgress) -> None:
        self._progress = progress
        self._wake()

    def _move(self, state: DownloadState) -> None:
        self.state = state
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
