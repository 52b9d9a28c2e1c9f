"""A drive as one side of a mirror: read at one version, or written."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeGuard

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hyperdrive.entry import Entry, Json, decode_entry
from store.hyperdrive.mirror import Chunks, Wish
from store.hyperdrive.mirror_plan import Item
from store.hyperdrive.paths import decode_key, folder_path, is_clean

if TYPE_CHECKING:
    from store.hyperdrive.drive_view import DriveView


class WritableDrive(Protocol):
    """What a mirror does to a drive."""

    @property
    def writable(self) -> bool:
        """Whether it is ours."""

    def write(
        self,
        name: str,
        *,
        executable: bool = False,
        metadata: Json = None,
        dedup: bool = False,
    ) -> AbstractAsyncContextManager[Chunks]:
        """Replaces a file."""

    async def symlink(self, name: str, linkname: str) -> int | None:
        """Put a link."""

    async def delete(self, name: str) -> int | None:
        """Delete an entry."""

    async def put_entry(self, name: str, entry: Entry) -> int | None:
        """Put an entry as it is."""


class DriveSide:
    """One way into a drive; fits ``mirror.MirrorSide``."""

    keeps_metadata = True

    def __init__(
        self, drive: DriveView, *, dedup: bool, timeout_s: float | None
    ) -> None:
        self._drive = drive
        self._timeout_s = timeout_s
        self._dedup = dedup
        self._target: WritableDrive | None = None
        self._snapshot: DriveView | None = None

    async def open(self, *, writing: bool) -> None:
        """Stay at the present version, or see that the drive can be written."""
        if not writing:
            self._snapshot = self._drive.frozen()
            return
        target = self._drive
        if not (is_writable_drive(target) and target.writable):
            raise LocalProtocolError("the drive is read-only", code="not-writable")
        self._target = target

    async def close(self) -> None:
        """Give the version back."""
        if self._snapshot is not None:
            await self._snapshot.close()

    async def items(
        self, folder: str, ignored: Callable[[str], bool]
    ) -> AsyncGenerator[Item, None]:
        """What is in the drive; what makes no sense has a fault."""
        view = self._view
        found = view.records(folder_path(folder), timeout_s=self._timeout_s)
        async with aclosing(found) as records:
            async for _, key, value in records:
                try:
                    path = decode_key(key)
                except RemoteProtocolError as error:
                    view.refused[error.code] += 1
                    continue
                if not ignored(path):
                    yield _item(path, value)

    async def prefetch(self, item: Item) -> Wish | None:
        """Ask peers for the contents of a file, unless they are here."""
        node = await self._view.entry(item.path, timeout_s=self._timeout_s)
        blobs = await self._view.blobs(timeout_s=self._timeout_s)
        if node is None or node.entry.blob is None or blobs is None:
            return None
        # The map of a mapped file has to be read before its blocks are known.
        if node.entry.blob.block_map or await blobs.has(node.entry.blob):
            return None
        return await blobs.download(node.entry.blob)

    def read(self, path: str) -> AsyncGenerator[bytes, None]:
        """The contents of a file."""
        return self._view.read(path, timeout_s=self._timeout_s)

    def write(
        self, path: str, *, executable: bool, metadata: Json
    ) -> AbstractAsyncContextManager[Chunks]:
        """Replaces a file."""
        return self._writable.write(
            path, executable=executable, metadata=metadata, dedup=self._dedup
        )

    async def symlink(self, path: str, linkname: str) -> None:
        """Put a link in place of what is there."""
        await self._writable.symlink(path, linkname)

    async def delete(self, path: str) -> None:
        """Delete an entry."""
        await self._writable.delete(path)

    async def set_attributes(
        self, path: str, *, executable: bool, metadata: Json
    ) -> None:
        """Write the entry anew with the contents it has."""
        node = await self._view.entry(path)
        if node is None:
            raise LocalProtocolError("the entry has gone", code="bad-path")
        entry = replace(node.entry, executable=executable, metadata=metadata)
        await self._writable.put_entry(path, entry)

    @property
    def _view(self) -> DriveView:
        return self._drive if self._snapshot is None else self._snapshot

    @property
    def _writable(self) -> WritableDrive:
        assert self._target is not None, "opened for writing"
        return self._target


def is_writable_drive(drive: object) -> TypeGuard[WritableDrive]:
    """Tell a drive from a checkout, which cannot be written."""
    return hasattr(drive, "put_entry")


def _item(path: str, value: bytes | None) -> Item:
    if not is_clean(path):
        return Item(path, fault="unclean-path")
    try:
        entry = decode_entry(value)
    except RemoteProtocolError:
        return Item(path, fault="malformed")
    blob = entry.blob
    return Item(
        path,
        linkname=entry.linkname,
        size=None if blob is None or blob.block_map else blob.byte_length,
        has_contents=blob is not None,
        executable=entry.executable,
        metadata=entry.metadata,
    )
