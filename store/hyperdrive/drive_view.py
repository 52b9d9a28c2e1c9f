"""Reading a drive: what a drive, a checkout and a batch have in common.

Entries come from a view of the database, contents from the blobs. Entries that make no
sense are left out of listings and counted. Follows npm hyperdrive 13.3.4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hyperbee import Snapshot
from store.hyperblobs import BlobId, Hyperblobs
from store.hyperdrive.download import DriveDownload
from store.hyperdrive.drive_side import DriveSide
from store.hyperdrive.entry import Node, decode_entry
from store.hyperdrive.mirror import Mirror, Mirrorable
from store.hyperdrive.paths import (
    KEY_PREFIX,
    MAX_HOPS,
    Ignore,
    decode_key,
    encode_key,
    file_path,
    first_name,
    folder_keys,
    folder_path,
    ignoring,
    link_target,
)

if TYPE_CHECKING:
    from store.hyperbee import Entry as Record
    from store.hyperbee import View
    from store.hypercore.session import Download
    from store.hyperdrive.drive_cores import DriveCores


class NodeChange(NamedTuple):
    """What a path holds on two sides; None where there is nothing."""

    left: Node | None
    right: Node | None


@dataclass(slots=True)
class DriveState:
    """What a drive shares with its checkouts."""

    cores: DriveCores
    refused: Counter[str] = field(default_factory=Counter)
    downloads: set[DriveDownload] = field(default_factory=set)


class DriveView:
    """The files of a drive at one version, or at the newest.

    Args of most methods: ``wait`` is whether to wait for peers that have what is not
    here, ``timeout_s`` how long for each block.

    Errors everywhere: ``LocalProtocolError`` with code ``bad-path``,
    ``session-closed``, ``block-missing`` (only without waiting) or ``request-timeout``;
    ``RemoteProtocolError`` when an entry, a blob id or a map makes no sense.
    """

    def __init__(self, bee: View, state: DriveState) -> None:
        self._bee = bee
        self._state = state

    @property
    def key(self) -> bytes:
        """The drive's key, 32 bytes."""
        return self._state.cores.db.key

    @property
    def discovery_key(self) -> bytes:
        """What it is looked for by, 32 bytes."""
        return self._state.cores.db.discovery_key

    @property
    def version(self) -> int:
        """Grows by one with each write; 1 for an empty drive."""
        return self._bee.version

    @property
    def refused(self) -> Counter[str]:
        """Entries that made no sense and were left out, by the error's code."""
        return self._state.refused

    async def blobs(
        self, *, wait: bool = True, timeout_s: float | None = None
    ) -> Hyperblobs | None:
        """The contents; None when not waiting and nobody knows where they are."""
        return await self._state.cores.blobs(wait=wait, timeout_s=timeout_s)

    def frozen(self) -> DriveView:
        """The files as they are now; close it in the end."""
        return DriveView(self._bee.snapshot(), self._state)

    async def close(self) -> None:
        """Give the version back."""
        if isinstance(self._bee, Snapshot):
            await self._bee.close()

    async def _contents(
        self, *, wait: bool = True, timeout_s: float | None = None
    ) -> Hyperblobs:
        blobs = await self.blobs(wait=wait, timeout_s=timeout_s)
        if blobs is None:
            raise LocalProtocolError("the contents are not here", code="block-missing")
        return blobs

    async def entry(
        self,
        name: str,
        *,
        follow: bool = False,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Node | None:
        """The file or link of that name, or None.

        Args:
            name: Its path.
            follow: Go on from a link to what it leads to, at most ``MAX_HOPS`` times.
            wait: Whether to wait for peers.
            timeout_s: How long for each block.
        """
        path = file_path(name)
        for _ in range(MAX_HOPS):
            record = await self._record(path, wait=wait, timeout_s=timeout_s)
            if record is None:
                return None
            node = as_node(record)
            if not follow or node.entry.linkname is None:
                return node
            path = link_target(node.path, node.entry.linkname)
        raise RemoteProtocolError("links lead in a circle", code="link")

    async def _record(
        self, path: str, *, wait: bool, timeout_s: float | None
    ) -> Record | None:
        return await self._bee.get(encode_key(path), wait=wait, timeout_s=timeout_s)

    async def exists(self, name: str) -> bool:
        """Tell whether there is a file or link of that name."""
        return await self.entry(name) is not None

    async def get(
        self,
        name: str,
        *,
        follow: bool = False,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> bytes | None:
        """The bytes of a file; None when there is none, or it has no contents.

        Raises:
            LocalProtocolError: It is too large to be read at once (``too-large``); see
                ``read``.
        """
        node = await self.entry(name, follow=follow, wait=wait, timeout_s=timeout_s)
        if node is None or node.entry.blob is None:
            return None
        blobs = await self._contents(wait=wait, timeout_s=timeout_s)
        data = await blobs.get(node.entry.blob, wait=wait, timeout_s=timeout_s)
        if data is None:
            raise LocalProtocolError("a block is not here", code="block-missing")
        return data

    async def read(
        self,
        name: str,
        *,
        start: int = 0,
        length: int | None = None,
        end: int | None = None,
        follow: bool = False,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of a file in pieces: all, ``length`` of them, or up to ``end``.

        Raises:
            LocalProtocolError: There is no such file (code ``no-such-file``).
        """
        node = await self.entry(name, follow=follow, wait=wait, timeout_s=timeout_s)
        if node is None:
            raise LocalProtocolError("there is no such file", code="no-such-file")
        if node.entry.blob is None:
            return
        blobs = await self._contents(wait=wait, timeout_s=timeout_s)
        reading = blobs.read(
            node.entry.blob,
            start=start,
            length=length,
            end=end,
            wait=wait,
            timeout_s=timeout_s,
        )
        async with aclosing(reading):
            async for chunk in reading:
                yield chunk

    async def list(
        self,
        folder: str = "/",
        *,
        recursive: bool = True,
        ignore: Ignore | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Node, None]:
        """Files and links below a folder, in the order of their paths.

        Args:
            folder: Where.
            recursive: False gives one for each name directly in the folder: the file,
                or the first of a folder.
            ignore: What stays out.
            wait: Whether to wait for peers.
            timeout_s: How long for each block.
        """
        base = folder_path(folder)
        ignored = ignoring(ignore)
        listing = self.records if recursive else self._first_records
        async with aclosing(listing(base, wait=wait, timeout_s=timeout_s)) as records:
            async for record in records:
                node = self._judged(record)
                if node is not None and not ignored(node.path):
                    yield node

    async def readdir(
        self, folder: str = "/", *, wait: bool = True, timeout_s: float | None = None
    ) -> AsyncGenerator[str, None]:
        """The names directly in a folder, of files and folders."""
        base = folder_path(folder)
        listing = self._first_records(base, wait=wait, timeout_s=timeout_s)
        async with aclosing(listing) as records:
            async for record in records:
                try:
                    yield first_name(base, decode_key(record.key))[0]
                except RemoteProtocolError as error:
                    self.refused[error.code] += 1

    async def records(
        self, base: str, *, wait: bool = True, timeout_s: float | None = None
    ) -> AsyncGenerator[Record, None]:
        """What the database holds below a folder, whether it makes sense or not."""
        above, below = folder_keys(base)
        found = self._bee.range(gt=above, lt=below, wait=wait, timeout_s=timeout_s)
        async with aclosing(found):
            async for record in found:
                yield record

    async def _first_records(
        self, base: str, *, wait: bool = True, timeout_s: float | None = None
    ) -> AsyncGenerator[Record, None]:
        """The first record of each name in a folder, each name once."""
        above, below = folder_keys(base)
        after: bytes | None = above
        first: bytes | None = None
        while True:
            record = await self._bee.peek(
                gt=after, gte=first, lt=below, wait=wait, timeout_s=timeout_s
            )
            if record is None:
                return
            rest = record.key[len(KEY_PREFIX) + len(base.encode()) + 1 :]
            name, slash, _ = rest.partition(b"/")
            start = record.key[: len(record.key) - len(rest)] + name
            # Upstream goes on behind the key, and so misses a file of that name.
            after, first = (None, start + b"0") if slash else (record.key, None)
            # A file may have the name of a folder; it has been given already.
            if slash:
                file = await self._bee.get(start, wait=wait, timeout_s=timeout_s)
                if file is not None:
                    continue
            yield record

    def _judged(self, record: Record) -> Node | None:
        try:
            return as_node(record)
        except RemoteProtocolError as error:
            self.refused[error.code] += 1
            return None

    async def diff(
        self, other: int, folder: str = "/"
    ) -> AsyncGenerator[NodeChange, None]:
        """What differs below a folder: left in this version, right in another."""
        above, below = folder_keys(folder_path(folder))
        found = self._bee.diff(other, gt=above, lt=below)
        async with aclosing(found) as changes:
            async for left, right in changes:
                yield NodeChange(
                    None if left is None else self._judged(left),
                    None if right is None else self._judged(right),
                )

    async def has(self, name: str) -> bool:
        """Tell whether the contents of a file, or of all below a folder, are here."""
        blobs = await self.blobs(wait=False)
        if blobs is None:
            return False
        if not name.endswith(("/", "\\")) and folder_path(name):
            node = await self.entry(name)
            if node is not None:
                return node.entry.blob is not None and await blobs.has(node.entry.blob)
        found = False
        async with aclosing(self.list(name)) as nodes:
            async for node in nodes:
                found = True
                if not await self._has_contents(blobs, node):
                    return False
        return found

    async def _has_contents(self, blobs: Hyperblobs, node: Node) -> bool:
        """Whether those of one file of many are here, or none belong to it."""
        if node.entry.blob is None:
            return True
        try:
            return await blobs.has(node.entry.blob)
        except RemoteProtocolError as error:
            self.refused[error.code] += 1
            return False

    def download(self, folder: str = "/") -> DriveDownload:
        """Fetch a file, or all below a folder, from peers; begins at once."""
        return DriveDownload(self._state.downloads, lambda: self._wanted(folder))

    def download_diff(self, version: int, folder: str = "/") -> DriveDownload:
        """Fetch what has come to a folder since an older version."""

        async def wanted() -> AsyncGenerator[Any, None]:
            blobs = await self._contents()
            async with aclosing(self.diff(version, folder)) as changes:
                async for change in changes:
                    if change.left is not None:
                        yield await self._wish(blobs, change.left)

        return DriveDownload(self._state.downloads, wanted)

    def download_range(
        self,
        db_ranges: Iterable[tuple[int, int]],
        blob_ranges: Iterable[tuple[int, int]],
    ) -> DriveDownload:
        """Fetch blocks of the database and of the contents: from and before which."""

        async def wanted() -> AsyncGenerator[Any, None]:
            for start, end in db_ranges:
                yield self._state.cores.db.download(start, end)
            blobs = await self._contents()
            for start, end in blob_ranges:
                yield blobs.core.download(start, end)

        return DriveDownload(self._state.downloads, wanted)

    async def _wanted(self, folder: str) -> AsyncGenerator[Any, None]:
        blobs = await self._contents()
        if not folder.endswith(("/", "\\")) and folder_path(folder):
            node = await self.entry(folder)
            if node is not None:
                if node.entry.blob is not None:
                    yield await blobs.download(node.entry.blob)
                return
        async with aclosing(self.list(folder)) as nodes:
            async for node in nodes:
                yield await self._wish(blobs, node)

    async def _wish(self, blobs: Hyperblobs, node: Node) -> Download | None:
        """Ask for the contents of one file of many, if it has any."""
        if node.entry.blob is None:
            return None
        try:
            return await blobs.download(node.entry.blob)
        except RemoteProtocolError as error:
            self.refused[error.code] += 1
            return None

    async def blobs_length(self) -> int:
        """How many blocks of the contents this version refers to."""
        length = 0
        async with aclosing(self.list()) as nodes:
            async for node in nodes:
                if node.entry.blob is not None:
                    length = max(length, node.entry.blob.block_end)
        return length

    def mirror(self, target: Mirrorable, **options: Any) -> Mirror:
        """Make another drive or a folder on disk like this one; see ``Mirror``."""
        return Mirror(self, target, **options)

    def mirror_side(
        self, *, dedup: bool = False, timeout_s: float | None = None
    ) -> DriveSide:
        """A way in for one mirror."""
        return DriveSide(self, dedup=dedup, timeout_s=timeout_s)


def as_node(record: Record) -> Node:
    """A record of the database as a file or link.

    Raises:
        RemoteProtocolError: It makes no sense.
    """
    return Node(record.seq, decode_key(record.key), decode_entry(record.value))


def blob_of(node: Node | None) -> BlobId | None:
    """The contents of what may be a file."""
    return None if node is None else node.entry.blob
