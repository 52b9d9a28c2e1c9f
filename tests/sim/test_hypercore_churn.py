"""Honest peers whose logs are cut, cleared and lost by the disk while they exchange.

Nobody is ever blamed, and once peace comes everybody has everything soon.
"""

from __future__ import annotations

import random

import pytest

from net.crypto import KeyPair
from store.hypercore.replicator import Download
from tests.helpers.memory_core import MemoryCore
from tests.helpers.replica_world import Node, ReplicaWorld

PAIR = KeyPair.from_seed(b"\5" * 32)
READERS = 4
PEACE_AT_S = 20.0
SOON_S = 30.0
"""Longer than the pauses after refusals and silence."""


class Churn:
    """One writer, some readers, and what happens to them."""

    def __init__(self, seed: int) -> None:
        self.world = ReplicaWorld(seed)
        self.chance: random.Random = self.world.random
        core = MemoryCore(key_pair=PAIR)
        self.writer = self.world.add("writer", core)
        self.readers = [
            self.world.add(f"reader-{at}", MemoryCore(core.key, slow=True))
            for at in range(READERS)
        ]
        self.nodes = [self.writer, *self.readers]
        self.got: set[int] = set()
        self.wanted: set[int] = set()
        core.append(*(self.chance.randbytes(9) for _ in range(150)))
        for reader in self.readers:
            self.link(reader)
            linear = self.chance.random() < 0.3
            reader.machine.asking.want_download(Download(0, None, linear=linear))
        self.world.at(0.05, self.happen)

    def link(self, node: Node) -> None:
        known = {wire.other.node.name for wire in node.wires} | {node.name}
        others = [at for at in self.nodes if at.name not in known]
        if others:
            delay_s = self.chance.choice((0.001, 0.02, 0.15))
            self.world.connect(node, self.chance.choice(others), delay_s=delay_s)

    def happen(self) -> None:
        events = [self.grow] * 4 + [self.clear] * 3 + [self.lose] * 2
        events += [self.part] * 2 + [self.rewrite, self.wish, self.wish]
        self.chance.choice(events)()
        for reader in self.readers:
            if not reader.wires or self.chance.random() < 0.1:
                self.link(reader)
        for node in self.nodes:
            self.world.touch(node)
        if self.world.now < PEACE_AT_S:
            pause_s = self.chance.choice((0.003, 0.03, 0.2))
            self.world.at(self.world.now + pause_s, self.happen)
        else:
            self.world.at(self.world.now, self.make_peace)

    def grow(self) -> None:
        count = self.chance.choice((1, 1, 5, 40))
        self.writer.core.append(*(self.chance.randbytes(9) for _ in range(count)))

    def rewrite(self) -> None:
        core = self.writer.core
        core.truncate(max(0, core.length - self.chance.choice((1, 10, 100))))
        core.append(*(self.chance.randbytes(9) for _ in range(30)))

    def clear(self) -> None:
        core = self.chance.choice(self.readers).core
        if not core.writing and core.length:
            start = self.chance.randrange(core.length)
            core.clear(start, min(core.length, start + self.chance.choice((1, 9, 70))))

    def lose(self) -> None:
        reader = self.chance.choice(self.readers)
        if reader.core.writing and reader.core.settled:
            reader.core.lose_writes()
            again = reader.machine.write_allowed
            self.world.at(self.world.now + 0.3, again)
            self.world.at(self.world.now + 0.3, lambda: self.world.touch(reader))

    def part(self) -> None:
        node = self.chance.choice(self.nodes)
        if node.wires:
            self.world.cut(self.chance.choice(node.wires))

    def wish(self) -> None:
        reader = self.chance.choice(self.readers)
        index = self.chance.randrange(self.writer.core.length)
        number = len(self.wanted)
        if reader.core.first_uncommitted(index, index + 1) is not None:
            self.wanted.add(number)
            reader.machine.asking.want_block(
                index, self.chance.randrange(3), lambda: self.got.add(number)
            )

    def make_peace(self) -> None:
        # Also what wishes were made for behind the end comes in the end.
        self.writer.core.append(*(self.chance.randbytes(9) for _ in range(200)))
        for reader in self.readers:
            names = {wire.other.node.name for wire in reader.wires}
            if self.writer.name not in names:
                self.world.connect(reader, self.writer)
        for node in self.nodes:
            self.world.touch(node)

    def finished(self) -> bool:
        return self.world.now > PEACE_AT_S and not self.behind()

    def behind(self) -> dict[str, tuple[int, int, int]]:
        """Readers who have not all: fork, length and contiguous length."""
        writer = self.writer.core
        return {
            reader.name: (core.fork, core.length, core.contiguous_length)
            for reader in self.readers
            if (core := reader.core).fork != writer.fork
            or core.contiguous_length != writer.length
        }


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_nobody_is_blamed_and_all_arrives(seed: int) -> None:
    churn = Churn(seed)
    churn.world.run(PEACE_AT_S + SOON_S, until=churn.finished)
    blamed = {node.name: node.ended for node in churn.nodes if node.ended}
    assert not blamed, f"seed {seed}"
    assert not churn.behind(), f"seed {seed}"
    assert churn.wanted == churn.got, f"seed {seed}"
    for reader in churn.readers:
        assert reader.core.blocks == churn.writer.core.blocks, f"seed {seed}"
