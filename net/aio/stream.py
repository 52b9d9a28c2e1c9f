"""A connection to a peer: an encrypted stream of messages, with datagrams beside it.

Joins one UDX stream and one secret stream to something to await. Everything that one
received datagram causes (reassembly, decryption, delivery, answers) happens in the one
callback that brought it; small writes of one turn of the loop leave together. No task
runs for a connection. How the two ends found each other is :mod:`net.aio.node`'s work.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING

from net.aio.datagrams import DatagramInbox
from net.aio.errors import ConnectionClosedError
from net.aio.facts import ConnectionFacts, ConnectionStats
from net.aio.frames import DONE, ConnectionMux
from net.constants import MAX_PLAINTEXT_BYTES
from net.errors import LocalProtocolError, RemoteProtocolError
from net.noise.secret_stream import DATAGRAM_OVERHEAD_BYTES, SecretStream

if TYPE_CHECKING:
    from typing import Self

    from net.aio.interfaces import RawStream
    from net.dht.events import Path, Trace
    from net.mux import Mux
    from net.noise.handshake import HandshakeResult

Address = tuple[str, int]

KEEP_ALIVE_S = 10.0
"""An empty frame after so much silence of both sides, so that a dead path is noticed;
twelve packets a minute, and less than any router forgets a mapping after."""

CLOSE_LIMIT_S = 3.0
"""How long ``close`` waits for the other side to end as well."""

FLUSH_BYTES = 64 * 1024
"""Sealed frames above this leave at once, not at the end of the loop's turn."""

UNREAD_STEP_BYTES = 64 * 1024
"""The stream below is told of unread messages in steps of this size."""

MESSAGE_OVERHEAD_BYTES = 64
"""Counted for each unread message beside its bytes, as keeping it costs as much."""

MAX_QUEUED_BYTES = 64 * 1024 * 1024
"""Bytes waiting to be sent, beyond which a connection that nobody paces is ended."""

RawData = bytes | bytearray | memoryview


class Connection:
    """One encrypted connection.

    ``await write(data)`` sends one message, ``async for chunk in connection`` receives
    them, each as it was written. It ends cleanly when both sides called ``end`` (or
    ``close``); when it breaks, reading and writing raise ``ConnectionClosedError``.

    Attributes:
        public_key: Own key, 32 bytes.
        remote_public_key: The peer's key, 32 bytes.
        handshake_hash: 64 bytes both sides share and nobody else knows.
        is_initiator: True on the side that connected.
        path: How packets travel: ``direct``, ``lan`` or ``relayed``.
        opened_trace: The steps that led here, for the doctor.
        elapsed_s: How long they took.
        closed: True once nothing of it works any more.
        on_datagram: Called with each datagram; without it they wait in ``datagrams()``.
        on_close: Called once with the connection when it is closed.
    """

    def __init__(
        self,
        raw: RawStream,
        result: HandshakeResult,
        facts: ConnectionFacts,
        *,
        entropy: Callable[[int], bytes],
        keep_alive_s: float | None = KEEP_ALIVE_S,
        max_message_bytes: int = MAX_PLAINTEXT_BYTES,
    ) -> None:
        self.public_key = result.local_public_key
        self.remote_public_key = facts.remote_public_key
        self.handshake_hash = result.handshake_hash
        self.is_initiator = result.is_initiator
        self.path: Path = facts.path
        self.opened_trace: Trace = facts.opened_trace
        self.elapsed_s = facts.elapsed_s
        self.closed = False
        self.on_datagram: Callable[[bytes], object] | None = None
        self.on_close: list[Callable[[Connection], object]] = []
        self._loop = asyncio.get_running_loop()
        self._raw = raw
        self._secret = SecretStream(
            result,
            entropy=entropy,
            now=time.monotonic(),
            keep_alive_s=keep_alive_s,
            max_message_bytes=max_message_bytes,
        )
        self._mux: ConnectionMux | None = None
        self._received: deque[bytes] = deque()
        self._unread_bytes = 0
        self._unread_reported = 0
        self._reader: asyncio.Future[None] | None = None
        self._discarding = False
        self._unflushed_bytes = 0
        self._flush_scheduled = False
        self._room = True
        self._room_waiters: list[asyncio.Future[None]] = []
        self._ended = False
        self._remote_ended = False
        self._error: ConnectionClosedError | None = None
        self._closed_waiters: list[asyncio.Future[None]] = []
        self._close_timer: asyncio.TimerHandle | None = None
        self._inbox = DatagramInbox()
        self._datagrams_sent = 0
        self._datagrams_unreadable = 0
        self._keep_alive_timer: asyncio.TimerHandle | None = None
        self._arm_keep_alive()
        self.schedule_flush()

    # -- writing -------------------------------------------------------------------

    async def write(self, data: RawData) -> None:
        """Send one message; waits while the queue to the peer is full.

        Above the frame limit of 16 MiB it goes as several messages.

        Raises:
            ConnectionClosedError: The connection is closed, or broke while waiting.
            LocalProtocolError: ``end`` was called before.
        """
        if len(data) <= MAX_PLAINTEXT_BYTES:
            self._write_frame(data)
            if not self._room:
                await self.drain()
            return
        view = memoryview(data).cast("B")
        for start in range(0, len(view), MAX_PLAINTEXT_BYTES):
            self._write_frame(view[start : start + MAX_PLAINTEXT_BYTES])
            await self.drain()

    def write_nowait(self, data: RawData) -> bool:
        """Send one message without waiting; False when the queue is full after it.

        Raises:
            ConnectionClosedError: The connection is closed.
            LocalProtocolError: ``end`` was called, or the message is above the frame
                limit.
        """
        self._write_frame(data)
        return self._room

    async def drain(self) -> None:
        """Wait until there is room in the queue to the peer.

        Raises:
            ConnectionClosedError: The connection broke while waiting.
        """
        while not self._room:
            if self.closed:
                raise self._closed_error()
            await _wait_in(self._room_waiters, self._loop)

    def send(self, datagram: bytes) -> Awaitable[None]:
        """Send one datagram: encrypted, unordered, and lost if the network loses it.

        It is on its way when this returns; awaiting the result is allowed, not needed.

        Raises:
            ConnectionClosedError: The connection is closed.
            LocalProtocolError: It is larger than ``max_datagram_bytes``.
        """
        if self.closed:
            raise self._closed_error()
        if len(datagram) > self.max_datagram_bytes:
            raise LocalProtocolError(
                f"a datagram of {len(datagram)} bytes is above what this path carries",
                code="too-large",
            )
        self._raw.send_message(self._secret.seal_datagram(datagram))
        self._datagrams_sent += 1
        self.schedule_flush()
        return DONE

    @property
    def max_datagram_bytes(self) -> int:
        """Largest datagram that ``send`` takes now."""
        return self._raw.max_message_bytes - DATAGRAM_OVERHEAD_BYTES

    @property
    def has_room(self) -> bool:
        """False while ``write`` would wait."""
        return self._room

    def send_keep_alive(self) -> None:
        """Send an empty frame now, so that a dead path is noticed soon."""
        if not self.closed and not self._ended:
            self._secret.write(b"", time.monotonic())
            self.schedule_flush()

    # -- reading -------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next message; ends when the peer has ended.

        Raises:
            ConnectionClosedError: The connection broke.
            LocalProtocolError: A mux reads this connection, or another task does.
        """
        received = self._received
        while not received:
            self._check_readable()
            reader = self._reader = self._loop.create_future()
            try:
                await reader
            finally:
                self._reader = None
        chunk = received.popleft()
        self._unread_bytes -= len(chunk) + MESSAGE_OVERHEAD_BYTES
        if self._unread_bytes <= self._unread_reported - UNREAD_STEP_BYTES:
            self._report_unread()
        return chunk

    def datagrams(self) -> DatagramInbox:
        """What came by ``send`` from the other side: ``async for`` over it.

        The newest 1024 wait there. Nothing arrives while ``on_datagram`` is set.
        """
        return self._inbox

    @property
    def mux(self) -> Mux:
        """Channels over this connection. From its first use on it reads all messages.

        Register handlers before the next await, or messages for them are refused.
        """
        if self._mux is None:
            if self._reader is not None:
                raise LocalProtocolError("a task reads this connection already")
            self._mux = ConnectionMux(self.schedule_flush)
            if self.closed:
                self._mux.close()
            elif self._received:
                self._loop.call_soon(self._feed_mux)
        return self._mux

    # -- ending --------------------------------------------------------------------

    def end(self) -> Awaitable[None]:
        """Write nothing more; reading goes on until the peer ends as well.

        What was written still goes out. Awaiting the result is allowed, not needed.
        """
        if not self._ended and not self.closed:
            self._push_frames()
            if not self.closed:
                self._ended = True
                self._raw.end()
                # Frames, which would find out that the peer is gone, are over.
                self._raw.set_keep_alive(self._secret.keep_alive_s)
                self._raw.flush()
        return DONE

    def close(self) -> Awaitable[None]:
        """End, let go of what comes in, and be closed soon.

        What was written still goes out. After three seconds in which the other side
        did not end, the connection is cut. Await the result to wait for the end.
        """
        if not self.closed and self._close_timer is None:
            self._close_timer = self._loop.call_later(CLOSE_LIMIT_S, self.destroy)
            self._discarding = True
            self._received.clear()
            self._unread_bytes = 0
            self._report_unread()
            if self._mux is not None:
                self._take_mux_frames(self._mux)
                self._mux.close()
            self.end()
            self._wake_reader()
        return _UntilClosed(self)

    def destroy(self, reason: str = "closed") -> None:
        """End at once; what is queued is lost, the peer is told once."""
        if not self.closed:
            self._finish(ConnectionClosedError(f"The connection was ended: {reason}."))
            self._raw.destroy()
            self._raw.flush()

    async def wait_closed(self) -> None:
        """Wait until nothing of this connection works any more."""
        while not self.closed:
            await _wait_in(self._closed_waiters, self._loop)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            await self.close()
        else:
            self.destroy()

    # -- figures -------------------------------------------------------------------

    @property
    def error(self) -> ConnectionClosedError | None:
        """Why it is closed; None while open and after a clean end."""
        return self._error

    @property
    def ended(self) -> bool:
        """True after ``end`` or ``close``."""
        return self._ended

    @property
    def remote_ended(self) -> bool:
        """True once the peer has said that it writes nothing more."""
        return self._remote_ended

    @property
    def readable(self) -> bool:
        """True once the peer's header was accepted."""
        return self._secret.readable

    @property
    def has_traffic(self) -> bool:
        """True once bytes were both received and sent."""
        return self._secret.bytes_received > 0 and self._secret.bytes_sent > 0

    @property
    def remote_address(self) -> Address:
        """Host and port that packets go to now."""
        return self._raw.remote_address

    @property
    def stats(self) -> ConnectionStats:
        """Figures of now."""
        raw = self._raw.stats()
        overhead = len(self._received) * MESSAGE_OVERHEAD_BYTES
        return ConnectionStats(
            rtt_s=raw.rtt_s,
            bytes_sent=self._secret.bytes_sent,
            bytes_received=self._secret.bytes_received,
            packets_retransmitted=raw.packets_retransmitted,
            mtu=raw.mtu,
            queued_bytes=self._raw.queued_bytes + self._unflushed_bytes,
            unread_bytes=self._unread_bytes - overhead,
            datagrams_sent=self._datagrams_sent,
            datagrams_received=self._inbox.received,
            datagrams_dropped=self._inbox.dropped + self._datagrams_unreadable,
        )

    def __repr__(self) -> str:
        state = "closed" if self.closed else self.path
        return f"<Connection {self.remote_public_key.hex()[:8]} {state}>"

    # -- what the stream below reports ---------------------------------------------

    def raw_data(self, data: RawData, now: float) -> None:
        """Bytes of the ordered stream came in."""
        if self.closed:
            return
        try:
            messages = self._secret.receive_data(data, now)
            if not messages or self._discarding:
                return
            if self._mux is not None and not self._received:
                self._to_mux(self._mux, messages)
                return
        except RemoteProtocolError as error:
            self._break_off(error)
            return
        self._keep_unread(messages)
        reader = self._reader
        if reader is not None and not reader.done():
            reader.set_result(None)

    def raw_message(self, data: bytes) -> None:
        """An unordered message came in."""
        datagram = self._secret.open_datagram(data)
        if datagram is None:
            self._datagrams_unreadable += 1
        elif self.on_datagram is not None:
            self._inbox.received += 1
            self.on_datagram(datagram)
        else:
            self._inbox.put(datagram)

    def raw_end(self) -> None:
        """The peer writes nothing more."""
        self._remote_ended = True
        if self._mux is not None and not self._received:
            self._mux.close()
            self.end()
        self._wake_reader()

    def raw_drained(self) -> None:
        """The queue below has room again."""
        self._room = True
        _wake_all(self._room_waiters)
        if self._mux is not None:
            self._mux.handle_drain()

    def raw_closed(self, code: str | None) -> None:
        """The stream below is gone; ``code`` is None when both sides had ended."""
        if self.closed:
            return
        if code is None:
            self._finish(None)
        else:
            words = _REASONS.get(code, "The connection is closed.")
            self._finish(ConnectionClosedError(words, code=code))

    # -- inside --------------------------------------------------------------------

    def schedule_flush(self) -> None:
        """Send what is collected when this turn of the loop is over."""
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._raw.call_before_flush(self._before_flush)

    def _write_frame(self, data: RawData) -> None:
        if self.closed:
            raise self._closed_error()
        if self._ended:
            raise LocalProtocolError("this side has ended the connection")
        self._secret.write(data, time.monotonic())
        self._unflushed_bytes += len(data)
        if self._unflushed_bytes >= FLUSH_BYTES:
            self._push_frames()
            self._raw.flush()
        elif not self._flush_scheduled:
            self._flush_scheduled = True
            self._raw.call_before_flush(self._before_flush)

    def _before_flush(self) -> None:
        self._flush_scheduled = False
        mux = self._mux
        if mux is not None and self._received and not mux.paused:
            self._feed_mux()
        if not self.closed:
            self._push_frames()

    def _push_frames(self) -> None:
        if self._mux is not None and not self._ended:
            self._take_mux_frames(self._mux)
            if self.closed:
                return
        self._unflushed_bytes = 0
        for chunk in self._secret.data_to_send():
            if not self._raw.write(chunk):
                self._room = False
        if not self._room and self._raw.queued_bytes > MAX_QUEUED_BYTES:
            self.destroy("more was queued than the peer takes")

    def _take_mux_frames(self, mux: ConnectionMux) -> None:
        try:
            frames = mux.take_frames()
        except RemoteProtocolError as error:
            self._break_off(error)
            return
        now = time.monotonic()
        for frame in frames:
            self._secret.write(frame, now)

    def _check_readable(self) -> None:
        if self._mux is not None:
            raise LocalProtocolError("the mux reads this connection")
        if self._discarding or self._remote_ended:
            raise StopAsyncIteration
        if self.closed:
            if self._error is None or self._error.code == "closed":
                raise StopAsyncIteration
            raise self._error
        if self._reader is not None:
            raise LocalProtocolError("two tasks read one connection")

    def _keep_unread(self, messages: list[bytes]) -> None:
        self._received += messages
        overhead = len(messages) * MESSAGE_OVERHEAD_BYTES
        self._unread_bytes += sum(map(len, messages)) + overhead
        if self._unread_bytes >= self._unread_reported + UNREAD_STEP_BYTES:
            self._report_unread()

    def _report_unread(self) -> None:
        self._unread_reported = self._unread_bytes
        if not self.closed:
            self._raw.set_unread(self._unread_bytes)

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _to_mux(self, mux: ConnectionMux, messages: list[bytes]) -> None:
        for index, message in enumerate(messages):
            if mux.paused:
                self._keep_unread(messages[index:])
                break
            handled = False
            try:
                mux.receive_frame(message)
                handled = True
            finally:
                # A bug in a handler is loud, and ends this connection only.
                if not handled and not isinstance(sys.exception(), RemoteProtocolError):
                    self.destroy("a handler failed")
            if self.closed or self._discarding:
                return
        if self._flush_scheduled:
            self._push_frames()

    def _feed_mux(self) -> None:
        """Give the mux what waited for it, or for it to go on."""
        mux = self._mux
        if mux is None or self.closed or self._discarding or not self._received:
            return
        messages = list(self._received)
        self._received.clear()
        self._unread_bytes = 0
        try:
            self._to_mux(mux, messages)
        except RemoteProtocolError as error:
            self._break_off(error)
            return
        self._report_unread()
        if self._remote_ended and not self._received:
            mux.close()
            self.end()

    def _break_off(self, error: RemoteProtocolError) -> None:
        words = f"The peer broke the protocol: {error}."
        closing = ConnectionClosedError(words, code=error.code)
        closing.__cause__ = error
        self._finish(closing)
        self._raw.destroy()
        self._raw.flush()

    def _finish(self, error: ConnectionClosedError | None) -> None:
        self.closed = True
        self._error = error
        for timer in (self._keep_alive_timer, self._close_timer):
            if timer is not None:
                timer.cancel()
        if self._mux is not None:
            self._mux.close()
        self._inbox.close()
        self._wake_reader()
        _wake_all(self._room_waiters)
        _wake_all(self._closed_waiters)
        callbacks, self.on_close = self.on_close, []
        for callback in callbacks:
            callback(self)

    def _closed_error(self) -> ConnectionClosedError:
        return self._error or ConnectionClosedError("The connection is closed.")

    def _arm_keep_alive(self) -> None:
        at = self._secret.get_timer()
        if at is not None:
            delay_s = max(at - time.monotonic(), 0.0)
            self._keep_alive_timer = self._loop.call_later(
                delay_s, self._handle_keep_alive
            )

    def _handle_keep_alive(self) -> None:
        if self.closed or self._ended:
            return
        now = time.monotonic()
        at = self._secret.get_timer()
        if at is not None and at <= now:
            self._secret.handle_timer(now)
            self.schedule_flush()
        self._arm_keep_alive()


_REASONS = {
    "reset": "The peer ended the connection.",
    "timed-out": "The peer gave no sign of life.",
}


class _UntilClosed:
    """Awaitable: until a connection is closed; may be dropped."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __await__(self) -> Generator[object, None, None]:
        return self._connection.wait_closed().__await__()


async def _wait_in(
    waiters: list[asyncio.Future[None]], loop: asyncio.AbstractEventLoop
) -> None:
    waiter = loop.create_future()
    waiters.append(waiter)
    try:
        await waiter
    finally:
        if waiter in waiters:
            waiters.remove(waiter)


def _wake_all(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()
