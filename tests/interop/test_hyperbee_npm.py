"""Hyperbee beside npm hyperbee: the same writes, the same blocks, the same readings."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from store.hyperbee import Hyperbee
from store.hyperbee.hyperbee.hints import Hints
from store.hyperbee.messages import CacheHint
from tests.interop.node_peer import NodePeer
from tests.interop.test_hypercore_npm import both_roles, pair, until
from tests.unit.store.hyperbee.memory_log import MemoryLog

pytestmark = pytest.mark.interop

Operation = list[Any]
LIMIT_S = 120.0


def refuse(*_: object) -> bool:
    """A comparison that always says no."""
    return False


async def write(target: Any, kind: str, key: str, value: str | None = None) -> None:
    """Do one operation."""
    data = None if value is None else bytes.fromhex(value)
    if kind == "put":
        await target.put(bytes.fromhex(key), data)
    elif kind == "refused":
        await target.put(bytes.fromhex(key), data, cas=refuse)
    else:
        await target.delete(bytes.fromhex(key))


async def write_all(bee: Hyperbee, operations: list[Operation]) -> None:
    """Do operations, with the batches among them."""
    for operation in operations:
        if operation[0] == "batch":
            async with bee.batch() as batch:
                for inner in operation[1]:
                    await write(batch, *inner)
        else:
            await write(bee, *operation)


def made_up(
    chance: random.Random, count: int, *, keys: int, deletions: float, batches: float
) -> list[Operation]:
    """Random operations."""

    def one() -> Operation:
        key = f"{chance.randrange(keys):04x}"
        kind = chance.random()
        if kind < deletions:
            return ["del", key]
        if kind < deletions + 0.03:
            return ["refused", key, "00"]
        return ["put", key, chance.choice(["", "61", "62" * chance.randrange(9), None])]

    operations: list[Operation] = []
    while count > 0:
        inner = [one() for _ in range(chance.randrange(1, 80))]
        if chance.random() >= batches:
            operations += inner
        else:
            operations.append(["batch", inner])
        count -= len(inner)
    return operations


def blocks_of(log: MemoryLog, start: int = 0) -> list[str]:
    """The log in hex."""
    return [log.blocks[seq].hex() for seq in range(start, log.length)]


def plain(entry: Any) -> list[Any] | None:
    """An entry as the other side writes it."""
    if entry is None:
        return None
    return [
        entry.seq,
        entry.key.hex(),
        None if entry.value is None else entry.value.hex(),
    ]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("batches", [0.0, 0.5])
async def test_the_same_writes_make_the_same_blocks(
    npm: NodePeer, seed: int, batches: float
) -> None:
    chance = random.Random(seed)
    operations = made_up(
        chance,
        chance.choice([60, 400, 1_200]),
        keys=chance.choice([30, 150, 1_000]),
        deletions=chance.choice([0.1, 0.4, 0.6]),
        batches=batches,
    )
    log = MemoryLog()
    async with Hyperbee(log) as bee:
        await write_all(bee, operations)
    theirs = await npm.ask("bee.write", operations=operations, limit_s=LIMIT_S)
    assert blocks_of(log) == theirs


async def survey(bee: Hyperbee, wanted: dict[str, Any]) -> dict[str, Any]:
    """What there is to read, in the shape in which the other side tells it."""
    answer: dict[str, Any] = {"version": bee.version, "ranges": [], "diffs": []}
    answer["listing"] = [plain(entry) async for entry in bee.range()]
    answer["backwards"] = [plain(entry) async for entry in bee.range(reverse=True)]
    answer["history"] = [
        [item.type, *(plain(item) or [])] async for item in bee.history()
    ]
    for given in wanted["ranges"]:
        options = dict(given.get("options", {}))
        for name in given.keys() - {"options"}:
            options[name] = bytes.fromhex(given[name])
        entries = bee.range(**options)
        answer["ranges"].append([plain(entry) async for entry in entries])
    for version in wanted["versions"]:
        pairs = bee.diff(version)
        answer["diffs"].append(
            [[plain(left), plain(right)] async for left, right in pairs]
        )
    answer["gets"] = [
        plain(await bee.get(bytes.fromhex(key))) for key in wanted["keys"]
    ]
    return answer


@pytest.mark.parametrize("seed", range(4))
async def test_both_read_the_same(npm: NodePeer, seed: int) -> None:
    chance = random.Random(100 + seed)
    keys = chance.choice([60, 700])
    before = made_up(chance, 500, keys=keys, deletions=0.2, batches=0.0)
    after = made_up(chance, 300, keys=keys, deletions=0.5, batches=0.2)
    log = MemoryLog()
    bee = Hyperbee(log)
    await write_all(bee, before)
    middle = log.length
    await write_all(bee, after)

    def key() -> str:
        return f"{chance.randrange(keys):04x}"

    wanted = {
        "versions": [1, 2, middle // 2, middle, log.length],
        "keys": [key() for _ in range(100)],
        "ranges": [
            {
                chance.choice(["gt", "gte"]): key(),
                chance.choice(["lt", "lte"]): key(),
                "options": {"reverse": chance.random() < 0.5, "limit": limit},
            }
            for limit in (1, 5, 50, 1_000)
        ]
        + [{"gte": key()}, {"gt": key()}, {"lt": key()}, {"lte": key()}],
    }
    more = made_up(chance, 100, keys=keys, deletions=0.3, batches=0.3)
    theirs = await npm.ask(
        "bee.read",
        blocks=blocks_of(log),
        operations=more,
        limit_s=LIMIT_S,
        **wanted,
    )
    ours = await survey(bee, wanted)
    added = theirs.pop("added")
    assert ours == theirs
    # They went on where we stopped, and so do we.
    start = log.length
    await write_all(bee, more)
    assert blocks_of(log, start) == added
    await bee.close()


COUNT = 10_000
SPARSE_BLOCKS = 200


def scattered(seed: int) -> list[Operation]:
    """Every key once, in any order."""
    numbers = list(range(COUNT))
    random.Random(seed).shuffle(numbers)
    return [["put", f"{number:08x}", f"{number * 3:06x}"] for number in numbers]


def later() -> list[Operation]:
    """Some changes to them, one after the other and at once."""
    singles: list[Operation] = [
        ["put", f"{number:08x}", "ff"] for number in range(0, COUNT, 500)
    ]
    singles += [["del", f"{number:08x}"] for number in range(7, COUNT, 400)]
    together = [["del", f"{number:08x}"] for number in range(2_000, 2_150)]
    return [*singles, ["batch", together], ["put", "ffff", None]]


WANTED = {
    "ranges": [
        {"gte": f"{1_990:08x}", "lt": f"{2_170:08x}"},
        {"gt": f"{500:08x}", "lte": f"{900:08x}", "options": {"reverse": True}},
        {"gt": f"{9_000:08x}", "options": {"limit": 17}},
    ],
    "keys": [f"{number:08x}" for number in (0, 7, 2_100, 4_321, 20_000)],
}


@both_roles
async def test_they_read_ten_thousand_keys_of_ours(
    npm: NodePeer, tmp_path: Path, we_connect: bool
) -> None:
    async with pair(npm, tmp_path, we_connect=we_connect) as made:
        core = await made.ours.get(name="bee")
        bee = Hyperbee(core)
        await write_all(bee, [["batch", scattered(1)]])
        middle = bee.version
        theirs = await made.their_core(key=core.key.hex())
        await npm.ask("core.update", core=theirs["core"])
        reader = await npm.ask("bee.open", core=theirs["core"])
        seen = await npm.ask("bee.get", bee=reader, key=f"{4_321:08x}")
        assert seen == plain(await bee.get(bytes.fromhex(f"{4_321:08x}")))
        assert await their_stored_count(npm, theirs["core"], middle) < SPARSE_BLOCKS
        await npm.ask("bee.watch", bee=reader, gte="ff00")
        await write_all(bee, later())
        change = await npm.event("bee.change", bee=reader)
        assert change["current"] > middle
        await until_their_length(npm, theirs["core"], core.length)
        wanted = {**WANTED, "versions": [1, middle]}
        told = await npm.ask("bee.survey", bee=reader, limit_s=LIMIT_S, **wanted)
        ours = await survey(bee, wanted)
        assert len(ours["listing"]) > 9_000
        assert told == ours
        await bee.close()


@both_roles
async def test_we_read_ten_thousand_keys_of_theirs(
    npm: NodePeer, tmp_path: Path, we_connect: bool
) -> None:
    async with pair(npm, tmp_path, we_connect=we_connect) as made:
        theirs = await made.their_core(name="bee")
        writer = await npm.ask("bee.open", core=theirs["core"])
        operations = [["batch", scattered(2)]]
        middle = await npm.ask(
            "bee.do", bee=writer, operations=operations, limit_s=LIMIT_S
        )
        core = await made.ours.get(bytes.fromhex(theirs["key"]))
        bee = Hyperbee(core)
        await core.update(wait=True)
        key = bytes.fromhex(f"{4_321:08x}")
        found = await bee.get(key)
        assert found is not None
        assert found.value.hex() == f"{4_321 * 3:06x}"
        assert sum([await core.has(seq) for seq in range(middle)]) < SPARSE_BLOCKS
        async with bee.watch(gte=bytes.fromhex("ff00")) as watcher:
            await npm.ask("bee.do", bee=writer, operations=later(), limit_s=LIMIT_S)
            async with asyncio.timeout(LIMIT_S):
                current, previous = await anext(watcher)
            assert current.version > previous.version >= middle
            assert await current.get(b"\xff\xff") is not None
            assert await previous.get(b"\xff\xff") is None
        info = await npm.ask("core.info", core=theirs["core"])
        await until(lambda: core.length == info["length"])
        wanted = {**WANTED, "versions": [1, middle]}
        ours = await survey(bee, wanted)
        told = await npm.ask("bee.survey", bee=writer, limit_s=LIMIT_S, **wanted)
        assert len(ours["listing"]) > 9_000
        assert told == ours
        await bee.close()


async def test_hints_go_both_ways(
    npm: NodePeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed: list[int] = []
    answered: list[int] = []
    follow, visited_by = Hints._follow, Hints._visited_by

    def note_followed(self: Hints, hint: CacheHint) -> None:
        followed.extend(hint.blocks)
        follow(self, hint)

    async def note_answered(self: Hints, question: Any) -> list[int]:
        blocks = await visited_by(self, question)
        answered.extend(blocks)
        return blocks

    monkeypatch.setattr(Hints, "_follow", note_followed)
    monkeypatch.setattr(Hints, "_visited_by", note_answered)
    async with pair(npm, tmp_path) as made:
        theirs = await made.their_core(name="bee")
        writer = await npm.ask("bee.open", core=theirs["core"])
        operations = scattered(3)[:2_000]
        await npm.ask("bee.do", bee=writer, operations=[["batch", operations]])
        copy = await made.ours.get(bytes.fromhex(theirs["key"]))
        bee = Hyperbee(copy)
        await copy.update(wait=True)
        assert await bee.get(bytes.fromhex(operations[5][1])) is not None
        await until(lambda: len(followed) > 3)
        await bee.close()

        mine = await made.ours.get(name="mine")
        asked = Hyperbee(mine)
        await write_all(asked, [["batch", operations]])
        told = await made.their_core(key=mine.key.hex())
        await npm.ask("core.update", core=told["core"])
        reader = await npm.ask("bee.open", core=told["core"])
        assert await npm.ask("bee.get", bee=reader, key=operations[5][1])
        await until(lambda: len(answered) > 3)
        await asked.close()


async def test_parts_written_by_both_sides(npm: NodePeer, tmp_path: Path) -> None:
    async with pair(npm, tmp_path) as made:
        theirs = await made.their_core(name="bee")
        whole = await npm.ask("bee.open", core=theirs["core"])
        users = await npm.ask("bee.open", of=whole, prefix=b"users".hex())
        admins = await npm.ask("bee.open", of=users, prefix=b"admins".hex(), sep="21")
        for bee, key in ((whole, "78"), (users, "61"), (users, "62"), (admins, "63")):
            await npm.ask("bee.do", bee=bee, operations=[["put", key, "31"]])
        copy = await made.ours.get(bytes.fromhex(theirs["key"]))
        await copy.update(wait=True)
        ours = Hyperbee(copy)
        part = ours.sub("users")
        assert [entry.key async for entry in part.range()] == [b"a", b"admins!c", b"b"]
        inner = part.sub("admins", sep="!")
        assert [entry.key async for entry in inner.range()] == [b"c"]
        await ours.close()

        mine = await made.ours.get(name="mine")
        written = Hyperbee(mine)
        await written.put(b"x", b"1")
        async with written.sub("users").batch() as batch:
            await batch.put(b"a", b"1")
            await batch.put(b"b", b"1")
        await written.sub("users").sub("admins", sep="!").put(b"c", b"1")
        told = await made.their_core(key=mine.key.hex())
        await npm.ask("core.update", core=told["core"])
        whole = await npm.ask("bee.open", core=told["core"])
        users = await npm.ask("bee.open", of=whole, prefix=b"users".hex())
        seen = await npm.ask("bee.survey", bee=users)
        keys = [bytes.fromhex(key) for _, key, _ in seen["listing"]]
        assert keys == [b"a", b"admins!c", b"b"]
        await written.close()


async def their_stored_count(npm: NodePeer, core: str, length: int) -> int:
    """How many blocks they have of a core."""
    has = [
        await npm.ask("core.has", core=core, start=seq, end=seq + 1)
        for seq in range(0, length, 10)
    ]
    return 10 * has.count(True)


async def until_their_length(npm: NodePeer, core: str, length: int) -> None:
    """Wait until they know of so many blocks."""
    async with asyncio.timeout(LIMIT_S):
        while (await npm.ask("core.info", core=core))["length"] < length:
            await asyncio.sleep(0.01)
