"""The iterative lookup: ask ever closer nodes until nobody closer is left.

Nodes to ask form a stack. A node is asked when it is closer to the target (by XOR)
than the worst of the ``K`` closest replies held, up to ``concurrency`` at a time; each
request that passed its first wait makes room for one more. A node that does not answer
is told to those who named it. Queries seeded with given nodes start slowly, and fall
back on the routing table when too few of these answer.

Leaves to others: the meaning of commands and values. Upstream: dht-rpc 6.27.0
``lib/query.js``.
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from net.errors import RemoteProtocolError
from net.flow import Deferred
from net.rpc.addresses import PACKED_BYTES, Address, pack_address, packed_node_id
from net.rpc.errors import (
    RequestCancelledError,
    RequestTimeoutError,
    TooFewNodesError,
)
from net.rpc.requests import PendingRequest, Reply
from net.rpc.table import K

if TYPE_CHECKING:
    from net.rpc.node import RpcNode

CONCURRENCY: Final = 10
SLOW_CONCURRENCY: Final = 3
QUERY_RETRIES: Final = 5
MIN_SUCCESSES: Final = K // 4
"""With fewer answers from given nodes the query starts over from the table."""
MAX_SEEN_NODES: Final = 4096
"""Addresses one query takes note of."""
MAX_VISITS: Final = 1024
"""Requests one query makes; liars that invent closer nodes end here."""

Commit = Callable[[Reply, "Query"], Deferred[Any]]
Candidate = tuple[bytes, bytes | None]
"""Packed address and id; None for a node whose id was not proven."""


class _Outcome(enum.Enum):
    UNKNOWN = enum.auto()
    ANSWERED = enum.auto()
    DOWN = enum.auto()


class _Sighting:
    """A node this query knows of: how far it is, and what became of it."""

    __slots__ = ("distance", "id", "outcome", "packed")

    def __init__(self, packed: bytes, id_: bytes, distance: int) -> None:
        self.packed = packed
        self.id = id_
        self.distance = distance
        self.outcome = _Outcome.UNKNOWN


class Query:
    """One iterative lookup, moved by the replies to its requests.

    Attributes:
        target: The 32 bytes looked for.
        closest_replies: The replies closest to the target, closest first, at most K.
        finished: Settled when the query and its commits are over. Fails with
            TooFewNodesError when there was nobody to commit to, with the last commit's
            error when none succeeded, with RequestCancelledError after ``cancel``.
        successes: Replies without error.
        errors: Replies with an error, and requests without reply.
        concurrency: Requests in flight at a time; may be changed at any time.
    """

    def __init__(
        self,
        node: RpcNode,
        target: bytes,
        command: int,
        value: bytes | None,
        *,
        internal: bool,
        force: bool,
        retries: int,
        concurrency: int,
        only_closest_nodes: bool,
        on_reply: Callable[[Reply], None] | None,
        commit: Commit | bool | None,
    ) -> None:
        self.target = target
        self.command = command
        self.value = value
        self.closest_replies: list[Reply] = []
        self.finished: Deferred[None] = Deferred()
        self.successes = 0
        self.errors = 0
        self.concurrency = concurrency
        self._node = node
        self._number = int.from_bytes(target, "big")
        self._internal = internal
        self._force = force
        self._retries = 0 if force else retries
        self._on_reply = on_reply
        self._commit = self._standard_commit if commit is True else commit or None
        self._only_given = only_closest_nodes
        self._distances: list[int] = []
        self._seen: dict[bytes, _Sighting] = {}
        self._pending: list[_Sighting] = []
        self._named: list[tuple[Candidate, bytes]] = []
        self._in_flight: dict[PendingRequest, None] = {}
        self._hints: dict[PendingRequest, None] = {}
        self._slow: dict[PendingRequest, None] = {}
        self._visits = 0
        self._from_table = False
        self._slowdown = False
        self._committing = False
        self._asking = False

    @property
    def closest_nodes(self) -> list[Address]:
        """Addresses of the closest nodes that replied."""
        return [reply.source for reply in self.closest_replies]

    def start(self, given: Sequence[Candidate]) -> None:
        """Ask the first nodes; to be called once.

        Args:
            given: Nodes to start from, best first; the table fills up what lacks.
        """
        stats = self._node.stats.queries
        stats.total += 1
        stats.active += 1
        for packed, id_ in reversed(given):
            self._offer(packed, id_ or packed_node_id(packed))
        if len(self._pending) < K:
            self._add_from_table()
        if len(self._pending) < K and not self._only_given:
            for packed in self._node.bootstrap_nodes:
                self._offer(packed, packed_node_id(packed))
        self._ask_more()

    def cancel(self) -> None:
        """Give up; requests in flight are forgotten. No effect once finished."""
        self._end(RequestCancelledError("the query was cancelled"))

    def _add_from_table(self) -> None:
        self._from_table = True
        if self._only_given:
            return
        for node in self._node.table.closest(self.target, K - len(self._pending)):
            self._offer(node.packed, node.id)

    def _is_closer(self, distance: int) -> bool:
        return len(self._distances) < K or distance < self._distances[-1]

    def _offer(self, packed: bytes, id_: bytes) -> _Sighting | None:
        """Note a node as one to ask, unless it is known or not closer."""
        distance = int.from_bytes(id_, "big") ^ self._number
        if packed in self._seen or not self._is_closer(distance):
            return None
        if len(self._seen) >= MAX_SEEN_NODES:
            return None
        sighting = _Sighting(packed, id_, distance)
        self._seen[packed] = sighting
        self._pending.append(sighting)
        return sighting

    def _ask_more(self) -> None:
        if self._committing or self._asking or self.finished.settled:
            return
        # Requests that fail at once come back here: the loop below goes on for them.
        self._asking = True
        while self._pending and len(self._in_flight) < self._limit():
            sighting = self._pending.pop()
            if self._is_closer(sighting.distance):
                self._visit(sighting)
        self._asking = False
        if self.finished.settled:
            return
        if not self._from_table and self.successes == 0 and self.errors == 0:
            self._slowdown = True
        if self._pending or not self._is_exhausted():
            return
        if not self._from_table and self.successes < MIN_SUCCESSES:
            self._add_from_table()
            self._ask_more()
            return
        self._finish()

    def _limit(self) -> int:
        base = SLOW_CONCURRENCY if self._slowdown else self.concurrency
        return base + len(self._slow)

    def _is_exhausted(self) -> bool:
        if not self._in_flight:
            return True
        all_slow = len(self._slow) == len(self._in_flight)
        return all_slow and len(self.closest_replies) >= K

    def _visit(self, sighting: _Sighting) -> None:
        self._visits += 1
        if self._visits >= MAX_VISITS:
            self._pending.clear()
        request = self._node.exchange.make_request(
            sighting.packed,
            command=self.command,
            internal=self._internal,
            target=self.target,
            value=self.value,
            retries=self._retries,
            node_id=sighting.id,
            force=self._force,
        )
        request.on_slow = self._became_slow
        self._in_flight[request] = None
        self._node.exchange.submit(request)
        request.when_settled(self._settled)

    def _became_slow(self, request: PendingRequest) -> None:
        self._slow[request] = None
        self._ask_more()

    def _settled(self, deferred: Deferred[Reply]) -> None:
        assert isinstance(deferred, PendingRequest), "queries wait for requests only"
        self._in_flight.pop(deferred, None)
        self._slow.pop(deferred, None)
        if self.finished.settled:
            return
        error = deferred.error
        if error is None:
            self._seen[deferred.packed_to].outcome = _Outcome.ANSWERED
            if not self._committing:
                self._take_reply(deferred.result())
            return
        self.errors += 1
        if isinstance(error, RequestTimeoutError):
            self._mark_down(deferred.packed_to)
        self._ask_more()

    def _take_reply(self, reply: Reply) -> None:
        if reply.error == 0:
            self.successes += 1
            if reply.source_id is not None:
                self._keep(reply, reply.source_id)
        else:
            self.errors += 1
        if reply.closer and not self._only_given:
            self._take_closer(reply)
        if not self._from_table and self.successes + self.errors >= self.concurrency:
            self._slowdown = False
        if reply.error == 0 and self._on_reply is not None:
            try:
                self._on_reply(reply)
            except RemoteProtocolError:
                self.errors += 1
        self._ask_more()

    def _keep(self, reply: Reply, id_: bytes) -> None:
        distance = int.from_bytes(id_, "big") ^ self._number
        if not self._is_closer(distance):
            return
        at = bisect_left(self._distances, distance)
        if at < len(self._distances) and self._distances[at] == distance:
            return
        self._distances.insert(at, distance)
        self.closest_replies.insert(at, reply)
        del self._distances[K:], self.closest_replies[K:]

    def _take_closer(self, reply: Reply) -> None:
        node = self._node
        own_id = node.table.id
        named_by = (pack_address(reply.source), reply.source_id)
        full = len(self._distances) >= K
        worst = self._distances[-1] if full else 0
        closer = reply.closer
        at = 0
        for at in range(PACKED_BYTES, len(closer) + 1, PACKED_BYTES):
            packed = closer[at - PACKED_BYTES : at]
            sighting = self._seen.get(packed)
            if sighting is None:
                id_ = packed_node_id(packed)
                if id_ == own_id or not node.exchange.accepts(packed):
                    continue
                sighting = self._offer(packed, id_)
                if sighting is None:
                    break
            elif sighting.outcome is _Outcome.DOWN:
                self._hint(named_by, packed)
            if full and sighting.distance >= worst:
                break
        self._named.append((named_by, closer[:at]))

    def _mark_down(self, packed: bytes) -> None:
        self._seen[packed].outcome = _Outcome.DOWN
        # Few nodes are down and many are named, so who named one is sought only now.
        for named_by, named in self._named:
            at = named.find(packed)
            while at > 0 and at % PACKED_BYTES:
                at = named.find(packed, at + 1)
            if at >= 0:
                self._hint(named_by, packed)

    def _hint(self, to: Candidate, down: bytes) -> None:
        request = self._node.exchange.send_down_hint(to, down)
        if request is not None:
            self._hints[request] = None
            request.when_settled(self._hint_settled)

    def _hint_settled(self, deferred: Deferred[Reply]) -> None:
        assert isinstance(deferred, PendingRequest), "hints are requests"
        self._hints.pop(deferred, None)

    def _finish(self) -> None:
        self._committing = True
        if self._commit is None:
            self._end(None)
            return
        assert callable(self._commit), "a commit is a function or True"
        commit = self._commit
        commits = [commit(reply, self) for reply in self.closest_replies]
        if not commits:
            self._end(TooFewNodesError("no node answered the query"))
            return
        _CommitRound(commits, self._end)

    def _standard_commit(self, reply: Reply, query: Query) -> Deferred[Reply]:
        del query
        if reply.token is None:
            failed: Deferred[Reply] = Deferred()
            failed.fail(TooFewNodesError("a node gave no token to commit with"))
            return failed
        return self._node.request(
            self.command,
            reply.source,
            target=self.target,
            value=self.value,
            token=reply.token,
            internal=self._internal,
        )

    def _end(self, error: BaseException | None) -> None:
        if self.finished.settled:
            return
        self._node.stats.queries.active -= 1
        if error is None:
            self.finished.resolve(None)
        else:
            self.finished.fail(error)
        for request in [*self._in_flight, *self._hints]:
            request.cancel()
        self._pending.clear()
        self._seen.clear()
        self._named.clear()
        # Both usually refer back to this query; without them it is freed at once.
        self._on_reply = None
        self._commit = None


class _CommitRound:
    """Waits for all commits; well if one of them is."""

    def __init__(
        self,
        commits: list[Deferred[Any]],
        on_end: Callable[[BaseException | None], None],
    ) -> None:
        self._left = len(commits)
        self._succeeded = False
        self._on_end = on_end
        for commit in commits:
            commit.when_settled(self._settled)

    def _settled(self, commit: Deferred[Any]) -> None:
        self._left -= 1
        if commit.error is None:
            self._succeeded = True
        if self._left == 0:
            self._on_end(None if self._succeeded else commit.error)
