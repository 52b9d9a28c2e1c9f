"""What a HyperDHT node tells the one who drives it.

Frozen values taken from :meth:`net.dht.node.HyperDhtNode.next_event`. Events of the
node below (:mod:`net.rpc`) come out of the same queue, in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from net.dht.constants import Address

if TYPE_CHECKING:
    from net.dht.connector import Connecting
    from net.dht.errors import DhtError
    from net.dht.server import Server
    from net.errors import NetError
    from net.noise.handshake import HandshakeResult

Path = Literal["direct", "lan", "relayed"]
"""How packets travel; a punched path is direct."""

Trace = tuple[tuple[float, str], ...]
"""Steps with the instant of each, seconds of the node's clock, for a doctor to read."""


@dataclass(frozen=True, slots=True)
class SocketWanted:
    """Open a UDP socket on a free port and answer ``socket_opened`` or ``..._failed``.

    Attributes:
        socket: The number by which the node will call it, 2 or higher.
    """

    socket: int


@dataclass(frozen=True, slots=True)
class SocketReleased:
    """Close a socket asked for before; nothing uses it any more."""

    socket: int


@dataclass(frozen=True, slots=True)
class StreamReady:
    """A peer was reached: connect the UDX stream and start the secret stream on it.

    Attributes:
        handle: The ``Connecting`` of an outgoing connection, the ``Server`` of an
            incoming one.
        local_id: UDX id of the own stream, as allocated.
        remote_id: UDX id of the peer's stream.
        socket: The socket to send from; it stays open until ``stream_closed``.
        address: Where the peer is reached.
        result: Keys, hash and roles of the Noise handshake.
        path: How packets travel.
        remote_public_key: The peer.
        is_initiator: True for outgoing connections, who start the secret stream.
        elapsed_s: From the first step to this one.
        trace: The steps that led here.
    """

    handle: Connecting | Server
    local_id: int
    remote_id: int
    socket: int
    address: Address
    result: HandshakeResult
    path: Path
    remote_public_key: bytes
    is_initiator: bool
    elapsed_s: float
    trace: Trace


@dataclass(frozen=True, slots=True)
class ConnectFailed:
    """An outgoing connection came to nothing.

    Attributes:
        handle: The ``Connecting``; its ``finished`` carries the same error.
        error: Why, with a code.
        trace: The steps that led here.
    """

    handle: Connecting
    error: DhtError | NetError
    trace: Trace


DhtEvent = SocketWanted | SocketReleased | StreamReady | ConnectFailed
