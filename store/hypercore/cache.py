"""Bounded memory for nodes and blocks, shared by all cores of a depot.

Two generations in place of a list of last uses: what is found in the older one moves to
the younger, and when the younger is full the older one is forgotten whole. That keeps
what is in use at the price of one look-up, whatever the size. Ids are those of the
rows: ``core << 40 | index``. Only what has been checked comes in here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from store.hypercore.records import Node

T = TypeVar("T")

MAX_CACHED_NODE_BYTES = 12 * 1024 * 1024
"""Nodes kept in memory, as they weigh in Python."""
MAX_CACHED_BLOCK_BYTES = 16 * 1024 * 1024
"""Blocks kept in memory."""
MAX_CACHED_BLOCK = 1024 * 1024
"""A block larger than this is not kept."""
NODE_WEIGHT = 300
"""Bytes that a node and its place in the cache take."""
BLOCK_WEIGHT = 200
"""Bytes that a block takes besides its own."""


class Cache(Generic[T]):
    """Values by id, up to a weight."""

    __slots__ = ("_half", "_old", "_weigh", "_weight", "_young")

    def __init__(self, max_weight: int, weigh: Callable[[T], int]) -> None:
        """Begin empty.

        Args:
            max_weight: Of everything kept.
            weigh: The weight of one value, at most half of ``max_weight``.
        """
        self._half = max_weight // 2
        self._weigh = weigh
        self._weight = 0
        self._young: dict[int, T] = {}
        self._old: dict[int, T] = {}

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def get(self, key: int) -> T | None:
        """The value, which stays longer for having been asked for."""
        value = self._young.get(key)
        if value is None:
            value = self._old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def peek(self, key: int) -> T | None:
        """The value, without a trace: also for other threads."""
        value = self._young.get(key)
        return self._old.get(key) if value is None else value

    def put(self, key: int, value: T) -> None:
        """Keep a value."""
        self._young[key] = value
        self._weight += self._weigh(value)
        if self._weight > self._half:
            self._turn()

    def put_all(self, values: Mapping[int, T], weight: int) -> None:
        """Keep many values whose weight the caller knows, unless they are too many."""
        if weight > self._half:
            for key in values:
                self.drop(key)
            return
        self._young.update(values)
        self._weight += weight
        if self._weight > self._half:
            self._turn()

    def drop(self, key: int) -> None:
        """Forget one value."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def drop_range(self, start: int, end: int) -> None:
        """Forget all values from ``start`` to before ``end``."""
        for values in (self._young, self._old):
            keys: Iterable[int] = range(start, end)
            if end - start > len(values):
                keys = [key for key in values if start <= key < end]
            for key in keys:
                values.pop(key, None)

    def _turn(self) -> None:
        self._old, self._young, self._weight = self._young, {}, 0


def node_cache() -> Cache[Node]:
    """A cache of nodes."""
    return Cache(MAX_CACHED_NODE_BYTES, _weigh_node)


def block_cache() -> Cache[bytes]:
    """A cache of blocks."""
    return Cache(MAX_CACHED_BLOCK_BYTES, _weigh_block)


def _weigh_node(node: Node) -> int:
    del node
    return NODE_WEIGHT


def _weigh_block(block: bytes) -> int:
    return len(block) + BLOCK_WEIGHT
