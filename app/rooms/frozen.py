"""Logs that end where their two histories part: what that does to entries of others.

A device that signed two histories of its log has written nothing from the place on
where they part, for everybody alike, whichever half somebody had seen. So who named a
length of that log beyond, as one's removal does, named that place. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from app.rooms.operations.acts import (
    Act,
    Mute,
    Remove,
    RemoveDevice,
    Rest,
    SetRole,
)
from store.hypercore.fork_proof import decode_fork_proof

A = TypeVar("A", bound=Act)


def frozen_lengths(proofs: Mapping[bytes, bytes]) -> dict[bytes, int]:
    """Where logs end, by writer.

    Args:
        proofs: As they are kept; they were believed before.
    """
    return {writer: decode_fork_proof(proof).length for writer, proof in proofs.items()}


def clipped(body: A, frozen: Mapping[bytes, int]) -> A:
    """An act as if its author had seen of each log what there is of it."""
    if not frozen:
        return body
    if isinstance(body, SetRole | Remove | Mute):
        cuts = tuple(
            (device, min(length, frozen.get(device, length)))
            for device, length in body.cuts
        )
        return replace(body, cuts=cuts)
    if isinstance(body, RemoveDevice | Rest) and body.device in frozen:
        return replace(body, length=min(body.length, frozen[body.device]))
    return body
