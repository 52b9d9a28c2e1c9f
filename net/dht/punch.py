"""The client's side of hole punching: probe round, punch round, and when to give up.

Messages go through relays: first through the one the server prefers, so that a token
comes back over a path that proves the server's host; then through the one the client
shook hands on, so that the server proves the client's. Between the two both sides find
out their firewalls. Upstream: hyperdht 6.34.0 ``lib/connect.js``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from net.dht.addresses import is_usable
from net.dht.constants import (
    MAX_PUNCH_ADDRESSES,
    Address,
    Command,
    Firewall,
    PayloadError,
)
from net.dht.context import DhtContext
from net.dht.errors import (
    BadHolepunchReplyError,
    DhtError,
    DoubleRandomizedNatsError,
    HolepunchAbortedError,
    HolepunchInvalidError,
    HolepunchProbeTimeoutError,
    RandomNatUnsupportedError,
    RemoteAbortedError,
    RemoteNotHolepunchableError,
    RemoteNotHolepunchingError,
)
from net.dht.handshake import PayloadBox, holepunch_secret
from net.dht.holepuncher import Holepuncher
from net.dht.messages import (
    HolepunchMessage,
    HolepunchPayload,
    Mode,
    NoisePayload,
    RelayInfo,
)
from net.errors import NetError, RemoteProtocolError, RequestTimeoutError

if TYPE_CHECKING:
    from net.dht.server import HolepunchHook
    from net.noise.handshake import HandshakeResult
    from net.rpc import PendingRequest

UNKNOWN_WAIT_S = 1.0
"""Time given to a server that does not know its firewall yet."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the handshake left.

    Attributes:
        relay_address: The node that carried the handshake.
        relayed: False if that node is the server itself.
        server_address: The server as the relay sees it.
        client_address: We as the relay sees us.
        socket: Our socket the answer came in on.
        payload: The server's.
        result: Keys and hash.
    """

    relay_address: Address
    relayed: bool
    server_address: Address
    client_address: Address
    socket: int
    payload: NoisePayload
    result: HandshakeResult

    @property
    def relays(self) -> tuple[RelayInfo, ...]:
        """Nodes through which the server takes hole punch messages."""
        info = self.payload.holepunch
        if info is None:
            return ()
        usable = [
            relay
            for relay in info.relays
            if is_usable(relay.relay_address) and is_usable(relay.peer_address)
        ]
        return tuple(usable[:MAX_PUNCH_ADDRESSES])


@dataclass(frozen=True, slots=True)
class _Round:
    """What one message and its answer brought."""

    payload: HolepunchPayload
    peer_address: Address


class ClientPunch:
    """One client's hole punch messages, in order.

    Args:
        context: The node's shared state.
        target: Hash of the server's key.
        agreement: What the handshake left; it must name a relay of the server.
        puncher: The punch socket and the verdict about it.
        hook: Asked before the punch; False gives up.
        fast_open: Open a session to the server before it is asked for.
        step: Takes notes for the trace.
    """

    def __init__(
        self,
        context: DhtContext,
        *,
        target: bytes,
        agreement: Agreement,
        puncher: Holepuncher,
        hook: HolepunchHook | None,
        fast_open: bool,
        step: Callable[[str], None],
    ) -> None:
        self._context = context
        self._target = target
        self._agreement = agreement
        self._puncher = puncher
        self._hook = hook
        self._fast_open = fast_open
        self._step = step
        secret = holepunch_secret(agreement.result.handshake_hash)
        self._box = PayloadBox(secret, entropy=context.entropy)
        self._rounds = 0
        self._fell_back = False
        self._client_relay = agreement.relay_address
        self._server_relay = next(
            (r for r in agreement.relays if r.relay_address == self._client_relay),
            agreement.relays[0],
        )

    async def run(self) -> None:
        """Go through the rounds until both sides punch.

        Returns once the punch has started; the path shows itself by a probe or by the
        first packet of the stream.

        Raises:
            DhtError: There will be no path, with the reason.
            NetError: A relay did not answer.
        """
        await self._puncher.opened
        probe = await self._probe_round(
            self._agreement.server_address if self._fast_open else None, retry=True
        )
        server_address = self._agreement.server_address
        same_relay = self._server_relay.relay_address == self._client_relay
        if same_relay and probe.peer_address != server_address:
            # The server moved to another socket and told through a relay we share.
            server_address = probe.peer_address
            self._puncher.open_session(server_address)
        if self._hook is not None and not self._hook(
            self._puncher.remote_firewall,
            self._puncher.nat.firewall,
            tuple(remote.address for remote in self._puncher.remote_addresses),
            self._puncher.nat.addresses,
        ):
            raise await self._give_up(
                HolepunchAbortedError("The owner of this node vetoed the hole punch.")
            )
        await self._punch_round(server_address, probe.payload.token)

    async def _probe_round(
        self, server_address: Address | None, *, retry: bool
    ) -> _Round:
        puncher = self._puncher
        if server_address is not None:
            puncher.open_session(server_address)
        relay = self._server_relay
        probe = await self._exchange(
            relay.peer_address,
            relay.relay_address,
            HolepunchPayload(
                firewall=puncher.nat.firewall,
                addresses=puncher.nat.addresses,
                remote_address=server_address,
            ),
        )
        if puncher.remote_firewall is Firewall.UNKNOWN:
            await self._context.scheduler.sleep(UNKNOWN_WAIT_S)
        stable = await puncher.analyze(allow_reopen=False)
        if not stable and await puncher.analyze(allow_reopen=True):
            await puncher.opened
            return await self._probe_round(server_address, retry=False)
        unknown = puncher.remote_firewall is Firewall.UNKNOWN
        if retry and (unknown or probe.payload.token is None):
            return await self._probe_round(server_address, retry=False)
        own = puncher.nat.firewall
        if unknown or own is Firewall.UNKNOWN:
            raise await self._give_up(HolepunchProbeTimeoutError())
        if own is Firewall.RANDOM and puncher.remote_firewall is Firewall.RANDOM:
            raise await self._give_up(DoubleRandomizedNatsError())
        self._step(f"firewalls: own {own.name}, remote {puncher.remote_firewall.name}")
        return probe

    async def _punch_round(
        self, server_address: Address, remote_token: bytes | None
    ) -> None:
        puncher = self._puncher
        puncher.nat.freeze()
        if puncher.is_random:
            self._context.counters["random-punch-refused"] += 1
            raise RandomNatUnsupportedError
        await self._exchange(
            server_address,
            self._client_relay,
            HolepunchPayload(
                firewall=puncher.nat.firewall,
                punching=True,
                addresses=puncher.nat.addresses,
                token=self._box.token(server_address),
                remote_token=remote_token,
            ),
        )
        if not puncher.remote_holepunching:
            raise RemoteNotHolepunchingError
        if not puncher.punch():
            raise RemoteNotHolepunchableError
        self._step("punching")

    async def _exchange(
        self, peer_address: Address, relay: Address, payload: HolepunchPayload
    ) -> _Round:
        """Exchange one message, through another relay if the first one is silent."""
        try:
            return await self._exchange_through(peer_address, relay, payload)
        except RequestTimeoutError:
            others = [r for r in self._agreement.relays if r.relay_address != relay]
            if not others or self._fell_back:
                raise
        self._fell_back = True
        self._server_relay = other = others[0]
        self._step(f"relay is silent, trying {other.relay_address[0]}")
        # Without a token: this way does not prove the host that is to be probed.
        return await self._exchange_through(
            other.peer_address, other.relay_address, replace(payload, token=None)
        )

    async def _exchange_through(
        self, peer_address: Address, relay: Address, payload: HolepunchPayload
    ) -> _Round:
        """Send one message through a relay and take over what the answer says."""
        info = self._agreement.payload.holepunch
        assert info is not None, "only servers that offer relays are punched to"
        sealed = self._box.seal(replace(payload, round=self._rounds))
        self._rounds += 1
        message = HolepunchMessage(Mode.FROM_CLIENT, info.id, sealed, peer_address)
        request = self._context.rpc.request(
            Command.PEER_HOLEPUNCH,
            relay,
            target=self._target,
            value=message.encode(),
            socket=self._puncher.socket,
        )
        answer, address = await self._answer(request, relay)
        if answer.error != PayloadError.NONE:
            raise RemoteAbortedError(
                f"{RemoteAbortedError.sentence[:-1]} (error {answer.error})."
            )
        echoed = payload.token is not None and answer.remote_token == payload.token
        self._puncher.update_remote(
            answer, verified_host=peer_address[0] if echoed else None
        )
        self._step(f"hole punch round {self._rounds - 1} answered")
        return _Round(answer, address)

    async def _answer(
        self, request: PendingRequest, relay: Address
    ) -> tuple[HolepunchPayload, Address]:
        try:
            reply = await request
        finally:
            request.cancel()
        try:
            message = HolepunchMessage.decode(reply.value or b"")
        except RemoteProtocolError as error:
            raise BadHolepunchReplyError from error
        if message.mode != Mode.REPLY or reply.source != relay:
            raise BadHolepunchReplyError
        if reply.socket == self._puncher.socket:
            self._puncher.nat.add(reply.to, reply.source)
        try:
            return self._box.open(message.payload), message.peer_address or relay
        except RemoteProtocolError as error:
            raise HolepunchInvalidError from error

    async def _give_up(self, error: DhtError) -> DhtError:
        """Tell the server; gives the error back for raising."""
        relay = self._server_relay
        try:
            await self._exchange(
                relay.peer_address,
                relay.relay_address,
                HolepunchPayload(error=PayloadError.ABORTED),
            )
        except NetError:
            # The server answers an abort with an abort, or not at all.
            self._step("aborted")
        return error
