"""Pairing when nobody is online together: what to do in the DHT, and when.

Plans without I/O. A candidate leaves its request in a mutable record and announces that
record's key on the pairing topic; a member looks the topic up, reads the records and
leaves responses under keys only the two can derive. Each plan names one ``Action``
after the other; the owner carries it out and reports. Both sides then also look for
each other in the swarm the other way round, as ``mode`` says. Follows npm blind-pairing
2.3.1, ``Candidate`` and ``Member``.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from net.pairing.constants import (
    MAX_LOOKUP_PEERS,
    MAX_RECORD_VALUE_BYTES,
    MAX_SEEN_RECORDS,
    POLL_INTERVAL_S,
)
from net.pairing.events import (
    Action,
    Announce,
    GetRecord,
    LookUp,
    PutRecord,
    Unannounce,
)
from net.pairing.request import CandidateRequest
from net.pairing.sealing import ephemeral_key_pair, pairing_topic, reply_key_pair


@dataclass(frozen=True, slots=True)
class Mode:
    """How to take part in the swarm topic that is the group's discovery key."""

    server: bool
    client: bool


class _Plan:
    """Polls again one to one and a half intervals after a poll ended."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._actions: deque[Action] = deque()
        self._due_at: float | None = float("-inf")

    def get_timer(self) -> float | None:
        """When ``handle_timer`` should be called; None during a poll and at the end."""
        return self._due_at

    def next_action(self) -> Action | None:
        """What to do in the DHT, in this order; None while there is nothing."""
        return self._actions.popleft() if self._actions else None

    def _poll_ended(self, now: float) -> None:
        drawn = int.from_bytes(self._entropy(4), "little") / (1 << 32)
        self._due_at = now + POLL_INTERVAL_S * (1 + drawn / 2)

    def _is_due(self, now: float) -> bool:
        if self._due_at is None or now < self._due_at:
            return False
        self._due_at = None
        return True


class CandidatePoll(_Plan):
    """A candidate's records: its request, offered once, and the answer, looked for.

    Moved by ``handle_timer`` and by reports of what was done.
    """

    def __init__(
        self, request: CandidateRequest, *, entropy: Callable[[int], bytes]
    ) -> None:
        super().__init__(entropy)
        self._announced = False
        self._to_publish = True
        self._request = request
        self._topic = pairing_topic(request.discovery_key)
        self._ephemeral = ephemeral_key_pair(request.token)
        self._reply_key = reply_key_pair(request.token).public_key
        self._paired = False

    @property
    def announced(self) -> bool:
        """True while the request can be found through the DHT."""
        return self._announced

    @property
    def publishable(self) -> bool:
        """False if the request is too large for a record, so that it goes direct."""
        return len(self._request.encoded) <= MAX_RECORD_VALUE_BYTES

    @property
    def mode(self) -> Mode:
        """Client from the start; server too once members may come looking."""
        return Mode(server=self._announced, client=True)

    def handle_timer(self, now: float) -> None:
        """Look for the answer if it is time to."""
        if self._is_due(now):
            self._actions.append(GetRecord(self._reply_key))

    def record_checked(self, now: float) -> None:
        """The answer's record was looked for; what was found is the candidate's."""
        if self._paired:
            return
        if not (self._to_publish and self.publishable):
            self._poll_ended(now)
            return
        self._actions.append(PutRecord(self._ephemeral, self._request.encoded))
        self._actions.append(Announce(self._topic, self._ephemeral))

    def published(self, now: float, *, succeeded: bool) -> None:
        """The record was put and announced, or not; then the next poll tries again."""
        self._announced |= succeeded
        self._to_publish = not succeeded
        if self._paired:
            self._withdraw()
        else:
            self._poll_ended(now)

    def refresh(self) -> None:
        """The network changed, or the machine woke up: look and announce now."""
        if not self._paired:
            self._actions.clear()
            self._to_publish = True
            self._due_at = float("-inf")

    def finish(self) -> None:
        """A member admitted this side, or it gives up: leave nothing announced."""
        self._paired = True
        self._due_at = None
        self._actions.clear()
        self._withdraw()

    def _withdraw(self) -> None:
        if self._announced:
            self._announced = False
            self._actions.append(Unannounce(self._topic, self._ephemeral))


class MemberPoll(_Plan):
    """A member's look for requests; moved by ``handle_timer`` and by reports."""

    def __init__(
        self, discovery_key: bytes, *, entropy: Callable[[int], bytes]
    ) -> None:
        super().__init__(entropy)
        self._topic = pairing_topic(discovery_key)
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._asked: set[bytes] = set()
        self._client = False

    @property
    def mode(self) -> Mode:
        """Server always; client too while somebody answered may be waiting."""
        return Mode(server=True, client=self._client)

    def handle_timer(self, now: float) -> None:
        """Look the pairing topic up if it is time to."""
        if self._is_due(now):
            self._asked.clear()
            self._actions.append(LookUp(self._topic))

    def key_found(self, public_key: bytes) -> None:
        """A key is announced on the topic; its record is wanted unless it was read."""
        if public_key in self._seen or public_key in self._asked:
            return
        if len(self._asked) < MAX_LOOKUP_PEERS:
            self._asked.add(public_key)
            self._actions.append(GetRecord(public_key))

    def record_checked(self, public_key: bytes, *, settled: bool) -> None:
        """A record was looked for.

        Args:
            public_key: Whose.
            settled: There was one, and ``Member.receive_record`` dealt with it; what is
                not settled is fetched again by the next poll.
        """
        if settled:
            self._seen[public_key] = None
            if len(self._seen) > MAX_SEEN_RECORDS:
                self._seen.popitem(last=False)

    def record_ignored(self, token: bytes) -> None:
        """Nothing was decided about a request, so its record is fetched again."""
        self._seen.pop(ephemeral_key_pair(token).public_key, None)

    def lookup_ended(self, now: float) -> None:
        """The look-up is over, however it went."""
        self._poll_ended(now)

    def answered(self) -> None:
        """A response was put; its reader may already be a server on the topic."""
        self._client = True

    def flushed(self) -> None:
        """The swarm has tried everybody it found: back to serving."""
        self._client = False

    def refresh(self) -> None:
        """The network changed, or the machine woke up: look now."""
        self._actions.clear()
        self._due_at = float("-inf")
