"""A bee in a hypercore on the disk, and its copy over a connection."""

from __future__ import annotations

from pathlib import Path

from store.database import Synchronous
from store.hyperbee import Hyperbee
from store.hyperbee.records import Log
from store.hypercore.session import Hypercore
from tests.unit.store.corestore.joined import connected


async def opened(folder: Path, key: bytes | None = None) -> Hypercore:
    """A core in a folder."""
    return await Hypercore.open(folder, key, synchronous=Synchronous.NORMAL)


def name(number: int) -> bytes:
    """A key."""
    return b"%04d" % number


async def test_a_bee_is_there_again(tmp_path: Path) -> None:
    async with await opened(tmp_path) as core:
        log: Log = core
        async with Hyperbee(log) as bee:
            for number in range(50):
                await bee.put(name(number), b"single")
            async with bee.batch() as batch:
                for number in range(40, 300):
                    await batch.put(name(number), b"batch")
            for number in range(0, 300, 7):
                await bee.delete(name(number))
            version = bee.version
    async with await opened(tmp_path) as core, Hyperbee(core) as bee:
        assert bee.version == version
        kept = [number for number in range(300) if number % 7]
        assert [entry.key async for entry in bee.range()] == [
            name(number) for number in kept
        ]
        entry = await bee.get(name(41))
        assert entry is not None
        assert entry.value == b"batch"
        async with bee.snapshot() as before:
            await core.truncate(20)
            assert [entry.key async for entry in bee.range()] == [
                name(number) for number in range(19)
            ]
            await bee.put(b"new", b"branch")
            assert len([pair async for pair in bee.diff(20)]) == 1
            assert before.version == version
        for number in range(10):
            await bee.put(name(number), b"again")
        assert await bee.clear_unlinked() > 0
        assert len([entry async for entry in bee.range()]) == 20


async def test_a_copy_reads_what_it_needs(tmp_path: Path) -> None:
    core = await opened(tmp_path / "a")
    bee = Hyperbee(core)
    async with bee.batch() as batch:
        for number in range(2_000):
            await batch.put(name(number * 7 % 2_000), b"value")
    copy = await opened(tmp_path / "b", core.key)
    left, right = connected()
    core.replicate(left)
    copy.replicate(right)
    theirs = Hyperbee(copy)
    await copy.update(wait=True)
    assert await theirs.get(name(1_234)) is not None
    stored = [await copy.has(seq) for seq in range(copy.length)]
    assert sum(stored) < 150
    keys = [entry.key async for entry in theirs.range(gte=name(500), lt=name(600))]
    assert keys == [name(number) for number in range(500, 600)]
    async with theirs.watch() as watcher:
        await bee.put(b"more", b"x")
        current, previous = await anext(watcher)
        assert current.version == previous.version + 1
    for item in (bee, theirs):
        await item.close()
    left.close()
    for log in (core, copy):
        await log.close()
