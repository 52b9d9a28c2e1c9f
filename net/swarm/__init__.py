"""Hyperswarm: topics, discovery, retries and one connection per peer.

The rules follow Hyperswarm 4.17.2. There is no wire format here: the machine drives a
DHT and its connections through the protocols of :mod:`net.swarm.interfaces`.
"""

from __future__ import annotations

from net.swarm.interfaces import (
    PeerFound,
    SwarmConnection,
    SwarmNetwork,
    TopicQuery,
)
from net.swarm.peer_discovery import DiscoverySession
from net.swarm.peer_info import PeerInfo
from net.swarm.swarm import (
    ConnectionOpened,
    PeerBanned,
    SwarmEvent,
    SwarmMachine,
    SwarmOptions,
)

__all__ = [
    "ConnectionOpened",
    "DiscoverySession",
    "PeerBanned",
    "PeerFound",
    "PeerInfo",
    "SwarmConnection",
    "SwarmEvent",
    "SwarmMachine",
    "SwarmNetwork",
    "SwarmOptions",
    "TopicQuery",
]
