"""What is asked of peers: blocks, hashes, longer trees; and what comes of the answers.

Each peer is given as many requests as its pace allows. A request asks only for the
hashes that neither the core has nor an earlier request to the same peer will bring; if
such an answer comes before the one it counts on, it is asked for anew, and a peer that
mixes the order often is no longer asked that way. What a stalled peer owes is asked of
others, and at the end of a download idle peers race for what slow ones still owe.
Follows npm hypercore 11.37.1 (``lib/replicator.js``) in what may be asked when.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Final

from store.errors import RemoteProtocolError
from store.hypercore import flat_tree
from store.hypercore.messages import (
    MessageKind,
    Want,
    WireRequest,
    encode_block_request,
    encode_request,
    encode_want,
)
from store.hypercore.records import (
    BlockRequest,
    NotInMemoryError,
    Proof,
    Request,
    SeekRequest,
    UpgradeRequest,
)
from store.hypercore.replicator.availability import bits_end
from store.hypercore.replicator.ledger import (
    FORGIVE_S,
    MAX_REFUSALS,
    Ledger,
    path_nodes,
)
from store.hypercore.replicator.peer import Ask, AskKind, Peer
from store.hypercore.replicator.wants import WANT_BLOCKS

if TYPE_CHECKING:
    from store.hypercore.replicator.context import Context

MAX_COPIES: Final = 3
"""Peers that are asked for one block at a time."""

MAX_OUT_OF_ORDER: Final = 8
"""Answers that came too early before a peer's order is not counted on any more."""

MAX_LOADS: Final = 8
"""Times that the disk is asked for one proof, before it is given up."""

# What follows the block of a request and of a proof that have nothing else.
_BLOCK_ALONE: Final = (None, None, None, False)
_BLOCK_PROOF_ALONE: Final = (None, None, None, None)

# Makes a named tuple at half the price of calling its class.
_new: Final = tuple.__new__

_QUEUE_LOOKED_AT: Final = 256
_RACE_LOOKED_AT: Final = 64
_RACE_AFTER_S: Final = 0.05
_UNKNOWN_RTT_S: Final = 0.2
_DEFAULT_BLOCK_BYTES: Final = 1024


class Asking(Ledger):
    """Asks the peers of one core, and takes their answers.

    Attributes:
        held_back: Peers were not asked because too much waits to be written.
    """

    def __init__(
        self, context: Context, *, on_bad: Callable[[Peer, str, float], object]
    ) -> None:
        super().__init__(context)
        self._on_bad = on_bad
        self.held_back = False

    # -- asking ------------------------------------------------------------------

    def fill(self, peer: Peer, now: float) -> None:
        """Ask a peer for as much as it may be asked."""
        core = self._core
        if (
            not peer.active
            or core.frozen
            or peer.remote_fork != core.fork
            or not self._context.writable
        ):
            return
        if not core.has_room:
            self.held_back = True
            return
        room = self.limit(peer) - len(peer.asks)
        if room <= 0:
            return
        if not core.has_manifest and not self._manifests:
            self._ask_manifest(peer, now)
        if not self._upgrades or not (self.upgrading or peer.pace.stalled):
            self._ask_upgrade(peer, now)
        if core.needs_repair:
            return
        if self._seeks:
            self._ask_seeks(peer, now)
        if self._queue:
            self._ask_queued(peer, now)
        room = self.limit(peer) - len(peer.asks)
        if room > 0 and self.picker.downloads and peer.exhausted_at != self._changes:
            self._ask_ranges(peer, room, now)
        if self._in_flight and len(self._context.peers) > 1:
            self._race(peer, now)

    def can_upgrade_from(self, peer: Peer) -> bool:
        """The peer has a longer tree and can prove it to us now.

        One that is as long as ours will do while ours is damaged.
        """
        core = self._core
        least = core.length if core.needs_repair else core.length + 1
        return (
            peer.active
            and (core.needs_repair or not core.ended)
            and peer.remote_fork == core.fork
            and peer.remote_can_upgrade
            and peer.remote_length >= least
            and (
                peer.remote_acked == core.length
                or not peer.allow_upload
                or core.needs_repair
            )
        )

    def limit(self, peer: Peer) -> int:
        """Requests that may be in flight at a peer."""
        core = self._core
        average = core.byte_length // core.length if core.length else 0
        limit = peer.pace.limit(average or _DEFAULT_BLOCK_BYTES)
        return min(limit, self._context.options.max_window)

    def send_reorg(self, ask: Ask, now: float) -> None:
        """Send a request of another fork (for ``forks``)."""
        self._send(ask, 0, now)

    def _ask_manifest(self, peer: Peer, now: float) -> None:
        if peer.remote_has_manifest and peer.remote_length == 0:
            ask = Ask(peer, AskKind.MANIFEST, self._request(manifest=True), now)
            self._manifests.append(ask)
            self._send(ask, 0, now)

    def _ask_upgrade(self, peer: Peer, now: float) -> None:
        core = self._core
        if not (
            self._context.options.eager_upgrade
            or self.upgrade_wanted
            or self.busy
            or core.needs_repair
        ):
            return
        if not core.settled or not self.can_upgrade_from(peer):
            return
        start = 0 if core.needs_repair else core.length
        upgrade = UpgradeRequest(start, peer.remote_length - start)
        manifest = not core.has_manifest and peer.remote_has_manifest
        index = None if core.needs_repair else self._new_block(peer)
        if index is None:
            request = self._request(upgrade=upgrade, manifest=manifest)
            ask = Ask(peer, AskKind.UPGRADE, request, now)
            priority = 0
        else:
            block = BlockRequest(index, 0)
            request = self._request(block=block, upgrade=upgrade, manifest=manifest)
            ask = Ask(peer, AskKind.BLOCK, request, now, index=index)
            self._in_flight[index] = [ask]
            self._queue.pop(index, None)
            self.picker.taken(index)
            wish = self._wishes.get(index)
            priority = wish.priority if wish is not None else 0
        self._upgrades.append(ask)
        self._send(ask, priority, now)

    def _new_block(self, peer: Peer) -> int | None:
        """A block behind our length that may come with the upgrade."""
        length = self._core.length
        for index in islice(self._queue, _QUEUE_LOOKED_AT):
            if length <= index < peer.remote_length and peer.has.has(index):
                return index
        last = peer.remote_length - 1
        live = any(download.end is None for download in self.picker.downloads)
        if live and last not in self._in_flight and peer.has.has(last):
            return last
        return None

    def _ask_seeks(self, peer: Peer, now: float) -> None:
        core = self._core
        for wish in self._seeks:
            end = min(wish.end, peer.remote_length, core.length)
            if wish.asks or end <= wish.start:
                continue
            first = wish.start + self._context.dice.randrange(end - wish.start)
            index = peer.has.first_in(first, end)
            if index is None:
                index = peer.has.first_in(wish.start, end)
            if index is None:
                self._want(peer, wish.start)
                continue
            node = 2 * index
            levels = flat_tree.depth(wish.start + wish.end - 1)
            seek = wish.seek if peer.remote_seeks else None
            request = self._request(hash_=BlockRequest(node, levels), seek=seek)
            ask = Ask(peer, AskKind.HASH, request, now, index=node)
            wish.asks.append(ask)
            self._send(ask, 0, now)

    def _ask_queued(self, peer: Peer, now: float) -> None:
        """Blocks that somebody waits for, as many as the peer has and takes."""
        limit, length = self.limit(peer), self._valid_end(peer)
        queue, left = self._queue, len(self._queue)
        while left > 0:
            looked_at = list(islice(queue, min(left, _QUEUE_LOOKED_AT)))
            left -= len(looked_at)
            urgent = [at for at in looked_at if self._wishes[at].priority > 1]
            for index in urgent + looked_at if urgent else looked_at:
                if len(peer.asks) >= limit:
                    return
                if index not in queue:
                    continue
                if not peer.has.has(index):
                    self._want(peer, index)
                elif index < length and self._ask_block(peer, index, now):
                    del queue[index]
                    continue
                if left > 0:
                    # Let others come to the front.
                    del queue[index]
                    queue[index] = None

    def _ask_ranges(self, peer: Peer, room: int, now: float) -> None:
        rivals = [
            other.has
            for other in self._context.peers
            if other is not peer and other.active
        ]
        end = self._valid_end(peer)
        chosen = self.picker.pick(peer, peer.has, room, end=end, rivals=rivals)
        put_back = [at for at in chosen if not self._ask_block(peer, at, now)]
        for index in put_back:
            self.picker.returned(index)
        if len(chosen) < room or put_back:
            peer.exhausted_at = self._changes
            missing = self.picker.unavailable(peer.has, self._core.length)
            if missing is not None:
                self._want(peer, missing)

    def _race(self, peer: Peer, now: float) -> None:
        """Ask for what others owe for long, when there is nothing better to do."""
        room = self.limit(peer) // 2 - len(peer.asks)
        if room <= 0 or self._queue:
            return
        patience_s = _RACE_AFTER_S + 2 * (peer.pace.rtt_s or _UNKNOWN_RTT_S)
        end = self._valid_end(peer)
        for index, asks in list(islice(self._in_flight.items(), _RACE_LOOKED_AT)):
            if room <= 0:
                return
            if len(asks) >= MAX_COPIES or index >= end or not peer.has.has(index):
                continue
            if any(ask.peer is peer for ask in asks):
                continue
            due = asks[-1].sent_at + patience_s
            if now < due:
                self.race_at = due if self.race_at is None else min(due, self.race_at)
            elif self._ask_block(peer, index, now):
                peer.counters.raced += 1
                room -= 1

    def _ask_block(self, peer: Peer, index: int, now: float) -> bool:
        """Ask for a block within our length; False if the peer cannot prove it."""
        levels, optimistic = self._missing_levels(peer, index)
        if levels < 0:
            return False
        block = _new(BlockRequest, (index, levels))
        request = _new(Request, (self._core.fork, block, None, None, None, False))
        ask = Ask(peer, AskKind.BLOCK, request, now, index=index)
        ask.levels, ask.optimistic = levels, optimistic
        if levels and peer.in_order:
            ask.path = path_nodes(index, levels)
            peer.expected.update(ask.path)
        asks = self._in_flight.get(index)
        if asks is None:
            self._in_flight[index] = [ask]
        else:
            asks.append(ask)
        wish = self._wishes.get(index) if self._wishes else None
        if wish is not None and wish.priority:
            self._send(ask, wish.priority, now)
        else:
            self._book(ask, now)
            message = encode_block_request(ask.id, request)
            peer.link.send(MessageKind.REQUEST, message)
        return True

    def _missing_levels(self, peer: Peer, index: int) -> tuple[int, bool]:
        """Levels to ask for (-1: impossible); whether earlier asks are counted on."""
        has_node, length = self._core.has_node, self._core.length
        expected = peer.expected
        levels, offset = 0, index
        node = 2 * index
        optimistic = True
        # Looked for among what is expected first, because that costs least.
        while node not in expected:
            if has_node(node):
                optimistic = False
                break
            levels += 1
            offset >>= 1
            node = ((1 + 2 * offset) << levels) - 1
            if levels > _highest_level(length):
                return -1, False
        shorter = peer.remote_length < length
        if shorter and node + (1 << levels) > 2 * peer.remote_length:
            # Its tree has no such node, so that it can prove nothing up to there.
            return -1, False
        return levels, optimistic

    def _valid_end(self, peer: Peer) -> int:
        return min(self._core.length, peer.remote_length)

    def _want(self, peer: Peer, index: int) -> None:
        """Ask to hear what a peer has around a block."""
        if index < peer.has.contiguous or index >= bits_end(self._core.length):
            # In the latter case it is asked for when our tree has come nearer.
            return
        start, dropped = peer.local_wants.add(index)
        if dropped is not None:
            unwant = encode_want(Want(dropped, WANT_BLOCKS))
            peer.link.send(MessageKind.UNWANT, unwant)
        if start is not None:
            peer.link.send(MessageKind.WANT, encode_want(Want(start, WANT_BLOCKS)))

    def _request(
        self,
        *,
        block: BlockRequest | None = None,
        hash_: BlockRequest | None = None,
        seek: SeekRequest | None = None,
        upgrade: UpgradeRequest | None = None,
        manifest: bool = False,
    ) -> Request:
        return Request(self._core.fork, block, hash_, seek, upgrade, manifest)

    def _send(self, ask: Ask, priority: int, now: float) -> None:
        self._book(ask, now)
        message = encode_request(WireRequest(ask.id, ask.request, priority))
        ask.peer.link.send(MessageKind.REQUEST, message)

    def _book(self, ask: Ask, now: float) -> None:
        peer = ask.peer
        if not peer.asks:
            peer.pace.sent_first(now)
        peer.number(ask)

    # -- answers -----------------------------------------------------------------

    def receive_proof(self, peer: Peer, ask: Ask, proof: Proof, now: float) -> None:
        """A proof of our fork came for an ask, which is over."""
        if not _matches(ask.request, proof):
            self._context.counters["mismatch"] += 1
            self.release(ask, again=True)
            self.refused(peer, now)
        elif peer.unverified:
            # In order, because later ones may count on earlier ones.
            peer.unverified.append((ask, proof))
        else:
            self._verify(peer, ask, proof, now)
        self._context.touch(peer)

    def receive_pushed(self, peer: Peer, proof: Proof, now: float) -> None:
        """A proof came that nobody asked for, and may."""
        if proof.upgrade is not None and self._core.ended:
            return
        # For what finds no room is asked later.
        if self._core.has_room and len(peer.unverified) <= MAX_REFUSALS:
            if peer.unverified:
                peer.unverified.append((None, proof))
            else:
                self._verify(peer, None, proof, now)

    def verify_loaded(self, peer: Peer, now: float, *, failed: bool) -> None:
        """What the peer's next proof needed is in memory, or cannot be had."""
        peer.loads += 1
        if peer.unverified and (failed or peer.loads > MAX_LOADS):
            ask, _ = peer.unverified.popleft()
            self._context.counters["unloadable"] += 1
            if ask is not None:
                self.release(ask, again=True)
            self.refused(peer, now)
            peer.loads = 0
        waiting = len(peer.unverified)
        while waiting and peer.unverified and not peer.closed:
            ask, proof = peer.unverified.popleft()
            self._verify(peer, ask, proof, now)
            if len(peer.unverified) >= waiting:
                return
            peer.loads = 0
            waiting = len(peer.unverified)
        self._context.touch(peer)

    def receive_refusal(self, peer: Peer, ask: Ask, now: float) -> None:
        """A peer does not give what was asked for."""
        if not ask.request.fork == self._core.fork == peer.remote_fork:
            # One of the logs was rewritten meanwhile.
            self.release(ask, again=True)
            self._context.touch(peer)
            return
        peer.counters.refused += 1
        if ask.kind is AskKind.BLOCK:
            peer.has.deny(ask.index)
            if peer.forgive_at is None:
                # Further refusals do not put it off.
                peer.forgive_at = now + FORGIVE_S
        self.release(ask, again=True)
        self.refused(peer, now)
        self._context.touch(peer)

    def _verify(self, peer: Peer, ask: Ask | None, proof: Proof, now: float) -> None:
        core, block = self._core, proof.block
        if proof.fork != core.fork:
            if ask is not None:
                self.release(ask, again=True)
            return
        if (
            block is not None
            and proof.upgrade is None
            and block.index not in self._in_flight
            and core.has_block(block.index)
        ):
            # Another peer was faster.
            if ask is not None:
                self.release(ask, again=False)
            return
        try:
            core.accept(proof)
        except NotInMemoryError:
            peer.unverified.appendleft((ask, proof))
            self.to_load[peer] = None
            return
        except RemoteProtocolError as error:
            self._on_wrong(peer, ask, proof, error, now)
            return
        if block is not None:
            self._arrived(peer, block.index, len(block.value), ask)
        if ask is not None:
            self.release(ask, again=False)
            if ask.kind is AskKind.HASH:
                self._answer_seeks()
        if peer.refusals:
            peer.refusals -= 1

    def _on_wrong(
        self,
        peer: Peer,
        ask: Ask | None,
        proof: Proof,
        error: RemoteProtocolError,
        now: float,
    ) -> None:
        core, upgrade = self._core, proof.upgrade
        if ask is not None:
            self.release(ask, again=True)
            measured = ask.kind in (AskKind.BLOCK, AskKind.HASH) and upgrade is None
            if measured and not core.has_node(_top(ask)):
                # What it leads to came not yet, or was cleared here meanwhile.
                self._on_nothing_known(peer, ask, now)
                return
        if upgrade is not None:
            outdated = not core.settled or upgrade.start != core.length
        else:
            outdated = not core.settled and error.code == "invalid-operation"
        if outdated:
            # Made for a tree that is no longer ours; nobody's fault.
            self._context.counters["outdated"] += 1
            if ask is not None:
                self.refused(peer, now)
            return
        peer.counters.invalid_data += 1
        self._on_bad(peer, error.code, now)

    def _on_nothing_known(self, peer: Peer, ask: Ask, now: float) -> None:
        """An answer could not be measured by anything that is here."""
        if not ask.optimistic:
            self.refused(peer, now)
            return
        peer.counters.out_of_order += 1
        if peer.counters.out_of_order >= MAX_OUT_OF_ORDER:
            peer.in_order = False
            peer.expected.clear()

    def _arrived(self, peer: Peer, index: int, size: int, ask: Ask | None) -> None:
        peer.counters.downloaded_blocks += 1
        peer.counters.downloaded_bytes += size
        peer.downloaded.append((index, size))
        asks = self._in_flight.get(index)
        if asks is not None and (len(asks) > 1 or asks[0] is not ask):
            for other in list(asks):
                if other is not ask:
                    self._withdraw(other)
        self._queue.pop(index, None)
        if ask is None:
            self.picker.taken(index)


def _highest_level(length: int) -> int:
    """Levels of the highest root of a tree."""
    return max(length - 1, 0).bit_length()


def _top(ask: Ask) -> int:
    """The node that the proof of a block or a hash leads to."""
    block, levels = ask.index, ask.levels
    if ask.request.hash is not None:
        block, levels = ask.index >> 1, ask.request.hash.nodes
    return ((1 + 2 * (block >> levels)) << levels) - 1


def _matches(request: Request, proof: Proof) -> bool:
    """True when a proof answers what was asked and nothing else."""
    asked, block = request.block, proof.block
    if request[2:] == _BLOCK_ALONE and proof[2:] == _BLOCK_PROOF_ALONE:
        # Nearly every answer there is.
        return asked is not None and block is not None and asked[0] == block[0]
    if (asked is None) is not (block is None):
        return False
    if asked is not None and block is not None and asked.index != block.index:
        return False
    if (request.upgrade is None) is not (proof.upgrade is None):
        return False
    hash_, seek = proof.hash, proof.seek
    if (request.hash is None) is not (hash_ is None):
        return False
    wanted = request.hash
    if wanted is not None and hash_ is not None and wanted.index != hash_.index:
        return False
    return seek is None or (
        request.seek is not None and request.seek.bytes == seek.bytes
    )
