"""Devices that write two histories, in the world of ``tests/sim/rooms_world.py``.

Each history has a peer of its own with the same key, as if a profile had been put back
from a copy; both go on and meet whoever comes. Where two who meet hold different halves
they prove it, and tell everybody whom they meet afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from app.rooms import anew
from app.rooms.blocks import log_manifest
from app.rooms.operations import Body
from app.rooms.view import Applied, RoomView
from store.hypercore.fork_proof import ForkProof, decode_fork_proof
from store.hypercore.manifest import manifest_key
from tests.helpers.forked_logs import fork_proof
from tests.sim.rooms_world import Peer, World
from tests.unit.app.rooms.people import ROOM_KEY


@dataclass
class ForkWorld(World):
    """A world in which logs may fork.

    Attributes:
        proofs: What each peer knows of forks, by peer and writer.
        twins: Further histories of devices.
        anew_count: Times that somebody derived a room anew.
    """

    proofs: dict[Peer, dict[bytes, ForkProof]] = field(default_factory=dict)
    twins: list[Peer] = field(default_factory=list)
    anew_count: int = 0

    def known(self, peer: Peer) -> dict[bytes, ForkProof]:
        """What a peer knows of forks."""
        return self.proofs.setdefault(peer, {})

    def fork(self, peer: Peer) -> Peer:
        """A copy of a device goes on beside it."""
        twin = Peer(peer.who)
        twin.connection.deserialize("main", peer.connection.serialize("main"))
        twin.logs = {writer: list(log) for writer, log in peer.logs.items()}
        twin._bases = dict(peer._bases)
        twin.entropy._seed += b"twin%d" % len(self.twins)
        twin.skew_ms = peer.skew_ms
        twin.start()
        self.proofs[twin] = dict(self.known(peer))
        self.twins.append(twin)
        self.peers[peer.device + b"'" * len(self.twins)] = twin
        return twin

    def write(
        self,
        peer: Peer,
        make: Callable[[RoomView], Body],
        *,
        now_ms: int | None = None,
    ) -> Applied | None:
        """Somebody writes, unless its log has ended."""
        if peer.device in self.known(peer):
            return None
        return super().write(peer, make, now_ms=now_ms)

    def meet(self, one: Peer, other: Peer, *, whole: bool = False) -> bool:
        """Two tell each other of forks, find new ones, and hear each other's logs."""
        news = False
        for writer, proof in self.known(other).items():
            news = self.take(one, writer, proof) or news
        for writer in sorted(one.logs.keys() & other.logs.keys()):
            mine, theirs = one.logs[writer], other.logs[writer]
            count = min(len(mine), len(theirs))
            if mine[:count] != theirs[:count]:
                news = self.take(one, writer, self.proof(writer, mine, theirs)) or news
        return super().meet(one, other, whole=whole) or news

    def proof(self, writer: bytes, one: list[bytes], other: list[bytes]) -> ForkProof:
        """What two make of their halves, as it goes over the wire."""
        manifest = log_manifest(writer, ROOM_KEY)
        made = fork_proof(one, other, manifest, self.peers[writer].who.device)
        proof = decode_fork_proof(made.encode())
        assert proof.is_signed(manifest, manifest_key(manifest))
        return proof

    def take(self, peer: Peer, writer: bytes, proof: ForkProof) -> bool:
        """A peer hears of a fork; tells whether that was news."""
        known, now_ms = self.known(peer), self.clock(peer)
        if writer in known and known[writer].length <= proof.length:
            return False
        known[writer] = proof
        before = peer.view
        peer.view, applied = peer.run(
            lambda connection: anew.frozen(
                connection, before, writer, proof, now_ms=now_ms
            )
        )
        self.anew_count += peer.view is not before
        self._cut(peer, writer, proof.length)
        for woken in applied.woken:
            if woken in peer.logs:
                peer.derive(woken, now_ms)
        peer.derive_all(now_ms)
        return True

    def deliver(
        self, peer: Peer, writer: bytes, start: int, blocks: list[bytes], now_ms: int
    ) -> None:
        """Blocks come, of which nobody takes those behind the end of a log."""
        proof = self.known(peer).get(writer)
        if proof is not None:
            blocks = blocks[: max(0, proof.length - start)]
        super().deliver(peer, writer, start, blocks, now_ms)

    def _length(self, peer: Peer, writer: bytes) -> int:
        proof, length = self.known(peer).get(writer), super()._length(peer, writer)
        if proof is not None and length >= proof.length:
            return 1 << 40
        return length

    def _cut(self, peer: Peer, writer: bytes, length: int) -> None:
        log, base = peer.logs.get(writer), peer._bases.get(writer)
        if log is None or base is None:
            return
        del log[length:]
        peer.run(
            lambda connection: connection.execute(
                "DELETE FROM core_block WHERE id >= ? AND id < ?",
                (base + length, base + (1 << 40)),
            )
        )
