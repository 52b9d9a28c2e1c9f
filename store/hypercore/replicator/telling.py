"""What peers are told: our state, which blocks are here, and answers to their wants.

Everything told is committed: a length that is told and then lost in a crash would be a
fork. Follows npm hypercore 11.37.1 (``lib/replicator.js``), which also sends a state
that says nothing new; this does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from store.hypercore import flat_tree
from store.hypercore.messages import (
    BitfieldUpdate,
    MessageKind,
    RangeUpdate,
    Sync,
    encode_bitfield,
    encode_range,
    encode_sync,
)

if TYPE_CHECKING:
    from store.hypercore.replicator.context import Context
    from store.hypercore.replicator.peer import Peer

LAST_BLOCKS: Final = 256
"""So near to the end a new block is told of, wanted or not."""

SEGMENT_BLOCKS: Final = 1 << 21
"""Blocks of one bitfield message."""

MAX_RUNS: Final = 1024
"""Runs of new blocks told of one by one in a turn; of more, their hull is told."""


class Telling:
    """Tells the peers of one core."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._core = context.core
        self._added: set[int] = set()
        self._appended = False
        self._grew_whole = False

    def greet(self, peer: Peer) -> None:
        """Both sides have opened the channel: say what we have."""
        self.sync(peer)
        contiguous = min(self._core.contiguous_length, self._core.length)
        if contiguous and peer.allow_upload:
            self._send_range(peer, 0, contiguous)
            peer.told_contiguous = contiguous

    def state_for(self, peer: Peer) -> Sync:
        """Our state as this peer should see it."""
        context, core = self._context, self._core
        same_fork = core.fork == peer.remote_fork or not peer.synced
        downloading = peer.allow_download and (context.downloading or bool(peer.asks))
        return Sync(
            core.fork,
            core.length if peer.allow_upload else 0,
            peer.remote_length if same_fork else 0,
            can_upgrade=peer.allow_upload and same_fork and self._can_upgrade(peer),
            uploading=peer.allow_upload,
            downloading=downloading,
            has_manifest=(peer.allow_upload and core.has_manifest and not core.compat),
            allow_push=context.options.allow_push and downloading,
        )

    def sync(self, peer: Peer) -> None:
        """Send our state if it is news to the peer."""
        if not peer.opened or peer.closed:
            return
        state = self.state_for(peer)
        sent = peer.sent_sync
        if sent is not None:
            # Whoever is not behind us needs not know what we can prove, nor that we
            # have heard of it.
            longer = state.length > peer.remote_length and sent.fork == peer.remote_fork
            if not longer:
                sent = sent._replace(remote_length=state.remote_length)
                if sent.can_upgrade:
                    sent = sent._replace(can_upgrade=state.can_upgrade)
            if state == sent:
                return
        peer.sent_sync = state
        peer.link.send(MessageKind.SYNC, encode_sync(state))

    def note_added(self, blocks: Iterable[int]) -> None:
        """Blocks were committed; told of when the turn ends."""
        self._added.update(blocks)

    def note_nodes(self) -> None:
        """More of the tree is here: what could not be proven before may be now."""
        self._grew_whole = True

    def note_length(self) -> None:
        """The length or the fork is another one."""
        self._appended = True

    def dropped(self, start: int, end: int) -> None:
        """Blocks are gone; said at once, so that nothing is said in the wrong order."""
        self.flush()
        message = encode_range(RangeUpdate(start, end - start, drop=True))
        for peer in self._context.peers:
            peer.told_contiguous = min(peer.told_contiguous, start)
            if peer.opened and peer.allow_upload:
                peer.link.send(MessageKind.RANGE, message)

    def flush(self) -> None:
        """Tell everybody what this turn has brought."""
        if self._added:
            added, self._added = self._added, set()
            self._tell_added(added)
        if self._appended:
            self._appended = self._grew_whole = False
            for peer in self._context.peers:
                self.sync(peer)
        elif self._grew_whole:
            self._grew_whole = False
            for peer in self._context.peers:
                sent = peer.sent_sync
                if (
                    sent is not None
                    and not sent.can_upgrade
                    and peer.remote_length < self._core.length
                ):
                    self.sync(peer)

    def answer_want(self, peer: Peer, start: int, length: int, *, any_: bool) -> None:
        """Tell a peer which blocks of a range are here."""
        core = self._core
        contiguous = min(core.contiguous_length, core.length)
        complete = contiguous == core.length
        if complete or start + length < contiguous or (any_ and start < contiguous):
            self._send_range(peer, 0, contiguous)
            return
        end = min(start + length, core.length)
        if any_:
            found = self._first_committed(start, end)
            if found is not None:
                self._send_range(peer, found, 1)
            return
        start &= -32
        while start < end:
            count = min(end - start, SEGMENT_BLOCKS - start % SEGMENT_BLOCKS)
            self._send_bits(peer, start, count)
            start += count

    def _can_upgrade(self, peer: Peer) -> bool:
        core = self._core
        if peer.remote_length == 0:
            return True
        if peer.remote_length >= core.length:
            return False
        if core.contiguous_length >= core.length:
            return True
        return all(
            map(core.has_node, flat_tree.growth(peer.remote_length, core.length))
        )

    def _tell_added(self, added: set[int]) -> None:
        core = self._core
        peers = [
            peer for peer in self._context.peers if peer.opened and peer.allow_upload
        ]
        if not peers:
            return
        if core.contiguous_length >= core.length:
            for peer in peers:
                if peer.told_contiguous < core.length:
                    peer.told_contiguous = core.length
                    self._send_range(peer, 0, core.length)
            return
        runs = _runs(added)
        for peer in peers:
            if len(runs) > MAX_RUNS:
                self._send_hull(peer, runs[0][0], runs[-1][1])
                continue
            for start, end in runs:
                near_end = start + LAST_BLOCKS >= core.length
                wanted = near_end or peer.remote_wants.matches(start, end)
                if wanted and not peer.has.covers(start, end):
                    self._send_range(peer, start, end - start)

    def _send_hull(self, peer: Peer, start: int, end: int) -> None:
        start &= -32
        while start < end:
            count = min(end - start, SEGMENT_BLOCKS)
            if peer.remote_wants.matches(start, start + count):
                self._send_bits(peer, start, count)
            start += count

    def _send_bits(self, peer: Peer, start: int, count: int) -> None:
        bits = self._core.committed_words(start, (count + 31) // 32)
        peer.link.send(
            MessageKind.BITFIELD, encode_bitfield(BitfieldUpdate(start, bits))
        )

    def _send_range(self, peer: Peer, start: int, length: int) -> None:
        peer.link.send(MessageKind.RANGE, encode_range(RangeUpdate(start, length)))

    def _first_committed(self, start: int, end: int) -> int | None:
        at = start & -32
        while at < end:
            count = min(4096, (end - at + 31) // 32)
            bits = int.from_bytes(self._core.committed_words(at, count), "little")
            if at < start:
                bits = bits >> (start - at) << (start - at)
            if bits:
                found = at + (bits & -bits).bit_length() - 1
                return found if found < end else None
            at += 32 * count
        return None


def _runs(indexes: Iterable[int]) -> list[tuple[int, int]]:
    """Indexes as ranges, start and end, in order."""
    runs: list[tuple[int, int]] = []
    start = end = -1
    for index in sorted(indexes):
        if index != end:
            if end >= 0:
                runs.append((start, end))
            start = index
        end = index + 1
    if end >= 0:
        runs.append((start, end))
    return runs
