"""A core in memory with the part of ``Hypercore`` that blobs are made of.

Blocks may be absent, as on a reader that has not fetched them; what was asked of peers
is noted. It can also lie, as a writer of ids can.
"""

# ruff: noqa: ARG002

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from store.errors import LocalProtocolError
from store.hyperblobs import Hyperblobs


class Appended(NamedTuple):
    length: int
    byte_length: int


class Wish:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class MemoryCore:
    """A list of blocks."""

    key = b"k" * 32
    discovery_key = b"d" * 32

    def __init__(self, blocks: Sequence[bytes] = (), *, writable: bool = True) -> None:
        self.blocks = list(blocks)
        self.absent: set[int] = set()
        self.wished: list[list[int]] = []
        self.wishes: list[Wish] = []
        self.appends: list[int] = []
        self.writable = writable
        self.closed = False

    @property
    def length(self) -> int:
        return len(self.blocks)

    @property
    def byte_length(self) -> int:
        return sum(map(len, self.blocks))

    async def append(self, blocks: Sequence[bytes]) -> Appended:
        self.appends.append(len(blocks))
        self.blocks += blocks
        return Appended(self.length, self.byte_length)

    async def get(
        self, index: int, *, wait: bool = True, timeout_s: float | None = None
    ) -> bytes | None:
        if not wait and (index in self.absent or index >= self.length):
            return None
        self.absent.discard(index)
        return self.blocks[index]

    async def seek(
        self, byte: int, *, wait: bool = True, timeout_s: float | None = None
    ) -> tuple[int, int]:
        if not wait and self.absent:
            raise LocalProtocolError("unknown sizes", code="node-missing")
        if byte > self.byte_length:
            raise LocalProtocolError("behind the end", code="bad-argument")
        for index, block in enumerate(self.blocks):
            if byte < len(block):
                return index, byte
            byte -= len(block)
        return self.length, byte

    async def has(self, start: int, end: int | None = None) -> bool:
        last = start + 1 if end is None else end
        return last <= self.length and not self.absent & set(range(start, last))

    async def clear(self, start: int, end: int | None = None) -> int:
        last = start + 1 if end is None else end
        gone = set(range(start, last)) - self.absent
        self.absent |= gone
        return sum(len(self.blocks[index]) for index in gone)

    def download(
        self,
        start: int = 0,
        end: int | None = None,
        *,
        blocks: Sequence[int] | None = None,
        linear: bool = False,
        live: bool = False,
    ) -> Wish:
        last = self.length if end is None else end
        self.wished.append(list(range(start, last) if blocks is None else blocks))
        self.wishes.append(Wish())
        return self.wishes[-1]

    def snapshot(self) -> MemoryCore:
        return MemoryCore(self.blocks)

    async def close(self) -> None:
        self.closed = True


def blobs_on(core: MemoryCore, **options: Any) -> Hyperblobs:
    """Blobs on such a core."""
    return Hyperblobs(cast(Any, core), **options)
