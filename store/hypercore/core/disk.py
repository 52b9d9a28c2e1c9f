"""What one core reads from the disk, and what follows from what is found there.

Blocks that are asked for in order are read ahead. What is damaged is never given out:
it is mended, or dropped and reported, so that peers may bring it anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

from store.database import Connection
from store.errors import (
    EnvironmentFault,
    LocalProtocolError,
    RemoteProtocolError,
    StoreError,
)
from store.hypercore import flat_tree
from store.hypercore.cache import MAX_CACHED_BLOCK
from store.hypercore.core.traffic import Traffic
from store.hypercore.events import CoreEvent, VerificationFailed
from store.hypercore.reading import MAX_AHEAD_BLOCKS, DiskTree, Found, LayeredNodes
from store.hypercore.records import Change, NodeSource, NotInMemoryError
from store.hypercore.state import CoreState

T = TypeVar("T")

MAX_TRIES = 5
"""Visits to the disk for one answer, while the log is rewritten meanwhile."""


class Disk:
    """Reads for one core.

    Attributes:
        damaged_blocks: Blocks found damaged since the core was opened.
    """

    def __init__(
        self,
        state: CoreState,
        traffic: Traffic,
        *,
        submit: Callable[[Change], object],
        flushed: Callable[[], Awaitable[None]],
        check_open: Callable[[], None],
        emit: Callable[[CoreEvent], None],
    ) -> None:
        """Read for a core.

        Args:
            state: Its state.
            traffic: The way to its rows.
            submit: Has a change written that the state has taken.
            flushed: Waits until what is being written is written.
            check_open: Raises when the core is closed.
            emit: Tells an event.
        """
        self.damaged_blocks = 0
        self._state = state
        self._traffic = traffic
        self._submit = submit
        self._flushed = flushed
        self._check_open = check_open
        self._emit = emit
        self._next_block = 0

    def cached_block(self, index: int) -> bytes | None:
        """A committed block, if it is in memory."""
        state = self._state
        if not state.stored.has_block(index):
            return None
        return state.depot.blocks.get(state.base | index)

    async def blocks(self, indexes: Sequence[int]) -> dict[int, bytes]:
        """Committed blocks, checked; those that are missing or damaged are left out.

        Of very many bytes only a part is read, with the first block in any case.

        Raises:
            EnvironmentFault: The disk refused.
        """
        state = self._state
        cache, base = state.depot.blocks, state.base
        found: dict[int, bytes] = {}
        lacking = []
        for index in indexes:
            block = cache.get(base | index)
            if block is not None:
                found[index] = block
            elif state.stored.has_block(index):
                lacking.append(index)
        if lacking:
            in_order = state.place is None and lacking[0] == self._next_block
            found.update(await self._read_blocks(lacking, in_order=in_order))
        if indexes:
            self._next_block = indexes[-1] + 1
        return found

    def passed(self, index: int) -> None:
        """Note that a block was given out from memory: the next one is in order."""
        self._next_block = index + 1

    async def with_nodes(
        self, work: Callable[[NodeSource], T], *, committed: bool
    ) -> T:
        """Do work that needs nodes, from memory or else with the disk at hand.

        Args:
            work: May be done twice, the second time in another thread.
            committed: On what peers may see, in place of what is being written.

        Raises:
            StoreError: Of the work, or the disk's.
        """
        source: NodeSource = self._state.committed if committed else self._state
        try:
            return work(source)
        except NotInMemoryError:
            pass
        return (await self._visit(lambda tree: work(LayeredNodes(source, tree))))[0]

    async def _read_blocks(
        self, indexes: Sequence[int], *, in_order: bool
    ) -> dict[int, bytes]:
        first, last = indexes[0], indexes[-1]
        ahead = in_order and last - first == len(indexes) - 1 < MAX_AHEAD_BLOCKS
        end = first + MAX_AHEAD_BLOCKS
        if ahead:
            end = min(end, self._state.stored.blocks.first_unset(first))

        def visit(tree: DiskTree) -> None:
            if ahead:
                tree.read_ahead(first, end)
            tree.read_blocks([it for it in indexes if it not in tree.found.blocks])

        _, found = await self._visit(visit)
        blocks = found.blocks
        return {index: blocks[index] for index in indexes if index in blocks}

    async def _visit(self, visit: Callable[[DiskTree], T]) -> tuple[T, Found]:
        """Go to the disk, and take over what was found there and can be believed."""
        state = self._state
        for attempt in range(MAX_TRIES):
            epoch, length, writing = state.epoch, state.length, state.writing

            def work(
                connection: Connection, length: int = length
            ) -> tuple[T | None, Found, StoreError | None]:
                tree = DiskTree(
                    connection, state.number, length, state.known_node, state.place
                )
                try:
                    return visit(tree), tree.found, None
                except (LocalProtocolError, RemoteProtocolError) as error:
                    return None, tree.found, error

            result, found, failure = await self._traffic.read(work)
            # Its rows may be gone, and their numbers another core's.
            self._check_open()
            doubtful = found.is_damaged and state.dropping
            if failure is not None and not attempt:
                doubtful |= writing or state.writing
            if state.epoch != epoch or doubtful:
                # What was read may be of another history than what was known.
                await self._flushed()
                self._check_open()
                continue
            self._take_over(found)
            if failure is not None:
                raise failure
            return cast("T", result), found
        raise EnvironmentFault("the log keeps changing while it is read")

    def _take_over(self, found: Found) -> None:
        state = self._state
        nodes, blocks, base = state.depot.nodes, state.depot.blocks, state.base
        for index, node in found.nodes.items():
            nodes.put(base | index, node)
        for index, block in found.blocks.items():
            # A file is the user's to change or remove: nothing of it lives on here.
            if state.place is None and len(block) <= MAX_CACHED_BLOCK:
                blocks.put(base | index, block)
        if found.mended:
            tip = state.tip
            self._submit(state.advance(Change(tip, tip, nodes=tuple(found.mended))))
            for node in found.mended:
                self._emit(VerificationFailed("node-damaged", index=node.index))
        self._drop_damaged(found)

    def _drop_damaged(self, found: Found) -> None:
        """Give up what is damaged, so that it is never served and comes anew."""
        state = self._state
        for index in sorted(found.damaged_below):
            start = flat_tree.left_span(index) // 2
            self._drop(start, start + flat_tree.leaf_count(index))
            self._emit(VerificationFailed("node-damaged", index=index))
        # What was found and given up by another visit meanwhile counts once.
        has_block = state.planned.has_block
        damaged = [index for index in sorted(found.damaged_blocks) if has_block(index)]
        if not damaged:
            return
        self.damaged_blocks += len(damaged)
        drop = state.place is None or state.place.damaged(damaged)
        for index in damaged:
            if drop:
                self._drop(index, index + 1)
            self._emit(VerificationFailed("block-damaged", index=index))

    def _drop(self, start: int, end: int) -> None:
        change = self._state.clear(start, end)
        if change is not None:
            self._submit(change)
