"""Clears the blocks of a log that its present tree does not need."""

from __future__ import annotations

from store.hyperbee.blocks import Block, decode_block
from store.hyperbee.hyperbee.reading import Reader
from store.hyperbee.lookup import leads_to
from store.hyperbee.records import Log


async def clear_unlinked(log: Log, reader: Reader, version: int) -> int:
    """Clear them one run after the other; gives how many.

    A block is needed when the way to its key, or to the first key of one of its nodes,
    passes through it. Where that cannot be told it is kept.
    """
    cleared = 0
    run_start = None
    for seq in range(1, version):
        unneeded = seq < version - 1 and await _is_unneeded(log, reader, version, seq)
        if unneeded and run_start is None:
            run_start = seq
        elif not unneeded and run_start is not None:
            await log.clear(run_start, seq)
            cleared += seq - run_start
            run_start = None
    return cleared


async def _is_unneeded(log: Log, reader: Reader, version: int, seq: int) -> bool:
    """Tells of a stored block whether nothing leads to it."""
    data = await log.get(seq, wait=False)
    if data is None:
        return False
    block = decode_block(seq, data)
    keys = [block.key]
    for level in range(block.level_count):
        seqs, _ = block.numbers(level)
        if seqs and seqs[0] != seq:
            other = await _stored(log, seqs[0])
            if other is None:
                return False
            keys.append(other.key)
    for key in keys:
        if await reader.run(leads_to(reader.shelf, version, key, seq)):
            return False
    return True


async def _stored(log: Log, seq: int) -> Block | None:
    data = await log.get(seq, wait=False)
    return None if data is None else decode_block(seq, data)
