"""The index follows what is said, and is built anew whenever it is of no use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.errors import UserFacingError
from app.rooms.operations.contents import Edit, Message, Poll
from app.search import Pace, Searching, source
from app.search import searching as searching_module
from store import contents, rooms
from store.database import Connection
from store.errors import DatabaseCorruptError, EnvironmentFault
from store.search import SearchIndex, SearchQuery, entries
from store.search.index import FILE_NAME
from tests.unit.app.search.conftest import Begin
from tests.unit.app.search.talk import (
    ADA,
    AT_ONCE,
    BIRDS,
    BO,
    FIRST_MS,
    FISH,
    MINUTE_MS,
    PEOPLE,
    Talk,
    find,
    found_texts,
    told,
)

SECRET = "zwitscherling"


async def test_what_is_said_is_found_newest_first(talk: Talk, begin: Begin) -> None:
    talk.texts("a heron by the lake", "a grey goose")
    searching = begin()
    assert await found_texts(searching, talk, "heron") == ["a heron by the lake"]
    talk.texts("another heron", device=BO)
    await told(searching)
    [newest, oldest] = await find(searching, talk, "heron")
    assert newest.message.text == "another heron"
    assert newest.message.identity == PEOPLE[BO]
    assert newest.room == BIRDS
    snippet = oldest.snippet
    assert [snippet.text[start:end] for start, end in snippet.ranges] == ["heron"]
    assert await found_texts(searching, talk, "swan") == []


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("明日は東京都庁で会いましょう", "東京都"),
        ("明日は東京都庁で会いましょう", "庁"),
        ("我们在北京大学见面", "北京"),
        ("コーヒーを飲みに行こう", "ｺｰﾋｰ"),
        ("서울에서 만나요", "서울"),
        ("Ein Käuzchen ruft", "kauzchen"),
    ],
)
async def test_words_of_any_script(
    talk: Talk, begin: Begin, text: str, query: str
) -> None:
    talk.texts(text, "something else")
    searching = begin()
    assert await found_texts(searching, talk, query) == [text]
    talk.texts("later: " + text)
    await told(searching)
    assert len(await find(searching, talk, query)) == 2


async def test_filters(talk: Talk, begin: Begin) -> None:
    talk.begin(FISH)
    talk.texts("one bird", "two birds")
    talk.texts("three birds", device=BO)
    talk.texts("four birds", room=FISH)
    searching = begin()

    async def texts(**filters: Any) -> list[str]:
        return await found_texts(searching, talk, "bird", **filters)

    assert len(await texts()) == 4
    assert await texts(rooms=(FISH,)) == ["four birds"]
    assert await texts(authors=(PEOPLE[BO],)) == ["three birds"]
    since_ms = FIRST_MS + MINUTE_MS
    assert await texts(since_ms=since_ms, until_ms=since_ms + 1) == ["two birds"]
    assert await texts(since_ms=since_ms + MINUTE_MS) == ["four birds", "three birds"]
    assert await texts(has_file=True) == []
    assert await texts(rooms=(FISH,), authors=(PEOPLE[BO],)) == []
    # Without a word the filters alone decide.
    assert await found_texts(searching, talk, "", authors=(PEOPLE[BO],)) == [
        "three birds"
    ]


async def test_pages_go_on_behind_a_cursor(talk: Talk, begin: Begin) -> None:
    talk.texts(*(f"bird {number}" for number in range(25)))
    searching = begin()
    whole = await find(searching, talk, "bird")
    assert len(whole) == 25
    for best in (False, True):
        paged: list[str] = []
        cursors: list[int | None] = [None]
        while page := await find(
            searching, talk, "bird", limit=10, before=cursors[-1], best=best
        ):
            paged += [one.message.text for one in page]
            cursors.append(page[-1].cursor)
        in_order = await found_texts(searching, talk, "bird", best=best)
        assert paged == in_order
        # And back: the cursor that a page began behind brings it again.
        again = await find(
            searching, talk, "bird", limit=10, before=cursors[1], best=best
        )
        assert [one.message.text for one in again] == in_order[10:20]
    assert await find(searching, talk, "bird", limit=0) == []


async def test_the_best_come_first_when_wanted(talk: Talk, begin: Begin) -> None:
    talk.texts("bird bird bird", "a bird among many other words that say nothing of it")
    searching = begin()
    [newest, _] = await found_texts(searching, talk, "bird")
    [best, _] = await found_texts(searching, talk, "bird", best=True)
    assert newest.startswith("a bird")
    assert best == "bird bird bird"


async def test_polls_are_found_by_their_answers(talk: Talk, begin: Begin) -> None:
    talk.say(Poll("Where to?", ("the lake", "the moor"), False))
    searching = begin()
    [found] = await find(searching, talk, "moor")
    assert found.message.text == "Where to?"
    assert "the moor" in found.snippet.text


async def test_who_claims_to_write_in_the_future_is_not_above_all(
    talk: Talk, begin: Begin
) -> None:
    """The order of the room bounds what authors say of the time."""
    row = talk.rows[BIRDS]
    liar = contents.NewContent(
        0, FIRST_MS, b"x" * 32, FIRST_MS * 10, contents.MESSAGE, Message("bird liar")
    )
    talk.write(lambda connection: contents.put(connection, row, BO, [liar]))
    talk.texts("bird one", "bird two")
    searching = begin()
    found = await found_texts(searching, talk, "bird")
    assert found[0] == "bird two"
    assert "bird liar" in found


async def test_an_edit_changes_by_what_it_is_found(talk: Talk, begin: Begin) -> None:
    [id] = talk.say(Message("a heron"))
    searching = begin()
    await told(searching)
    talk.say(Edit(id, "a swan"))
    # Before the index hears of it nothing that is not so is shown.
    assert await find(searching, talk, "heron") == []
    await told(searching)
    assert await found_texts(searching, talk, "swan") == ["a swan"]
    assert await find(searching, talk, "heron") == []
    # The rules do not let the edit count any more.
    talk.show(ADA, lambda sequence: sequence == 0)
    await told(searching)
    assert await found_texts(searching, talk, "heron") == ["a heron"]
    assert await find(searching, talk, "swan") == []
    assert talk.pending() == 0


async def test_what_is_hidden_is_not_found_until_it_reappears(
    talk: Talk, begin: Begin
) -> None:
    talk.texts("one bird", device=BO)
    searching = begin()
    await told(searching)
    talk.show(BO, lambda _: False)
    assert await find(searching, talk, "bird") == []
    await told(searching, ())
    searching.content_changed()
    await told(searching, ())
    assert await indexed(searching) == []
    talk.show(BO, lambda _: True)
    await told(searching)
    assert await found_texts(searching, talk, "bird") == ["one bird"]


async def indexed(searching: Searching) -> list[str]:
    """What the index itself holds, whatever the profile's database says."""
    index = searching._indexer.index
    assert index is not None
    hits = await asyncio.wrap_future(index.newest(SearchQuery(), limit=100))
    return [hit.snippet.text for hit in hits]


@pytest.mark.parametrize("way", ["deleted", "expired"])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_neither_file_holds_what_is_gone(
    talk: Talk, begin: Begin, way: str, moment: str
) -> None:
    talk.texts(*(f"message {number} of many" for number in range(50)))
    [id] = talk.say(Message(f"the {SECRET} 秘密の言葉", lifetime_ms=1_000))
    talk.texts(*(f"message {number} of more" for number in range(50)))
    searching = begin()
    if moment == "after":
        assert len(await find(searching, talk, SECRET)) == 1
        assert any(SECRET.encode() in raw for raw in talk.raw().values())
    if way == "deleted":
        talk.delete(id)
    else:
        talk.expire(FIRST_MS + 1_000 * MINUTE_MS)
    assert await find(searching, talk, SECRET) == []
    await told(searching)
    assert await find(searching, talk, SECRET) == []
    assert len(await indexed(searching)) == 100
    assert talk.pending() == 0
    for name, raw in talk.raw().items():
        for word in (SECRET, "秘密"):
            assert word.encode() not in raw, name
    assert len(await find(searching, talk, "many")) == 50


async def test_a_room_that_is_left_is_forgotten_and_found_again_later(
    talk: Talk, begin: Begin
) -> None:
    talk.begin(FISH)
    talk.texts("bird here")
    talk.texts(f"bird {SECRET}", room=FISH)
    searching = begin()
    await told(searching)
    talk.leave(FISH)
    searching.room_left(FISH)
    await told(searching, (BIRDS, FISH))
    await settled_sweeps(searching)
    assert await indexed(searching) == ["bird here"]
    assert SECRET.encode() not in talk.raw()[FILE_NAME]
    talk.begin(FISH)
    await told(searching, (FISH,))
    assert len(await find(searching, talk, "bird")) == 2


async def settled_sweeps(searching: Searching) -> None:
    await searching._indexer._sweeps.finish()


async def test_what_was_left_while_nobody_watched_is_forgotten(
    talk: Talk, begin: Begin
) -> None:
    talk.begin(FISH)
    talk.texts("bird", room=FISH)
    searching = begin()
    await told(searching)
    await searching.stop()
    talk.leave(FISH)
    searching = begin()
    await told(searching)
    await settled_sweeps(searching)
    assert await indexed(searching) == []


async def test_it_goes_on_where_it_was_ended(
    talk: Talk, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.begin(FISH)
    for room in (BIRDS, FISH):
        talk.texts(*(f"bird {number}" for number in range(2_000)), room=room)
    batches: list[int] = []
    whole = SearchIndex.apply

    def counted(index: SearchIndex, **job: Any) -> Any:
        batches.append(len(job.get("put", ())))
        return whole(index, **job)

    monkeypatch.setattr(SearchIndex, "apply", counted)
    searching = begin()
    while sum(batches) < 1_500:
        await asyncio.sleep(0)
    await searching.stop()
    before = sum(batches)
    assert 1_500 <= before < 4_000, "it was ended in the middle"
    searching = begin()
    await told(searching)
    assert sum(batches) == 4_000, "nothing twice, nothing left out"
    index = searching._indexer.index
    assert index is not None
    marks = await asyncio.wrap_future(index.marks())
    assert {BIRDS, FISH} < marks.keys()
    assert len(await find(searching, talk, "1999")) == 2


async def test_nothing_is_read_twice_after_a_restart(
    talk: Talk, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.texts("one", "two")
    searching = begin()
    await told(searching)
    await searching.stop()
    talk.texts("three")
    put: list[str] = []
    whole = SearchIndex.apply

    def seen(index: SearchIndex, **job: Any) -> Any:
        put.extend(entry.text for entry in job.get("put", ()))
        return whole(index, **job)

    monkeypatch.setattr(SearchIndex, "apply", seen)
    searching = begin()
    await told(searching)
    assert put == ["three"]


@pytest.mark.expects_log("built anew")
@pytest.mark.parametrize(
    "harm", ["missing", "damaged", "foreign", "another key", "while it runs"]
)
async def test_an_index_of_no_use_is_built_anew(
    talk: Talk, begin: Begin, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.texts("one bird")
    searching = begin(key=b"1" * 32)
    assert len(await find(searching, talk, "bird")) == 1
    path = talk.folder / FILE_NAME
    if harm == "while it runs":
        index = searching._indexer.index
        whole = SearchIndex.newest

        def damaged(asked: SearchIndex, *given: Any, **how: Any) -> Any:
            if asked is not index:
                return whole(asked, *given, **how)

            def work(_: Connection) -> Any:
                raise DatabaseCorruptError("a page is damaged")

            return asked._database.read(work)

        monkeypatch.setattr(SearchIndex, "newest", damaged)
        assert await found_texts(searching, talk, "bird") == ["one bird"]
        assert searching._indexer.index is not index
        return
    await searching.stop()
    if harm == "missing":
        path.unlink()
    elif harm == "damaged":
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 0xFF
        path.write_bytes(raw)
    elif harm == "foreign":
        path.write_bytes(b"no database " * 1_000)
    searching = begin(key=b"2" * 32 if harm == "another key" else b"1" * 32)
    assert await found_texts(searching, talk, "bird") == ["one bird"]


@pytest.mark.expects_log("built anew")
async def test_damage_met_while_writing(
    talk: Talk, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.texts("one bird")
    searching = begin()
    await told(searching)
    first = searching._indexer.index
    whole = SearchIndex.apply

    def damaged(index: SearchIndex, **job: Any) -> Any:
        if index is not first:
            return whole(index, **job)

        def work(_: Connection) -> None:
            raise DatabaseCorruptError("a page is damaged")

        return index._database.write(work)

    monkeypatch.setattr(SearchIndex, "apply", damaged)
    talk.texts("two birds")
    await told(searching)
    assert searching._indexer.index is not first
    assert len(await find(searching, talk, "bird")) == 2


@pytest.mark.expects_log("built anew")
async def test_an_index_that_lost_its_last_commits_is_built_anew(
    talk: Talk, begin: Begin
) -> None:
    """As after a power cut, or with a copy from before."""
    [id] = talk.say(Message("a heron"))
    searching = begin()
    await told(searching)
    await searching.stop()
    old = (talk.folder / FILE_NAME).read_bytes()
    talk.say(Edit(id, "a swan"))
    searching = begin()
    await told(searching)
    await searching.stop()
    (talk.folder / FILE_NAME).write_bytes(old)
    searching = begin()
    await told(searching)
    assert await indexed(searching) == ["a swan"]
    # And that is remembered.
    await searching.stop()
    searching = begin()
    first = searching
    await told(first)
    assert first._indexer.index is not None
    assert first._indexer.index.rebuild is None


async def test_contents_that_were_derived_anew_are_indexed_anew(
    talk: Talk, begin: Begin
) -> None:
    talk.texts("one bird", "two birds")
    searching = begin()
    await told(searching)
    await searching.stop()
    row = talk.rows[BIRDS]
    talk.write(lambda connection: contents.forget(connection, row))
    talk.texts("three birds", "four birds", "five birds")
    searching = begin()
    await told(searching)
    await settled_sweeps(searching)
    assert sorted(await indexed(searching)) == sorted(
        ["three birds", "four birds", "five birds"]
    )


@pytest.mark.parametrize(
    "pace",
    [
        Pace(arrivals_s=0.0, changes_s=0.0, quiet_s=0.0),
        Pace(arrivals_s=0.0, changes_s=0.0, untidy_s=0.0),
    ],
)
async def test_a_large_index_is_rewritten_in_a_quiet_hour(
    talk: Talk, begin: Begin, monkeypatch: pytest.MonkeyPatch, pace: Pace
) -> None:
    monkeypatch.setattr("store.search.index.MAX_REWRITTEN_BYTES", 0)
    ids = talk.say(*(Message(f"bird {number}") for number in range(100)))
    searching = begin()
    await told(searching)
    talk.delete(*ids[:10])
    await told(searching)
    index = searching._indexer.index
    assert index is not None
    assert await asyncio.wrap_future(index.has_traces())
    await searching.stop()
    searching = begin(pace=pace)
    await told(searching)
    index = searching._indexer.index
    assert index is not None
    async with asyncio.timeout(60):
        while await asyncio.wrap_future(index.has_traces()):
            await asyncio.sleep(0)


@pytest.mark.expects_log("has to wait")
async def test_it_waits_for_a_disk_that_refuses(
    talk: Talk, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.texts("one bird")
    whole = SearchIndex.open
    refusals: list[Path] = []

    def refused(directory: Path, **how: Any) -> SearchIndex:
        if len(refusals) < 3:
            refusals.append(directory)
            raise EnvironmentFault("the disk is full")
        return whole(directory, **how)

    monkeypatch.setattr(SearchIndex, "open", refused)
    searching = begin()
    assert await found_texts(searching, talk, "bird") == ["one bird"]
    assert len(refusals) == 3


@pytest.mark.expects_log("has to wait")
async def test_a_search_says_so_when_there_is_no_index(
    talk: Talk, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(directory: Path, **how: Any) -> SearchIndex:
        del directory, how
        raise EnvironmentFault("the disk is full")

    monkeypatch.setattr(SearchIndex, "open", refused)
    searching = begin(pace=Pace(patience_s=0.0))
    with pytest.raises(UserFacingError) as error:
        await find(searching, talk, "bird")
    assert error.value.code == "search-unavailable"


async def test_ten_thousand_messages_do_not_hold_up_the_loop(
    talk: Talk, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read or indexed on the loop, and others get turns all the time."""
    talk.texts(*(f"bird {number} by the lake 東京" for number in range(10_000)))
    in_loop: list[str] = []
    batches: list[str] = []

    def watched(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **how: Any) -> Any:
            try:
                asyncio.get_running_loop()
                in_loop.append(name)
            except RuntimeError:
                batches.append(name)
            return work(*given, **how)

        return run

    monkeypatch.setattr(source, "arrivals", watched("read", source.arrivals))
    monkeypatch.setattr("store.search.index.apply", watched("index", entries.apply))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            # Who spins would take the lock of the interpreter from the threads.
            await asyncio.sleep(0.001)

    searching = begin()
    ticker = asyncio.create_task(tick())
    try:
        async with asyncio.timeout(120):
            await searching.settled()
    finally:
        ticker.cancel()
    assert in_loop == []
    for name in ("read", "index"):
        assert batches.count(name) >= 10_000 // source.BATCH_MESSAGES
    assert ticks > batches.count("read")
    assert len(await find(searching, talk, "9999")) == 1


@pytest.mark.expects_log("built anew")
async def test_an_index_says_while_it_is_being_built(
    talk: Talk, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source.arrivals, "__kwdefaults__", {"limit": 10})
    talk.texts(*(f"bird {number}" for number in range(95)))
    searching = Searching(talk.folder, talk.database, key=None, pace=AT_ONCE)
    assert not searching.is_whole
    searching = begin()
    while not searching._indexer._in_bulk:
        await asyncio.sleep(0)
    assert not searching.is_whole
    await searching.settled()
    assert searching.is_whole
    talk.texts("one more")
    searching.content_changed(BIRDS)
    assert searching.is_whole, "but for a moment"
    await searching.settled()
    talk.texts(*(f"bird {number}" for number in range(95)))
    searching.content_changed(BIRDS)
    while not searching._indexer._in_bulk:
        await asyncio.sleep(0)
    assert not searching.is_whole, "there is much to add"
    await searching.settled()
    searching._indexer.replace()
    assert not searching.is_whole
    async with asyncio.timeout(60):
        await searching.settled()
    assert searching.is_whole


def test_a_mark_reads_back() -> None:
    mark = source.Mark(7, b"i" * 32)
    assert source.Mark.decode(mark.encode()) == mark
    for broken in (b"", mark.encode()[:-1], mark.encode() + b"x", b"\xff" * 40):
        assert source.Mark.decode(broken) is None


async def test_answers_are_bounded(
    talk: Talk, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.texts(*(f"bird {number} " + "x" * 100 for number in range(20)))
    monkeypatch.setattr(searching_module, "MAX_ANSWER_CHARS", 500)
    searching = begin()
    found: list[str] = []
    cursor: int | None = None
    while page := await find(searching, talk, "bird", before=cursor):
        assert len(page) < 5
        cursor = page[-1].cursor
        found += [one.message.text for one in page]
    assert len(found) == 20


async def test_messages_go_together_unless_somebody_searches(
    talk: Talk, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[bytes] = []
    whole = source.arrivals

    def seen(connection: Connection, room: bytes, *given: Any) -> Any:
        reads.append(room)
        return whole(connection, room, *given)

    monkeypatch.setattr(source, "arrivals", seen)
    [id] = talk.say(Message("a heron"))
    pace = Pace(arrivals_s=3_600.0, changes_s=3_600.0, patience_s=60.0)
    searching = begin(pace=pace)
    await searching.settled()
    talk.say(Edit(id, "a swan"))
    searching.content_changed(BIRDS)
    assert len(await find(searching, talk, "swan")) == 1
    before = len(reads)
    for number in range(20):
        talk.texts(f"bird {number}")
        searching.content_changed(BIRDS)
        for _ in range(50):
            await asyncio.sleep(0)
    assert len(reads) == before
    assert len(await find(searching, talk, "bird")) == 20
    assert len(reads) == before + 1


async def test_what_is_not_indexed_yet_is_not_indexed_for_its_changes(
    talk: Talk,
) -> None:
    """It is read as it is when its turn comes; twice would be for nothing."""
    one, two = talk.say(Message("one"), Message("two"))
    talk.say(Edit(one, "first"), Edit(two, "second"))
    number = talk.database.read(
        lambda connection: (
            contents.arrived(connection, talk.rows[BIRDS], after=0, limit=1)[0].number
        )
    ).result(60)
    for marks, expected in (
        ({}, []),
        ({BIRDS: source.Mark(number)}, ["first"]),
        ({BIRDS: source.Mark(number + 1)}, ["first", "second"]),
    ):
        found = talk.database.read(
            lambda connection, marks=marks: source.changes(connection, marks)  # type: ignore[misc]
        ).result(60)
        assert [entry.text for entry in found.put] == expected
        assert found.through


async def test_a_page_is_full_although_some_hits_may_not_be_shown(
    talk: Talk, begin: Begin
) -> None:
    talk.begin(FISH)
    talk.texts(*(f"bird {number}" for number in range(10)))
    talk.texts(*(f"bird {number}" for number in range(10, 20)), room=FISH)
    searching = begin()
    await told(searching)
    listed = {BIRDS: talk.rows[BIRDS]}
    for best in (False, True):
        found = await searching.search(SearchQuery("bird"), listed, limit=6, best=best)
        assert len(found) == 6
        assert {one.room for one in found} == {BIRDS}


async def test_rooms_that_are_not_listed_are_not_shown(
    talk: Talk, begin: Begin
) -> None:
    talk.texts("one bird")
    searching = begin()
    await told(searching)
    found = await searching.search(SearchQuery("bird"), {}, limit=10)
    assert found == []
    listed = talk.database.read(rooms.list_rooms).result(60)
    assert [room.room for room in listed] == [BIRDS]
