"""A node's life: start, the tick of 5 s, sleep, suspension, background lookups.

At the start a lookup for our own place fills the table. If the first node asked reaches
our server socket in good time, or the owner wants a persistent node, it is found out at
once whether we are open, and with the new id the lookup is done again.

Leaves to others: what happens in a tick (``neighbours``, ``reachability``, ``health``).
Upstream: dht-rpc 6.27.0 ``index.js``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from net.flow import Deferred, Timer, first_settled
from net.rpc.addresses import pack_address
from net.rpc.errors import RequestCancelledError
from net.rpc.events import (
    Destroyed,
    NetworkUpdated,
    Ready,
    Resumed,
    Suspended,
    WokeUp,
)
from net.rpc.health import Health

if TYPE_CHECKING:
    from net.rpc.node import RpcNode
    from net.rpc.query import Query
    from net.rpc.requests import PendingRequest, Reply

TICK_S: Final = 5.0
SLEEP_S: Final = 3 * TICK_S
"""A longer gap between two ticks means that the machine slept."""
QUICK_SLACK_S: Final = 0.02
"""Above two round trips, how long the quick test of the firewall may take."""
MAX_QUICK_S: Final = 0.5
BUSY_IN_FLIGHT: Final = 3
"""Background lookups go slowly while at least this many requests are in flight."""


class Lifecycle:
    """Moves the parts of a node through its life.

    Attributes:
        bootstrapped: True once the first lookup is over.
        ready: Settled at the same time; fails when the node is destroyed before.
        destroyed: True after ``destroy``.
        health: The verdict on the network.
    """

    def __init__(
        self, node: RpcNode, *, forced_persistent: bool, quick_firewall: bool
    ) -> None:
        self.bootstrapped = False
        self.ready: Deferred[None] = Deferred()
        self.destroyed = False
        self.health = Health()
        self._node = node
        self._forced_persistent = forced_persistent
        self._quick_firewall = quick_firewall
        self._tick_timer: Timer | None = None
        self._ticked_at = node.scheduler.now

    def start(self) -> None:
        """Begin with the first lookup."""
        assert not self._node.exchange.running, "the node runs already"
        assert not self.destroyed, "the node has ended"
        self._run()
        self._node.scheduler.spawn(self._bootstrap())

    def suspend(self) -> None:
        """Stop until ``resume``, failing all requests."""
        if self._node.exchange.running:
            self._stop(suspended=True)
            self._node.emit(Suspended())

    def resume(self) -> None:
        """Go on as after a sleep."""
        assert not self._node.exchange.running, "the node runs already"
        assert not self.destroyed, "the node has ended"
        self._wake_up()
        self._run()
        self.refresh()
        self._node.emit(Resumed())

    def woke_up(self) -> None:
        """Act as after a gap between ticks; no effect while suspended or ended."""
        if self._node.exchange.running:
            self._ticked_at = self._node.scheduler.now
            self._wake_up()

    def destroy(self) -> None:
        """End for good, failing all requests."""
        if self.destroyed:
            return
        self.destroyed = True
        self._stop(suspended=False)
        self.ready.fail(RequestCancelledError("the node was destroyed"))
        self._node.emit(Destroyed())

    def refresh(self) -> None:
        """Look up the surroundings of a random known node, in the background."""
        node = self._node
        known = node.table.pick(node.random_below(1 << 30))
        self._background_query(node.table.id if known is None else known.id)

    def _run(self) -> None:
        node = self._node
        node.exchange.running = True
        self._ticked_at = node.scheduler.now
        self._tick_timer = node.scheduler.call_later(TICK_S, self._tick)
        node.exchange.requests.start()

    def _stop(self, *, suspended: bool) -> None:
        node = self._node
        node.exchange.running = False
        if self._tick_timer is not None:
            self._tick_timer.cancel()
            self._tick_timer = None
        node.responder.stop()
        node.exchange.requests.stop(suspended=suspended)

    def _tick(self) -> None:
        node = self._node
        now = node.scheduler.now
        self._tick_timer = node.scheduler.call_later(TICK_S, self._tick)
        slept = now - self._ticked_at > SLEEP_S
        self._ticked_at = now
        if slept:
            self._wake_up()
        else:
            node.neighbours.tick += 1
        if not self.bootstrapped:
            return
        node.reachability.on_tick()
        node.neighbours.on_tick()
        node.exchange.on_tick()
        requests = node.stats.requests
        if self.health.update(requests.responses, requests.timeouts):
            self._tell_health()

    def _wake_up(self) -> None:
        self._node.neighbours.skip_ahead()
        if self.health.reset():
            self._tell_health()
        self._node.reachability.forget_network()
        self._node.emit(WokeUp())

    def _tell_health(self) -> None:
        self._node.emit(NetworkUpdated(self.health.online, self.health.degraded))

    def _background_query(
        self, target: bytes, on_reply: Callable[[Reply], None] | None = None
    ) -> Query:
        node = self._node
        slow = min(node.concurrency, max(2, node.concurrency // 8))

        def yield_to_others(reply: Reply) -> None:
            if on_reply is not None:
                on_reply(reply)
            busy = node.requests_in_flight >= BUSY_IN_FLIGHT
            query.concurrency = slow if busy else node.concurrency

        query = node.find_node(target, concurrency=slow, on_reply=yield_to_others)
        return query

    async def _bootstrap(self) -> None:
        node = self._node
        only_firewall = not self._forced_persistent
        probe = node.firewalled and self._quick_firewall and only_firewall
        asked: list[PendingRequest] = []
        reached: list[bool] = []
        patient_until = 0.0

        def ask_first(reply: Reply) -> None:
            nonlocal patient_until
            if probe and not asked:
                packed = pack_address(reply.source)
                patient_until = node.scheduler.now + _patience_s(reply.rtt_s)
                asked.append(node.reachability.ping_nat(packed, reply.source_id))
                asked[0].when_settled(note_reached)

        def note_reached(ping: Deferred[Reply]) -> None:
            if ping.error is not None or self.destroyed:
                return
            reached.append(True)
            if self.bootstrapped:
                # Too late for the start, but true all the same.
                node.scheduler.spawn(node.reachability.check(only_firewall=True))

        for _ in range(2):
            await self._background_query(node.table.id, ask_first).finished
            if asked and not reached:
                await self._wait_until(patient_until, asked[0])
            if not reached and only_firewall:
                break
            if not await node.reachability.check(only_firewall=only_firewall):
                break
        if not self.destroyed:
            self.bootstrapped = True
            self.ready.resolve(None)
            node.emit(Ready())

    async def _wait_until(self, instant: float, ping: PendingRequest) -> None:
        """Wait for an answer, at most until an instant.

        In a small network the lookup ends as soon as the answer can be there, and an
        open node would take itself for firewalled by mere chance.
        """
        scheduler = self._node.scheduler
        if instant <= scheduler.now or ping.settled:
            return
        over = scheduler.spawn(scheduler.sleep(instant - scheduler.now))
        await first_settled([ping, over])
        over.cancel()


def _patience_s(rtt_s: float) -> float:
    """How long an open node may take to be reached, seen from one round trip."""
    return min(2 * rtt_s + QUICK_SLACK_S, MAX_QUICK_S)
