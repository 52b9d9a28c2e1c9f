"""What a stream reports before an application has its connection.

A peer may speak before it is known where it is, and a connection that came in is not
handed on before its peer has shown that it is there. What happens with the connection
then is :mod:`net.aio.driver`'s and :mod:`net.aio.server`'s.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from net.aio.raw_stream import StreamListener, UdxStream
    from net.aio.stream import Connection

MAX_EARLY_BYTES = 1 << 20
"""What a stream may deliver before its connection is known; more ends it."""

PROOF_LIMIT_S = 10.0
"""How long an incoming connection may take to show that its peer is there."""

MAX_UNPROVEN = 1024
"""Connections whose peer has not shown that it is there; the oldest make room."""

MAX_UNPROVEN_PER_HOST = 128
"""Those of one host, or of one whose address somebody writes on his packets."""


class EarlyPackets:
    """Keeps what a stream reports before there is somebody to take it.

    The peer may speak first: its packets can overtake the answer that says where it is.
    """

    def __init__(self, stream: UdxStream) -> None:
        self._stream = stream
        self._size = 0
        self._reports: list[Callable[[StreamListener], None]] = []

    def replay(self) -> None:
        """Give everything, in order, to who listens to the stream by now."""
        reports, self._reports = self._reports, []
        for report in reports:
            listener = self._stream.listener
            assert listener is not None
            report(listener)

    def raw_data(self, data: bytes, now: float) -> None:
        """Bytes of the ordered stream came in."""
        self._keep(len(data), lambda listener: listener.raw_data(data, now))

    def raw_message(self, data: bytes) -> None:
        """An unordered message came in."""
        self._keep(len(data), lambda listener: listener.raw_message(data))

    def raw_end(self) -> None:
        """The peer writes nothing more."""
        self._keep(0, lambda listener: listener.raw_end())

    def raw_drained(self) -> None:
        """Nothing was written yet."""

    def raw_closed(self, code: str | None) -> None:
        """The stream is gone."""
        self._keep(0, lambda listener: listener.raw_closed(code))

    def _keep(self, size: int, report: Callable[[StreamListener], None]) -> None:
        self._size += size + 64
        if self._size > MAX_EARLY_BYTES:
            self._reports.clear()
            self._stream.destroy()
        else:
            self._reports.append(report)


class UnprovenConnections:
    """All that wait for their peer's header, few and the newest.

    Handshakes from invented addresses cost nothing, so what they open is what makes
    room: for those that come later, and for everybody when a node is full. A peer that
    is there answers within a round trip, before its turn to go has come.
    """

    def __init__(self, counters: Counter[str]) -> None:
        self._counters = counters
        self._hosts: dict[Connection, str] = {}
        self._by_host: dict[str, dict[Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._hosts)

    def add(self, connection: Connection) -> None:
        """Count one until ``remove``, and end those that are too many."""
        host = connection.remote_address[0]
        self._hosts[connection] = host
        neighbours = self._by_host.setdefault(host, {})
        neighbours[connection] = None
        connection.on_close.append(self.remove)
        if len(neighbours) > MAX_UNPROVEN_PER_HOST:
            self._evict(next(iter(neighbours)))
        elif len(self._hosts) > MAX_UNPROVEN:
            self.make_room()

    def remove(self, connection: Connection) -> None:
        """It proved itself, or is closed."""
        host = self._hosts.pop(connection, None)
        if host is not None:
            neighbours = self._by_host[host]
            del neighbours[connection]
            if not neighbours:
                del self._by_host[host]

    def make_room(self) -> bool:
        """End the oldest; False when there is none."""
        oldest = next(iter(self._hosts), None)
        if oldest is not None:
            self._evict(oldest)
        return oldest is not None

    def _evict(self, connection: Connection) -> None:
        self._counters["connections-unproven-evicted"] += 1
        connection.destroy("others were in greater need")


class UnprovenConnection:
    """Listens for a connection that came in until its peer has sent its header.

    Anybody can record the first message of a handshake and send it again. Only who can
    read the answer knows to which stream its header must go, and both ends send theirs
    at once. Unordered messages that overtake it wait for who takes the connection.
    """

    def __init__(
        self,
        stream: UdxStream,
        connection: Connection,
        hand_on: Callable[[Connection], None],
        *,
        counters: Counter[str],
    ) -> None:
        """Listen to the stream in place of the connection.

        Args:
            stream: Below the connection.
            connection: The one that came in.
            hand_on: Called once, when the header is there.
            counters: Where those are counted that send none.
        """
        self._stream = stream
        self._connection = connection
        self._hand_on = hand_on
        self._counters = counters
        self._early = EarlyPackets(stream)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(PROOF_LIMIT_S, self._too_late)
        stream.listener = self
        connection.on_close.append(self._closed)

    def raw_data(self, data: bytes, now: float) -> None:
        """Bytes of the ordered stream came in, the header first."""
        connection = self._connection
        connection.raw_data(data, now)
        if connection.readable and not connection.closed:
            self._timer.cancel()
            connection.on_close.remove(self._closed)
            self._stream.listener = connection
            self._hand_on(connection)
            self._early.replay()

    def raw_message(self, data: bytes) -> None:
        """An unordered message overtook the header."""
        self._early.raw_message(data)

    def raw_end(self) -> None:
        """The peer writes nothing more, not even a header."""
        self._connection.destroy("the peer ended before it began")

    def raw_drained(self) -> None:
        """The queue has room again."""
        self._connection.raw_drained()

    def raw_closed(self, code: str | None) -> None:
        """The stream is gone."""
        self._connection.raw_closed(code)

    def _closed(self, connection: Connection) -> None:
        del connection
        self._timer.cancel()

    def _too_late(self) -> None:
        self._counters["connections-unproven"] += 1
        self._connection.destroy("the peer proved nothing")
