"""One file as blocks: where bytes go, and what is refused."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from store.errors import EnvironmentFault, StoreError
from store.files.block_file import (
    BLOCK_BYTES,
    BlockFile,
    Condition,
    block_count,
    block_size,
    runs,
)
from store.files.descriptors import make_hollow, rename_without_overwriting
from store.files.fingerprint import look_at
from tests.unit.store.files.ciphers import XorEncryption

SIZE = 3 * BLOCK_BYTES + 1000
DATA = bytes(range(251)) * (SIZE // 251) + bytes(SIZE % 251)
CIPHER = XorEncryption(b"k")


class Recorder:
    """What the file's owner was told."""

    def __init__(self) -> None:
        self.found: list[Condition] = []
        self.failed: list[str] = []
        self.unknown = 0

    def condition_changed(self, condition: Condition) -> None:
        self.found.append(condition)

    def content_unknown(self) -> None:
        self.unknown += 1

    def write_failed(self, error: StoreError) -> None:
        self.failed.append(error.code)


def plain_blocks() -> dict[int, bytes]:
    return {
        index: DATA[index * BLOCK_BYTES : (index + 1) * BLOCK_BYTES]
        for index in range(block_count(SIZE))
    }


def cipher_blocks() -> dict[int, bytes]:
    return {
        index: CIPHER.encrypt(index, block, 0)
        for index, block in plain_blocks().items()
    }


def shared(path: Path, cipher: XorEncryption | None = None) -> BlockFile:
    path.write_bytes(DATA)
    look = look_at(str(path))
    return BlockFile(str(path), size=SIZE, sound=look, encryption=cipher)


def partial(path: Path, cipher: XorEncryption | None = None) -> BlockFile:
    inode = make_hollow(str(path), SIZE)
    return BlockFile(str(path), size=SIZE, inode=inode, encryption=cipher)


def code_of(file: BlockFile, blocks: Mapping[int, bytes]) -> str:
    with pytest.raises(StoreError) as caught:
        file.write(blocks)
    return caught.value.code


@pytest.mark.parametrize(
    ("size", "count"),
    [(0, 1), (1, 1), (BLOCK_BYTES, 1), (BLOCK_BYTES + 1, 2), (SIZE, 4)],
)
def test_a_file_has_as_many_blocks_as_it_needs(size: int, count: int) -> None:
    assert block_count(size) == count
    assert sum(block_size(index, size) for index in range(count)) == size


def test_runs_have_no_gaps() -> None:
    assert runs([]) == []
    assert runs([5, 1, 2, 7, 6]) == [[1, 2], [5, 6, 7]]


@pytest.mark.parametrize("cipher", [None, CIPHER])
def test_blocks_are_read_as_the_tree_has_them(
    tmp_path: Path, cipher: XorEncryption | None
) -> None:
    file = shared(tmp_path / "a", cipher)
    assert file.read([3, 0, 2]) == {
        index: block
        for index, block in (cipher_blocks() if cipher else plain_blocks()).items()
        if index != 1
    }


@pytest.mark.parametrize("cipher", [None, CIPHER])
def test_blocks_land_at_their_offsets_and_holes_stay(
    tmp_path: Path, cipher: XorEncryption | None
) -> None:
    path = tmp_path / "a"
    file = partial(path, cipher)
    assert path.stat().st_blocks == 0
    blocks = cipher_blocks() if cipher else plain_blocks()
    file.write({3: blocks[3], 1: blocks[1]})
    there = path.read_bytes()
    assert len(there) == SIZE
    assert there[BLOCK_BYTES : 2 * BLOCK_BYTES] == plain_blocks()[1]
    assert there[3 * BLOCK_BYTES :] == plain_blocks()[3]
    assert not any(there[:BLOCK_BYTES])
    assert path.stat().st_blocks * 512 < 3 * BLOCK_BYTES
    file.write({0: blocks[0], 2: blocks[2]})
    assert path.read_bytes() == DATA
    assert file.read(range(4)) == blocks


def test_other_sizes_than_the_files_are_refused(tmp_path: Path) -> None:
    file = partial(tmp_path / "a")
    file.owner = owner = Recorder()
    full = bytes(BLOCK_BYTES)
    assert code_of(file, {3: full}) == "not-a-file-block"
    assert code_of(file, {0: full[1:]}) == "not-a-file-block"
    assert code_of(file, {0: full + b"x"}) == "not-a-file-block"
    assert code_of(file, {4: full}) == "not-a-file-block"
    assert owner.failed == ["not-a-file-block"] * 4
    assert not any((tmp_path / "a").read_bytes())


def test_while_the_size_is_unknown_no_block_is_larger_than_one(tmp_path: Path) -> None:
    make_hollow(str(tmp_path / "a"), None)
    file = BlockFile(str(tmp_path / "a"), size=None)
    assert code_of(file, {0: bytes(BLOCK_BYTES + 1)}) == "not-a-file-block"
    file.write({1: b"end"})
    assert (tmp_path / "a").stat().st_size == BLOCK_BYTES + 3


def test_a_padding_that_cannot_be_made_again_is_refused(tmp_path: Path) -> None:
    file = partial(tmp_path / "a", CIPHER)
    of_another_fork = CIPHER.encrypt(0, plain_blocks()[0], 1)
    assert code_of(file, {0: of_another_fork}) == "not-a-file-block"
    assert code_of(file, {0: b"short"}) == "not-a-file-block"
    other_key = XorEncryption(b"other").encrypt(0, plain_blocks()[0], 0)
    assert code_of(file, {0: other_key}) == "not-a-file-block"


def test_a_shared_file_is_never_written(tmp_path: Path) -> None:
    file = shared(tmp_path / "a")
    assert code_of(file, {0: bytes(BLOCK_BYTES)}) == "file-changed"
    assert (tmp_path / "a").read_bytes() == DATA


def test_a_file_that_looks_different_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    file = shared(path)
    file.owner = owner = Recorder()
    before = path.stat()
    path.write_bytes(DATA[:-1] + b"x")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(EnvironmentFault) as caught:
        file.read([0])
    assert caught.value.code == "file-changed"
    assert file.look() is Condition.CHANGED
    path.write_bytes(DATA)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.look() is Condition.COMPLETE
    assert file.read([3]) == {3: plain_blocks()[3]}
    assert owner.found == [Condition.CHANGED, Condition.COMPLETE]


def test_a_change_hidden_from_outside_is_held_against_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    file = shared(path)
    before = path.stat()
    path.write_bytes(b"x" + DATA[1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    # The kernel finds that block 0 fails its hash and says so.
    assert file.read([0])[0][:1] == b"x"
    assert file.damaged([0]) is False
    for _ in range(2):
        with pytest.raises(EnvironmentFault) as caught:
            file.read([1])
        assert caught.value.code == "file-changed"
    assert file.condition is Condition.CHANGED


def test_a_file_gone_is_served_again_when_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "a"
    file = shared(path)
    file.owner = owner = Recorder()
    path.rename(tmp_path / "b")
    with pytest.raises(EnvironmentFault) as caught:
        file.read([0])
    assert caught.value.code == "file-gone"
    assert file.damaged([0]) is False
    assert file.look() is Condition.GONE
    (tmp_path / "b").rename(path)
    assert file.read([0]) == {0: plain_blocks()[0]}
    assert owner.found == [Condition.GONE, Condition.COMPLETE]


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    file = shared(path)
    path.unlink()
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(EnvironmentFault):
        file.read([0])
    assert file.look() is Condition.GONE


def test_a_partial_file_taken_away_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a"
    file = partial(path)
    path.unlink()
    assert code_of(file, {0: plain_blocks()[0]}) == "file-gone"
    assert not path.exists()
    assert file.condition is Condition.GONE


def test_another_file_in_the_place_of_a_partial_one_is_not_touched(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a"
    file = partial(path)
    (tmp_path / "b").write_bytes(b"precious")
    (tmp_path / "b").rename(path)
    assert code_of(file, {0: plain_blocks()[0]}) == "file-gone"
    path.unlink()
    path.symlink_to(tmp_path / "c")
    (tmp_path / "c").write_bytes(b"precious")
    with pytest.raises(EnvironmentFault):
        file.write({0: plain_blocks()[0]})
    assert (tmp_path / "c").read_bytes() == b"precious"


def test_a_partial_block_that_fails_its_hash_is_fetched_anew(tmp_path: Path) -> None:
    assert partial(tmp_path / "a").damaged([0]) is True


def test_a_full_disk_has_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = partial(tmp_path / "a")
    file.owner = owner = Recorder()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("store.files.block_file.write_at", refuse)
    assert code_of(file, {0: plain_blocks()[0]}) == "disk-full"
    assert owner.failed == ["disk-full"]


@pytest.mark.parametrize("synced", [True, False])
def test_written_blocks_are_on_the_disk_when_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: bool
) -> None:
    inode = make_hollow(str(tmp_path / "a"), SIZE)
    calls: list[int] = []
    monkeypatch.setattr("store.files.block_file.sync_data", calls.append)
    file = BlockFile(str(tmp_path / "a"), size=SIZE, inode=inode, synced=synced)
    file.write(plain_blocks())
    assert len(calls) == synced


def test_a_file_gets_its_name_and_is_then_the_users(tmp_path: Path) -> None:
    file = partial(tmp_path / ".a.part")
    file.write(plain_blocks())
    file.move(str(tmp_path / "a"), overwrite=False)
    file.settle(look_at(file.path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]
    assert file.settled
    assert file.read([1]) == {1: plain_blocks()[1]}


def test_no_name_is_taken_from_another_file_unasked(tmp_path: Path) -> None:
    file = partial(tmp_path / ".a.part")
    (tmp_path / "a").write_bytes(b"precious")
    with pytest.raises(EnvironmentFault) as caught:
        file.move(str(tmp_path / "a"), overwrite=False)
    assert caught.value.code == "destination-exists"
    assert file.look() is Condition.PARTIAL
    assert (tmp_path / "a").read_bytes() == b"precious"
    file.move(str(tmp_path / "a"), overwrite=True)
    assert (tmp_path / "a").stat().st_size == SIZE


def test_a_disk_without_hard_links_is_renamed_on_with_the_same_care(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    with pytest.raises(EnvironmentFault):
        rename_without_overwriting(str(tmp_path / "a"), str(tmp_path / "b"))
    rename_without_overwriting(str(tmp_path / "a"), str(tmp_path / "c"))
    assert (tmp_path / "c").read_bytes() == b"a"
    assert not (tmp_path / "a").exists()


def test_nothing_is_made_over_something(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    with pytest.raises(EnvironmentFault) as caught:
        make_hollow(str(tmp_path / "a"), 10)
    assert caught.value.code == "destination-exists"
