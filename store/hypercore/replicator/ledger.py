"""What is wanted of a core's peers, and which requests are under way for it.

Everything that was asked of somebody stands here once, whatever comes of it: answered,
refused, given up with its peer, asked of another because the first is silent, or not
needed any more. What is asked next is decided in ``asking``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from store.hypercore.messages import MessageKind, encode_cancel
from store.hypercore.replicator.peer import Ask, AskKind, Peer
from store.hypercore.replicator.picker import Download, Picker

if TYPE_CHECKING:
    from store.hypercore.records import SeekRequest
    from store.hypercore.replicator.context import Context

MAX_REFUSALS: Final = 32
"""Answers without data, less those with, before a peer is left alone a while."""

FORGIVE_S: Final = 5.0
"""After so long a peer is asked again for a block that it refused."""


class BlockWish:
    """A block that somebody waits for."""

    __slots__ = ("callbacks", "index", "priority")

    def __init__(self, index: int, priority: int) -> None:
        self.index = index
        self.priority = priority
        self.callbacks: list[Callable[[], object]] = []


class SeekWish:
    """A byte whose block is looked for among a range of blocks."""

    __slots__ = ("asks", "end", "on_answer", "seek", "start")

    def __init__(
        self, seek: SeekRequest, start: int, end: int, on_answer: Callable[[], object]
    ) -> None:
        self.seek = seek
        self.start = start
        self.end = end
        self.on_answer = on_answer
        self.asks: list[Ask] = []


class Ledger:
    """The wishes of one core, and its requests under way.

    Attributes:
        picker: The downloads.
        to_load: Peers whose next proof needs something loaded before it is verified.
        race_at: When it is time to ask others for what is owed.
        upgrade_wanted: Somebody waits for a longer tree.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._core = context.core
        self._in_flight: dict[int, list[Ask]] = {}
        self.picker = Picker(context.core, context.dice, self._in_flight)
        self.to_load: dict[Peer, None] = {}
        self._wishes: dict[int, BlockWish] = {}
        self._queue: dict[int, None] = {}
        self._seeks: list[SeekWish] = []
        self._upgrades: list[Ask] = []
        self._manifests: list[Ask] = []
        # Counts what makes a look at a peer that had nothing worthwhile again.
        self._changes = 0
        self.race_at: float | None = None
        self.upgrade_wanted = False

    # -- wishes ------------------------------------------------------------------

    def want_block(
        self, index: int, priority: int, on_stored: Callable[[], object]
    ) -> BlockWish:
        """Wish for a block that is not committed; ``on_stored`` tells when it is."""
        wish = self._wishes.get(index)
        if wish is None:
            wish = self._wishes[index] = BlockWish(index, priority)
            if index not in self._in_flight and not self._core.has_block(index):
                self._queue[index] = None
                self.picker.taken(index)
        wish.priority = max(wish.priority, priority)
        wish.callbacks.append(on_stored)
        self._changes += 1
        self._context.touch_all()
        return wish

    def release_block(self, wish: BlockWish, on_stored: Callable[[], object]) -> None:
        """Withdraw a wish; the request goes with the last one."""
        if on_stored in wish.callbacks:
            wish.callbacks.remove(on_stored)
        if wish.callbacks or self._wishes.get(wish.index) is not wish:
            return
        index = wish.index
        del self._wishes[index]
        self._queue.pop(index, None)
        if any(download.wants(index) for download in self.picker.downloads):
            if index not in self._in_flight and not self._core.has_block(index):
                self._return(index)
            return
        for ask in list(self._in_flight.get(index, ())):
            self._withdraw(ask)

    def want_download(self, download: Download) -> None:
        """Begin a download."""
        self.picker.add(download)
        self._changes += 1
        self._context.touch_all()

    def release_download(self, download: Download) -> None:
        """End a download; what was asked for still comes."""
        self.picker.remove(download)

    def want_seek(self, wish: SeekWish) -> None:
        """Look for a byte."""
        self._seeks.append(wish)
        self._context.touch_all()

    def release_seek(self, wish: SeekWish) -> None:
        """Look no longer."""
        if wish in self._seeks:
            self._seeks.remove(wish)

    @property
    def busy(self) -> bool:
        """Something is wanted that is not here."""
        return bool(self._wishes or self.picker.downloads or self._seeks)

    @property
    def upgrading(self) -> bool:
        """A longer tree was asked of a peer that answers."""
        return any(not ask.peer.pace.stalled for ask in self._upgrades)

    # -- what becomes of requests ------------------------------------------------

    def release(self, ask: Ask, *, again: bool) -> None:
        """Nothing waits for an ask any more.

        Args:
            ask: It is over or given up.
            again: What it was for is needed still.
        """
        peer = ask.peer
        if ask.path and peer.in_order:
            peer.expected.difference_update(ask.path)
        if ask.stray:
            return
        if ask.request.upgrade is not None and ask in self._upgrades:
            self._upgrades.remove(ask)
            if again:
                self._context.touch_all()
        if ask.kind is AskKind.BLOCK:
            self._release_block(ask, again=again)
        elif ask.kind is AskKind.HASH:
            for wish in self._seeks:
                if ask in wish.asks:
                    wish.asks.remove(ask)
                    self._context.touch_all()
        elif ask.kind is AskKind.MANIFEST and ask in self._manifests:
            self._manifests.remove(ask)

    def give_up(self, peer: Peer) -> None:
        """The peer answers nothing any more: what it owes is asked of others."""
        for ask in list(peer.asks.values()):
            peer.withdrawn(ask)
            if ask.kind is not AskKind.REORG:
                self.release(ask, again=True)
        for waiting, _ in peer.unverified:
            if waiting is not None:
                self.release(waiting, again=True)
        peer.unverified.clear()
        peer.expected.clear()
        self.picker.peer_left(peer)
        self.to_load.pop(peer, None)

    def stalled(self, peer: Peer, now: float) -> None:
        """The peer owes answers and is silent."""
        first = not peer.pace.stalled
        peer.pace.stall(now)
        self._context.counters["stalled"] += 1
        for ask in list(peer.asks.values()):
            if ask.kind is AskKind.REORG:
                continue
            if first:
                # A late answer is still welcome.
                self.release(ask, again=True)
                ask.stray = True
            else:
                self.cancel(ask)
                self.release(ask, again=True)
        self.picker.peer_left(peer)
        self._context.touch_all()

    def forgive(self, peer: Peer) -> None:
        """Ask a peer again for what it did not give."""
        peer.forgive_at = None
        if peer.paused:
            self.pardon(peer, refusals=MAX_REFUSALS // 2)
        peer.has.forgive()
        self.news_of(peer)

    # -- changes of the core -----------------------------------------------------

    def committed(self, blocks: Sequence[int]) -> None:
        """Blocks are stored."""
        for index in blocks:
            wish = self._wishes.pop(index, None) if self._wishes else None
            if wish is not None:
                self._queue.pop(index, None)
                for callback in wish.callbacks:
                    callback()
            asks = self._in_flight.get(index) if self._in_flight else None
            if asks is not None:
                # It came another way.
                for ask in list(asks):
                    self._withdraw(ask)
            if self.picker.downloads:
                self.picker.taken(index)

    def grew(self, old_length: int) -> None:
        """The core is longer."""
        self._changes += 1
        self.picker.grew(old_length)
        self._context.touch_all()

    def shrunk(self) -> None:
        """The core was truncated, or lost what was being written."""
        for asks in list(self._in_flight.values()):
            for ask in list(asks):
                self._withdraw(ask)
        for index in self._wishes:
            if not self._core.has_block(index):
                self._queue[index] = None
        self.rescan()

    def rescan(self) -> None:
        """Blocks are missing that were here."""
        # Where a byte lies, or what leads there, may be another: who looks begins anew.
        seeks, self._seeks = self._seeks, []
        for seek in seeks:
            seek.on_answer()
        self._changes += 1
        self.picker.rescan()
        self._context.touch_all()

    def news_of(self, peer: Peer) -> None:
        """The peer has more than was known, or can prove more."""
        peer.exhausted_at = -1
        self._context.touch(peer)

    def finish_downloads(self) -> None:
        """End the downloads that are complete, and tell who watches the others."""
        for download in list(self.picker.downloads):
            if download.is_complete(self._core):
                self.picker.remove(download)
            if download.on_progress is not None:
                download.on_progress()

    # -- inside ------------------------------------------------------------------

    def _release_block(self, ask: Ask, *, again: bool) -> None:
        index = ask.index
        asks = self._in_flight.get(index)
        if asks is None or ask not in asks:
            return
        if len(asks) > 1:
            asks.remove(ask)
            return
        del self._in_flight[index]
        if again and not self._core.has_block(index):
            self._return(index)

    def _return(self, index: int) -> None:
        """A block is needed still and nobody is asked for it."""
        if index in self._wishes:
            self._queue[index] = None
        else:
            self.picker.returned(index)
        self._changes += 1
        self._context.touch_all()

    def _withdraw(self, ask: Ask) -> None:
        """Cancel an ask whose answer is not needed any more."""
        self.cancel(ask)
        self.release(ask, again=False)
        self._context.touch(ask.peer)

    def cancel(self, ask: Ask) -> None:
        """Tell a peer that its answer is not needed any more."""
        peer = ask.peer
        if peer.asks.get(ask.id) is ask:
            peer.withdrawn(ask)
            peer.link.send(MessageKind.CANCEL, encode_cancel(ask.id))

    def refused(self, peer: Peer, now: float) -> None:
        """A peer gave nothing; who does so too often is left alone for a while."""
        peer.refusals += 1
        if peer.refusals >= MAX_REFUSALS:
            peer.paused = True
            peer.forgive_at = now + FORGIVE_S
            self._context.counters["refusing"] += 1
            self.picker.peer_left(peer)

    def pardon(self, peer: Peer, *, refusals: int) -> None:
        """Ask again whom refusals had silenced, unless it stands accused."""
        peer.refusals = min(peer.refusals, refusals)
        if peer.accused_code is None and not self._core.frozen:
            peer.paused = False

    def _answer_seeks(self) -> None:
        answered = [wish for wish in self._seeks if not wish.asks]
        for wish in answered:
            self._seeks.remove(wish)
            wish.on_answer()


def path_nodes(index: int, levels: int) -> list[int]:
    """The nodes that a block's proof of so many levels brings below its top."""
    nodes = []
    offset = index
    for level in range(levels):
        nodes.append(((1 + 2 * offset) << level) - 1)
        nodes.append(((1 + 2 * (offset ^ 1)) << level) - 1)
        offset >>= 1
    return nodes
