"""The index as a file: filters, pages, marks, damage, and plans that use the lists."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.database import Connection, Database
from store.errors import DatabaseCorruptError, LocalProtocolError
from store.search import Entry, Rebuild, SearchIndex, SearchQuery
from store.search import index as index_module
from store.search.entries import FIND, MAX_MARK_BYTES
from store.search.finding import BEST, MAX_PAGE, NEWEST, NEWEST_OF_ALL, Hit
from store.search.index import FILE_NAME, MAX_JOB_ENTRIES
from store.search.schema import MAX_TIME_MS, PREFIX_INDEX_CHARS, SEARCH, SLOT_COUNT

KEY = bytes(range(32))
ADA, BO = b"a" * 32, b"b" * 32
ROOM, OTHER = b"r" * 32, b"o" * 32


def entry(number: int, text: str = "word", **options: object) -> Entry:
    values: dict[str, object] = {
        "room": ROOM,
        "message": number.to_bytes(32, "big"),
        "author": ADA,
        "time_ms": number * 1_000,
        "text": text,
    }
    return Entry(**(values | options))  # type: ignore[arg-type]


def numbers(hits: list[Hit]) -> list[int]:
    return [int.from_bytes(hit.message, "big") for hit in hits]


def found(index: SearchIndex, text: str = "word", **options: object) -> list[int]:
    query = SearchQuery(text, **options)  # type: ignore[arg-type]
    return numbers(index.newest(query).result(60))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SearchIndex]:
    opened = SearchIndex.open(tmp_path, key=KEY)
    yield opened
    opened.close()


def test_the_newest_come_first_however_late_they_arrive(index: SearchIndex) -> None:
    for number in (5, 2, 9, 1, 7):
        index.apply(put=[entry(number)]).result(60)
    assert found(index) == [9, 7, 5, 2, 1]


def test_pages_go_on_behind_a_hit(index: SearchIndex) -> None:
    index.apply(put=[entry(number) for number in range(500)]).result(60)
    seen: list[int] = []
    before = None
    while hits := index.newest(SearchQuery("word"), limit=120, before=before).result(
        60
    ):
        seen += numbers(hits)
        before = hits[-1].position
    assert seen == list(range(499, -1, -1))
    most = index.newest(SearchQuery("word"), limit=10**9).result(60)
    assert len(most) == MAX_PAGE
    assert index.newest(SearchQuery("word"), limit=-1).result(60) == []


def test_filters_confine(index: SearchIndex) -> None:
    index.apply(
        put=[
            entry(1, author=BO),
            entry(2, room=OTHER, has_file=True),
            entry(3, has_file=True),
            entry(4, "else", has_file=True),
        ]
    ).result(60)
    assert found(index, rooms=[ROOM]) == [3, 1]
    assert found(index, rooms=[OTHER, ROOM]) == [3, 2, 1]
    assert found(index, rooms=[b"never seen"]) == []
    assert found(index, authors=[BO]) == [1]
    assert found(index, has_file=True) == [3, 2]
    assert found(index, since_ms=2_000, until_ms=3_000) == [2]
    assert found(index, "", has_file=True) == [4, 3, 2]
    assert found(index, "") == [4, 3, 2, 1]
    assert found(index, "*!") == []
    assert found(index, "f") == []
    assert found(index, "r1") == []


def test_a_hit_tells_what_and_where(index: SearchIndex) -> None:
    index.apply(put=[entry(7, "A Word.", has_file=True, time_ms=7_654)]).result(60)
    (hit,) = index.newest(SearchQuery("word")).result(60)
    assert (hit.room, hit.author, hit.time_ms, hit.has_file) == (ROOM, ADA, 7_654, True)
    assert hit.snippet.text == "A Word."
    assert hit.snippet.ranges == ((2, 6),)


def test_the_best_are_shorter_or_say_it_more_often(index: SearchIndex) -> None:
    index.apply(
        put=[
            entry(1, "word word word"),
            entry(2, "word among a great many others that nobody asked for"),
            entry(3, "word here"),
        ]
    ).result(60)
    best = [
        numbers(index.best(SearchQuery("word"), limit=2, skip=at).result(60))
        for at in (0, 2)
    ]
    assert best == [[1, 3], [2]]
    assert numbers(index.best(SearchQuery(""), limit=1, skip=1).result(60)) == [2]


def test_an_edit_replaces(index: SearchIndex) -> None:
    index.apply(put=[entry(1, "old words"), entry(2)]).result(60)
    index.apply(put=[entry(1, "new text"), entry(1, "newest text")]).result(60)
    assert found(index, "old") == found(index, "new ") == []
    assert found(index, "newest") == [1]
    index.apply(put=[entry(1, "moved word", time_ms=9_000)]).result(60)
    assert found(index) == [1, 2]


def test_times_that_lie_are_brought_into_bounds(index: SearchIndex) -> None:
    index.apply(put=[entry(1, time_ms=-5), entry(2, time_ms=1 << 70), entry(3)]).result(
        10
    )
    hits = index.newest(SearchQuery("word")).result(60)
    assert [hit.time_ms for hit in hits] == [MAX_TIME_MS, 3_000, 0]
    assert found(index, since_ms=-(1 << 80), until_ms=1 << 80) == [2, 3, 1]


def test_more_than_fit_in_a_second_count_as_of_the_next(index: SearchIndex) -> None:
    many = [entry(number, time_ms=5_000) for number in range(SLOT_COUNT + 3)]
    index.apply(put=many).result(60)
    index.apply(put=[entry(9_999, time_ms=5_500)]).result(60)
    late = index.newest(SearchQuery("word", since_ms=6_000)).result(60)
    assert numbers(late) == [9_999, SLOT_COUNT + 2, SLOT_COUNT + 1, SLOT_COUNT]
    assert {hit.time_ms for hit in late} == {6_000}
    assert len(found(index, until_ms=6_000)) == 50


def test_marks_are_kept_with_what_they_stand_for(tmp_path: Path) -> None:
    index = SearchIndex.open(tmp_path, key=KEY)
    assert index.rebuild is Rebuild.MISSING
    index.apply(put=[entry(1)], marks={ROOM: b"one", OTHER: b"zero"}).result(60)
    index.apply(marks={ROOM: b"two"}).result(60)
    index.close()
    index = SearchIndex.open(tmp_path, key=KEY)
    assert index.rebuild is None
    assert index.marks().result(60) == {ROOM: b"two", OTHER: b"zero"}
    assert index.mark(ROOM).result(60) == b"two"
    assert index.mark(b"never seen").result(60) is None
    assert found(index) == [1]
    index.close()


def test_a_failed_job_leaves_neither_entries_nor_mark(index: SearchIndex) -> None:
    bad = entry(2, has_file="neither")
    object.__setattr__(bad, "message", ["no", "id"])
    with pytest.raises(TypeError):
        index.apply(put=[entry(1), bad], marks={ROOM: b"m"}).result(60)
    assert found(index) == []
    assert index.mark(ROOM).result(60) is None


def test_too_much_is_refused(index: SearchIndex) -> None:
    with pytest.raises(LocalProtocolError):
        index.apply(put=[entry(1)] * (MAX_JOB_ENTRIES + 1))
    with pytest.raises(LocalProtocolError):
        index.apply(marks={ROOM: bytes(MAX_MARK_BYTES + 1)})


def test_a_closed_index_refuses(tmp_path: Path) -> None:
    index = SearchIndex.open(tmp_path, key=KEY)
    index.close()
    with pytest.raises(LocalProtocolError):
        index.apply(put=[entry(1)])
    with pytest.raises(LocalProtocolError):
        index.newest(SearchQuery("word"))


def test_a_removed_room_is_found_no_more_and_comes_back_empty(
    index: SearchIndex,
) -> None:
    index.apply(put=[entry(number) for number in range(700)]).result(60)
    index.apply(put=[entry(1, room=OTHER)], marks={ROOM: b"m"}).result(60)
    index.remove_room(b"never seen").result(60)
    gone = index.remove_room(ROOM)
    index.apply(put=[entry(5)]).result(60)
    assert found(index) == [5, 1]
    gone.result(60)
    assert found(index) == [5, 1]
    assert index.mark(ROOM).result(60) is None


def test_a_sweep_that_was_cut_off_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = SearchIndex.open(tmp_path, key=None)
    index.apply(put=[entry(number, "secretive") for number in range(700)]).result(60)
    swept = threading.Event()

    def cut_off(self: SearchIndex, done: object) -> None:
        del self, done
        swept.set()

    with monkeypatch.context() as patch:
        patch.setattr(SearchIndex, "_sweep", cut_off)
        index.remove_room(ROOM)
        assert swept.wait(10)
    assert found(index, "secretive") == []
    index.close()
    assert b"secretive" in (tmp_path / FILE_NAME).read_bytes()
    index = SearchIndex.open(tmp_path, key=None)
    for _ in range(10):
        # Each waits for its turn behind a part of the sweep.
        index.apply(marks={OTHER: b"m"}).result(60)
    index.compact().result(60)
    assert b"secretive" not in (tmp_path / FILE_NAME).read_bytes()
    index.close()


def damage(path: Path, kind: str) -> None:
    size = path.stat().st_size
    if kind == "text":
        path.write_bytes(b"this is no database at all, " * 300)
    elif kind == "empty pages":
        path.write_bytes(bytes(size))
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[: size // 2 + 100])
    elif kind == "bit":
        raw = bytearray(path.read_bytes())
        raw[size // 2] ^= 1
        path.write_bytes(raw)
    else:
        path.unlink()
        Database.open(path, key=KEY).close()


@pytest.mark.parametrize("kind", ["text", "empty pages", "cut", "bit", "foreign"])
def test_a_damaged_or_foreign_file_is_thrown_away(tmp_path: Path, kind: str) -> None:
    index = SearchIndex.open(tmp_path, key=KEY)
    index.apply(put=[entry(number) for number in range(300)]).result(60)
    index.close()
    damage(tmp_path / FILE_NAME, kind)
    index = SearchIndex.open(tmp_path, key=KEY)
    assert index.rebuild is Rebuild.DAMAGED
    assert found(index) == []
    index.apply(put=[entry(1)]).result(60)
    index.close()
    index = SearchIndex.open(tmp_path, key=KEY)
    assert index.rebuild is None
    assert found(index) == [1]
    index.close()


def test_another_key_or_lost_tables_are_damage(tmp_path: Path) -> None:
    SearchIndex.open(tmp_path, key=KEY).close()
    index = SearchIndex.open(tmp_path, key=bytes(32))
    assert index.rebuild is Rebuild.DAMAGED
    index.close()
    database = Database.open(tmp_path / FILE_NAME, key=bytes(32), schema=SEARCH)
    database.write(lambda c: c.execute("DROP TABLE author")).result(60)
    database.close()
    index = SearchIndex.open(tmp_path, key=bytes(32))
    assert index.rebuild is Rebuild.DAMAGED
    index.close()


def test_other_rules_for_words_make_it_outdated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = SearchIndex.open(tmp_path, key=KEY)
    index.apply(put=[entry(1)]).result(60)
    index.close()
    monkeypatch.setattr(index_module, "SIGNATURE", "another")
    index = SearchIndex.open(tmp_path, key=KEY)
    assert index.rebuild is Rebuild.OUTDATED
    assert found(index) == []
    index.close()
    index = SearchIndex.open(tmp_path, key=KEY)
    assert index.rebuild is None
    index.close()


def test_a_newer_file_is_outdated_too(tmp_path: Path) -> None:
    SearchIndex.open(tmp_path, key=KEY).close()
    database = Database.open(tmp_path / FILE_NAME, key=KEY, schema=SEARCH)
    database.write(lambda c: c.pragma("user_version", SEARCH.newest + 1)).result(60)
    database.close()
    index = SearchIndex.open(tmp_path, key=KEY)
    assert index.rebuild is Rebuild.OUTDATED
    index.close()


def test_damage_that_shows_later_is_told_and_a_new_one_made(tmp_path: Path) -> None:
    index = SearchIndex.open(tmp_path, key=KEY)
    index.apply(put=[entry(number) for number in range(3_000)]).result(60)
    index.compact().result(60)
    raw = bytearray((tmp_path / FILE_NAME).read_bytes())
    for at in range(4_096 * 8 + 500, len(raw), 4_096):
        raw[at] ^= 1
    (tmp_path / FILE_NAME).write_bytes(raw)
    with pytest.raises(DatabaseCorruptError):
        index.check().result(60)
    with pytest.raises(DatabaseCorruptError):
        index.best(SearchQuery("word")).result(60)
    index.close()
    index = SearchIndex.open(tmp_path, key=KEY, afresh=True)
    assert index.rebuild is Rebuild.WANTED
    assert found(index) == []
    index.close()


def plan(index: SearchIndex, statement: str, values: tuple[object, ...]) -> str:
    def explain(connection: Connection) -> str:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        return "\n".join(str(row[3]) for row in rows)

    return index._database.read(explain).result(60)


def test_plans_begin_with_the_lists_and_sort_nothing(index: SearchIndex) -> None:
    steps = plan(index, NEWEST, ("word", 0, 9, 0, 9, 50)).splitlines()
    assert steps[0].startswith("SCAN w VIRTUAL TABLE INDEX")
    assert [step.split(" USING ")[1] for step in steps[1:]] == [
        "INTEGER PRIMARY KEY (rowid=?)"
    ] * 3
    assert "TEMP B-TREE" not in "".join(steps)
    steps = plan(index, NEWEST_OF_ALL, (0, 9, 0, 9, 50)).splitlines()
    assert "SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in steps[0]
    assert "TEMP B-TREE" not in "".join(steps)


def test_only_the_ranked_hits_are_sorted(index: SearchIndex) -> None:
    steps = plan(index, BEST, ("word", 0, 9, 0, 9, 50, 0)).splitlines()
    (sort,) = [at for at, step in enumerate(steps) if "TEMP B-TREE" in step]
    (lists,) = [at for at, step in enumerate(steps) if "VIRTUAL TABLE" in step]
    assert steps[0].startswith("CO-ROUTINE")
    assert lists < sort


def test_an_entry_is_found_by_an_index(index: SearchIndex) -> None:
    assert "USING INDEX entry_message" in plan(index, FIND, (b"x" * 32, 1))
    last = "SELECT max(id) FROM entry WHERE id BETWEEN ? AND ?"
    assert "SEARCH entry USING INTEGER PRIMARY KEY" in plan(index, last, (1, 2))


def test_the_prefixes_are_those_that_are_mended() -> None:
    wanted = " ".join(map(str, PREFIX_INDEX_CHARS))
    assert f"prefix = '{wanted}'" in SEARCH.steps[-1]
