"""Many writes that go into the log together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

from store.errors import LocalProtocolError
from store.hyperbee.blocks import Block
from store.hyperbee.hyperbee.writing import WRITE_FAILED, Edit, Writer
from store.hyperbee.lookup import find
from store.hyperbee.ranges import Cursor
from store.hyperbee.records import Entry, Steps

if TYPE_CHECKING:
    from store.hyperbee.hyperbee.bee import Hyperbee

Compare = Callable[[Entry, Entry], bool]
"""``cas(previous, next)``: whether to replace an entry."""


class Batch:
    """Puts and deletions that happen all or not at all.

    The first of them takes the bee's lock, which is held until ``flush`` or ``close``;
    leaving ``async with`` flushes, unless an exception passes. Reads see what the batch
    wrote. Do not write while walking its range.
    """

    def __init__(self, bee: Hyperbee, writer: Writer) -> None:
        self._bee = bee
        self._writer = writer
        self._turn = asyncio.Lock()
        self._begun = False
        self._ended = False
        self._broken = False
        self._start = 0
        self._failure_count = 0

    async def put(
        self, key: Any, value: Any = None, *, cas: Compare | None = None
    ) -> int | None:
        """As ``Hyperbee.put``; durable only after ``flush``."""
        return await self._write(*self._bee._put_edit(key, value, cas))

    async def delete(self, key: Any, *, cas: Compare | None = None) -> int | None:
        """As ``Hyperbee.delete``; durable only after ``flush``."""
        return await self._write(*self._bee._delete_edit(key, cas))

    async def get(self, key: Any) -> Entry | None:
        """The entry of a key with what the batch wrote, or None."""
        if not self._begun:
            return await self._bee.get(key)
        encoded = self._bee._keys.encode(key)
        async with self._turn:
            self._check()
            block = await self._read(self._find(encoded))
        return None if block is None else self._bee._entry(block)

    async def range(
        self,
        *,
        gt: Any = None,
        gte: Any = None,
        lt: Any = None,
        lte: Any = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> AsyncGenerator[Entry, None]:
        """As ``Hyperbee.range``, with what the batch wrote."""
        async with self._turn:
            await self._begin()
            root = await self._read(self._writer.editor.load_root())
        bounds = self._bee._keys.bounds(gt, gte, lt, lte)
        cursor = Cursor(self._writer.pages, root, bounds, reverse=reverse, limit=limit)
        while not cursor.ended:
            async with self._turn:
                self._check()
                blocks = await self._read(cursor.take(1))
            for block in blocks:
                yield self._bee._entry(block)

    async def flush(self) -> None:
        """Write everything; returns when it is durable. The batch is over then."""
        async with self._turn:
            self._check()
            try:
                if self._begun:
                    await self._writer.flush(self._failure_count)
            finally:
                self._end()

    async def close(self) -> None:
        """Forget everything that was not flushed."""
        async with self._turn:
            if not self._ended:
                if self._begun:
                    self._writer.give_up(self._start)
                self._end()

    async def __aenter__(self) -> Batch:
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        if kind is None and not self._ended:
            await self.flush()
        await self.close()

    async def _write(
        self,
        key: bytes,
        value: bytes | None,
        edit: Edit,
    ) -> int | None:
        async with self._turn:
            await self._begin()
            self._broken = True
            seq = await self._writer.edit(edit)
            self._broken = False
            if seq is not None:
                self._writer.note(seq, key, value)
            return seq

    async def _begin(self) -> None:
        self._check()
        if self._begun:
            return
        writer = self._writer
        await writer.lock.acquire()
        prepared = False
        try:
            self._failure_count = await writer.prepare()
            prepared = True
        finally:
            if not prepared:
                writer.lock.release()
        self._begun = True
        self._start = writer.editor.length
        writer.start_appending()

    def _check(self) -> None:
        if self._ended:
            raise LocalProtocolError("the batch is over", code="session-closed")
        if self._broken:
            raise LocalProtocolError(
                "a write of the batch broke off; close it and begin again",
                code=WRITE_FAILED,
            )

    def _end(self) -> None:
        self._ended = True
        if self._begun:
            self._begun = False
            self._writer.lock.release()

    def _find(self, key: bytes) -> Steps[Block | None]:
        root = yield from self._writer.editor.load_root()
        return (yield from find(self._writer.pages, root, None, key))

    async def _read(self, steps: Steps[Any]) -> Any:
        return await self._writer.read(steps)
