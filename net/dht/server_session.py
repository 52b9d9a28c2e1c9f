"""One client at a server's door: its handshake, then its hole punch rounds.

    answered --+-- claimed          direct, open client, or first packet of the stream
               +-- waiting (10 s)   for packets, a LAN ping or the punch to begin
               +-- punching         until a packet comes or the puncher gives up

A session ends claimed or aborted, and stays known a while so that repeats of the same
handshake get the same answer. Upstream: hyperdht 6.34.0 ``lib/server.js``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from net.dht.addresses import is_private, match_address
from net.dht.constants import (
    HANDSHAKE_TIMEOUT_S,
    MAX_PUNCH_FLOWS,
    MAX_TRACE_STEPS,
    Address,
    Firewall,
    PayloadError,
)
from net.dht.context import DhtContext
from net.dht.events import Path, StreamReady
from net.dht.handshake import PayloadBox, ServerHandshake, holepunch_secret
from net.dht.holepuncher import Holepuncher
from net.dht.messages import (
    PAYLOAD_VERSION,
    HolepunchInfo,
    HolepunchMessage,
    HolepunchPayload,
    NoisePayload,
    UdxInfo,
)
from net.dht.router import Answer
from net.dht.strategy import read_firewall
from net.errors import EnvironmentFault, RemoteProtocolError
from net.flow import Deferred, Timer
from net.rpc import unpack_address

if TYPE_CHECKING:
    from net.dht.server import Server
    from net.noise.handshake import HandshakeResult
    from net.rpc import Request


class ServerSession:
    """One handshake of one client.

    Args:
        server: Whose door it is.
        context: The node's shared state.
        number: The slot, which the client names in hole punch messages.
        noise: The client's message, by which repeats are known.

    Attributes:
        answer: Settled with what to answer, None for silence.
        remote_public_key: The client, once deciphered.
        relay_through: The blind relay the client asked for, if any.
        ended_at: Instant at which the session was over, None while it lives.
        connected: True if it ended with a path to the client.
    """

    def __init__(
        self, server: Server, context: DhtContext, number: int, noise: bytes
    ) -> None:
        self.number = number
        self.noise = noise
        self._server = server
        self._context = context
        self._started_at = context.now
        self._trace: list[tuple[float, str]] = []
        self._box: PayloadBox | None = None
        self._puncher: Holepuncher | None = None
        self._timer: Timer | None = None
        self._local_id: int | None = None
        self._remote: NoisePayload = NoisePayload()
        self._result: HandshakeResult | None = None
        self._client_address: Address = ("0.0.0.0", 0)
        self._round = 0
        self._flows = 0
        self._lan = False
        self.answer: Deferred[Answer | None] = Deferred()
        self.remote_public_key = b""
        self.relay_through: object | None = None
        self.ended_at: float | None = None
        self.connected = False

    @property
    def client_address(self) -> Address:
        """The client as its relay, or we ourselves, saw it."""
        return self._client_address

    def begin(self, peer_address: Address | None, request: Request) -> bool:
        """Decipher the handshake and start what follows from it.

        Returns:
            False if there will be no answer: undecipherable or refused.
        """
        context = self._context
        self._client_address = peer_address or request.source
        handshake = ServerHandshake(self._server.key_pair, entropy=context.entropy)
        try:
            self._remote = handshake.receive(self.noise)
        except RemoteProtocolError:
            context.counters["handshake-undecipherable"] += 1
            return False
        self.remote_public_key = handshake.remote_public_key
        self.relay_through = self._remote.relay_through
        if self._server.refuses(
            self.remote_public_key, self._remote, self._client_address
        ):
            context.counters["handshake-refused"] += 1
            return False
        error = _judge(self._remote)
        if error is PayloadError.NONE:
            self._local_id = context.allocate_stream_id()
            context.claimants[self._local_id] = self._first_packet
        reply = handshake.reply(self._reply_payload(error))
        self._result = handshake.result
        self._step("handshake answered")
        if error is not PayloadError.NONE:
            self.answer.resolve(Answer(reply))
            self._end()
            return True
        return self._proceed(reply, direct=peer_address is None, request=request)

    def on_holepunch(
        self,
        message: HolepunchMessage,
        request: Request,
        done: Callable[[Answer | None], None],
    ) -> None:
        """Take a hole punch message of this client."""
        if self._box is None:
            return
        try:
            payload = self._box.open(message.payload)
        except RemoteProtocolError as error:
            self._context.counters[f"holepunch-{error.code}"] += 1
            return
        puncher = self._puncher
        if puncher is None or puncher.destroyed:
            done(self._abort_answer(PayloadError.ABORTED))
            return
        if self._flows >= MAX_PUNCH_FLOWS:
            self._context.counters["holepunch-flood"] += 1
            return
        assert message.peer_address is not None, "the router checks this"
        self._context.scheduler.spawn(
            self._punch_round(puncher, payload, message.peer_address, request, done)
        )

    def close(self) -> None:
        """End at once, without a word to the client."""
        self._stop_timer()
        if self._puncher is not None:
            self._puncher.disarm()
        self._forget_stream()
        self.answer.resolve(None)
        self._end()

    # -- after the handshake -------------------------------------------------------

    def _proceed(self, reply: bytes, *, direct: bool, request: Request) -> bool:
        context = self._context
        if direct or self._remote.firewall == Firewall.OPEN:
            self.answer.resolve(Answer(reply))
            socket = request.socket if direct else context.rpc.default_socket
            context.counters["punches-open"] += 1
            self._claim(socket, self._client_address, "direct")
            return True
        self._lan = self._is_neighbour(unpack_address(request.to))
        is_open = context.public_address() is not None
        if not self._lan and (is_open or not self._server.punches):
            self._wait(self._abort)
            self.answer.resolve(Answer(reply))
            return True
        try:
            self._puncher = self._new_puncher()
        except EnvironmentFault:
            context.counters["handshake-no-socket"] += 1
            self._forget_stream()
            return False
        assert self._result is not None
        secret = holepunch_secret(self._result.handshake_hash)
        self._box = PayloadBox(secret, entropy=context.entropy)
        self._wait(self._abort)
        if self._lan:
            # The answer leaves from the normal socket, so that the client is told the
            # address at which it can ping us inside the common network.
            self._step("waiting for the LAN shortcut")
            self.answer.resolve(Answer(reply))
            return True
        puncher = self._puncher
        puncher.opened.when_settled(lambda opened: self._answer_from(reply, opened))
        return True

    def _answer_from(self, reply: bytes, opened: Deferred[int]) -> None:
        if opened.error is None and self._puncher is not None:
            self.answer.resolve(Answer(reply, self._puncher.socket))
            return
        self.answer.resolve(None)
        self._abort()

    def _is_neighbour(self, own_address: Address) -> bool:
        """True if the client comes from our own public host and a near network."""
        if not self._server.share_local_address:
            return False
        if self._client_address[0] != own_address[0]:
            return False
        near = [a for a in self._remote.addresses4 if is_private(a[0])]
        return match_address(self._context.local_addresses(), near) is not None

    def _new_puncher(self) -> Holepuncher:
        return Holepuncher(
            self._context,
            is_initiator=False,
            remote_firewall=read_firewall(self._remote.firewall),
            on_connect=_leave_to_first_packet,
            on_abort=self._abort,
        )

    def _reply_payload(self, error: PayloadError) -> NoisePayload:
        context, server = self._context, self._server
        public = context.public_address()
        addresses: tuple[Address, ...] = () if public is None else (public,)
        if server.share_local_address:
            addresses += context.local_addresses()
        return NoisePayload(
            error=error,
            firewall=Firewall.UNKNOWN if public is None else Firewall.OPEN,
            holepunch=(
                HolepunchInfo(self.number, server.relays) if public is None else None
            ),
            addresses4=addresses,
            udx=UdxInfo(self._local_id or 0),
            secret_stream_version=1,
            relay_addresses=server.relay_addresses or None,
        )

    # -- hole punching -------------------------------------------------------------

    async def _punch_round(
        self,
        puncher: Holepuncher,
        payload: HolepunchPayload,
        peer_address: Address,
        request: Request,
        done: Callable[[Answer | None], None],
    ) -> None:
        self._flows += 1
        try:
            done(await self._judge_round(puncher, payload, peer_address, request))
        finally:
            self._flows -= 1

    async def _judge_round(
        self,
        puncher: Holepuncher,
        payload: HolepunchPayload,
        peer_address: Address,
        request: Request,
    ) -> Answer | None:
        assert self._box is not None
        own_relay = self._server.is_relay(request.source)
        if payload.error != PayloadError.NONE:
            self._round = max(self._round, payload.round)
            return self._abort_answer(PayloadError.ABORTED)
        token = self._box.token(peer_address)
        echoed = own_relay and payload.remote_token == token
        if request.socket == puncher.socket:
            puncher.nat.add(unpack_address(request.to), request.source)
        if payload.round >= self._round:
            self._round = payload.round
            puncher.update_remote(
                payload, verified_host=peer_address[0] if echoed else None
            )
        self._step(f"hole punch round {payload.round}")
        stable = await puncher.analyze(allow_reopen=False)
        if not puncher.destroyed and not stable and not puncher.remote_holepunching:
            stable = await puncher.analyze(allow_reopen=True)
            if not stable and not puncher.destroyed:
                return self._abort_answer(PayloadError.ABORTED)
        if puncher.destroyed:
            return None
        nat = puncher.nat
        if (
            nat.firewall in (Firewall.OPEN, Firewall.CONSISTENT)
            and payload.remote_address is not None
            and payload.remote_address in (nat.addresses or ())
        ):
            # The client opened its firewall towards us already: greet it.
            puncher.probe(peer_address)
        if puncher.remote_holepunching:
            error = self._start_punching(puncher)
            if error is not PayloadError.NONE:
                return self._abort_answer(error)
        if nat.firewall is not Firewall.UNKNOWN:
            nat.freeze()
        answer = HolepunchPayload(
            firewall=nat.firewall,
            round=self._round,
            connected=puncher.connected,
            punching=puncher.punching,
            addresses=nat.addresses,
            token=token if own_relay else None,
            remote_token=payload.token,
        )
        return Answer(self._box.seal(answer), puncher.socket)

    def _start_punching(self, puncher: Holepuncher) -> PayloadError:
        if not self._server.allows_punch(puncher):
            return PayloadError.ABORTED
        self._stop_timer()
        if puncher.is_random:
            self._context.counters["random-punch-refused"] += 1
            return PayloadError.TRY_LATER
        if not puncher.punch():
            return PayloadError.ABORTED
        self._step("punching")
        return PayloadError.NONE

    def _abort_answer(self, error: PayloadError) -> Answer | None:
        assert self._box is not None
        box = self._box.seal(HolepunchPayload(error=error, round=self._round))
        if self._puncher is not None:
            self._puncher.destroy()
        return Answer(box, self._context.rpc.default_socket)

    # -- the end -------------------------------------------------------------------

    def _first_packet(self, socket: int, address: Address) -> bool:
        """The client's stream speaks: that is where it is."""
        if not 0 < address[1] <= 0xFFFF or self.ended_at is not None:
            return False
        self._claim(socket, address, self._path_of(socket, address))
        return True

    def _path_of(self, socket: int, address: Address) -> Path:
        if socket in self._context.pool or not is_private(address[0]):
            return "direct"
        inside = self._lan or not is_private(self._client_address[0])
        return "lan" if inside else "direct"

    def _claim(self, socket: int, address: Address, path: Path) -> None:
        if self.ended_at is not None or self._local_id is None:
            return
        assert self._result is not None
        assert self._remote.udx is not None
        local_id, self._local_id = self._local_id, None
        self._context.claimants.pop(local_id, None)
        self._context.hold_for_stream(local_id, socket)
        self._stop_timer()
        if self._puncher is not None:
            self._puncher.disarm()
        self._step(f"{path} path from {address[0]}:{address[1]}")
        self.connected = True
        self._end()
        self._context.emit(
            StreamReady(
                handle=self._server,
                local_id=local_id,
                remote_id=self._remote.udx.id,
                socket=socket,
                address=address,
                result=self._result,
                path=path,
                remote_public_key=self.remote_public_key,
                is_initiator=False,
                elapsed_s=self._context.now - self._started_at,
                trace=tuple(self._trace),
            )
        )

    def _abort(self) -> None:
        if self.ended_at is not None:
            return
        self._stop_timer()
        self._step("given up")
        self._context.counters["sessions-aborted"] += 1
        self._forget_stream()
        self._end()
        if self._puncher is not None:
            self._puncher.disarm()

    def _end(self) -> None:
        if self.ended_at is None:
            self.ended_at = self._context.now
            self._server.session_ended(self)

    def _forget_stream(self) -> None:
        if self._local_id is not None:
            self._context.claimants.pop(self._local_id, None)
            self._context.release_stream_id(self._local_id)
            self._local_id = None

    def _wait(self, then: Callable[[], None]) -> None:
        self._timer = self._context.scheduler.call_later(HANDSHAKE_TIMEOUT_S, then)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _step(self, text: str) -> None:
        if len(self._trace) < MAX_TRACE_STEPS:
            self._trace.append((self._context.now, text))


def _leave_to_first_packet(socket: int, address: Address) -> None:
    """Probes do not decide here: the client's first packet does."""
    del socket, address


def _judge(payload: NoisePayload) -> PayloadError:
    if payload.version != PAYLOAD_VERSION:
        return PayloadError.VERSION_MISMATCH
    return PayloadError.ABORTED if payload.udx is None else PayloadError.NONE
