"""Wants of both sides: which ranges one wants to hear of.

A side that misses a block asks the other for the bits of a whole aligned batch, and is
told of changes in it from then on. Follows npm hypercore 11.37.1 (``lib/wants.js``): in
its compatible mode a batch has 2,097,152 blocks.
"""

from __future__ import annotations

from typing import Final

WANT_BLOCKS: Final = 1 << 21
"""Blocks of a batch that this side wants."""

MAX_LOCAL_WANTS: Final = 512
"""Batches that this side wants of one peer."""

MAX_REMOTE_BLOCKS: Final = 1 << 21
"""A longer range of the other side is not heeded."""

MAX_REMOTE_WANTS: Final = 512
"""Ranges kept for a peer; one that wants more is told of everything."""

MAX_REMOTE_SIZES: Final = 4
"""Different lengths of ranges kept for a peer; with more it is told of everything."""

MAX_REMOTE_ANY: Final = 16
"""Ranges kept for a peer of which any block will do."""

_MIN_REMOTE_BLOCKS: Final = 32


class LocalWants:
    """The batches that this side wants of one peer, the longest unused one first."""

    __slots__ = ("_batches",)

    def __init__(self) -> None:
        self._batches: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._batches)

    def add(self, index: int) -> tuple[int | None, int | None]:
        """Want the batch of a block.

        Returns:
            The first block of the batch to want and of one to want no longer; None
            where there is nothing to say.
        """
        start = index & -WANT_BLOCKS
        if start in self._batches:
            # The order of use decides which one makes room.
            del self._batches[start]
            self._batches[start] = None
            return None, None
        dropped = None
        if len(self._batches) >= MAX_LOCAL_WANTS:
            dropped = next(iter(self._batches))
            del self._batches[dropped]
        self._batches[start] = None
        return start, dropped


class RemoteWants:
    """What one peer wants to hear of.

    Attributes:
        everything: It wants more than is kept, so it is told of all.
    """

    __slots__ = ("_any", "_by_size", "_count", "everything")

    def __init__(self) -> None:
        self.everything = False
        self._by_size: dict[int, set[int]] = {}
        self._any: dict[tuple[int, int], None] = {}
        self._count = 0

    def add(self, start: int, length: int, *, any_block: bool) -> bool:
        """Note a want; False when it is not heeded, so that it needs no answer."""
        if any_block:
            if len(self._any) >= MAX_REMOTE_ANY and (start, length) not in self._any:
                return False
            self._any[start, length] = None
            return True
        if length > MAX_REMOTE_BLOCKS:
            return False
        if self.everything:
            return True
        aligned = (
            length >= _MIN_REMOTE_BLOCKS
            and length & (length - 1) == 0
            and start & (length - 1) == 0
        )
        new_size = length not in self._by_size
        if (
            not aligned
            or self._count >= MAX_REMOTE_WANTS
            or (new_size and len(self._by_size) >= MAX_REMOTE_SIZES)
        ):
            self.everything = True
            self._by_size.clear()
            return True
        starts = self._by_size.setdefault(length, set())
        if start not in starts:
            starts.add(start)
            self._count += 1
        return True

    def remove(self, start: int, length: int, *, any_block: bool) -> None:
        """Forget a want."""
        if any_block:
            self._any.pop((start, length), None)
            return
        starts = self._by_size.get(length)
        if starts is not None and start in starts:
            starts.discard(start)
            self._count -= 1
            if not starts:
                del self._by_size[length]

    def matches(self, start: int, end: int) -> bool:
        """True when a block of the range is wanted."""
        if self.everything:
            return True
        for length, starts in self._by_size.items():
            first, last = start & -length, (end - 1) & -length
            if first in starts or last in starts:
                return True
            if last - first > length and any(first < at < last for at in starts):
                return True
        return any(at < end and start < at + size for at, size in self._any)
