"""Bits that flip on the disk: reported, never served, and repaired from a peer."""

from __future__ import annotations

import random
from pathlib import Path

import apsw
import pytest

from store.corestore import Corestore
from store.database import Synchronous
from store.errors import DatabaseCorruptError, StoreError
from store.hypercore.directory import DATABASE_NAME
from store.hypercore.events import VerificationFailed
from store.hypercore.session import Hypercore
from tests.core.log_writer import make_block, open_log
from tests.core.processes import PATIENCE_S
from tests.unit.store.files.stores import make_wire

BLOCKS = 300
KEY = bytes(range(32))
PAGE_BYTES = 4096
SEED = 20_261_121


def flip_rows(folder: Path, table: str, column: str, rows: list[int]) -> None:
    """Flip one bit in a column of some rows, as a disk would."""
    chance = random.Random(SEED)
    connection = apsw.Connection(str(folder / DATABASE_NAME))
    for id_ in rows:
        [(value,)] = connection.execute(
            f"SELECT {column} FROM {table} WHERE id & 0xffffffffff = ?", (id_,)
        ).fetchall()
        assert isinstance(value, bytes)
        changed = bytearray(value)
        changed[chance.randrange(len(value))] ^= 1 << chance.randrange(8)
        connection.execute(
            f"UPDATE {table} SET {column} = ? WHERE id & 0xffffffffff = ?",
            (bytes(changed), id_),
        )
    connection.close()


async def write_log(folder: Path, key: bytes | None = None) -> bytes:
    """Make the log that will be damaged; returns its key."""
    core = await open_log(folder, key, Synchronous.NORMAL)
    await core.append([make_block(index, 0) for index in range(BLOCKS)])
    name = core.key
    await core.close()
    return name


async def read_all(core: Hypercore) -> tuple[set[int], set[int]]:
    """The blocks that are given out, and those that are not; none may be wrong."""
    given, refused = set(), set()
    for index in random.Random(SEED).sample(range(BLOCKS), BLOCKS):
        try:
            block = await core.get(index, wait=False)
        except StoreError:
            block = None
        if block is None:
            refused.add(index)
        else:
            assert block == make_block(index, 0), f"block {index} is served damaged"
            given.add(index)
    return given, refused


async def test_damaged_blocks_are_reported_and_never_served(tmp_path: Path) -> None:
    await write_log(tmp_path)
    damaged = [0, 7, 128, 299]
    flip_rows(tmp_path, "core_block", "data", damaged)
    core = await open_log(tmp_path, None, Synchronous.NORMAL)
    events = core.events()
    given, refused = await read_all(core)
    assert refused == set(damaged)
    assert len(given) == BLOCKS - len(damaged)
    told = {(await anext(events)) for _ in range(2 * len(damaged))}
    assert {
        event.index for event in told if isinstance(event, VerificationFailed)
    } == set(damaged)
    assert (await core.info()).damaged_blocks == len(damaged)
    # And nothing is claimed any more that is not there.
    assert not await core.has(7)
    assert core.contiguous_length == 0
    await core.close()
    core = await open_log(tmp_path, None, Synchronous.NORMAL)
    assert not await core.has(7)
    assert await core.get(7, wait=False) is None
    await core.close()


@pytest.mark.parametrize("column", ["hash", "size"])
async def test_damaged_nodes_are_never_believed(tmp_path: Path, column: str) -> None:
    await write_log(tmp_path)
    chance = random.Random(SEED)
    # Leaves, inner nodes, and a pair of siblings; the roots have a test of their own.
    nodes = [14, 16, 18, *chance.sample(range(100, 500, 2), 5), 7, 131]
    if column == "hash":
        flip_rows(tmp_path, "core_node", "hash", nodes)
    else:
        connection = apsw.Connection(str(tmp_path / DATABASE_NAME))
        connection.executemany(
            "UPDATE core_node SET size = size + 1 WHERE id & 0xffffffffff = ?",
            [(index,) for index in nodes],
        )
        connection.close()
    core = await open_log(tmp_path, None, Synchronous.NORMAL)
    given, refused = await read_all(core)
    print(f"{len(refused)} of {BLOCKS} blocks are not given out")
    # What the blocks themselves can tell again is made good.
    assert len(given) > BLOCKS * 0.8
    await core.close()


async def test_damage_is_repaired_from_a_peer(tmp_path: Path) -> None:
    key = await write_log(tmp_path / "whole")
    await write_log(tmp_path / "hurt")
    flip_rows(tmp_path / "hurt", "core_block", "data", [3, 4, 5, 200])
    flip_rows(tmp_path / "hurt", "core_node", "hash", [40, 42, 44, 46, 300])
    async with (
        await Corestore.open(tmp_path / "whole") as whole,
        await Corestore.open(tmp_path / "hurt") as hurt,
    ):
        ends = make_wire()
        whole.replicate(ends[0])
        hurt.replicate(ends[1])
        core = await hurt.get(key)
        for index in range(BLOCKS):
            assert await core.get(index, timeout_s=PATIENCE_S) == make_block(index, 0)
        assert await core.has(0, BLOCKS)
        assert core.core.damaged_blocks >= 4
    # It is whole again without anybody's help.
    core = await open_log(tmp_path / "hurt", None, Synchronous.NORMAL)
    given, refused = await read_all(core)
    assert (len(given), refused) == (BLOCKS, set())
    await core.close()


async def test_damage_is_not_passed_on(tmp_path: Path) -> None:
    key = await write_log(tmp_path / "hurt")
    flip_rows(tmp_path / "hurt", "core_block", "data", [3, 4, 5, 200])
    async with (
        await Corestore.open(tmp_path / "hurt") as hurt,
        await Corestore.open(tmp_path / "asker") as asker,
    ):
        ends = make_wire()
        hurt.replicate(ends[0])
        asker.replicate(ends[1])
        await hurt.get(key)
        core = await asker.get(key)
        for index in (2, 6, 199, 299):
            assert await core.get(index, timeout_s=PATIENCE_S) == make_block(index, 0)
        for index in (3, 200):
            with pytest.raises(StoreError):
                await core.get(index, timeout_s=0.2)
        # The connection is not blamed for it.
        assert core.peers


def pages_of(path: Path) -> list[int]:
    return list(range(path.stat().st_size // PAGE_BYTES))


async def test_an_encrypted_file_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    await write_log(tmp_path, KEY)
    path = tmp_path / DATABASE_NAME
    whole = path.read_bytes()
    chance = random.Random(SEED)
    for page in chance.sample(pages_of(path), 12):
        changed = bytearray(whole)
        changed[page * PAGE_BYTES + chance.randrange(PAGE_BYTES)] ^= 1 << 3
        path.write_bytes(changed)
        with pytest.raises(DatabaseCorruptError):
            await open_log(tmp_path, KEY, Synchronous.NORMAL)
        assert path.read_bytes() == changed, "a damaged file was written to"
    path.write_bytes(whole)
    core = await open_log(tmp_path, KEY, Synchronous.NORMAL)
    assert await read_all(core) == (set(range(BLOCKS)), set())
    await core.close()


async def test_a_bit_that_flips_under_an_open_encrypted_file_is_never_served(
    tmp_path: Path,
) -> None:
    await write_log(tmp_path, KEY)
    core = await open_log(tmp_path, KEY, Synchronous.NORMAL)
    path = tmp_path / DATABASE_NAME
    chance = random.Random(SEED)
    with path.open("r+b") as file:
        for page in pages_of(path)[1:]:
            file.seek(page * PAGE_BYTES + chance.randrange(PAGE_BYTES))
            byte = file.read(1)
            file.seek(-1, 1)
            file.write(bytes([byte[0] ^ 1]))
    given, refused = await read_all(core)
    print(f"{len(refused)} of {BLOCKS} blocks are not given out")
    assert refused, "nothing of the damage was seen"
    assert given | refused == set(range(BLOCKS))
    await core.close()


async def test_nothing_is_built_on_a_damaged_root(tmp_path: Path) -> None:
    await write_log(tmp_path)
    flip_rows(tmp_path, "core_node", "hash", [255])
    core = await open_log(tmp_path, None, Synchronous.NORMAL)
    assert await read_all(core) == (set(), set(range(BLOCKS)))
    with pytest.raises(StoreError) as caught:
        await core.append(b"on what?")
    assert caught.value.code == "needs-repair"
    await core.close()


async def test_a_damaged_root_is_repaired_from_a_peer(tmp_path: Path) -> None:
    key = await write_log(tmp_path / "whole")
    await write_log(tmp_path / "hurt")
    flip_rows(tmp_path / "hurt", "core_node", "hash", [255, 543])
    async with (
        await Corestore.open(tmp_path / "whole") as whole,
        await Corestore.open(tmp_path / "hurt") as hurt,
    ):
        ends = make_wire()
        whole.replicate(ends[0])
        hurt.replicate(ends[1])
        core = await hurt.get(key)
        for index in range(BLOCKS):
            assert await core.get(index, timeout_s=PATIENCE_S) == make_block(index, 0)
    core = await open_log(tmp_path / "hurt", None, Synchronous.NORMAL)
    assert await read_all(core) == (set(range(BLOCKS)), set())
    await core.append(make_block(BLOCKS, 0))
    await core.close()
