"""The encrypted database: group commit, roll-back, and what goes wrong at opening."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import apsw
import pytest

from store.database import (
    CHECKED_WHOLE_BYTES,
    MAX_CACHES_BYTES,
    Connection,
    Database,
    Synchronous,
)
from store.errors import (
    DatabaseCorruptError,
    EnvironmentFault,
    LocalProtocolError,
    SchemaError,
)
from store.schema import NEWEST_SCHEMA, Schema
from store.settings import get_setting, set_setting

KEY = bytes(range(32))
SECRET = b"nobody reads this"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "x.db", key=KEY)
    yield opened
    opened.close()


def put(name: str, value: bytes = b"1") -> object:
    return lambda connection: set_setting(connection, name, value)


def read(database: Database, name: str) -> bytes | None:
    return database.read(lambda connection: get_setting(connection, name)).result(60)


def test_a_finished_write_is_read_and_outlives_closing(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db", key=KEY)
    database.write(put("a", SECRET)).result(60)  # type: ignore[arg-type]
    assert read(database, "a") == SECRET
    database.close()
    database = Database.open(tmp_path / "x.db", key=KEY)
    assert read(database, "a") == SECRET
    database.close()


def test_nothing_on_the_disk_is_readable(database: Database, tmp_path: Path) -> None:
    database.write(put("word", SECRET)).result(60)  # type: ignore[arg-type]
    for file in tmp_path.iterdir():
        raw = file.read_bytes()
        assert SECRET not in raw
        assert not raw.startswith(b"SQLite format 3")


def test_the_level_named_is_the_level_set(tmp_path: Path) -> None:
    for level, number in ((Synchronous.FULL, 2), (Synchronous.NORMAL, 1)):
        database = Database.open(
            tmp_path / f"{level.value}.db", key=KEY, synchronous=level
        )
        found = database.write(
            lambda connection: (
                connection.pragma("synchronous"),
                connection.pragma("journal_mode"),
                connection.pragma("auto_vacuum"),
            )
        ).result(60)
        assert found == (number, "wal", 2)
        database.close()


def test_the_caches_of_all_files_of_a_process_have_one_limit(
    database: Database,
) -> None:
    assert not database.write(put("a")).exception(5)  # type: ignore[arg-type]
    assert apsw.soft_heap_limit(-1) == MAX_CACHES_BYTES


def test_writes_that_wait_share_one_commit(database: Database) -> None:
    gate = threading.Event()
    first = database.write(lambda _: gate.wait(5))
    commits: list[int] = []

    def counted(connection: Connection) -> None:
        connection.set_commit_hook(lambda: bool(commits.append(1)))
        set_setting(connection, "a", b"1")

    waiting = [database.write(counted) for _ in range(50)]
    gate.set()
    first.result(60)
    for future in waiting:
        future.result(60)
    assert len(commits) == 1


def test_what_two_turns_bring_shares_one_commit(database: Database) -> None:
    turns: list[Callable[[], object]] = []
    database.gather(turns.append)
    began: list[int] = []

    def note(connection: Connection) -> None:
        began.append(connection.total_changes())
        set_setting(connection, "a", b"1")

    first = database.write(note)
    turns.pop()()
    second = database.write(note)
    third = database.write(lambda connection: connection.in_transaction)
    assert not first.done()
    assert len(turns) == 1, "the second turn is waited for, and no more"
    turns.pop()()
    assert third.result(5)
    assert first.done()
    assert second.done()
    assert began == [began[0], began[0] + 1], "in the order given"
    assert turns == []


def test_what_is_gathered_is_handed_over_at_the_end(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db", key=KEY)
    turns: list[Callable[[], object]] = []
    database.gather(turns.append)
    future = database.write(put("a"))  # type: ignore[arg-type]
    elsewhere: list[Future[object]] = []
    thread = threading.Thread(
        target=lambda: elsewhere.append(database.write(put("b")))  # type: ignore[arg-type]
    )
    thread.start()
    thread.join()
    elsewhere[0].result(5)
    database.close()
    future.result(0)
    turns.pop()()


def test_one_failing_job_is_rolled_back_alone(database: Database) -> None:
    gate = threading.Event()
    undone: list[str] = []
    database.write(lambda _: gate.wait(5))

    def fails(connection: Connection) -> None:
        set_setting(connection, "bad", b"1")
        raise ValueError("on purpose")

    good = database.write(put("good"))  # type: ignore[arg-type]
    bad = database.write(fails, undo=lambda: undone.append("bad"))
    later = database.write(lambda _: list(undone))
    gate.set()
    good.result(60)
    with pytest.raises(ValueError, match="on purpose"):
        bad.result(60)
    assert later.result(60) == ["bad"], "undo comes before any further work"
    assert read(database, "good") == b"1"
    assert read(database, "bad") is None


def test_a_failed_commit_undoes_every_job(database: Database) -> None:
    gate = threading.Event()
    undone: list[int] = []
    database.write(lambda _: gate.wait(5))

    def refuses(connection: Connection) -> None:
        connection.set_commit_hook(lambda: True)

    jobs = [
        database.write(put("a"), undo=lambda: undone.append(1)),  # type: ignore[arg-type]
        database.write(refuses),
    ]
    gate.set()
    for job in jobs:
        with pytest.raises(apsw.Error):
            job.result(60)
    assert undone == [1]
    database.write(lambda connection: connection.set_commit_hook(None))
    assert read(database, "a") is None


def test_a_closed_database_says_so(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db", key=KEY)
    late = database.write(put("a"))  # type: ignore[arg-type]
    database.close()
    database.close()
    assert late.done(), "what was handed over is finished"
    with pytest.raises(LocalProtocolError):
        database.write(put("b"))  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError):
        database.read(lambda _: None)


def test_damage_anywhere_is_told_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    database = Database.open(path, key=KEY)
    for number in range(50):
        database.write(put(f"n{number}", os.urandom(4000))).result(60)  # type: ignore[arg-type]
    database.close()
    whole = path.read_bytes()
    assert len(whole) < CHECKED_WHOLE_BYTES
    for position in (0, 20, 100, len(whole) // 2, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(DatabaseCorruptError):
            Database.open(path, key=KEY)
        assert path.read_bytes() == bytes(damaged)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatabaseCorruptError):
        Database.open(path, key=KEY)
    path.write_bytes(whole)
    Database.open(path, key=KEY).close()


def test_check_finds_damage_while_open(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    database = Database.open(path, key=KEY)
    database.write(put("a", os.urandom(100_000))).result(60)  # type: ignore[arg-type]
    database.check().result(60)
    database.close()


def test_a_newer_and_a_foreign_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    database = Database.open(path, key=KEY)
    database.write(
        lambda connection: connection.pragma("user_version", NEWEST_SCHEMA + 1)
    ).result(60)
    database.close()
    with pytest.raises(SchemaError) as caught:
        Database.open(path, key=KEY)
    assert caught.value.code == "newer"
    assert caught.value.found == NEWEST_SCHEMA + 1
    foreign = apsw.Connection(str(tmp_path / "y.db"))
    foreign.pragma("key", f"raw:{KEY.hex()}")
    foreign.execute("CREATE TABLE t (a)")
    foreign.close()
    with pytest.raises(DatabaseCorruptError, match="no Covey database"):
        Database.open(tmp_path / "y.db", key=KEY)


def test_an_older_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    database = Database.open(path, key=KEY)
    database.write(lambda connection: connection.pragma("user_version", 0)).result(60)
    database.close()
    with pytest.raises(SchemaError) as caught:
        Database.open(path, key=KEY)
    assert caught.value.code == "older"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault):
        Database.open(tmp_path / "nowhere" / "x.db", key=KEY)


def test_keys_have_32_bytes(tmp_path: Path) -> None:
    with pytest.raises(LocalProtocolError):
        Database.open(tmp_path / "x.db", key=b"short")


def test_without_a_key_the_file_is_plain_and_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "plain.db"
    database = Database.open(path, key=None)
    for number in range(300):
        database.write(put(f"n{number}", bytes(4_000))).result(60)  # type: ignore[arg-type]
    assert read(database, "n7") == bytes(4_000)
    database.close()
    full_bytes = path.stat().st_size
    assert path.read_bytes().startswith(b"SQLite format 3")
    database = Database.open(path, key=None)
    mode = database.read(lambda connection: connection.pragma("auto_vacuum")).result(60)
    assert mode == 2, "incremental"
    database.write(lambda connection: connection.execute("DELETE FROM setting")).result(
        5
    )
    database.close()
    assert path.stat().st_size < full_bytes / 4
    with pytest.raises(DatabaseCorruptError):
        Database.open(path, key=KEY)


@pytest.mark.parametrize("key", [KEY, None])
def test_a_file_whose_maker_was_killed_at_once_is_begun_again(
    tmp_path: Path, key: bytes | None
) -> None:
    path = tmp_path / "x.db"
    maker = apsw.Connection(str(path))
    if key is not None:
        maker.pragma("key", f"raw:{key.hex()}")
    maker.pragma("auto_vacuum", "INCREMENTAL")
    maker.pragma("journal_mode", "WAL")
    maker.close()
    assert path.stat().st_size > 0
    database = Database.open(path, key=key)
    database.write(put("a", SECRET)).result(60)  # type: ignore[arg-type]
    assert database.read(lambda it: it.pragma("auto_vacuum")).result(60) == 2
    database.close()


def test_an_undoing_that_fails_ends_nobody_elses_writes(database: Database) -> None:
    def refuse(connection: Connection) -> None:
        raise ValueError(connection.total_changes())

    def undo() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.write(refuse, undo=undo).result(60)
    database.write(put("a")).result(60)  # type: ignore[arg-type]
    assert read(database, "a") == b"1"


def test_what_is_taken_while_closing_is_done(tmp_path: Path) -> None:
    """Nobody waits for ever for what came just behind the end."""
    for number in range(10):
        database = Database.open(tmp_path / f"{number}.db", key=None)
        taken: list[Future[object]] = []

        def hand_over(
            database: Database = database, taken: list[Future[object]] = taken
        ) -> None:
            with contextlib.suppress(LocalProtocolError, EnvironmentFault):
                while True:
                    taken.append(database.write(lambda _: None))
                    taken.append(database.read(lambda _: None))

        thread = threading.Thread(target=hand_over)
        thread.start()
        while not taken:
            pass
        database.close()
        thread.join()
        for future in taken:
            assert future.result(60) is None


def test_an_emptied_log_holds_nothing_of_what_was_overwritten(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db", key=None)
    database.write(put("word", SECRET)).result(60)  # type: ignore[arg-type]
    database.write(put("word", b"")).result(60)  # type: ignore[arg-type]
    log = tmp_path / "x.db-wal"
    assert SECRET in log.read_bytes()
    database.empty_log().result(60)
    assert log.stat().st_size == 0
    assert SECRET not in (tmp_path / "x.db").read_bytes()
    database.write(put("other")).result(60)  # type: ignore[arg-type]
    assert read(database, "other") == b"1"
    database.close()


def test_a_log_that_is_being_read_is_not_emptied(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db", key=KEY)
    database.write(put("a")).result(60)  # type: ignore[arg-type]
    gate, reading = threading.Event(), threading.Event()

    def long_read(connection: Connection) -> bytes | None:
        found = get_setting(connection, "a")
        reading.set()
        gate.wait(5)
        return found

    pending = database.read(long_read)
    assert reading.wait(5)
    database.write(put("a", b"2")).result(60)  # type: ignore[arg-type]
    database.write(lambda connection: connection.set_busy_timeout(0)).result(60)
    with pytest.raises(EnvironmentFault) as caught:
        database.empty_log().result(60)
    assert caught.value.code == "busy"
    gate.set()
    assert pending.result(60) == b"1"
    database.empty_log().result(60)
    database.close()


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = Schema(0x01020304, 1, ("CREATE TABLE thing (id INTEGER PRIMARY KEY)",))
    Database.open(tmp_path / "x.db", key=KEY, schema=other).close()
    Database.open(tmp_path / "x.db", key=KEY, schema=other).close()
    with pytest.raises(DatabaseCorruptError, match="no Covey database"):
        Database.open(tmp_path / "x.db", key=KEY)
