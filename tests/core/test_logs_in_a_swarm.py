"""The public faces together: logs and drives between two peers of a swarm."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from net import DHT, Connection, Swarm
from store import Corestore, Hypercore, Hyperdrive

LOOPBACK = "127.0.0.1"
LIMIT_S = 90.0


@asynccontextmanager
async def met(
    topic: bytes, *sharers: Callable[[Connection], object]
) -> AsyncIterator[None]:
    """Each sharer gets every connection of a swarm of its own at the topic."""

    async def share(replicate: Callable[[Connection], object], port: int) -> None:
        async with Swarm(bootstrap=[(LOOPBACK, port)]) as swarm:
            await swarm.join(topic)
            async for connection in swarm.connections():
                replicate(connection)

    async with DHT.bootstrapper(0, LOOPBACK) as first:
        tasks = [asyncio.create_task(share(it, first.port)) for it in sharers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def test_a_log_is_read_sparsely_and_live_by_its_key_alone(tmp_path: Path) -> None:
    written = await Hypercore.open(tmp_path / "written")
    await written.append([b"hello", b"world"])
    async with (
        written,
        await Hypercore.open(tmp_path / "read", written.key) as read,
        met(written.discovery_key, written.replicate, read.replicate),
    ):
        assert await read.get(1, timeout_s=LIMIT_S) == b"world"
        assert not await read.has(0)
        waiting = asyncio.create_task(read.get(2, timeout_s=LIMIT_S))
        await written.append(b"live")
        assert await waiting == b"live"
        async with asyncio.timeout(LIMIT_S):
            await read.download(0, 3)
        assert (await read.info()).contiguous_length == 3


async def test_a_drive_is_read_through_the_store_of_another_peer(
    tmp_path: Path,
) -> None:
    picture = bytes(range(256)) * 1024
    async with (
        await Corestore.open(tmp_path / "here") as here,
        await Corestore.open(tmp_path / "there") as there,
        await Hyperdrive.open(here) as drive,
    ):
        await drive.put("/pictures/bird.raw", picture)
        async with (
            await Hyperdrive.open(there, drive.key) as copy,
            met(drive.discovery_key, here.replicate, there.replicate),
            asyncio.timeout(LIMIT_S),
        ):
            while not await copy.update(wait=True):
                await asyncio.sleep(0)
            assert await copy.get("/pictures/bird.raw") == picture
            assert [it.path async for it in copy.list("/")] == ["/pictures/bird.raw"]
            assert await copy.get("/pictures/cat.raw") is None
