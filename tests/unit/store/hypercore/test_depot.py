"""Rows of cores, the folder they live in, and the memory they share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from net.crypto import KeyPair
from store.database import Connection, Database
from store.errors import EnvironmentFault
from store.hypercore.cache import Cache
from store.hypercore.depot import (
    CoreWrite,
    Depot,
    NewCore,
    StoredCore,
    first_core,
    purge,
    read_block_run,
    read_blocks,
    read_node_range,
    read_nodes,
    set_user_data,
    storage_sizes,
    store,
    store_conflict,
    user_data,
)
from store.hypercore.directory import StoreDirectory
from store.hypercore.records import Node


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "x.db", key=None)
    yield opened
    opened.close()


@pytest.fixture
def depot(database: Database) -> Depot:
    return Depot(database)


def new(depot: Depot, name: int, key_pair: KeyPair | None = None) -> StoredCore:
    core = NewCore(bytes([name]) * 32, bytes([name + 100]) * 32, None, key_pair)
    return depot.database.write(lambda it: depot.create_core(it, core)).result(60)


def write(depot: Depot, change: CoreWrite) -> CoreWrite:
    depot.database.write(lambda it: store(it, change)).result(60)
    return change


def row(core: StoredCore, index: int) -> tuple[int, int, bytes]:
    return (core.number << 40) | index, index, bytes([index]) * 32


def test_a_core_is_created_once_and_completed(depot: Depot) -> None:
    pair = KeyPair.generate()
    first = new(depot, 1)
    assert (first.length, first.roots, first.pages) == (0, (), {})
    assert first.key_pair is None
    again = new(depot, 1, pair)
    assert (again.number, again.key_pair) == (first.number, pair)
    assert new(depot, 1).key_pair == pair
    assert new(depot, 2).number != first.number
    found = depot.database.read(first_core).result(60)
    assert found == first.discovery_key
    unknown = depot.database.read(lambda it: depot.open_core(it, bytes(32))).result(60)
    assert unknown is None


def test_steps_happen_in_their_order_and_touch_one_core(depot: Depot) -> None:
    core, other = new(depot, 1), new(depot, 2)
    for each in (core, other):
        change = CoreWrite(each.number)
        change.steps = [
            ("nodes", [row(each, index) for index in range(5)]),
            ("blocks", {0: b"a", 1: b"bc", 2: b"def"}),
        ]
        change.header = (3, 3, 2, b"signed")
        write(depot, change)
    change = CoreWrite(core.number)
    change.steps = [
        ("drop-blocks", (1, 3)),
        ("drop-nodes", (2, 5)),
        ("blocks", {1: b"new"}),
        ("nodes", [row(core, 2)]),
    ]
    assert write(depot, change).freed_bytes == 5

    def look(connection: Connection) -> list[object]:
        return [
            [
                read_blocks(connection, each.number, range(4)),
                sorted(read_nodes(connection, each.number, range(6))),
                sorted(read_node_range(connection, each.number, 1, 4)),
                storage_sizes(connection, each.number),
            ]
            for each in (core, other)
        ]

    assert depot.database.read(look).result(60) == [
        [{0: b"a", 1: b"new"}, [0, 1, 2], [1, 2], (2, 4, 3)],
        [{0: b"a", 1: b"bc", 2: b"def"}, [0, 1, 2, 3, 4], [1, 2, 3], (3, 6, 5)],
    ]
    again = new(depot, 2)
    assert (again.fork, again.length, again.contiguous_length) == (3, 3, 2)
    assert again.signature == b"signed"
    assert again.roots == (
        Node(1, 1, bytes([1]) * 32),
        Node(4, 4, bytes([4]) * 32),
    )


def test_roots_that_are_not_there_are_told(depot: Depot) -> None:
    core = new(depot, 1)
    change = CoreWrite(core.number, steps=[("nodes", [row(core, 1)])])
    change.header = (0, 3, 0, b"")
    write(depot, change)
    assert new(depot, 1).roots is None


def test_runs_of_blocks_end_at_a_number_of_bytes(depot: Depot) -> None:
    core = new(depot, 1)
    blocks = {index: bytes(10) for index in range(10)}
    write(depot, CoreWrite(core.number, steps=[("blocks", blocks)]))
    for most, count in ((0, 1), (25, 2), (30, 3), (1000, 8)):
        found = depot.database.read(
            lambda it, most=most: read_block_run(it, core.number, 2, 10, max_bytes=most)
        ).result(60)
        assert sorted(found) == list(range(2, 2 + count))


def test_pages_user_data_and_evidence_stay(depot: Depot) -> None:
    core = new(depot, 1)
    write(depot, CoreWrite(core.number, pages={(0, 1): b"x", (1, 7): b"y"}))
    write(depot, CoreWrite(core.number, pages={(0, 1): None, (1, 7): b"z"}))
    assert new(depot, 1).pages == {(1, 7): b"z"}
    number = core.number
    depot.database.write(lambda it: set_user_data(it, number, "n", b"1")).result(60)
    assert depot.database.read(lambda it: user_data(it, number, "n")).result(60) == b"1"
    for evidence in (b"first", b"second"):
        depot.database.write(
            lambda it, evidence=evidence: store_conflict(it, number, evidence)
        ).result(60)
    assert new(depot, 1).conflict == b"first"
    depot.database.write(lambda it: purge(it, number, None)).result(60)
    assert depot.database.read(first_core).result(60) is None
    assert depot.database.read(lambda it: user_data(it, number, "n")).result(60) is None


def test_a_folder_is_locked_until_it_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    first = StoreDirectory(folder)
    with pytest.raises(EnvironmentFault) as caught:
        StoreDirectory(folder)
    assert caught.value.code == "in-use"
    first.close()
    first.close()
    StoreDirectory(folder).close()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    directory = StoreDirectory(tmp_path)
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name
    directory.close()


def test_another_process_is_refused(tmp_path: Path) -> None:
    directory = StoreDirectory(tmp_path)
    script = (
        "import sys; from pathlib import Path\n"
        "from store.hypercore.directory import StoreDirectory\n"
        "try: StoreDirectory(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error.code)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert told.stdout.split() == ["EnvironmentFault", "in-use"]
    directory.close()


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EnvironmentFault):
        StoreDirectory(tmp_path / "file")


def test_the_cache_keeps_what_is_asked_for_within_its_weight() -> None:
    cache: Cache[bytes] = Cache(100, len)
    for key in range(1_000):
        cache.put(key, b"x" * 10)
        assert cache.get(0) == b"x" * 10
        assert len(cache) <= 14
    assert cache.get(1) is None
    assert cache.peek(999) is not None
    cache.drop_range(990, 2_000)
    assert cache.peek(999) is None
    assert cache.peek(0) is not None
    cache.drop(0)
    assert cache.get(0) is None
    cache.put_all({7: b"old"}, 3)
    cache.put_all(dict.fromkeys(range(200), b"y"), 200)
    assert cache.peek(7) is None, "what is too much is not kept, nor what it replaces"
    cache.put_all(dict.fromkeys(range(40), b"y"), 40)
    assert len(cache) == 40
    for key in range(1_000, 1_003):
        cache.put_all({key: b"y" * 40}, 40)
    assert cache.peek(5) is None
    cache.drop_range(0, 5_000)
    assert len(cache) == 0
