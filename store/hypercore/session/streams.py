"""Blocks and bytes of a log one after the other, fetched ahead of who reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from store.errors import LocalProtocolError
from store.hypercore.events import Appended, Closed

if TYPE_CHECKING:
    from store.hypercore.session.download import Download
    from store.hypercore.session.hypercore import Hypercore

AHEAD_BLOCKS = 64
"""Blocks that are fetched from peers ahead of the reader."""


async def read_blocks(
    log: Hypercore, start: int, end: int | None, *, live: bool
) -> AsyncIterator[bytes]:
    """Yield blocks in order; see ``Hypercore.read``."""
    index = start
    wishes = _Ahead(log)
    try:
        while end is None or index < end:
            if index >= log.length and not live:
                return
            if index >= log.length and log.writable:
                await _grown(log, index)
                continue
            wishes.reach(index, log.length if end is None else end)
            block = await log.get(index)
            assert block is not None, "it was waited for"
            yield block
            index += 1
    finally:
        wishes.close()


async def read_bytes(
    log: Hypercore, offset: int, length: int | None
) -> AsyncIterator[bytes]:
    """Yield pieces of bytes in order; see ``Hypercore.read_bytes``."""
    left = length
    if left == 0:
        return
    if left is None and offset == log.byte_length:
        return
    index, skipped = await log.seek(offset)
    end = log.length if left is None else None
    wishes = _Ahead(log)
    try:
        while left is None or left > 0:
            if end is not None and index >= end:
                return
            wishes.reach(index, log.length if end is None else end)
            block = await log.get(index)
            assert block is not None, "it was waited for"
            piece = block[skipped:] if left is None else block[skipped : skipped + left]
            skipped = 0
            index += 1
            if left is not None:
                left -= len(piece)
            if piece:
                yield piece
    finally:
        wishes.close()


class _Ahead:
    """A download that runs some blocks ahead of a reader."""

    def __init__(self, log: Hypercore) -> None:
        self._log = log
        self._until = 0
        self._downloads: list[Download] = []

    def reach(self, index: int, end: int) -> None:
        """See that what follows a block is on its way."""
        if index + AHEAD_BLOCKS // 2 < self._until or index >= end:
            return
        start = max(index, self._until)
        self._until = min(index + AHEAD_BLOCKS, end)
        if start >= self._until or not self._log.peers:
            return
        self._downloads = [it for it in self._downloads if not it.finished]
        self._downloads.append(self._log.download(start, self._until, linear=True))

    def close(self) -> None:
        """Fetch no further."""
        for download in self._downloads:
            download.close()


async def _grown(log: Hypercore, index: int) -> None:
    """Wait until the log is longer than ``index``."""
    events = log.events()
    if log.length > index:
        return
    async for event in events:
        if isinstance(event, Appended) and event.length > index:
            return
        if isinstance(event, Closed):
            raise LocalProtocolError("the session is closed", code="session-closed")
