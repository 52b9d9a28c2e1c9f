"""Blobs on a hypercore: written once, in order, read whole or in part.

A core that only blobs are put into; ids of blobs are kept by whoever put them. Leaves
what a blob is called to ``hyperdrive`` and fetching blocks to the core. Follows npm
hyperblobs 2.12.1, with these bounds: a blob read at once is at most ``MAX_GET_BYTES``,
a writer holds at most one batch, a reader one block.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Final

from net.crypto import blake2b_256
from store.errors import LocalProtocolError, RemoteProtocolError
from store.hyperblobs.blob_id import BlobId
from store.hyperblobs.block_map import (
    MAX_BLOCKS,
    MAX_MAP_BLOCKS,
    MapEntry,
    decode_block_map,
    encode_block_map,
)
from store.hyperblobs.ranges import Part, mapped_part, runs, split, window
from store.hypercore.records import MAX_BLOCK_BYTES

if TYPE_CHECKING:
    from store.hypercore.session import Download, Hypercore

BLOCK_BYTES: Final = 65536
"""Size of the blocks a blob is cut into unless it is told otherwise."""
BATCH_BLOCKS: Final = 16
BATCH_BYTES: Final = 2**20
"""A writer appends when it holds so many blocks or bytes."""
MAX_GET_BYTES: Final = 2**28
"""A larger blob is read in pieces, not at once."""
MISSING: Final = "block-missing"
_NO_PLACE: Final = ("node-missing", "bad-argument")

BytesLike = bytes | bytearray | memoryview


class Hyperblobs:
    """The blobs of one core.

    Attributes:
        core: The session that holds them; closed by ``close``.
    """

    def __init__(self, core: Hypercore, *, block_bytes: int = BLOCK_BYTES) -> None:
        if not 0 < block_bytes <= MAX_BLOCK_BYTES:
            raise LocalProtocolError("no such block size", code="bad-argument")
        self.core = core
        self._block_bytes = block_bytes
        self._writing = asyncio.Lock()

    @property
    def key(self) -> bytes:
        """The core's key."""
        return self.core.key

    @property
    def discovery_key(self) -> bytes:
        """The core's discovery key."""
        return self.core.discovery_key

    @property
    def locked(self) -> bool:
        """A blob is being written."""
        return self._writing.locked()

    def snapshot(self) -> Hyperblobs:
        """The same blobs, without those that come later."""
        return Hyperblobs(self.core.snapshot(), block_bytes=self._block_bytes)

    async def close(self) -> None:
        """Close the session."""
        await self.core.close()

    async def put(
        self,
        data: BytesLike,
        *,
        block_bytes: int | None = None,
        block_map: bool = False,
        dedup: bool = False,
        previous: BlobId | None = None,
    ) -> BlobId:
        """Store bytes and return where they are, when they are durable.

        Args:
            data: The blob.
            block_bytes: Size of its blocks.
            block_map: List its blocks in a map.
            dedup: Store equal blocks once; makes a map.
            previous: With ``dedup``: a blob whose blocks may be used again.

        Raises:
            LocalProtocolError: The core is not writable or the blob too large.
        """
        size = self._block_bytes if block_bytes is None else block_bytes
        writer = self.write_stream(block_map=block_map, dedup=dedup, previous=previous)
        async with writer:
            for block in split(data, size):
                await writer.write(block)
        return writer.id

    def write_stream(
        self,
        *,
        block_map: bool = False,
        dedup: bool = False,
        previous: BlobId | None = None,
    ) -> BlobWriter:
        """A writer of one blob, for ``async with``; the others wait until it ends."""
        return BlobWriter(
            self,
            self._writing,
            block_map=block_map or dedup,
            dedup=dedup,
            previous=previous,
        )

    async def get(
        self,
        blob: BlobId,
        *,
        start: int = 0,
        length: int | None = None,
        end: int | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
        max_bytes: int = MAX_GET_BYTES,
    ) -> bytes | None:
        """Return the bytes of a blob, or of a part of it as in ``read``.

        Returns:
            None only when not waiting and something is missing.

        Raises:
            LocalProtocolError: The wish makes no sense, or the blob is larger than
                ``max_bytes`` (code ``too-large``).
            RemoteProtocolError: The id does not fit the core.
            StoreError: Code ``request-timeout``: nobody sent a block in ``timeout_s``.
        """
        parts = []
        try:
            part = await self._part(
                blob,
                start=start,
                length=length,
                end=end,
                wait=wait,
                timeout_s=timeout_s,
            )
            if part.size > max_bytes:
                raise LocalProtocolError("the blob is large", code="too-large")
            reading = self._pieces(part, wait=wait, timeout_s=timeout_s, prefetch=wait)
            async with aclosing(reading):
                async for piece in reading:
                    parts.append(piece)
        except LocalProtocolError as error:
            if error.code == MISSING and not wait:
                return None
            raise
        return b"".join(parts)

    async def read(
        self,
        blob: BlobId,
        *,
        start: int = 0,
        length: int | None = None,
        end: int | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
        prefetch: bool = True,
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a blob in pieces no larger than its blocks.

        Args:
            blob: Which one.
            start: The first byte.
            length: How many bytes; or
            end: the last byte, inclusive.
            wait: Wait for peers to send what is missing.
            timeout_s: How long to wait for each block.
            prefetch: Ask peers for all of it at once.

        Raises:
            LocalProtocolError: Not waiting, and something is missing (code
                ``block-missing``).
            RemoteProtocolError: The id does not fit the core.
        """
        part = await self._part(
            blob, start=start, length=length, end=end, wait=wait, timeout_s=timeout_s
        )
        pieces = self._pieces(
            part, wait=wait, timeout_s=timeout_s, prefetch=prefetch and wait
        )
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def _pieces(
        self, part: Part, *, wait: bool, timeout_s: float | None, prefetch: bool
    ) -> AsyncGenerator[bytes, None]:
        ahead = await self._prefetch(part.indexes) if prefetch else None
        skip, left = part.skip, part.size
        try:
            for index in part.indexes:
                block = await self._block(index, wait=wait, timeout_s=timeout_s)
                taken = block[skip : skip + left]
                skip = max(0, skip - len(block))
                left -= len(taken)
                if taken:
                    yield taken
                if not left:
                    break
        finally:
            if ahead is not None:
                ahead.close()
        if left:
            raise RemoteProtocolError("the blob's blocks are too short")

    async def _part(
        self,
        blob: BlobId,
        *,
        start: int,
        length: int | None,
        end: int | None,
        wait: bool,
        timeout_s: float | None,
    ) -> Part:
        if blob.block_map:
            entries = await self.block_map(blob, wait=wait, timeout_s=timeout_s)
            size = sum(entry.byte_length for entry in entries)
            first, stop = window(size, start=start, length=length, end=end)
            return mapped_part(entries, first, stop)
        first, stop = window(blob.byte_length, start=start, length=length, end=end)
        if first == stop:
            return Part((), 0, 0)
        begin, skip, last = blob.block_offset, 0, blob.block_end
        if first:
            begin, skip = await self._seek(blob, first, wait, timeout_s)
        if stop < blob.byte_length:
            last = (await self._seek(blob, stop - 1, wait, timeout_s))[0] + 1
        return Part(range(begin, last), skip, stop - first)

    async def _seek(
        self, blob: BlobId, byte: int, wait: bool, timeout_s: float | None
    ) -> tuple[int, int]:
        """The block of a blob that holds one of its bytes, and where in it."""
        try:
            index, offset = await self.core.seek(
                blob.byte_offset + byte, wait=wait, timeout_s=timeout_s
            )
        except LocalProtocolError as error:
            if error.code not in _NO_PLACE:
                raise
            if wait:
                raise RemoteProtocolError("the core has no such bytes") from error
            raise LocalProtocolError("the place is not known", code=MISSING) from error
        if not blob.block_offset <= index < blob.block_end:
            raise RemoteProtocolError("the blob's bytes are not in its blocks")
        return index, offset

    async def _block(self, index: int, *, wait: bool, timeout_s: float | None) -> bytes:
        block = await self.core.get(index, wait=wait, timeout_s=timeout_s)
        if block is None:
            raise LocalProtocolError("a block is not here", code=MISSING)
        return block

    async def _prefetch(self, indexes: Sequence[int]) -> Download | None:
        """Ask peers for blocks in order; None when they are all here."""
        if len(indexes) < 2:
            return None
        if not isinstance(indexes, range):
            return self.core.download(blocks=indexes, linear=True)
        if await self.core.has(indexes.start, indexes.stop):
            return None
        return self.core.download(indexes.start, indexes.stop, linear=True)

    async def block_map(
        self, blob: BlobId, *, wait: bool = True, timeout_s: float | None = None
    ) -> list[MapEntry]:
        """Return which blocks hold a blob and how long they are.

        Raises:
            LocalProtocolError: Not waiting, and a block is missing (code
                ``block-missing``).
            RemoteProtocolError: The map is malformed or too long.
        """
        if blob.block_length > (MAX_MAP_BLOCKS if blob.block_map else MAX_BLOCKS):
            raise RemoteProtocolError("the blob has too many blocks", code="too-large")
        blocks = range(blob.block_offset, blob.block_end)
        ahead = await self._prefetch(blocks) if wait else None
        entries = []
        maps = []
        try:
            for index in blocks:
                block = await self._block(index, wait=wait, timeout_s=timeout_s)
                if blob.block_map:
                    maps.append(block)
                else:
                    entries.append(MapEntry(index, len(block)))
        finally:
            if ahead is not None:
                ahead.close()
        return decode_block_map(maps) if blob.block_map else entries

    async def byte_length(self, blob: BlobId) -> int:
        """Return the size of a blob in bytes; for a mapped one its map is read."""
        if not blob.block_map:
            return blob.byte_length
        return sum(entry.byte_length for entry in await self.block_map(blob))

    async def has(self, blob: BlobId) -> bool:
        """Tell whether all of a blob is stored here."""
        if not await self._has_run(blob.block_offset, blob.block_end):
            return False
        if not blob.block_map:
            return True
        entries = await self.block_map(blob, wait=False)
        for start, end in runs(entry.block for entry in entries):
            if not await self._has_run(start, end):
                return False
        return True

    async def _has_run(self, start: int, end: int) -> bool:
        return start == end or await self.core.has(start, end)

    async def download(self, blob: BlobId) -> Download | None:
        """Ask peers for all of a blob, and for its map first.

        Returns:
            The handle to wait for or to close; None for an empty blob.
        """
        if not blob.block_length:
            return None
        if not blob.block_map:
            return self.core.download(blob.block_offset, blob.block_end)
        entries = await self.block_map(blob)
        return self.core.download(blocks=[entry.block for entry in entries])

    async def clear(self, blob: BlobId) -> int:
        """Drop a blob's blocks from this device, also those that others share.

        Returns:
            The bytes that were freed.
        """
        freed = 0
        if blob.block_map:
            try:
                entries = await self.block_map(blob, wait=False)
            except LocalProtocolError as error:
                if error.code != MISSING:
                    raise
                entries = []
            length = self.core.length
            for start, end in runs(e.block for e in entries if e.block < length):
                freed += await self.core.clear(start, end)
        # An id may claim more than there is.
        end = min(blob.block_end, self.core.length)
        if blob.block_offset < end:
            freed += await self.core.clear(blob.block_offset, end)
        return freed


class BlobWriter:
    """Writes one blob; made by ``Hyperblobs.write_stream``.

    The blob is there when the ``async with`` block ends without an error; what was
    appended before an error stays in the core, and nothing points to it.
    """

    def __init__(
        self,
        blobs: Hyperblobs,
        lock: asyncio.Lock,
        *,
        block_map: bool,
        dedup: bool,
        previous: BlobId | None,
    ) -> None:
        self._blobs = blobs
        self._core = blobs.core
        self._lock = lock
        self._entries: list[MapEntry] | None = [] if block_map else None
        self._known: dict[bytes, MapEntry] | None = {} if dedup else None
        self._previous = previous
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._length = self._start = 0
        self._byte_length = self._byte_start = 0
        self._id: BlobId | None = None
        self._open = False

    @property
    def id(self) -> BlobId:
        """Where the blob is.

        Raises:
            LocalProtocolError: It is not written to its end.
        """
        if self._id is None:
            raise LocalProtocolError("the blob is not finished", code="bad-argument")
        return self._id

    async def __aenter__(self) -> BlobWriter:
        if not self._core.writable:
            raise LocalProtocolError("the core is read-only", code="not-writable")
        await self._lock.acquire()
        try:
            if self._known is not None and self._previous is not None:
                await self._learn(self._previous, self._known)
        except BaseException:
            self._lock.release()
            raise
        self._length = self._start = self._core.length
        self._byte_length = self._byte_start = self._core.byte_length
        self._open = True
        return self

    async def write(self, chunk: BytesLike) -> None:
        """Add a chunk, as one block; returns when there is room for the next.

        Raises:
            LocalProtocolError: The writer is not open, the chunk is larger than
                ``MAX_BLOCK_BYTES``, or a mapped blob has too many blocks.
        """
        block = bytes(chunk)
        if not self._open:
            raise LocalProtocolError("the blob is not being written", code="closed")
        if len(block) > MAX_BLOCK_BYTES:
            raise LocalProtocolError("the block is too large", code="too-large")
        if not block or (self._entries is not None and self._is_known(block)):
            return
        self._batch.append(block)
        self._batch_bytes += len(block)
        if len(self._batch) >= BATCH_BLOCKS or self._batch_bytes >= BATCH_BYTES:
            await self._append()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        try:
            if error is None:
                await self._finish()
        finally:
            self._lock.release()

    async def _learn(self, blob: BlobId, known: dict[bytes, MapEntry]) -> None:
        """Take the blocks of an older blob as far as they are here."""
        try:
            entries = await self._blobs.block_map(blob, wait=False)
        except LocalProtocolError as error:
            if error.code != MISSING:
                raise
            return
        for entry in entries:
            block = await self._core.get(entry.block, wait=False)
            if block is not None:
                known[blake2b_256(block)] = MapEntry(entry.block, len(block))

    def _is_known(self, block: bytes) -> bool:
        """Put a block on the map; tells whether it is stored already."""
        assert self._entries is not None
        if len(self._entries) >= MAX_BLOCKS:
            raise LocalProtocolError("the blob has too many blocks", code="too-large")
        entry = MapEntry(self._length + len(self._batch), len(block))
        if self._known is not None:
            found = self._known.setdefault(blake2b_256(block), entry)
            if found is not entry:
                self._entries.append(found)
                return True
        self._entries.append(entry)
        return False

    async def _append(self) -> None:
        if not self._batch:
            return
        batch, self._batch = self._batch, []
        done = await self._core.append(batch)
        self._length += len(batch)
        self._byte_length += self._batch_bytes
        self._batch_bytes = 0
        if done.length != self._length:
            raise LocalProtocolError("somebody else appended meanwhile")

    async def _finish(self) -> None:
        await self._append()
        if self._entries is not None:
            self._start, self._byte_start = self._length, self._byte_length
            self._batch = encode_block_map(self._entries)
            self._batch_bytes = sum(map(len, self._batch))
            await self._append()
        self._id = BlobId(
            self._start,
            self._length - self._start,
            self._byte_start,
            self._byte_length - self._byte_start,
            block_map=self._entries is not None,
        )
