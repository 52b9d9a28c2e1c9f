"""The receiving half of a stream: puts packets in order and says what to acknowledge.

It counts packets with unwrapped numbers, keeps what came early, and describes the gaps
as SACK ranges. It leaves to the stream: flags other than END, windows, and when an
acknowledgement is sent.

Ranges are kept as a flat sorted list ``[start, end, start, end, ...]`` of half-open
intervals, so that one bisection finds whether and where a packet fits: an even position
lies between ranges, an odd one inside a range.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from net.udx.packet import MAX_SACK_BLOCKS

MAX_REORDER_PACKETS = 8192
"""How far beyond the expected seq a packet may lie and still be kept."""

MAX_REORDER_BYTES = 8 * 1024 * 1024
"""Payload bytes kept for packets that came early: twice the window, because upstream's
sender does not count what is reported beyond a gap."""


class Reassembly:
    """Orders the packets of one stream; moved by :meth:`receive`.

    Attributes:
        expected: the next seq in order, which is the acknowledgement to send.
        ready: payloads in order that nobody took yet.
        ready_bytes: their size.
        early_bytes: payload bytes kept for packets that came early.
        end_seq: the seq of the packet that carried END, once seen.
        dropped_count: packets that lay too far ahead or did not fit the memory allowed.
    """

    __slots__ = (
        "_early",
        "_fresh",
        "_ranges",
        "_rotation",
        "dropped_count",
        "early_bytes",
        "end_seq",
        "expected",
        "ready",
        "ready_bytes",
    )

    def __init__(self) -> None:
        self.expected = 0
        self.ready: list[bytes] = []
        self.ready_bytes = 0
        self.early_bytes = 0
        self.end_seq: int | None = None
        self.dropped_count = 0
        self._early: dict[int, bytes] = {}
        self._ranges: list[int] = []
        self._fresh: list[int] = []
        self._rotation = 0

    @property
    def has_gaps(self) -> bool:
        """True while packets wait for earlier ones."""
        return bool(self._ranges)

    @property
    def ended(self) -> bool:
        """True once END and everything before it arrived."""
        return self.end_seq is not None and self.expected > self.end_seq

    def receive_run(self, first_seq: int, payloads: Sequence[bytes]) -> bool:
        """Take consecutive payloads at once if all of them are new.

        Returns:
            False when some are not, or the end is known; nothing happened then and
            each packet must go through :meth:`receive`.
        """
        ranges = self._ranges
        end_seq = first_seq + len(payloads)
        if self.end_seq is not None or first_seq < self.expected:
            return False
        if first_seq > self.expected:
            return self._keep_run(first_seq, end_seq, payloads)
        if ranges and ranges[0] < end_seq:
            return False
        self.expected = end_seq
        data = b"".join(payloads)
        self.ready.append(data)
        self.ready_bytes += len(data)
        if ranges:
            self._release()
        return True

    def receive_next(self, payload: bytes) -> bool:
        """Take the payload of the packet expected if it is the only one there is.

        Returns:
            False when nothing happened and the packet must go through :meth:`receive`.
        """
        if self.end_seq is not None or self._ranges or self.ready:
            return False
        self.expected += 1
        self.ready.append(payload)
        self.ready_bytes = len(payload)
        return True

    def receive(self, seq: int, payload: bytes, *, end: bool) -> bool:
        """Take one DATA or END packet.

        Returns:
            True when the packet was new and is now delivered or kept.
        """
        expected = self.expected
        if seq < expected or (self.end_seq is not None and seq > self.end_seq):
            return False
        if seq != expected:
            return self._keep(seq, payload, end=end)
        if end:
            self.end_seq = seq
        self.expected = seq + 1
        if payload:
            self.ready.append(payload)
            self.ready_bytes += len(payload)
        if self._ranges:
            self._release()
        return True

    def take_ready(self) -> bytes:
        """All bytes in order so far; they are no longer counted here."""
        ready = self.ready
        data = ready[0] if len(ready) == 1 else b"".join(ready)
        self.ready = []
        self.ready_bytes = 0
        return data

    def compact(self) -> None:
        """Join what waits in order, so that many small payloads cost no overhead."""
        self.ready = [b"".join(self.ready)]

    def sack_blocks(self) -> list[tuple[int, int]]:
        """The ranges to report now, ascending, at most :data:`MAX_SACK_BLOCKS`.

        Ranges that changed since the last call come first; the remaining places go
        round over the others, so that each is told again when a report was lost.
        """
        ranges = self._ranges
        count = len(ranges) // 2
        if count <= MAX_SACK_BLOCKS:
            self._fresh.clear()
            return list(zip(ranges[0::2], ranges[1::2], strict=True))
        chosen: dict[int, None] = {}
        while self._fresh and len(chosen) < MAX_SACK_BLOCKS:
            position = bisect_right(ranges, self._fresh.pop())
            if position & 1:
                chosen[position // 2] = None
        index = self._rotation
        while len(chosen) < MAX_SACK_BLOCKS:
            chosen[index % count] = None
            index += 1
        self._rotation = index % count
        return [(ranges[2 * at], ranges[2 * at + 1]) for at in sorted(chosen)]

    @property
    def unreported(self) -> bool:
        """True when ranges changed that the last call could not report."""
        return bool(self._fresh)

    def _keep(self, seq: int, payload: bytes, *, end: bool) -> bool:
        ranges = self._ranges
        position = bisect_right(ranges, seq)
        if position & 1:
            return False
        if (
            seq - self.expected > MAX_REORDER_PACKETS
            or self.early_bytes + len(payload) > MAX_REORDER_BYTES
            or (end and ranges and ranges[-1] > seq)
        ):
            self.dropped_count += 1
            return False
        if end:
            self.end_seq = seq
        self._early[seq] = payload
        self.early_bytes += len(payload)
        self._fresh.append(seq)
        self._add_range(position, seq, seq + 1)
        return True

    def _keep_run(self, start: int, end: int, payloads: Sequence[bytes]) -> bool:
        ranges = self._ranges
        position = bisect_right(ranges, start)
        size = sum(map(len, payloads))
        if (
            position & 1
            or (position < len(ranges) and ranges[position] < end)
            or end - self.expected > MAX_REORDER_PACKETS
            or self.early_bytes + size > MAX_REORDER_BYTES
        ):
            return False
        self._early.update(zip(range(start, end), payloads, strict=True))
        self.early_bytes += size
        self._fresh.append(start)
        self._add_range(position, start, end)
        return True

    def _add_range(self, position: int, start: int, end: int) -> None:
        """Enter a range that lies in the gap at ``position``, joining neighbours."""
        ranges = self._ranges
        joins_left = position > 0 and ranges[position - 1] == start
        joins_right = position < len(ranges) and ranges[position] == end
        if joins_left and joins_right:
            del ranges[position - 1 : position + 1]
        elif joins_left:
            ranges[position - 1] = end
        elif joins_right:
            ranges[position] = start
        else:
            ranges[position:position] = [start, end]

    def _release(self) -> None:
        ranges = self._ranges
        if ranges[0] != self.expected:
            return
        end = ranges[1]
        for seq in range(self.expected, end):
            payload = self._early.pop(seq)
            self.early_bytes -= len(payload)
            if payload:
                self.ready.append(payload)
                self.ready_bytes += len(payload)
        self.expected = end
        del ranges[:2]
        if self._fresh:
            self._fresh = [seq for seq in self._fresh if seq > end]
        assert not ranges or ranges[0] > end
