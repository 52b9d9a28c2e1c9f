"""The secret stream: encrypted messages over an ordered stream of bytes.

Starts from a complete handshake, or carries a handshake of its own as the first frames.
The raw stream, its half-close and its flow control are left to the owner. Follows npm
@hyperswarm/secret-stream 6.9.2.

    frame           uint24 length of the body, body
    handshake body  a Noise message (only when the stream carries its own handshake)
    header body     32 bytes stream id of the sender, 24 bytes cipher header
    message body    encrypted tag byte, ciphertext, 16 bytes MAC
    datagram        8 bytes counter, 16 bytes MAC, ciphertext
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from net.constants import (
    MAX_NOISE_MESSAGE_BYTES,
    MAX_PLAINTEXT_BYTES,
)
from net.crypto import (
    AEAD_TAG_BYTES,
    SECRETBOX_NONCE_BYTES,
    STREAM_HEADER_BYTES,
    STREAM_OVERHEAD_BYTES,
    StreamCipher,
    blake2b_256,
    namespace,
    secretbox_open,
    secretbox_seal,
)
from net.errors import LocalProtocolError, RemoteProtocolError
from net.noise.handshake import Handshake, HandshakeResult

REPLAY_WINDOW_COUNT: Final = 1024
"""Datagrams behind the newest whose arrival is remembered; older ones are refused."""

STREAM_ID_BYTES: Final = 32
"""The proof, at the head of a stream, that both ends mean the same handshake."""

DATAGRAM_OVERHEAD_BYTES: Final = 24
"""What ``seal_datagram`` adds: counter and MAC."""

_LENGTH_BYTES: Final = 3
_HEADER_BODY_BYTES: Final = STREAM_ID_BYTES + STREAM_HEADER_BYTES
_COUNTER_BYTES: Final = 8
_COUNTER_MODULUS: Final = 1 << (8 * _COUNTER_BYTES)
_CHUNK_BYTES: Final = 64 * 1024
_SMALL_FRAME_BYTES: Final = 4096
"""Up to this a copy costs less than a view."""

_NAMESPACES: Final = tuple(
    namespace("hyperswarm/secret-stream", index) for index in range(3)
)
_NS_INITIATOR, _NS_RESPONDER, _NS_SEND = _NAMESPACES


def stream_id(handshake_hash: bytes, *, is_initiator: bool) -> bytes:
    """The 32 bytes by which one side of a handshake announces its stream."""
    role = _NS_INITIATOR if is_initiator else _NS_RESPONDER
    return blake2b_256(role, key=handshake_hash)


def datagram_key(handshake_hash: bytes, *, is_initiator: bool) -> bytes:
    """The key of the unordered messages that one side sends, 32 bytes."""
    role = _NS_INITIATOR if is_initiator else _NS_RESPONDER
    return blake2b_256(role, _NS_SEND, key=handshake_hash)


class SecretStream:
    """One end of an encrypted, authenticated stream of messages.

    Moved by ``write``, ``receive_data`` and the timer. After ``RemoteProtocolError``
    the stream is of no further use and the raw stream must be destroyed. The owner
    drains ``data_to_send`` after each call that may produce bytes; what it leaves stays
    in memory, so it also decides when to stop writing.

    Attributes:
        result: Keys and names of both sides, once the handshake is complete.
        bytes_sent: Raw bytes handed out or waiting, framing included.
        bytes_received: Raw bytes taken in.
        datagrams_repeated: Unordered messages refused because they had come before, or
            are too far behind the newest to tell.
    """

    def __init__(
        self,
        handshake: HandshakeResult | Handshake,
        *,
        entropy: Callable[[int], bytes],
        now: float = 0.0,
        keep_alive_s: float | None = None,
        timeout_s: float | None = None,
        filter_empty: bool = False,
        max_message_bytes: int = MAX_PLAINTEXT_BYTES,
    ) -> None:
        """Start a stream.

        Args:
            handshake: What another carrier agreed on, or a fresh handshake that this
                stream shall carry out with empty payloads.
            entropy: Source of the cipher header and of the first datagram counter.
            now: Seconds.
            keep_alive_s: Send an empty message after so much silence of both sides.
            timeout_s: Give up after so much silence of theirs.
            filter_empty: Drop empty messages received; implied by ``keep_alive_s``.
            max_message_bytes: Longest message to receive, at least 4 KiB; a longer one
                is refused before it is kept.
        """
        assert max_message_bytes >= _SMALL_FRAME_BYTES
        self._max_frame_bytes = max_message_bytes + STREAM_OVERHEAD_BYTES
        self.result: HandshakeResult | None = None
        self.bytes_sent = 0
        self.bytes_received = 0
        self.datagrams_repeated = 0
        self._entropy = entropy
        self._keep_alive_s = keep_alive_s
        self._timeout_s = timeout_s
        self._filter_empty = filter_empty or keep_alive_s is not None
        self._written_at = now
        self._received_at = now
        self._outgoing: list[bytes] = []
        self._incoming = bytearray()
        self._seal: StreamCipher | None = None
        self._open: StreamCipher | None = None
        self._send_key = b""
        self._receive_key = b""
        self._counter = self._first_counter = 0
        self._newest_counter = 0
        # Bit n: the datagram n before the newest has come. 0 before the first.
        self._seen_counters = 0
        self._handshake: Handshake | None = None
        if isinstance(handshake, HandshakeResult):
            self._start(handshake)
            return
        self._handshake = handshake
        if handshake.my_turn:
            self._put_frame(handshake.send())

    @property
    def opened(self) -> bool:
        """True once the keys are known, so that messages may be written."""
        return self._seal is not None

    @property
    def readable(self) -> bool:
        """True once the other side's header was accepted."""
        return self._open is not None

    @property
    def keep_alive_s(self) -> float | None:
        """Seconds of silence of both sides after which an empty message is sent."""
        return self._keep_alive_s

    def set_keep_alive(self, seconds: float | None, now: float) -> None:
        """Change the keep-alive; None turns it off, the filter stays on."""
        self._keep_alive_s = seconds
        self._written_at = now
        self._filter_empty = self._filter_empty or seconds is not None

    def set_timeout(self, seconds: float | None, now: float) -> None:
        """Change the time-out; None turns it off."""
        self._timeout_s = seconds
        self._received_at = now

    def write(self, plaintext: bytes | bytearray | memoryview, now: float) -> None:
        """Seal one message as one frame.

        Raises:
            LocalProtocolError: The keys are not known yet, or the message is above
                ``MAX_PLAINTEXT_BYTES``.
        """
        if self._seal is None:
            raise LocalProtocolError("the stream is not open yet")
        size = len(plaintext)
        if size > MAX_PLAINTEXT_BYTES:
            raise LocalProtocolError(f"a message of {size} bytes", code="too-large")
        size += STREAM_OVERHEAD_BYTES
        frame = self._seal.seal(plaintext, prefix=size.to_bytes(3, "little"))
        self._outgoing.append(frame)
        self.bytes_sent += len(frame)
        self._written_at = now

    def data_to_send(self) -> list[bytes]:
        """Everything to append to the raw stream, small frames joined to larger chunks.

        Each chunk is at most 64 KiB unless a single frame is larger.
        """
        if len(self._outgoing) < 2:
            chunks, self._outgoing = self._outgoing, []
            return chunks
        frames, self._outgoing = self._outgoing, []
        chunks = []
        group: list[bytes] = []
        group_bytes = 0
        for frame in frames:
            if group and group_bytes + len(frame) > _CHUNK_BYTES:
                chunks.append(b"".join(group))
                group = []
                group_bytes = 0
            group.append(frame)
            group_bytes += len(frame)
        chunks.append(b"".join(group))
        return chunks

    def receive_data(
        self, data: bytes | bytearray | memoryview, now: float
    ) -> list[bytes]:
        """Take bytes of the raw stream, cut anywhere; return the messages made whole.

        Raises:
            RemoteProtocolError: A frame is too small or too large for its place, is not
                the next one of this stream, or announces another stream.
        """
        self._received_at = now
        self.bytes_received += len(data)
        if not self._incoming:
            cipher, start = self._open, _LENGTH_BYTES
            if (
                cipher is not None
                and len(data) - start == int.from_bytes(data[:start], "little")
                and len(data) <= _SMALL_FRAME_BYTES
            ):
                # The fast path of small messages: one frame, and nothing but that.
                plaintext = cipher.open(data[start:])
                return [plaintext] if plaintext or not self._filter_empty else []
            messages, used = self._take_frames(data)
            if used < len(data):
                self._incoming += memoryview(data)[used:]
            return messages
        self._incoming += data
        if not self._has_whole_frame():
            return []
        messages, used = self._take_frames(self._incoming)
        del self._incoming[:used]
        return messages

    def seal_datagram(self, plaintext: bytes) -> bytes:
        """Box one unordered message; 24 bytes longer than the plaintext.

        Raises:
            LocalProtocolError: The keys are not known yet, or all 2^64 counters were
                used.
        """
        if not self._send_key:
            raise LocalProtocolError("the stream is not open yet")
        self._counter = (self._counter + 1) % _COUNTER_MODULUS
        if self._counter == self._first_counter:
            raise LocalProtocolError("the counter of unordered messages is used up")
        counter = self._counter.to_bytes(_COUNTER_BYTES, "little")
        nonce = counter.ljust(SECRETBOX_NONCE_BYTES, b"\0")
        return counter + secretbox_seal(plaintext, nonce, self._send_key)

    def open_datagram(self, data: bytes) -> bytes | None:
        """Unbox one unordered message.

        Returns:
            None when it is not one of this stream's, or has come before: the network
            can record and repeat it, but not change it.
        """
        if not self._receive_key or len(data) < DATAGRAM_OVERHEAD_BYTES:
            return None
        head = data[:_COUNTER_BYTES]
        # The peer starts anywhere and counts round, so only distances have a meaning.
        ahead = int.from_bytes(head, "little") - self._newest_counter
        ahead = (ahead + _COUNTER_MODULUS // 2) % _COUNTER_MODULUS
        ahead -= _COUNTER_MODULUS // 2
        seen = self._seen_counters
        if (
            seen
            and ahead <= 0
            and (ahead <= -REPLAY_WINDOW_COUNT or seen >> -ahead & 1)
        ):
            self.datagrams_repeated += 1
            return None
        nonce = head.ljust(SECRETBOX_NONCE_BYTES, b"\0")
        plaintext = secretbox_open(data[_COUNTER_BYTES:], nonce, self._receive_key)
        if plaintext is not None:
            self._note_counter(int.from_bytes(head, "little"), ahead)
        return plaintext

    def get_timer(self) -> float | None:
        """The next instant at which ``handle_timer`` wants to be called."""
        instants = []
        if self._keep_alive_s is not None and self.opened:
            instants.append(self._silent_since + self._keep_alive_s)
        if self._timeout_s is not None:
            instants.append(self._received_at + self._timeout_s)
        return min(instants, default=None)

    def handle_timer(self, now: float) -> None:
        """Send a keep-alive that is due.

        Raises:
            RemoteProtocolError: Code ``timeout``; nothing was heard for ``timeout_s``.
        """
        if self._timeout_s is not None and now >= self._received_at + self._timeout_s:
            raise RemoteProtocolError("the stream went silent", code="timeout")
        if (
            self._keep_alive_s is not None
            and self.opened
            and now >= self._silent_since + self._keep_alive_s
        ):
            self.write(b"", now)

    @property
    def _silent_since(self) -> float:
        """When either side said something last.

        Who spoke last is the first to break the silence, and the stream below answers:
        both hear of each other by one message, where npm sends one each way.
        """
        return max(self._written_at, self._received_at)

    def _start(self, result: HandshakeResult) -> None:
        self.result = result
        header = self._entropy(STREAM_HEADER_BYTES)
        self._seal = StreamCipher(result.tx, header)
        mine, theirs = result.is_initiator, not result.is_initiator
        self._send_key = datagram_key(result.handshake_hash, is_initiator=mine)
        self._receive_key = datagram_key(result.handshake_hash, is_initiator=theirs)
        counter = int.from_bytes(self._entropy(_COUNTER_BYTES), "little")
        self._counter = self._first_counter = counter
        self._put_frame(stream_id(result.handshake_hash, is_initiator=mine) + header)

    def _note_counter(self, counter: int, ahead: int) -> None:
        seen = self._seen_counters
        if seen and ahead <= 0:
            self._seen_counters = seen | 1 << -ahead
            return
        self._newest_counter = counter
        kept = seen << ahead if ahead < REPLAY_WINDOW_COUNT and seen else 0
        self._seen_counters = kept % (1 << REPLAY_WINDOW_COUNT) | 1

    def _put_frame(self, body: bytes) -> None:
        frame = len(body).to_bytes(_LENGTH_BYTES, "little") + body
        self._outgoing.append(frame)
        self.bytes_sent += len(frame)

    def _has_whole_frame(self) -> bool:
        if len(self._incoming) < _LENGTH_BYTES:
            return False
        size = int.from_bytes(self._incoming[:_LENGTH_BYTES], "little")
        self._check_size(size)
        return len(self._incoming) >= _LENGTH_BYTES + size

    def _check_size(self, size: int) -> None:
        # Checked before the body is here, so that nobody makes us wait for, or keep,
        # a body that cannot be right.
        if self._open is not None:
            if size < STREAM_OVERHEAD_BYTES:
                raise RemoteProtocolError("a frame without a tag", code="bad-mac")
            if size > self._max_frame_bytes:
                raise RemoteProtocolError(
                    f"a message above {self._max_frame_bytes - STREAM_OVERHEAD_BYTES} "
                    "bytes",
                    code="message-too-large",
                )
        elif self._handshake is not None:
            if size > MAX_NOISE_MESSAGE_BYTES:
                raise RemoteProtocolError("a handshake frame above 65535 bytes")
        elif size != _HEADER_BODY_BYTES:
            raise RemoteProtocolError("not a stream header", code="bad-header")

    def _take_frames(
        self, data: bytes | bytearray | memoryview
    ) -> tuple[list[bytes], int]:
        messages: list[bytes] = []
        with memoryview(data) as view:
            position = 0 if self._open is not None else self._take_opening(view)
            if self._open is None:
                return messages, position
            open_message = self._open.open
            keep_empty = not self._filter_empty
            longest = self._max_frame_bytes
            end = len(view)
            while (start := position + _LENGTH_BYTES) <= end:
                size = int.from_bytes(view[position:start], "little")
                if not STREAM_OVERHEAD_BYTES <= size <= longest:
                    self._check_size(size)
                if start + size > end:
                    break
                position = start + size
                plaintext = open_message(view[start:position])
                if plaintext or keep_empty:
                    messages.append(plaintext)
        return messages, position

    def _take_opening(self, view: memoryview) -> int:
        position = 0
        while self._open is None:
            start = position + _LENGTH_BYTES
            if start > len(view):
                break
            size = int.from_bytes(view[position:start], "little")
            self._check_size(size)
            if start + size > len(view):
                break
            position = start + size
            self._receive_opening(bytes(view[start:position]))
        return position

    def _receive_opening(self, body: bytes) -> None:
        if self._handshake is not None:
            self._receive_handshake(self._handshake, body)
            return
        assert self.result is not None
        expected = stream_id(
            self.result.handshake_hash, is_initiator=not self.result.is_initiator
        )
        if body[:STREAM_ID_BYTES] != expected:
            raise RemoteProtocolError("header of another stream", code="bad-header")
        self._open = StreamCipher(self.result.rx, body[STREAM_ID_BYTES:])

    def _receive_handshake(self, handshake: Handshake, body: bytes) -> None:
        handshake.receive(body)
        if handshake.my_turn:
            self._put_frame(handshake.send())
        if handshake.result is not None:
            self._handshake = None
            self._start(handshake.result)


assert DATAGRAM_OVERHEAD_BYTES == _COUNTER_BYTES + AEAD_TAG_BYTES
