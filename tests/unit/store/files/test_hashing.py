"""Reading a file through to its tree, in pieces."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from store.errors import EnvironmentFault
from store.files import hashing
from store.files.block_file import BLOCK_BYTES, MAX_FILE_BYTES, block_count
from store.files.hashing import HashingCancelledError, hash_file
from store.hypercore.merkle_tree import TreeBatch, tree_hash
from store.hypercore.records import Node
from tests.unit.store.files.ciphers import XorEncryption

CIPHER = XorEncryption(b"k")
SIZES = [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 9 * BLOCK_BYTES + 77]


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def tree_of(data: bytes, cipher: XorEncryption | None) -> TreeBatch:
    """The tree made at once."""
    batch = TreeBatch()
    for index in range(block_count(len(data))):
        block = data[index * BLOCK_BYTES : (index + 1) * BLOCK_BYTES]
        batch.append(cipher.encrypt(index, block, 0) if cipher else block)
    return batch


@pytest.mark.parametrize("cipher", [None, CIPHER])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("chunk", [1, 3, 4, 256])
def test_the_tree_is_the_same_in_pieces(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    chunk: int,
    cipher: XorEncryption | None,
) -> None:
    monkeypatch.setattr(hashing, "CHUNK_BLOCKS", chunk)
    path = tmp_path / "a"
    path.write_bytes(content(size))
    pieces: list[Sequence[Node]] = []
    hashed = hash_file(str(path), encryption=cipher, store_nodes=pieces.append)
    tree = tree_of(content(size), cipher)
    assert hashed.size == size
    assert hashed.length == tree.length
    assert hashed.byte_length == tree.byte_length
    assert hashed.roots == tree.roots
    assert hashed.tree_hash == tree_hash(tree.roots)
    nodes = [node for piece in pieces for node in piece]
    assert sorted(nodes) == sorted(tree.nodes)
    # Two nodes a block and a path to the top: no piece grows with the file.
    assert all(len(piece) <= 2 * chunk + 24 for piece in pieces)


def test_progress_is_told_and_the_work_can_be_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "CHUNK_BLOCKS", 2)
    path, size = tmp_path / "a", 5 * BLOCK_BYTES - 1
    path.write_bytes(content(size))
    told: list[tuple[int, int]] = []

    def go_on(read: int, whole: int) -> bool:
        told.append((read, whole))
        return True

    hash_file(str(path), encryption=None, go_on=go_on)
    assert told == [(2 * BLOCK_BYTES, size), (4 * BLOCK_BYTES, size), (size, size)]
    with pytest.raises(HashingCancelledError):
        hash_file(str(path), encryption=None, go_on=lambda read, _: read < size / 2)


@pytest.mark.parametrize("how", ["longer", "rewritten", "replaced", "gone"])
def test_a_file_that_changes_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(hashing, "CHUNK_BLOCKS", 1)
    path = tmp_path / "a"
    path.write_bytes(content(3 * BLOCK_BYTES))
    # The clock of files is coarse: what is rewritten at once may look the same.
    os.utime(path, ns=(1, 1))

    def interfere(read: int, _: int) -> bool:
        if read == BLOCK_BYTES and how == "longer":
            path.write_bytes(content(3 * BLOCK_BYTES + 1))
        elif read == BLOCK_BYTES and how == "rewritten":
            path.write_bytes(content(3 * BLOCK_BYTES))
        elif read == BLOCK_BYTES:
            path.unlink()
            if how == "replaced":
                (tmp_path / "b").write_bytes(content(3 * BLOCK_BYTES))
                (tmp_path / "b").rename(path)
        return True

    with pytest.raises(EnvironmentFault) as caught:
        hash_file(str(path), encryption=None, go_on=interfere)
    assert caught.value.code == ("file-gone" if how == "gone" else "file-changed")


def test_a_file_of_more_than_the_most_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(EnvironmentFault) as caught:
        hash_file(str(path), encryption=None)
    assert caught.value.code == "file-too-large"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        hash_file(str(tmp_path), encryption=None)
    assert caught.value.code == "not-a-file"
    with pytest.raises(EnvironmentFault) as caught:
        hash_file(str(tmp_path / "none"), encryption=None)
    assert caught.value.code == "file-gone"
