"""Blobs on a core in memory: vectors, ranges, maps, and ids that lie."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hyperblobs import BlobId
from store.hyperblobs.hyperblobs import BATCH_BLOCKS, BATCH_BYTES, BLOCK_BYTES
from store.hypercore.records import MAX_BLOCK_BYTES
from tests.helpers.vectors import load_vectors
from tests.unit.store.hyperblobs.memory_core import MemoryCore, blobs_on

VECTORS = load_vectors("hyperblobs")
WRITES: dict[str, dict[str, Any]] = {
    "with block map": {"block_map": True},
    "dedup: 4 equal blocks stored once": {"dedup": True},
}


async def written() -> MemoryCore:
    """The vectors' core, written by us."""
    core = MemoryCore()
    blobs = blobs_on(core, block_bytes=VECTORS["blockSize"])
    letters = iter(b"abc_de")
    for case in VECTORS["cases"]:
        data = bytes([next(letters)]) * case["size"]
        blob = await blobs.put(data, **WRITES.get(case["name"], {}))
        assert blob.to_json() == case["id"], case["name"]
        assert (core.length, core.byte_length) == (
            case["coreLength"],
            case["coreByteLength"],
        )
    return core


async def test_blobs_are_written_as_upstream_writes_them() -> None:
    core = await written()
    assert [block.hex() for block in core.blocks] == VECTORS["blocks"]


async def test_a_blob_of_default_blocks() -> None:
    core = MemoryCore()
    big = VECTORS["bigBlob"]
    blob = await blobs_on(core).put(bytes(big["size"]))
    assert blob.to_json() == big["id"]
    assert [len(block) for block in core.blocks] == big["blockSizes"]
    assert VECTORS["defaultBlockSize"] == BLOCK_BYTES


@pytest.mark.parametrize("case", VECTORS["rangeReads"])
async def test_parts_are_read_as_upstream_reads_them(case: dict[str, Any]) -> None:
    blobs = blobs_on(MemoryCore([bytes.fromhex(block) for block in VECTORS["blocks"]]))
    part = await blobs.get(BlobId.from_json(case["id"]), **case["opts"])
    assert part == bytes.fromhex(case["hex"])


@given(
    st.lists(st.binary(min_size=1, max_size=9), max_size=8),
    st.integers(0, 40),
    st.integers(0, 40) | st.none(),
    st.booleans(),
)
async def test_parts_are_slices(
    chunks: list[bytes], start: int, length: int | None, mapped: bool
) -> None:
    blobs = blobs_on(MemoryCore([b"before"]))
    async with blobs.write_stream(dedup=mapped) as writer:
        for chunk in chunks:
            await writer.write(chunk)
    await blobs.put(b"behind")
    whole = b"".join(chunks)
    stop = len(whole) if length is None else start + length
    assert await blobs.get(writer.id) == whole
    assert await blobs.byte_length(writer.id) == len(whole)
    assert await blobs.get(writer.id, start=start, length=length) == whole[start:stop]
    if stop > start:
        assert (
            await blobs.get(writer.id, start=start, end=stop - 1) == (whole[start:stop])
        )


async def test_equal_blocks_of_the_version_before_are_used_again() -> None:
    core = MemoryCore()
    blobs = blobs_on(core, block_bytes=4)
    first = await blobs.put(b"aaaabbbbcccc", dedup=True)
    plain = await blobs.put(b"dddd")
    second = await blobs.put(b"aaaaXXXXcccc", dedup=True, previous=first)
    third = await blobs.put(b"dddd", dedup=True, previous=plain)
    assert await blobs.get(second) == b"aaaaXXXXcccc"
    assert await blobs.get(third) == b"dddd"
    assert [entry.block for entry in await blobs.block_map(second)] == [0, 5, 2]
    assert [entry.block for entry in await blobs.block_map(third)] == [4]


async def test_what_is_not_here_is_not_used_again() -> None:
    core = MemoryCore()
    blobs = blobs_on(core, block_bytes=4)
    first = await blobs.put(b"aaaabbbb", dedup=True)
    core.absent.add(0)
    second = await blobs.put(b"aaaabbbb", dedup=True, previous=first)
    assert [entry.block for entry in await blobs.block_map(second)] == [3, 1]
    core.absent.add(second.block_offset)
    third = await blobs.put(b"aaaa", dedup=True, previous=second)
    assert [entry.block for entry in await blobs.block_map(third)] == [5]


async def test_a_writer_holds_one_batch_and_excludes_others() -> None:
    core = MemoryCore()
    blobs = blobs_on(core)
    async with blobs.write_stream() as writer:
        assert blobs.locked
        other = asyncio.create_task(blobs.put(b"other"))
        for _ in range(BATCH_BLOCKS + 1):
            await writer.write(b"x")
        await writer.write(b"")
        assert core.appends == [BATCH_BLOCKS]
        await writer.write(bytes(BATCH_BYTES))
        assert core.appends == [BATCH_BLOCKS, 2]
    assert await other == BlobId(18, 1, 17 + BATCH_BYTES, 5)
    assert writer.id == BlobId(0, 18, 0, 17 + BATCH_BYTES)
    assert not blobs.locked


async def test_a_writer_that_fails_leaves_nothing_behind_that_counts() -> None:
    blobs = blobs_on(MemoryCore())
    writer = blobs.write_stream()
    with suppress(ZeroDivisionError):
        async with writer:
            await writer.write(b"lost")
            raise ZeroDivisionError
    assert not blobs.locked
    with pytest.raises(LocalProtocolError):
        _ = writer.id
    with pytest.raises(LocalProtocolError):
        await writer.write(b"late")
    assert await blobs.put(b"x") == BlobId(0, 1, 0, 1)


async def test_wishes_that_make_no_sense() -> None:
    core = MemoryCore()
    blobs = blobs_on(core)
    blob = await blobs.put(b"12345")
    for wish in ({"start": -1}, {"length": -1}, {"length": 1, "end": 2}):
        with pytest.raises(LocalProtocolError):
            await blobs.get(blob, **wish)  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError) as caught:
        await blobs.get(blob, max_bytes=4)
    assert caught.value.code == "too-large"
    with pytest.raises(LocalProtocolError) as caught:
        await blobs.get(BlobId(0, 2**30, 0, 2**40))
    assert caught.value.code == "too-large"
    assert core.wished == []
    with pytest.raises(LocalProtocolError):
        blobs_on(MemoryCore(), block_bytes=0)
    with pytest.raises(LocalProtocolError) as caught:
        await blobs_on(MemoryCore(writable=False)).put(b"x")
    assert caught.value.code == "not-writable"
    with pytest.raises(LocalProtocolError) as caught:
        async with blobs.write_stream() as writer:
            await writer.write(bytes(MAX_BLOCK_BYTES + 1))
    assert caught.value.code == "too-large"


async def test_not_waiting_for_what_is_missing() -> None:
    core = await written()
    blobs = blobs_on(core)
    plain = BlobId.from_json(VECTORS["cases"][2]["id"])
    mapped = BlobId.from_json(VECTORS["cases"][4]["id"])
    for absent, blob, start in ((3, plain, 0), (3, plain, 5), (6, mapped, 0)):
        core.absent = {absent}
        assert not await blobs.has(blob)
        assert await blobs.get(blob, start=start, wait=False) is None
        with pytest.raises(LocalProtocolError) as caught:
            async for _ in blobs.read(blob, start=start, wait=False):
                pass
        assert caught.value.code == "block-missing"
    core.absent = {mapped.block_offset}
    assert await blobs.get(mapped, wait=False) is None
    core.absent = set()
    assert await blobs.has(mapped)
    assert await blobs.has(plain)


async def test_the_rest_is_asked_for_at_once_and_taken_back_when_nobody_reads() -> None:
    core = await written()
    blobs = blobs_on(core)
    plain = BlobId.from_json(VECTORS["cases"][2]["id"])
    core.absent = {2, 3, 4}
    async with aclosing(blobs.read(plain)) as reading:
        async for _ in reading:
            break
    assert core.wished == [[2, 3, 4]]
    assert core.wishes[0].closed
    core.wished.clear()
    core.absent = {2, 3, 4}
    assert await blobs.get(plain, start=2, length=20) == b"c" * 20
    assert core.wished == [[2, 3]]
    core.wished.clear()
    core.absent = set()
    assert await blobs.get(plain) == b"c" * 40
    assert core.wished == []


async def test_downloads_name_the_blocks_with_the_bytes() -> None:
    core = await written()
    blobs = blobs_on(core)
    ids = [BlobId.from_json(case["id"]) for case in VECTORS["cases"]]
    await blobs.download(ids[2])
    await blobs.download(ids[5])
    assert await blobs.download(ids[3]) is None
    assert core.wished == [[2, 3, 4], [9, 9, 9, 9]]


async def test_clearing_frees_data_and_map() -> None:
    core = await written()
    blobs = blobs_on(core)
    ids = [BlobId.from_json(case["id"]) for case in VECTORS["cases"]]
    assert await blobs.clear(ids[4]) == 40 + 8
    assert core.absent == {5, 6, 7, 8}
    assert await blobs.clear(ids[4]) == 0
    assert await blobs.clear(ids[3]) == 0
    assert await blobs.clear(ids[0]) == 10
    assert await blobs.clear(BlobId(core.length - 1, 2**50, 0, 2**50)) == 10
    assert await blobs.clear(BlobId(2**50, 1, 0, 1)) == 0


LIES = [
    BlobId(0, 1, 0, 3),
    BlobId(0, 2, 2, 5),
    BlobId(0, 65, 0, 5, block_map=True),
    BlobId(0, 1, 0, 2, block_map=True),
    BlobId(0, 2**40, 0, 2**42, block_map=True),
    BlobId(0, 1, 3, 2),
]


@pytest.mark.parametrize("lie", LIES)
async def test_ids_that_lie_are_found_out(lie: BlobId) -> None:
    blobs = blobs_on(MemoryCore([b"aa", b"bb"]))
    with pytest.raises(RemoteProtocolError):
        await blobs.get(lie, start=1)


async def test_a_map_is_not_made_of_endless_blocks() -> None:
    blobs = blobs_on(MemoryCore())
    with pytest.raises(RemoteProtocolError) as caught:
        await blobs.block_map(BlobId(0, 2**50, 0, 2**50))
    assert caught.value.code == "too-large"


async def test_a_snapshot_and_the_end() -> None:
    core = MemoryCore()
    blobs = blobs_on(core)
    blob = await blobs.put(b"early")
    snapshot = blobs.snapshot()
    await blobs.put(b"late")
    assert await snapshot.get(blob) == b"early"
    assert (snapshot.key, snapshot.discovery_key) == (core.key, core.discovery_key)
    await blobs.close()
    assert core.closed
