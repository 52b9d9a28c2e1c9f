"""A write-ahead log cut at every 512 bytes: each cut opens to a consistent prefix.

That is what a power cut leaves of a file that was only being appended to. Whatever was
acknowledged when the file was as long as the cut is there, with the tree and the
signature of exactly that; nothing half.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from store.database import Synchronous
from store.hypercore.directory import DATABASE_NAME
from store.hypercore.merkle_tree import TreeBatch, tree_hash
from tests.core.log_writer import make_block, open_log

STEP_BYTES = 512
STORAGE_KEY = bytes(range(32))
BATCHES = (1, 1, 40, 1, 7, 1, 100, 1, 1, 20)
WAL_NAME = DATABASE_NAME + "-wal"


@dataclass(frozen=True)
class Written:
    """A log as a cut-off machine has it on its disk."""

    acknowledged: list[tuple[int, int]]
    """Length of the write-ahead log when a length of ours was acknowledged, and it."""
    folder: Path


async def write(folder: Path, aside: Path, key: bytes | None) -> Written:
    """Write a log, and copy its files while it is open."""
    core = await open_log(folder, key, Synchronous.FULL)
    acknowledged = []
    for count in BATCHES:
        start = core.length
        await core.append([make_block(start + place, 0) for place in range(count)])
        acknowledged.append(((folder / WAL_NAME).stat().st_size, core.length))
    aside.mkdir()
    for name in (DATABASE_NAME, WAL_NAME):
        shutil.copyfile(folder / name, aside / name)
    await core.close()
    sizes = [size for size, _ in acknowledged]
    assert sizes == sorted(set(sizes)), "a checkpoint came between"
    return Written(acknowledged, aside)


async def look_at_cut(
    written: Written, folder: Path, cut: int, key: bytes | None
) -> int:
    """Open the log as it is when all behind the cut is lost; returns its length."""
    folder.mkdir()
    shutil.copyfile(written.folder / DATABASE_NAME, folder / DATABASE_NAME)
    with (written.folder / WAL_NAME).open("rb") as wal:
        (folder / WAL_NAME).write_bytes(wal.read(cut))
    core = await open_log(folder, key, Synchronous.NORMAL)
    try:
        safe = [length for size, length in written.acknowledged if size <= cut]
        assert core.length >= max(safe, default=0), "an acknowledged block is lost"
        assert core.length in {0, *(length for _, length in written.acknowledged)}
        blocks = await core.core.blocks(range(core.length))
        tree = TreeBatch()
        for index in range(core.length):
            assert blocks[index] == make_block(index, 0)
            tree.append(blocks[index])
        assert await core.tree_hash() == tree_hash(tree.roots)
        assert core.contiguous_length == core.length
        # It goes on from there.
        await core.append(make_block(core.length, 0))
        return core.length - 1
    finally:
        await core.close()


@pytest.mark.slow
@pytest.mark.parametrize("key", [None, STORAGE_KEY], ids=["plain", "encrypted"])
async def test_every_cut_opens_to_a_consistent_prefix(
    tmp_path: Path, key: bytes | None
) -> None:
    written = await write(tmp_path / "whole", tmp_path / "aside", key)
    size = written.acknowledged[-1][0]
    cuts = [*range(0, size, STEP_BYTES), size]
    random.Random(0).shuffle(cuts)
    lengths = {}
    for cut in cuts:
        folder = tmp_path / f"cut-{cut}"
        try:
            lengths[cut] = await look_at_cut(written, folder, cut, key)
        except AssertionError as error:
            raise AssertionError(f"cut at {cut} of {size}: {error}") from error
        await asyncio.to_thread(shutil.rmtree, folder)
    in_order = [lengths[cut] for cut in sorted(lengths)]
    assert in_order == sorted(in_order), "a longer file holds less"
    assert set(in_order) >= {length for _, length in written.acknowledged}
    print(f"{len(cuts)} cuts of {size} bytes")
