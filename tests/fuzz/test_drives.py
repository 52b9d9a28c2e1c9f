"""What the writer of a drive can write, damaged: entries, paths, ids and maps."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from store.errors import RemoteProtocolError
from store.hyperblobs.blob_id import MAX_OFFSET, BlobId
from store.hyperblobs.block_map import (
    MAX_MAP_BLOCKS,
    MAX_MAP_ENTRIES,
    decode_block_map,
    encode_block_map,
)
from store.hypercore.records import MAX_BLOCK_BYTES
from store.hyperdrive.entry import MAX_ENTRY_BYTES, decode_entry, encode_entry
from store.hyperdrive.local_names import NameRules, reason_against_path
from store.hyperdrive.paths import (
    KEY_PREFIX,
    MAX_PATH_BYTES,
    decode_key,
    encode_key,
    file_path,
    is_clean,
    link_target,
)
from tests.fuzz.mutations import mutated
from tests.helpers.vectors import load_vectors

BLOCKS = [block["decoded"] for block in load_vectors("hyperdrive")["dbBlocks"]]
VALUES = [bytes.fromhex(block["value"]) for block in BLOCKS if block.get("value")]
KEYS = [bytes.fromhex(block["key"]) for block in BLOCKS if "key" in block]
MEMBERS = ("blockOffset", "byteOffset", "blockLength", "byteLength")
NUMBERS = st.sampled_from([0, 1, 7, MAX_OFFSET, MAX_OFFSET + 1, -1, 1.5, None])
IDS = [case["id"] for case in load_vectors("hyperblobs")["cases"]]
MAPS = [
    *(bytes.fromhex(hexed) for hexed in ("0003051006100708", "00040910091009100910")),
    b"\0\2\0\1\xfe\0\0\1\0\5",
]

ENTRY_PARTS = st.fixed_dictionaries(
    {},
    optional={
        "executable": st.none() | st.booleans() | st.integers(0, 2) | st.text(),
        "linkname": st.none() | st.text() | st.just("x" * 5000) | st.integers(),
        "blob": st.none()
        | st.sampled_from(IDS)
        | st.fixed_dictionaries(
            dict.fromkeys(
                ("blockOffset", "byteOffset", "blockLength", "byteLength"), NUMBERS
            ),
            optional={"blockMap": st.sampled_from([True, False, None, "x"])},
        )
        | st.lists(st.integers(), max_size=2),
        "metadata": st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.text(max_size=3), inner, max_size=2)
            ),
            max_leaves=4,
        ),
    },
).map(lambda members: json.dumps(members).encode())


@given(mutated(VALUES) | ENTRY_PARTS | st.binary(max_size=40))
@example(b"[" * 100_000)
@example(b'{"metadata":1e999}')
@example(b'{"metadata":NaN}')
@example(b'{"metadata":' + b"[" * 300 + b"]" * 300 + b"}")
@example(b'{"linkname":"\\ud800","metadata":"' + b"[" * 300 + b'"}')
@example(b" " * MAX_ENTRY_BYTES + b"{}")
def test_entries_are_read_or_refused(data: bytes) -> None:
    try:
        entry = decode_entry(data)
    except RemoteProtocolError:
        return
    assert entry.linkname is None or len(entry.linkname) > 0
    if entry.blob is not None:
        assert entry.blob.block_end <= MAX_OFFSET
        assert entry.blob.byte_offset + entry.blob.byte_length <= MAX_OFFSET
    # Else a drive could be made of which there are no copies.
    assert decode_entry(encode_entry(entry)) == entry


def test_an_entry_that_is_nothing_is_refused() -> None:
    for nothing in (None, b"null"):
        try:
            decode_entry(nothing)
        except RemoteProtocolError:
            continue
        raise AssertionError(nothing)


@given(mutated(KEYS) | st.binary(max_size=20).map(lambda data: KEY_PREFIX + data))
@example(KEY_PREFIX + b"/" + b"x" * MAX_PATH_BYTES)
def test_keys_are_read_or_refused(data: bytes) -> None:
    try:
        path = decode_key(data)
    except RemoteProtocolError:
        return
    assert encode_key(path) == data
    if is_clean(path) and not path.split("/")[1].endswith(":"):
        assert file_path(path) == path
    for rules in (NameRules(), NameRules(windows=True)):
        if reason_against_path(path, rules) is None:
            names = path[1:].split("/")
            assert not {"", ".", ".."} & set(names)
            assert not any("\\" in name or "\0" in name for name in names)


@given(st.text(max_size=20))
@example("/")
def test_links_lead_to_clean_paths_or_nowhere(linkname: str) -> None:
    try:
        target = link_target("/a/b", linkname)
    except RemoteProtocolError:
        return
    assert is_clean(target)


@given(st.lists(mutated(MAPS), max_size=3))
@example([b"\0\0"] * (MAX_MAP_BLOCKS + 1))
@example([b"\0\xfd" + (MAX_MAP_ENTRIES + 1).to_bytes(2, "little")])
@example([b"\0\1\0\xfe" + (MAX_BLOCK_BYTES + 1).to_bytes(4, "little")])
def test_maps_are_read_or_refused(blocks: list[bytes]) -> None:
    try:
        entries = decode_block_map(blocks)
    except RemoteProtocolError:
        return
    assert len(entries) <= len(blocks) * MAX_MAP_ENTRIES
    assert all(entry.byte_length <= MAX_BLOCK_BYTES for entry in entries)
    assert decode_block_map(encode_block_map(entries)) == entries


GOOD = dict.fromkeys(MEMBERS, 1)


@given(
    st.fixed_dictionaries(
        dict.fromkeys(MEMBERS, NUMBERS),
        optional={"blockMap": st.sampled_from([True, False, None, "x"])},
    )
    | st.dictionaries(st.sampled_from(MEMBERS), NUMBERS)
    | st.none()
    | st.integers()
)
@example(GOOD | {"blockLength": MAX_OFFSET})
@example(GOOD | {"blockLength": 0})
@example(GOOD | {"blockMap": "x"})
def test_ids_are_read_or_refused(value: object) -> None:
    try:
        blob = BlobId.from_json(value)
    except RemoteProtocolError:
        return
    assert BlobId.from_json(blob.to_json()) == blob
