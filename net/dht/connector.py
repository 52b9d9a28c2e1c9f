"""Connecting to a key: find nodes that know it, shake hands, find a path.

    searching --> handshaking --+-- direct: the server answered itself
      (both at once)            +-- server open: connect to its address
                                +-- we are open: wait for its packets
                                +-- same public host: ping it inside the own network
                                +-- punch (net.dht.punch), racing with the former

The first complete handshake wins, then the first path. Upstream: hyperdht 6.34.0
``lib/connect.js``; connecting through a blind relay is not part of this yet, but what
the peer says about it is kept.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from net.crypto import KeyPair, blake2b_256
from net.dht.addresses import (
    is_bogon,
    is_private,
    is_reserved,
    is_usable,
    match_address,
)
from net.dht.caches import GenerationCache
from net.dht.constants import (
    HANDSHAKE_TIMEOUT_S,
    MAX_CANDIDATES,
    MAX_RELAY_ADDRESSES,
    MAX_TRACE_STEPS,
    Address,
    Command,
    Firewall,
    PayloadError,
)
from net.dht.context import DhtContext
from net.dht.errors import (
    BadHandshakeReplyError,
    CannotHolepunchError,
    ConnectCancelledError,
    DhtError,
    HolepunchAbortedError,
    PeerConnectionFailedError,
    PeerNotFoundError,
    ServerFailedError,
    ServerIncompatibleError,
)
from net.dht.events import ConnectFailed, Path, StreamReady, Trace
from net.dht.handshake import ClientHandshake
from net.dht.holepuncher import Holepuncher
from net.dht.messages import (
    PAYLOAD_VERSION,
    HandshakeMessage,
    Mode,
    NoisePayload,
    RelayThroughInfo,
    UdxInfo,
)
from net.dht.punch import Agreement, ClientPunch
from net.dht.queries import DhtQuery, FoundPeer, Queries
from net.dht.strategy import read_firewall
from net.errors import NetError
from net.flow import Deferred, FlowTask, Timer, first_settled
from net.rpc import SERVER
from net.rpc.requests import DEFAULT_TIMEOUT_S

if TYPE_CHECKING:
    from net.dht.server import HolepunchHook
    from net.rpc import PendingRequest, Reply

_PARALLEL = 2
_PARALLEL_WITH_CANDIDATES = 3
_FIND_RETRIES = 3
_NO_SOCKET = "Too many sockets are open for hole punching already."


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """How to connect.

    Attributes:
        key_pair: Own identity.
        relay_addresses: Nodes known to reach the peer, tried first.
        local_connection: Tell the own interfaces' addresses and try the peer's.
        fast_open: Open a session to the server before the first answer.
        holepunch: Asked before a punch; False gives up.
        relay_through: A blind relay to propose; told to the server, not yet used.
    """

    key_pair: KeyPair
    relay_addresses: tuple[Address, ...] = ()
    local_connection: bool = True
    fast_open: bool = True
    holepunch: HolepunchHook | None = None
    relay_through: RelayThroughInfo | None = None


class Connecting:
    """An outgoing connection in the making; made by ``HyperDhtNode.connect``.

    Attributes:
        remote_public_key: The peer.
        finished: Settled with the ``StreamReady`` that is also given as event, or with
            the error of the ``ConnectFailed`` event.
        remote_relay_through: The blind relay the server proposed, if any.
    """

    def __init__(
        self,
        context: DhtContext,
        *,
        queries: Queries,
        relay_cache: GenerationCache[bytes, tuple[Address, ...]],
        remote_public_key: bytes,
        options: ConnectOptions,
    ) -> None:
        self._context = context
        self._queries = queries
        self._relay_cache = relay_cache
        self._options = options
        self._target = blake2b_256(remote_public_key)
        self._started_at = context.now
        self._trace: list[tuple[float, str]] = []
        self._handshake = ClientHandshake(
            options.key_pair, remote_public_key, entropy=context.entropy
        )
        self._local_id: int | None = None
        self._is_open = False
        self._value = b""
        self._agreed: Deferred[Agreement] = Deferred()
        self._waiting: deque[Address] = deque()
        self._tried: list[Address] = []
        self._attempt_count = 0
        self._searched_s = 0.0
        self._active = 0
        self._parallel = _PARALLEL
        self._idle: Deferred[None] = Deferred()
        self._requests: set[PendingRequest] = set()
        self._query: DhtQuery[FoundPeer] | None = None
        self._puncher: Holepuncher | None = None
        self._timer: Timer | None = None
        self._first_seen: tuple[int, Address] | None = None
        self._task: FlowTask[None] | None = None
        self.remote_public_key = remote_public_key
        self.remote_relay_through: RelayThroughInfo | None = None
        self.finished: Deferred[StreamReady] = Deferred()

    @property
    def trace(self) -> Trace:
        """The steps so far, with the instant of each."""
        return tuple(self._trace)

    @property
    def done(self) -> bool:
        """True once there is a path or an error."""
        return self.finished.settled

    def start(self) -> None:
        """Begin; to be called once."""
        context = self._context
        self._local_id = context.allocate_stream_id()
        context.claimants[self._local_id] = self._first_packet
        self._task = context.scheduler.spawn(self._run(), watched=True)
        self._task.when_settled(self._flow_ended)

    def cancel(self, error: DhtError | None = None) -> None:
        """Give up; ``finished`` fails with the error given or ConnectCancelledError."""
        self._fail(error or ConnectCancelledError())

    # -- finding and shaking hands -------------------------------------------------

    async def _run(self) -> None:
        agreement = await self._shake_hands()
        await self._find_path(agreement)

    async def _shake_hands(self) -> Agreement:
        noise = self._handshake.start(self._first_payload())
        self._value = HandshakeMessage(Mode.FROM_CLIENT, noise).encode()
        candidates = self._candidates()
        starts: list[tuple[Address, ...] | None] = [None]
        if candidates:
            starts = [candidates, None]
            self._parallel = _PARALLEL_WITH_CANDIDATES
            self._step(f"asking {len(candidates)} known relays")
            self._active += 1
            self._context.scheduler.spawn(self._try_in_turn(candidates))
        for nodes in starts:
            await self._search(nodes)
            if self._agreed.settled:
                return self._agreed.result()
        if not self._attempt_count and self._searched_s >= DEFAULT_TIMEOUT_S:
            # Under loss a query may end without the very nodes that know the peer.
            await self._search(None)
        await self._drained()
        if self._agreed.settled:
            return self._agreed.result()
        error = self._query.finished.error if self._query is not None else None
        if error is not None:
            raise error
        raise PeerConnectionFailedError if self._attempt_count else PeerNotFoundError

    async def _search(self, nodes: tuple[Address, ...] | None) -> None:
        """Ask the network once and shake hands through those that know the peer."""
        began_at = self._context.now
        self._query = self._queries.find_peer(
            self._target, nodes=nodes, retries=_FIND_RETRIES, on_found=self._found
        )
        await first_settled([self._agreed, self._query.finished])
        self._searched_s = self._context.now - began_at
        if not self._agreed.settled and self._attempt_count:
            await self._drained()

    def _candidates(self) -> tuple[Address, ...]:
        context = self._context
        forward = context.router.get(self._target, context.now)
        if forward is not None and forward.relay is not None:
            return (forward.relay,)
        if self._options.relay_addresses:
            return self._options.relay_addresses[:MAX_CANDIDATES]
        return self._relay_cache.get(self.remote_public_key, context.now) or ()

    def _first_payload(self) -> NoisePayload:
        context, options = self._context, self._options
        public = context.public_address()
        addresses: tuple[Address, ...] = () if public is None else (public,)
        if options.local_connection:
            addresses += context.local_addresses()
        self._is_open = public is not None
        assert self._local_id is not None
        return NoisePayload(
            firewall=Firewall.OPEN if self._is_open else Firewall.UNKNOWN,
            addresses4=addresses,
            udx=UdxInfo(self._local_id),
            secret_stream_version=1,
            relay_through=options.relay_through,
        )

    def _found(self, found: FoundPeer) -> None:
        if self._agreed.settled or found.source in self._tried:
            return
        if not self._tried:
            self._step("found a node that knows the peer")
        if len(self._tried) < MAX_CANDIDATES:
            self._tried.append(found.source)
            self._waiting.append(found.source)
            self._attempt_count += 1
            self._try_more()

    def _try_more(self) -> None:
        while self._waiting and self._active < self._parallel:
            self._active += 1
            relay = self._waiting.popleft()
            self._context.scheduler.spawn(self._try_in_turn((relay,)))

    async def _try_in_turn(self, relays: tuple[Address, ...]) -> None:
        """Shake hands through one relay after the other, until one works."""
        for relay in relays:
            if self._agreed.settled or self.done:
                break
            if relay not in self._tried:
                self._tried.append(relay)
            try:
                await self._try(relay)
            except NetError as error:
                self._context.counters[f"handshake-{error.code}"] += 1
        self._active -= 1
        if not self._agreed.settled:
            self._try_more()
        if self._active == 0:
            self._idle.resolve(None)

    async def _try(self, relay: Address) -> None:
        request = self._context.rpc.request(
            Command.PEER_HANDSHAKE, relay, target=self._target, value=self._value
        )
        self._requests.add(request)
        try:
            reply = await request
        finally:
            self._requests.discard(request)
        if not self._agreed.settled and not self.done:
            self._judge(reply, relay)

    def _judge(self, reply: Reply, relay: Address) -> None:
        """Take a relay's answer; only a deciphered one ends the search."""
        if not reply.value:
            raise BadHandshakeReplyError
        message = HandshakeMessage.decode(reply.value)
        peer = message.peer_address
        if message.mode != Mode.REPLY or reply.source != relay:
            raise BadHandshakeReplyError
        if peer is not None and not is_usable(peer):
            raise BadHandshakeReplyError
        payload = self._handshake.receive(message.noise)
        self._step(f"handshake complete through {relay[0]}:{relay[1]}")
        if payload.version != PAYLOAD_VERSION:
            self._agreed.fail(ServerIncompatibleError())
        elif payload.error != PayloadError.NONE or payload.udx is None:
            self._agreed.fail(ServerFailedError())
        else:
            assert self._handshake.result is not None
            self.remote_relay_through = payload.relay_through
            self._agreed.resolve(
                Agreement(
                    relay_address=relay,
                    relayed=peer is not None,
                    server_address=peer or relay,
                    client_address=reply.to,
                    socket=reply.socket,
                    payload=payload,
                    result=self._handshake.result,
                )
            )
        self._stop_searching()

    async def _drained(self) -> None:
        """Wait until no handshake is under way, or one is complete."""
        if self._active == 0:
            return
        self._idle = Deferred()
        await first_settled([self._agreed, self._idle])

    def _stop_searching(self) -> None:
        if self._query is not None:
            self._query.cancel()
        for request in list(self._requests):
            request.cancel()

    # -- the path ------------------------------------------------------------------

    async def _find_path(self, agreement: Agreement) -> None:
        context, payload = self._context, agreement.payload
        if self._first_seen is not None:
            self._first_packet(*self._first_seen)
            return
        if not agreement.relayed:
            self._claim(agreement.socket, agreement.server_address, "direct")
            return
        server_is_open = payload.firewall == Firewall.OPEN
        if self._is_open and not server_is_open:
            # It sends to us from a socket of its choice, and hears us on that one only.
            self._step("waiting for the server's packets")
            self._timer = context.scheduler.call_later(
                HANDSHAKE_TIMEOUT_S, lambda: self._fail(HolepunchAbortedError())
            )
            return
        if server_is_open or not agreement.relays:
            address = _first_public(payload.addresses4) or agreement.server_address
            context.counters["punches-open"] += 1
            self._claim(context.rpc.default_socket, address, "direct")
            return
        if context.pool.exhausted:
            raise CannotHolepunchError(_NO_SOCKET)
        self._try_lan(agreement)
        self._puncher = Holepuncher(
            context,
            is_initiator=True,
            remote_firewall=read_firewall(payload.firewall),
            on_connect=lambda socket, address: self._claim(socket, address, "direct"),
            on_abort=lambda: self._fail(HolepunchAbortedError()),
        )
        await ClientPunch(
            context,
            target=self._target,
            agreement=agreement,
            puncher=self._puncher,
            hook=self._options.holepunch,
            fast_open=self._options.fast_open,
            step=self._step,
        ).run()

    def _try_lan(self, agreement: Agreement) -> None:
        """Ping the server inside a network we seem to share."""
        same_host = agreement.client_address[0] == agreement.server_address[0]
        if not self._options.local_connection or not same_host:
            return
        context = self._context
        own = context.local_addresses()
        # Behind two routers of one kind both may have the same address inside; to
        # ping that would be to ping ourselves.
        offered = [
            a
            for a in agreement.payload.addresses4
            if a[1] and not is_reserved(a[0]) and a not in own
        ]
        if not offered:
            return
        address = match_address(own, offered) or offered[0]
        self._step(f"trying the local network: {address[0]}:{address[1]}")
        ping = context.rpc.ping(address)
        self._requests.add(ping)

        def answered(reply: Deferred[Reply]) -> None:
            self._requests.discard(ping)
            if reply.error is None:
                self._claim(SERVER, address, "lan")

        ping.when_settled(answered)

    def _first_packet(self, socket: int, address: Address) -> bool:
        """The server's stream speaks: that is where it is."""
        if self.done or not 0 < address[1] <= 0xFFFF:
            return False
        if not self._agreed.settled or self._agreed.error is not None:
            self._first_seen = (socket, address)
            return True
        agreement = self._agreed.result()
        self._claim(socket, address, self._path_of(socket, address, agreement))
        return True

    def _path_of(self, socket: int, address: Address, agreement: Agreement) -> Path:
        """What a packet that came by itself says about the path."""
        if socket in self._context.pool or not is_private(address[0]):
            return "direct"
        if self._is_open or agreement.payload.firewall == Firewall.OPEN:
            return "direct"
        shared = agreement.client_address[0] == agreement.server_address[0]
        return "lan" if shared and agreement.relayed else "direct"

    # -- the end -------------------------------------------------------------------

    def _claim(self, socket: int, address: Address, path: Path) -> None:
        if self.done or self._local_id is None:
            return
        agreement, context = self._agreed.result(), self._context
        assert agreement.payload.udx is not None
        local_id, self._local_id = self._local_id, None
        context.claimants.pop(local_id, None)
        context.hold_for_stream(local_id, socket)
        self._step(f"{path} path to {address[0]}:{address[1]}")
        named = agreement.payload.relay_addresses or ()
        known = [a for a in named if is_usable(a)] or self._tried
        del known[MAX_RELAY_ADDRESSES:]
        self._relay_cache.set(self.remote_public_key, tuple(known), context.now)
        ready = StreamReady(
            handle=self,
            local_id=local_id,
            remote_id=agreement.payload.udx.id,
            socket=socket,
            address=address,
            result=agreement.result,
            path=path,
            remote_public_key=self.remote_public_key,
            is_initiator=True,
            elapsed_s=context.now - self._started_at,
            trace=self.trace,
        )
        context.emit(ready)
        self.finished.resolve(ready)
        self._clean_up()

    def _fail(self, error: DhtError | NetError) -> None:
        if self.done:
            return
        context = self._context
        if self._local_id is not None:
            context.claimants.pop(self._local_id, None)
            context.release_stream_id(self._local_id)
            self._local_id = None
        self._step(f"failed: {error.code}")
        context.emit(ConnectFailed(self, error, self.trace))
        self.finished.fail(error)
        self._clean_up()

    def _clean_up(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._stop_searching()
        if self._puncher is not None:
            self._puncher.disarm()
        if self._task is not None:
            self._task.cancel()

    def _flow_ended(self, task: Deferred[None]) -> None:
        error = task.error
        if isinstance(error, NetError):
            self._fail(error)
        elif isinstance(error, Exception):
            raise error

    def _step(self, text: str) -> None:
        if len(self._trace) < MAX_TRACE_STEPS:
            self._trace.append((self._context.now, text))


def _first_public(addresses: tuple[Address, ...]) -> Address | None:
    return next((a for a in addresses if a[1] and not is_bogon(a[0])), None)
