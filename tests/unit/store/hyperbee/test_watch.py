"""Being told of changes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from store.errors import LocalProtocolError
from store.hyperbee import Hyperbee
from tests.unit.store.hyperbee.memory_log import MemoryLog


async def settled() -> None:
    """Let everything happen."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_a_range_tells_of_changes_within_it_only() -> None:
    log = MemoryLog()
    bee = Hyperbee(log)
    await bee.put(b"a", b"1")
    watcher = bee.watch(gte=b"m")
    waiting = asyncio.create_task(anext(watcher))
    await settled()
    await bee.put(b"b", b"2")
    await settled()
    assert not waiting.done()
    await bee.put(b"n", b"3")
    current, previous = await waiting
    assert (current.version, previous.version) == (4, 3)
    assert await current.get(b"n") == (3, b"n", b"3")
    assert await previous.get(b"n") is None
    await bee.put(b"o", b"4")
    await bee.put(b"p", b"5")
    following, before = await anext(watcher)
    assert (following.version, before.version) == (6, 4)
    await watcher.close()
    with pytest.raises(StopAsyncIteration):
        await anext(watcher)
    assert log.open_snapshots == 0
    await bee.close()


async def test_truncation_is_a_change() -> None:
    log = MemoryLog()
    bee = Hyperbee(log)
    for number in range(5):
        await bee.put(b"%d" % number)
    async with bee.watch() as watcher:
        await log.truncate(3)
        current, previous = await anext(watcher)
        assert (current.version, previous.version) == (3, 6)
    await bee.close()


async def test_closing_ends_those_who_wait() -> None:
    log = MemoryLog()
    bee = Hyperbee(log)
    watcher, other = bee.watch(), bee.watch()
    entry = await bee.get_and_watch(b"k")

    async def drain(items: Any) -> int:
        return len([item async for item in items])

    waiting = [asyncio.create_task(drain(item)) for item in (watcher, other, entry)]
    await settled()
    await other.close()
    assert await waiting[1] == 0
    await bee.close()
    assert await waiting[0] == 0
    assert await waiting[2] == 0
    assert log.open_snapshots == 0
    with pytest.raises(LocalProtocolError):
        bee.watch()
    with pytest.raises(LocalProtocolError):
        await bee.get_and_watch(b"k")


async def test_the_end_of_the_log_ends_watching() -> None:
    log = MemoryLog()
    bee = Hyperbee(log)
    watcher = bee.watch()
    waiting = asyncio.create_task(anext(watcher))
    await settled()
    await log.close()
    with pytest.raises(StopAsyncIteration):
        await waiting
    await bee.close()
    # Everything else ends with the bee.
    with pytest.raises(LocalProtocolError):
        await bee.put(b"k")
    assert [extension.closed for extension in log.extensions] == [True]


async def test_closing_ends_an_entry_that_is_being_read() -> None:
    log = MemoryLog()
    bee = Hyperbee(log, extension=False)
    await bee.put(b"k", b"1")
    watcher = await bee.get_and_watch(b"k")
    waiting = asyncio.create_task(anext(watcher))
    await settled()
    reading = asyncio.Event()

    async def read(index: int, **options: Any) -> bytes:
        reading.set()
        await asyncio.Event().wait()
        raise AssertionError((index, options))

    log.get = read  # type: ignore[method-assign, assignment]
    log.length += 1
    log._tell("appended")
    await reading.wait()
    await bee.close()
    waiting.cancel()
    await asyncio.wait([waiting])
    with pytest.raises(StopAsyncIteration):
        await anext(watcher)


async def test_an_entry_keeps_up() -> None:
    log = MemoryLog()
    bee = Hyperbee(log, key_encoding="utf-8", value_encoding="utf-8")
    async with await bee.get_and_watch("k") as watcher:
        assert watcher.entry is None
        waiting = asyncio.create_task(anext(watcher))
        await bee.put("other", "x")
        await settled()
        assert not waiting.done()
        await bee.put("k", "1")
        assert await waiting == (2, "k", "1")
        await bee.delete("k")
        assert await anext(watcher) is None
        await bee.put("k", "2")
        assert await anext(watcher) == (4, "k", "2")
        await log.truncate(3)
        assert await anext(watcher) == (2, "k", "1")
        assert watcher.entry == (2, "k", "1")
    await bee.close()
