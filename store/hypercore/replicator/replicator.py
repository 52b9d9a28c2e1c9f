"""The machine that replicates one core with all its peers.

Moved by ``open_peer``, ``receive``, ``close_peer``, by wishes, by what is told of the
core, and by ``flush`` at the end of every turn; ``get_timer`` says when
``handle_timer`` is due. It writes to peers through their links as it goes. What is only
on the disk is named by ``take_loads``, to be loaded by whoever may wait. Follows npm
hypercore 11.37.1 (``lib/replicator.js``); the rules stand in docs/protocol/hypercore-
replication.md.

Peers of one core share nothing but this: a peer's fault ends its own channel, with a
code that is counted, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from store.hypercore.messages import (
    ExtensionMessage,
    MessageKind,
    decode_bitfield,
    decode_cancel,
    decode_data,
    decode_extension,
    decode_no_data,
    decode_range,
    decode_sync,
    decode_want,
    encode_extension,
)
from store.hypercore.records import BlockRequest, Proof, Request, UpgradeRequest
from store.hypercore.replicator.answering import Answering
from store.hypercore.replicator.asking import Asking
from store.hypercore.replicator.availability import bits_end
from store.hypercore.replicator.context import Context, ReplicatorOptions
from store.hypercore.replicator.forks import Forks
from store.hypercore.replicator.peer import AskKind, Peer
from store.hypercore.replicator.telling import Telling

if TYPE_CHECKING:
    from store.hypercore.replicator.interfaces import Dice, LocalCore

MAX_UPDATE_PEERS: Final = 3
"""So many peers that have told their state settle whether there is an update."""

ExtensionHandler = Callable[[bytes, Peer], object]


class Loads(NamedTuple):
    """What has to be loaded before the machine can go on."""

    answers: list[tuple[Peer, list[Request]]]
    """For ``answers_loaded``; the first request is the one that needs it."""
    proofs: list[tuple[Peer, list[Proof]]]
    """For ``proofs_loaded``."""
    forks: list[tuple[Peer, Proof]]
    """For ``fork_loaded``."""


class Replicator:
    """Replicates one core.

    Attributes:
        context: What its parts share: peers, counters, options.
        asking: Wishes and requests.
        extensions: Handlers of applications' messages, by name.
    """

    def __init__(
        self, core: LocalCore, dice: Dice, *, options: ReplicatorOptions | None = None
    ) -> None:
        self.context = Context(core, dice, options or ReplicatorOptions())
        self.asking = Asking(self.context, on_bad=self._on_bad)
        self.extensions: dict[str, ExtensionHandler] = {}
        self._core = core
        self._telling = Telling(self.context)
        self._answering = Answering(self.context, self._telling)
        self._forks = Forks(self.context, self.asking)
        self._progressed = False

    @property
    def peers(self) -> list[Peer]:
        """The peers whose channel is open."""
        return self.context.peers

    # -- peers ---------------------------------------------------------------------

    def open_peer(self, peer: Peer, *, seeks: bool) -> None:
        """Both sides have opened the channel, and the peer has proven the key."""
        peer.opened = True
        peer.remote_seeks = seeks
        self.context.peers.append(peer)
        self._telling.greet(peer)

    def close_peer(self, peer: Peer) -> None:
        """The channel is closed, whoever closed it."""
        if peer.closed:
            return
        peer.closed = True
        if peer in self.context.peers:
            self.context.peers.remove(peer)
        self.context.dirty.pop(peer, None)
        self._answering.to_load.pop(peer, None)
        self._forks.peer_left(peer)
        self.asking.give_up(peer)
        peer.waiting.clear()
        peer.normal.clear()
        peer.urgent.clear()
        peer.waiting_wants.clear()
        self.context.touch_all()

    def receive(self, peer: Peer, kind: int, message: bytes, now: float) -> None:
        """Take one message.

        Raises:
            RemoteProtocolError: The peer broke the protocol; close its channel.
        """
        if peer.closed:
            return
        if kind == MessageKind.DATA:
            self._receive_data(peer, message, now)
        elif kind == MessageKind.REQUEST:
            self._answering.receive_request(peer, message)
        else:
            _RECEIVERS[kind](self, peer, message, now)

    # -- the turn ------------------------------------------------------------------

    def flush(self, now: float) -> None:
        """End a turn: tell what is new, ask for what is wanted."""
        if self._progressed:
            self._progressed = False
            self.asking.finish_downloads()
        self._telling.flush()
        if self.asking.race_at is not None and self.asking.race_at <= now:
            self.asking.race_at = None
        dirty = self.context.dirty
        while dirty:
            peer = next(iter(dirty))
            del dirty[peer]
            if not peer.closed and peer.synced:
                if peer.remote_fork > self._core.fork:
                    self._forks.fill(peer, now)
                else:
                    self.asking.fill(peer, now)

    def serve(self, peer: Peer, budget_bytes: int, now: float) -> int:
        """Answer some of what a peer asked; see ``Answering.serve``.

        Raises:
            RemoteProtocolError: The peer broke the protocol; close its channel.
        """
        return self._answering.serve(peer, budget_bytes, now)

    def get_timer(self) -> float | None:
        """When ``handle_timer`` is due; None when nothing waits for time to pass."""
        due = self.asking.race_at
        for peer in self.context.peers:
            if peer.asks:
                due = _earlier(due, peer.pace.stalls_at)
            if peer.forgive_at is not None:
                due = _earlier(due, peer.forgive_at)
            if peer.delayed:
                due = _earlier(due, peer.delayed[0][0])
            if peer.accused_code is not None:
                due = _earlier(due, peer.accused_until)
        return due

    def handle_timer(self, now: float) -> None:
        """Do what was due; ``flush`` has to follow."""
        for peer in list(self.context.peers):
            if peer.asks and peer.pace.stalls_at <= now:
                self.asking.stalled(peer, now)
                self._forks.stalled(peer)
            if peer.forgive_at is not None and peer.forgive_at <= now:
                self.asking.forgive(peer)
            self._answering.handle_timer(peer, now)
            self._forks.handle_timer(peer, now)
        if self.asking.race_at is not None and self.asking.race_at <= now:
            self.context.touch_all()

    def take_loads(self) -> Loads:
        """What to load now."""
        answers, self._answering.to_load = self._answering.to_load, {}
        proofs, self.asking.to_load = self.asking.to_load, {}
        forks, self._forks.to_load = self._forks.to_load, {}
        judged = [(peer, self._forks.proof_to_load(peer)) for peer in forks]
        return Loads(
            [(peer, self._answering.next_requests(peer)) for peer in answers],
            [(peer, [proof for _, proof in peer.unverified]) for peer in proofs],
            [(peer, proof) for peer, proof in judged if proof is not None],
        )

    def answers_loaded(self, peer: Peer, *, failed: bool = False) -> None:
        """What a peer's answers needed is in memory.

        Args:
            peer: Whose.
            failed: What the first one needed could not be had.
        """
        self._answering.loaded(peer, failed=failed)

    def proofs_loaded(self, peer: Peer, now: float, *, failed: bool = False) -> None:
        """What a peer's proofs needed is in memory; see ``answers_loaded``."""
        self.asking.verify_loaded(peer, now, failed=failed)

    def fork_loaded(self, peer: Peer, *, failed: bool = False) -> None:
        """What a peer's other history needed is in memory; see ``answers_loaded``."""
        self._forks.judge(peer, failed=failed)

    def spread_conflict(self) -> None:
        """The core was found to have two histories: show the peers, and close."""
        self._forks.spread()

    # -- the core ------------------------------------------------------------------

    def committed(
        self,
        blocks: Sequence[int],
        *,
        old_length: int,
        truncated_to: int | None = None,
        head_changed: bool = False,
    ) -> None:
        """A change of the core was committed.

        Args:
            blocks: The blocks it brought.
            old_length: The length before.
            truncated_to: How much of the old tree is left, if it was truncated.
            head_changed: Length, fork or manifest are others now.
        """
        if self.asking.held_back:
            self.asking.held_back = False
            self.context.touch_all()
        self._telling.note_nodes()
        if truncated_to is not None:
            if truncated_to < old_length:
                self._telling.dropped(truncated_to, old_length)
            for peer in self.context.peers:
                peer.pushed_length = min(peer.pushed_length, truncated_to)
            self.asking.shrunk()
            old_length = truncated_to
        if len(blocks):
            self.asking.committed(blocks)
            self._telling.note_added(blocks)
            self._progressed = True
        if head_changed:
            # A download may lack nothing but the length that it was to reach.
            self._progressed = True
            self._forks.committed()
            self._telling.note_length()
            self.asking.grew(old_length)

    def cleared(self, start: int, end: int) -> None:
        """Blocks of the core were dropped."""
        self._telling.dropped(start, end)
        self.asking.rescan()

    def write_failed(self) -> None:
        """What was being written is lost: nothing is asked for until it may be."""
        self.context.writable = False
        self.asking.shrunk()

    def write_allowed(self) -> None:
        """Ask again."""
        self.context.writable = True
        self.context.touch_all()

    def set_downloading(self, *, downloading: bool) -> None:
        """Whether a session wants data; when nobody does, channels close."""
        if self.context.downloading == downloading:
            return
        self.context.downloading = downloading
        for peer in list(self.context.peers):
            self._telling.sync(peer)
            self._close_if_idle(peer)

    def set_allow_push(self, *, allow: bool) -> None:
        """Whether peers may send what nobody asked for."""
        options = self.context.options
        self.context.options = ReplicatorOptions(
            eager_upgrade=options.eager_upgrade,
            allow_fork=options.allow_fork,
            allow_push=allow,
            max_window=options.max_window,
        )
        for peer in self.context.peers:
            self._telling.sync(peer)

    # -- what the application does -------------------------------------------------

    def push(self, index: int) -> None:
        """Send a block to the peers that take what they did not ask for."""
        core = self._core
        for peer in self.context.peers:
            if (
                not peer.remote_allow_push
                or not peer.remote_downloading
                or not peer.allow_upload
                or peer.remote_fork != core.fork
                or index >= core.length
                or peer.has.has(index)
            ):
                continue
            known = max(peer.remote_length, peer.pushed_length)
            upgrade = None
            levels = 0
            if index >= known:
                upgrade = UpgradeRequest(known, core.length - known)
                peer.pushed_length = core.length
            else:
                levels = _levels_within(index, known)
            request = Request(
                core.fork,
                BlockRequest(index, levels),
                upgrade=upgrade,
                manifest=peer.remote_length == 0,
            )
            self._answering.push(peer, request)

    def send_extension(self, peer: Peer, name: str, payload: bytes) -> None:
        """Send an application's message to one peer."""
        told = "" if name == peer.last_extension_sent else name
        peer.last_extension_sent = name
        message = encode_extension(ExtensionMessage(told, payload))
        peer.link.send(MessageKind.EXTENSION, message)

    def may_upgrade(self, *, opening: int, patient: bool = True) -> bool:
        """False when no peer can make the core longer now.

        Args:
            opening: Channels that the other side has not opened yet.
            patient: Wait also for what peers have yet to say; otherwise only for what
                they were asked for and are not overdue with.
        """
        core = self._core
        peers = self.context.peers
        if self.asking.upgrading or self._forks.asking or not core.settled:
            return True
        if not patient:
            return False
        if opening and len(peers) < MAX_UPDATE_PEERS:
            return True
        for peer in peers:
            if not peer.synced:
                if len(peers) <= MAX_UPDATE_PEERS:
                    return True
                continue
            if not peer.active or peer.pace.stalled:
                continue
            if peer.remote_fork > core.fork:
                if self.context.options.allow_fork and peer.remote_length:
                    return True
            elif (
                peer.remote_fork == core.fork
                and peer.remote_length > core.length
                # Before it has heard of our length it could not yet say.
                and (peer.remote_can_upgrade or peer.remote_acked != core.length)
            ):
                return True
        return False

    # -- messages ------------------------------------------------------------------

    def _receive_data(self, peer: Peer, message: bytes, now: float) -> None:
        number, proof = decode_data(message)
        if number == 0:
            self._receive_unasked(peer, proof, now)
            return
        ask = peer.asks.get(number)
        if ask is None:
            self.context.counters["late"] += 1
            return
        # Looked at once a round trip only, because it costs more than the rest.
        over = peer.pace.is_round_over(now)
        full = over and len(peer.asks) >= self.asking.limit(peer)
        peer.answered(ask)
        peer.pace.answered(ask.sent_at, now, full=full)
        if ask.kind is AskKind.REORG:
            self._forks.receive_proof(peer, proof, now)
        else:
            self.asking.receive_proof(peer, ask, proof, now)

    def _receive_unasked(self, peer: Peer, proof: Proof, now: float) -> None:
        upgrade = proof.upgrade
        same_fork = proof.fork == self._core.fork
        whole = upgrade is not None and upgrade.start == 0
        if whole and same_fork and (proof.block is None or peer.accused_code):
            self._forks.receive_evidence(peer, proof)
        elif self.context.options.allow_push and same_fork and peer.active:
            self.asking.receive_pushed(peer, proof, now)
        else:
            self.context.counters["unasked"] += 1

    def _receive_sync(self, peer: Peer, message: bytes, _now: float) -> None:
        sync = decode_sync(message)
        core = self._core
        if sync.fork != peer.remote_fork or sync.length < peer.remote_length:
            if sync.fork > peer.remote_fork:
                # What it refused may have been of the history that it has no longer.
                self.asking.pardon(peer, refusals=0)
            peer.has.truncate(sync.length)
            peer.pushed_length = 0
            # What it was told may have been for its state before.
            peer.sent_sync = None
        peer.synced = True
        peer.remote_fork = sync.fork
        peer.remote_length = sync.length
        peer.remote_can_upgrade = sync.can_upgrade
        peer.remote_uploading = sync.uploading
        peer.remote_downloading = sync.downloading
        peer.remote_has_manifest = sync.has_manifest
        peer.remote_allow_push = sync.allow_push
        peer.remote_acked = sync.remote_length if sync.fork == core.fork else 0
        if self._close_if_idle(peer):
            return
        self._telling.sync(peer)
        self.asking.news_of(peer)

    def _receive_cancel(self, peer: Peer, message: bytes, _now: float) -> None:
        self._answering.cancel(peer, decode_cancel(message))

    def _receive_no_data(self, peer: Peer, message: bytes, now: float) -> None:
        number = decode_no_data(message).id
        ask = peer.asks.get(number)
        if ask is None:
            if peer.accused_code is not None and number == 0:
                peer.accused_until = now
                self._forks.handle_timer(peer, now)
            return
        peer.answered(ask)
        peer.pace.answered(ask.sent_at, now, full=False)
        if ask.kind is AskKind.REORG:
            self._forks.receive_refusal(peer, now)
        else:
            self.asking.receive_refusal(peer, ask, now)

    def _receive_want(self, peer: Peer, message: bytes, _now: float) -> None:
        self._answering.receive_want(peer, decode_want(message))

    def _receive_unwant(self, peer: Peer, message: bytes, _now: float) -> None:
        want = decode_want(message)
        peer.remote_wants.remove(want.start, want.length, any_block=want.any)
        peer.waiting_wants.pop(want, None)

    def _receive_bitfield(self, peer: Peer, message: bytes, _now: float) -> None:
        start, bits = decode_bitfield(message)
        peer.has.replace(start, bits, bits_end=bits_end(self._core.length))
        self.asking.news_of(peer)

    def _receive_range(self, peer: Peer, message: bytes, _now: float) -> None:
        start, length, drop = decode_range(message)
        end = bits_end(self._core.length)
        if drop:
            peer.has.drop(start, start + length, bits_end=end)
            return
        peer.has.add(start, start + length, bits_end=end)
        self.asking.news_of(peer)

    def _receive_extension(self, peer: Peer, message: bytes, _now: float) -> None:
        name, payload = decode_extension(message)
        name = name or peer.last_extension_received
        peer.last_extension_received = name
        handler = self.extensions.get(name)
        if handler is not None:
            handler(payload, peer)

    # -- inside --------------------------------------------------------------------

    def _on_bad(self, peer: Peer, code: str, now: float) -> None:
        self._forks.accuse(peer, code, now)

    def _close_if_idle(self, peer: Peer) -> bool:
        ours = self.context.downloading and peer.allow_download
        if peer.synced and not peer.remote_downloading and not ours and not peer.asks:
            peer.link.close(None)
            return True
        return False


_RECEIVERS: Final[dict[int, Callable[[Replicator, Peer, bytes, float], None]]] = {
    MessageKind.SYNC: Replicator._receive_sync,
    MessageKind.CANCEL: Replicator._receive_cancel,
    MessageKind.NO_DATA: Replicator._receive_no_data,
    MessageKind.WANT: Replicator._receive_want,
    MessageKind.UNWANT: Replicator._receive_unwant,
    MessageKind.BITFIELD: Replicator._receive_bitfield,
    MessageKind.RANGE: Replicator._receive_range,
    MessageKind.EXTENSION: Replicator._receive_extension,
}


def _earlier(first: float | None, second: float) -> float:
    return second if first is None or second < first else first


def _levels_within(index: int, length: int) -> int:
    """Levels from a block up to the root over it, in a tree of ``length`` blocks."""
    levels, offset = 0, index
    while True:
        parent = ((1 + 2 * (offset >> 1)) << (levels + 1)) - 1
        if parent + (1 << (levels + 1)) > 2 * length:
            return levels
        levels += 1
        offset >>= 1
