"""Downloads of many files: what keeps others back, and what becomes of failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from store.errors import EnvironmentFault, StoreError
from store.hyperdrive.download import MAX_WISHES, DriveDownload


class Wish:
    """Blocks that come at once, never, or not at all."""

    def __init__(self, error: StoreError | None = None, *, comes: bool = True) -> None:
        self.closed = asyncio.Event()
        self.error = error
        if comes:
            self.closed.set()

    async def done(self) -> None:
        await self.closed.wait()
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed.set()


async def test_a_file_that_nobody_has_keeps_none_back() -> None:
    missing = [Wish(comes=False) for _ in range(MAX_WISHES - 1)]
    asked = asyncio.Event()

    async def wishes() -> AsyncGenerator[Any, None]:
        for wish in missing:
            yield wish
        for _ in range(3 * MAX_WISHES):
            yield Wish()
        asked.set()

    download = DriveDownload(set(), wishes)
    async with asyncio.timeout(60):
        await asked.wait()
        await download.close()
    assert all(wish.closed.is_set() for wish in missing)


async def test_no_more_are_asked_for_at_a_time() -> None:
    made: list[Wish] = []

    async def wishes() -> AsyncGenerator[Any, None]:
        while True:
            made.append(Wish(comes=False))
            yield made[-1]

    download = DriveDownload(set(), wishes)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(made) == MAX_WISHES
    await download.close()


async def test_a_failure_ends_it_and_is_told() -> None:
    missing, full = Wish(comes=False), EnvironmentFault("full", code="disk-full")

    async def wishes() -> AsyncGenerator[Any, None]:
        yield missing
        yield Wish(full)
        yield Wish(full)

    download = DriveDownload(set(), wishes)
    with pytest.raises(EnvironmentFault):
        await download.done()
    assert missing.closed.is_set()
