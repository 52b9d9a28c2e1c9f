"""``Hyperdrive``: files by path, in a database of entries and a core of contents.

The contents of a file are written before its entry, and not together with it: a crash
in between leaves blocks that nothing refers to, never an entry without contents. Leaves
reading to ``drive_view`` and mirrors to ``mirror``. Follows npm hyperdrive 13.3.4.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from store.errors import LocalProtocolError
from store.hyperbee import Batch, Hyperbee, Snapshot, Watcher
from store.hyperblobs import BlobId, BlobWriter, Hyperblobs
from store.hyperblobs.hyperblobs import BytesLike
from store.hyperdrive.drive_cores import DriveCores
from store.hyperdrive.drive_view import DriveState, DriveView, as_node, blob_of
from store.hyperdrive.entry import Entry, Json, Node, encode_entry
from store.hyperdrive.paths import encode_key, file_path, folder_keys, folder_path

if TYPE_CHECKING:
    from store.corestore import Corestore, StoreAttachment
    from store.hypercore.replication import ReplicaConnection


class _Writes:
    """Writing entries, at once or in a batch."""

    _state: DriveState
    _writer: Hyperbee | Batch

    async def put(
        self,
        name: str,
        data: BytesLike,
        *,
        executable: bool = False,
        metadata: Json = None,
    ) -> Node:
        """Replace a file; durable on return (its entry of a batch: when flushed)."""
        path = file_path(name)
        blobs = await self._state.cores.own_blobs()
        blob = await blobs.put(data)
        entry = Entry(executable=executable, blob=blob, metadata=metadata)
        return Node(await self.put_entry(path, entry), path, entry)

    async def put_entry(self, name: str, entry: Entry) -> int:
        """Put an entry as it is; returns the block of the database that holds it."""
        seq = await self._writer.put(encode_key(file_path(name)), encode_entry(entry))
        assert seq is not None, "a bee that always writes"
        return seq

    async def symlink(self, name: str, linkname: str, *, metadata: Json = None) -> int:
        """Put a symbolic link in place of what is there.

        Args:
            name: The link's path.
            linkname: Where it leads: absolute, or relative to the link's own path.
            metadata: Whatever the application wants to keep with it.
        """
        if not linkname:
            raise LocalProtocolError("the link leads nowhere", code="bad-argument")
        return await self.put_entry(name, Entry(linkname=linkname, metadata=metadata))

    async def delete(self, name: str) -> int | None:
        """Delete an entry; its contents stay. None when there was none."""
        return await self._writer.delete(encode_key(file_path(name)))


class Hyperdrive(_Writes, DriveView):
    """Files by path, written by one device and read by any.

    Errors besides those of ``DriveView``: ``LocalProtocolError`` ``not-writable``, and
    ``EnvironmentFault`` when the disk refuses.
    """

    def __init__(self, bee: Hyperbee, state: DriveState) -> None:
        """Join the parts; ``open`` makes them."""
        super().__init__(bee, state)
        self._writer = self._whole = bee
        self._watchers: set[DriveWatcher] = set()

    @classmethod
    async def open(
        cls,
        corestore: Corestore,
        key: bytes | None = None,
        *,
        encryption_key: bytes | None = None,
    ) -> Hyperdrive:
        """Open a drive; the corestore stays open when it is closed.

        Args:
            corestore: Where its cores are. A drive of one's own has the name ``db``
                there, so give each a namespace.
            key: The drive's, 32 bytes; without it one's own, made if it is not there.
            encryption_key: 32 bytes that encrypt both cores, for peers too.
        """
        cores = await DriveCores.open(corestore, key, encryption_key)
        bee = Hyperbee(cores.db, metadata=cores.metadata())
        return cls(bee, DriveState(cores))

    @property
    def writable(self) -> bool:
        """Whether this device writes it."""
        return self._state.cores.db.writable

    async def update(self, *, wait: bool = False) -> bool:
        """Ask peers for a newer version; True when there is one."""
        return await self._state.cores.db.update(wait=wait)

    def replicate(self, connection: ReplicaConnection) -> StoreAttachment:
        """Exchange everything of the corestore with a peer; see ``Corestore``."""
        return self._state.cores.replicate(connection)

    def write(
        self,
        name: str,
        *,
        executable: bool = False,
        metadata: Json = None,
        dedup: bool = False,
    ) -> DriveWriter:
        """Replaces a file when the ``async with`` block ends without an error.

        Args:
            name: Its path.
            executable: Whether it may be executed.
            metadata: Whatever the application wants to keep with it.
            dedup: Store equal blocks, also of the version before, only once.
        """
        entry = Entry(executable=executable, metadata=metadata)
        return DriveWriter(
            self, self._state.cores.own_blobs, file_path(name), entry, dedup=dedup
        )

    def batch(self) -> DriveBatch:
        """Many entries that are written all or not at all; for ``async with``."""
        return DriveBatch(self._whole.batch(), self._state)

    def checkout(self, version: int) -> DriveCheckout:
        """The drive at an older version; close it in the end."""
        return DriveCheckout(self._whole.checkout(version), self._state)

    def watch(self, folder: str = "/") -> DriveWatcher:
        """Pairs of checkouts, the present and the one before, at every change."""
        above, below = folder_keys(folder_path(folder))
        watcher = self._whole.watch(gt=above, lt=below)
        return DriveWatcher(watcher, self._state, self._watchers)

    async def clear(self, name: str) -> int:
        """Drop the contents of a file from this device; returns the bytes freed."""
        blobs = await self.blobs(wait=False)
        try:
            blob = blob_of(await self.entry(name, wait=False))
        except LocalProtocolError as error:
            if error.code != "block-missing":
                raise
            return 0
        return 0 if blobs is None or blob is None else await blobs.clear(blob)

    async def clear_all(self) -> int:
        """Drop all contents from this device; returns the bytes freed."""
        blobs = await self.blobs(wait=False)
        if blobs is None or not blobs.core.length:
            return 0
        return await blobs.core.clear(0, blobs.core.length)

    async def truncate(self, version: int, *, blobs_length: int | None = None) -> None:
        """Go back to an older version, for everybody; the writer only.

        Args:
            version: Where to.
            blobs_length: How many blocks of contents to keep; what that version refers
                to unless given.
        """
        blobs = await self._state.cores.own_blobs()
        if not 0 < version <= self.version:
            raise LocalProtocolError("it was never that short", code="bad-argument")
        if blobs_length is None:
            async with self.checkout(version) as older:
                blobs_length = await older.blobs_length()
        if not 0 <= blobs_length <= blobs.core.length:
            raise LocalProtocolError("so much was never there", code="bad-argument")
        if version < self._state.cores.db.length:
            await self._state.cores.db.truncate(version)
        if blobs_length < blobs.core.length:
            await blobs.core.truncate(blobs_length)

    async def purge(self) -> None:
        """Close the drive, and delete all of it from this device."""
        await self._stop()
        await self._state.cores.purge()

    async def close(self) -> None:
        """End what is running and close the cores; the corestore stays open."""
        await self._stop()
        await self._state.cores.close()

    async def _stop(self) -> None:
        for download in list(self._state.downloads):
            await download.close()
        for watcher in list(self._watchers):
            await watcher.close()
        await self._whole.close()

    async def __aenter__(self) -> Hyperdrive:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class DriveCheckout(DriveView):
    """A drive at one version; nothing can be written through it."""

    def __init__(self, bee: Snapshot, state: DriveState) -> None:
        super().__init__(bee, state)

    async def __aenter__(self) -> DriveCheckout:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class DriveBatch(_Writes):
    """Entries that are written all or not at all.

    Contents are written at once; without ``flush`` nothing refers to them.
    """

    def __init__(self, batch: Batch, state: DriveState) -> None:
        self._writer = self._batch = batch
        self._state = state

    async def entry(self, name: str) -> Node | None:
        """The file or link of that name, with what the batch wrote."""
        record = await self._batch.get(encode_key(file_path(name)))
        return None if record is None else as_node(record)

    async def flush(self) -> None:
        """Write everything; durable on return. The batch is over then."""
        await self._batch.flush()

    async def close(self) -> None:
        """Forget what was not flushed."""
        await self._batch.close()

    async def __aenter__(self) -> DriveBatch:
        return self

    async def __aexit__(self, kind: object, *rest: object) -> None:
        await self._batch.__aexit__(kind, *rest)


class DriveWriter:
    """Writes one file; made by ``Hyperdrive.write``."""

    def __init__(
        self,
        drive: Hyperdrive,
        blobs: Callable[[], Awaitable[Hyperblobs]],
        path: str,
        entry: Entry,
        *,
        dedup: bool,
    ) -> None:
        self._drive = drive
        self._blobs = blobs
        self._path = path
        self._entry = entry
        self._dedup = dedup
        self._blob: BlobWriter | None = None

    async def __aenter__(self) -> DriveWriter:
        blobs = await self._blobs()
        previous: BlobId | None = None
        if self._dedup:
            previous = blob_of(await self._drive.entry(self._path))
        self._blob = blobs.write_stream(dedup=self._dedup, previous=previous)
        await self._blob.__aenter__()
        return self

    async def write(self, chunk: BytesLike) -> None:
        """Add a chunk, as one block; returns when there is room for the next."""
        if self._blob is None:
            raise LocalProtocolError("the file is not being written", code="closed")
        await self._blob.write(chunk)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        blob, self._blob = self._blob, None
        assert blob is not None
        await blob.__aexit__(kind, error, trace)
        if kind is None:
            await self._drive.put_entry(self._path, replace(self._entry, blob=blob.id))


class DriveWatcher:
    """Yields ``(current, previous)`` at each change; both are closed at the next."""

    def __init__(
        self, watcher: Watcher, state: DriveState, running: set[DriveWatcher]
    ) -> None:
        self._watcher = watcher
        self._state = state
        self._running = running
        running.add(self)

    def __aiter__(self) -> DriveWatcher:
        return self

    async def __anext__(self) -> tuple[DriveView, DriveView]:
        current, previous = await anext(self._watcher)
        return DriveView(current, self._state), DriveView(previous, self._state)

    async def close(self) -> None:
        """End it."""
        self._running.discard(self)
        await self._watcher.close()

    async def __aenter__(self) -> DriveWatcher:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
