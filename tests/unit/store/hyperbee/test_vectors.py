"""The published blocks, messages and keys, to the byte."""

from __future__ import annotations

from typing import Any

import pytest

from store.hyperbee import Entry, Hyperbee, Metadata, SubEncoder
from store.hyperbee.blocks import decode_block, decode_header
from store.hyperbee.encoding import KeySpace
from store.hyperbee.messages import (
    CacheHint,
    GetRequest,
    IteratorRequest,
    decode_message,
    encode_cache,
    encode_get,
    encode_iterator,
)
from store.hyperbee.records import Bounds
from tests.helpers.vectors import load_vectors
from tests.unit.store.hyperbee.memory_log import MemoryLog

VECTORS = load_vectors("hyperbee")
CASES = VECTORS["cases"]


def blocks_of(log: MemoryLog) -> list[str]:
    """The log in hex."""
    return [log.blocks[i].hex() for i in range(log.length)]


def text_bee(log: MemoryLog, **options: Any) -> Hyperbee:
    """A bee of text."""
    return Hyperbee(log, key_encoding="utf-8", value_encoding="utf-8", **options)


async def listing(bee: Any, **options: Any) -> list[list[Any]]:
    """All entries of a range."""
    return [list(entry) async for entry in bee.range(**options)]


@pytest.mark.parametrize("case", CASES[:2], ids=["small", "splits and merges"])
@pytest.mark.parametrize("forgetful", [False, True])
async def test_single_writes(case: dict[str, Any], forgetful: bool) -> None:
    log = MemoryLog()
    bee = text_bee(log)
    for kind, key, *value in case["ops"]:
        if forgetful:
            bee = text_bee(log)
        if kind == "put":
            await bee.put(key, *value)
        else:
            await bee.delete(key)
    assert blocks_of(log) == [block["block"] for block in case["blocks"]]
    assert await listing(bee) == case["listing"]
    assert await listing(bee, reverse=True) == case["listing"][::-1]
    for seq, key, value in case["listing"]:
        assert await bee.get(key) == (seq, key, value)


async def test_a_batch() -> None:
    case = CASES[2]
    log = MemoryLog()
    bee = text_bee(log)
    async with bee.batch() as batch:
        for kind, key, *value in case["ops"]:
            await (batch.put(key, *value) if kind == "put" else batch.delete(key))
    assert blocks_of(log) == [block["block"] for block in case["blocks"]]
    assert await listing(bee) == case["listing"]


async def test_parts() -> None:
    case = CASES[3]
    log = MemoryLog()
    bee = text_bee(log)
    users = bee.sub("users")
    await users.put("alice", "1")
    await users.sub("admin", sep="!").put("root", "2")
    await bee.put("plain", "3")
    assert blocks_of(log) == [block["block"] for block in case["blocks"]]
    assert await listing(bee) == case["listing"]
    assert await listing(users) == case["subListing"]


async def test_json_without_duplicates_and_with_metadata() -> None:
    case = CASES[4]
    log = MemoryLog()
    metadata = Metadata(content_feed=b"\x3c" * 32, user_data=b"ud")
    bee = Hyperbee(
        log,
        key_encoding="utf-8",
        value_encoding="json",
        metadata=metadata,
        always_duplicate=False,
    )
    written = [await bee.put(key, value) for _, key, value in case["ops"]]
    assert written == [1, None, 2]
    assert blocks_of(log) == [block["block"] for block in case["blocks"]]
    assert bee.version == case["version"]
    header = await bee.header()
    assert header is not None
    assert header.metadata == metadata


async def test_history_and_diff_and_checkout() -> None:
    case = CASES[5]
    log = MemoryLog()
    await log.append([bytes.fromhex(block["block"]) for block in case["blocks"]])
    bee = text_bee(log)
    assert [list(item) async for item in bee.history()] == case["history"]
    found = [
        [None if side is None else list(side) for side in pair]
        async for pair in bee.diff(4)
    ]
    assert found == case["diffAgainstVersion4"]
    async with bee.checkout(4) as old:
        assert await listing(old) == case["listingAtVersion4"]
    assert log.open_snapshots == 0


@pytest.mark.parametrize("case", CASES, ids=[case["name"][:20] for case in CASES])
def test_every_block_decodes_to_its_parts(case: dict[str, Any]) -> None:
    for item in case["blocks"]:
        data, decoded = bytes.fromhex(item["block"]), item["decoded"]
        if item["index"] == 0:
            header = decode_header(data)
            assert header.protocol == decoded["header"]["protocol"]
            continue
        block = decode_block(item["index"], data)
        assert block.key.hex() == decoded["key"]
        assert (None if block.value is None else block.value.hex()) == decoded["value"]
        levels = [block.numbers(level) for level in range(block.level_count)]
        assert levels == [
            (level["keys"], level["children"]) for level in decoded["levels"]
        ]


def test_extension_messages() -> None:
    get, cache, iterator = (
        bytes.fromhex(case["encoded"]) for case in VECTORS["extension"]
    )
    asked = GetRequest(5, b"k")
    assert decode_message(get) == [asked]
    assert encode_get(asked) == get
    assert decode_message(cache) == [CacheHint([1, 4, 8])]
    assert encode_cache([1, 4, 8]) == cache
    walk = IteratorRequest(7, Bounds(b"a", True, b"z", False), 10, True, [3, 1, 5, 0])
    assert decode_message(iterator) == [walk]
    assert encode_iterator(walk) == iterator


def test_sub_encoder() -> None:
    first, second = VECTORS["subEncoder"]
    files = SubEncoder(first["prefix"], "utf-8")
    assert files.encode(first["key"]).hex() == first["encoded"]
    assert files.decode(bytes.fromhex(first["encoded"])) == first["key"]
    keys = KeySpace(files)
    bounds = keys.bounds(gt="/", lt="0")
    assert bounds.lower is not None
    assert bounds.upper is not None
    assert bounds.lower.hex() == first["range"]["gt"]
    assert bounds.upper.hex() == first["range"]["lt"]
    whole = keys.bounds()
    assert (whole.lower, whole.upper) == (
        bytes.fromhex(first["emptyRange"]["gte"]),
        bytes.fromhex(first["emptyRange"]["lt"]),
    )
    nested = SubEncoder("a").sub("b", "utf-8")
    assert nested.encode(second["key"]).hex() == second["encoded"]


async def test_entries_are_named() -> None:
    bee = text_bee(MemoryLog())
    await bee.put("key", "value")
    entry = await bee.get("key")
    assert entry == Entry(seq=1, key="key", value="value")
