"""Bounded memory for what others ask a node to keep: two generations, then gone.

A generation ends after two thirds of the maximal age or when it is full; what is not
renewed during the next one is dropped with it. An entry so lives between 2/3 and 4/3 of
the age, for two dictionaries' price and no timers.
Upstream: npm xache 1.3.0 and npm record-cache 1.2.0.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Generations:
    """The clock shared by both caches: when to start a new generation."""

    def __init__(self, max_age_s: float) -> None:
        self._period_s = max_age_s * 2 / 3
        self._turned_at: float | None = None

    def due(self, now: float) -> int:
        """How many generations ended up to ``now``: 0, 1, or 2 for all."""
        if self._turned_at is None:
            self._turned_at = now
            return 0
        if self._period_s <= 0:
            return 0
        ended = int((now - self._turned_at) / self._period_s)
        if ended > 0:
            self._turned_at += ended * self._period_s
        return min(ended, 2)

    def restart(self, now: float) -> None:
        """Note that a generation ended early, because it was full."""
        self._turned_at = now


class GenerationCache(Generic[K, V]):
    """A mapping of bounded size and age; reading an entry renews it.

    Args:
        max_entries: Size of one generation; at most twice as many entries live.
        max_age_s: Age in seconds as explained above; 0 for no age.
    """

    def __init__(self, *, max_entries: int, max_age_s: float) -> None:
        self._max_entries = max_entries
        self._clock = _Generations(max_age_s)
        self._latest: dict[K, V] = {}
        self._oldest: dict[K, V] = {}
        self._retained: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._latest) + len(self._oldest) + len(self._retained)

    def set(self, key: K, value: V, now: float) -> None:
        """Store an entry; one that is retained is left as it is."""
        self._turn(now)
        if key in self._retained:
            return
        self._oldest.pop(key, None)
        self._latest[key] = value
        if len(self._latest) >= self._max_entries:
            self._oldest, self._latest = self._latest, {}
            self._clock.restart(now)

    def retain(self, key: K, value: V) -> None:
        """Store an entry of our own that no age ends."""
        self.discard(key)
        self._retained[key] = value

    def get(self, key: K, now: float) -> V | None:
        """The entry, or None."""
        self._turn(now)
        if key in self._latest:
            return self._latest[key]
        if key in self._oldest:
            value = self._oldest.pop(key)
            self._latest[key] = value
            return value
        return self._retained.get(key)

    def discard(self, key: K) -> None:
        """Drop an entry that others brought; one that is retained stays."""
        self._latest.pop(key, None)
        self._oldest.pop(key, None)

    def delete(self, key: K) -> None:
        """Drop an entry of any kind; nothing happens if there is none."""
        self.discard(key)
        self._retained.pop(key, None)

    def _turn(self, now: float) -> None:
        for _ in range(self._clock.due(now)):
            self._oldest, self._latest = self._latest, {}


class _RecordSet:
    """Records of one topic, by key and by position, so that any can be picked."""

    __slots__ = ("keys", "positions", "values")

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.values: list[bytes] = []
        self.positions: dict[bytes, int] = {}

    def add(self, key: bytes, value: bytes) -> bool:
        if key in self.positions:
            return False
        self.positions[key] = len(self.keys)
        self.keys.append(key)
        self.values.append(value)
        return True

    def remove(self, key: bytes) -> bool:
        position = self.positions.pop(key, None)
        if position is None:
            return False
        last_key, last_value = self.keys.pop(), self.values.pop()
        if last_key != key:
            self.keys[position], self.values[position] = last_key, last_value
            self.positions[last_key] = position
        return True


class _RecordStore:
    """One generation of records over all topics."""

    def __init__(self) -> None:
        self.topics: dict[bytes, _RecordSet] = {}
        self.count = 0

    def add(self, topic: bytes, key: bytes, value: bytes) -> None:
        if self.topics.setdefault(topic, _RecordSet()).add(key, value):
            self.count += 1

    def remove(self, topic: bytes, key: bytes) -> None:
        records = self.topics.get(topic)
        if records is None or not records.remove(key):
            return
        self.count -= 1
        if not records.keys:
            del self.topics[topic]

    def values(self, topic: bytes) -> list[bytes]:
        records = self.topics.get(topic)
        return records.values if records is not None else []


class RecordCache:
    """Who announced which topic; renewed by announcing only, never by reading.

    Args:
        max_records: Records of one generation over all topics.
        max_age_s: As for ``GenerationCache``.
        entropy: Source of random bytes, to pick records fairly.
    """

    def __init__(
        self, *, max_records: int, max_age_s: float, entropy: Callable[[int], bytes]
    ) -> None:
        self._max_records = max_records
        self._entropy = entropy
        self._clock = _Generations(max_age_s)
        self._fresh = _RecordStore()
        self._stale = _RecordStore()

    def __len__(self) -> int:
        return self._fresh.count + self._stale.count

    def add(self, topic: bytes, key: bytes, record: bytes, now: float) -> None:
        """Store a record; an entry of this generation stays as it is."""
        self._turn(now)
        self._stale.remove(topic, key)
        self._fresh.add(topic, key, record)
        if self._fresh.count >= self._max_records:
            self._stale, self._fresh = self._fresh, _RecordStore()
            self._clock.restart(now)

    def remove(self, topic: bytes, key: bytes) -> None:
        """Drop a record; nothing happens if there is none."""
        self._fresh.remove(topic, key)
        self._stale.remove(topic, key)

    def pick(self, topic: bytes, count: int, now: float) -> list[bytes]:
        """Up to ``count`` different records of a topic, picked at random."""
        self._turn(now)
        fresh, stale = self._fresh.values(topic), self._stale.values(topic)
        total = len(fresh) + len(stale)
        if total <= count:
            return fresh + stale
        # Swapping positions in a sparse dictionary deals without copying the topic.
        swapped: dict[int, int] = {}
        dealt: list[bytes] = []
        for index in range(count):
            drawn = int.from_bytes(self._entropy(4), "little") % (total - index) + index
            position = swapped.get(drawn, drawn)
            swapped[drawn] = swapped.get(index, index)
            from_fresh = position < len(fresh)
            dealt.append(
                fresh[position] if from_fresh else stale[position - len(fresh)]
            )
        return dealt

    def _turn(self, now: float) -> None:
        for _ in range(self._clock.due(now)):
            self._stale, self._fresh = self._fresh, _RecordStore()
