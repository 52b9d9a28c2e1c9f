"""What connections need of the stream below them, owned by the connections.

:class:`net.aio.raw_stream.UdxStream` fits it by shape; tests put a fake there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from net.aio.raw_stream import RawStats

Address = tuple[str, int]


class RawStream(Protocol):
    """The ordered byte stream below, with its unordered messages."""

    @property
    def queued_bytes(self) -> int:
        """Bytes written and not yet acknowledged."""

    @property
    def max_message_bytes(self) -> int:
        """Largest unordered message the path carries."""

    @property
    def remote_address(self) -> Address:
        """Where packets go now."""

    def write(self, data: bytes) -> bool:
        """Append bytes; False when the writer should wait for ``raw_drained``."""

    def send_message(self, data: bytes) -> None:
        """Send one unordered message, or lose it."""

    def set_unread(self, count: int) -> None:
        """Say how many bytes lie unread here, so that the other side slows down."""

    def end(self) -> None:
        """Write nothing more."""

    def destroy(self) -> None:
        """End at once; ``raw_closed`` follows."""

    def set_keep_alive(self, interval_s: float | None) -> None:
        """Make sure after so much silence that the other side lives; None: don't."""

    def flush(self) -> None:
        """Hand everything that may be sent to the operating system."""

    def call_before_flush(self, callback: Callable[[], None]) -> None:
        """Call once at the end of this turn of the loop, before all is sent."""

    def stats(self) -> RawStats:
        """Figures of now."""
