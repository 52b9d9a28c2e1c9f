"""The kernel as the machine sees it: ``LocalCore`` over a ``Core``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from store.errors import LocalProtocolError, RemoteProtocolError, StoreError
from store.hypercore.proofs import ReorgBatch, build_proof, continue_reorg

if TYPE_CHECKING:
    from store.hypercore.core import Core
    from store.hypercore.records import Head, NodeSource, Proof, Request


LOAD_BYTES: Final = 4 * 1024 * 1024
"""Blocks loaded at a time for one peer, as large as the average."""

MAX_LOADED_BYTES: Final = 32 * 1024 * 1024
"""Loaded blocks that nobody took; of more, the oldest are forgotten."""


class KernelView:
    """Reads and moves a core for the machine."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._state = core.state
        # Blocks that were just loaded for answers: large ones are kept nowhere else.
        self._loaded: dict[int, bytes] = {}
        self._loaded_at = core.state.epoch

    @property
    def fork(self) -> int:
        """Committed."""
        return self._state.head.fork

    @property
    def length(self) -> int:
        """Committed."""
        return self._state.head.length

    @property
    def byte_length(self) -> int:
        """Committed."""
        return self._state.head.byte_length

    @property
    def contiguous_length(self) -> int:
        """Committed."""
        return self._state.stored.contiguous_length

    @property
    def settled(self) -> bool:
        """What is being written changes no head."""
        return self._state.tip is self._state.head

    @property
    def has_room(self) -> bool:
        """Not too much is being written."""
        return self._core.has_room

    @property
    def needs_repair(self) -> bool:
        """The roots are damaged."""
        return self._state.needs_repair

    @property
    def has_manifest(self) -> bool:
        """It is known."""
        return self._state.manifest is not None

    @property
    def compat(self) -> bool:
        """The key is a public key."""
        return self._state.compat

    @property
    def frozen(self) -> bool:
        """It has two histories."""
        return self._state.conflict is not None

    @property
    def ended(self) -> bool:
        """It takes no longer tree."""
        return self._state.ended

    @property
    def evidence(self) -> bytes | None:
        """What shows that."""
        return self._state.conflict

    def has_block(self, index: int) -> bool:
        """Stored or being written."""
        return self._state.has_block(index)

    def has_node(self, index: int) -> bool:
        """Stored or being written."""
        return self._state.has_node(index)

    def missing_bits(self, start: int, count: int) -> int:
        """Neither stored nor being written."""
        words = self._state.planned.blocks.words(start, count >> 5)
        return int.from_bytes(words, "little") ^ ((1 << count) - 1)

    def first_missing(self, start: int, end: int) -> int | None:
        """Neither stored nor being written."""
        found = self._state.planned.blocks.first_unset(start)
        return found if found < end else None

    def first_uncommitted(self, start: int, end: int) -> int | None:
        """Not stored."""
        found = self._state.stored.blocks.first_unset(start)
        return found if found < end else None

    def committed_words(self, start: int, count: int) -> bytes:
        """Stored."""
        return self._state.stored.blocks.words(start, count)

    def prove(self, request: Request) -> Proof:
        """From memory, with what is committed."""
        state = self._state
        if self._loaded and request.block is not None:
            if self._loaded_at != state.epoch:
                self._loaded.clear()
            block = self._loaded.pop(request.block.index, None)
            if block is not None:
                proof = build_proof(request, state.head, state.committed, block)
                if request.manifest and not state.compat:
                    return proof._replace(manifest=state.encoded_manifest)
                return proof
        return self._core.prove(request)

    async def load(self, requests: Sequence[Request]) -> bool:
        """Bring into memory what answers need.

        Args:
            requests: The first is the one that cannot be answered without.

        Returns:
            Whether the first can be answered now.
        """
        state = self._state
        room = max(1, LOAD_BYTES * max(state.length, 1) // max(state.byte_length, 1))
        indexes = [
            request.block.index for request in requests if request.block is not None
        ][:room]
        first = requests[0].block
        # What is read first is read in any case.
        needed = [] if first is None else [first.index]
        try:
            blocks = await self._core.blocks(
                [*needed, *sorted(set(indexes).difference(needed))]
            )
            head, epoch = state.head, state.epoch
            await self._core.with_nodes(
                lambda source: _touch(requests, head, source), committed=True
            )
        except StoreError:
            return False
        if epoch != state.epoch:
            # The blocks may be of a history that is gone.
            return False
        if self._loaded_at != epoch:
            self._loaded.clear()
        self._loaded_at = epoch
        if first is not None and first.index in blocks:
            # The newest is kept longest.
            blocks[first.index] = blocks.pop(first.index)
        self._keep(blocks)
        return first is None or first.index in blocks

    def _keep(self, blocks: dict[int, bytes]) -> None:
        loaded = self._loaded
        for index, block in blocks.items():
            loaded.pop(index, None)
            loaded[index] = block
        size = sum(map(len, loaded.values()))
        while size > MAX_LOADED_BYTES and len(loaded) > 1:
            size -= len(loaded.pop(next(iter(loaded))))

    def accept(self, proof: Proof) -> None:
        """Verify and have it written."""
        self._core.accept(proof)

    def begin_reorg(self, proof: Proof) -> ReorgBatch:
        """Verify another history."""
        return self._core.begin_reorg(proof)

    def continue_reorg(self, batch: ReorgBatch, proof: Proof) -> ReorgBatch:
        """Find out more of it."""
        return continue_reorg(batch, proof, self._state)

    def finish_reorg(self, batch: ReorgBatch) -> None:
        """Take it in place of ours."""
        try:
            self._core.finish_reorg(batch)
        except LocalProtocolError as error:
            # Ours has changed meanwhile, so that the search begins anew.
            raise RemoteProtocolError(str(error), code="outdated") from error

    def check_conflict(self, proof: Proof) -> bool:
        """See whether the core has two histories."""
        return self._core.check_conflict(proof)


def _touch(requests: Sequence[Request], head: Head, source: NodeSource) -> None:
    """Look at the nodes that the answers will be made of."""
    for request in requests:
        try:
            build_proof(request, head, source, b"" if request.block else None)
        except LocalProtocolError:
            # The answer will be that there is none.
            continue
