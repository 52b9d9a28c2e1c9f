"""Proofs: how a part of a signed tree is shown to somebody who has other parts."""

from __future__ import annotations

from store.hypercore.proofs.build import build_proof, nodes_needed
from store.hypercore.proofs.reorg import (
    ReorgBatch,
    ReorgWant,
    continue_reorg,
    start_reorg,
)
from store.hypercore.proofs.verify import (
    NO_NODES,
    VerifiedTree,
    grow,
    missing_levels,
    verify_block,
    verify_proof,
)

__all__ = [
    "NO_NODES",
    "ReorgBatch",
    "ReorgWant",
    "VerifiedTree",
    "build_proof",
    "continue_reorg",
    "grow",
    "missing_levels",
    "nodes_needed",
    "start_reorg",
    "verify_block",
    "verify_proof",
]
