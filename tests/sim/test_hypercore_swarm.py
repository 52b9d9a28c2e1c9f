"""Fifty peers with parts of a log, some of them lying, on links that come and go."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from net.crypto import KeyPair
from store.hypercore.messages import (
    MessageKind,
    RangeUpdate,
    WireData,
    decode_data,
    encode_data,
    encode_range,
)
from store.hypercore.proofs import missing_levels
from store.hypercore.records import BlockRequest, Node, Proof, Request, UpgradeRequest
from store.hypercore.replicator import Download
from tests.helpers.memory_core import MemoryCore
from tests.helpers.replica_world import Node as Replica
from tests.helpers.replica_world import ReplicaWorld, Tamper, Wire

PAIR = KeyPair.from_seed(b"\7" * 32)
PEERS = 50
LIARS = 5
BLOCKS = 600
LINKS = 4
COPIES = 3

Lie = Callable[[random.Random, Proof], Proof]


def bad_block(chance: random.Random, proof: Proof) -> Proof:
    block = proof.block
    if block is None or chance.random() < 0.3:
        return proof
    value = bytes([block.value[0] ^ 1]) + block.value[1:]
    return proof._replace(block=block._replace(value=value))


def bad_node(chance: random.Random, proof: Proof) -> Proof:
    block = proof.block
    if block is None or not block.nodes:
        return proof
    nodes = list(block.nodes)
    at = chance.randrange(len(nodes))
    nodes[at] = Node(nodes[at].index, nodes[at].size, chance.randbytes(32))
    return proof._replace(block=block._replace(nodes=nodes))


def bad_size(_chance: random.Random, proof: Proof) -> Proof:
    block = proof.block
    if block is None or not block.nodes:
        return proof
    nodes = [Node(at.index, at.size + 1, at.hash) for at in block.nodes]
    return proof._replace(block=block._replace(nodes=nodes))


def bad_signature(chance: random.Random, proof: Proof) -> Proof:
    if proof.upgrade is None:
        return bad_block(chance, proof)
    signature = bytearray(proof.upgrade.signature)
    signature[10] ^= 1
    upgrade = proof.upgrade._replace(signature=bytes(signature))
    return proof._replace(upgrade=upgrade)


def proofs_changed_by(chance: random.Random, lie: Lie) -> Tamper:
    def tamper(_wire: Wire, kind: int, message: bytes) -> list[tuple[int, bytes]]:
        if kind != MessageKind.DATA:
            return [(kind, message)]
        number, proof = decode_data(message)
        return [(kind, encode_data(WireData(number, lie(chance, proof))))]

    return tamper


def silence(chance: random.Random) -> Tamper:
    def tamper(_wire: Wire, kind: int, message: bytes) -> list[tuple[int, bytes]]:
        if kind == MessageKind.DATA and chance.random() < 0.9:
            return []
        return [(kind, message)]

    return tamper


def boast(_chance: random.Random) -> Tamper:
    """Tells of every block, and has few."""

    def tamper(_wire: Wire, kind: int, message: bytes) -> list[tuple[int, bytes]]:
        if kind in (MessageKind.SYNC, MessageKind.RANGE, MessageKind.BITFIELD):
            everything = encode_range(RangeUpdate(0, BLOCKS))
            return [(kind, message), (MessageKind.RANGE, everything)]
        return [(kind, message)]

    return tamper


def liars(chance: random.Random) -> list[Tamper]:
    lies = [bad_block, bad_node, bad_size, bad_signature]
    tampers = [proofs_changed_by(chance, lie) for lie in lies]
    return [*tampers, silence(chance), boast(chance)]


class Swarm:
    """One writer that goes away, and readers who have all blocks between them."""

    def __init__(self, seed: int) -> None:
        self.world = world = ReplicaWorld(seed)
        self.chance = chance = world.random
        origin = MemoryCore(key_pair=PAIR)
        sizes = [chance.choice((1, 100, 5000)) for _ in range(BLOCKS)]
        origin.append(*(chance.randbytes(size) for size in sizes))
        self.truth = dict(origin.blocks)
        self.replicas = [
            world.add(f"peer-{at}", MemoryCore(origin.key, slow=True))
            for at in range(PEERS)
        ]
        whole = Request(0, upgrade=UpgradeRequest(0, BLOCKS), manifest=True)
        for replica in self.replicas:
            # Some have heard of the log only, and get its length from others.
            if chance.random() < 0.8:
                replica.core.accept(origin.prove(whole))
                replica.core.commit()
        self.liars = chance.sample(self.replicas, LIARS)
        tampers = chance.sample(liars(chance), LIARS)
        for replica, tamper in zip(self.liars, tampers, strict=True):
            replica.tamper = tamper
        self.honest = [at for at in self.replicas if at not in self.liars]
        self._spread_copies(origin)
        for replica in self.honest:
            download = Download(0, None, linear=chance.random() < 0.3)
            replica.machine.asking.want_download(download)

    def _spread_copies(self, origin: MemoryCore) -> None:
        holders = [at for at in self.replicas if at.core.length]
        keepers = [at for at in holders if at not in self.liars]
        for index in range(BLOCKS):
            # At least one honest peer has each block.
            chosen = [self.chance.choice(keepers), *self.chance.choices(holders, k=2)]
            for replica in chosen:
                core = replica.core
                if not core.has_block(index):
                    levels = missing_levels(2 * index, core.tip, core)
                    request = Request(0, BlockRequest(index, levels))
                    core.accept(origin.prove(request))
        for replica in holders:
            replica.core.commit()

    def link(self, replica: Replica) -> None:
        """Connect a peer to somebody it does not know yet."""
        known = {wire.other.node.name for wire in replica.wires}
        others = [
            at for at in self.replicas if at is not replica and at.name not in known
        ]
        other = self.chance.choice(others)
        delay_s = self.chance.choice((0.002, 0.02, 0.1))
        self.world.connect(replica, other, delay_s=delay_s)

    def churn(self) -> None:
        """Somebody loses a connection, and everybody sees to having enough."""
        replica = self.chance.choice(self.replicas)
        if replica.wires and self.chance.random() < 0.5:
            self.world.cut(self.chance.choice(replica.wires))
        for each in self.replicas:
            if len(each.wires) < LINKS:
                self.link(each)
        self.check()
        if not self.finished():
            self.world.at(self.world.now + 0.1, self.churn)

    def check(self) -> None:
        for replica in self.honest:
            for index, block in replica.core.blocks.items():
                assert block == self.truth[index], f"seed {self.world.seed}"

    def finished(self) -> bool:
        return all(replica.core.contiguous_length == BLOCKS for replica in self.honest)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_honest_peers_finish_and_nothing_false_is_stored(seed: int) -> None:
    swarm = Swarm(seed)
    for replica in swarm.replicas:
        swarm.link(replica)
    swarm.world.at(0.1, swarm.churn)
    swarm.world.run(240, until=swarm.finished)
    behind = [at.name for at in swarm.honest if at.core.contiguous_length < BLOCKS]
    assert not behind, f"seed {seed}: {behind} after {swarm.world.now} s"
    swarm.check()
    ended = {code for replica in swarm.honest for code in replica.ended}
    assert ended <= {"invalid-checksum", "invalid-signature", "invalid-proof"}
    assert ended
    for replica in swarm.honest:
        for peer in replica.machine.peers:
            assert len(peer.asks) <= 512 + 64
            assert len(peer.waiting) <= 2048
