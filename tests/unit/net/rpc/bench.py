"""One node on a bench: what it sends is read here, what it hears is written here."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from net.flow import Scheduler
from net.rpc import CLIENT, SERVER, Address, Request, RpcNode, node_id, pack_address
from net.rpc.messages import (
    REQUEST,
    RequestMessage,
    ResponseMessage,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)

OWN: Address = ("10.0.0.1", 49737)
OWN_CLIENT: Address = ("10.0.0.1", 51000)
PEER: Address = ("10.0.0.9", 5000)


@dataclass(frozen=True)
class Sent:
    """A datagram the node sent, read."""

    socket: int
    to: Address
    message: RequestMessage | ResponseMessage
    ttl: int | None

    @property
    def request(self) -> RequestMessage:
        assert isinstance(self.message, RequestMessage), self.message
        return self.message

    @property
    def response(self) -> ResponseMessage:
        assert isinstance(self.message, ResponseMessage), self.message
        return self.message


class Bench:
    """A node that has started, at time 0, without anybody to ask."""

    def __init__(self, *, start: bool = True, **options: Any) -> None:
        self.scheduler = Scheduler(now=0.0)
        self.requests: list[Request] = []
        options.setdefault("on_request", self._on_request)
        options.setdefault("entropy", random.Random("bench").randbytes)
        self.node = RpcNode(scheduler=self.scheduler, **options)
        if start:
            self.start()

    @classmethod
    def persistent(cls, **options: Any) -> Bench:
        """A node that knows its address, is open and sends its id."""
        options.setdefault("public_address", OWN)
        return cls(ephemeral=False, firewalled=False, **options)

    def start(self) -> None:
        self.node.start(server_port=OWN[1], client_port=OWN_CLIENT[1])

    @property
    def now(self) -> float:
        return self.scheduler.now

    def _on_request(self, request: Request) -> bool:
        self.requests.append(request)
        return True

    def advance(self, seconds: float) -> None:
        """Let time pass, running each timer at its instant."""
        end = self.now + seconds
        while (due := self.node.get_timer()) is not None and due <= end:
            self.node.handle_timer(due)
        self.node.handle_timer(end)

    def sent(self) -> list[Sent]:
        """What was sent since the last call."""
        found = []
        for socket, data, to, ttl in self.node.datagrams_to_send():
            decode = decode_request if data[0] == REQUEST else decode_response
            found.append(Sent(socket, to, decode(data), ttl))
        return found

    def hear(
        self, data: bytes, *, source: Address = PEER, socket: int = SERVER
    ) -> None:
        """Hand a datagram to the node."""
        self.node.receive_datagram(data, source, self.now, socket=socket)

    def ask(
        self,
        command: int,
        *,
        internal: bool = False,
        source: Address = PEER,
        persistent: bool = False,
        token: bytes | None = None,
        target: bytes | None = None,
        value: bytes | None = None,
        socket: int = SERVER,
        tid: int = 77,
    ) -> list[Sent]:
        """Send the node a request and give what it sends at once."""
        id_ = node_id(source) if persistent else None
        to = pack_address(OWN)
        message = RequestMessage(tid, to, id_, token, internal, command, target, value)
        self.hear(encode_request(message), source=source, socket=socket)
        return self.sent()

    def answer(
        self,
        sent: Sent,
        *,
        source: Address | None = None,
        persistent: bool = True,
        token: bytes | None = None,
        closer: list[Address] | None = None,
        error: int = 0,
        value: bytes | None = None,
        to: Address = OWN,
        socket: int | None = None,
    ) -> None:
        """Answer a request of the node."""
        source = source or sent.to
        message = ResponseMessage(
            sent.request.tid,
            pack_address(to),
            node_id(source) if persistent else None,
            token,
            b"".join(pack_address(address) for address in closer or []),
            error,
            value,
        )
        arriving = sent.socket if socket is None else socket
        self.hear(encode_response(message), source=source, socket=arriving)

    def meet(self, *addresses: Address) -> None:
        """Let nodes introduce themselves by a ping."""
        for address in addresses:
            self.ask(0, internal=True, source=address, persistent=True)


def peers(count: int) -> list[Address]:
    """Addresses of so many nodes."""
    return [(f"10.1.{i >> 8}.{i & 255}", 2000 + i) for i in range(count)]


__all__ = ["CLIENT", "OWN", "OWN_CLIENT", "PEER", "SERVER", "Bench", "Sent", "peers"]
