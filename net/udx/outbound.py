"""The send queue of a stream: bytes written by the application, not yet in packets.

It cuts the queue into payloads of packet size. Small writes share packets, and a packet
may span writes; only the last payload of a queue is shorter than asked. It leaves to
others: limits on how much may be queued (the stream tells the writer), and sending.
"""

from __future__ import annotations

from collections import deque

from net.udx.packet import payload_layout


class SendQueue:
    """A first-in first-out queue of bytes.

    Attributes:
        size_bytes: bytes waiting.
    """

    __slots__ = ("_chunks", "_offset", "size_bytes")

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._offset = 0
        self.size_bytes = 0

    def append(self, data: bytes) -> None:
        """Queue bytes, which are kept and not copied; empty ones are ignored."""
        if data:
            self._chunks.append(data)
            self.size_bytes += len(data)

    def clear(self) -> None:
        """Forget everything that waits."""
        self._chunks.clear()
        self._offset = 0
        self.size_bytes = 0

    def take_small(self, payload_bytes: int) -> bytes:
        """The whole queue if it is one write that fits one payload, else nothing."""
        chunks = self._chunks
        if len(chunks) != 1 or self._offset or self.size_bytes > payload_bytes:
            return b""
        self.size_bytes = 0
        return chunks.popleft()

    def take(self, count: int, payload_bytes: int) -> list[bytes]:
        """Cut off up to ``count`` payloads.

        All are ``payload_bytes`` long, except that the last one is shorter when the
        queue ends with it. An empty list means an empty queue.
        """
        chunks = self._chunks
        if 0 < self.size_bytes <= payload_bytes and len(chunks) == 1 and count:
            last = chunks.popleft()
            payloads = [last[self._offset :] if self._offset else last]
            self._offset = self.size_bytes = 0
            return payloads
        payloads = []
        while count > 0 and chunks:
            chunk = chunks[0]
            whole = (len(chunk) - self._offset) // payload_bytes
            if whole:
                whole = min(whole, count)
                payloads += payload_layout(whole, payload_bytes).unpack_from(
                    chunk, self._offset
                )
                count -= whole
                self._offset += whole * payload_bytes
                if self._offset == len(chunk):
                    chunks.popleft()
                    self._offset = 0
            else:
                payloads.append(self._take_across(payload_bytes))
                count -= 1
        self.size_bytes -= sum(map(len, payloads))
        return payloads

    def _take_across(self, payload_bytes: int) -> bytes:
        """One payload that the first chunk alone cannot fill."""
        chunks = self._chunks
        first = chunks.popleft()
        parts = [first[self._offset :] if self._offset else first]
        missing = payload_bytes - len(parts[0])
        self._offset = 0
        while chunks:
            chunk = chunks[0]
            size = len(chunk)
            if size > missing:
                if missing:
                    parts.append(chunk[:missing])
                    self._offset = missing
                break
            parts.append(chunk)
            missing -= size
            chunks.popleft()
        return parts[0] if len(parts) == 1 else b"".join(parts)
