"""Who replicates first, and finds nobody there, misses nothing of what comes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from store.corestore import Corestore
from store.database import Synchronous
from tests.unit.store.corestore.joined import connected

LIMIT_S = 60.0


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 10, 40])
async def test_a_wish_from_before_the_peer_replicates_is_granted(
    tmp_path: Path, turns: int
) -> None:
    left, right = [
        await Corestore.open(tmp_path / side, synchronous=Synchronous.NORMAL)
        for side in ("left", "right")
    ]
    async with asyncio.timeout(LIMIT_S):
        written = await left.get(name="log")
        await written.append([b"a", b"b"])
        read = await right.get(written.key)
        ends = connected()
        early = asyncio.create_task(read.get(1))
        right.replicate(ends[1])
        for _ in range(turns):
            await asyncio.sleep(0)
        left.replicate(ends[0])
        assert await early == b"b"
        assert await read.get(0) == b"a"
    await right.close()
    await left.close()
