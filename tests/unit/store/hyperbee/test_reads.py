"""Reading: from elsewhere, ahead of need, through truncation, and what is let go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hyperbee import Hyperbee
from store.hyperbee import diff as diff_module
from store.hyperbee import ranges as ranges_module
from store.hyperbee.blocks import Node, decode_block, encode_block, encode_header
from store.hyperbee.diff import DiffWalk
from store.hyperbee.hyperbee import hints as hints_module
from store.hyperbee.hyperbee import reading as reading_module
from store.hyperbee.hyperbee.hints import MAX_HINTED_PER_WALK
from store.hyperbee.lookup import load_root
from store.hyperbee.messages import (
    GetRequest,
    IteratorRequest,
    decode_message,
    decode_payload,
    encode_cache,
    encode_get,
    encode_iterator,
    encode_payload,
)
from store.hyperbee.ranges import Cursor, History
from store.hyperbee.records import Bounds
from store.hyperbee.shelf import MAX_KEPT_KEY_BYTES, Shelf
from tests.unit.store.hyperbee.memory_log import MemoryLog, carry_through

COUNT = 2_000


def name(number: int) -> bytes:
    """A key."""
    return b"%05d" % number


async def written(count: int = COUNT) -> MemoryLog:
    """A log with keys in scattered order."""
    log = MemoryLog()
    async with Hyperbee(log, extension=False) as bee, bee.batch() as batch:
        for number in range(count):
            await batch.put(name(number * 7919 % count), b"value")
    return log


async def keys_of(view: Any, **options: Any) -> list[bytes]:
    """The keys of a range."""
    return [entry.key async for entry in view.range(**options)]


async def test_walking_another_log_keeps_many_requests_in_flight() -> None:
    log = MemoryLog(await written(), turns=200)
    bee = Hyperbee(log, extension=False)
    assert await keys_of(bee) == [name(number) for number in range(COUNT)]
    assert 100 < log.most_in_flight <= 256
    assert len(log.fetched) == len(set(log.fetched))


@pytest.mark.parametrize("reverse", [False, True])
async def test_a_short_walk_fetches_little(reverse: bool) -> None:
    log = MemoryLog(await written(), turns=20)
    bee = Hyperbee(log, extension=False)
    keys = await keys_of(bee, gte=name(700), reverse=reverse, limit=5)
    start, step = (COUNT - 1, -1) if reverse else (700, 1)
    assert keys == [name(start + step * number) for number in range(5)]
    assert len(log.fetched) < 150


async def test_looking_up_fetches_a_level_at_a_time() -> None:
    log = MemoryLog(await written(), turns=20)
    bee = Hyperbee(log, extension=False)
    assert await bee.get(name(1234)) is not None
    assert log.most_in_flight > 5
    assert len(log.fetched) < 150
    assert log.in_flight == 0


async def test_the_rest_is_wanted_no_longer_when_a_walk_is_left() -> None:
    log = MemoryLog(await written(), turns=50)
    bee = Hyperbee(log, extension=False)
    entries = bee.range()
    async for _ in entries:
        break
    await entries.aclose()
    await asyncio.sleep(0)
    assert log.in_flight == 0
    assert log.open_snapshots == 0


async def test_without_waiting_what_is_not_here_is_an_error() -> None:
    log = MemoryLog(await written(50))
    bee = Hyperbee(log, extension=False)
    with pytest.raises(LocalProtocolError) as caught:
        await bee.get(name(7), wait=False)
    assert caught.value.code == "block-missing"
    assert await bee.header(wait=False) is None
    with pytest.raises(LocalProtocolError):
        await Hyperbee.is_hyperbee(log, wait=False)
    assert await bee.get(name(7)) is not None
    assert await bee.get(name(7), wait=False) is not None


async def test_a_diff_fetches_what_differs() -> None:
    source = await written()
    bee = Hyperbee(source)
    for number in (3, 1000, 1999):
        await bee.put(name(number), b"new")
    await bee.delete(name(500))
    log = MemoryLog(source, turns=20)
    copy = Hyperbee(log, extension=False)
    found = [pair async for pair in copy.diff(COUNT + 1)]
    assert [(pair.left or pair.right).key for pair in found] == [  # type: ignore[union-attr]
        name(3),
        name(500),
        name(1000),
        name(1999),
    ]
    assert found[1].left is None
    assert len(log.fetched) < 400


async def test_a_diff_of_two_snapshots() -> None:
    log = await written(100)
    bee = Hyperbee(log)
    async with bee.snapshot() as before:
        await bee.put(name(5), b"new")
        async with bee.snapshot() as after:
            for left, right in ((before, after), (after, before)):
                pairs = [pair async for pair in left.diff(right)]
                assert len(pairs) == 1
                assert pairs[0].left is not None
                assert pairs[0].left.value == (b"new" if left is after else b"value")
    other = Hyperbee(MemoryLog())
    with pytest.raises(LocalProtocolError) as caught:
        [pair async for pair in bee.diff(other)]
    assert caught.value.code == "bad-argument"


async def test_a_truncated_log_is_read_anew() -> None:
    log = MemoryLog()
    bee = Hyperbee(log)
    for number in range(30):
        await bee.put(name(number), b"old")
    old = bee.snapshot()
    await log.truncate(11)
    assert await keys_of(bee) == [name(number) for number in range(10)]
    for number in range(5, 25):
        await bee.put(name(number), b"new")
    entry = await bee.get(name(15))
    assert entry is not None
    assert entry.value == b"new"
    assert len(await keys_of(bee)) == 25
    with pytest.raises(LocalProtocolError) as caught:
        await old.get(name(20))
    assert caught.value.code == "snapshot-not-available"
    await old.close()


async def test_truncation_under_a_look_up_begins_it_again() -> None:
    source = await written(500)
    log = MemoryLog(source, turns=30)
    bee = Hyperbee(log, extension=False)
    looking = asyncio.create_task(bee.get(name(250)))
    walking = asyncio.create_task(keys_of(bee))
    for _ in range(40):
        await asyncio.sleep(0)
    log.fork += 1
    found = await looking
    assert found is not None
    with pytest.raises(LocalProtocolError) as caught:
        await walking
    assert caught.value.code == "snapshot-not-available"


async def test_history_by_numbers() -> None:
    bee = Hyperbee(MemoryLog())
    for number in range(9):
        await bee.put(name(number))
    await bee.delete(name(3))

    async def seqs(**options: Any) -> list[int]:
        return [item.seq async for item in bee.history(**options)]

    assert await seqs() == list(range(1, 11))
    assert await seqs(gt=2, lt=5) == [3, 4]
    assert await seqs(gte=2, lte=5) == [2, 3, 4, 5]
    assert await seqs(gte=-1) == [10]
    assert await seqs(gt=-3, lte=-1) == [9, 10]
    assert await seqs(lt=-8) == [1, 2]
    assert await seqs(gte=100) == []
    assert await seqs(reverse=True, limit=2) == [10, 9]
    kinds = [item.type async for item in bee.history(gte=-2)]
    assert kinds == ["put", "del"]
    assert await bee.get_by_seq(10) == (10, name(3), None)
    for seq in (0, 11):
        with pytest.raises(LocalProtocolError):
            await bee.get_by_seq(seq)


async def test_unlinked_blocks_are_cleared_and_nothing_else() -> None:
    log = MemoryLog()
    bee = Hyperbee(log)
    for number in range(300):
        await bee.put(name(number % 60), b"%d" % number)
    for number in range(20):
        await bee.delete(name(number))
    before = await keys_of(bee)
    cleared = await bee.clear_unlinked()
    assert cleared > 150
    assert len(log.blocks) == 321 - cleared
    again = Hyperbee(log)
    assert await keys_of(again, wait=False) == before
    for key in before:
        assert await again.get(key, wait=False) is not None
    assert await again.clear_unlinked() == 0
    assert 0 in log.blocks


async def test_hints_bring_a_look_up_in_two_round_trips() -> None:
    source = await written()
    answering = Hyperbee(source)
    log = MemoryLog(source, turns=20)
    bee = Hyperbee(log)
    assert await bee.get(name(1234)) is not None
    (question,) = log.extensions[0].sent
    assert decode_message(decode_payload(question)) == [
        GetRequest(COUNT + 1, name(1234))
    ]
    (download,) = log.downloads
    fresh = MemoryLog(source)
    assert await Hyperbee(fresh, extension=False).get(name(1234)) is not None
    # Everything a look-up needs was named.
    named = MemoryLog()
    named.length = source.length
    named.blocks = {seq: source.blocks[seq] for seq in download.blocks}
    found = await Hyperbee(named, extension=False).get(name(1234), wait=False)
    assert found is not None
    await bee.close()
    await answering.close()


async def test_hints_for_walks_name_what_comes() -> None:
    source = await written()
    answering = Hyperbee(source)
    log = MemoryLog(source, turns=20)
    bee = Hyperbee(log)
    assert len(await keys_of(bee, gte=name(100), lt=name(300))) == 200
    walks = [
        decode_message(decode_payload(message))[0] for message in log.extensions[0].sent
    ]
    assert walks[0] == IteratorRequest(
        COUNT + 1, Bounds(name(100), True, name(300), False), None, False, []
    )
    named = {seq for download in log.downloads for seq in download.blocks}
    offline = MemoryLog()
    offline.length = source.length
    offline.blocks = {seq: source.blocks[seq] for seq in named}
    reader = Hyperbee(offline, extension=False)
    keys = await keys_of(reader, gte=name(100), lt=name(300), wait=False)
    assert len(keys) == 200
    await bee.close()
    await answering.close()


def named(blocks: Iterable[int]) -> bytes:
    """A hint as it arrives."""
    return encode_payload(encode_cache(list(blocks)))


async def settled() -> None:
    """Let everything happen."""
    for _ in range(3_000):
        await asyncio.sleep(0)


async def answer_to(source: MemoryLog, message: bytes) -> list[int]:
    """What a bee over a log answers."""
    bee = Hyperbee(source)
    peer = MemoryLog().extension("hyperbee", lambda *_: None)
    got: list[bytes] = []
    peer.on_message = lambda message, _: got.append(message)
    source.extensions[-1].on_message(encode_payload(message), peer)
    await settled()
    await bee.close()
    blocks: list[int] = []
    for item in got:
        (hint,) = decode_message(decode_payload(item))
        assert len(hint.blocks) <= 128  # type: ignore[union-attr]
        blocks += hint.blocks  # type: ignore[union-attr]
    return blocks


async def test_answers_are_bounded_and_local() -> None:
    source = await written(3_000)
    everything = IteratorRequest(3_001, Bounds(), None, False, [])
    blocks = await answer_to(source, encode_iterator(everything))
    assert len(blocks) == len(set(blocks)) == MAX_HINTED_PER_WALK
    reverse = IteratorRequest(3_001, Bounds(name(10)), 5, True, [])
    assert len(await answer_to(source, encode_iterator(reverse))) < 40
    for version in (0, 1, 3_002):
        assert await answer_to(source, encode_get(GetRequest(version, b"k"))) == []
    # Half of the tree is not here: the answer stops there and nothing is fetched.
    for seq in range(1, 2_900):
        source.blocks.pop(seq)
    assert len(await answer_to(source, encode_iterator(everything))) < 10
    assert await answer_to(source, b"\xff\xff") == []


async def test_a_walk_goes_on_at_a_checkpoint() -> None:
    source = await written(300)
    root = decode_block(300, source.blocks[300]).node(0)
    last = 2 * len(root.seqs)
    flat = [300, 0, last - 1]
    rest = IteratorRequest(301, Bounds(), None, False, flat)
    blocks = await answer_to(source, encode_iterator(rest))
    keys = {decode_block(seq, source.blocks[seq]).key for seq in blocks}
    first = decode_block(root.seqs[-1], source.blocks[root.seqs[-1]]).key
    assert {name(number) for number in range(int(first), 300)} <= keys
    for broken in ([300, 9, 0], [400, 0, 0], [300] * 99):
        rest = IteratorRequest(301, Bounds(), None, False, broken)
        assert len(await answer_to(source, encode_iterator(rest))) <= 1


async def test_no_more_hints_are_followed_than_were_asked_for() -> None:
    source = await written(400)
    log = MemoryLog(source)
    bee = Hyperbee(log)
    receive = log.extensions[0].on_message
    receive(named(range(1, 100)), None)
    assert log.downloads == []
    await bee.get(name(1))
    receive(named(range(1, 100)), None)
    receive(named(range(100, 200)), None)
    receive(named(range(200, 300)), None)
    assert sum(len(download.blocks) for download in log.downloads) == 128
    receive(named([0, 10_000]), None)
    assert len(log.downloads) == 2
    await bee.close()
    receive(named([5]), None)
    assert len(log.downloads) == 2


async def test_the_oldest_hints_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints_module, "MAX_DOWNLOADS", 2)
    source = await written(400)
    log = MemoryLog(source, turns=10_000)
    bee = Hyperbee(log)
    asking = asyncio.create_task(bee.get(name(1)))
    while not log.extensions[0].sent:
        await asyncio.sleep(0)
    for seq in range(1, 5):
        log.extensions[0].on_message(named([seq]), None)
    await asyncio.sleep(0)
    assert [download.open for download in log.downloads] == [False, False, True, True]
    await bee.close()
    assert not any(download.open for download in log.downloads)
    asking.cancel()


async def test_questions_beyond_the_limit_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hints_module, "MAX_QUESTIONS", 3)
    source = await written(50)
    bee = Hyperbee(source)
    got: list[bytes] = []
    peer = MemoryLog().extension("hyperbee", lambda *_: None)
    peer.on_message = lambda message, _: got.append(message)
    for number in range(10):
        message = encode_payload(encode_get(GetRequest(51, name(number))))
        source.extensions[0].on_message(message, peer)
    await settled()
    assert len(got) == 3
    await bee.close()


async def test_long_keys_and_large_values() -> None:
    bee = Hyperbee(MemoryLog())
    keys = [bytes([number]) * (MAX_KEPT_KEY_BYTES + number) for number in range(40)]
    for key in keys:
        await bee.put(key, b"v" * 100_000)
    for key in keys:
        assert await bee.get(key) is not None
    assert await keys_of(bee) == keys
    assert await keys_of(bee, gt=keys[3], lte=keys[30]) == keys[4:31]


def test_the_shelf_stays_within_its_budget() -> None:
    shelf = Shelf(max_bytes=100_000, max_keys_bytes=20_000)
    for seq in range(1, 10_000):
        shelf.add(decode_block(seq, encode_block(b"key", b"v" * 100, [])))
    kept = [seq for seq in range(1, 10_000) if shelf.block(seq) is not None]
    assert kept
    assert kept[-1] == 9_999
    assert len(kept) * 800 <= 100_000
    assert shelf.key(1) is None
    shelf.add(decode_block(1, encode_block(b"key", b"v" * 100_000, [])))
    assert shelf.block(1) is None
    assert shelf.key(1) == b"key"
    shelf.clear()
    assert shelf.block(9_999) is None


async def test_a_block_that_is_none_is_the_writers_fault() -> None:
    log = MemoryLog()
    await log.append([b"\x0a\x08hyperbee", b"\x07"])
    with pytest.raises(RemoteProtocolError):
        await Hyperbee(log).get(b"k")


def jumbled(keys: list[bytes], value: bytes | None = b"") -> MemoryLog:
    """A bee of one node that holds keys in the order given."""
    log = MemoryLog()
    blocks = [encode_header(None)]
    for seq, key in enumerate(keys, 1):
        node = Node([*range(1, seq + 1)], [None] * seq, [])
        blocks.append(encode_block(key, value, [node]))
    log.blocks = dict(enumerate(blocks))
    log.length = len(blocks)
    return log


@pytest.mark.parametrize(
    ("keys", "bounds"),
    [
        ([b"a", b"z", b"b"], {"gt": b"z"}),
        ([b"b", b"a", b"z"], {"lt": b"a", "reverse": True}),
    ],
)
async def test_nothing_is_given_that_lies_outside_of_the_range(
    keys: list[bytes], bounds: dict[str, Any]
) -> None:
    bee = Hyperbee(jumbled(keys), extension=False)
    with pytest.raises(RemoteProtocolError, match="not in order"):
        await bee.peek(**bounds)


async def test_a_diff_gives_nothing_that_lies_outside_of_the_range() -> None:
    bee = Hyperbee(jumbled([b"a", b"z", b"b"]), extension=False)
    with pytest.raises(RemoteProtocolError, match="not in order"):
        [_ async for _ in bee.diff(1, gt=b"z")]


async def test_huge_values_are_taken_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    most = 64 * 1024
    monkeypatch.setattr(ranges_module, "MAX_TAKEN_BYTES", most)
    monkeypatch.setattr(diff_module, "MAX_TAKEN_BYTES", most)
    log = MemoryLog()
    async with Hyperbee(log, extension=False) as bee, bee.batch() as batch:
        for number in range(100):
            await batch.put(name(number), bytes(most // 2))
    bee = Hyperbee(log, extension=False)
    pages, version = Shelf(), bee.version

    def first_of(walk: Cursor | History | DiffWalk) -> list[Any]:
        return list(carry_through(walk.take(64), log.blocks, pages))

    root = carry_through(load_root(pages, version), log.blocks, pages)
    assert len(first_of(Cursor(pages, root, Bounds()))) == 2
    assert len(first_of(History(pages, 1, version))) == 2
    assert len(first_of(DiffWalk(pages, root, None, Bounds()))) == 2
    assert len(await keys_of(bee)) == 100
    assert len([_ async for _ in bee.history()]) == 100
    assert len([_ async for _ in bee.diff(1)]) == 100


async def test_what_another_part_wrote_is_not_given_by_number() -> None:
    bee = Hyperbee(MemoryLog(), extension=False)
    await bee.put(b"a")
    part = bee.sub(b"part")
    await part.put(b"b")
    assert (await part.get_by_seq(2)).key == b"b"
    with pytest.raises(LocalProtocolError) as caught:
        await part.get_by_seq(1)
    assert caught.value.code == "bad-argument"


async def test_reading_ahead_stops_at_values_larger_than_expected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading_module, "MAX_AHEAD_BYTES", 100_000)
    monkeypatch.setattr(ranges_module, "MAX_TAKEN_BYTES", 100_000)
    log = MemoryLog()
    async with Hyperbee(log, extension=False) as bee, bee.batch() as batch:
        for number in range(60):
            await batch.put(name(number), bytes(60_000))
    read: list[int] = []
    get = log.get

    async def noted(index: int, **options: Any) -> bytes | None:
        read.append(index)
        return await get(index, **options)

    monkeypatch.setattr(log, "get", noted)
    bee = Hyperbee(log, extension=False)
    first = await bee.peek()
    assert first is not None
    assert first.key == name(0)
    assert len(set(read)) < 20
