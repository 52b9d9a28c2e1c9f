"""Blob ids, block maps and the arithmetic of ranges."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hyperblobs.blob_id import MAX_OFFSET, BlobId
from store.hyperblobs.block_map import (
    MAX_BLOCKS,
    MAX_MAP_BLOCKS,
    MAX_MAP_ENTRIES,
    MapEntry,
    decode_block_map,
    encode_block_map,
)
from store.hyperblobs.ranges import mapped_part, runs, split, window
from store.hypercore.records import MAX_BLOCK_BYTES

entries = st.builds(MapEntry, st.integers(0, MAX_OFFSET), st.integers(0, 70_000))
halves = st.integers(0, MAX_OFFSET // 2)


@given(halves, halves, halves, halves, st.booleans())
def test_ids_come_back(a: int, b: int, c: int, d: int, mapped: bool) -> None:
    blob = BlobId(a, b + 1, c, d, block_map=mapped)
    assert BlobId.from_json(json.loads(json.dumps(blob.to_json()))) == blob


GOOD = {"blockOffset": 1, "byteOffset": 2, "blockLength": 3, "byteLength": 4}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        GOOD | {"blockOffset": -1},
        GOOD | {"blockOffset": True},
        GOOD | {"byteOffset": 1.0},
        GOOD | {"byteLength": "4"},
        GOOD | {"byteLength": MAX_OFFSET + 1},
        GOOD | {"byteLength": MAX_OFFSET},
        GOOD | {"blockLength": MAX_OFFSET},
        GOOD | {"blockLength": 0},
        GOOD | {"blockMap": "yes"},
    ],
)
def test_ids_that_cannot_be(value: object) -> None:
    with pytest.raises(RemoteProtocolError):
        BlobId.from_json(value)


def test_more_members_do_no_harm() -> None:
    assert BlobId.from_json(GOOD | {"blockMap": None, "x": 1}) == BlobId(1, 3, 2, 4)


@given(st.lists(entries, max_size=20))
def test_maps_come_back(listed: list[MapEntry]) -> None:
    assert decode_block_map(encode_block_map(listed)) == listed


def test_long_maps_take_more_blocks() -> None:
    listed = [MapEntry(0, 1)] * (MAX_MAP_ENTRIES + 1)
    blocks = encode_block_map(listed)
    assert [len(block) for block in blocks] == [4 + 2 * MAX_MAP_ENTRIES, 4]
    assert decode_block_map(blocks) == listed
    with pytest.raises(LocalProtocolError):
        encode_block_map([MapEntry(0, 1)] * (MAX_BLOCKS + 1))
    with pytest.raises(RemoteProtocolError):
        decode_block_map([b"\0\0"] * (MAX_MAP_BLOCKS + 1))
    assert decode_block_map([b"\0\0"] * MAX_MAP_BLOCKS) == []


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\0",
        b"\1\0",
        b"\0\1\0",
        b"\0\0\0",
        b"\0\xff" + (2**52).to_bytes(8, "little"),
        b"\0\xfd" + (MAX_MAP_ENTRIES + 1).to_bytes(2, "little"),
        b"\0\1\0\xfe" + (MAX_BLOCK_BYTES + 1).to_bytes(4, "little"),
    ],
)
def test_maps_that_cannot_be(block: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_block_map([block])


@given(st.binary(max_size=60), st.integers(1, 20))
def test_splitting(data: bytes, size: int) -> None:
    blocks = list(split(data, size))
    assert b"".join(blocks) == data
    assert all(len(block) == size for block in blocks[:-1])
    assert all(blocks)


@given(
    st.integers(0, 50),
    st.integers(0, 60),
    st.none() | st.integers(0, 60),
    st.none() | st.integers(0, 60),
)
def test_windows_are_slices(
    size: int, start: int, length: int | None, end: int | None
) -> None:
    if length is not None and end is not None:
        end = None
    first, stop = window(size, start=start, length=length, end=end)
    wanted = range(size)[start:]
    if length is not None:
        wanted = wanted[:length]
    elif end is not None:
        wanted = range(size)[start : end + 1]
    assert range(first, stop) == wanted
    assert 0 <= first <= stop <= size


@given(st.lists(st.integers(0, 5), max_size=12), st.data())
def test_parts_of_mapped_blobs(sizes: list[int], data: st.DataObject) -> None:
    listed = [MapEntry(100 - at, size) for at, size in enumerate(sizes)]
    total = sum(sizes)
    start = data.draw(st.integers(0, total))
    stop = data.draw(st.integers(start, total))
    part = mapped_part(listed, start, stop)
    bytes_by_block = {100 - at: bytes([at]) * size for at, size in enumerate(sizes)}
    joined = b"".join(bytes_by_block[index] for index in part.indexes)
    whole = b"".join(bytes_by_block[entry.block] for entry in listed)
    assert joined[part.skip : part.skip + part.size] == whole[start:stop]
    assert part.size == stop - start


@given(st.lists(st.integers(0, 20)))
def test_runs_cover_exactly(indexes: list[int]) -> None:
    found = runs(indexes)
    assert [at for first, end in found for at in range(first, end)] == sorted(
        set(indexes)
    )
    assert all(left[1] < right[0] for left, right in pairwise(found))
