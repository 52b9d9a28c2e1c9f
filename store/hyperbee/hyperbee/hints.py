"""The ``hyperbee`` extension: asks peers which blocks a read touches, and tells them.

A reader that has to wait for its first block says what it is looking for; a peer that
has the tree walks it and names the blocks, which the reader then fetches all at once
instead of level by level. Answers are hints and nothing more: no more is fetched than
what was asked for could need, and a question that cannot be answered from what is
stored here is answered as far as that goes.

Follows npm hyperbee 2.27.3 ``lib/extension.js``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

from store.errors import RemoteProtocolError, StoreError
from store.hyperbee.blocks import Block
from store.hyperbee.hyperbee.reading import Reader
from store.hyperbee.lookup import find_in_version, load_root
from store.hyperbee.messages import (
    CacheHint,
    GetRequest,
    IteratorRequest,
    decode_message,
    decode_payload,
    encode_cache,
    encode_get,
    encode_iterator,
    encode_payload,
)
from store.hyperbee.ranges import Cursor
from store.hyperbee.records import Log, LogDownload, LogExtension
from store.hyperbee.shelf import Shelf

NAME = "hyperbee"

HINTED_PER_MESSAGE = 128
HINTED_PER_WALK = 2_048
"""After so many blocks a walk asks again."""

MAX_HINTED_PER_WALK = HINTED_PER_WALK + HINTED_PER_MESSAGE
"""An answer names at most so many, and as many are believed."""

MAX_BELIEVED = 4 * MAX_HINTED_PER_WALK
"""Blocks that peers may still name, however much was asked for."""

MAX_QUESTIONS = 32
"""Waiting to be answered; further ones are dropped."""

MAX_DOWNLOADS = 64
"""Hints being followed; the oldest are let go."""

MAX_ANSWER_CACHE_BYTES = 4 * 1024 * 1024

Question = tuple[GetRequest | IteratorRequest, Any]


class _Visited(Shelf):
    """A shelf of its own for one answer, which lists what was put on it."""

    __slots__ = ("seqs",)

    def __init__(self) -> None:
        super().__init__(max_bytes=MAX_ANSWER_CACHE_BYTES)
        self.seqs: dict[int, None] = {}


class Hints:
    """Asks and answers on one log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._believed = 0
        self._downloads: deque[LogDownload] = deque()
        self._questions: deque[Question] = deque()
        self._answering: asyncio.Task[None] | None = None
        self._closed = False
        self._extension: LogExtension = log.extension(NAME, self._received)

    def ask_get(self, request: GetRequest) -> None:
        """Ask which blocks a look-up touches."""
        self._ask(encode_get(request), HINTED_PER_MESSAGE)

    def ask_walk(self, request: IteratorRequest) -> None:
        """Ask which blocks a walk touches."""
        self._ask(encode_iterator(request), MAX_HINTED_PER_WALK)

    async def close(self) -> None:
        """Ask and answer no more."""
        if self._closed:
            return
        self._closed = True
        self._extension.close()
        self._questions.clear()
        while self._downloads:
            self._downloads.pop().close()
        if self._answering is not None:
            self._answering.cancel()
            await asyncio.wait([self._answering])

    def _ask(self, message: bytes, believed: int) -> None:
        if not self._closed:
            self._believed = min(self._believed + believed, MAX_BELIEVED)
            self._extension.broadcast(encode_payload(message))

    def _received(self, message: bytes, peer: Any) -> None:
        if self._closed:
            return
        try:
            hints = decode_message(decode_payload(message))
        except RemoteProtocolError:
            # An accelerator: what cannot be read helps nobody and harms nobody.
            return
        for hint in hints:
            if isinstance(hint, CacheHint):
                self._follow(hint)
            elif len(self._questions) < MAX_QUESTIONS:
                self._questions.append((hint, peer))
        if self._questions and self._answering is None:
            self._answering = asyncio.create_task(self._answer_all())

    def _follow(self, hint: CacheHint) -> None:
        length = self._log.length
        blocks = [seq for seq in hint.blocks[: self._believed] if 0 < seq < length]
        self._believed -= min(len(hint.blocks), self._believed)
        if not blocks:
            return
        if len(self._downloads) >= MAX_DOWNLOADS:
            self._downloads.popleft().close()
        self._downloads.append(self._log.download(blocks=blocks))

    async def _answer_all(self) -> None:
        try:
            while self._questions:
                question, peer = self._questions.popleft()
                seqs = await self._visited_by(question)
                for at in range(0, len(seqs), HINTED_PER_MESSAGE):
                    part = seqs[at : at + HINTED_PER_MESSAGE]
                    self._extension.send(encode_payload(encode_cache(part)), peer)
        finally:
            self._answering = None

    async def _visited_by(self, question: GetRequest | IteratorRequest) -> list[int]:
        """The blocks that a question touches, as far as they are stored here."""
        version = question.version
        if not 1 < version <= self._log.length:
            return []
        shelf = _Visited()
        reader = _LocalReader(self._log, shelf)
        # What is missing or malformed ends the answer; the asker will see for itself.
        with suppress(StoreError):
            if isinstance(question, GetRequest):
                await reader.run(find_in_version(shelf, version, question.key))
            else:
                await self._walk(question, shelf, reader)
        return list(shelf.seqs)[:MAX_HINTED_PER_WALK]

    async def _walk(
        self, question: IteratorRequest, shelf: _Visited, reader: Reader
    ) -> None:
        flat = question.checkpoint
        root = None
        if not flat:
            root = await reader.run(load_root(shelf, question.version))
        cursor = Cursor(
            shelf,
            root,
            question.bounds,
            reverse=question.reverse,
            limit=question.limit,
        )
        if flat:
            places = list(zip(flat[::3], flat[1::3], flat[2::3], strict=False))
            await reader.run(cursor.resume(places))
            # The asker has these already.
            shelf.seqs.clear()
        while not cursor.ended and len(shelf.seqs) < MAX_HINTED_PER_WALK:
            await reader.run(cursor.take(HINTED_PER_MESSAGE))


class _LocalReader(Reader):
    """Never waits for peers, and notes what it reads."""

    def __init__(self, log: Log, shelf: _Visited) -> None:
        super().__init__(log, shelf, wait=False)
        shelf.ahead = False
        self._visited = shelf.seqs

    def _take(self, seq: int, data: bytes) -> Block:
        self._visited[seq] = None
        return super()._take(seq, data)
