"""Protomux: many channels over one framed, ordered and encrypted connection.

A machine without I/O: frames come in through ``receive_frame``, leave through
``frames_to_send``, one frame being one message of the secret stream. Follows npm
protomux 3.12.1; the frames stand in ``net.mux.messages``.

Each side numbers its own channels. A channel is open once both sides have opened one
for the same protocol and id; until then what comes for it waits here, bounded, and
``paused`` asks the owner to read no further. An open that nobody waits for goes to the
handler given to ``pair``, and is rejected if that opens nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from net.encoding import Reader
from net.errors import LocalProtocolError, RemoteProtocolError
from net.mux.channel import (
    Channel,
    ChannelHandlers,
    ChannelState,
    ChannelTraffic,
    MessageHandler,
)
from net.mux.messages import (
    MAX_BATCH_BYTES,
    BatchWriter,
    Control,
    Open,
    read_batch,
    read_open,
    write_close,
    write_open,
    write_reject,
)
from net.mux.pairing import Pairing, Pairings

MAX_CHANNELS: Final = 8192
"""Channels that one side may have open at a time."""

MAX_WAITING_OPENS: Final = 256
"""Opens of the other side that a pair handler has put off."""

MAX_MESSAGE_KINDS: Final = 128
"""Message types of one channel."""

PAUSE_ABOVE_BYTES: Final = 32 * 1024
"""Waiting messages above which the owner is asked to stop reading."""

MAX_WAITING_BYTES: Final = 24 * 1024 * 1024
"""Waiting messages, whatever the owner reads: more than one largest frame."""

_MESSAGE_COST_BYTES: Final = 512
_ALREADY_OPEN: Final = "already-open"
_TOO_MANY: Final = "too-many-channels"
_REFUSALS: Final = frozenset((_ALREADY_OPEN, _TOO_MANY))

PairHandler: TypeAlias = Callable[[bytes], "bool | None"]
"""Takes a channel id; returns True to keep the open waiting and decide later."""


@dataclass(slots=True)
class _Remote:
    """A channel as the other side opened it."""

    pairing: Pairing
    handshake: bytes
    channel: Channel | None = None
    waiting: list[tuple[int, bytes]] = field(default_factory=list)


class Mux:
    """All channels of one connection.

    Moved by ``receive_frame``, by its channels and by ``close``. After
    ``RemoteProtocolError`` the owner destroys the connection and calls ``close``.

    Attributes:
        closed: True after ``close``.
    """

    def __init__(self) -> None:
        self.closed = False
        self._local: list[Channel | None] = []
        self._free: list[int] = []
        self._remote: list[_Remote | None] = []
        self._pairings = Pairings()
        self._pair_handlers: dict[tuple[str, bytes | None], PairHandler] = {}
        self._counted: dict[tuple[str, bytes], ChannelTraffic] = {}
        self._to_open: deque[Channel] = deque()
        self._waiting_opens = 0
        self._waiting_bytes = 0
        self._frames: list[bytes] = []
        self._frames_bytes = 0
        self._cork_count = 0
        self._batch = BatchWriter()

    @property
    def corked(self) -> bool:
        """True while what is sent is collected into a batch."""
        return self._cork_count > 0

    @property
    def paused(self) -> bool:
        """True while the owner should read no further frames."""
        return self._waiting_bytes > PAUSE_ABOVE_BYTES

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for ``frames_to_send``."""
        return self._frames_bytes + self._batch.size

    @property
    def has_channel_room(self) -> bool:
        """False while as many channels are open as may be."""
        return bool(self._free) or len(self._local) < MAX_CHANNELS

    @property
    def channels(self) -> list[Channel]:
        """The channels that this side has opened and not closed."""
        return [channel for channel in self._local if channel is not None]

    def create_channel(
        self,
        protocol: str,
        channel_id: bytes = b"",
        *,
        messages: Sequence[MessageHandler | None] = (),
        handshake: bytes = b"",
        aliases: Sequence[str] = (),
        unique: bool = True,
        on_open: Callable[[bytes], object] | None = None,
        on_close: Callable[[], object] | None = None,
        on_drain: Callable[[], object] | None = None,
    ) -> Channel:
        """Open this side's end of a channel; messages may be sent at once.

        Args:
            protocol: What will be spoken.
            channel_id: Which of several channels of that protocol.
            messages: A handler for each message type, in the order of their numbers.
            handshake: What the other side's ``on_open`` gets.
            aliases: Further names under which the other side may open it.
            unique: Refuse a second channel for the same protocol and id.
            on_open: Called with the other side's handshake, never before this returns.
            on_close: Called once, whoever closed.
            on_drain: Called when the connection has room again.

        Raises:
            LocalProtocolError: The mux is closed, or there is such a channel, or there
                are too many.
        """
        if self.closed:
            raise LocalProtocolError("the connection is closed", code="closed")
        if len(messages) > MAX_MESSAGE_KINDS:
            raise LocalProtocolError(f"{len(messages)} message types are too many")
        if unique and self.is_open(protocol, channel_id):
            raise LocalProtocolError(f"{protocol} is open already", code=_ALREADY_OPEN)
        local_id = self._take_local_id()
        try:
            control = write_open(Open(local_id, protocol, channel_id, handshake))
        except LocalProtocolError:
            self._free.append(local_id)
            raise
        channel = Channel(
            self,
            protocol=protocol,
            channel_id=channel_id,
            local_id=local_id,
            handlers=ChannelHandlers(
                messages=tuple(messages),
                on_open=on_open,
                on_close=on_close,
                on_drain=on_drain,
            ),
        )
        channel.traffic = self._counted.get((protocol, channel_id))
        self._add(channel, self._pairings.find_or_add(protocol, channel_id, aliases))
        self._put_control(control)
        return channel

    def pair(
        self, protocol: str, channel_id: bytes | None, handler: PairHandler
    ) -> None:
        """Call ``handler(channel_id)`` when the other side opens what nobody waits for.

        Args:
            protocol: What will be spoken.
            channel_id: One id, or None for every id without a handler of its own.
            handler: May call ``create_channel``, whose refusal of a second channel or
                of one too many becomes a refusal of the open; replaces an earlier one.
        """
        self._pair_handlers[protocol, channel_id] = handler

    def unpair(self, protocol: str, channel_id: bytes | None) -> None:
        """Forget a handler given to ``pair``."""
        self._pair_handlers.pop((protocol, channel_id), None)

    def count(
        self, protocol: str, channel_id: bytes, traffic: ChannelTraffic | None
    ) -> None:
        """Count what channels carry that are created from now on; None counts none."""
        if traffic is None:
            self._counted.pop((protocol, channel_id), None)
        else:
            self._counted[protocol, channel_id] = traffic

    def reject(self, protocol: str, channel_id: bytes) -> None:
        """Refuse the opens that a pair handler put off."""
        pairing = self._pairings.find(protocol, channel_id)
        if pairing is not None:
            self._reject_incoming(pairing)

    def is_open(self, protocol: str, channel_id: bytes = b"") -> bool:
        """True when this side has a channel for protocol and id."""
        pairing = self._pairings.find(protocol, channel_id)
        return pairing is not None and pairing.open_count > 0

    def cork(self) -> None:
        """Collect what is sent from now on into one frame; nests."""
        self._cork_count += 1

    def uncork(self) -> None:
        """Undo one ``cork``; the last one sends what was collected."""
        if self._cork_count == 0:
            raise LocalProtocolError("uncork without cork")
        self._cork_count -= 1
        if self._cork_count == 0:
            self._flush_batch()

    def receive_frame(self, frame: bytes) -> None:
        """Take one frame of the other side and call the handlers it concerns.

        Raises:
            RemoteProtocolError: The frame is not what the protocol allows, or a handler
                said so.
        """
        if self.closed or not frame:
            return
        reader = Reader(frame)
        sender_id = reader.uint()
        if sender_id == 0:
            kind = reader.uint()
            if kind == Control.BATCH:
                self._receive_batch(frame, len(frame) - reader.remaining)
            else:
                self._receive_control(kind, reader)
        else:
            self._receive_message(sender_id, reader.uint(), reader.raw())

    def frames_to_send(self) -> list[bytes]:
        """Everything to write, each as one message of the stream below."""
        self._finish_openings()
        frames, self._frames = self._frames, []
        self._frames_bytes = 0
        return frames

    def handle_drain(self) -> None:
        """Tell the channels that the connection has room again."""
        for channel in self.channels:
            if channel.handlers.on_drain is not None and not channel.closed:
                channel.handlers.on_drain()

    def close(self) -> None:
        """The connection is over: close every channel and forget what waits."""
        if self.closed:
            return
        self.closed = True
        for channel in self.channels:
            # One that its neighbour's handler closed is closed already.
            if not channel.closed:
                self._shut(channel, by_remote=True)
        self._remote.clear()
        self._pairings.clear()
        self._pair_handlers.clear()
        self._counted.clear()
        self._to_open.clear()
        self._frames.clear()
        self._batch = BatchWriter()
        self._waiting_bytes = self._waiting_opens = self._frames_bytes = 0

    def close_channel(self, channel: Channel) -> None:
        """Close one channel from this side (for ``Channel.close``)."""
        self._put_control(write_close(channel.local_id))
        self._shut(channel, by_remote=False)

    def put_frame(self, frame: bytes) -> None:
        """Queue one frame (for ``Channel.send``)."""
        if self.closed:
            return
        self._frames.append(frame)
        self._frames_bytes += len(frame)

    def put_item(self, sender_id: int, prefix: bytes, message: bytes) -> None:
        """Add one item to the batch (for ``Channel.send``)."""
        size = self._batch.size
        if size and size + len(message) >= MAX_BATCH_BYTES:
            self._flush_batch()
        self._batch.push(sender_id, prefix, message)

    def _put_control(self, control: bytes) -> None:
        if self.corked:
            self.put_item(0, b"", control)
        else:
            self.put_frame(b"\0" + control)

    def _flush_batch(self) -> None:
        if self._batch.size:
            batch, self._batch = self._batch, BatchWriter()
            self.put_frame(batch.finish())

    def _take_local_id(self) -> int:
        if not self.has_channel_room:
            raise LocalProtocolError("too many channels", code=_TOO_MANY)
        if self._free:
            return self._free.pop()
        self._local.append(None)
        return len(self._local)

    def _add(self, channel: Channel, pairing: Pairing) -> None:
        self._local[channel.local_id - 1] = channel
        pairing.open_count += 1
        if pairing.incoming:
            self._waiting_opens -= 1
            self._match(channel, pairing.incoming.popleft())
            self._to_open.append(channel)
        else:
            self._pairings.ask(pairing, channel.local_id)

    def _receive_control(self, kind: int, reader: Reader) -> None:
        if kind == Control.BATCH:
            raise RemoteProtocolError("a batch inside a batch")
        if kind == Control.OPEN:
            self._receive_open(read_open(reader))
        elif kind == Control.REJECT:
            self._receive_reject(reader.uint())
        elif kind == Control.CLOSE:
            self._receive_close(reader.uint())

    def _receive_batch(self, frame: bytes, at: int) -> None:
        corked = False
        try:
            for sender_id, start, end in read_batch(frame, at):
                # Replies to several messages leave as one frame as well.
                if not corked and end < len(frame):
                    self.cork()
                    corked = True
                kind = frame[start]
                if sender_id and kind < MAX_MESSAGE_KINDS:
                    # Nearly all there is; a message is copied out once.
                    self._receive_message(sender_id, kind, frame[start + 1 : end])
                else:
                    inner = Reader(frame[start:end])
                    kind = inner.uint()
                    if sender_id:
                        self._receive_message(sender_id, kind, inner.raw())
                    else:
                        self._receive_control(kind, inner)
                if self.closed:
                    return
        finally:
            if corked:
                self.uncork()

    def _receive_message(self, sender_id: int, kind: int, message: bytes) -> None:
        remote = self._remote[sender_id - 1] if sender_id <= len(self._remote) else None
        if remote is None:
            return
        channel = remote.channel
        if channel is not None and channel.state is ChannelState.OPEN:
            _deliver(channel, kind, message)
            return
        remote.waiting.append((kind, message))
        self._waiting_bytes += len(message) + _MESSAGE_COST_BYTES
        if self._waiting_bytes > MAX_WAITING_BYTES:
            raise RemoteProtocolError(
                "too much was sent before a channel opened", code="too-large"
            )

    def _receive_open(self, message: Open) -> None:
        index = message.sender_id - 1
        if index == len(self._remote):
            if index >= MAX_CHANNELS:
                raise RemoteProtocolError("too many channels", code="too-many-channels")
            self._remote.append(None)
        if index > len(self._remote) or self._remote[index] is not None:
            raise RemoteProtocolError("a channel number that is not free")
        pairing = self._pairings.find_or_add(message.protocol, message.channel_id)
        if pairing.outgoing:
            self._answer_outgoing(pairing, message)
            return
        self._remote[index] = _Remote(pairing, message.handshake)
        pairing.incoming.append(message.sender_id)
        self._waiting_opens += 1
        if self._waiting_opens > MAX_WAITING_OPENS:
            pairing.incoming.pop()
            self._refuse(message.sender_id)
            self._pairings.forget_if_idle(pairing)
            return
        self._ask_pair_handler(pairing, message)

    def _answer_outgoing(self, pairing: Pairing, message: Open) -> None:
        local_id = self._pairings.answered(pairing)
        channel = self._local[local_id - 1]
        if channel is None:
            # Closed here before the other side answered; its number is free only now.
            self._free.append(local_id)
            self._pairings.forget_if_idle(pairing)
            return
        self._remote[message.sender_id - 1] = _Remote(pairing, message.handshake)
        self._match(channel, message.sender_id)
        self._finish_opening(channel)

    def _ask_pair_handler(self, pairing: Pairing, message: Open) -> None:
        handlers, key = self._pair_handlers, (message.protocol, message.channel_id)
        handler = handlers.get(key) or handlers.get((message.protocol, None))
        put_off = False
        try:
            put_off = handler is not None and handler(message.channel_id) is True
        except LocalProtocolError as error:
            # The other side decides how often and what it opens, so that a second
            # channel, or one too many, is not our handler's mistake.
            if error.code not in _REFUSALS:
                raise
        self._finish_openings()
        if not put_off and not self.closed:
            self._reject_incoming(pairing)

    def _receive_reject(self, local_id: int) -> None:
        pairing = self._pairings.refused(local_id)
        if pairing is None:
            raise RemoteProtocolError("a reject of what was not asked")
        channel = self._local[local_id - 1]
        self._free.append(local_id)
        if channel is None:
            self._pairings.forget_if_idle(pairing)
        else:
            self._shut(channel, by_remote=True)

    def _receive_close(self, sender_id: int) -> None:
        if not 0 < sender_id <= len(self._remote):
            return
        remote = self._remote[sender_id - 1]
        if remote is None:
            return
        if remote.channel is not None:
            self._finish_opening(remote.channel)
            if not remote.channel.closed:
                self._shut(remote.channel, by_remote=True)
        else:
            # The other side keeps the number until it is answered.
            remote.pairing.incoming.remove(sender_id)
            self._refuse(sender_id)
            self._pairings.forget_if_idle(remote.pairing)

    def _reject_incoming(self, pairing: Pairing) -> None:
        while pairing.incoming:
            self._refuse(pairing.incoming.popleft())
        self._pairings.forget_if_idle(pairing)

    def _refuse(self, sender_id: int) -> None:
        self._waiting_opens -= 1
        self._drop_remote(sender_id)
        self._put_control(write_reject(sender_id))

    def _match(self, channel: Channel, sender_id: int) -> None:
        remote = self._remote[sender_id - 1]
        assert remote is not None
        assert remote.channel is None
        remote.channel = channel
        channel.remote_id = sender_id

    def _finish_openings(self) -> None:
        while self._to_open:
            self._finish_opening(self._to_open.popleft())

    def _finish_opening(self, channel: Channel) -> None:
        if channel.state is not ChannelState.OPENING:
            return
        remote = self._remote[channel.remote_id - 1]
        assert remote is not None
        channel.state = ChannelState.OPEN
        channel.remote_handshake = remote.handshake
        remote.handshake = b""
        if channel.handlers.on_open is not None:
            channel.handlers.on_open(channel.remote_handshake)
        if channel.closed:
            return
        waiting, remote.waiting = remote.waiting, []
        for kind, message in waiting:
            self._waiting_bytes -= len(message) + _MESSAGE_COST_BYTES
            if not channel.closed:
                _deliver(channel, kind, message)

    def _drop_remote(self, sender_id: int) -> None:
        remote = self._remote[sender_id - 1]
        assert remote is not None
        self._remote[sender_id - 1] = None
        for _, message in remote.waiting:
            self._waiting_bytes -= len(message) + _MESSAGE_COST_BYTES

    def _shut(self, channel: Channel, *, by_remote: bool) -> None:
        assert channel.state is not ChannelState.CLOSED
        channel.state = ChannelState.CLOSED
        channel.closed_by_remote = by_remote
        self._local[channel.local_id - 1] = None
        pairing = self._pairings.find(channel.protocol, channel.channel_id)
        assert pairing is not None
        pairing.open_count -= 1
        if channel.remote_id > 0:
            self._drop_remote(channel.remote_id)
            self._free.append(channel.local_id)
        self._pairings.forget_if_idle(pairing)
        if channel.handlers.on_close is not None:
            channel.handlers.on_close()


def _deliver(channel: Channel, kind: int, message: bytes) -> None:
    if channel.traffic is not None:
        channel.traffic.messages_received += 1
        channel.traffic.bytes_received += len(message)
    handlers = channel.handlers.messages
    handler = handlers[kind] if kind < len(handlers) else None
    if handler is not None:
        handler(message)
