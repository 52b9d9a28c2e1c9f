"""The side that holds an invite: asks member after member until one admits it.

A machine without I/O. It asks one connection at a time, a little more than a second
apart, so that one member's answer spares the others the question; a connection that
stays silent is asked again much later, because the member may have learnt of the invite
meanwhile. What a stranger answers is counted and dropped. Records in the DHT are
planned in ``polling``. Follows npm blind-pairing 2.3.1 ``Candidate``.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from enum import Enum

from net.errors import RemoteProtocolError
from net.pairing.constants import (
    ASK_AGAIN_S,
    MAX_MESSAGES_PER_MINUTE,
    MAX_PEERS,
    MAX_REFUSALS_TOLD,
    PEER_INTERVAL_S,
    Status,
)
from net.pairing.events import CandidateEvent, Drop, Held, Outgoing, Paired, Rejected
from net.pairing.messages import Admission, Decision
from net.pairing.pace import Pace
from net.pairing.request import CandidateRequest

DROP_OF_CODE = {
    "too-large": Drop.TOO_LARGE,
    "not-ours": Drop.NOT_OURS,
    "bad-mac": Drop.BAD_SEAL,
    "bad-signature": Drop.BAD_CONTENT,
    "wrong-key": Drop.BAD_CONTENT,
    "no-user-data": Drop.BAD_CONTENT,
}
"""What decoders complain of, as counters name it; all else is malformed."""


class CandidateState(Enum):
    """How far a candidate is."""

    ASKING = "asking"
    PAIRED = "paired"
    CLOSED = "closed"


class _Peer:
    __slots__ = ("asked_at", "pace")

    def __init__(self) -> None:
        self.asked_at: float | None = None
        self.pace = Pace(MAX_MESSAGES_PER_MINUTE)


class Candidate:
    """One request and the connections it is offered to.

    Moved by ``add_peer``, ``receive_response``, ``receive_record``, ``handle_timer``.

    Attributes:
        request: What is asked.
        state: Asking until a member admits this side or the owner gives up.
        dropped: Counters of what came and was not believed.
    """

    def __init__(
        self,
        request: CandidateRequest,
        *,
        entropy: Callable[[int], bytes],
        believes: Callable[[Decision], bool] = lambda _: True,
    ) -> None:
        """Begin to ask.

        Args:
            request: What is asked.
            entropy: Where the pauses come from.
            believes: What the owner thinks of an answer that fits the request; whoever
                holds the same invite may have made it.
        """
        self.request = request
        self._believes = believes
        self.state = CandidateState.ASKING
        self.dropped: Counter[Drop] = Counter()
        self._entropy = entropy
        self._peers: dict[int, _Peer] = {}
        self._next_at = float("-inf")
        self._outgoing: list[Outgoing] = []
        self._events: deque[CandidateEvent] = deque()
        self._told: set[tuple[Status, bytes]] = set()
        self._held = False
        self._admission: Admission | None = None

    @property
    def discovery_key(self) -> bytes:
        """The group's, 32 bytes; the id of the pairing channel."""
        return self.request.discovery_key

    @property
    def admission(self) -> Admission | None:
        """What a member gave, once paired."""
        return self._admission

    def add_peer(self, peer: int) -> bool:
        """A connection has a pairing channel now; it is asked when its turn comes.

        Returns:
            False if there are ``MAX_PEERS`` already, so that it will not be asked.
        """
        if len(self._peers) >= MAX_PEERS:
            return False
        self._peers.setdefault(peer, _Peer())
        return True

    def remove_peer(self, peer: int) -> None:
        """The channel closed; one that comes back is asked again."""
        self._peers.pop(peer, None)

    def receive_response(self, peer: int, data: bytes, now: float) -> None:
        """Take what a connection says is the answer."""
        known = self._peers.get(peer)
        if known is None:
            self.dropped[Drop.UNKNOWN_PEER] += 1
        elif known.pace.allows(now):
            self._receive(data)
        else:
            self.dropped[Drop.TOO_OFTEN] += 1

    def receive_notice(self, peer: int, data: bytes, now: float) -> None:
        """Take what a connection says of a request that waits."""
        known = self._peers.get(peer)
        if known is None:
            self.dropped[Drop.UNKNOWN_PEER] += 1
        elif not known.pace.allows(now):
            self.dropped[Drop.TOO_OFTEN] += 1
        elif data != self.request.id:
            self.dropped[Drop.NOT_OURS] += 1
        elif not self._held and self.state is CandidateState.ASKING:
            self._held = True
            self._events.append(Held())

    def receive_record(self, data: bytes) -> bool:
        """Take what stood in the DHT where the answer would be.

        Returns:
            Whether it was an answer to this request, which may be a refusal: ``state``
            tells whether anything is still to be hoped for.
        """
        return self._receive(data)

    def messages_to_send(self) -> list[Outgoing]:
        """Requests that are due, each for one connection's channel."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def get_timer(self) -> float | None:
        """When ``handle_timer`` should be called; None while there is nobody to ask."""
        if self.state is not CandidateState.ASKING or not self._peers:
            return None
        due = min(_due_at(peer) for peer in self._peers.values())
        return max(self._next_at, due)

    def handle_timer(self, now: float) -> None:
        """Ask the next connection if it is time to."""
        timer = self.get_timer()
        if timer is None or now < timer:
            return
        number, peer = min(self._peers.items(), key=lambda item: _due_at(item[1]))
        peer.asked_at = now
        drawn = int.from_bytes(self._entropy(4), "little") / (1 << 32)
        self._next_at = now + PEER_INTERVAL_S * (1 + drawn / 2)
        self._outgoing.append(Outgoing(number, self.request.encoded))

    def next_event(self) -> CandidateEvent | None:
        """What happened, oldest first; None when there is nothing new."""
        return self._events.popleft() if self._events else None

    def close(self) -> None:
        """Give up, or forget the connections once paired."""
        if self.state is CandidateState.ASKING:
            self.state = CandidateState.CLOSED
        self._peers.clear()
        self._outgoing.clear()

    def _receive(self, data: bytes) -> bool:
        if self.state is not CandidateState.ASKING:
            return False
        try:
            decision = self.request.open(data)
        except RemoteProtocolError as error:
            self.dropped[DROP_OF_CODE.get(error.code, Drop.MALFORMED)] += 1
            return False
        if not self._believes(decision):
            self.dropped[Drop.BAD_CONTENT] += 1
            return False
        told = decision.status, decision.extension
        if decision.admission is not None:
            self.state = CandidateState.PAIRED
            self._admission = decision.admission
            self._outgoing.clear()
            self._events.append(Paired(decision.admission, decision.extension))
        elif told not in self._told and len(self._told) < MAX_REFUSALS_TOLD:
            self._told.add(told)
            self._events.append(Rejected(*told))
        return True


def _due_at(peer: _Peer) -> float:
    if peer.asked_at is None:
        return float("-inf")
    return peer.asked_at + ASK_AGAIN_S
