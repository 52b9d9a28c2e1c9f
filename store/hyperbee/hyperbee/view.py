"""Reading a bee: what a bee, its parts and its snapshots have in common."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Literal

from store.errors import LocalProtocolError
from store.hyperbee.blocks import Block, decode_header
from store.hyperbee.diff import DiffWalk
from store.hyperbee.encoding import Codec, KeySpace, codec
from store.hyperbee.hyperbee.reading import SNAPSHOT_GONE, Reader
from store.hyperbee.hyperbee.trunk import Trunk, Walk
from store.hyperbee.lookup import find_in_version, load_root
from store.hyperbee.ranges import Cursor, History, history_bounds
from store.hyperbee.records import (
    Bounds,
    Difference,
    Entry,
    Header,
    HistoryEntry,
    Log,
)

MAX_RETRIES = 8
"""Look-ups begun again because the log was truncated under them."""

MAX_TAKEN = 64
"""Entries taken at once while walking; it begins with one and doubles."""


class View:
    """A bee, or a part of one, as it can be read.

    ``range``, ``history`` and ``diff`` read a snapshot made when they begin. Keys and
    values go in and out as the encodings say; keys are in order of their bytes.

    Errors everywhere: ``LocalProtocolError`` with code ``bad-argument``,
    ``session-closed``, ``block-missing`` (only without waiting) or
    ``snapshot-not-available``; ``RemoteProtocolError`` when the log's blocks are no
    tree; and the log's own, ``request-timeout`` among them.
    """

    def __init__(
        self,
        trunk: Trunk,
        log: Log,
        *,
        version: int | None,
        keys: KeySpace,
        values: Codec,
        separator: bytes,
    ) -> None:
        self._trunk = trunk
        self._log = log
        self._version = version
        self._keys = keys
        self._values = values
        self._separator = separator

    @property
    def core(self) -> Log:
        """The log that it reads."""
        return self._log

    @property
    def version(self) -> int:
        """The log's length it shows, at least 1; grows with every write."""
        return max(1, self._log.length if self._version is None else self._version)

    @property
    def prefix(self) -> bytes:
        """What stored keys of this part begin with."""
        return self._keys.prefix

    async def get(
        self, key: Any, *, wait: bool = True, timeout_s: float | None = None
    ) -> Entry | None:
        """The entry of a key, or None.

        Args:
            key: As the key encoding takes it.
            wait: Whether to wait for peers that have what is not here.
            timeout_s: The longest to wait for one block.
        """
        encoded = self._keys.encode(key)
        for left in reversed(range(MAX_RETRIES)):
            version = await self._refresh()
            reader = self._trunk.getter(
                self._log, version, encoded, wait=wait, timeout_s=timeout_s
            )
            try:
                block = await reader.run(
                    find_in_version(reader.shelf, version, encoded)
                )
            except LocalProtocolError as error:
                if error.code != SNAPSHOT_GONE or self._version is not None or not left:
                    raise
            else:
                return None if block is None else self._entry(block)
            finally:
                reader.stop()
        raise AssertionError("the last try returns or raises")

    async def get_by_seq(
        self, seq: int, *, wait: bool = True, timeout_s: float | None = None
    ) -> Entry:
        """What a block wrote; its value is None for a deletion."""
        if not 0 < seq < self.version:
            raise LocalProtocolError(
                f"there is no entry {seq} in this version", code="bad-argument"
            )
        reader = self._trunk.walker(self._log, wait=wait, timeout_s=timeout_s)
        history = History(reader.shelf, seq, seq + 1)
        (block,) = await reader.run(history.take(1))
        if not block.key.startswith(self._keys.prefix):
            raise LocalProtocolError(
                f"block {seq} is not of this part", code="bad-argument"
            )
        return self._entry(block)

    async def peek(
        self,
        *,
        gt: Any = None,
        gte: Any = None,
        lt: Any = None,
        lte: Any = None,
        reverse: bool = False,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Entry | None:
        """The first entry of a range, the last with ``reverse``; or None."""
        bounds = self._keys.bounds(gt, gte, lt, lte)
        entries = self._range(
            bounds, reverse=reverse, limit=1, wait=wait, timeout_s=timeout_s
        )
        try:
            async for entry in entries:
                return entry
            return None
        finally:
            await entries.aclose()

    def range(
        self,
        *,
        gt: Any = None,
        gte: Any = None,
        lt: Any = None,
        lte: Any = None,
        reverse: bool = False,
        limit: int | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Entry, None]:
        """The entries between two keys in order, of all keys where an end is open.

        Args:
            gt: Keys greater than this.
            gte: Keys from this on.
            lt: Keys smaller than this.
            lte: Keys up to this.
            reverse: Whether to begin with the greatest.
            limit: At most so many.
            wait: Whether to wait for peers that have what is not here.
            timeout_s: The longest to wait for one block.
        """
        return self._range(
            self._keys.bounds(gt, gte, lt, lte),
            reverse=reverse,
            limit=limit,
            wait=wait,
            timeout_s=timeout_s,
        )

    async def history(
        self,
        *,
        gt: int | None = None,
        gte: int | None = None,
        lt: int | None = None,
        lte: int | None = None,
        reverse: bool = False,
        limit: int | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[HistoryEntry, None]:
        """What was written, oldest first; of this part only.

        Args:
            gt: Blocks after this; negative numbers count from the version.
            gte: Blocks from this on.
            lt: Blocks before this.
            lte: Blocks up to this.
            reverse: Whether to begin with the newest.
            limit: At most so many.
            wait: Whether to wait for peers that have what is not here.
            timeout_s: The longest to wait for one block.
        """
        version = await self._refresh()
        start, end = history_bounds(version, gt, gte, lt, lte)
        log = self._snapshot_log()
        reader = None
        try:
            reader = self._trunk.walker(log, wait=wait, timeout_s=timeout_s)
            history = History(reader.shelf, start, end, reverse=reverse)
            prefix = self._keys.prefix
            while limit is None or limit > 0:
                blocks = await reader.run(history.take(MAX_TAKEN))
                if not blocks:
                    return
                mine = [block for block in blocks if block.key.startswith(prefix)]
                for block in mine if limit is None else mine[:limit]:
                    kind: Literal["put", "del"] = (
                        "del" if block.is_deletion() else "put"
                    )
                    yield HistoryEntry(kind, *self._entry(block))
                if limit is not None:
                    limit -= len(mine)
        finally:
            if reader is not None:
                reader.stop()
            await self._release(log)

    async def diff(
        self,
        other: int | View,
        *,
        gt: Any = None,
        gte: Any = None,
        lt: Any = None,
        lte: Any = None,
        limit: int | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Difference, None]:
        """Keys whose entries differ here (``left``) and in another version (``right``).

        What both versions share is not read.

        Args:
            other: A version, or a view of the same log.
            gt: Keys greater than this.
            gte: Keys from this on.
            lt: Keys smaller than this.
            lte: Keys up to this.
            limit: At most so many.
            wait: Whether to wait for peers that have what is not here.
            timeout_s: The longest to wait for one block.
        """
        bounds = self._keys.bounds(gt, gte, lt, lte)
        version = await self._refresh()
        if isinstance(other, View):
            if other._trunk is not self._trunk:
                raise LocalProtocolError(
                    "only versions of one log can be compared", code="bad-argument"
                )
            newest = other if other.version > version else self
            second = other.version
        else:
            newest, second = self, max(1, other)
        log = newest._snapshot_log()
        reader = None
        try:
            reader = self._trunk.walker(log, wait=wait, timeout_s=timeout_s)
            left = await reader.run(load_root(reader.shelf, version))
            right = await reader.run(load_root(reader.shelf, second))
            walk = DiffWalk(reader.shelf, left, right, bounds, limit=limit)
            while pairs := await reader.run(walk.take(MAX_TAKEN)):
                for one, two in pairs:
                    yield Difference(
                        None if one is None else self._entry(one),
                        None if two is None else self._entry(two),
                    )
        finally:
            if reader is not None:
                reader.stop()
            await newest._release(log)

    async def header(
        self, *, wait: bool = True, timeout_s: float | None = None
    ) -> Header | None:
        """The first block; None when nothing was written yet, or it is not here."""
        if self._log.length == 0:
            return None
        data = await self._log.get(0, wait=wait, timeout_s=timeout_s)
        return None if data is None else decode_header(data)

    def checkout(
        self,
        version: int,
        *,
        key_encoding: str | Codec | None = None,
        value_encoding: str | Codec | None = None,
    ) -> Snapshot:
        """The bee as it was at a version; close it in the end.

        A version beyond the log's length is waited for when it is read.
        """
        version = max(1, version)
        keys = self._keys
        if key_encoding is not None:
            keys = KeySpace(key_encoding, keys.prefix)
        values = self._values if value_encoding is None else codec(value_encoding)
        owned = version <= self._log.length
        return Snapshot(
            self._trunk,
            self._log.snapshot() if owned else self._log,
            version=version,
            keys=keys,
            values=values,
            separator=self._separator,
            owned=owned,
        )

    def snapshot(self) -> Snapshot:
        """The bee as it is now; close it in the end."""
        return self.checkout(self.version)

    def _sub_keys(
        self,
        prefix: str | bytes,
        sep: str | bytes | None,
        encoding: str | Codec | None,
    ) -> KeySpace:
        separator = self._separator if sep is None else sep
        if isinstance(separator, str):
            separator = separator.encode()
        return self._keys.sub(prefix, separator, encoding)

    async def _range(
        self,
        bounds: Bounds,
        *,
        reverse: bool,
        limit: int | None,
        wait: bool,
        timeout_s: float | None,
    ) -> AsyncGenerator[Entry, None]:
        version = await self._refresh()
        log = self._snapshot_log()
        reader = None
        try:
            walk = Walk(version, bounds, limit=limit, reverse=reverse)
            reader = self._trunk.walker(log, wait=wait, timeout_s=timeout_s, walk=walk)
            root = await reader.run(load_root(reader.shelf, version))
            cursor = walk.cursor = Cursor(
                reader.shelf, root, bounds, reverse=reverse, limit=limit
            )
            async for entry in self._entries(cursor, reader):
                yield entry
        finally:
            if reader is not None:
                reader.stop()
            await self._release(log)

    async def _entries(
        self, cursor: Cursor, reader: Reader
    ) -> AsyncGenerator[Entry, None]:
        count = 1
        while not cursor.ended:
            for block in await reader.run(cursor.take(count)):
                yield self._entry(block)
            count = min(2 * count, MAX_TAKEN)

    async def _refresh(self) -> int:
        """The version to read; a bee of somebody else looks for a newer one first."""
        if self._version is not None:
            return self._version
        if not self._log.writable:
            await self._log.update()
        return max(1, self._log.length)

    def _snapshot_log(self) -> Log:
        """A log that does not change: its own for a snapshot, else a new one."""
        return self._log.snapshot()

    async def _release(self, log: Log) -> None:
        """Give back what ``_snapshot_log`` gave."""
        if log is not self._log:
            await log.close()

    def _entry(self, block: Block) -> Entry:
        value = block.value
        return Entry(
            block.seq,
            self._keys.decode(block.key),
            None if value is None else self._values.decode(value),
        )


class Snapshot(View):
    """A bee at one version; nothing can be written through it."""

    def __init__(
        self,
        trunk: Trunk,
        log: Log,
        *,
        version: int,
        keys: KeySpace,
        values: Codec,
        separator: bytes,
        owned: bool,
    ) -> None:
        super().__init__(
            trunk, log, version=version, keys=keys, values=values, separator=separator
        )
        self._owned = owned

    def sub(
        self,
        prefix: str | bytes,
        *,
        sep: str | bytes | None = None,
        key_encoding: str | Codec | None = None,
        value_encoding: str | Codec | None = None,
    ) -> Snapshot:
        """A part of it; lives as long as this."""
        return Snapshot(
            self._trunk,
            self._log,
            version=self.version,
            keys=self._sub_keys(prefix, sep, key_encoding),
            values=self._values if value_encoding is None else codec(value_encoding),
            separator=self._separator,
            owned=False,
        )

    async def close(self) -> None:
        """Give its view of the log back."""
        if self._owned:
            self._owned = False
            await self._log.close()

    async def __aenter__(self) -> Snapshot:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _snapshot_log(self) -> Log:
        return self._log
