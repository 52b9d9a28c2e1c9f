"""One channel of a Protomux: typed messages of one protocol between two peers.

A channel is made by :meth:`net.mux.mux.Mux.create_channel`, which also moves it; this
module holds what its user touches. Follows npm protomux 3.12.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from net.encoding import Writer
from net.errors import LocalProtocolError
from net.mux.messages import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from net.mux.mux import Mux

MessageHandler: TypeAlias = Callable[[bytes], object]
"""Takes the bytes of one message; may raise ``RemoteProtocolError``."""


class ChannelState(Enum):
    """How far a channel is."""

    OPENING = "opening"
    """This side has opened it, the other one has not yet."""

    OPEN = "open"
    """Both sides have opened it."""

    CLOSED = "closed"
    """Closed, refused, or the connection ended."""


@dataclass(slots=True)
class ChannelTraffic:
    """What one or several channels carried, both ways, opening and closing aside."""

    messages_sent: int = 0
    bytes_sent: int = 0
    messages_received: int = 0
    bytes_received: int = 0


@dataclass(frozen=True, slots=True)
class ChannelHandlers:
    """What a channel calls; each may raise ``RemoteProtocolError``."""

    messages: Sequence[MessageHandler | None] = field(default_factory=tuple)
    """One for each message type, in the order of their numbers; None ignores."""

    on_open: Callable[[bytes], object] | None = None
    """Called once with the other side's handshake, never inside ``create_channel``."""

    on_close: Callable[[], object] | None = None
    """Called once, whoever closed; ``closed_by_remote`` tells."""

    on_drain: Callable[[], object] | None = None
    """Called when the connection has room again."""


class Channel:
    """This side's end of a channel.

    Moved by the mux. Messages may be sent at once; the other side keeps them until it
    has opened its end.

    Attributes:
        protocol: What is spoken.
        channel_id: Which of several channels of that protocol; may be empty.
        state: How far the channel is.
        remote_handshake: What the other side said when opening.
        closed_by_remote: True when the other side or the connection's end closed it.
        traffic: Where its messages are counted, if anywhere.
    """

    __slots__ = (
        "_mux",
        "_prefixes",
        "channel_id",
        "closed_by_remote",
        "handlers",
        "local_id",
        "protocol",
        "remote_handshake",
        "remote_id",
        "state",
        "traffic",
    )

    def __init__(
        self,
        mux: Mux,
        *,
        protocol: str,
        channel_id: bytes,
        local_id: int,
        handlers: ChannelHandlers,
    ) -> None:
        self.protocol = protocol
        self.channel_id = channel_id
        self.state = ChannelState.OPENING
        self.remote_handshake = b""
        self.closed_by_remote = False
        self.handlers = handlers
        self.local_id = local_id
        self.remote_id = 0
        self.traffic: ChannelTraffic | None = None
        self._mux = mux
        self._prefixes = [
            (Writer().uint(kind).finish(), Writer().uint(local_id).uint(kind).finish())
            for kind in range(len(handlers.messages))
        ]

    @property
    def opened(self) -> bool:
        """True while both sides have it open."""
        return self.state is ChannelState.OPEN

    @property
    def closed(self) -> bool:
        """True once it is closed."""
        return self.state is ChannelState.CLOSED

    def send(self, kind: int, message: bytes) -> bool:
        """Send one message.

        Args:
            kind: Its number among the channel's message types.
            message: Its bytes, at most ``MAX_MESSAGE_BYTES``.

        Returns:
            False when the channel is closed, so that the message goes nowhere.

        Raises:
            LocalProtocolError: No such message type, or too many bytes.
        """
        if self.state is ChannelState.CLOSED:
            return False
        if not 0 <= kind < len(self._prefixes):
            raise LocalProtocolError(f"{self.protocol} has no message type {kind}")
        if len(message) > MAX_MESSAGE_BYTES:
            raise LocalProtocolError(
                f"a message of {len(message)} bytes", code="too-large"
            )
        if self.traffic is not None:
            self.traffic.messages_sent += 1
            self.traffic.bytes_sent += len(message)
        item_prefix, frame_prefix = self._prefixes[kind]
        if self._mux.corked:
            self._mux.put_item(self.local_id, item_prefix, message)
        else:
            self._mux.put_frame(frame_prefix + message)
        return True

    def cork(self) -> None:
        """Collect what the whole connection sends from now on; nests."""
        self._mux.cork()

    def uncork(self) -> None:
        """Send what was collected, at the outermost ``uncork``."""
        self._mux.uncork()

    def close(self) -> None:
        """Close both ends; without effect when it is closed already."""
        if self.state is not ChannelState.CLOSED:
            self._mux.close_channel(self)
