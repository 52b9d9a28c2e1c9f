"""Replication of one core over any number of connections, on an event loop."""

from __future__ import annotations

from store.hypercore.replication.attachment import Attachment
from store.hypercore.replication.connection import ReplicaConnection
from store.hypercore.replication.extensions import Extension
from store.hypercore.replication.facts import PeerInfo
from store.hypercore.replication.handles import DownloadHandle, FindingPeers
from store.hypercore.replication.replication import (
    HIGH_PRIORITY,
    NORMAL_PRIORITY,
    Replication,
)

__all__ = [
    "HIGH_PRIORITY",
    "NORMAL_PRIORITY",
    "Attachment",
    "DownloadHandle",
    "Extension",
    "FindingPeers",
    "PeerInfo",
    "ReplicaConnection",
    "Replication",
]
