"""The machine that replicates one core: whom to ask, what to answer, whom to trust.

It knows no event loop, no clock and no chance of its own.
"""

from __future__ import annotations

from store.hypercore.replicator.context import ReplicatorOptions
from store.hypercore.replicator.interfaces import Dice, LocalCore, PeerLink
from store.hypercore.replicator.ledger import BlockWish, SeekWish
from store.hypercore.replicator.peer import Peer, PeerCounters
from store.hypercore.replicator.picker import Download
from store.hypercore.replicator.replicator import Loads, Replicator

__all__ = [
    "BlockWish",
    "Dice",
    "Download",
    "Loads",
    "LocalCore",
    "Peer",
    "PeerCounters",
    "PeerLink",
    "Replicator",
    "ReplicatorOptions",
    "SeekWish",
]
