"""What is told of the peers of a core, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.hypercore.replicator import Peer


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """One peer of one core, now."""

    public_key: bytes
    length: int
    """Blocks it says the log has."""
    contiguous_length: int
    """It has all blocks before this one."""
    fork: int
    downloaded_blocks: int
    downloaded_bytes: int
    uploaded_blocks: int
    uploaded_bytes: int
    in_flight: int
    """Requests that it has not answered."""
    waiting: int
    """Requests of its that we have not answered."""
    rtt_s: float
    """From a request to its answer; 0 before the first."""
    stalled: bool
    """It owes answers and is silent."""
    paused: bool
    """It is asked for nothing, because it refused too often or lied."""
    raced: int
    """Blocks asked for while another peer owed them."""
    refused: int
    """Requests that it answered without data."""
    invalid_data: int
    invalid_requests: int


def info_of(peer: Peer) -> PeerInfo:
    """The figures of a peer."""
    counters = peer.counters
    return PeerInfo(
        public_key=peer.public_key,
        length=peer.remote_length,
        contiguous_length=peer.has.contiguous,
        fork=peer.remote_fork,
        downloaded_blocks=counters.downloaded_blocks,
        downloaded_bytes=counters.downloaded_bytes,
        uploaded_blocks=counters.uploaded_blocks,
        uploaded_bytes=counters.uploaded_bytes,
        in_flight=len(peer.asks),
        waiting=len(peer.waiting),
        rtt_s=peer.pace.rtt_s,
        stalled=peer.pace.stalled,
        paused=peer.paused,
        raced=counters.raced,
        refused=counters.refused,
        invalid_data=counters.invalid_data,
        invalid_requests=counters.invalid_requests,
    )
