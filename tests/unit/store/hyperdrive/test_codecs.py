"""Paths, entries and the core of the contents, against the vectors and by property."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hyperbee.encoding import MAX_JSON_DEPTH
from store.hyperblobs import BlobId
from store.hypercore.manifest import (
    Signer,
    create_manifest,
    decode_manifest,
    encode_manifest,
    manifest_key,
)
from store.hyperdrive import Entry
from store.hyperdrive.contents import BLOBS, contents_manifest
from store.hyperdrive.entry import (
    MAX_ENTRY_BYTES,
    MAX_LINK_BYTES,
    decode_entry,
    encode_entry,
    same_metadata,
)
from store.hyperdrive.paths import (
    KEY_PREFIX,
    MAX_PATH_BYTES,
    decode_key,
    encode_key,
    file_path,
    first_name,
    folder_keys,
    folder_path,
    ignoring,
    is_clean,
    link_target,
    resolve,
)
from tests.helpers.vectors import load_vectors

VECTORS = load_vectors("hyperdrive")
PUTS = [
    block["decoded"]
    for block in VECTORS["dbBlocks"]
    if block["decoded"].get("value") is not None
]

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
names = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="/\\"), min_size=1
).filter(lambda name: name not in (".", ".."))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)
    ),
    max_leaves=8,
)
blob_ids = st.builds(
    BlobId,
    st.integers(0, 2**50),
    st.integers(1, 2**50),
    st.integers(0, 2**50),
    st.integers(0, 2**50),
    block_map=st.booleans(),
)
entries = st.builds(
    Entry,
    executable=st.booleans(),
    linkname=st.none() | text.filter(bool),
    blob=st.none() | blob_ids,
    metadata=json_values,
)


@pytest.mark.parametrize("put", PUTS)
def test_entries_are_written_as_upstream_writes_them(put: dict[str, Any]) -> None:
    value = bytes.fromhex(put["value"])
    assert encode_entry(decode_entry(value)) == value
    key = bytes.fromhex(put["key"])
    assert encode_key(decode_key(key)) == key


@given(entries)
def test_entries_come_back(entry: Entry) -> None:
    assert decode_entry(encode_entry(entry)) == entry


def test_members_that_are_missing_have_defaults() -> None:
    assert decode_entry(b"{}") == Entry()
    assert decode_entry(b'{"linkname":"","executable":null,"new":1}') == Entry()


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff",
        b"null",
        b"[1]",
        b"{",
        b'{"executable":2}',
        b'{"linkname":1}',
        b'{"blob":{}}',
        b'{"metadata":NaN}',
        b'{"metadata":1e999}',
        b'{"metadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"metadata":' + b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH + b"}",
        b'{"metadata":' + b"1" * 5000 + b"}",
        json.dumps({"linkname": "x" * (MAX_LINK_BYTES + 1)}).encode(),
        b" " * MAX_ENTRY_BYTES + b"{}",
    ],
)
def test_entries_that_cannot_be(value: bytes | None) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_entry(value)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_what_can_be_read_can_be_written_and_compared() -> None:
    for entry in (
        Entry(metadata=nested(MAX_JSON_DEPTH - 1)),
        Entry(linkname="\ud800", metadata={"\udfff": ["a\ud800b"]}),
    ):
        value = encode_entry(entry)
        again = decode_entry(value)
        assert encode_entry(again) == value
        assert same_metadata(again.metadata, entry.metadata)
    # As JSON.stringify has it since ES2019.
    assert encode_entry(Entry(linkname="\ud800")) == (
        b'{"executable":false,"linkname":"\\ud800","blob":null,"metadata":null}'
    )


@pytest.mark.parametrize(
    "metadata",
    [float("nan"), float("inf"), {1, 2}, nested(MAX_JSON_DEPTH), "x" * MAX_ENTRY_BYTES],
)
def test_metadata_that_is_no_json(metadata: Any) -> None:
    with pytest.raises(LocalProtocolError):
        encode_entry(Entry(metadata=metadata))


def test_metadata_is_compared_as_json() -> None:
    assert same_metadata({"a": 1, "b": [2]}, {"b": [2], "a": 1})
    assert same_metadata(None, {})
    assert not same_metadata(None, {"a": None})
    assert not same_metadata([1], [True])


RESOLVED = [
    ("/", "a", "/a"),
    ("/", "/a/b/", "/a/b"),
    ("/", "a\\b//c/./d", "/a/b/c/d"),
    ("/", "a/../b", "/b"),
    ("/x/y", "../z", "/x/z"),
    ("/x/y", "/z", "/z"),
    ("/x/y", "\\z", "/z"),
    ("/x", "C:\\a\\b", "/a/b"),
    ("/x", "file:/a", "/a"),
    ("/x", "http://host/a", "/a"),
    ("/x", "C:", "/x/C:"),
    ("/", "", "/"),
]


@pytest.mark.parametrize(("base", "name", "path"), RESOLVED)
def test_names_are_resolved(base: str, name: str, path: str) -> None:
    assert resolve(base, name) == path


@pytest.mark.parametrize(("base", "name"), [("/", ".."), ("/a", "../.."), ("a", "b")])
def test_names_that_lead_nowhere(base: str, name: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        resolve(base, name)
    assert caught.value.code == "bad-path"


@pytest.mark.parametrize("name", ["/", "", "a/..", "\ud800", "x" * MAX_PATH_BYTES])
def test_names_that_are_no_files(name: str) -> None:
    with pytest.raises(LocalProtocolError):
        file_path(name)


@given(st.text(max_size=30))
def test_what_is_resolved_is_clean_and_stays(name: str) -> None:
    try:
        path = file_path(name)
    except LocalProtocolError:
        return
    assert is_clean(path)
    assert file_path(path) == path or path.split("/")[1].endswith(":")
    assert decode_key(encode_key(path)) == path


@pytest.mark.parametrize(
    "path", ["", "a", "/", "//a", "/a/", "/a//b", "/a/.", "/../a", "/a\\b"]
)
def test_paths_that_are_not_clean(path: str) -> None:
    assert not is_clean(path)


@pytest.mark.parametrize(
    "key", [b"", b"files", b"other\0/a", KEY_PREFIX + b"\xff", b"files\0" + b"x" * 4097]
)
def test_keys_that_are_no_paths(key: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_key(key)


@given(st.lists(names, min_size=1, max_size=3), st.lists(names, max_size=2))
def test_the_keys_of_a_folder(path: list[str], folder: list[str]) -> None:
    base = folder_path("/".join(["", *folder]))
    above, below = folder_keys(base)
    whole = "/".join(["", *folder, *path])
    assert above < encode_key(whole) < below
    assert first_name(base, whole) == (path[0], len(path) > 1)
    for beside in (f"{base}-x", f"{base}0", f"{base}/"):
        assert not above < encode_key(beside) < below or not base


def test_links_begin_at_their_own_path() -> None:
    assert link_target("/a/b", "c") == "/a/b/c"
    assert link_target("/a/b", "../c") == "/a/c"
    assert link_target("/a/b", "/c") == "/c"
    for linkname in ("../../..", "/", "\ud800"):
        with pytest.raises(RemoteProtocolError):
            link_target("/a/b", linkname)


def test_what_stays_out() -> None:
    ignored = ignoring(["a/b", "/c"])
    assert [
        path for path in ("/a", "/a/b", "/a/b/c", "/a/bc", "/c") if ignored(path)
    ] == [
        "/a/b",
        "/a/b/c",
        "/c",
    ]
    assert ignoring("x")("/x/y")
    assert ignoring(lambda path: path == "/z")("/z")
    assert not ignoring(None)("/")


def test_the_contents_follow_from_the_drive() -> None:
    assert VECTORS["blobsNamespaceConstant"] == BLOBS.hex()
    manifest = decode_manifest(bytes.fromhex(VECTORS["driveManifest"]))
    key = manifest_key(manifest)
    assert key.hex() == VECTORS["driveKey"]
    contents = contents_manifest(manifest, key)
    assert contents is not None
    assert encode_manifest(contents).hex() == VECTORS["blobsManifest"]
    assert manifest_key(contents).hex() == VECTORS["blobsKey"]


def test_many_signers_keep_their_quorum_and_version_0_has_no_contents() -> None:
    signers = [Signer(bytes([number]) * 32) for number in range(3)]
    manifest = create_manifest(signers, quorum=3, allow_patch=True, user_data=b"x")
    contents = contents_manifest(manifest, bytes(32))
    assert contents is not None
    assert (contents.quorum, contents.allow_patch, contents.version) == (3, True, 2)
    assert [signer.public_key for signer in contents.signers] == [
        signer.public_key for signer in signers
    ]
    assert contents.user_data is None
    old = create_manifest(signers[:1], version=0)
    assert contents_manifest(old, bytes(32)) is None
