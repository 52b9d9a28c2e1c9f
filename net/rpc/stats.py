"""What a node counts: requests, queries, commands, and datagrams dropped by reason."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field


class DropReason(enum.Enum):
    """Why a datagram that arrived had no effect."""

    NOT_RUNNING = "not-running"
    """The node has not started, is suspended or destroyed."""
    TOO_SHORT = "too-short"
    BAD_SOURCE = "bad-source"
    """Source port 0, or no IPv4 address."""
    UNKNOWN_TYPE = "unknown-type"
    MALFORMED = "malformed"
    """A field runs over the end, or a handler could not read the value."""
    UNMATCHED_RESPONSE = "unmatched-response"
    """No request of ours is in flight with that tid."""
    BAD_REQUEST = "bad-request"
    """A command of dht-rpc itself without the target or value it needs."""
    OVER_LIMIT = "over-limit"
    """Correct, but as many of the kind as allowed are under way."""


@dataclass(slots=True)
class RequestStats:
    """Requests of our own."""

    active: int = 0
    total: int = 0
    responses: int = 0
    timeouts: int = 0
    retries: int = 0


@dataclass(slots=True)
class QueryStats:
    """Iterative lookups of our own."""

    active: int = 0
    total: int = 0


@dataclass(slots=True)
class RpcStats:
    """All counters of one node, since it was made."""

    requests: RequestStats = field(default_factory=RequestStats)
    queries: QueryStats = field(default_factory=QueryStats)
    commands_sent: Counter[int] = field(default_factory=Counter)
    """Requests by number of the internal command."""
    commands_answered: Counter[int] = field(default_factory=Counter)
    """Responses to those."""
    dropped: Counter[DropReason] = field(default_factory=Counter)
    """Datagrams received in vain."""
    refused_sends: int = 0
    """Datagrams not sent because the queue to the rim was full."""
    lost_events: int = 0
    """Events nobody fetched before the queue was full."""
