"""Other histories of the log: rewritten ones, which are followed, and contradictions.

A peer of a higher fork is asked for the proof of its whole tree, and then for hashes
until it is known how much is the same. When a proof of our own fork is wrong, its
sender is asked, with request number 0, for the proof of its whole tree: if that is
validly signed and another tree than ours, the log has two histories; the core is
frozen, the evidence goes to all peers, and the channels close. A core that follows no
forks is not frozen but told of, and only this channel closes, as it does when the
sender lied. Follows npm hypercore 11.37.1 (``lib/replicator.js``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore.messages import (
    MessageKind,
    WireData,
    WireRequest,
    encode_data,
    encode_request,
)
from store.hypercore.records import (
    BlockRequest,
    NotInMemoryError,
    Proof,
    Request,
    UpgradeRequest,
)
from store.hypercore.replicator.peer import Ask, AskKind, Peer

if TYPE_CHECKING:
    from store.hypercore.proofs import ReorgBatch
    from store.hypercore.replicator.asking import Asking
    from store.hypercore.replicator.context import Context

MAX_LOADS: Final = 8
"""Times that the disk is asked for one proof, before it is given up."""

ACCUSED_S: Final = 5.0
"""How long who sent a wrong proof has to show that its history is another one."""

MAX_UNASKED_PROOFS: Final = 8
"""Proofs of a peer's whole tree that are looked at without having been asked for."""


class Forks:
    """Rewritten and contradicting histories of one core.

    Attributes:
        to_load: Peers whose proof needs something loaded before it can be judged.
    """

    def __init__(self, context: Context, asking: Asking) -> None:
        self.to_load: dict[Peer, None] = {}
        self._context = context
        self._core = context.core
        self._asking = asking
        self._batch: ReorgBatch | None = None
        self._asks: dict[Peer, Ask] = {}
        self._unjudged: dict[Peer, Proof] = {}
        self._unasked: dict[Peer, int] = {}
        self._loads: dict[Peer, int] = {}
        self._is_spread = False

    @property
    def asking(self) -> bool:
        """Something was asked of a peer that answers, or is being judged."""
        if self._unjudged:
            return True
        return any(not asked.pace.stalled for asked in self._asks)

    # -- rewritten histories -------------------------------------------------------

    def fill(self, peer: Peer, now: float) -> None:
        """Ask a peer of a higher fork for what is needed next."""
        core = self._core
        if (
            not peer.active
            or core.frozen
            or peer.remote_fork <= core.fork
            or not self._context.options.allow_fork
            or not core.settled
            or peer.remote_length == 0
            or peer in self._asks
        ):
            return
        if self._batch is not None and not self._is_held(self._batch.head.fork):
            # Who told of it has gone; others may have one between that and ours.
            self._batch = None
        batch = self._batch
        if batch is not None and batch.head.fork >= peer.remote_fork:
            if batch.head.fork == peer.remote_fork:
                self._ask_hash(peer, batch, now)
            return
        request = Request(
            peer.remote_fork,
            upgrade=UpgradeRequest(0, peer.remote_length),
            manifest=not core.has_manifest,
        )
        self._ask(peer, request, now)

    def receive_proof(self, peer: Peer, proof: Proof, now: float) -> None:
        """An answer to what ``fill`` asked."""
        self._asks.pop(peer, None)
        if proof.fork <= self._core.fork:
            self._context.touch(peer)
            return
        before = self._batch
        self._unjudged[peer] = proof
        self.judge(peer)
        if before is not None and self._batch is before and peer not in self._unjudged:
            # It brought nothing, and the next one shall not either for ever.
            self._asking.refused(peer, now)

    def receive_refusal(self, peer: Peer, now: float) -> None:
        """A peer does not show its other history."""
        self._asks.pop(peer, None)
        self._asking.refused(peer, now)
        self._context.touch_all()

    def stalled(self, peer: Peer) -> None:
        """A peer is silent: what it was to show is asked of others."""
        ask = self._asks.pop(peer, None)
        if ask is not None:
            self._asking.cancel(ask)
            self._context.touch_all()

    def judge(self, peer: Peer, *, failed: bool = False) -> None:
        """Judge the proof of a peer that waits for it, again after loading."""
        proof = self._unjudged.pop(peer, None)
        if proof is None or peer.closed:
            return
        loads = self._loads[peer] = self._loads.get(peer, 0) + 1
        if failed or loads > MAX_LOADS:
            self._loads.pop(peer)
            peer.refusals += 1
            return
        try:
            if proof.fork > self._core.fork:
                # While another tree is being written it may be this very fork's.
                if self._core.settled:
                    self._follow(proof)
                self._context.touch_all()
            else:
                self._judge_conflict(peer, proof)
            self._loads.pop(peer, None)
        except NotInMemoryError:
            self._unjudged[peer] = proof
            self.to_load[peer] = None
        except RemoteProtocolError as error:
            self._loads.pop(peer, None)
            if error.code == "outdated":
                self._context.touch_all()
                return
            peer.counters.invalid_data += 1
            if self._context.report is not None:
                self._context.report(peer, error.code)
            self._end(peer, peer.accused_code or error.code)

    def proof_to_load(self, peer: Peer) -> Proof | None:
        """The proof that waits to be judged."""
        return self._unjudged.get(peer)

    def committed(self) -> None:
        """The tree is another one: what was found out about forks may be outdated."""
        self._batch = None

    def peer_left(self, peer: Peer) -> None:
        """Nothing more comes from a peer."""
        self._asks.pop(peer, None)
        self._unjudged.pop(peer, None)
        self._unasked.pop(peer, None)
        self._loads.pop(peer, None)
        self.to_load.pop(peer, None)

    # -- contradictions ------------------------------------------------------------

    def accuse(self, peer: Peer, code: str, now: float) -> None:
        """A peer's proof was wrong: a lie, or another history?"""
        if peer.closed or peer.accused_code is not None:
            return
        if self._context.report is not None:
            self._context.report(peer, code)
        self._context.counters[code] += 1
        peer.paused = True
        self._asking.give_up(peer)
        core = self._core
        length = min(core.length, peer.remote_length)
        if code == "invalid-operation" or not length or peer.remote_fork != core.fork:
            self._end(peer, code)
            return
        peer.accused_code = code
        peer.accused_until = now + ACCUSED_S
        request = Request(core.fork, upgrade=UpgradeRequest(0, length))
        message = encode_request(WireRequest(0, request))
        peer.link.send(MessageKind.REQUEST, message)

    def receive_evidence(self, peer: Peer, proof: Proof) -> None:
        """A peer shows its whole tree, asked by ``accuse`` or not."""
        if peer.accused_code is None:
            count = self._unasked[peer] = self._unasked.get(peer, 0) + 1
            if count > MAX_UNASKED_PROOFS:
                self._context.counters["unasked"] += 1
                return
        if peer not in self._unjudged:
            self._unjudged[peer] = proof
            self.judge(peer)

    def handle_timer(self, peer: Peer, now: float) -> None:
        """Who was accused has had its time."""
        if peer.accused_code is not None and peer.accused_until <= now:
            self._end(peer, peer.accused_code)

    # -- inside --------------------------------------------------------------------

    def _follow(self, proof: Proof) -> None:
        core, batch = self._core, self._batch
        if proof.upgrade is not None:
            if batch is None or proof.fork > batch.head.fork:
                batch = core.begin_reorg(proof)
        elif batch is not None and proof.fork == batch.head.fork:
            batch = core.continue_reorg(batch, proof)
        self._batch = batch
        if batch is not None and batch.is_finished:
            self._batch = None
            core.finish_reorg(batch)

    def _ask_hash(self, peer: Peer, batch: ReorgBatch, now: float) -> None:
        want = batch.want
        if want is None or any(not asked.pace.stalled for asked in self._asks):
            return
        end = min(want.end, peer.remote_length)
        if end <= want.start:
            return
        index = want.start + self._context.dice.randrange(end - want.start)
        node = BlockRequest(2 * index, want.nodes)
        self._ask(peer, Request(batch.head.fork, hash=node), now)

    def _is_held(self, fork: int) -> bool:
        return any(
            peer.remote_fork == fork and peer.active for peer in self._context.peers
        )

    def _ask(self, peer: Peer, request: Request, now: float) -> None:
        ask = Ask(peer, AskKind.REORG, request, now)
        self._asks[peer] = ask
        self._asking.send_reorg(ask, now)

    def _judge_conflict(self, peer: Peer, proof: Proof) -> None:
        if self._core.check_conflict(proof):
            if self._core.frozen:
                self.spread()
            else:
                # Where they part is found out by whoever uses the core.
                self._end(peer, "conflict")
        elif peer.accused_code is not None:
            self._end(peer, peer.accused_code)

    def spread(self) -> None:
        """Show both histories to all peers of this fork, and close their channels."""
        core = self._core
        if self._is_spread:
            return
        self._is_spread = True
        self._context.counters["conflict"] += 1
        evidence = core.evidence
        for peer in list(self._context.peers):
            peer.paused = True
            if not peer.allow_upload:
                peer.link.close(None)
                continue
            length = min(core.length, peer.remote_length)
            if length and peer.remote_fork == core.fork:
                request = Request(core.fork, upgrade=UpgradeRequest(0, length))
                try:
                    ours = encode_data(WireData(0, core.prove(request)))
                    peer.link.send(MessageKind.DATA, ours)
                except (NotInMemoryError, LocalProtocolError):
                    # A tree that is damaged here is no evidence.
                    self._context.counters["unshown"] += 1
                if evidence is not None:
                    peer.link.send(MessageKind.DATA, evidence)
            peer.link.close(None)

    def _end(self, peer: Peer, code: str) -> None:
        self._context.counters["ended-" + code] += 1
        peer.link.close(code)
