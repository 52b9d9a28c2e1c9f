"""How requests and queries end when they do not end well.

RequestTimeoutError    nobody answered (from ``net.errors``)
RequestCancelledError  our own side gave up: cancelled, or the node was destroyed
SuspendedError         the node was suspended meanwhile
RequestLimitError      too much is under way already
TooFewNodesError       a query with a commit found nobody to commit to
"""

from __future__ import annotations

from net.errors import LocalProtocolError, NetError, RequestTimeoutError

__all__ = [
    "RequestCancelledError",
    "RequestLimitError",
    "RequestTimeoutError",
    "SuspendedError",
    "TooFewNodesError",
]


class RequestCancelledError(NetError):
    """The request was cancelled on this side before an answer came."""

    default_code = "cancelled"


class SuspendedError(NetError):
    """The node was suspended while the request was under way."""

    default_code = "suspended"


class RequestLimitError(LocalProtocolError):
    """As many requests as allowed are in flight or wait to be sent."""

    default_code = "request-limit"


class TooFewNodesError(NetError):
    """A query ended without any reply its result could be committed to."""

    default_code = "too-few-nodes"
