"""One core fed by a log that grows and is rewritten, on a disk that fails at will.

Answers join what waits, blocks are cleared, forks followed, writes are handed over,
committed or lost, in any order. Beside the state stands what has to be there; after
each step both of its inventories, the rows and the memory are held against it.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from net.crypto import KeyPair
from store.database import Connection, Database, Synchronous
from store.hypercore.acceptance import accept, begin_reorg, finish_reorg, join
from store.hypercore.core.cores import new_core
from store.hypercore.depot import CoreWrite, Depot, read_blocks, read_nodes, store
from store.hypercore.merkle_tree import TreeBatch
from store.hypercore.messages import WireData, decode_data, encode_data
from store.hypercore.proofs import build_proof, continue_reorg, missing_levels
from store.hypercore.records import (
    BlockRequest,
    Node,
    NotInMemoryError,
    Proof,
    Request,
    UpgradeRequest,
)
from store.hypercore.state import CoreState

PAIR = KeyPair.from_seed(bytes(32))
MAX_LOG = 70
STEPS = 250
T = TypeVar("T")


class Held(NamedTuple):
    """What has to be there after a change."""

    fork: int
    log: tuple[bytes, ...]
    """The blocks of the tree, here or not."""
    blocks: frozenset[int]
    """Those that are here."""


class StateOnADisk:
    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.database = Database.open(
            self.folder / "x.db", key=None, synchronous=Synchronous.NORMAL
        )
        wanted = new_core(None, key_pair=PAIR)
        self.origin_depot = Depot(self.database)
        self.origin = CoreState(
            self.origin_depot,
            self._write(lambda at: self.origin_depot.create_core(at, wanted)),
        )
        self.log: list[bytes] = []
        self.other = Database.open(
            self.folder / "y.db", key=None, synchronous=Synchronous.NORMAL
        )
        self.depot = Depot(self.other)
        bare = new_core(wanted.key)
        self.state = CoreState(
            self.depot, self._write(lambda at: self.depot.create_core(at, bare))
        )
        self.committed = Held(0, (), frozenset())
        self.waiting: deque[Held] = deque()
        self.handed: CoreWrite | None = None
        self.handed_count = 0

    def _write(self, work: Callable[[Connection], T]) -> T:
        database = self.other if hasattr(self, "other") else self.database
        return database.write(work).result()

    def close(self) -> None:
        self.database.close()
        self.other.close()

    def step(self) -> None:
        """Do something that may be done now."""
        behind = self.tip.fork == self.origin.fork
        grown = behind and len(self.tip.log) < len(self.log)
        may = [
            (self.grow, 2 if len(self.log) < MAX_LOG else 0),
            (self.rewrite, 1 if self.log else 0),
            (self.upgrade, 4 if grown else 0),
            (self.take, 12 if behind and self.tip.log else 0),
            (self.clear, 3 if self.tip.log else 0),
            (self.follow, 3 if not behind and self.log else 0),
            (self.hand_over, 4 if self.handed is None else 0),
            (self.commit, 4 if self.handed is not None else 0),
            (self.lose, 1 if self.waiting else 0),
            (self.crash, 1),
            (self.forget, 1),
        ]
        works, weights = zip(*may, strict=True)
        self.chance.choices(works, weights)[0]()

    @property
    def tip(self) -> Held:
        return self.waiting[-1] if self.waiting else self.committed

    # -- the log elsewhere -----------------------------------------------------------

    def grow(self) -> None:
        count = self.chance.choice((1, 2, 7, 20))
        blocks = [self.chance.randbytes(self.chance.randrange(5)) for _ in range(count)]
        self.origin.append(blocks)
        self.log += blocks
        self._commit_origin()

    def rewrite(self) -> None:
        length = self.chance.randrange(len(self.log))
        self.origin.truncate(length)
        del self.log[length:]
        self._commit_origin()

    def _commit_origin(self) -> None:
        following = self.origin.next_write()
        assert following is not None
        for _ in following[0]:
            self.origin.committed_change()

    def _prove(self, request: Request) -> Proof:
        asked = request.block
        block = None if asked is None else self.log[asked.index]
        proof = build_proof(request, self.origin.head, self.origin, block)
        if request.manifest:
            proof = proof._replace(manifest=self.origin.encoded_manifest)
        # As from a peer, whose nodes are never the same objects twice.
        return decode_data(encode_data(WireData(1, proof)))[1]

    # -- what the core takes ---------------------------------------------------------

    def _loaded(self, work: Callable[[], T]) -> T:
        while True:
            try:
                return work()
            except NotInMemoryError as missing:
                node = self._rows([missing.index])[missing.index]
                self.depot.nodes.put(self.state.base | node.index, node)

    def upgrade(self) -> None:
        start = len(self.tip.log)
        request = Request(
            self.tip.fork,
            upgrade=UpgradeRequest(start, len(self.log) - start),
            manifest=True,
        )
        proof = self._prove(request)
        self.state.advance(
            self._loaded(lambda: accept(self.state, proof)), takes_more=True
        )
        self.waiting.append(self.tip._replace(log=tuple(self.log)))

    def take(self) -> None:
        indexes = self.chance.choices(
            range(len(self.tip.log)), k=self.chance.randrange(1, 9)
        )
        for index in indexes:
            self._take(index)

    def _take(self, index: int) -> None:
        state = self.state
        levels = self._loaded(lambda: missing_levels(2 * index, state.tip, state))
        if len(self.tip.log) != len(self.log):
            # The origin proves up to its own roots only.
            return
        proof = self._prove(Request(self.tip.fork, BlockRequest(index, levels)))
        if self._loaded(lambda: join(state, proof)):
            held = self.waiting.pop()
        else:
            change = self._loaded(lambda: accept(state, proof))
            state.advance(change, takes_more=True)
            held = self.tip
        self.waiting.append(held._replace(blocks=held.blocks | {index}))

    def clear(self) -> None:
        start = self.chance.randrange(len(self.tip.log))
        end = self.chance.randint(start, len(self.tip.log))
        gone = frozenset(range(start, end)) & self.tip.blocks
        change = self.state.clear(start, end)
        assert (change is not None) is bool(gone)
        if change is not None:
            self.waiting.append(self.tip._replace(blocks=self.tip.blocks - gone))

    def follow(self) -> None:
        state, fork = self.state, self.origin.fork
        request = Request(fork, upgrade=UpgradeRequest(0, len(self.log)), manifest=True)
        proof = self._prove(request)
        batch = self._loaded(lambda: begin_reorg(state, proof))
        while (want := batch.want) is not None:
            answer = self._prove(
                Request(fork, hash=BlockRequest(2 * want.start, want.nodes))
            )
            go_on = partial(continue_reorg, batch, answer, state)
            batch = self._loaded(go_on)
        state.advance(finish_reorg(state, batch))
        kept = frozenset(at for at in self.tip.blocks if at < batch.ancestors)
        self.waiting.append(Held(fork, tuple(self.log), kept))

    # -- the disk --------------------------------------------------------------------

    def hand_over(self) -> None:
        following = self.state.next_write()
        assert (following is not None) is bool(self.waiting)
        if following is not None:
            self.handed_count = len(following[0])
            self.handed = following[1]

    def commit(self) -> None:
        write = self.handed
        assert write is not None
        self._write(lambda connection: store(connection, write))
        for _ in range(self.handed_count):
            self.state.committed_change()
            self.committed = self.waiting.popleft()
        self.handed = None

    def lose(self) -> None:
        self.state.rolled_back()
        self.waiting.clear()
        self.handed = None

    def crash(self) -> None:
        self.lose()
        discovery_key = self.state.discovery_key
        stored = self._write(lambda at: self.depot.open_core(at, discovery_key))
        assert stored is not None
        self.state.forget()
        before = self.state.stored
        self.state = CoreState(self.depot, stored)
        for index in range(2 * len(self.committed.log)):
            assert self.state.stored.has_node(index) == before.has_node(index)

    def forget(self) -> None:
        self.state.forget()

    # -- what has to be true -----------------------------------------------------------

    def nothing_drifts(self) -> None:
        state, tip, committed = self.state, self.tip, self.committed
        assert (state.tip.fork, state.tip.length) == (tip.fork, len(tip.log))
        assert (state.fork, state.length) == (committed.fork, len(committed.log))
        assert not state.needs_repair
        size = sum(
            len(block)
            for change, _ in state._pending
            for block in change.blocks.values()
        )
        assert state.pending_bytes == self.depot.pending_bytes == size
        if not self.waiting:
            assert not state._fresh
            assert state.settled
        for held, inventory in ((tip, state.planned), (committed, state.stored)):
            for index in range(len(held.log) + 2):
                assert inventory.has_block(index) == (index in held.blocks)
            contiguous = next(at for at in range(10**6) if at not in held.blocks)
            assert inventory.contiguous_length == contiguous
        self._check_nodes(tip, state.planned.has_node, self._node_of_tip)
        rows = self._rows(range(2 * len(committed.log)))
        self._check_nodes(committed, state.stored.has_node, rows.get)
        number, count = state.number, len(committed.log) + 50
        found = self._write(lambda at: read_blocks(at, number, range(count)))
        assert found == {at: committed.log[at] for at in committed.blocks}

    def _rows(self, indexes: Sequence[int]) -> dict[int, Node]:
        number = self.state.number
        return self._write(lambda at: read_nodes(at, number, indexes))

    def _node_of_tip(self, index: int) -> Node | None:
        try:
            return self.state.node(index)
        except NotInMemoryError:
            return self._rows([index]).get(index)

    def _check_nodes(
        self,
        held: Held,
        has_node: Callable[[int], bool],
        find: Callable[[int], Node | None],
    ) -> None:
        batch = TreeBatch()
        batch.extend(list(held.log))
        truth = {node.index: node for node in batch.nodes}
        for index in range(2 * len(held.log)):
            if has_node(index):
                assert find(index) == truth[index]
        for block in held.blocks:
            assert has_node(2 * block)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_drifts_on_a_disk_that_fails(tmp_path: Path, seed: int) -> None:
    model = StateOnADisk(tmp_path, seed)
    try:
        for _ in range(STEPS):
            model.step()
            model.nothing_drifts()
    finally:
        model.close()
