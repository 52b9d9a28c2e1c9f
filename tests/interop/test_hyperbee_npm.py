"""Hyperbee beside npm hyperbee: the same writes, the same blocks, the same readings."""

from __future__ import annotations

import random
from typing import Any

import pytest

from store.hyperbee import Hyperbee
from tests.interop.node_peer import NodePeer
from tests.unit.store.hyperbee.memory_log import MemoryLog

pytestmark = [pytest.mark.interop]

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
