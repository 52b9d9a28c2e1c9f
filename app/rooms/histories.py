"""Holding the history of a log that is here against another signed one.

Functions over ``RoomLogs``. Where a log ended, the history that is here is the part
that both share, and one of the two ways in which it went on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from store.hypercore import flat_tree
from store.hypercore.fork_proof import (
    ForkProof,
    History,
    first_difference,
    is_ended,
    proof_of,
    prove_fork,
)

if TYPE_CHECKING:
    from app.rooms.logs import RoomLogs
    from store.hypercore.records import Head, Node, NodeSource
    from store.hypercore.told_history import ToldHistory


async def compare(logs: RoomLogs, writer: bytes, told: ToldHistory) -> ForkProof | None:
    """Hold what somebody tells of a log against what is here.

    Returns:
        What proves that there are two histories; None when they do not differ.

    Raises:
        NodeMissingError: It cannot be said yet: that node is not known of what was
            told, or else of the log here.
        StoreError: The disk refused.
    """
    log = await logs.borrow(writer)
    head = log.core.core.state.head

    def work(source: NodeSource) -> ForkProof | None:
        mine = history_of(head, source)
        block = first_difference(mine, told.history)
        return None if block is None else prove_fork(mine, told.history, block)

    try:
        return await log.core.core.with_nodes(work, committed=True)
    finally:
        logs.give_back(log)


async def tell(
    logs: RoomLogs, writer: bytes, indexes: Sequence[int]
) -> tuple[History, list[Node]]:
    """Of the history of a log that is here its signature, and some of its nodes.

    Args:
        logs: The room's.
        writer: Whose.
        indexes: Which nodes; none for the roots.

    Raises:
        StoreError: The disk refused.
    """
    log = await logs.borrow(writer)
    head = log.core.core.state.head

    def work(source: NodeSource) -> tuple[History, list[Node]]:
        mine = history_of(head, source)
        asked = indexes or flat_tree.full_roots(mine.length)
        found = [mine.node(index) for index in asked]
        return mine, [node for node in found if node is not None]

    try:
        return await log.core.core.with_nodes(work, committed=True)
    finally:
        logs.give_back(log)


def history_of(head: Head, source: NodeSource) -> History:
    """What is here of a log.

    Args:
        head: As it was signed, or as it ended.
        source: The nodes that are stored.
    """
    if not is_ended(head.signature):
        return History(head.length, head.signature, source.node)
    proof = proof_of(head.signature)
    branch = proof.branches[0]
    shown = proof.nodes(branch)

    def node(index: int) -> Node | None:
        # What lies behind the end is not of this log any more.
        inside = flat_tree.right_span(index) < 2 * head.length
        known = source.node(index) if inside else None
        return shown.get(index) if known is None else known

    return History(branch.length, branch.signature, node)
