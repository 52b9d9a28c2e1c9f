"""What the parts of one core's replicator share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.hypercore.replicator.interfaces import Dice, LocalCore
    from store.hypercore.replicator.peer import Peer


@dataclass(frozen=True, slots=True)
class ReplicatorOptions:
    """How a core is replicated."""

    eager_upgrade: bool = True
    """Take a longer tree as soon as a peer has one, wanted or not."""
    allow_fork: bool = True
    """Follow a history of a higher fork number."""
    allow_push: bool = False
    """Take what peers send unasked."""
    max_window: int = 512
    """Requests in flight at one peer."""


class Context:
    """The core, its peers, and who has to be looked at before the turn ends.

    Attributes:
        downloading: A session wants data.
        writable: The disk takes what comes.
        counters: What happened, by reason.
        dirty: Peers to which something may be asked.
        report: Called with a peer and a code when its data proved wrong.
    """

    def __init__(self, core: LocalCore, dice: Dice, options: ReplicatorOptions) -> None:
        self.core = core
        self.dice = dice
        self.options = options
        self.peers: list[Peer] = []
        self.dirty: dict[Peer, None] = {}
        self.counters: Counter[str] = Counter()
        self.downloading = True
        self.writable = True
        self.report: Callable[[Peer, str], object] | None = None

    def touch(self, peer: Peer) -> None:
        """Look at one peer before the turn ends."""
        self.dirty[peer] = None

    def touch_all(self) -> None:
        """Look at every peer before the turn ends."""
        for peer in self.peers:
            self.dirty[peer] = None
