"""What the asyncio face raises beyond the errors of the machines below it.

    NetError                        (net.errors)
    ├── ConnectionClosedError       the connection ended before its time, or is closed
    ├── ConnectTimeoutError         no path to the peer opened in the time given
    └── OperationCancelledError     the node or the swarm went down meanwhile

``ConnectionClosedError`` is a ``ConnectionError`` too, and ``ConnectTimeoutError`` a
``TimeoutError``, so that code written for sockets catches them.
"""

from __future__ import annotations

from net.errors import NetError


class ConnectionClosedError(NetError, ConnectionError):
    """The connection is no longer there for what was asked.

    Attributes:
        code: ``closed`` by this side, ``reset`` by the peer, ``timed-out`` without a
            sign of life, or the code of the peer's protocol error.
    """

    default_code = "closed"


class ConnectTimeoutError(NetError, TimeoutError):
    """The peer could not be reached in the time the caller gave."""

    default_code = "timeout"


class OperationCancelledError(NetError):
    """What was waited for was stopped, because its owner closed or slept."""

    default_code = "cancelled"
