"""The one writer of a bee: its lock, its editor, the blocks on their way to the log.

Writes go one after the other through the editor, whose tree is ahead of the log; their
blocks queue up while an append is under way and go out together in the next. So every
write is answered when it is durable, and many at once cost one commit. When an append
fails, everything that was built on it fails too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from store.errors import LocalProtocolError, RemoteProtocolError, StoreError
from store.hyperbee.blocks import (
    PROTOCOL,
    Block,
    decode_block,
    decode_header,
    encode_header,
)
from store.hyperbee.editor import Editor
from store.hyperbee.hyperbee.reading import Reader
from store.hyperbee.records import Log, Metadata, Steps
from store.hyperbee.shelf import Overlay, Shelf

T = TypeVar("T")

MAX_EDITED_KEY_BYTES = 64 * 1024
"""Keys that the editor keeps in its nodes."""

WRITE_FAILED = "write-failed"

Edit = Callable[[Editor], Steps[int | None]]
"""Begins a put or a deletion."""


class Writer:
    """Writes a bee's blocks, for all its parts.

    Attributes:
        editor: The newest state, ahead of the log; for whoever holds the lock.
        pages: Blocks in memory, those on their way included.
        lock: Held by a write until its block is queued, by a batch until it is durable.
    """

    def __init__(
        self, log: Log, shelf_for: Callable[[Log], Shelf], metadata: Metadata | None
    ) -> None:
        self._log = log
        self._shelf_for = shelf_for
        self._metadata = metadata
        self._pending: dict[int, Block] = {}
        self._shelf = shelf_for(log)
        self.pages = Overlay(
            self._shelf, self._pending, max_key_bytes=MAX_EDITED_KEY_BYTES
        )
        self.editor = Editor(self.pages)
        self.lock = asyncio.Lock()
        self._reader = Reader(log, self._shelf)
        self._fork = -1
        self._header_known = False
        self._failure_count = 0
        self._queue: list[bytes] = []
        self._queue_start = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._appending: asyncio.Task[None] | None = None
        self._closed = False

    async def write(self, edit: Edit) -> int | None:
        """Do one write; returns when it is durable.

        Returns:
            The block's number, or None when nothing was written.
        """
        async with self.lock:
            failure_count = await self.prepare()
            editor = self.editor
            whole = False
            try:
                seq = await self._reader.run(edit(editor))
                whole = True
            finally:
                if not whole:
                    # Half a change is in the tree: read it anew the next time.
                    editor.reset(editor.length)
            self._check_footing(failure_count)
            if seq is None:
                editor.forget_marks()
            else:
                (data,) = editor.take_blocks()
                self._queue.append(data)
                self._pending[seq] = decode_block(seq, data)
            durable = self._append_soon()
        if durable is not None:
            await durable
        return seq

    async def prepare(self) -> int:
        """Bring the editor to the log's state; the lock is held.

        Returns:
            What ``flush`` wants to know.

        Raises:
            LocalProtocolError: Nothing can be written here.
        """
        log, editor = self._log, self.editor
        if self._closed:
            raise LocalProtocolError("the bee is closed", code="session-closed")
        if not log.writable:
            raise LocalProtocolError(
                "only the writer of this bee can change it", code="not-writable"
            )
        if self._appending is None and not self._queue:
            length, fork = log.length, log.fork
            if editor.length != length or self._fork != fork:
                self._shelf_for(log)
                self._reader = Reader(log, self._shelf)
                self._fork = fork
                self._queue_start = length
                editor.reset(length)
        if editor.length == 0:
            self._queue.append(encode_header(self._metadata))
            self._header_known = True
            editor.reset(1)
        elif not self._header_known:
            await self._check_header()
        return self._failure_count

    async def edit(self, edit: Edit) -> int | None:
        """Do one write of a batch; the lock is held and ``prepare`` was called.

        Returns:
            The block's number, or None when nothing was written.
        """
        return await self._reader.run(edit(self.editor))

    async def read(self, steps: Steps[T]) -> T:
        """Read the newest state; the lock is held."""
        return await self._reader.run(steps)

    def note(self, seq: int, key: bytes, value: bytes | None) -> None:
        """Let reads of a batch find what it wrote."""
        self._pending[seq] = Block(seq, key, value)

    async def flush(self, failure_count: int) -> None:
        """Append a batch's blocks, all or none; returns when they are durable."""
        if failure_count != self._failure_count:
            # Only the batch wrote since: it holds the lock.
            self._pending.clear()
        self._check_footing(failure_count)
        self._queue += self.editor.take_blocks()
        self.editor.forget_marks()
        durable = self._append_soon()
        if durable is not None:
            await durable

    def start_appending(self) -> None:
        """Send off what ``prepare`` may have queued."""
        durable = self._append_soon()
        if durable is not None:
            # A failure is met by whoever flushes.
            durable.add_done_callback(lambda future: future.exception())

    def give_up(self, length: int) -> None:
        """Forget a batch's writes from a length on; the lock is held."""
        for seq in [seq for seq in self._pending if seq >= length]:
            del self._pending[seq]
        self.editor.reset(length)

    async def close(self) -> None:
        """Refuse new writes, and finish what is being appended."""
        self._closed = True
        if self._appending is not None:
            await asyncio.wait([self._appending])

    async def _check_header(self) -> None:
        """Refuse to write into a log that is something else."""
        data = await self._log.get(0, wait=False)
        if data is not None:
            try:
                protocol = decode_header(data).protocol
            except RemoteProtocolError:
                protocol = ""
            if protocol != PROTOCOL:
                raise LocalProtocolError(
                    "the log holds something else than a bee", code="not-a-bee"
                )
        self._header_known = True

    def _check_footing(self, failure_count: int) -> None:
        if failure_count != self._failure_count:
            raise LocalProtocolError(
                "an earlier write failed, and this one was built on it",
                code=WRITE_FAILED,
            )

    def _append_soon(self) -> asyncio.Future[None] | None:
        """Have the queue appended; the future tells when it is durable."""
        if not self._queue:
            return None
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(durable)
        if self._appending is None:
            self._appending = asyncio.create_task(self._append_all())
        return durable

    async def _append_all(self) -> None:
        waiters: list[asyncio.Future[None]] = []
        failure: StoreError | OSError | None = None
        done = False
        try:
            while self._queue:
                waiters, self._waiters = self._waiters, []
                blocks, self._queue = self._queue, []
                await self._append(blocks)
                for waiter in waiters:
                    if not waiter.done():
                        waiter.set_result(None)
            done = True
        except (StoreError, OSError) as error:
            failure = error
        finally:
            self._appending = None
            if not done:
                self._failed(waiters, failure)

    async def _append(self, blocks: list[bytes]) -> None:
        start = self._queue_start
        if self._log.length != start or self._log.fork != self._fork:
            raise _changed()
        appended = await self._log.append(blocks)
        self._queue_start = start + len(blocks)
        if appended.length != self._queue_start:
            raise _changed()
        for seq in range(start, self._queue_start):
            block = self._pending.pop(seq, None)
            # What a batch noted lacks the nodes.
            if block is not None and block.level_count:
                self._shelf.add(block)

    def _failed(
        self,
        waiters: list[asyncio.Future[None]],
        error: StoreError | OSError | None,
    ) -> None:
        """Nothing that was built on a failed append may go into the log."""
        self._failure_count += 1
        self._fork = -1
        self._pending.clear()
        self._queue.clear()
        waiting = [*waiters, *self._waiters]
        self._waiters = []
        if error is None:
            error = LocalProtocolError("the write was broken off", code=WRITE_FAILED)
        for waiter in waiting:
            if not waiter.done():
                waiter.set_exception(error)


def _changed() -> LocalProtocolError:
    return LocalProtocolError("the log was changed by somebody else", code=WRITE_FAILED)
