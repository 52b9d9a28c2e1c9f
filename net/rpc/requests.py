"""Requests of our own: numbered, sent again, timed out, and matched with responses.

A request is one datagram sent up to ``retries + 1`` times with a fixed wait after each.
While the congestion window is full, transmissions wait in order for the next slot.
Responses are matched by tid alone, since a request may be answered by another node
than it was sent to (HyperDHT relays requests).

Leaves to others: what a response means for the routing table. Upstream: dht-rpc 6.27.0
``lib/io.js``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from net.errors import NetError
from net.flow import Deferred, Scheduler, Timer
from net.rpc.addresses import PACKED_BYTES, Address, unpack_address
from net.rpc.congestion import DEFAULT_WINDOW, CongestionWindow
from net.rpc.errors import (
    RequestCancelledError,
    RequestLimitError,
    RequestTimeoutError,
    SuspendedError,
)
from net.rpc.messages import ResponseMessage
from net.rpc.stats import RpcStats

DEFAULT_RETRIES: Final = 3
DEFAULT_TIMEOUT_S: Final = 1.0
TIDS: Final = 0x10000
MAX_REQUESTS_IN_FLIGHT: Final = 8192
"""Of the 65,536 numbers a request can have; waiting ones included."""

Transmit = Callable[[int, bytes, Address, int | None], None]
"""Takes socket, data, address, ttl."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response to a request of ours."""

    rtt_s: float
    """Seconds from the making of the request, not from its last transmission."""
    source: Address
    """Where the response came from."""
    source_id: bytes | None
    """The id of the node there, if it sent the true one."""
    to: Address
    """Our own address as the responder sees it."""
    token: bytes | None
    """Proof for a later request to the same host."""
    closer: bytes
    """Packed addresses of nodes closer to the target."""
    error: int
    """0, or an error number."""
    value: bytes | None
    """The body."""
    socket: int
    """Which of our sockets it came in on."""

    @property
    def closer_nodes(self) -> list[Address]:
        """Addresses of nodes closer to the target, at most 20."""
        return [
            unpack_address(self.closer[at : at + PACKED_BYTES])
            for at in range(0, len(self.closer), PACKED_BYTES)
        ]


class PendingRequest(Deferred[Reply]):
    """A request in flight; settled with its reply or the error that ended it.

    Attributes:
        tid: Its number on the wire.
        to: Where it is sent.
        packed_to: The same in six bytes.
        node_id: The id of the node there if known; such a node leaves the routing
            table when the request times out.
        socket: The socket it leaves from.
        sent: Transmissions so far.
        on_slow: Called once, after the first wait without an answer.
    """

    __slots__ = (
        "command",
        "created_at",
        "encode",
        "force",
        "internal",
        "node_id",
        "on_slow",
        "owner",
        "packed_to",
        "payload",
        "retries",
        "sent",
        "socket",
        "tid",
        "timeout_s",
        "timer",
        "to",
        "ttl",
    )

    def __init__(
        self,
        owner: Requester,
        to: Address,
        packed_to: bytes,
        encode: Callable[[PendingRequest], bytes],
        *,
        command: int,
        internal: bool,
        socket: int | None,
        retries: int,
        timeout_s: float,
        ttl: int | None,
        node_id: bytes | None,
        force: bool,
    ) -> None:
        super().__init__()
        self.owner = owner
        self.to = to
        self.packed_to = packed_to
        self.encode = encode
        self.command = command
        self.internal = internal
        self.socket = socket
        self.retries = retries
        self.timeout_s = timeout_s
        self.ttl = ttl
        self.node_id = node_id
        self.force = force
        self.tid = -1
        self.sent = 0
        self.payload: bytes | None = None
        self.created_at = owner.now
        self.timer: Timer | None = None
        self.on_slow: Callable[[PendingRequest], None] | None = None

    def cancel(self) -> None:
        """Give up: fails with RequestCancelledError, no effect once settled."""
        self.owner.end(self, RequestCancelledError("the request was cancelled"))


class Requester:
    """All requests in flight of one node.

    Started with the sockets; before that requests wait, while suspended they fail.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        transmit: Transmit,
        *,
        draw_tid: Callable[[], int],
        stats: RpcStats,
        default_socket: Callable[[], int],
        on_timeout: Callable[[PendingRequest], None],
        window: int = DEFAULT_WINDOW,
    ) -> None:
        self.congestion = CongestionWindow(scheduler.now, limit=window)
        self._scheduler = scheduler
        self._transmit = transmit
        self._draw_tid = draw_tid
        self._stats = stats
        self._default_socket = default_socket
        self._on_timeout = on_timeout
        self._in_flight: dict[int, PendingRequest] = {}
        self._waiting: deque[PendingRequest] = deque()
        self._release: Timer | None = None
        self._running = False
        self._suspended: bool | None = None

    @property
    def in_flight(self) -> int:
        """How many requests have no answer yet."""
        return len(self._in_flight)

    @property
    def now(self) -> float:
        """The instant of the node's clock."""
        return self._scheduler.now

    def start(self) -> None:
        """Send what waited for the sockets, and take requests from now on."""
        self._running = True
        self._suspended = None
        for request in list(self._in_flight.values()):
            if request.sent == 0 and request not in self._waiting:
                self._send(request)

    def stop(self, *, suspended: bool) -> None:
        """Fail all requests, and those made from now on until ``start``."""
        self._running = False
        self._suspended = suspended
        for request in list(self._in_flight.values()):
            self.end(request, _refusal(suspended))
        self._waiting.clear()
        if self._release is not None:
            self._release.cancel()
            self._release = None
        self.congestion.clear()

    def add(self, request: PendingRequest) -> None:
        """Number a request and send it, at once or when the window has room."""
        if self._suspended is not None:
            request.fail(_refusal(self._suspended))
            return
        if len(self._in_flight) >= MAX_REQUESTS_IN_FLIGHT:
            request.fail(RequestLimitError("too many requests in flight"))
            return
        # Drawn, not counted: responses are matched by number alone, and whoever is sent
        # one request must not be able to answer those sent to others.
        tid = self._draw_tid()
        while tid in self._in_flight:
            tid = self._draw_tid()
        request.tid = tid
        self._in_flight[request.tid] = request
        requests = self._stats.requests
        requests.active += 1
        requests.total += 1
        if request.internal:
            self._stats.commands_sent[request.command] += 1
        if self._running:
            self._send(request)

    def match(self, tid: int) -> PendingRequest | None:
        """Take the request a response belongs to out of flight, if there is one."""
        request = self._in_flight.get(tid)
        if request is None or request.sent == 0:
            return None
        self._remove(request)
        self._stats.requests.responses += 1
        if request.internal:
            self._stats.commands_answered[request.command] += 1
        return request

    def settle(
        self,
        request: PendingRequest,
        response: ResponseMessage,
        source: Address,
        source_id: bytes | None,
        socket: int,
    ) -> None:
        """Hand a matched request its response."""
        request.resolve(
            Reply(
                self._scheduler.now - request.created_at,
                source,
                source_id,
                unpack_address(response.to),
                response.token,
                response.closer,
                response.error,
                response.value,
                socket,
            )
        )

    def end(self, request: PendingRequest, error: NetError) -> None:
        """Fail a request that is in flight; no effect otherwise."""
        if self._in_flight.get(request.tid) is request:
            self._remove(request)
            request.fail(error)

    def _remove(self, request: PendingRequest) -> None:
        del self._in_flight[request.tid]
        if request.timer is not None:
            request.timer.cancel()
            request.timer = None
        self._stats.requests.active -= 1
        if request.sent > 0:
            self.congestion.answered(self._scheduler.now)

    def _send(self, request: PendingRequest) -> None:
        if not request.force and self.congestion.is_full(self._scheduler.now):
            if len(self._waiting) >= MAX_REQUESTS_IN_FLIGHT:
                self._waiting = deque(r for r in self._waiting if not r.settled)
            self._waiting.append(request)
            self._arm_release()
            return
        self._send_now(request)

    def _send_now(self, request: PendingRequest) -> None:
        if request.socket is None:
            request.socket = self._default_socket()
        if request.payload is None:
            request.payload = request.encode(request)
        request.sent += 1
        self.congestion.sent(self._scheduler.now)
        self._transmit(request.socket, request.payload, request.to, request.ttl)
        request.timer = self._scheduler.call_later(
            request.timeout_s, lambda: self._waited(request)
        )

    def _waited(self, request: PendingRequest) -> None:
        request.timer = None
        on_slow, request.on_slow = request.on_slow, None
        if on_slow is not None:
            on_slow(request)
        if request.settled:
            return
        if request.sent <= request.retries:
            self._stats.requests.retries += 1
            self._send(request)
            return
        self._stats.requests.timeouts += 1
        self._on_timeout(request)
        host, port = request.to
        self.end(request, RequestTimeoutError(f"no answer from {host}:{port}"))

    def _arm_release(self) -> None:
        if self._release is None:
            at = self.congestion.next_slot_at
            self._release = self._scheduler.call_at(at, self._release_waiting)

    def _release_waiting(self) -> None:
        self._release = None
        while self._waiting and not self.congestion.is_full(self._scheduler.now):
            request = self._waiting.popleft()
            if not request.settled:
                self._send_now(request)
        if self._waiting:
            self._arm_release()


def _refusal(suspended: bool) -> NetError:
    if suspended:
        return SuspendedError("the node is suspended")
    return RequestCancelledError("the node was destroyed")
