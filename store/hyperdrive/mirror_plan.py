"""What a mirror has to do: two sorted listings compared, without touching a file.

``mirror`` asks this for each path and does it. Follows npm mirror-drive in what counts
as a difference: contents, links, whether a file is executable, and metadata where both
sides can keep it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum

from store.hyperdrive.entry import Json, same_metadata


@dataclass(frozen=True, slots=True)
class Item:
    """A file or link of either side, as a mirror sees it."""

    path: str
    """With a slash at its end: a folder that cannot be looked into, with a fault."""
    linkname: str | None = None
    size: int | None = None
    """Bytes; None when that is not known before reading."""
    has_contents: bool = True
    """False for links and for entries without a blob."""
    executable: bool = False
    metadata: Json = None
    fault: str | None = None
    """Why it cannot be mirrored: a short stable word."""


class Verdict(Enum):
    """What has to happen to a path of the source."""

    SAME = "same"
    WRITE = "write"
    """Contents or link have to be written."""
    ATTRIBUTES = "attributes"
    """Only the executable bit or the metadata differ."""
    COMPARE = "compare"
    """Nobody knows before the contents have been compared."""


def judge(source: Item, target: Item | None, *, with_metadata: bool) -> Verdict:
    """Compare what is known without reading.

    Args:
        source: What should be.
        target: What is there.
        with_metadata: Both sides keep metadata.
    """
    if target is None or target.fault is not None:
        return Verdict.WRITE
    if source.linkname is not None or target.linkname is not None:
        same = source.linkname == target.linkname
        return Verdict.SAME if same else Verdict.WRITE
    if source.has_contents != target.has_contents:
        return Verdict.WRITE
    if source.has_contents:
        if source.size is None or target.size is None:
            return Verdict.COMPARE
        if source.size != target.size:
            return Verdict.WRITE
        if source.size:
            return Verdict.COMPARE
    return judge_equal(source, target, with_metadata=with_metadata)


def judge_equal(source: Item, target: Item, *, with_metadata: bool) -> Verdict:
    """Compare what stands beside equal contents."""
    if source.executable != target.executable:
        return Verdict.ATTRIBUTES
    if with_metadata and not same_metadata(source.metadata, target.metadata):
        return Verdict.ATTRIBUTES
    return Verdict.SAME


async def pairs(
    left: AsyncIterator[Item], right: AsyncIterator[Item]
) -> AsyncIterator[tuple[Item | None, Item | None]]:
    """Put the items of two listings with equal paths side by side.

    Both must be in the order of their paths, each once; one item of each is held.
    """
    mine, other = await _next(left, None), await _next(right, None)
    while mine is not None or other is not None:
        if other is None or (mine is not None and mine.path < other.path):
            yield mine, None
            mine = await _next(left, mine)
        elif mine is None or other.path < mine.path:
            yield None, other
            other = await _next(right, other)
        else:
            yield mine, other
            mine, other = await _next(left, mine), await _next(right, other)


async def _next(items: AsyncIterator[Item], before: Item | None) -> Item | None:
    item = await anext(items, None)
    assert item is None or before is None or before.path < item.path, "out of order"
    return item
