"""Requests of others: the commands every node answers, and the answers of handlers.

The five internal commands are answered here. All others go to the handler as a
:class:`Request`, which may be answered at once, later, elsewhere, or not at all.

Leaves to others: encoding, and which nodes are closer. Upstream: dht-rpc 6.27.0
``index.js``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from net.flow import Timer
from net.rpc.addresses import PACKED_BYTES, Address, packed_node_id
from net.rpc.messages import (
    DELAYED_PING,
    DOWN_HINT,
    FIND_NODE,
    INVALID_TOKEN,
    OK,
    PING,
    PING_NAT,
    UNKNOWN_COMMAND,
    RequestMessage,
)
from net.rpc.stats import DropReason

if TYPE_CHECKING:
    from net.rpc.node import RpcNode

MAX_PING_DELAY_S: Final = 10.0
MAX_DELAYED_PINGS: Final = 256
"""Delayed answers that wait at a time; more are not answered."""


class Request:
    """A request that came in.

    Attributes:
        command: Number of the command.
        internal: True for the commands of dht-rpc itself.
        target: 32 bytes it is about, or None.
        value: Body, or None.
        token: The round-trip token sent with it, which is right, or None.
        socket: Our socket it came in on.
        source: Where it came from.
        source_id: The id of the node there, if it sent the true one.
        tid: Its number.
        to: Our own address as the sender knows it, packed.
    """

    __slots__ = (
        "_node",
        "command",
        "internal",
        "socket",
        "source",
        "source_id",
        "target",
        "tid",
        "to",
        "token",
        "value",
    )

    def __init__(
        self,
        node: RpcNode,
        message: RequestMessage,
        source: Address,
        source_id: bytes | None,
        socket: int,
    ) -> None:
        self._node = node
        self.tid = message.tid
        self.to = message.to
        self.token = message.token
        self.internal = message.internal
        self.command = message.command
        self.target = message.target
        self.value = message.value
        self.source = source
        self.source_id = source_id
        self.socket = socket

    @property
    def token_valid(self) -> bool:
        """True when the sender proved that it receives at its host."""
        return self.token is not None

    def reply(
        self,
        value: bytes | None = None,
        *,
        error: int = OK,
        token: bool | None = None,
        closer_nodes: bool = True,
        to: Address | None = None,
        socket: int | None = None,
    ) -> None:
        """Answer.

        Args:
            value: Body.
            error: Error number, 0 for none.
            token: Whether to send a token; None means yes unless there is an error.
            closer_nodes: Whether to name closer nodes, where there is a target.
            to: Where to, if not to where it came from.
            socket: Which socket to leave from, if not the one it came in on.
        """
        self._node.exchange.send_reply(
            self,
            value,
            error=error,
            token=error == OK if token is None else token,
            closer_nodes=closer_nodes,
            to=self.source if to is None else to,
            socket=self.socket if socket is None else socket,
        )

    def relay(self, value: bytes, to: Address, *, socket: int | None = None) -> None:
        """Pass the request on with another body; the answer goes by its tid."""
        leaving = self.socket if socket is None else socket
        self._node.exchange.send_relayed(self, value, to, socket=leaving)


class Responder:
    """Decides what becomes of a request that came in."""

    def __init__(
        self, node: RpcNode, on_request: Callable[[Request], bool] | None
    ) -> None:
        self.on_request = on_request
        self._node = node
        self._delayed: dict[int, Timer] = {}
        self._next_delayed = 0
        self._internal: dict[int, Callable[[Request], DropReason | None]] = {
            PING: self._ping,
            PING_NAT: self._ping_nat,
            FIND_NODE: self._find_node,
            DOWN_HINT: self._down_hint,
            DELAYED_PING: self._delayed_ping,
        }

    def handle(self, request: Request) -> DropReason | None:
        """Answer a request or hand it over; gives the reason if it had no effect."""
        if request.internal:
            handler = self._internal.get(request.command)
            if handler is not None:
                return handler(request)
        elif self.on_request is not None and self.on_request(request):
            return None
        request.reply(error=UNKNOWN_COMMAND)
        return None

    def refuse_token(self, request: Request) -> None:
        """Answer a request whose token is not ours with a fresh one."""
        request.reply(error=INVALID_TOKEN, token=True)

    def stop(self) -> None:
        """Forget all delayed answers."""
        for timer in self._delayed.values():
            timer.cancel()
        self._delayed.clear()

    def _ping(self, request: Request) -> DropReason | None:
        request.reply(token=False, closer_nodes=False)
        return None

    def _ping_nat(self, request: Request) -> DropReason | None:
        if request.value is None or len(request.value) < 2:
            return DropReason.BAD_REQUEST
        port = int.from_bytes(request.value[:2], "little")
        if port == 0:
            return DropReason.BAD_REQUEST
        to = (request.source[0], port)
        request.reply(token=False, closer_nodes=False, to=to)
        return None

    def _find_node(self, request: Request) -> DropReason | None:
        if request.target is None:
            return DropReason.BAD_REQUEST
        request.reply(token=False)
        return None

    def _down_hint(self, request: Request) -> DropReason | None:
        if request.value is None or len(request.value) < PACKED_BYTES:
            return DropReason.BAD_REQUEST
        id_ = packed_node_id(bytes(request.value[:PACKED_BYTES]))
        self._node.neighbours.hear_down_hint(id_)
        request.reply(token=False, closer_nodes=False)
        return None

    def _delayed_ping(self, request: Request) -> DropReason | None:
        if request.value is None or len(request.value) < 4:
            return DropReason.BAD_REQUEST
        delay_s = int.from_bytes(request.value[:4], "little") / 1000
        if delay_s > self._node.max_ping_delay_s:
            return DropReason.BAD_REQUEST
        if len(self._delayed) >= MAX_DELAYED_PINGS:
            return DropReason.OVER_LIMIT
        key = self._next_delayed
        self._next_delayed += 1

        def answer() -> None:
            del self._delayed[key]
            request.reply(token=False, closer_nodes=False)

        self._delayed[key] = self._node.scheduler.call_later(delay_s, answer)
        return None
