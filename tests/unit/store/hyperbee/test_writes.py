"""Writing: order, refusal, failure, batches and parts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from store.errors import EnvironmentFault, LocalProtocolError, RemoteProtocolError
from store.hyperbee import Hyperbee, SubEncoder
from store.hyperbee import editor as editor_module
from tests.unit.store.hyperbee.memory_log import MemoryLog


def text_bee(log: Any, **options: Any) -> Hyperbee:
    """A bee of text."""
    return Hyperbee(log, key_encoding="utf-8", value_encoding="utf-8", **options)


async def pairs(view: Any, **options: Any) -> list[tuple[Any, Any]]:
    """Keys and values of a range."""
    return [(entry.key, entry.value) async for entry in view.range(**options)]


async def test_writes_at_once_keep_their_order_and_share_appends() -> None:
    log = MemoryLog()
    bee = text_bee(log)
    names = [f"key{number:03}" for number in range(200)]
    seqs = await asyncio.gather(*(bee.put(name, name) for name in names))
    assert seqs == list(range(1, 201))
    assert log.appends < 20
    assert await pairs(bee) == [(name, name) for name in names]


async def test_a_single_write_after_another_is_read_from_nothing_but_memory() -> None:
    log = MemoryLog()
    bee = text_bee(log)
    for number in range(50):
        await bee.put(f"{number:02}", "x")
    kept, log.blocks = log.blocks, {}
    await bee.put("25", "again")
    log.blocks = {**kept, **log.blocks}
    assert len(await pairs(bee)) == 50


async def test_cas_is_asked_about_existing_keys_only() -> None:
    bee = text_bee(MemoryLog())
    asked: list[Any] = []

    def cas(previous: Any, following: Any) -> bool:
        asked.append((tuple(previous), tuple(following)))
        return bool(previous.value != following.value)

    assert await bee.put("a", "1", cas=cas) == 1
    assert asked == []
    assert await bee.put("a", "1", cas=cas) is None
    assert await bee.put("a", "2", cas=cas) == 2
    assert await bee.delete("a", cas=lambda previous, _: previous.value == "1") is None
    assert await bee.delete("a", cas=lambda previous, _: previous.value == "2") == 3
    assert await bee.delete("a", cas=cas) is None
    assert asked == [((1, "a", "1"), (2, "a", "1")), ((1, "a", "1"), (2, "a", "2"))]


async def test_a_cas_that_would_have_to_be_awaited_is_refused() -> None:
    bee = text_bee(MemoryLog())

    async def cas(previous: Any, following: Any) -> bool:
        raise AssertionError((previous, following))

    await bee.put("a", "1")
    for write in (bee.put("a", "2", cas=cas), bee.delete("a", cas=cas)):  # type: ignore[arg-type]
        with pytest.raises(LocalProtocolError, match="at once"):
            await write
    assert await bee.get("a") == (1, "a", "1")
    assert await bee.put("a", "2") == 2


async def test_a_refused_write_in_a_large_tree_leaves_no_mark() -> None:
    log, other_log = MemoryLog(), MemoryLog()
    bee, other = text_bee(log), text_bee(other_log)
    for number in range(100):
        await bee.put(f"{number:02}", "x")
        await other.put(f"{number:02}", "x")
    assert await bee.put("03", "y", cas=lambda *_: False) is None
    await bee.put("90", "z")
    await other.put("90", "z")
    assert log.blocks == other_log.blocks


async def test_the_header_comes_with_the_first_write_even_if_it_writes_nothing() -> (
    None
):
    log = MemoryLog()
    bee = text_bee(log)
    assert await bee.delete("nothing") is None
    assert log.length == 1
    assert await Hyperbee.is_hyperbee(log)
    assert bee.version == 1
    assert await bee.get("nothing") is None
    assert await pairs(bee) == []


async def test_a_failed_append_fails_what_was_built_on_it_and_nothing_later() -> None:
    log = MemoryLog()
    bee = text_bee(log)
    await bee.put("a", "1")
    log.broken = True
    results = await asyncio.gather(
        *(bee.put(name, "2") for name in "bcd"), return_exceptions=True
    )
    assert all(isinstance(result, EnvironmentFault) for result in results)
    log.broken = False
    assert await bee.put("e", "3") == 2
    assert await pairs(bee) == [("a", "1"), ("e", "3")]


async def test_a_batch_built_on_a_failed_append_does_not_go_through() -> None:
    log = MemoryLog()
    bee = text_bee(log)
    await bee.put("a", "1")
    log.broken = True
    failing = asyncio.create_task(bee.put("b", "2"))
    await asyncio.sleep(0)
    batch = bee.batch()
    await batch.put("c", "3")
    with pytest.raises(EnvironmentFault):
        await failing
    log.broken = False
    await batch.put("f", "5")
    with pytest.raises(LocalProtocolError) as caught:
        await batch.flush()
    assert caught.value.code == "write-failed"
    assert await bee.put("d", "4") == 2
    assert await bee.put("e", "5") == 3
    assert await bee.put("f", "6") == 4
    seen: list[Any] = []

    def look(previous: Any, _: Any) -> bool:
        seen.append(previous)
        return False

    for key in "def":
        await bee.put(key, "x", cas=look)
    assert seen == [(2, "d", "4"), (3, "e", "5"), (4, "f", "6")]


async def test_a_batch_whose_flush_is_not_waited_for_is_written() -> None:
    log = MemoryLog()
    bee = text_bee(log)
    batch = bee.batch()
    for number in range(30):
        await batch.put(f"{number:02}", "x")
    flushing = asyncio.create_task(batch.flush())
    await asyncio.sleep(0)
    flushing.cancel()
    await asyncio.wait([flushing])
    assert await bee.put("30", "y") == 31
    assert len(await pairs(bee)) == 31
    await bee.close()


async def test_a_fault_of_the_log_that_nobody_foresaw_leaves_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = MemoryLog()
    bee = text_bee(log)
    await bee.put("a", "1")

    async def interrupted(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(log, "append", interrupted)
    with pytest.raises(LocalProtocolError, match="broken off"):
        await bee.put("b", "2")
    monkeypatch.undo()
    assert await bee.put("c", "3") == 2


async def test_a_log_changed_by_somebody_else_is_noticed() -> None:
    log = MemoryLog()
    bee, other = text_bee(log), text_bee(log)
    await bee.put("a", "1")
    await other.put("b", "2")
    await bee.put("c", "3")
    assert await pairs(bee) == [("a", "1"), ("b", "2"), ("c", "3")]
    first = asyncio.create_task(bee.put("d", "4"))
    second = asyncio.create_task(bee.put("e", "5"))
    await asyncio.sleep(0)
    await log.append([b"beside"])
    with pytest.raises(LocalProtocolError) as caught:
        await asyncio.gather(first, second)
    assert caught.value.code == "write-failed"


async def test_only_bees_are_written() -> None:
    log = MemoryLog()
    await log.append([b"something else"])
    with pytest.raises(LocalProtocolError) as caught:
        await text_bee(log).put("a", "1")
    assert caught.value.code == "not-a-bee"
    assert not await Hyperbee.is_hyperbee(log)
    assert log.length == 1


async def test_writing_needs_the_right_to() -> None:
    log = MemoryLog()
    await text_bee(log).put("a", "1")
    kept = text_bee(log, read_only=True)
    assert not kept.writable
    with pytest.raises(LocalProtocolError, match="reading only"):
        await kept.put("a", "2")
    with pytest.raises(LocalProtocolError, match="reading only"):
        kept.batch()
    log.writable = False
    with pytest.raises(LocalProtocolError) as caught:
        await text_bee(log).delete("a")
    assert caught.value.code == "not-writable"
    bee = text_bee(log)
    await bee.close()
    await bee.close()
    for call in (bee.put("a", "1"), bee.get("a")):
        with pytest.raises(LocalProtocolError) as closed:
            await call
        assert closed.value.code == "session-closed"


async def test_a_batch_is_seen_by_itself_first_and_by_all_at_once() -> None:
    log = MemoryLog()
    bee = text_bee(log)
    await bee.put("a", "1")
    async with bee.batch() as batch:
        assert await batch.get("a") == (1, "a", "1")
        await batch.put("b", "2")
        assert await batch.delete("a") == 3
        assert await batch.delete("a") is None
        assert await batch.get("a") is None
        assert await batch.get("b") == (2, "b", "2")
        assert await pairs(batch) == [("b", "2")]
        assert await pairs(bee) == [("a", "1")]
        assert log.length == 2
    assert await pairs(bee) == [("b", "2")]
    assert log.appends == 2
    with pytest.raises(LocalProtocolError) as caught:
        await batch.put("c", "3")
    assert caught.value.code == "session-closed"


async def test_a_batch_holds_the_lock_until_it_ends() -> None:
    bee = text_bee(MemoryLog())
    batch = bee.batch()
    await batch.put("a", "1")
    waiting = asyncio.create_task(bee.put("b", "2"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    await batch.close()
    assert await waiting == 1
    await batch.close()
    assert await pairs(bee) == [("b", "2")]


async def test_an_exception_within_a_batch_forgets_it() -> None:
    bee = text_bee(MemoryLog())
    with suppress(KeyError):
        async with bee.batch() as batch:
            await batch.put("a", "1")
            raise KeyError
    assert bee.version == 1
    async with bee.batch():
        pass
    assert await bee.put("b", "2") == 1


async def test_a_write_that_breaks_off_leaves_the_tree_whole() -> None:
    log = MemoryLog()
    bee = text_bee(log)
    for number in range(60):
        await bee.put(f"{number:02}", "x")

    def refuse(*_: object) -> bool:
        raise ValueError("no opinion")

    with pytest.raises(ValueError, match="no opinion"):
        await bee.put("30", "y", cas=refuse)
    with pytest.raises(ValueError, match="no opinion"):
        await bee.delete("30", cas=refuse)
    batch = bee.batch()
    await batch.put("70", "y")
    with pytest.raises(ValueError, match="no opinion"):
        await batch.put("30", "y", cas=refuse)
    with pytest.raises(LocalProtocolError) as caught:
        await batch.flush()
    assert caught.value.code == "write-failed"
    await batch.close()
    assert await bee.delete("30") == 61
    assert len(await pairs(bee)) == 59


async def test_the_editor_lets_a_large_tree_go(monkeypatch: Any) -> None:
    monkeypatch.setattr(editor_module, "MAX_LOADED_NODES", 3)
    log, other_log = MemoryLog(), MemoryLog()
    bee = text_bee(log)
    for number in range(150):
        await bee.put(f"{number * 7 % 150:03}", "x")
        if number % 3 == 0:
            await bee.delete(f"{number * 7 % 150:03}")
    monkeypatch.undo()
    other = text_bee(other_log)
    for number in range(150):
        await other.put(f"{number * 7 % 150:03}", "x")
        if number % 3 == 0:
            await other.delete(f"{number * 7 % 150:03}")
    assert log.blocks == other_log.blocks


async def test_parts_are_apart() -> None:
    log = MemoryLog()
    bee = text_bee(log)
    users, rooms = bee.sub("users"), bee.sub("rooms", value_encoding="json")
    await users.put("", "nobody")
    await users.put("\0", "nul")
    await users.put("a", "alice")
    await rooms.put("a", {"n": 1})
    await bee.put("users", "not in it")
    await bee.put("users\x01", "nor this")
    assert users.prefix == b"users\0"
    assert await pairs(users) == [("", "nobody"), ("\0", "nul"), ("a", "alice")]
    assert await pairs(users, gt="") == [("\0", "nul"), ("a", "alice")]
    assert await pairs(rooms) == [("a", {"n": 1})]
    assert [item.key async for item in users.history()] == ["", "\0", "a"]
    assert [item.key async for item in users.history(limit=2)] == ["", "\0"]
    assert [pair.left and pair.left.key async for pair in users.diff(3)] == ["a"]
    async with users.batch() as batch:
        await batch.delete("a")
    assert await rooms.get("a") == (4, "a", {"n": 1})
    assert await users.peek(reverse=True) == (2, "\0", "nul")
    assert await rooms.sub("x").peek() is None
    async with bee.checkout(4) as old:
        assert await pairs(old.sub("users")) == [
            ("", "nobody"),
            ("\0", "nul"),
            ("a", "alice"),
        ]
    await users.close()
    assert await users.put("still", "open") == 8


async def test_separators_that_end_in_ff() -> None:
    bee = text_bee(MemoryLog(), sep=b"\xff")
    part = bee.sub("p")
    await part.put("k", "v")
    await Hyperbee(bee.core).put(b"q", b"w")
    assert await pairs(part) == [("k", "v")]
    everything = bee.sub("", sep=b"\xff\xff", key_encoding="binary")
    assert await pairs(everything) == []


async def test_encodings() -> None:
    log = MemoryLog()
    bee = Hyperbee(log, key_encoding="hex", value_encoding="ndjson")
    await bee.put("ab", [1, "ä"])
    assert await bee.get("ab") == (1, "ab", [1, "ä"])
    async with bee.checkout(2, key_encoding="binary", value_encoding="utf-8") as old:
        assert await old.get(b"\xab") == (1, b"\xab", '[1,"ä"]\n')
    for encoding, value in (
        ("binary", 1),
        ("utf-8", 1),
        ("ascii", "ä"),
        ("hex", "xyz"),
        ("json", object()),
    ):
        with pytest.raises(LocalProtocolError) as caught:
            await Hyperbee(log, value_encoding=encoding).put(b"k", value)
        assert caught.value.code == "bad-argument"
    with pytest.raises(LocalProtocolError, match="no encoding"):
        Hyperbee(log, value_encoding="morse")
    await Hyperbee(log, value_encoding="utf-8").put("raw", b"\xff{")
    for encoding in ("utf-8", "json"):
        with pytest.raises(RemoteProtocolError):
            await Hyperbee(log, value_encoding=encoding).get(b"raw")


async def test_keys_of_a_kind() -> None:
    bee = Hyperbee(MemoryLog(), key_encoding=SubEncoder("files", "utf-8"))
    other = Hyperbee(bee.core)
    await bee.put("/a", b"1")
    await other.put("zzz", b"2")
    assert await pairs(bee) == [("/a", b"1")]
    with pytest.raises(RemoteProtocolError, match="not of this part"):
        [item async for item in bee.history()]
