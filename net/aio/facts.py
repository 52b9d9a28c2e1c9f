"""What is known of a node and of a connection at one moment, as plain data.

For the doctor, the window and tests; nothing here changes anything.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from net.aio.driver import Driver
    from net.aio.stream import Connection
    from net.dht.events import Path, Trace
    from net.dht.node import HyperDhtNode


HEADER_BYTES = 28
"""Of IPv4 and UDP, before the payload of each datagram."""


@dataclass(slots=True)
class Traffic:
    """What the sockets of a node carried since its start; payload only."""

    packets_sent: int = 0
    """Datagrams that the system took."""

    bytes_sent: int = 0
    packets_received: int = 0
    bytes_received: int = 0

    def sent(self, size_bytes: int, segment_bytes: int) -> None:
        """Count a run of equal datagrams, the last perhaps shorter; 0 is one alone."""
        self.packets_sent += -(-size_bytes // segment_bytes) if segment_bytes else 1
        self.bytes_sent += size_bytes

    def received(self, size_bytes: int, segment_bytes: int) -> None:
        """The same for what came."""
        self.packets_received += -(-size_bytes // segment_bytes) if segment_bytes else 1
        self.bytes_received += size_bytes

    def as_plain(self) -> dict[str, int]:
        """For the doctor, headers counted as bytes."""
        return {
            "packetsSent": self.packets_sent,
            "bytesSent": self.bytes_sent + HEADER_BYTES * self.packets_sent,
            "packetsReceived": self.packets_received,
            "bytesReceived": self.bytes_received + HEADER_BYTES * self.packets_received,
        }


@dataclass(frozen=True, slots=True)
class ConnectionStats:
    """Figures of one connection at one moment."""

    rtt_s: float | None
    """Smoothed round trip, None before the first one."""

    bytes_sent: int
    """Raw bytes of the ordered stream, encryption included."""

    bytes_received: int
    """The same in the other direction."""

    packets_retransmitted: int
    """Packets sent again."""

    mtu: int
    """Largest datagram the path is known to carry, headers included."""

    queued_bytes: int
    """Written, not yet acknowledged by the other side."""

    unread_bytes: int
    """Received, not yet taken by the application."""

    datagrams_sent: int
    datagrams_received: int
    datagrams_dropped: int
    """Received ones that could not be opened, came again, or nobody took in time."""


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """How a connection came about."""

    remote_public_key: bytes
    path: Path
    elapsed_s: float
    opened_trace: Trace
    """Steps from the first to the open stream, with the instant of each."""


@dataclass(frozen=True, slots=True)
class DhtStats:
    """Figures of a node at one moment."""

    nodes: int
    """Nodes in the routing table."""

    connections: int
    streams: int
    servers: int
    punch_sockets: int
    requests_in_flight: int

    dropped: dict[str, int]
    """Hostile or unusable datagrams and messages, by reason."""

    counters: dict[str, int]
    """What the node did how often: punches, handshakes, refusals."""


def dht_stats(node: HyperDhtNode, driver: Driver) -> DhtStats:
    """Count what a node has now."""
    rpc, endpoint = node.rpc, driver.endpoint
    dropped = {str(why): count for why, count in endpoint.multiplexer.dropped.items()}
    dropped |= {f"socket: {why}": count for why, count in endpoint.dropped.items()}
    return DhtStats(
        nodes=rpc.table.size,
        connections=len(driver.connections),
        streams=len(endpoint.multiplexer.streams),
        servers=len(node.servers),
        punch_sockets=node.punch_socket_count,
        requests_in_flight=rpc.requests_in_flight,
        dropped=dropped,
        counters=dict(node.counters) | dict(driver.counters),
    )


def nat_verdict(node: HyperDhtNode) -> str:
    """How the router before this machine maps ports: open, consistent, random."""
    rpc = node.rpc
    if rpc.host is None:
        return "unknown"
    if not rpc.firewalled:
        return "open"
    return "random" if rpc.randomized else "consistent"


def network_facts(node: HyperDhtNode, driver: Driver) -> dict[str, Any]:
    """What the doctor reports of a running node."""
    rpc = node.rpc
    public, stats = rpc.remote_address(), dht_stats(node, driver)
    return {
        "backend": driver.endpoint.description,
        "eventLoop": type(asyncio.get_running_loop()).__module__,
        "localAddresses": list(node.local_addresses),
        "publicHost": rpc.host,
        "publicPort": rpc.port or None,
        "publicAddress": None if public is None else f"{public[0]}:{public[1]}",
        "online": rpc.online,
        "degraded": rpc.degraded,
        "bootstrapped": rpc.bootstrapped,
        "firewalled": rpc.firewalled,
        "nat": nat_verdict(node),
        "ephemeral": rpc.ephemeral,
        "nodes": rpc.table.size,
        "connections": [connection_facts(it) for it in driver.connections],
        "traffic": driver.endpoint.traffic.as_plain(),
        "counters": stats.counters,
        "dropped": stats.dropped,
    }


def connection_facts(connection: Connection) -> dict[str, Any]:
    """What the doctor reports of one connection."""
    stats = connection.stats
    return {
        "remotePublicKey": connection.remote_public_key.hex(),
        "path": connection.path,
        "openedMs": round(connection.elapsed_s * 1e3, 1),
        "rttMs": None if stats.rtt_s is None else round(stats.rtt_s * 1e3, 2),
        "bytesSent": stats.bytes_sent,
        "bytesReceived": stats.bytes_received,
        "packetsRetransmitted": stats.packets_retransmitted,
        "mtu": stats.mtu,
    }
