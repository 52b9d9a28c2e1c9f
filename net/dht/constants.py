"""Numbers of the HyperDHT protocol, and the limits of this implementation.

The first half is the wire: commands, firewall kinds, error numbers and signature
namespaces as npm hyperdht 6.34.0 uses them. The second half bounds what peers can make
a node hold or do; npm has no number for most of these.
"""

from __future__ import annotations

from enum import IntEnum

from net.crypto import namespace

Address = tuple[str, int]
"""Dotted IPv4 text and port."""


class Command(IntEnum):
    """User commands of dht-rpc requests."""

    PEER_HANDSHAKE = 0
    PEER_HOLEPUNCH = 1
    FIND_PEER = 2
    LOOKUP = 3
    ANNOUNCE = 4
    UNANNOUNCE = 5
    MUTABLE_PUT = 6
    MUTABLE_GET = 7
    IMMUTABLE_PUT = 8
    IMMUTABLE_GET = 9
    PLUGIN = 10


class Firewall(IntEnum):
    """What kind of address translation stands before a socket.

    Values on the wire above ``RANDOM`` are read as ``RANDOM``.
    """

    UNKNOWN = 0
    OPEN = 1
    CONSISTENT = 2
    RANDOM = 3


class PayloadError(IntEnum):
    """The error field of Noise and hole punch payloads."""

    NONE = 0
    ABORTED = 1
    VERSION_MISMATCH = 2
    TRY_LATER = 3


SEQ_REUSED = 16
"""RPC error: a mutable record with this number but other bytes is stored."""
SEQ_TOO_LOW = 17
"""RPC error: a mutable record with a higher number is stored."""

_NAME = "hyperswarm/dht"
NS_ANNOUNCE = namespace(_NAME, Command.ANNOUNCE)
NS_UNANNOUNCE = namespace(_NAME, Command.UNANNOUNCE)
NS_MUTABLE_PUT = namespace(_NAME, Command.MUTABLE_PUT)
NS_PEER_HANDSHAKE = namespace(_NAME, Command.PEER_HANDSHAKE)
NS_PEER_HOLEPUNCH = namespace(_NAME, Command.PEER_HOLEPUNCH)
NS_PLUGIN = namespace(_NAME, Command.PLUGIN)

DEFAULT_PORT = 49737
PUBLIC_BOOTSTRAP: tuple[Address, ...] = (
    ("88.99.3.86", 49737),
    ("142.93.90.113", 49737),
    ("138.68.147.8", 49737),
)
"""The first nodes of the public network."""

PROBE = b"\x00"
"""The one-byte datagram that opens or tests a way through an address translation."""
PROBE_TTL = 64
OPEN_SESSION_TTL = 5
"""Hops enough to leave the own network, too few to reach the peer."""

HANDSHAKE_TIMEOUT_S = 10.0
"""How long a server waits for the next step, and an open client for packets."""
HANDSHAKE_CLEAR_S = 10.0
"""How long an ended handshake stays known, so that repeats get the same answer."""
ANNOUNCE_PING_S = 3.0
ANNOUNCE_ROUNDS = 100
"""Ping rounds until the announcement is renewed: about five minutes."""
UNANNOUNCE_LIMIT_S = 2.0
"""How long closing waits for relays that do not answer."""

MAX_RELAY_ADDRESSES = 3
"""Relay addresses kept of a record and used of an announcement."""
MAX_LOOKUP_RECORDS = 20
MAX_BUMP_DRIFT_MS = 60_000
MAX_FORWARDS = 65_536
MAX_RECORDS = 65_536
MAX_REFRESHES = 65_536
MAX_BUMPS = 65_536
MAX_MUTABLES = 32_768
MAX_IMMUTABLES = 32_768
MAX_RECORD_BYTES = 1_400
"""Largest request stored for others; a datagram carries no more."""
MAX_VALUE_BYTES = 1_000
"""Largest value of our own put into the network; keys and signature come on top."""
RECORD_AGE_S = 20 * 60.0
VALUE_AGE_S = 48 * 3600.0

MAX_PAYLOAD_ADDRESSES = 128
"""Addresses in one list of a payload; more is a decoding error."""
MAX_NOISE_BYTES = 1_400
MAX_SESSIONS = 1_024
"""Handshakes a server remembers at once."""
MAX_SESSIONS_PER_HOST = 128
"""The same for one host of clients, those that got through not counted."""
MAX_REFUSED = 4_096
"""Handshakes that are over remembered, so that copies of them are ignored."""
MAX_PUNCH_SOCKETS = 512
MAX_CANDIDATES = 64
"""Relays a client tries for one connection."""
MAX_PUNCH_ADDRESSES = 8
"""Addresses of one peer that are probed, and relays of it that are used."""
MAX_CONNECTING = 1_024
"""Outgoing connections being made at once."""
MAX_RELAY_CACHE = 512
MAX_TRACE_STEPS = 64
MAX_REOPENS = 3
"""Sockets tried in a row for a usable verdict about the firewall."""
MAX_PUNCH_FLOWS = 16
"""Hole punch messages of one client dealt with at once."""
MAX_EVENTS = 65_536

IGNORED_NODES: frozenset[Address] = frozenset(
    {
        ("134.209.28.98", 49738),
        ("167.99.142.185", 49738),
        ("35.233.47.252", 9400),
    }
)
"""Test nodes that once leaked into the public network; upstream skips them as well."""
IGNORED_HOSTS: frozenset[str] = frozenset({"150.136.142.116"})


def accepts_node(address: Address) -> bool:
    """True if a node with this address may enter tables and queries."""
    return address not in IGNORED_NODES and address[0] not in IGNORED_HOSTS
