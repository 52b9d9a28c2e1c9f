"""The files of one database as places for blocks, and whether they are still right.

Database threads ask for places and find out what became of files; what is to be done
about it happens on the loop: listeners are told, and a settled file that looks
different is read through once, to know whether only its looks have changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from store.database import Connection, Synchronous
from store.errors import StoreError
from store.files import rows
from store.files.block_file import BlockFile, Condition
from store.files.events import EventFan, FileChanged, FileGone, FileRestored
from store.files.fingerprint import Fingerprint
from store.files.hashing import HashedFile, hash_file
from store.hypercore.depot import Depot
from store.hypercore.encryption import DefaultEncryption
from store.hypercore.manifest import decode_manifest


class Places:
    """Every ``BlockFile`` that is in use, one for each file.

    Attributes:
        events: What listeners are told.
        hasher: The thread that reads files through, one after the other.
        on_write_failed: Told on the loop of a file that could not be written.
    """

    def __init__(
        self, depot: Depot, on_write_failed: Callable[[bytes, StoreError], None]
    ) -> None:
        """Become the one whom the depot asks for places."""
        self.events = EventFan()
        self.hasher = ThreadPoolExecutor(1, "covey-hasher")
        self.on_write_failed = on_write_failed
        self._database = depot.database
        self._loop = asyncio.get_running_loop()
        self._places: weakref.WeakValueDictionary[int, BlockFile] = (
            weakref.WeakValueDictionary()
        )
        self._making = threading.Lock()
        self._troubled: set[bytes] = set()
        self._judging: dict[bytes, asyncio.Task[Condition]] = {}
        self._closed = False
        depot.find_place = self._find_place

    def place_of(self, row: rows.FileRow) -> BlockFile:
        """The place of a file; any thread."""
        with self._making:
            place = self._places.get(row.number)
            if place is None:
                place = BlockFile(
                    row.path,
                    size=row.size,
                    encryption=encryption_of(row.block_key),
                    sound=row.sound,
                    inode=row.inode,
                    synced=self._database.synchronous is Synchronous.FULL,
                )
                place.owner = _Owner(self, row, place)
                self._places[row.number] = place
            return place

    def forget(self, number: int) -> None:
        """Make a new place when somebody asks again: the number may be another's."""
        with self._making:
            self._places.pop(number, None)

    async def judge(self, row: rows.FileRow, place: BlockFile) -> Condition:
        """Read a settled file through and hold it for complete or for changed."""
        task = self._judging.get(row.key)
        if task is None:
            task = self._loop.create_task(self._read_through(row, place))
            self._judging[row.key] = task
            task.add_done_callback(lambda _: self._judging.pop(row.key, None))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Stop reading through; ends the listeners."""
        self._closed = True
        tasks = tuple(self._judging.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self.hasher.shutdown, cancel_futures=True)
        self.events.close()

    def call_on_loop(self, work: Callable[..., object], *arguments: Any) -> None:
        """Call from another thread; nothing happens once the loop has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(work, *arguments)

    def condition_changed(self, row: rows.FileRow, place: BlockFile) -> None:
        """Tell listeners how a file was found; on the loop."""
        condition = place.condition
        if condition is Condition.CHANGED:
            self._troubled.add(row.key)
            self.events.emit(FileChanged(row.key, place.path))
        elif condition is Condition.GONE:
            self._troubled.add(row.key)
            self.events.emit(FileGone(row.key, place.path))
        elif row.key in self._troubled:
            self._troubled.discard(row.key)
            self.events.emit(FileRestored(row.key, place.path))

    def content_unknown(self, row: rows.FileRow, place: BlockFile) -> None:
        """Find out whether a file that looks different is; on the loop."""
        if not self._closed and row.key not in self._judging:
            task = self._loop.create_task(self.judge(row, place))
            # What cannot be read now is looked at again when it is asked for again.
            task.add_done_callback(_hear)

    async def adopt(self, row: rows.FileRow, place: BlockFile, path: str) -> bool:
        """Read a file through that may be all of one being fetched, and settle on it.

        Returns:
            Whether it was.
        """
        hashed = await self._hash_there(row, path)
        if hashed is None or row.manifest is None or not _is_of(hashed, row):
            return False
        place.path = path
        await self._settle(row, place, hashed.fingerprint)
        return True

    async def _read_through(self, row: rows.FileRow, place: BlockFile) -> Condition:
        # As it is by now: the file may have been fetched since.
        read = partial(rows.read_file_of, number=row.number)
        known = await asyncio.wrap_future(self._database.read(read))
        look = await asyncio.to_thread(place.look_again)
        if look is None or known is None or known.sound is None:
            return place.condition
        if look.size != known.size:
            place.condemn(look)
            return place.condition
        hashed = await self._hash_there(known, place.path)
        if hashed is None:
            return place.condition
        if _is_of(hashed, known):
            await self._settle(known, place, hashed.fingerprint)
        else:
            place.condemn(hashed.fingerprint)
        return place.condition

    async def _settle(
        self, row: rows.FileRow, place: BlockFile, sound: Fingerprint
    ) -> None:
        settle = partial(rows.settle, number=row.number, path=place.path, sound=sound)
        await asyncio.wrap_future(self._database.write(settle))
        place.settle(sound)

    async def _hash_there(self, row: rows.FileRow, path: str) -> HashedFile | None:
        return await self._loop.run_in_executor(
            self.hasher, partial(self._hash, row, path)
        )

    def _hash(self, row: rows.FileRow, path: str) -> HashedFile | None:
        """Read a file through; None when it cannot be done now."""
        try:
            return hash_file(
                path,
                encryption=encryption_of(row.block_key),
                go_on=lambda *_: not self._closed,
            )
        except StoreError:
            return None

    def _find_place(self, connection: Connection, number: int) -> BlockFile | None:
        row = rows.read_file_of(connection, number)
        return None if row is None else self.place_of(row)


class _Owner:
    """Carries what a database thread finds out about one file to the loop."""

    def __init__(self, places: Places, row: rows.FileRow, place: BlockFile) -> None:
        self._places = places
        self._row = row
        # The place has its owner; the other way round it would never go.
        self._place = weakref.ref(place)

    def condition_changed(self, condition: Condition) -> None:
        del condition
        self._tell(self._places.condition_changed)

    def content_unknown(self) -> None:
        self._tell(self._places.content_unknown)

    def write_failed(self, error: StoreError) -> None:
        self._places.call_on_loop(self._places.on_write_failed, self._row.key, error)

    def _tell(self, what: Callable[[rows.FileRow, BlockFile], None]) -> None:
        place = self._place()
        if place is not None:
            self._places.call_on_loop(what, self._row, place)


def encryption_of(block_key: bytes | None) -> DefaultEncryption | None:
    """How the blocks of a file are encrypted, if they are."""
    if block_key is None:
        return None
    return DefaultEncryption(block_key, b"", is_block_key=True)


def _is_of(hashed: HashedFile, row: rows.FileRow) -> bool:
    assert row.manifest is not None, "a settled file has a manifest"
    prologue = decode_manifest(row.manifest).prologue
    assert prologue is not None, "a settled file is a static core"
    return (hashed.length, hashed.tree_hash) == (prologue.length, prologue.hash)


def _hear(task: asyncio.Task[Condition]) -> None:
    if not task.cancelled():
        task.exception()
