"""What the replicator's machine needs of its surroundings.

The machine has no I/O: it reads its core through :class:`LocalCore`, writes to a peer
through :class:`PeerLink`, and draws from :class:`Dice`. The rim fits the kernel and the
channels of a mux to these; tests fit whatever they like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from store.hypercore.proofs import ReorgBatch
    from store.hypercore.records import Proof, Request


class PeerLink(Protocol):
    """The channel to one peer: ordered, lossless while it is open."""

    def send(self, kind: int, message: bytes) -> bool:
        """Queue one message; False when the channel is closed. Never raises."""
        ...

    def close(self, code: str | None) -> None:
        """Close the channel.

        Args:
            code: What the peer did wrong, or None when nothing is wrong.
        """
        ...


class Dice(Protocol):
    """A seeded source of chance, like ``random.Random``."""

    def randrange(self, stop: int, /) -> int:
        """A number from 0 up to, without, ``stop``."""
        ...


class LocalCore(Protocol):
    """The core, as far as its replication has to know it.

    *Committed* is what peers are told. *Held* is what need not be asked for: committed
    or being written.
    """

    @property
    def fork(self) -> int:
        """How often it was rewritten."""
        ...

    @property
    def length(self) -> int:
        """Committed length in blocks."""
        ...

    @property
    def byte_length(self) -> int:
        """Committed length in stored bytes."""
        ...

    @property
    def contiguous_length(self) -> int:
        """Committed blocks from the first on without a gap."""
        ...

    @property
    def settled(self) -> bool:
        """False while a longer or another tree is being written."""
        ...

    @property
    def has_room(self) -> bool:
        """False while so much is being written that no more should come."""
        ...

    @property
    def needs_repair(self) -> bool:
        """The tree is damaged, and only how long it is is known."""
        ...

    @property
    def has_manifest(self) -> bool:
        """The manifest is known."""
        ...

    @property
    def compat(self) -> bool:
        """The key is a public key: the manifest is never sent."""
        ...

    @property
    def frozen(self) -> bool:
        """Two signed histories contradict each other; nothing moves any more."""
        ...

    @property
    def ended(self) -> bool:
        """It takes no longer tree: it ends where two signed histories part."""
        ...

    @property
    def evidence(self) -> bytes | None:
        """The data message that shows the second history, once frozen."""
        ...

    def has_block(self, index: int) -> bool:
        """True when the block is held."""
        ...

    def has_node(self, index: int) -> bool:
        """True when the node of the tree is held."""
        ...

    def missing_bits(self, start: int, count: int) -> int:
        """Blocks from ``start`` that are not held, the first as the lowest bit."""
        ...

    def first_missing(self, start: int, end: int) -> int | None:
        """The first block of the range that is not held."""
        ...

    def first_uncommitted(self, start: int, end: int) -> int | None:
        """The first block of the range that is not committed."""
        ...

    def committed_words(self, start: int, count: int) -> bytes:
        """Committed blocks as bits, the first as the lowest of the first byte.

        Args:
            start: A multiple of 32.
            count: Words of 32 bits.
        """
        ...

    def prove(self, request: Request) -> Proof:
        """The answer to a request, the manifest included if asked for and known.

        Raises:
            NotInMemoryError: Something has to be loaded first.
            BlockMissingError: The block is not stored.
            InvalidRequestError: No proof can answer this.
        """
        ...

    def accept(self, proof: Proof) -> None:
        """Verify a proof and have it written; what it holds is held from now on.

        Raises:
            NotInMemoryError: Something has to be loaded first.
            RemoteProtocolError: The proof is wrong.
        """
        ...

    def begin_reorg(self, proof: Proof) -> ReorgBatch:
        """Verify the tree of a higher fork; raises like ``accept``."""
        ...

    def continue_reorg(self, batch: ReorgBatch, proof: Proof) -> ReorgBatch:
        """Go on with an answer to what the batch wants; raises like ``accept``."""
        ...

    def finish_reorg(self, batch: ReorgBatch) -> None:
        """Have a finished reorg written; raises like ``accept``."""
        ...

    def check_conflict(self, proof: Proof) -> bool:
        """True if the proof contradicts it, and the core perhaps frozen; raises so."""
        ...
