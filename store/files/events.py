"""What is told about files: values, and who hears them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeAlias
from weakref import WeakSet

MAX_EVENTS = 1024
"""Events that wait for one listener; the oldest make room."""


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file that is a core."""

    key: bytes
    """The core's: who knows it may fetch what the blocks are."""
    block_key: bytes | None
    """Reads encrypted blocks; None when they are not encrypted."""
    size: int | None
    """Bytes; None for one being fetched of which nothing is known yet."""
    name: str
    length: int
    """Blocks; 0 while not known."""
    path: str
    """Where it lies, or shall lie once all of it is there."""


@dataclass(frozen=True, slots=True)
class FileChanged:
    """The file has other bytes than those shared, or looks as if: not served."""

    key: bytes
    path: str


@dataclass(frozen=True, slots=True)
class FileGone:
    """The file is not where it was, or its disk is not."""

    key: bytes
    path: str


@dataclass(frozen=True, slots=True)
class FileRestored:
    """A file that was gone or looked changed is there, with the bytes shared."""

    key: bytes
    path: str


@dataclass(frozen=True, slots=True)
class FileFetched:
    """All of a file has arrived and has its name."""

    key: bytes
    path: str


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """A file that was being fetched waits for somebody to do something."""

    key: bytes
    code: str
    """Why: the error's code."""


FileEvent: TypeAlias = FileChanged | FileGone | FileRestored | FileFetched | FetchFailed


class EventFan:
    """Hands each event to every listener, each with a bounded queue of its own."""

    def __init__(self) -> None:
        """Begin without listeners."""
        self._listeners: WeakSet[_Listener] = WeakSet()
        self._closed = False

    def emit(self, event: FileEvent) -> None:
        """Tell everybody; the loop's thread."""
        for listener in self._listeners:
            listener.waiting.append(event)
            listener.news.set()

    def close(self) -> None:
        """End every listener's iteration once it has heard what waits."""
        self._closed = True
        for listener in self._listeners:
            listener.ended = True
            listener.news.set()

    def listen(self) -> AsyncIterator[FileEvent]:
        """Events from this call on."""
        listener = _Listener(ended=self._closed)
        self._listeners.add(listener)
        return listener


class _Listener:
    """One who hears events; forgotten with the last reference to it."""

    def __init__(self, *, ended: bool) -> None:
        self.waiting: deque[FileEvent] = deque(maxlen=MAX_EVENTS)
        self.news = asyncio.Event()
        self.ended = ended

    def __aiter__(self) -> _Listener:
        return self

    async def __anext__(self) -> FileEvent:
        while not self.waiting:
            if self.ended:
                raise StopAsyncIteration
            self.news.clear()
            await self.news.wait()
        return self.waiting.popleft()
