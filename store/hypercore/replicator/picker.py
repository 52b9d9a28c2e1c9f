"""Which blocks of the wanted ranges a peer is asked for next.

Ranges are worked off in chunks of 256 blocks, each one number of 256 bits, so that
choosing costs a few operations a chunk and not a block. A peer stays with its chunk:
neighbours share the hashes above them, which then travel once. Peers take different
chunks where they can, rare ones first; all take a linear download from its start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from store.hypercore.replicator.availability import Availability
    from store.hypercore.replicator.interfaces import Dice, LocalCore

CHUNK_BLOCKS: Final = 256
"""Blocks of a chunk."""

MAX_ACTIVE_CHUNKS: Final = 256
"""Chunks of one download that are looked at, whoever has them."""

MAX_DOWNLOADS_TRIED: Final = 64
"""Downloads looked at for one peer at a time."""

_SHIFT: Final = 8
_FULL: Final = (1 << CHUNK_BLOCKS) - 1
_POOL: Final = 32
_LINEAR_POOL: Final = 2
_SCAN: Final = 16
_RIVALS: Final = 32


class Download:
    """Blocks that somebody wants to have, a range or a list.

    Attributes:
        start: The first block; with a list 0.
        end: The block behind the last; None goes with the core's length, without end.
        linear: From the first block to the last.
        ended: It is complete or was given up.
        on_progress: Called when blocks were committed, once a turn; may be set.
    """

    __slots__ = (
        "active",
        "cursor",
        "end",
        "ended",
        "left",
        "linear",
        "masks",
        "on_progress",
        "order",
        "skipped",
        "start",
        "working",
    )

    def __init__(
        self,
        start: int = 0,
        end: int | None = None,
        *,
        blocks: Iterable[int] | None = None,
        linear: bool = False,
        on_progress: Callable[[], object] | None = None,
    ) -> None:
        self.start = start
        self.end = end
        self.linear = linear
        self.ended = False
        self.on_progress = on_progress
        self.masks: dict[int, int] | None = None
        if blocks is not None:
            masks: dict[int, int] = {}
            self.masks = masks
            for index in blocks:
                number = index >> _SHIFT
                masks[number] = masks.get(number, 0) | 1 << (index & 255)
            self.start, self.end = 0, 0
            if masks:
                last = max(masks)
                self.end = (last << _SHIFT) + masks[last].bit_length()
        # The chunks of a list in its order; a range needs none.
        self.order: list[int] | None = None
        if self.masks is not None:
            self.order = list(self.masks)
        self.active: dict[int, None] = {}
        self.cursor = 0
        self.left = 0
        self.skipped = False
        self.working: dict[object, tuple[int, int]] = {}

    def mask(self, number: int, length: int) -> int:
        """The blocks of a chunk that it wants, of those before ``length``."""
        base = number << _SHIFT
        end = length if self.end is None else min(self.end, length)
        if self.masks is not None:
            mask = self.masks.get(number, 0)
            low = 0
        else:
            mask = _FULL
            low = self.start - base
        if end - base < CHUNK_BLOCKS:
            mask &= (1 << (end - base)) - 1 if end > base else 0
        if low > 0:
            mask = mask >> low << low
        return mask

    def wants(self, index: int) -> bool:
        """True when the block is part of it, whatever the core's length."""
        if self.masks is not None:
            return bool(self.masks.get(index >> _SHIFT, 0) >> (index & 255) & 1)
        return self.start <= index and (self.end is None or index < self.end)

    def is_complete(self, core: LocalCore) -> bool:
        """True when every block is committed; a live one never is."""
        if self.end is None or self.start < self.end > core.length:
            return False
        if self.masks is None:
            at = core.first_uncommitted(self.start, self.end)
            return at is None
        for number in list(self.masks):
            words = core.committed_words(number << _SHIFT, CHUNK_BLOCKS // 32)
            if self.masks[number] & ~int.from_bytes(words, "little"):
                return False
        return True


class Picker:
    """The downloads of one core and the blocks of theirs that nobody was asked for."""

    def __init__(self, core: LocalCore, dice: Dice, in_flight: Collection[int]) -> None:
        self.downloads: list[Download] = []
        self._core = core
        self._dice = dice
        self._in_flight = in_flight
        self._pending: dict[int, int] = {}
        self._chosen: list[int] = []
        self._turn = 0

    def add(self, download: Download) -> None:
        """Begin a download."""
        self.downloads.append(download)
        self._rescan(download)

    def remove(self, download: Download) -> None:
        """End a download."""
        download.ended = True
        if download in self.downloads:
            self.downloads.remove(download)
            download.active.clear()
            download.working.clear()
            self._forget_unused(list(self._pending))

    def taken(self, index: int) -> None:
        """The block was asked for, or came."""
        number = index >> _SHIFT
        bits = self._pending.get(number)
        if bits is not None:
            self._pending[number] = bits & ~(1 << (index & 255))

    def returned(self, index: int) -> None:
        """The block that was asked for is needed still."""
        number = index >> _SHIFT
        for download in self.downloads:
            if download.wants(index):
                download.active[number] = None
                if number not in self._pending:
                    # Nobody has looked at this chunk yet: its other blocks count, too.
                    self._pending[number] = self._pending_of(number)
        if number in self._pending:
            self._pending[number] |= 1 << (index & 255)

    def rescan(self) -> None:
        """Look at all anew: the core has grown, shrunk or lost blocks."""
        self._pending.clear()
        for download in self.downloads:
            download.active.clear()
            download.working.clear()
            self._rescan(download)

    def grew(self, old_length: int) -> None:
        """The core has become longer."""
        for download in self.downloads:
            if download.end is not None and download.end <= old_length:
                continue
            if download.order is not None:
                self._rescan(download)
                continue
            first = download.start >> _SHIFT
            # The chunk that the old end lay in is looked at again.
            old = max(self._last(download, old_length), first)
            more = self._last(download, self._core.length) - old + 1
            if more <= 0:
                continue
            if download.left <= 0:
                download.cursor = old
                download.left = 0
            download.left += more

    def peer_left(self, peer: object) -> None:
        """The peer takes no further blocks."""
        for download in self.downloads:
            download.working.pop(peer, None)

    def pick(
        self,
        peer: object,
        has: Availability,
        count: int,
        *,
        end: int,
        rivals: Sequence[Availability],
    ) -> list[int]:
        """Choose blocks for a peer and book them as asked for.

        Args:
            peer: Who takes them.
            has: What it has.
            count: How many at most.
            end: It can prove only blocks before this one.
            rivals: What the other peers have.
        """
        chosen = self._chosen = []
        downloads = self.downloads
        self._turn += 1
        for step in range(min(len(downloads), MAX_DOWNLOADS_TRIED)):
            download = downloads[(self._turn + step) % len(downloads)]
            while len(chosen) < count:
                place = download.working.get(peer)
                if place is None:
                    place = self._choose(download, peer, has, end, rivals)
                    if place is None:
                        break
                    download.working[peer] = place
                number, rare = place
                bits = self._candidates(download, number, has, end)
                if not bits:
                    del download.working[peer]
                    continue
                if bits & rare:
                    bits &= rare
                self._take(number, bits, count, chosen)
            if len(chosen) >= count:
                break
        self._chosen = []
        return chosen

    def unavailable(self, has: Availability, length: int) -> int | None:
        """A wanted block that the peer has not told of, to ask it about its batch."""
        for download in self.downloads[:MAX_DOWNLOADS_TRIED]:
            for number in download.active:
                base = number << _SHIFT
                bits = self._pending.get(number, 0) & download.mask(number, length)
                bits &= ~has.bits(base, CHUNK_BLOCKS)
                if bits:
                    return base + (bits & -bits).bit_length() - 1
        return None

    # -- inside --------------------------------------------------------------------

    def _candidates(
        self, download: Download, number: int, has: Availability, end: int
    ) -> int:
        bits = self._pending.get(number, 0)
        if bits:
            bits &= download.mask(number, end)
            if bits:
                bits &= has.bits(number << _SHIFT, CHUNK_BLOCKS)
        return bits

    def _take(self, number: int, bits: int, count: int, chosen: list[int]) -> None:
        base = (number << _SHIFT) - 1
        taken = 0
        room = count - len(chosen)
        while bits and room:
            low = bits & -bits
            chosen.append(base + low.bit_length())
            taken |= low
            bits ^= low
            room -= 1
        self._pending[number] &= ~taken

    def _choose(
        self,
        download: Download,
        peer: object,
        has: Availability,
        end: int,
        rivals: Sequence[Availability],
    ) -> tuple[int, int] | None:
        """The chunk to work on, and its rare blocks."""
        pool = _LINEAR_POOL if download.linear else _POOL
        while len(download.active) < pool and self._activate_next(download) is not None:
            pass
        found = self._best(download, peer, has, end, rivals)
        for _ in range(_SCAN):
            if found is not None:
                return found, self._rare_bits(found, has, rivals, download)
            number = self._activate_next(download)
            if number is None:
                break
            if self._candidates(download, number, has, end):
                found = number
        return None

    def _best(
        self,
        download: Download,
        peer: object,
        has: Availability,
        end: int,
        rivals: Sequence[Availability],
    ) -> int | None:
        length = self._core.length
        best: tuple[int, int, int] | None = None
        scored = 0
        finished = []
        others = {at for who, (at, _) in download.working.items() if who is not peer}
        sort = download.linear and download.order is None
        for place, number in enumerate(
            sorted(download.active) if sort else download.active
        ):
            if not self._pending.get(number, 0) & download.mask(number, length):
                finished.append(number)
                continue
            bits = self._candidates(download, number, has, end)
            if not bits:
                continue
            if download.linear or not rivals:
                best = (0, 0, number)
                break
            first = (number << _SHIFT) + (bits & -bits).bit_length() - 1
            holders = sum(1 for rival in rivals[:_RIVALS] if rival.has(first))
            score = (holders + 4 * (number in others), place, number)
            if best is None or score < best:
                best = score
            scored += 1
            if scored >= _POOL:
                break
        for number in finished:
            del download.active[number]
        self._forget_unused(finished)
        return None if best is None else best[2]

    def _rare_bits(
        self,
        number: int,
        has: Availability,
        rivals: Sequence[Availability],
        download: Download,
    ) -> int:
        """The blocks of the chunk that the fewest others have."""
        if download.linear or not rivals:
            return 0
        base = number << _SHIFT
        bits = has.bits(base, CHUNK_BLOCKS) & self._pending[number]
        once = twice = 0
        for rival in rivals[:_RIVALS]:
            theirs = rival.bits(base, CHUNK_BLOCKS)
            twice |= once & theirs
            once |= theirs
        return bits & ~once or bits & ~twice

    def _activate_next(self, download: Download) -> int | None:
        """Look at one more chunk in which something is missing, if there is one."""
        if download.left <= 0:
            if not download.skipped:
                return None
            # Chunks that nobody had made room for others; come back to them.
            download.skipped = False
            self._rescan(download)
        number = self._advance(download)
        if number is None:
            return None
        if number not in download.active and len(download.active) >= MAX_ACTIVE_CHUNKS:
            oldest = next(iter(download.active))
            del download.active[oldest]
            download.skipped = True
            self._forget_unused([oldest])
        download.active[number] = None
        if number not in self._pending:
            self._pending[number] = self._pending_of(number)
        return number

    def _advance(self, download: Download) -> int | None:
        """The next chunk with a missing block, from the cursor on."""
        length = self._core.length
        while download.left > 0:
            if download.order is not None:
                number = download.order[len(download.order) - download.left]
                download.left -= 1
                missing = self._core.missing_bits(number << _SHIFT, CHUNK_BLOCKS)
                if missing & download.mask(number, length):
                    return number
                continue
            first, last = (
                download.start >> _SHIFT,
                self._last(download, self._core.length),
            )
            if last < first:
                download.left = 0
                break
            if download.cursor > last or download.cursor < first:
                download.cursor = first
            end = (last + 1) << _SHIFT
            at = self._core.first_missing(download.cursor << _SHIFT, end)
            if at is None:
                download.left -= last - download.cursor + 1
                download.cursor = first
                continue
            number = at >> _SHIFT
            download.left -= number - download.cursor + 1
            download.cursor = number + 1
            if download.left >= 0:
                return number
        return None

    def _last(self, download: Download, length: int) -> int:
        """Its last chunk in a core of that length, or -1."""
        end = length if download.end is None else min(download.end, length)
        return (end - 1) >> _SHIFT if end > download.start else -1

    def _rescan(self, download: Download) -> None:
        if download.order is not None:
            download.left = len(download.order)
            return
        first, last = download.start >> _SHIFT, self._last(download, self._core.length)
        download.left = max(0, last - first + 1)
        download.cursor = first
        if not download.linear and download.left > 1:
            download.cursor = first + self._dice.randrange(download.left)

    def _pending_of(self, number: int) -> int:
        """What nobody was asked for, blocks behind the core's length included."""
        base = number << _SHIFT
        bits = self._core.missing_bits(base, CHUNK_BLOCKS)
        in_flight: Iterable[int] = self._in_flight
        if len(self._in_flight) > CHUNK_BLOCKS:
            in_flight = filter(self._in_flight.__contains__, range(base, base + 256))
        # What was chosen a moment ago is not in flight yet.
        for index in chain(in_flight, self._chosen):
            if index >> _SHIFT == number:
                bits &= ~(1 << (index & 255))
        return bits

    def _forget_unused(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if not any(number in download.active for download in self.downloads):
                self._pending.pop(number, None)
