"""A process that writes to a log until it is killed, and what it must have left behind.

    model = LogModel(...)
    for _ in range(20):
        kill_a_writer(...)
        asyncio.run(model.check(...))

The writer tells each thing before it does it, where it may or may not come true, and
after it was acknowledged. The model follows, and says what the log may look like after
a kill: everything acknowledged, and of what was under way all or nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import multiprocessing
import random
import struct
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

from net.crypto import KeyPair
from store.database import Synchronous
from store.errors import NodeMissingError
from store.hypercore.merkle_tree import TreeBatch, tree_hash
from store.hypercore.session import Hypercore

KEY_PAIR = KeyPair.from_seed(bytes(32))
HEADER = struct.Struct("<QQ")
MAX_BATCH = 100
MAX_BLOCK_BYTES = 6_000
READ_AT_ONCE = 1_000
"""Blocks; far less than the bytes that one visit to the disk may bring."""

Said: TypeAlias = tuple[str, int, int, int]
"""What, and its numbers: ``appended`` start, end, fork; ``truncating`` and
``truncated`` length, 0, fork; ``kept``, where it could not be cut, length, 0, fork;
``clearing`` start, end, fork."""


def make_block(index: int, fork: int) -> bytes:
    """The one block that belongs to a place in a history; its size varies, too."""
    header = HEADER.pack(index, fork)
    digest = hashlib.blake2b(header, digest_size=2).digest()
    size = int.from_bytes(digest, "little") % MAX_BLOCK_BYTES
    if index % 7:
        size %= 100
    return header + hashlib.shake_128(header).digest(size)


def open_log(
    directory: Path, storage_key: bytes | None, synchronous: Synchronous
) -> Any:
    """Open the log that all of them write."""
    return Hypercore.open(
        directory,
        key_pair=KEY_PAIR,
        storage_key=storage_key,
        synchronous=synchronous,
    )


def write_until_killed(
    directory: Path,
    storage_key: bytes | None,
    level: str,
    seed: int,
    mouth: Connection,
) -> None:
    """Be the writer."""
    asyncio.run(_write(directory, storage_key, Synchronous[level], seed, mouth))


async def _write(
    directory: Path,
    storage_key: bytes | None,
    synchronous: Synchronous,
    seed: int,
    mouth: Connection,
) -> None:
    core = await open_log(directory, storage_key, synchronous)
    writer = _Writer(core, random.Random(seed), mouth)
    while True:
        await writer.do_something()


class _Writer:
    """What the process does until it is killed."""

    def __init__(self, core: Hypercore, chance: random.Random, mouth: Connection):
        self._core = core
        self._chance = chance
        self._mouth = mouth
        self._next = core.length

    async def do_something(self) -> None:
        """Append, mostly; cut off or drop something now and then."""
        chance, core = self._chance, self._core
        kind = chance.random()
        if kind < 0.55:
            await self._append(chance.randint(1, MAX_BATCH))
        elif kind < 0.85:
            # Tasks begin in the order of their making, and so do appends.
            await asyncio.gather(*[self._append(1) for _ in range(20)])
        elif kind < 0.95:
            length = chance.randint(max(0, core.length - 150), core.length)
            self._mouth.send(("truncating", length, 0, core.fork + 1))
            try:
                await core.truncate(length)
            except NodeMissingError:
                # The hashes that a tree of that length needs went with their blocks.
                self._mouth.send(("kept", length, 0, core.fork))
                return
            self._next = length
            self._mouth.send(("truncated", length, 0, core.fork))
        elif core.length:
            start = chance.randrange(core.length)
            end = min(core.length, start + chance.randint(1, 20))
            self._mouth.send(("clearing", start, end, core.fork))
            await core.clear(start, end)

    async def _append(self, count: int) -> None:
        start, fork = self._next, self._core.fork
        self._next += count
        blocks = [make_block(start + place, fork) for place in range(count)]
        appended = await self._core.append(blocks)
        assert appended.length == start + count, "a block has another place"
        self._mouth.send(("appended", start, start + count, fork))


@dataclass(slots=True)
class LogModel:
    """What a log may look like.

    Attributes:
        forks: For each acknowledged block, the fork it was appended at.
        fork: The log's.
        maybe_cleared: Blocks that need not be there.
        truncating: Length and fork of a truncation that may have come true.
        acknowledged: Blocks acknowledged in all.
    """

    forks: list[int] = field(default_factory=list)
    fork: int = 0
    maybe_cleared: set[int] = field(default_factory=set)
    truncating: tuple[int, int] | None = None
    acknowledged: int = 0

    def hear(self, said: Said) -> None:
        """Take in what the writer said."""
        what, start, end, fork = said
        if what == "appended":
            assert fork == self.fork
            # Groups are acknowledged in order; nothing may be skipped.
            assert start == len(self.forks)
            self.forks += [fork] * (end - start)
            self.acknowledged += end - start
        elif what == "truncating":
            self.truncating = (start, fork)
        elif what == "truncated":
            self._truncate(start, fork)
        elif what == "kept":
            self.truncating = None
            assert self.maybe_cleared, "a truncation was refused without a reason"
        else:
            assert what == "clearing"
            self.maybe_cleared.update(range(start, end))

    async def check(
        self, directory: Path, storage_key: bytes | None, synchronous: Synchronous
    ) -> None:
        """Open what a killed writer left and hold it against what it said."""
        core = await open_log(directory, storage_key, synchronous)
        try:
            if core.fork != self.fork:
                assert self.truncating is not None, "a truncation nobody asked for"
                self._truncate(*self.truncating)
            self.truncating = None
            assert core.fork == self.fork
            assert core.length >= len(self.forks), "acknowledged blocks are lost"
            self.forks += [self.fork] * (core.length - len(self.forks))
            await self._check_blocks(core)
        finally:
            await core.close()

    async def _check_blocks(self, core: Hypercore) -> None:
        found = {}
        for first in range(0, core.length, READ_AT_ONCE):
            end = min(first + READ_AT_ONCE, core.length)
            found.update(await core.core.blocks(range(first, end)))
        missing = set(range(core.length)) - found.keys()
        assert missing <= self.maybe_cleared, f"lost: {missing - self.maybe_cleared}"
        assert core.core.damaged_blocks == 0
        tree = TreeBatch()
        for index, fork in enumerate(self.forks):
            block = make_block(index, fork)
            assert found.get(index, block) == block, f"block {index} is another one"
            tree.append(block)
        # The head that is signed is the tree of exactly these blocks.
        assert await core.tree_hash() == tree_hash(tree.roots)
        first_gap = min(missing, default=core.length)
        assert core.contiguous_length == first_gap

    def _truncate(self, length: int, fork: int) -> None:
        del self.forks[length:]
        self.fork = fork
        self.truncating = None
        self.maybe_cleared = {it for it in self.maybe_cleared if it < length}


def kill_a_writer(
    directory: Path,
    storage_key: bytes | None,
    synchronous: Synchronous,
    *,
    seed: int,
    life_s: float,
    speaks_first: bool,
    model: LogModel,
) -> None:
    """Let a writer live for so long, kill it, and tell the model what it said.

    Its life begins with its process, or with the first word that is heard of it: on a
    busy machine many would die before they did anything.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ear, mouth = context.Pipe(duplex=False)
    writer = context.Process(
        target=write_until_killed,
        args=(directory, storage_key, synchronous.name, seed, mouth),
    )
    writer.start()
    mouth.close()
    if speaks_first:
        ear.poll(None)
    end = time.monotonic() + life_s
    with contextlib.suppress(EOFError, OSError):
        # Killed at its instant, even while it talks.
        while (rest := end - time.monotonic()) > 0:
            if ear.poll(rest):
                model.hear(ear.recv())
    assert writer.is_alive(), f"the writer ended by itself: {writer.exitcode}"
    writer.kill()
    writer.join()
    with contextlib.suppress(EOFError, OSError):
        while True:
            model.hear(ear.recv())
    ear.close()
    writer.close()
