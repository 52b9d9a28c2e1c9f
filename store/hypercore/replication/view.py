"""The kernel as the machine sees it: ``LocalCore`` over a ``Core``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore.proofs import ReorgBatch, continue_reorg

if TYPE_CHECKING:
    from store.hypercore.core import Core
    from store.hypercore.records import Proof, Request


class KernelView:
    """Reads and moves a core for the machine.

    Attributes:
        last_write: Done when what was accepted last is on the disk. Writes that fail
            take those behind them along, so the last one tells for all.
    """

    def __init__(self, core: Core) -> None:
        self.last_write: asyncio.Future[None] | None = None
        self._core = core
        self._state = core.state
        self.prove: Callable[[Request], Proof] = core.prove

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
    def evidence(self) -> bytes | None:
        """What shows that."""
        return self._state.conflict

    def has_block(self, index: int) -> bool:
        """Stored or being written."""
        return self._state.planned.has_block(index)

    def has_node(self, index: int) -> bool:
        """Stored or being written."""
        return self._state.planned.has_node(index)

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

    def accept(self, proof: Proof) -> None:
        """Verify and have it written."""
        self.last_write = self._core.accept(proof).durable

    def begin_reorg(self, proof: Proof) -> ReorgBatch:
        """Verify another history."""
        return self._core.begin_reorg(proof)

    def continue_reorg(self, batch: ReorgBatch, proof: Proof) -> ReorgBatch:
        """Find out more of it."""
        return continue_reorg(batch, proof, self._state)

    def finish_reorg(self, batch: ReorgBatch) -> None:
        """Take it in place of ours."""
        try:
            self.last_write = self._core.finish_reorg(batch).durable
        except LocalProtocolError as error:
            # Ours has changed meanwhile, so that the search begins anew.
            raise RemoteProtocolError(str(error), code="outdated") from error

    def check_conflict(self, proof: Proof) -> bool:
        """See whether the core has two histories."""
        return self._core.check_conflict(proof)
