"""Two connections joined by a fake byte stream, to test them without sockets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from net.aio.facts import ConnectionFacts
from net.aio.raw_stream import RawStats
from net.aio.stream import KEEP_ALIVE_S, Connection
from net.crypto import KeyPair
from net.noise.handshake import Handshake, HandshakeResult

WINDOW_BYTES = 1024 * 1024
QUEUE_HIGH_BYTES = 256 * 1024


class FakeRaw:
    """One direction's writer: bytes reach the other connection in later turns.

    Attributes:
        chunk_bytes: How the far side sees the stream cut.
        written: Everything written, for the test to look at.
        stuck: True while nothing is carried.
    """

    def __init__(self) -> None:
        self.far: Connection | None = None
        self.near: Connection | None = None
        self.chunk_bytes = 1 << 20
        self.queue = bytearray()
        self.far_paused = False
        self.other: FakeRaw | None = None
        self.stuck = False
        self.ended = False
        self.end_delivered = False
        self.destroyed = False
        self.messages: list[bytes] = []
        self.lose_messages = False
        self.max_message_bytes = 1132
        self.remote_address = ("192.0.2.1", 4000)
        self.keep_alive_s: float | None = None
        self._full = False
        self._scheduled = False

    @property
    def queued_bytes(self) -> int:
        return len(self.queue)

    def write(self, data: bytes) -> bool:
        assert not self.ended
        self.queue += data
        self._full = len(self.queue) > QUEUE_HIGH_BYTES
        return not self._full

    def send_message(self, data: bytes) -> None:
        self.messages.append(data)

    def set_unread(self, count: int) -> None:
        assert self.other is not None
        self.other.far_paused = count >= WINDOW_BYTES
        self.other.flush()

    def end(self) -> None:
        self.ended = True

    def destroy(self) -> None:
        self.destroyed = True
        far = self.far
        assert far is not None
        asyncio.get_running_loop().call_soon(far.raw_closed, "reset")

    def set_keep_alive(self, interval_s: float | None) -> None:
        self.keep_alive_s = interval_s

    def flush(self) -> None:
        if not self._scheduled and not self.stuck:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._carry)

    def call_before_flush(self, callback: Callable[[], None]) -> None:
        def run() -> None:
            callback()
            self.flush()

        asyncio.get_running_loop().call_soon(run)

    def stats(self) -> RawStats:
        return RawStats(rtt_s=0.02, packets_retransmitted=3, mtu=1500)

    def _carry(self) -> None:
        self._scheduled = False
        far, near = self.far, self.near
        assert far is not None
        assert near is not None
        if self.destroyed or far.closed or self.stuck:
            return
        messages, self.messages = self.messages, []
        for message in messages:
            if not self.lose_messages:
                far.raw_message(message)
        if self.far_paused:
            return
        data = bytes(self.queue[: self.chunk_bytes])
        del self.queue[: self.chunk_bytes]
        if data:
            far.raw_data(data, 0.0)
        if self._full and len(self.queue) <= QUEUE_HIGH_BYTES:
            self._full = False
            near.raw_drained()
        if self.queue:
            self.flush()
        elif self.ended and not self.end_delivered:
            self.end_delivered = True
            far.raw_end()
            assert self.other is not None
            if self.other.end_delivered:
                near.raw_closed(None)
                far.raw_closed(None)


def handshake_results() -> tuple[HandshakeResult, HandshakeResult]:
    """Both ends of a real Noise IK handshake."""
    mine, theirs = KeyPair.generate(), KeyPair.generate()
    initiator = Handshake(
        "IK",
        initiator=True,
        static=mine,
        remote_public_key=theirs.public_key,
        ephemeral=KeyPair.generate(),
    )
    responder = Handshake(
        "IK", initiator=False, static=theirs, ephemeral=KeyPair.generate()
    )
    responder.receive(initiator.send(b""))
    initiator.receive(responder.send(b""))
    assert initiator.result is not None
    assert responder.result is not None
    return initiator.result, responder.result


def connected_pair(
    *, keep_alive_s: float | None = KEEP_ALIVE_S
) -> tuple[Connection, Connection]:
    """Two open connections; ``raw_of`` gives their streams."""
    raws = FakeRaw(), FakeRaw()
    ends = []
    for raw, result in zip(raws, handshake_results(), strict=True):
        facts = ConnectionFacts(
            remote_public_key=result.remote_public_key,
            path="direct",
            elapsed_s=0.01,
            opened_trace=(),
        )
        ends.append(
            Connection(
                raw, result, facts, entropy=os.urandom, keep_alive_s=keep_alive_s
            )
        )
    first, second = ends
    raws[0].near, raws[0].far, raws[0].other = first, second, raws[1]
    raws[1].near, raws[1].far, raws[1].other = second, first, raws[0]
    return first, second


def raw_of(connection: Connection) -> FakeRaw:
    """The fake below a connection."""
    raw = connection._raw
    assert isinstance(raw, FakeRaw)
    return raw
