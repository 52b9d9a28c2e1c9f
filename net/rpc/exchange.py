"""Datagrams in and out of a node: encoded, believed or not, and handed on.

What comes in is decoded, its id and token are checked, the neighbours hear of it, and
it ends as a request with the responder or as the reply to a request of ours. What goes
out gets our id where it may carry it, and waits for the rim.

Leaves to others: what requests mean. Upstream: dht-rpc 6.27.0 ``lib/io.js``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from net.errors import LocalProtocolError, RemoteProtocolError
from net.rpc.addresses import (
    Address,
    is_sendable,
    is_true_id,
    pack_address,
    unpack_address,
)
from net.rpc.messages import (
    DOWN_HINT,
    REQUEST,
    RESPONSE,
    RequestMessage,
    ResponseMessage,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from net.rpc.requests import (
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT_S,
    TIDS,
    PendingRequest,
    Requester,
)
from net.rpc.responder import Request
from net.rpc.stats import DropReason
from net.rpc.tokens import Tokens

if TYPE_CHECKING:
    from net.rpc.node import RpcNode
    from net.rpc.query import Candidate

SERVER: Final = 0
"""The socket others reach us on."""
CLIENT: Final = 1
"""The socket requests leave from while we are firewalled."""
DOWN_HINTS_PER_TICK: Final = 50
"""How often, in 5 s, we tell others that a node they named is dead."""
MAX_OUTGOING: Final = 16384
"""Datagrams kept for the rim; more are not sent."""


class Outgoing(NamedTuple):
    """A datagram to be sent (a tuple, because one is made per datagram)."""

    socket: int
    data: bytes
    address: Address
    ttl: int | None
    """Hops it may travel; None for the system's default."""


class Exchange:
    """Turns messages into datagrams and back.

    Attributes:
        running: False while datagrams are neither taken nor answered.
        requests: Requests of ours in flight.
    """

    def __init__(
        self,
        node: RpcNode,
        *,
        entropy: Callable[[int], bytes],
        max_window: int,
        down_hints_per_tick: int,
        accept_node: Callable[[Address], bool] | None,
    ) -> None:
        self.running = False
        self._node = node
        self._accept_node = accept_node
        self._down_hints_per_tick = down_hints_per_tick
        self._down_hints_sent = 0
        self._outgoing: list[Outgoing] = []
        self._tokens = Tokens(entropy)
        self.requests = Requester(
            node.scheduler,
            self.transmit,
            draw_tid=lambda: node.random_below(TIDS),
            stats=node.stats,
            default_socket=self.default_socket,
            on_timeout=self._timed_out,
            window=max_window,
        )

    def default_socket(self) -> int:
        """The socket requests leave from."""
        return CLIENT if self._node.reachability.firewalled else SERVER

    def on_tick(self) -> None:
        """Allow the down hints of another tick."""
        self._down_hints_sent = 0

    def accepts(self, packed: bytes) -> bool:
        """Tell whether a node has a real address and the owner lets us use it."""
        if not is_sendable(packed):
            return False
        return self._accept_node is None or self._accept_node(unpack_address(packed))

    def issue_token(self, host: str) -> bytes:
        """Give the round-trip token for a host."""
        return self._tokens.issue(host, self._node.scheduler.now)

    def accepts_token(self, token: bytes, host: str) -> bool:
        """Tell whether a token was given to this host a short time ago."""
        return self._tokens.accepts(token, host, self._node.scheduler.now)

    # -- out ---------------------------------------------------------------------

    def datagrams_to_send(self) -> list[Outgoing]:
        """Give and forget the datagrams that are to leave now."""
        outgoing = self._outgoing
        if outgoing:
            self._outgoing = []
        return outgoing

    def transmit(self, socket: int, data: bytes, to: Address, ttl: int | None) -> None:
        """Queue a datagram for the rim."""
        if len(self._outgoing) >= MAX_OUTGOING:
            self._node.stats.refused_sends += 1
            return
        self._outgoing.append(Outgoing(socket, data, to, ttl))

    def make_request(
        self,
        packed_to: bytes,
        *,
        command: int,
        internal: bool,
        target: bytes | None,
        value: bytes | None,
        token: bytes | None = None,
        retries: int = DEFAULT_RETRIES,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        socket: int | None = None,
        ttl: int | None = None,
        node_id: bytes | None = None,
        force: bool = False,
    ) -> PendingRequest:
        """Make a request that ``submit`` sends."""

        def encode(request: PendingRequest) -> bytes:
            return encode_request(
                RequestMessage(
                    request.tid,
                    packed_to,
                    self._id_through(request.socket),
                    token,
                    internal,
                    command,
                    target,
                    value,
                )
            )

        return PendingRequest(
            self.requests,
            unpack_address(packed_to),
            packed_to,
            encode,
            command=command,
            internal=internal,
            socket=socket,
            retries=retries,
            timeout_s=timeout_s,
            ttl=ttl,
            node_id=node_id,
            force=force,
        )

    def submit(self, request: PendingRequest) -> None:
        """Send a request made before."""
        self.requests.add(request)

    def send_down_hint(self, to: Candidate, down: bytes) -> PendingRequest | None:
        """Tell a node that one it named does not answer, within the rate allowed."""
        if self._down_hints_sent >= self._down_hints_per_tick:
            return None
        self._down_hints_sent += 1
        request = self.make_request(
            to[0],
            command=DOWN_HINT,
            internal=True,
            target=None,
            value=down,
            node_id=to[1],
        )
        self.submit(request)
        return request

    def send_reply(
        self,
        request: Request,
        value: bytes | None,
        *,
        error: int,
        token: bool,
        closer_nodes: bool,
        to: Address,
        socket: int,
    ) -> None:
        """Send the answer to a request that came in."""
        if not self.running:
            return
        closer = b""
        if closer_nodes and request.target is not None:
            near = self._node.neighbours.table.closest(request.target)
            closer = b"".join([node.packed for node in near])
        message = ResponseMessage(
            request.tid,
            pack_address(to),
            self._id_through(socket),
            self.issue_token(to[0]) if token else None,
            closer,
            error,
            value,
        )
        self.transmit(socket, encode_response(message), to, None)

    def send_relayed(
        self, request: Request, value: bytes, to: Address, *, socket: int
    ) -> None:
        """Send a request that came in on to another node, with another body."""
        if not self.running:
            return
        message = RequestMessage(
            request.tid,
            pack_address(to),
            self._id_through(socket),
            None,
            request.internal,
            request.command,
            request.target,
            value,
        )
        self.transmit(socket, encode_request(message), to, None)

    # -- in ----------------------------------------------------------------------

    def receive(self, data: bytes, address: Address, socket: int) -> DropReason | None:
        """Take a datagram; gives the reason if it had no effect."""
        if not self.running:
            return DropReason.NOT_RUNNING
        if len(data) < 2:
            return DropReason.TOO_SHORT
        if not 0 < address[1] <= 0xFFFF:
            return DropReason.BAD_SOURCE
        if socket == SERVER and self._node.reachability.is_probing:
            self._node.reachability.witness(address)
        try:
            packed = pack_address(address)
        except LocalProtocolError:
            return DropReason.BAD_SOURCE
        try:
            if data[0] == RESPONSE:
                return self._receive_response(data, address, packed, socket)
            if data[0] == REQUEST:
                return self._receive_request(data, address, packed, socket)
        except RemoteProtocolError:
            return DropReason.MALFORMED
        return DropReason.UNKNOWN_TYPE

    def _receive_request(
        self, data: bytes, address: Address, packed: bytes, socket: int
    ) -> DropReason | None:
        message = decode_request(data)
        id_ = message.id if is_true_id(packed, message.id) else None
        request = Request(self._node, message, address, id_, socket)
        token = message.token
        if token is not None and not self.accepts_token(token, address[0]):
            self._node.responder.refuse_token(request)
            return None
        if id_ is not None and self.accepts(packed):
            sample = socket == self.default_socket()
            self._node.neighbours.hear(packed, id_, message.to, sample=sample)
        return self._node.responder.handle(request)

    def _receive_response(
        self, data: bytes, address: Address, packed: bytes, socket: int
    ) -> DropReason | None:
        message = decode_response(data)
        request = self.requests.match(message.tid)
        if request is None:
            return DropReason.UNMATCHED_RESPONSE
        id_ = message.id if is_true_id(packed, message.id) else None
        if self.accepts(packed):
            if id_ is None:
                self._node.reachability.sample_unproven(address, message.to)
            else:
                sample = socket == self.default_socket()
                self._node.neighbours.hear(packed, id_, message.to, sample=sample)
        self.requests.settle(request, message, address, id_, socket)
        return None

    # -- inside ------------------------------------------------------------------

    def _id_through(self, socket: int | None) -> bytes | None:
        if self._node.reachability.ephemeral or socket != SERVER:
            return None
        return self._node.neighbours.table.id

    def _timed_out(self, request: PendingRequest) -> None:
        if request.node_id is not None:
            self._node.neighbours.remove(request.node_id)
