"""A server: announced under its key, it answers handshakes and lets clients in.

Sessions (:mod:`net.dht.server_session`) do the work for one client each; this class
finds the session of a message, limits their number and forgets them in time. It knows
repeats of a handshake by their bytes. Upstream: hyperdht 6.34.0 ``lib/server.js``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from net.crypto import KeyPair, blake2b_256
from net.dht.announcer import Announcer
from net.dht.constants import (
    HANDSHAKE_CLEAR_S,
    MAX_REFUSED,
    MAX_SESSIONS,
    MAX_SESSIONS_PER_HOST,
    Address,
    Firewall,
)
from net.dht.context import DhtContext
from net.dht.errors import (
    AlreadyListeningError,
    KeyPairAlreadyUsedError,
    NodeClosedError,
)
from net.dht.messages import HolepunchMessage, NoisePayload, RelayInfo
from net.dht.queries import Queries
from net.dht.router import Answer, Forward
from net.dht.server_session import ServerSession
from net.flow import FlowTask

if TYPE_CHECKING:
    from net.dht.holepuncher import Holepuncher
    from net.rpc import Request

FirewallHook = Callable[[bytes, NoisePayload, Address], bool]
"""Takes the client's key, payload and address; True refuses it without an answer."""

HolepunchHook = Callable[
    [Firewall, Firewall, tuple[Address, ...], tuple[Address, ...] | None], bool
]
"""Takes remote and own firewall, remote and own addresses; False gives up."""


class Server:
    """One listening key of a node; made by ``HyperDhtNode.create_server``.

    Clients that got through appear as ``StreamReady`` events with this as handle.

    Args:
        context: The node's shared state.
        queries: For the announcer.
        siblings: The servers of the node that listen; ``listen`` adds this one.
        default_key_pair: Used when ``listen`` is given none.
        firewall: Asked for each client that proved its key.
        holepunch: Asked before each punch; False for never punching.
        share_local_address: Tell clients the addresses of own interfaces, for paths
            inside a common network.

    Attributes:
        listening: True from ``listen`` to ``close``.
    """

    def __init__(
        self,
        context: DhtContext,
        *,
        queries: Queries,
        siblings: list[Server],
        default_key_pair: KeyPair,
        firewall: FirewallHook | None = None,
        holepunch: HolepunchHook | bool = True,
        share_local_address: bool = True,
    ) -> None:
        self._context = context
        self._queries = queries
        self._siblings = siblings
        self._key_pair = default_key_pair
        self._firewall = firewall
        self._holepunch = holepunch
        self._announcer: Announcer | None = None
        self._slots: list[ServerSession | None] = []
        self._by_noise: dict[bytes, ServerSession] = {}
        self._ended: dict[ServerSession, None] = {}
        self._hosts: Counter[str] = Counter()
        self._settled_noise: dict[bytes, None] = {}
        self._closing: FlowTask[None] | None = None
        self.share_local_address = share_local_address
        self.listening = False
        self.target = b""

    @property
    def key_pair(self) -> KeyPair:
        """What this server proves itself with."""
        return self._key_pair

    @property
    def public_key(self) -> bytes:
        """The key clients connect to."""
        return self._key_pair.public_key

    @property
    def relays(self) -> tuple[RelayInfo, ...]:
        """Nodes that forward to this server."""
        return () if self._announcer is None else self._announcer.relays

    @property
    def relay_addresses(self) -> tuple[Address, ...]:
        """Addresses that clients may keep for connecting again."""
        return () if self._announcer is None else self._announcer.relay_addresses

    @property
    def punches(self) -> bool:
        """False if this server never punches."""
        return self._holepunch is not False

    @property
    def session_count(self) -> int:
        """Handshakes remembered now."""
        return len(self._by_noise)

    def listen(self, key_pair: KeyPair | None = None) -> FlowTask[None]:
        """Take handshakes for a key, and announce it.

        Args:
            key_pair: The key, the node's own if not given.

        Returns:
            A task settled once the first announcement is over. It fails with
            AlreadyListeningError, KeyPairAlreadyUsedError or NodeClosedError.
        """
        return self._context.scheduler.spawn(self._listen(key_pair), watched=True)

    def close(self) -> FlowTask[None]:
        """End all handshakes, unannounce for a bounded time, and be done."""
        if self._closing is None:
            self._closing = self._context.scheduler.spawn(self._close(), watched=True)
        return self._closing

    def refresh(self) -> None:
        """Announce anew soon: the network changed."""
        if self._announcer is not None and not self._context.suspended:
            self._announcer.refresh()

    def suspend(self) -> FlowTask[None] | None:
        """End all handshakes and unannounce, to be taken up by ``resume``."""
        self._clear()
        return None if self._announcer is None else self._announcer.stop()

    def resume(self) -> None:
        """Announce again after ``suspend``."""
        if self._announcer is not None:
            self._announcer.start()

    # -- what sessions ask ---------------------------------------------------------

    def refuses(self, key: bytes, payload: NoisePayload, address: Address) -> bool:
        """True if the owner does not want this client."""
        return self._firewall is not None and self._firewall(key, payload, address)

    def allows_punch(self, puncher: Holepuncher) -> bool:
        """True if the owner lets this punch begin."""
        if not callable(self._holepunch):
            return self._holepunch
        return self._holepunch(
            puncher.remote_firewall,
            puncher.nat.firewall,
            tuple(remote.address for remote in puncher.remote_addresses),
            puncher.nat.addresses,
        )

    def is_relay(self, address: Address) -> bool:
        """True if this node was told our key lately."""
        return self._announcer is not None and self._announcer.is_relay(address)

    def session_ended(self, session: ServerSession) -> None:
        """A session is over; forget it after a while, or when room is needed."""
        if not self._is_known(session):
            return
        self._ended[session] = None
        if session.connected:
            self._uncount(session)
        self._context.scheduler.call_later(
            HANDSHAKE_CLEAR_S, lambda: self._forget(session)
        )

    # -- what the router brings ----------------------------------------------------

    def on_handshake(
        self,
        noise: bytes,
        peer_address: Address | None,
        request: Request,
        done: Callable[[Answer | None], None],
    ) -> None:
        """Take a handshake, new or repeated."""
        session = self._by_noise.get(noise)
        if session is None:
            session = self._new_session(noise, peer_address, request)
            if session is None:
                return
        else:
            self._context.counters["handshake-repeated"] += 1
        answer = session.answer
        if answer.settled:
            done(answer.result())
        else:
            answer.when_settled(lambda settled: done(settled.result()))

    def on_holepunch(
        self,
        message: HolepunchMessage,
        request: Request,
        done: Callable[[Answer | None], None],
    ) -> None:
        """Take a hole punch message for one of the sessions."""
        number = message.id
        session = self._slots[number] if number < len(self._slots) else None
        if session is None or not self.listening or self._context.suspended:
            self._context.counters["holepunch-unknown"] += 1
            return
        session.on_holepunch(message, request, done)

    # -- inside --------------------------------------------------------------------

    async def _listen(self, key_pair: KeyPair | None) -> None:
        if self.listening or self._closing is not None:
            raise AlreadyListeningError
        if self._context.closed:
            raise NodeClosedError
        if key_pair is not None:
            self._key_pair = key_pair
        target = blake2b_256(self.public_key)
        if any(sibling.target == target for sibling in self._siblings):
            raise KeyPairAlreadyUsedError
        self.target = target
        self.listening = True
        self._siblings.append(self)
        announcer = Announcer(self._context, self._queries, self._key_pair, target)
        self._announcer = announcer
        forward = Forward(record=announcer.record, server=self)
        self._context.router.set(target, forward, self._context.now)
        if not self._context.suspended:
            await announcer.start()

    async def _close(self) -> None:
        if not self.listening:
            return
        self.listening = False
        self._siblings.remove(self)
        self._context.router.delete(self.target)
        self._clear()
        announcer, self._announcer = self._announcer, None
        if announcer is not None:
            await announcer.stop(unannounce=not self._context.suspended)

    def _new_session(
        self, noise: bytes, peer_address: Address | None, request: Request
    ) -> ServerSession | None:
        counters = self._context.counters
        if not self.listening or self._context.suspended:
            return None
        if noise in self._settled_noise:
            counters["handshake-replayed"] += 1
            return None
        host = (peer_address or request.source)[0]
        if len(self._by_noise) >= MAX_SESSIONS:
            if not self._ended:
                counters["handshake-flood"] += 1
                return None
            self._forget(next(iter(self._ended)))
        if self._hosts[host] >= MAX_SESSIONS_PER_HOST:
            counters["handshake-flood-host"] += 1
            return None
        number = self._free_slot()
        session = ServerSession(self, self._context, number, noise)
        self._slots[number] = session
        self._by_noise[noise] = session
        self._hosts[host] += 1
        answered = False
        try:
            answered = session.begin(peer_address, request)
        finally:
            # Also when the owner's firewall hook fails: its error is loud, but the
            # place at the door must not be lost with it.
            if not answered:
                self._forget(session)
        return session if answered else None

    def _free_slot(self) -> int:
        for number, session in enumerate(self._slots):
            if session is None:
                return number
        self._slots.append(None)
        return len(self._slots) - 1

    def _is_known(self, session: ServerSession) -> bool:
        number = session.number
        return number < len(self._slots) and self._slots[number] is session

    def _forget(self, session: ServerSession) -> None:
        if not self._is_known(session):
            return
        self._slots[session.number] = None
        while self._slots and self._slots[-1] is None:
            self._slots.pop()
        self._ended.pop(session, None)
        if not session.connected:
            self._uncount(session)
        del self._by_noise[session.noise]
        if session.remote_public_key:
            self._remember_settled(session.noise)
        session.close()

    def _uncount(self, session: ServerSession) -> None:
        """Stop counting a session against its client's host."""
        host = session.client_address[0]
        self._hosts[host] -= 1
        if self._hosts[host] <= 0:
            del self._hosts[host]

    def _remember_settled(self, noise: bytes) -> None:
        """Ignore copies of a handshake that is over: an attacker may keep them.

        Only of such as could be deciphered, or rubbish would push those out.
        """
        self._settled_noise[noise] = None
        if len(self._settled_noise) > MAX_REFUSED:
            del self._settled_noise[next(iter(self._settled_noise))]

    def _clear(self) -> None:
        for session in [s for s in self._slots if s is not None]:
            self._forget(session)
