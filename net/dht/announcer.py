"""Keeping a server findable: a few nodes near its key hold a way to it.

Every round finds the nodes closest to the key's hash and announces the key to three of
them; these become the relays through which clients shake hands. Between rounds they are
pinged, which also keeps the own firewall open towards them. When too few answer, a new
round starts at once. Upstream: hyperdht 6.34.0 ``lib/announcer.js``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from net.crypto import KeyPair
from net.dht.constants import (
    ANNOUNCE_PING_S,
    ANNOUNCE_ROUNDS,
    MAX_RELAY_ADDRESSES,
    UNANNOUNCE_LIMIT_S,
    Address,
    Command,
)
from net.dht.context import DhtContext
from net.dht.messages import PeerRecord, RelayInfo
from net.dht.queries import DhtQuery, FoundPeer, Queries
from net.dht.records import signed_announcement, signed_unannouncement
from net.errors import NetError
from net.flow import Deferred, FlowCancelledError, FlowTask, all_settled

if TYPE_CHECKING:
    from net.rpc import PendingRequest, Reply

_GENERATIONS = 3


class Announcer:
    """Announces one key until stopped.

    Args:
        context: The node's shared state.
        queries: For finding the closest nodes.
        key_pair: What to announce.
        target: Hash of its public key.

    Attributes:
        record: The encoded record that clients are told.
        relays: Nodes that forward to us, and how they see us.
        relay_addresses: What to tell clients for later: the own public address if there
            is one, then the relays; at most three.
        announce_count: Rounds completed.
    """

    def __init__(
        self, context: DhtContext, queries: Queries, key_pair: KeyPair, target: bytes
    ) -> None:
        self._context = context
        self._queries = queries
        self._key_pair = key_pair
        self._target = target
        self._generations: list[dict[Address, None]] = [{} for _ in range(_GENERATIONS)]
        self._closest: list[Address] = []
        self._query: DhtQuery[FoundPeer] | None = None
        self._task: FlowTask[None] | None = None
        self._wake: Deferred[None] = Deferred()
        self._again = False
        self._ending: FlowTask[None] | None = None
        self._first: Deferred[None] = Deferred()
        self._commits: list[PendingRequest] = []
        self.record = PeerRecord(key_pair.public_key).encode()
        self.relays: tuple[RelayInfo, ...] = ()
        self.relay_addresses: tuple[Address, ...] = ()
        self.announce_count = 0

    def is_relay(self, address: Address) -> bool:
        """True if this node was told our key in one of the last three rounds."""
        return any(address in generation for generation in self._generations)

    def start(self) -> Deferred[None]:
        """Begin; settled once the first round is over, whatever came of it."""
        if self._task is None:
            self._task = self._context.scheduler.spawn(self._run())
        return self._first

    def refresh(self) -> None:
        """Start a new round soon: the network changed."""
        self._again = True
        self._wake.resolve(None)

    def stop(self, *, unannounce: bool = True) -> FlowTask[None]:
        """End, and tell the relays, for a bounded time.

        Args:
            unannounce: False to end without telling.
        """
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._query is not None:
            self._query.cancel()
            self._query = None
        self._first.resolve(None)
        current = [*self._generations[0], *(c.to for c in self._commits)]
        if not unannounce:
            current = []
        for commit in self._commits:
            commit.cancel()
        self._ending = self._context.scheduler.spawn(self._unannounce_all(current))
        return self._ending

    async def _run(self) -> None:
        if self._ending is not None:
            await all_settled([self._ending])
        while True:
            self._again = False
            await self._announce()
            self._first.resolve(None)
            await self._keep_alive()

    async def _keep_alive(self) -> None:
        """Ping the relays until it is time to announce again."""
        context = self._context
        for _ in range(ANNOUNCE_ROUNDS):
            if self._again and context.rpc.online:
                return
            pings = [context.rpc.ping(node) for node in self._generations[0]]
            try:
                await all_settled(list(pings))
            except FlowCancelledError:
                for ping in pings:
                    ping.cancel()
                raise
            alive = sum(ping.error is None for ping in pings)
            lost = alive < min(len(pings), MAX_RELAY_ADDRESSES)
            if not lost and not self._again:
                await self._pause(ANNOUNCE_PING_S)
            if lost or not pings:
                self._again = True
                if not context.rpc.online:
                    await self._pause(ANNOUNCE_PING_S)

    async def _pause(self, delay_s: float) -> None:
        self._wake = Deferred()
        try:
            await self._context.scheduler.wait_for(self._wake, delay_s)
        except TimeoutError:
            return

    async def _announce(self) -> None:
        self._generations = [{}, *self._generations[:-1]]
        self._query = self._queries.find_peer(self._target, nodes=self._closest or None)
        await all_settled([self._query.finished])
        replies = self._query.closest_replies[:MAX_RELAY_ADDRESSES]
        closest = self._query.closest_nodes
        self._query = None
        requests = [
            (reply, self._commit(reply))
            for reply in replies
            if reply.token is not None and reply.source_id is not None
        ]
        self._commits = [request for _, request in requests]
        await all_settled(list(self._commits))
        self._commits = []
        relays: list[RelayInfo] = []
        for reply, request in requests:
            if request.error is None and request.result().error == 0:
                relays.append(RelayInfo(reply.source, reply.to))
                self._generations[0][reply.source] = None
        self._closest = closest
        own = self._context.public_address()
        addresses = [relay.relay_address for relay in relays]
        if own is not None:
            addresses.insert(0, own)
        self.relays = tuple(relays)
        self.relay_addresses = tuple(addresses[:MAX_RELAY_ADDRESSES])
        self.announce_count += 1
        former = [n for n in self._generations[1] if n not in self._generations[0]]
        await self._unannounce_all(former)

    def _commit(self, reply: Reply) -> PendingRequest:
        assert reply.token is not None
        assert reply.source_id is not None
        value = signed_announcement(
            self._key_pair,
            target=self._target,
            node_id=reply.source_id,
            token=reply.token,
        )
        return self._context.rpc.request(
            Command.ANNOUNCE,
            reply.source,
            target=self._target,
            value=value,
            token=reply.token,
        )

    async def _unannounce_all(self, nodes: list[Address]) -> None:
        if not nodes:
            return
        spawn = self._context.scheduler.spawn
        told = [spawn(self._unannounce(node), watched=True) for node in nodes]
        everyone = spawn(all_settled(list(told)))
        try:
            await self._context.scheduler.wait_for(everyone, UNANNOUNCE_LIMIT_S)
        except TimeoutError:
            self._context.counters["unannounce-timeout"] += 1
        finally:
            everyone.cancel()
            for task in told:
                task.cancel()

    async def _unannounce(self, node: Address) -> None:
        rpc = self._context.rpc
        try:
            reply = await rpc.request(Command.FIND_PEER, node, target=self._target)
            if reply.token is None or reply.source_id is None or not reply.value:
                return
            value = signed_unannouncement(
                self._key_pair,
                target=self._target,
                node_id=reply.source_id,
                token=reply.token,
            )
            await rpc.request(
                Command.UNANNOUNCE,
                node,
                target=self._target,
                value=value,
                token=reply.token,
            )
        except NetError:
            self._context.counters["unannounce-failed"] += 1
