"""Files of the user as hypercores: shared from where they lie, fetched in place.

Each file is a core of its own with a *static* manifest: nobody can sign it, its key is
the hash of its tree's hash, its length and a random salt, so that a key tells nothing
about the content to who does not have it. Trees and keys are in the database, the bytes
in the file. Replication, and who gets the keys, is the business of others: whatever a
``Corestore`` replicates includes these cores.

Upstream has no such thing; its peers can fetch these cores like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from store.database import Connection
from store.errors import EnvironmentFault, LocalProtocolError, StoreError
from store.files import rows
from store.files.block_file import MAX_FILE_BYTES, BlockFile, Condition
from store.files.destination import locate, make_absolute, prepare, remove_file
from store.files.download import FileDownload
from store.files.events import FetchFailed, FileEvent, FileFetched, SharedFile
from store.files.places import Places
from store.files.sharing import GoOn, read_and_store

if TYPE_CHECKING:
    from store.corestore import Corestore
    from store.hypercore.session import Hypercore

T = TypeVar("T")

BLOCK_KEY_BYTES = 32


class SharedFiles:
    """All files that one ``Corestore`` serves and fetches in place.

    Make it before the store replicates: a core that is open already is not looked up
    again. It is used on the loop it was made in.
    """

    def __init__(self, corestore: Corestore) -> None:
        """Take over the files that the store's database knows."""
        self._corestore = corestore
        self._database = corestore.depot.database
        self._places = Places(corestore.depot, self._write_failed)
        self._downloads: dict[bytes, FileDownload] = {}
        self._fetching = asyncio.Lock()
        self._closed = False
        # Drafts that are begun from now on come after it.
        self._database.write(rows.sweep_drafts)

    async def share(
        self,
        path: str | os.PathLike[str],
        *,
        encrypted: bool = True,
        go_on: GoOn | None = None,
    ) -> SharedFile:
        """Read a file through and serve it from where it lies.

        Cancelling ends the reading, and nothing is left of it.

        Args:
            path: A regular file; it stays the user's and is only read.
            encrypted: Whether peers that have no block key can read nothing.
            go_on: Called in another thread with the bytes read and the size; returns
                False to end the work.

        Raises:
            EnvironmentFault: The file is gone, no file, too large, or changed while it
                was read.
            HashingCancelledError: ``go_on`` said no.
        """
        self._check_open()
        where = await asyncio.to_thread(os.path.realpath, os.fspath(path))
        stopped = threading.Event()

        def keep_on(read: int, size: int) -> bool:
            wanted = not stopped.is_set() and not self._closed
            return wanted and (go_on is None or go_on(read, size))

        work = partial(
            read_and_store,
            self._database,
            where,
            block_key=os.urandom(BLOCK_KEY_BYTES) if encrypted else None,
            go_on=keep_on,
        )
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self._places.hasher, work)
        try:
            key = await asyncio.shield(reading)
        except asyncio.CancelledError:
            stopped.set()
            with contextlib.suppress(StoreError):
                await self.remove(await reading)
            raise
        # Connected peers hear of cores that are opened.
        await (await self.open_core(key)).close()
        return _shared_file(await self._row(key))

    async def fetch(
        self,
        key: bytes,
        destination: str | os.PathLike[str],
        *,
        size: int | None = None,
        block_key: bytes | None = None,
        overwrite: bool = False,
        max_bytes: int = MAX_FILE_BYTES,
    ) -> FileDownload:
        """Fetch a file to where it shall lie, or go on with what was begun.

        Args:
            key: The core's.
            destination: A path that does not exist; its folder does.
            size: Bytes, if known: a file of another size is refused.
            block_key: What reads its blocks, if they are encrypted.
            overwrite: Replace a file that is there when all has arrived.
            max_bytes: A larger file is refused.

        Raises:
            EnvironmentFault: Something is there already (``destination-exists``), the
                disk has no room for ``size`` bytes, or refuses.
            LocalProtocolError: The key is known with another destination.
        """
        self._check_open()
        if size is not None and not 0 <= size <= min(max_bytes, MAX_FILE_BYTES):
            raise EnvironmentFault("the file is too large", code="file-too-large")
        where = await asyncio.to_thread(make_absolute, os.fspath(destination))
        async with self._fetching:
            row = await self._read(partial(rows.read_file, key=key))
            if row is not None:
                if where != (row.destination or row.path):
                    raise LocalProtocolError(
                        "the file has another destination", code="file-known"
                    )
                return await self._go_on(row, max_bytes)
            hidden, inode = await asyncio.to_thread(
                prepare, where, size, overwrite=overwrite
            )
            begin = partial(
                rows.begin_fetch,
                key=key,
                path=hidden,
                destination=where,
                overwrite=overwrite,
                size=size,
                block_key=block_key,
                inode=inode,
            )
            try:
                await self._write(begin)
            except BaseException:
                await asyncio.to_thread(remove_file, hidden)
                raise
            row = await self._row(key)
            return self._begin(row, self._places.place_of(row), max_bytes)

    async def resume(
        self, key: bytes, *, max_bytes: int = MAX_FILE_BYTES
    ) -> FileDownload:
        """Go on with a file that an earlier process began to fetch.

        Raises:
            LocalProtocolError: No such file is known (``file-unknown``).
        """
        self._check_open()
        async with self._fetching:
            return await self._go_on(await self._row(key), max_bytes)

    async def list(self) -> list[SharedFile]:
        """Every file that is shared, fetched or being fetched, the oldest first."""
        found = await self._read(lambda connection: list(rows.read_files(connection)))
        return [_shared_file(row) for row in found]

    async def state(self, key: bytes) -> Condition:
        """Look at a file from outside and say how it is.

        One that looks different is read through in the background; an event tells when
        its bytes turn out to be the same.

        Raises:
            LocalProtocolError: No such file is known (``file-unknown``).
        """
        place = self._places.place_of(await self._row(key))
        return await asyncio.to_thread(place.look)

    async def check(self, key: bytes) -> Condition:
        """Read a settled file through and say how it is.

        Raises:
            LocalProtocolError: No such file is known (``file-unknown``).
        """
        row = await self._row(key)
        place = self._places.place_of(row)
        if not place.settled:
            return await asyncio.to_thread(place.look)
        return await self._places.judge(row, place)

    async def remove(self, key: bytes) -> None:
        """Serve a file no longer and forget its tree; the file itself stays.

        What has arrived of one that is being fetched is deleted.

        Raises:
            LocalProtocolError: No such file is known (``file-unknown``).
        """
        download = self._downloads.get(key)
        if download is not None:
            await download.cancel()
            return
        row = await self._row(key)
        await self.forget(row)
        if row.sound is None:
            await asyncio.to_thread(remove_file, row.path, inode=row.inode)

    def events(self) -> AsyncIterator[FileEvent]:
        """What happens to files from this call on."""
        return self._places.events.listen()

    @property
    def downloads(self) -> dict[bytes, FileDownload]:
        """What is being fetched, paused or has failed in this process, by key."""
        return dict(self._downloads)

    async def close(self) -> None:
        """Stop fetching and reading; what is partial can go on some other day."""
        if self._closed:
            return
        self._closed = True
        for download in list(self._downloads.values()):
            await download.close()
        await self._places.close()

    async def __aenter__(self) -> SharedFiles:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # What downloads ask for.

    async def open_core(self, key: bytes) -> Hypercore:
        """The core of a file, as its blocks are stored."""
        return await self._corestore.get(key=key)

    async def forget(self, row: rows.FileRow) -> None:
        """Drop the core and the row of a file."""
        core = await self.open_core(row.key)
        await core.purge()
        self._places.forget(row.number)
        self._downloads.pop(row.key, None)

    async def keep_size(self, number: int, size: int) -> None:
        """Store how large a file turned out to be."""
        await self._write(partial(rows.set_size, number=number, size=size))

    async def keep_inode(self, number: int, inode: int) -> None:
        """Store that a partial file was begun anew."""
        await self._write(partial(rows.set_inode, number=number, inode=inode))

    async def settled(self, row: rows.FileRow, place: BlockFile) -> None:
        """Store that all of a file is there under its name."""
        sound = await asyncio.to_thread(place.look_again)
        if sound is None:
            raise EnvironmentFault("the file was taken away", code="file-gone")
        settle = partial(rows.settle, number=row.number, path=place.path, sound=sound)
        await self._write(settle)
        place.settle(sound)
        self._downloads.pop(row.key, None)
        self._places.events.emit(FileFetched(row.key, place.path))

    def fetch_failed(self, key: bytes, error: StoreError) -> None:
        """Tell listeners that a download waits for somebody."""
        self._places.events.emit(FetchFailed(key, error.code))

    async def _go_on(self, row: rows.FileRow, max_bytes: int) -> FileDownload:
        running = self._downloads.get(row.key)
        if running is not None:
            await running.resume()
            return running
        place = self._places.place_of(row)
        download = FileDownload(self, row, place, max_bytes=max_bytes)
        if row.sound is not None:
            download.was_done()
            return download
        named = await asyncio.to_thread(locate, row)
        if named is not None and await self._places.adopt(row, place, named):
            await asyncio.to_thread(remove_file, row.path, inode=row.inode)
            download.was_done()
            return download
        return self._begin(row, place, max_bytes, doubtful=True)

    def _begin(
        self,
        row: rows.FileRow,
        place: BlockFile,
        max_bytes: int,
        *,
        doubtful: bool = False,
    ) -> FileDownload:
        download = FileDownload(self, row, place, max_bytes=max_bytes)
        self._downloads[row.key] = download
        download.begin(doubtful=doubtful)
        return download

    def _write_failed(self, key: bytes, error: StoreError) -> None:
        download = self._downloads.get(key)
        if download is not None:
            download.write_failed(error)

    async def _row(self, key: bytes) -> rows.FileRow:
        row = await self._read(partial(rows.read_file, key=key))
        if row is None:
            raise LocalProtocolError("no such file is known", code="file-unknown")
        return row

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self._database.read(work))

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self._database.write(work))

    def _check_open(self) -> None:
        if self._closed:
            raise LocalProtocolError("the files are closed", code="closed")


def _shared_file(row: rows.FileRow) -> SharedFile:
    path = row.destination or row.path
    return SharedFile(
        key=row.key,
        block_key=row.block_key,
        size=row.size,
        name=os.path.basename(path),
        length=row.length,
        path=path,
    )
