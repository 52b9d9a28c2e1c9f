"""HyperDHT: finding, announcing and connecting keys, without sockets."""

from __future__ import annotations

from net.dht.connector import Connecting
from net.dht.constants import DEFAULT_PORT, PUBLIC_BOOTSTRAP, Address, Firewall
from net.dht.errors import DhtError
from net.dht.events import (
    ConnectFailed,
    DhtEvent,
    Path,
    SocketReleased,
    SocketWanted,
    StreamReady,
    Trace,
)
from net.dht.messages import DhtAddress, MutableValue, PeerRecord
from net.dht.node import HyperDhtNode
from net.dht.queries import (
    DhtQuery,
    FoundPeer,
    FoundTopic,
    ImmutableStored,
    MutableStored,
)
from net.dht.server import Server

__all__ = [
    "DEFAULT_PORT",
    "PUBLIC_BOOTSTRAP",
    "Address",
    "ConnectFailed",
    "Connecting",
    "DhtAddress",
    "DhtError",
    "DhtEvent",
    "DhtQuery",
    "Firewall",
    "FoundPeer",
    "FoundTopic",
    "HyperDhtNode",
    "ImmutableStored",
    "MutableStored",
    "MutableValue",
    "Path",
    "PeerRecord",
    "Server",
    "SocketReleased",
    "SocketWanted",
    "StreamReady",
    "Trace",
]
