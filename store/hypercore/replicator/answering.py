"""Answers to the requests of peers, in their order and within bounds.

Requests wait here, a queue for each peer, until the connection has room: the urgent
ones leave newest first, the others oldest first, so that a peer may count on hashes
that an earlier answer brings. What is only on the disk stops its peer's queue, not the
others', until it is loaded. Follows npm hypercore 11.37.1 (``lib/replicator.js``,
``lib/receiver-queue.js``).
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from store.errors import (
    BlockMissingError,
    EnvironmentFault,
    InvalidRequestError,
    LocalProtocolError,
    NodeMissingError,
    RemoteProtocolError,
)
from store.hypercore.messages import (
    MessageKind,
    NoData,
    Want,
    WireData,
    decode_request,
    encode_data,
    encode_no_data,
)
from store.hypercore.records import NotInMemoryError, Proof, Request
from store.hypercore.replicator.peer import (
    MAX_WAITING_REQUESTS,
    MAX_WAITING_WANTS,
    Waiting,
)

if TYPE_CHECKING:
    from store.hypercore.replicator.context import Context
    from store.hypercore.replicator.peer import Peer
    from store.hypercore.replicator.telling import Telling

NOT_AVAILABLE: Final = 1
INVALID_REQUEST: Final = 2

MAX_INVALID_REQUESTS: Final = 64
"""Requests of one peer that no proof can answer; one more ends its channel."""

LOAD_AHEAD: Final = 64
"""Waiting requests of one peer that are loaded together."""

MAX_LOADS: Final = 8
"""Times that one request is loaded for, before it is refused."""

_ANSWER_COST_BYTES: Final = 64


class Answering:
    """The waiting requests of all peers of one core.

    Attributes:
        to_load: Peers whose next answer has to be loaded first.
    """

    def __init__(self, context: Context, telling: Telling) -> None:
        self.to_load: dict[Peer, None] = {}
        self._context = context
        self._core = context.core
        self._telling = telling

    def receive_request(self, peer: Peer, message: bytes) -> None:
        """A peer asks for something."""
        number, request, priority = decode_request(message)
        if not peer.allow_upload:
            self._refuse(peer, number, NOT_AVAILABLE)
            return
        waiting = peer.waiting
        if len(waiting) >= MAX_WAITING_REQUESTS and number not in waiting:
            raise RemoteProtocolError(
                "more requests wait than may", code="too-many-requests"
            )
        entry = Waiting(number, request)
        waiting[number] = entry
        if priority:
            peer.urgent.append(entry)
        else:
            peer.normal.append(entry)
        if len(peer.normal) + len(peer.urgent) > 2 * MAX_WAITING_REQUESTS:
            self._sweep(peer)

    def cancel(self, peer: Peer, number: int) -> None:
        """A peer no longer wants an answer."""
        peer.waiting.pop(number, None)

    def receive_want(self, peer: Peer, want: Want) -> None:
        """A peer wants to know what is here, and what comes."""
        if not peer.allow_upload or want.length == 0:
            return
        if not peer.remote_wants.add(want.start, want.length, any_block=want.any):
            return
        if len(peer.waiting_wants) < MAX_WAITING_WANTS:
            peer.waiting_wants[want] = None

    def push(self, peer: Peer, request: Request) -> None:
        """Send a proof that nobody asked for, after what waits."""
        if len(peer.normal) < MAX_WAITING_REQUESTS:
            peer.normal.append(Waiting(0, request, is_push=True))

    def serve(self, peer: Peer, budget_bytes: int, now: float) -> int:
        """Answer some of what waits.

        Args:
            peer: Whose requests.
            budget_bytes: After so many bytes others shall have their turn.
            now: The time.

        Returns:
            The bytes of the answers, each counted with a small cost besides.
        """
        spent = 0
        while spent < budget_bytes and not peer.closed and not peer.loading:
            entry = self._next(peer)
            if entry is None:
                break
            spent += _ANSWER_COST_BYTES + self._answer(peer, entry, now)
        while spent < budget_bytes and peer.waiting_wants and not peer.closed:
            start, length, any_ = next(iter(peer.waiting_wants))
            del peer.waiting_wants[start, length, any_]
            self._telling.answer_want(peer, start, length, any_=any_)
            # Looking costs as well, whatever comes of it.
            spent += _ANSWER_COST_BYTES + min(length, self._core.length) // 8
        return spent

    def next_requests(self, peer: Peer) -> list[Request]:
        """What to load for a peer, the request that needs it first."""
        first = peer.loading
        requests = [] if first is None else [first.request]
        for entry in chain(reversed(peer.urgent[-LOAD_AHEAD:]), peer.normal):
            if len(requests) >= LOAD_AHEAD:
                break
            if entry is not first and self._waits(peer, entry):
                requests.append(entry.request)
        return requests

    def loaded(self, peer: Peer, *, failed: bool) -> None:
        """What the peer's queue needed is in memory, or cannot be had."""
        entry, peer.loading = peer.loading, None
        if entry is None or peer.closed or not self._waits(peer, entry):
            return
        entry.loads += 1
        if not failed and entry.loads <= MAX_LOADS:
            return
        if entry.is_push:
            peer.normal.remove(entry)
        else:
            self._finish(peer, entry)
            self._refuse(peer, entry.id, NOT_AVAILABLE)

    def handle_timer(self, peer: Peer, now: float) -> None:
        """Send the refusals whose delay is over."""
        while peer.delayed and peer.delayed[0][0] <= now:
            self._refuse(peer, peer.delayed.popleft()[1], INVALID_REQUEST)

    def _next(self, peer: Peer) -> Waiting | None:
        while True:
            if peer.urgent:
                entry = peer.urgent.pop()
            elif peer.normal:
                entry = peer.normal.popleft()
            else:
                return None
            if self._waits(peer, entry):
                return entry

    def _waits(self, peer: Peer, entry: Waiting) -> bool:
        return entry.is_push or peer.waiting.get(entry.id) is entry

    def _answer(self, peer: Peer, entry: Waiting, now: float) -> int:
        """Answer one request; returns the bytes of the answer."""
        request, number = entry.request, entry.id
        core = self._core
        try:
            if core.frozen and not (number == 0 and request.upgrade is not None):
                raise BlockMissingError("this log is frozen")
            if request.fork != core.fork:
                return self._answer_other_fork(peer, entry)
            proof = core.prove(request)
        except NotInMemoryError:
            peer.loading = entry
            self.to_load[peer] = None
            self._put_first(peer, entry)
            return 0
        except (BlockMissingError, NodeMissingError, EnvironmentFault):
            self._finish(peer, entry)
            if not entry.is_push:
                self._refuse(peer, number, NOT_AVAILABLE)
            return 0
        except InvalidRequestError:
            self._finish(peer, entry)
            self._on_invalid(peer, entry, now)
            return 0
        self._finish(peer, entry)
        return self._send(peer, number, proof)

    def _put_first(self, peer: Peer, entry: Waiting) -> None:
        """Have it answered next, ahead of all that is urgent."""
        if entry.is_push:
            peer.normal.appendleft(entry)
        else:
            peer.urgent.append(entry)

    def _finish(self, peer: Peer, entry: Waiting) -> None:
        if not entry.is_push:
            del peer.waiting[entry.id]

    def _answer_other_fork(self, peer: Peer, entry: Waiting) -> int:
        self._finish(peer, entry)
        if entry.is_push:
            return 0
        if entry.request.manifest and self._core.has_manifest:
            proof = self._core.prove(Request(self._core.fork, manifest=True))
            if proof.manifest is not None:
                return self._send(peer, entry.id, proof)
        self._refuse(peer, entry.id, NOT_AVAILABLE)
        return 0

    def _send(self, peer: Peer, number: int, proof: Proof) -> int:
        try:
            message = encode_data(WireData(number, proof))
        except LocalProtocolError:
            # A block that no frame can hold; older writers made such.
            self._refuse(peer, number, NOT_AVAILABLE)
            return 0
        block = proof.block
        if block is not None:
            size = len(block.value)
            peer.counters.uploaded_blocks += 1
            peer.counters.uploaded_bytes += size
            peer.uploaded.append((block.index, size))
        if proof.upgrade is not None:
            end = proof.upgrade.start + proof.upgrade.length
            peer.pushed_length = max(peer.pushed_length, end)
        peer.link.send(MessageKind.DATA, message)
        return len(message)

    def _refuse(self, peer: Peer, number: int, reason: int) -> None:
        peer.link.send(MessageKind.NO_DATA, encode_no_data(NoData(number, reason)))

    def _on_invalid(self, peer: Peer, entry: Waiting, now: float) -> None:
        if entry.is_push:
            return
        peer.counters.invalid_requests += 1
        self._context.counters["invalid-request"] += 1
        count = peer.counters.invalid_requests
        if count >= MAX_INVALID_REQUESTS:
            raise RemoteProtocolError(
                "too many requests that no proof answers", code="invalid-request"
            )
        delay_s = 0.2 if count < 2 else 0.5 if count < 5 else 1.0 if count < 40 else 5.0
        due = max(now + delay_s, peer.delayed[-1][0] if peer.delayed else 0.0)
        peer.delayed.append((due, entry.id))

    def _sweep(self, peer: Peer) -> None:
        """Let go of the queue's places whose requests were cancelled."""
        kept = [at for at in peer.normal if self._waits(peer, at)]
        peer.normal.clear()
        peer.normal.extend(kept)
        peer.urgent[:] = [at for at in peer.urgent if self._waits(peer, at)]
