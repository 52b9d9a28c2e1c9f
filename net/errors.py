"""The error tree of ``net``: four verdicts that are never mixed.

    NetError                    something of this package went wrong; has a ``code``
    ├── LocalProtocolError      our own side misused a machine: mend the caller
    ├── RemoteProtocolError     the peer's fault: ends that message or connection only
    ├── EnvironmentFault        socket, interface or operating system
    └── RequestTimeoutError     nobody answered in time: neither side is at fault

A bug of ours is none of these: it is an assertion, and loud. Decoders raise
``RemoteProtocolError`` and nothing else. ``app`` turns these into sentences for people.
"""

from __future__ import annotations


class NetError(Exception):
    """Base of every error raised by ``net``.

    Attributes:
        code: A short stable word for programs and counters, such as ``"malformed"``.
    """

    default_code = "net"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = self.default_code if code is None else code


class LocalProtocolError(NetError):
    """The caller asked for what the protocol or the state does not allow."""

    default_code = "misuse"


class RemoteProtocolError(NetError):
    """The peer sent what the protocol does not allow."""

    default_code = "malformed"


class EnvironmentFault(NetError):
    """A socket, an interface or the operating system refused."""

    default_code = "environment"


class RequestTimeoutError(NetError):
    """A request was sent as often as allowed and nobody answered."""

    default_code = "timeout"
