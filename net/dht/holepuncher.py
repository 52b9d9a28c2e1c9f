"""Getting a datagram through two firewalls: one punch socket and what is done with it.

The verdict about the own firewall comes from :class:`net.dht.nat.Nat`, the peer's from
its messages, the choice from :mod:`net.dht.strategy`; this class acts. Who talks to the
peer in which order is the business of :mod:`net.dht.connector` and
:mod:`net.dht.server`. Upstream: hyperdht 6.34.0 ``lib/holepuncher.js``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from net.dht.addresses import is_usable
from net.dht.constants import MAX_PUNCH_ADDRESSES, MAX_REOPENS, Address, Firewall
from net.dht.context import DhtContext
from net.dht.messages import HolepunchPayload
from net.dht.nat import Nat
from net.dht.socket_pool import PunchSocket
from net.dht.strategy import (
    NEEDS_MANY_PROBES,
    Strategy,
    choose_strategy,
    coerce,
    read_firewall,
)
from net.errors import EnvironmentFault
from net.flow import Deferred, FlowTask

CONSISTENT_ROUNDS = 10
ROUND_S = 1.0
_UNVERIFIED_EVERY = 4


@dataclass(frozen=True, slots=True)
class RemoteAddress:
    """An address the peer named; verified once the peer proved to own the host."""

    address: Address
    verified: bool


class Holepuncher:
    """One side's attempt at a direct path.

    Args:
        context: The node's shared state.
        is_initiator: True on the client's side, which decides on the first probe that
            arrives; the other side answers probes and waits for the first packet.
        remote_firewall: What the peer told so far.
        on_connect: Called once with socket and address of a path (initiator only).
        on_abort: Called once if the attempt ends without a path.

    Raises:
        EnvironmentFault: No further socket may be opened.

    Attributes:
        remote_holepunching: Whether the peer punches.
        connected: A path was found.
        destroyed: The attempt is over.
        punching: Probes are being sent.
        probe_count: Probes sent, sessions opened not counted.
    """

    def __init__(
        self,
        context: DhtContext,
        *,
        is_initiator: bool,
        remote_firewall: Firewall,
        on_connect: Callable[[int, Address], None],
        on_abort: Callable[[], None],
    ) -> None:
        self._context = context
        self._is_initiator = is_initiator
        self._on_connect = on_connect
        self._on_abort = on_abort
        self._socket = self._acquire()
        self._nat = self._new_nat()
        self._reopening: FlowTask[bool] | None = None
        self._probing: FlowTask[None] | None = None
        self.remote_firewall = remote_firewall
        self.remote_addresses: tuple[RemoteAddress, ...] = ()
        self.remote_holepunching = False
        self.connected = False
        self.destroyed = False
        self.punching = False
        self.probe_count = 0

    @property
    def socket(self) -> int:
        """The punch socket in use."""
        return self._socket.number

    @property
    def opened(self) -> Deferred[int]:
        """Settled once the punch socket can send."""
        return self._socket.opened

    @property
    def nat(self) -> Nat:
        """The verdict about the punch socket in use."""
        return self._nat

    @property
    def done(self) -> bool:
        """True when nothing is left to do."""
        return self.destroyed or self.connected

    @property
    def is_random(self) -> bool:
        """True if either side's firewall uses random ports."""
        return Firewall.RANDOM in (self.remote_firewall, self._nat.firewall)

    def update_remote(
        self, payload: HolepunchPayload, *, verified_host: str | None
    ) -> None:
        """Take over what the peer says of itself.

        Args:
            payload: Its message.
            verified_host: The host it proved by this message, if any.
        """
        proven = {r.address[0] for r in self.remote_addresses if r.verified}
        if verified_host is not None:
            proven.add(verified_host)
        self.remote_firewall = read_firewall(payload.firewall)
        # A peer must not make us probe the world: few addresses, and real ones.
        usable = [a for a in payload.addresses or () if is_usable((a[0], 1))]
        del usable[MAX_PUNCH_ADDRESSES:]
        self.remote_addresses = tuple(
            RemoteAddress(address, address[0] in proven) for address in usable
        )
        self.remote_holepunching = payload.punching

    def probe(self, address: Address) -> None:
        """Send one probe."""
        self.probe_count += 1
        self._context.send_probe(self._socket.number, address)

    def open_session(self, address: Address) -> None:
        """Open the own firewall towards an address."""
        self._context.open_session(self._socket.number, address)

    async def analyze(self, *, allow_reopen: bool) -> bool:
        """Wait for the verdict about the own firewall.

        Args:
            allow_reopen: Try other sockets while the verdict is useless.

        Returns:
            True if it can be worked with.
        """
        await self._nat.analyzed
        if not self._unstable():
            return True
        if not allow_reopen or self.destroyed:
            return False
        if self._reopening is None:
            self._reopening = self._context.scheduler.spawn(self._reopen())
        return await self._reopening

    def punch(self) -> bool:
        """Start to punch.

        Returns:
            False if no strategy fits; repeated calls while punching give True.
        """
        if self.done or not self.remote_addresses:
            return False
        if self._probing is not None:
            return True
        strategy = self.strategy()
        if strategy is not Strategy.CONSISTENT:
            if strategy in NEEDS_MANY_PROBES:
                self._context.counters["random-punch-refused"] += 1
            return False
        self.punching = True
        self._context.counters["punches-consistent"] += 1
        self._probing = self._context.scheduler.spawn(self._probe_consistent())
        return True

    def strategy(self) -> Strategy:
        """What the two firewalls call for now."""
        return choose_strategy(
            self._nat.firewall,
            self.remote_firewall,
            has_verified_address=any(r.verified for r in self.remote_addresses),
        )

    def disarm(self) -> None:
        """End the attempt without telling: a path was found otherwise."""
        self._on_abort = _nothing
        self.destroy()

    def destroy(self) -> None:
        """End the attempt; ``on_abort`` is called unless a path was found."""
        if self.destroyed:
            return
        self.destroyed = True
        self.punching = False
        if self._probing is not None:
            self._probing.cancel()
        self._socket.on_probe = _nothing_from
        self._context.pool.release(self._socket.number)
        self._nat.destroy()
        if not self.connected:
            self._on_abort()

    def _acquire(self) -> PunchSocket:
        socket = self._context.pool.acquire()
        socket.on_probe = self._received_probe
        return socket

    def _new_nat(self) -> Nat:
        nat = Nat(lambda: self._context.rpc.firewalled)
        table = self._context.rpc.table
        number = self._socket.number

        def opened(port: Deferred[int]) -> None:
            if port.error is not None:
                nat.destroy()
                return
            nat.sample(
                lambda: (node.address for node in table.newest_first()),
                lambda: table.size,
                lambda node, done: self._context.ask_own_address(number, node, done),
            )

        self._socket.opened.when_settled(opened)
        return nat

    def _received_probe(self, source: Address) -> None:
        if self.destroyed:
            return
        if not self._is_initiator:
            self.probe(source)
            return
        if self.connected:
            return
        self.connected = True
        self.punching = False
        self._on_connect(self._socket.number, source)

    def _unstable(self) -> bool:
        own = self._nat.firewall
        both_random = own is Firewall.RANDOM and self.remote_firewall is Firewall.RANDOM
        return own is Firewall.UNKNOWN or both_random

    async def _reopen(self) -> bool:
        for _ in range(MAX_REOPENS):
            if not self._unstable() or self.done or self.punching:
                break
            previous, previous_nat = self._socket, self._nat
            try:
                self._socket = self._acquire()
            except EnvironmentFault:
                break
            previous.on_probe = _nothing_from
            self._context.pool.release(previous.number)
            previous_nat.destroy()
            self._nat = self._new_nat()
            await self._nat.analyzed
        return coerce(self._nat.firewall) is Firewall.CONSISTENT

    async def _probe_consistent(self) -> None:
        if not self._is_initiator:
            # The responder's first probe went out with its answer already.
            await self._context.scheduler.sleep(ROUND_S)
        for round_number in range(1, CONSISTENT_ROUNDS + 1):
            if not self.punching:
                break
            for remote in self.remote_addresses:
                if remote.verified or round_number % _UNVERIFIED_EVERY == 0:
                    self.probe(remote.address)
            await self._context.scheduler.sleep(ROUND_S)
        if not self.connected:
            self.destroy()


def _nothing() -> None:
    pass


def _nothing_from(source: Address) -> None:
    del source
