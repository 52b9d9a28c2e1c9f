"""Passing handshakes and hole punch messages on between client, relays and server.

A message travels inside requests that keep their number, command and target from hop to
hop; each hop re-addresses it and names the next sender. A relay needs nothing but the
forward table and deciphers nothing::

    client --FROM_CLIENT--> relay --FROM_RELAY--> server --FROM_SERVER--> relay
    relay --REPLY (a response)--> client

A relay whose forward entry points to another relay sends FROM_SECOND_RELAY, and the
server answers to the first relay. A server asked directly answers REPLY itself.
Upstream: hyperdht 6.34.0 ``lib/router.js``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from net.dht.caches import GenerationCache
from net.dht.constants import (
    MAX_FORWARDS,
    MAX_NOISE_BYTES,
    RECORD_AGE_S,
    Address,
    Command,
)
from net.dht.messages import HandshakeMessage, HolepunchMessage, Mode
from net.errors import RemoteProtocolError

if TYPE_CHECKING:
    from net.rpc import Request


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answers to a handshake or a hole punch message.

    Attributes:
        data: The Noise message or the encrypted payload.
        socket: Where to send it from, None for the socket the request came in on.
    """

    data: bytes
    socket: int | None = None


class HandshakeHandler(Protocol):
    """A server as the router sees it; answers come through ``done``, at once or later.

    None as answer means silence.
    """

    def on_handshake(
        self,
        noise: bytes,
        peer_address: Address | None,
        request: Request,
        done: Callable[[Answer | None], None],
    ) -> None:
        """Take a handshake; ``peer_address`` is the client, None if asked directly."""

    def on_holepunch(
        self,
        message: HolepunchMessage,
        request: Request,
        done: Callable[[Answer | None], None],
    ) -> None:
        """Take a hole punch message that came through a relay."""


@dataclass(frozen=True, slots=True)
class Forward:
    """One entry of the forward table.

    Attributes:
        record: The encoded ``PeerRecord`` told to those who look for the peer.
        relay: Where to pass messages on, None for servers of this node.
        server: The server of this node, if it is one.
    """

    record: bytes
    relay: Address | None = None
    server: HandshakeHandler | None = None


class Router:
    """The forward table of one node and the rules of passing on.

    Attributes:
        dropped: Messages not passed on, counted by reason.
        relayed_count: Messages passed on.
    """

    def __init__(self, *, max_age_s: float = RECORD_AGE_S) -> None:
        self._forwards: GenerationCache[bytes, Forward] = GenerationCache(
            max_entries=MAX_FORWARDS, max_age_s=max_age_s
        )
        self.dropped: Counter[str] = Counter()
        self.relayed_count = 0

    def __len__(self) -> int:
        return len(self._forwards)

    def set(self, target: bytes, forward: Forward, now: float) -> None:
        """Store an entry; one for a server of ours stays until deleted."""
        if forward.server is not None:
            self._forwards.retain(target, forward)
        else:
            self._forwards.set(target, forward, now)

    def get(self, target: bytes, now: float) -> Forward | None:
        """The entry of a target, or None."""
        return self._forwards.get(target, now)

    def discard(self, target: bytes) -> None:
        """Drop what others announced; an entry for a server of ours stays."""
        self._forwards.discard(target)

    def delete(self, target: bytes) -> None:
        """Drop an entry."""
        self._forwards.delete(target)

    def handle(self, request: Request, now: float) -> bool:
        """Serve PEER_HANDSHAKE and PEER_HOLEPUNCH.

        Returns:
            False if the command is neither.
        """
        try:
            if request.command == Command.PEER_HANDSHAKE:
                reason = self._on_handshake(request, now)
            elif request.command == Command.PEER_HOLEPUNCH:
                reason = self._on_holepunch(request, now)
            else:
                return False
        except RemoteProtocolError as error:
            reason = error.code
        if reason is not None:
            self.dropped[reason] += 1
        return True

    def _on_handshake(self, request: Request, now: float) -> str | None:
        message = HandshakeMessage.decode(request.value or b"")
        if not message.noise or len(message.noise) > MAX_NOISE_BYTES:
            return "no-noise"
        target = request.target
        forward = None if target is None else self.get(target, now)
        if forward is not None and forward.server is not None:
            return self._serve_handshake(message, forward.server, request)
        relay = None if forward is None else forward.relay
        return self._relay_handshake(message, relay, request)

    def _serve_handshake(
        self, message: HandshakeMessage, server: HandshakeHandler, request: Request
    ) -> str | None:
        mode, peer = message.mode, message.peer_address
        if mode == Mode.FROM_CLIENT:
            # A client that names a peer address would pass for a relay.
            peer = None
        elif mode == Mode.FROM_RELAY or (
            mode == Mode.FROM_SECOND_RELAY and message.relay_address is not None
        ):
            if not _usable(peer):
                return "no-peer-address"
        else:
            return "unexpected-mode"

        def done(answer: Answer | None) -> None:
            if answer is None:
                return
            if mode == Mode.FROM_CLIENT:
                reply = HandshakeMessage(Mode.REPLY, answer.data)
                request.reply(
                    reply.encode(),
                    token=False,
                    closer_nodes=False,
                    socket=answer.socket,
                )
                return
            back = HandshakeMessage(Mode.FROM_SERVER, answer.data, peer)
            to = message.relay_address if mode == Mode.FROM_SECOND_RELAY else None
            request.relay(back.encode(), to or request.source, socket=answer.socket)

        server.on_handshake(message.noise, peer, request, done)
        return None

    def _relay_handshake(
        self, message: HandshakeMessage, relay: Address | None, request: Request
    ) -> str | None:
        mode, peer = message.mode, message.peer_address
        if mode == Mode.FROM_CLIENT:
            to = message.relay_address or relay
            if to is None:
                request.reply(None, token=False)
                return None
            onward = HandshakeMessage(Mode.FROM_RELAY, message.noise, request.source)
        elif mode == Mode.FROM_RELAY:
            to = relay
            onward = HandshakeMessage(
                Mode.FROM_SECOND_RELAY, message.noise, peer, request.source
            )
        elif mode == Mode.FROM_SERVER:
            if peer is None or not _usable(peer):
                return "no-peer-address"
            reply = HandshakeMessage(Mode.REPLY, message.noise, request.source)
            self.relayed_count += 1
            request.reply(reply.encode(), to=peer, token=False, closer_nodes=False)
            return None
        else:
            return "unexpected-mode"
        if to is None or not _usable(to):
            return "no-forward"
        self.relayed_count += 1
        request.relay(onward.encode(), to)
        return None

    def _on_holepunch(self, request: Request, now: float) -> str | None:
        message = HolepunchMessage.decode(request.value or b"")
        mode, peer = message.mode, message.peer_address
        forward = None if request.target is None else self.get(request.target, now)
        if mode == Mode.FROM_CLIENT:
            to = peer or (None if forward is None else forward.relay)
            if to is None or not _usable(to):
                return "no-forward"
            onward = HolepunchMessage(
                Mode.FROM_RELAY, message.id, message.payload, request.source
            )
            self.relayed_count += 1
            request.relay(onward.encode(), to)
            return None
        if peer is None or not _usable(peer):
            return "no-peer-address"
        if mode == Mode.FROM_RELAY:
            if forward is None or forward.server is None:
                return "no-forward"
            self._serve_holepunch(message, forward.server, request)
            return None
        if mode == Mode.FROM_SERVER:
            reply = HolepunchMessage(
                Mode.REPLY, message.id, message.payload, request.source
            )
            self.relayed_count += 1
            request.reply(reply.encode(), to=peer, token=False, closer_nodes=False)
            return None
        return "unexpected-mode"

    def _serve_holepunch(
        self, message: HolepunchMessage, server: HandshakeHandler, request: Request
    ) -> None:
        def done(answer: Answer | None) -> None:
            if answer is None:
                return
            back = HolepunchMessage(
                Mode.FROM_SERVER, 0, answer.data, message.peer_address
            )
            request.relay(back.encode(), request.source, socket=answer.socket)

        server.on_holepunch(message, request, done)


def _usable(address: Address | None) -> bool:
    return address is not None and address[1] > 0
