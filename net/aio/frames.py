"""The mux of a connection, and what may be awaited or not.

Everything that channels send during one turn of the event loop leaves as one frame, so
that a thousand small messages cost one encryption. A frame that grows large leaves
earlier, to keep the other side busy.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from net.mux import Mux

BATCH_BYTES = 48 * 1024
"""A batch above this is closed, and the next one begun."""


class ConnectionMux(Mux):
    """A mux that is corked for one turn of the loop at a time.

    Made and moved by the connection; use it as a :class:`net.mux.Mux`.
    """

    def __init__(self, on_outgoing: Callable[[], None]) -> None:
        super().__init__()
        self._on_outgoing = on_outgoing
        self.cork()

    def put_frame(self, frame: bytes) -> None:
        """Queue one frame and have it sent this turn."""
        super().put_frame(frame)
        self._on_outgoing()

    def put_item(self, sender_id: int, prefix: bytes, message: bytes) -> None:
        """Add to the batch of this turn and have it sent."""
        if not self._batch.size:
            self._on_outgoing()
        super().put_item(sender_id, prefix, message)
        if self._batch.size >= BATCH_BYTES:
            self._flush_batch()

    def take_frames(self) -> list[bytes]:
        """What this turn has collected, each frame one message of the stream."""
        frames = self.frames_to_send()
        self._flush_batch()
        return frames + self.frames_to_send()


class Done:
    """Something that has happened already and may be awaited all the same."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


DONE = Done()
