"""The upkeep of the routing table: who enters, who is asked, who leaves.

Driven by ticks of 5 s. A node enters when a message of it carries its true id. Every
eighth tick the nodes not heard from for longest are pinged. When a bucket is full, its
node untouched for longest is pinged and has to answer or to make room. Nodes that
others call dead are pinged as well.

Leaves to others: lookups and the table's order. Upstream: dht-rpc 6.27.0 ``index.js``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from net.flow import Deferred
from net.rpc.addresses import Address, packed_node_id
from net.rpc.errors import RequestTimeoutError
from net.rpc.messages import PING
from net.rpc.requests import Reply
from net.rpc.table import RoutingTable, TableNode

if TYPE_CHECKING:
    from net.rpc.node import RpcNode

RECENT_TICKS: Final = 12
"""A node heard from less than this ago (1 min) is taken to be there."""
OLD_TICKS: Final = 360
"""A node known for longer (30 min) is worth keeping; samples are renewed after it."""
REFRESH_TICKS: Final = 60
"""A lookup is made after this many ticks (5 min) without any."""
SMALL_TABLE_REFRESH_MASK: Final = 63
PING_SOME_MASK: Final = 7
MAX_CHECKS: Final = 10
"""Pings under way beyond which hints about dead nodes are not followed."""
MAX_SWAPS: Final = 3
"""Nodes that may be waiting for another to make room."""
BUSY_REQUESTS: Final = 2


class Neighbours:
    """The nodes we know, and the tick that keeps them fresh.

    Attributes:
        table: The nodes by distance and by age.
        tick: Counts 5 s steps; begins at a random number from 51 to 100.
    """

    def __init__(self, node: RpcNode, table: RoutingTable) -> None:
        self.table = table
        self.tick = 100 - node.random_below(50)
        self._refresh_in = REFRESH_TICKS - node.random_below(30)
        self._node = node
        self._checks = 0
        self._swaps = 0

    # -- nodes come and go -------------------------------------------------------

    def add_known(self, packed: bytes) -> None:
        """Put a node in that is remembered from before."""
        self._insert(packed, packed_node_id(packed), None)

    def hear(self, packed: bytes, id_: bytes, to: bytes, *, sample: bool) -> None:
        """Note a message from a node whose id is true.

        Args:
            packed: Its address.
            id_: Its id.
            to: Our own address as it sees it, packed.
            sample: False if ``to`` is of the socket we do not send from.
        """
        known = self.table.get(id_)
        if known is None:
            self._insert(packed, id_, to)
            return
        if sample and (known.sampled == 0 or self.tick - known.sampled >= OLD_TICKS):
            known.to = to
            known.sampled = self.tick
            self._node.reachability.sample(to)
        known.pinged = known.seen = self.tick
        known.messages += 1
        self.table.touch(known)

    def remove(self, id_: bytes) -> None:
        """Take a node out, if it is in."""
        self.table.remove(id_)

    def hear_down_hint(self, id_: bytes) -> None:
        """Somebody says that a node is dead: ask it, unless too many are asked."""
        node = self.table.get(id_)
        if node is None or self._checks >= MAX_CHECKS:
            return
        if node.pinged < self.tick or node.down_hints == 0:
            node.down_hints += 1
            self._check(node)

    def rebuild(self, own_id: bytes) -> None:
        """Sort all nodes anew, around another id of ours."""
        self.table = self.table.with_id(own_id)

    def _insert(self, packed: bytes, id_: bytes, to: bytes | None) -> None:
        table = self.table
        if id_ in table or id_ == table.id:
            return
        if not table.has_room_for(id_):
            self._make_room(packed, id_, to)
            return
        node = TableNode(packed, to=to)
        node.added = node.pinged = node.seen = self.tick
        table.add(node)
        if to is not None:
            node.sampled = self.tick
            self._node.reachability.sample(to)

    def _make_room(self, packed: bytes, id_: bytes, to: bytes | None) -> None:
        if not self._node.bootstrapped or self._swaps >= MAX_SWAPS:
            return
        candidates = [n for n in self.table.bucket_of(id_) if n.pinged != self.tick]
        if not candidates:
            return
        oldest = min(candidates, key=_least_recently_pinged)
        recent = self.tick - oldest.pinged < RECENT_TICKS
        if recent and self.tick - oldest.added > OLD_TICKS:
            return
        self._swaps += 1

        def answered(alive: bool) -> None:
            self._swaps -= 1
            if not alive:
                self.remove(oldest.id)
                self._insert(packed, id_, to)

        self._ask(oldest, answered)

    # -- the tick ----------------------------------------------------------------

    def on_tick(self) -> None:
        """Ping some nodes and refresh, when it is time; the tick has been counted."""
        if self.tick & PING_SOME_MASK == 0:
            self._ping_some()
        small = self.table.size < self.table.k
        self._refresh_in -= 1
        if (
            small and self.tick & SMALL_TABLE_REFRESH_MASK == 0
        ) or self._refresh_in <= 0:
            self._node.refresh()

    def lookup_began(self) -> None:
        """A query is under way: the next refresh can wait its full time."""
        self._refresh_in = REFRESH_TICKS

    def skip_ahead(self) -> None:
        """After a sleep: let all nodes look old, and start pinging in two ticks."""
        self.tick += 2 * OLD_TICKS
        self.tick += 8 - (self.tick & PING_SOME_MASK) - 2
        self._refresh_in = 1

    def newest(self, limit: int) -> list[Address]:
        """Give addresses of known nodes, the one heard from last first."""
        found: list[Address] = []
        for node in self.table.newest_first():
            if len(found) >= limit:
                break
            found.append(node.address)
        return found

    def _ping_some(self) -> None:
        count = 3 if self._node.requests_in_flight > BUSY_REQUESTS else 5
        oldest = next(self.table.oldest_first(), None)
        if oldest is None:
            self._node.refresh()
            return
        if self.tick - oldest.pinged < RECENT_TICKS:
            count = 2
        due: list[TableNode] = []
        for node in self.table.oldest_first():
            if len(due) >= count or node.pinged == self.tick:
                break
            due.append(node)
        for node in due:
            self._check(node)

    def _check(self, node: TableNode) -> None:
        self._checks += 1

        def answered(alive: bool) -> None:
            self._checks -= 1
            if not alive:
                self.remove(node.id)

        self._ask(node, answered)

    def _ask(self, node: TableNode, answered: Callable[[bool], None]) -> None:
        """Ping a node; it lives if a message with its id has come meanwhile."""
        node.pinged = self.tick
        request = self._node.exchange.make_request(
            node.packed, command=PING, internal=True, target=None, value=None
        )
        heard_before = node.messages

        def settled(reply: Deferred[Reply]) -> None:
            if reply.error is None:
                answered(node.messages > heard_before)
            else:
                answered(not isinstance(reply.error, RequestTimeoutError))

        self._node.exchange.submit(request)
        request.when_settled(settled)


def _least_recently_pinged(node: TableNode) -> tuple[int, int]:
    return (node.pinged, node.added)
