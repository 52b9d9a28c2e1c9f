"""A folder on disk with the interface of a drive, for mirrors in either direction.

Everything that touches the disk happens in threads and inside ``confined_folder``.
Files are written under another name and renamed when they are whole. One mirror at a
time writes to a folder. Follows npm localdrive 2.3.3 without following links.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from store.errors import EnvironmentFault, LocalProtocolError
from store.hyperdrive.confined_folder import (
    HAS_HANDLES,
    ConfinedFolder,
    Part,
    RefusedPathError,
)
from store.hyperdrive.entry import Json
from store.hyperdrive.local_names import NameRules
from store.hyperdrive.mirror import Mirror, Mirrorable
from store.hyperdrive.mirror_plan import Item
from store.hyperdrive.paths import Ignore, file_path, folder_path, ignoring

CHUNK_BYTES: Final = 65536
"""Size of the pieces in which files are read."""
_BUFFER_BYTES: Final = 2**20
"""Read or written in one step of a thread."""

T = TypeVar("T")


async def in_thread(
    work: Callable[[], T], undo: Callable[[T], object] | None = None
) -> T:
    """Run blocking work in a thread, and never leave before it has ended.

    Args:
        work: What to do.
        undo: Gives back the result if nobody takes it.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        # Its file would be closed, and the number given to another, under its hands.
        await asyncio.wait({running})
        if running.exception() is None and undo is not None:
            undo(running.result())
        raise


class LocalFolder:
    """The files of a folder, by paths as in a drive.

    Paths that the folder must not or cannot hold raise ``RefusedPathError`` (a
    ``LocalProtocolError`` whose code is the reason); a failing disk raises
    ``EnvironmentFault``.
    """

    def __init__(self, folder: ConfinedFolder) -> None:
        self._folder = folder

    @classmethod
    async def open(
        cls,
        root: Path,
        *,
        rules: NameRules | None = None,
        handles: bool = HAS_HANDLES,
    ) -> LocalFolder:
        """Open a folder, which is made if it is not there.

        Args:
            root: The folder.
            rules: What the system does to names; asked of the system by default.
            handles: Whether to walk by open folders, where the system can.
        """
        return cls(
            await in_thread(
                lambda: ConfinedFolder(Path(root), rules=rules, handles=handles)
            )
        )

    @property
    def root(self) -> Path:
        """Where it is, without links."""
        return Path(self._folder.root)

    async def list(
        self, folder: str = "/", *, ignore: Ignore | None = None
    ) -> AsyncGenerator[Item, None]:
        """Files and links below a folder, in the order of their paths.

        What a drive cannot hold is listed with a ``fault``.
        """
        ignored = ignoring(ignore)
        stack = [await self._children(folder_path(folder))]
        while stack:
            child = next(stack[-1], None)
            if child is None:
                stack.pop()
                continue
            path, item = child
            if ignored(path):
                continue
            if item is not None:
                yield item
                continue
            try:
                stack.append(await self._children(path))
            except RefusedPathError as error:
                yield Item(f"{path}/", fault=error.code)

    async def _children(self, folder: str) -> Any:
        return iter(await in_thread(lambda: self._folder.children(folder)))

    async def entry(self, path: str) -> Item | None:
        """The file or link at a path, or None."""
        name = file_path(path)
        return await in_thread(lambda: self._folder.item(name))

    async def exists(self, path: str) -> bool:
        """Tell whether there is a file or link."""
        return await self.entry(path) is not None

    async def read(
        self, path: str, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of a file, to its end or to the byte ``end``, inclusive."""
        if start < 0 or (end is not None and end < 0):
            raise LocalProtocolError("a negative range", code="bad-argument")
        name = file_path(path)
        left = None if end is None else max(0, end + 1 - start)
        descriptor = await in_thread(lambda: self._folder.open_file(name), os.close)
        try:
            await in_thread(lambda: os.lseek(descriptor, start, os.SEEK_SET))
            while left is None or left:
                wanted = _BUFFER_BYTES if left is None else min(left, _BUFFER_BYTES)
                data = await in_thread(lambda size=wanted: _read(descriptor, size))  # type: ignore[misc]
                if not data:
                    break
                left = None if left is None else left - len(data)
                for at in range(0, len(data), CHUNK_BYTES):
                    yield data[at : at + CHUNK_BYTES]
        finally:
            os.close(descriptor)

    async def get(self, path: str) -> bytes | None:
        """The bytes of a file, or None when there is none."""
        item = await self.entry(path)
        if item is None or item.fault or not item.has_contents:
            return None
        return b"".join([chunk async for chunk in self.read(path)])

    def write(
        self, path: str, *, executable: bool = False, metadata: Json = None
    ) -> FileWriter:
        """Replaces a file when the ``async with`` block ends without an error.

        Metadata is not kept.
        """
        del metadata
        return FileWriter(self._folder, file_path(path), executable=executable)

    async def put(self, path: str, data: bytes, *, executable: bool = False) -> None:
        """Replace a file."""
        async with self.write(path, executable=executable) as writer:
            await writer.write(data)

    async def symlink(self, path: str, linkname: str) -> None:
        """Put a link in place of what is there; absolute ones begin at the root."""
        name = file_path(path)
        await in_thread(lambda: self._folder.link(name, linkname))

    async def delete(self, path: str) -> None:
        """Delete a file or link, and folders that become empty."""
        name = file_path(path)
        await in_thread(lambda: self._folder.delete(name))

    async def set_executable(self, path: str, *, executable: bool) -> None:
        """Change whether a file may be executed."""
        name = file_path(path)
        await in_thread(
            lambda: self._folder.set_executable(name, executable=executable)
        )

    async def sweep(self) -> int:
        """Delete unfinished files that a crash left; returns how many."""
        return await in_thread(self._folder.sweep)

    def mirror(self, target: Mirrorable, **options: Any) -> Mirror:
        """Make a drive or another folder like this one; see ``Mirror``."""
        return Mirror(self, target, **options)

    def mirror_side(
        self, *, dedup: bool = False, timeout_s: float | None = None
    ) -> FolderSide:
        """A way in for one mirror."""
        del dedup, timeout_s
        return FolderSide(self)


class FileWriter:
    """Writes one file; made by ``LocalFolder.write``."""

    def __init__(self, folder: ConfinedFolder, path: str, *, executable: bool) -> None:
        self._folder = folder
        self._path = path
        self._executable = executable
        self._part: Part | None = None
        self._buffer = bytearray()

    async def __aenter__(self) -> FileWriter:
        self._part = await in_thread(
            lambda: self._folder.begin(self._path, executable=self._executable),
            self._folder.abandon,
        )
        return self

    async def write(self, chunk: bytes) -> None:
        """Add a chunk; returns when there is room for more."""
        if self._part is None:
            raise LocalProtocolError("the file is not being written", code="closed")
        self._buffer += chunk
        if len(self._buffer) >= _BUFFER_BYTES:
            await self._flush(self._part)

    async def __aexit__(self, kind: object, *_: object) -> None:
        part, self._part = self._part, None
        assert part is not None
        try:
            if kind is None:
                await self._flush(part)
                await in_thread(lambda: self._folder.finish(part))
        except BaseException:
            kind = BaseException
            raise
        finally:
            if kind is not None:
                await in_thread(lambda: self._folder.abandon(part))

    async def _flush(self, part: Part) -> None:
        data = bytes(self._buffer)
        self._buffer.clear()
        await in_thread(lambda: _write(part.descriptor, data))


class FolderSide:
    """A folder as one side of a mirror."""

    keeps_metadata = False

    def __init__(self, folder: LocalFolder) -> None:
        self._folder = folder
        self.symlink = folder.symlink
        self.delete = folder.delete
        self.write = folder.write

    async def open(self, *, writing: bool) -> None:
        """Clear away what a crash left in the root."""
        if writing:
            await self._folder.sweep()

    async def close(self) -> None:
        """Nothing is held."""

    def items(
        self, folder: str, ignored: Callable[[str], bool]
    ) -> AsyncGenerator[Item, None]:
        """What is there."""
        return self._folder.list(folder, ignore=ignored)

    async def prefetch(self, item: Item) -> None:
        """A disk is near enough."""

    def read(self, path: str) -> AsyncGenerator[bytes, None]:
        """The contents of a file."""
        return self._folder.read(path)

    async def set_attributes(
        self, path: str, *, executable: bool, metadata: Json
    ) -> None:
        """Set the executable bit; metadata is not kept."""
        del metadata
        await self._folder.set_executable(path, executable=executable)


def _read(descriptor: int, size: int) -> bytes:
    try:
        return os.read(descriptor, size)
    except OSError as error:
        raise EnvironmentFault(f"reading failed: {error.strerror}") from error


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        raise EnvironmentFault(f"writing failed: {error.strerror}") from error
