"""A bee beside a dictionary, through everything that can be done to both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from store.hyperbee import Hyperbee
from store.hyperbee.blocks import MAX_KEYS, Node
from store.hyperbee.editor import MIN_KEYS
from store.hyperbee.lookup import load_child, load_root
from store.hyperbee.shelf import Shelf
from tests.unit.store.hyperbee.memory_log import MemoryLog, carry_through

T = TypeVar("T")
Map = dict[bytes, tuple[int, bytes | None]]

KEYS = st.integers(0, 120).map(lambda number: b"%03d" % number)
VALUES = st.none() | st.binary(max_size=3)
ENDS = st.none() | KEYS | st.binary(max_size=2)
PUT = st.tuples(st.just("put"), KEYS, VALUES)
DELETE = st.tuples(st.just("delete"), KEYS, st.none())
# A block of a batch does not tell a value of None from a deletion: its own node may
# have gone to a later block.
PUT_VALUE = st.tuples(st.just("put"), KEYS, st.binary(max_size=3))
WRITES = st.lists(
    st.one_of(PUT_VALUE, PUT_VALUE, DELETE, DELETE), min_size=1, max_size=40
)


def inside(key: bytes, ends: dict[str, bytes | None]) -> bool:
    """What a range means."""
    gt, gte, lt, lte = (ends.get(name) for name in ("gt", "gte", "lt", "lte"))
    low = key > gt if gt is not None else gte is None or key >= gte
    high = key < lt if lt is not None else lte is None or key <= lte
    return low and high


def rows(model: Map) -> list[tuple[int, bytes, bytes | None]]:
    """A map as a bee lists it."""
    return [(model[key][0], key, model[key][1]) for key in sorted(model)]


class Beside(RuleBasedStateMachine):
    """The model is the newest map, every version's map and all that was written."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.log = MemoryLog()
        self.model: Map = {}
        self.versions: dict[int, Map] = {1: {}}
        self.written: list[tuple[str, int, bytes, bytes | None]] = []

    def run(self, work: Awaitable[T]) -> T:
        """Wait for one thing."""

        async def waited() -> T:
            return await work

        return self.runner.run(waited())

    @initialize()
    def open(self) -> None:
        self.bee = self.run(self._made())

    async def _made(self) -> Hyperbee:
        return Hyperbee(self.log)

    def note(self, model: Map, seq: int, kind: str, key: bytes, value: Any) -> None:
        """Do to the model what was done to the bee."""
        if kind == "put":
            model[key] = (seq, value)
        else:
            del model[key]
        self.written.append(("put" if kind == "put" else "del", seq, key, value))

    async def _write(self, target: Any, kind: str, key: bytes, value: Any) -> Any:
        return await (target.put(key, value) if kind == "put" else target.delete(key))

    @rule(write=PUT | DELETE)
    def single(self, write: tuple[str, bytes, bytes | None]) -> None:
        kind, key, value = write
        seq = self.run(self._write(self.bee, *write))
        if kind == "delete" and key not in self.model:
            assert seq is None
            return
        assert seq is not None
        assert seq + 1 == self.log.length
        self.note(self.model, seq, kind, key, value)
        self.versions[seq + 1] = dict(self.model)

    @rule(writes=WRITES, finish=st.booleans())
    def batch(self, writes: list[tuple[str, bytes, Any]], finish: bool) -> None:
        self.run(self._batch(writes, finish))

    async def _batch(self, writes: list[tuple[str, bytes, Any]], finish: bool) -> None:
        model, count = dict(self.model), len(self.written)
        batch = self.bee.batch()
        for kind, key, value in writes:
            seq = await self._write(batch, kind, key, value)
            if kind == "put" or key in model:
                assert seq is not None
                self.note(model, seq, kind, key, value)
            else:
                assert seq is None
            entry = await batch.get(key)
            assert (None if entry is None else (entry.seq, entry.value)) == model.get(
                key
            )
        assert [tuple(entry) async for entry in batch.range()] == rows(model)
        if finish:
            await batch.flush()
            self.model = model
            self.versions[max(1, self.log.length)] = dict(model)
        else:
            await batch.close()
            del self.written[count:]

    @rule(key=KEYS)
    def get(self, key: bytes) -> None:
        entry = self.run(self.bee.get(key))
        found = None if entry is None else (entry.seq, entry.value)
        assert found == self.model.get(key)

    @rule(
        low=st.sampled_from(["gt", "gte"]),
        high=st.sampled_from(["lt", "lte"]),
        start=ENDS,
        end=ENDS,
        reverse=st.booleans(),
        limit=st.none() | st.integers(0, 20),
        at=st.integers(0, 10_000),
    )
    def walk(
        self,
        low: str,
        high: str,
        start: bytes | None,
        end: bytes | None,
        reverse: bool,
        limit: int | None,
        at: int,
    ) -> None:
        version = sorted(self.versions)[at % len(self.versions)]
        ends = {low: start, high: end}
        wanted = [row for row in rows(self.versions[version]) if inside(row[1], ends)]
        wanted = (wanted[::-1] if reverse else wanted)[:limit]
        options: dict[str, Any] = {**ends, "reverse": reverse, "limit": limit}
        assert self.run(self._walked(version, options)) == wanted

    async def _walked(self, version: int, options: dict[str, Any]) -> list[Any]:
        async with self.bee.checkout(version) as old:
            return [tuple(entry) async for entry in old.range(**options)]

    @rule(one=st.integers(0, 10_000), two=st.integers(0, 10_000), start=ENDS, end=ENDS)
    def diff(self, one: int, two: int, start: bytes | None, end: bytes | None) -> None:
        known = sorted(self.versions)
        first, second = known[one % len(known)], known[two % len(known)]
        left, right = self.versions[first], self.versions[second]
        ends = {"gte": start, "lt": end}
        wanted = [
            (
                (left[key][0], key, left[key][1]) if key in left else None,
                (right[key][0], key, right[key][1]) if key in right else None,
            )
            for key in sorted(left.keys() | right.keys())
            if left.get(key) != right.get(key) and inside(key, ends)
        ]
        assert self.run(self._compared(first, second, ends)) == wanted

    async def _compared(self, first: int, second: int, ends: dict[str, Any]) -> Any:
        async with self.bee.checkout(first) as left:
            return [tuple(pair) async for pair in left.diff(second, **ends)]

    @rule(reverse=st.booleans(), limit=st.none() | st.integers(0, 30))
    def history(self, reverse: bool, limit: int | None) -> None:
        wanted = (self.written[::-1] if reverse else self.written)[:limit]
        assert self.run(self._past(reverse, limit)) == wanted

    async def _past(self, reverse: bool, limit: int | None) -> list[Any]:
        history = self.bee.history(reverse=reverse, limit=limit)
        return [tuple(item) async for item in history]

    @rule()
    def reopen(self) -> None:
        self.run(self.bee.close())
        self.bee = self.run(self._made())

    @precondition(lambda self: len(self.versions) > 2)
    @rule(at=st.integers(0, 10_000))
    def truncate(self, at: int) -> None:
        version = sorted(self.versions)[at % len(self.versions)]
        if self.log.length <= version:
            return
        self.run(self.log.truncate(version))
        self.versions = {v: m for v, m in self.versions.items() if v <= version}
        self.model = dict(self.versions[version])
        self.written = [item for item in self.written if item[1] < version]

    @invariant()
    def tree_is_a_tree(self) -> None:
        shelf = Shelf()
        length = self.log.length
        root = carry_through(load_root(shelf, length), self.log.blocks, shelf)
        if root is None:
            assert not self.model
            return
        depths: set[int] = set()
        count = self._check_node(root, shelf, 0, depths)
        assert count == len(self.model)
        assert len(depths) <= 1

    def _check_node(
        self, node: Node, shelf: Shelf, depth: int, depths: set[int]
    ) -> int:
        assert len(node.seqs) <= MAX_KEYS
        assert depth == 0 or len(node.seqs) >= MIN_KEYS
        if not node.children:
            depths.add(depth)
        count = len(node.seqs)
        for position in range(len(node.children)):
            steps = load_child(node, position, shelf)
            child = carry_through(steps, self.log.blocks, shelf)
            count += self._check_node(child, shelf, depth + 1, depths)
        return count

    def teardown(self) -> None:
        self.run(self.bee.close())
        assert self.log.open_snapshots == 0
        self.runner.close()


TestBeside = Beside.TestCase
TestBeside.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, derandomize=True
)
