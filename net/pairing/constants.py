"""Names, numbers and limits of blind pairing.

The namespaces, the protocol's name and the intervals are those of npm
blind-pairing-core 2.10.1 and npm blind-pairing 2.3.1; the limits are ours.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from net.crypto import namespace

PROTOCOL: Final = "blind-pairing"
"""What the Protomux channel speaks; its id is the group's discovery key."""

INVITE_VERSION: Final = 1

_CORE: Final = "blind-pairing"
_DHT: Final = "blind-pairing/dht"

NS_SIGNATURE: Final = namespace(_CORE, 0)
NS_TOKEN: Final = namespace(_CORE, 1)
NS_INVITE_ID: Final = namespace(_CORE, 2)
NS_REQUEST_ID: Final = namespace(_CORE, 3)
NS_SESSION: Final = namespace(_CORE, 4)
NS_SESSION_KEY: Final = namespace(_CORE, 5)
NS_ENCRYPT: Final = namespace(_CORE, 6)
NS_NONCE: Final = namespace(_CORE, 7)

NS_EPHEMERAL: Final = namespace(_DHT, 0)
NS_REPLY: Final = namespace(_DHT, 1)
NS_DISCOVERY: Final = namespace(_DHT, 2)


class Status(IntEnum):
    """What a member decided."""

    OK = 0
    """Admitted; the keys are in the reply."""

    REJECTED = 1
    """Not wanted; upstream PAIRING_REJECTED. A number nobody knows counts as this."""

    USED = 2
    """The invite has served as often as it may; upstream INVITE_USED."""

    EXPIRED = 3
    """The invite's time is over; upstream INVITE_EXPIRED."""


PEER_INTERVAL_S: Final = 1.0
"""Least wait of a candidate between two peers; up to half more is drawn."""

ASK_AGAIN_S: Final = 300.0
"""After this a candidate asks a peer again that has not answered."""

POLL_INTERVAL_S: Final = 420.0
"""Least wait between two looks into the DHT; up to half more is drawn."""

PENDING_LIMIT_S: Final = 24 * 3600.0
"""How long a request waits for a decision before it is forgotten."""

MAX_INVITE_BYTES: Final = 512
"""An encoded invite; npm's have 66 bytes and 6 for each further DHT node."""

MAX_ADDITIONAL_NODES: Final = 32
"""DHT nodes that one invite may name."""

MAX_USER_DATA_BYTES: Final = 4096
"""What a candidate says about itself; about 700 also fit into a DHT record."""

MAX_ADDITIONAL_BYTES: Final = 4096
"""What a member adds to the keys."""

MAX_EXTENSION_BYTES: Final = 2048
"""What a member of our own kind says besides."""

MAX_MESSAGE_BYTES: Final = 8192
"""A whole request or response."""

MAX_FRAME_BYTES: Final = MAX_MESSAGE_BYTES + 3
"""A message of the channel: a request or response and its length."""

MAX_PEERS: Final = 1024
"""Connections that one machine looks after."""

MAX_INVITES: Final = 4096
"""Invites that one member answers for."""

MAX_PENDING: Final = 256
"""Requests that wait for a decision."""

MAX_PENDING_PER_INVITE: Final = 64
"""The same through one invite, so that a leaked one does not shut out the others."""

MAX_WAITING_PEERS: Final = 16
"""Connections that wait for the answer to one request."""

MAX_ANSWERS: Final = 1024
"""Answers kept for those who ask again."""

MAX_MESSAGES_PER_MINUTE: Final = 30
"""Messages of one connection; a candidate sends one in five minutes."""

MAX_SEALED_PER_MINUTE: Final = 1200
"""Requests of all connections whose seal is tried: about 0.3 CPU-s a minute."""

MAX_NEW_PER_INVITE_AND_MINUTE: Final = 30
"""New requests through one invite that are shown to whoever decides."""

MAX_REFUSALS_TOLD: Final = 16
"""Different refusals of one request that its owner hears of."""

MAX_INBOX: Final = 32
"""Messages of one connection between two turns of its owner."""

MAX_SEEN_RECORDS: Final = 512
"""Keys of requests in the DHT that need not be fetched again."""

MAX_RECORD_VALUE_BYTES: Final = 1000
"""What nodes of the DHT accept as the value of a mutable record."""

MAX_RECORDS: Final = 256
"""Answers that wait to be put into the DHT."""

MAX_LOOKUP_PEERS: Final = 64
"""Keys taken from one look-up of a pairing topic."""
