"""What the messenger needs of the network, and the swarm that gives it.

``Network`` and ``Peer`` are the seam: ``net.Swarm`` fits behind ``SwarmNetwork``, a
test puts a model there. Which topics are joined and what is said on a connection is
the business of ``app/rooms``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from app.snapshots import NetworkSnapshot

if TYPE_CHECKING:
    from net import KeyPair
    from net.mux import Mux


MAX_PEERS = 256
"""Connections on which rooms are talked about."""


class Peer(Protocol):
    """One encrypted connection."""

    @property
    def remote_public_key(self) -> bytes:
        """The other side's network key."""

    @property
    def handshake_hash(self) -> bytes:
        """Shared by the two ends of this connection and known to nobody else."""

    @property
    def is_initiator(self) -> bool:
        """True on the side that connected."""

    @property
    def mux(self) -> Mux:
        """The channels of this connection."""

    @property
    def has_room(self) -> bool:
        """False while more would only queue."""

    def destroy(self, reason: str = ...) -> None:
        """End it at once."""


class NetworkListener(Protocol):
    """Hears what comes from the network, on the loop."""

    def peer_connected(self, peer: Peer) -> None:
        """A connection is open; nothing has been said on it yet."""

    def peer_disconnected(self, peer: Peer) -> None:
        """It is closed, and with it every channel."""

    def network_changed(self) -> None:
        """The snapshot differs from before."""

    def wanted(self, topic: bytes) -> int:
        """How many more there should be of those who are found at a topic."""


class Network(Protocol):
    """Topics in, connections out."""

    async def start(self, listener: NetworkListener) -> None:
        """Begin to reach the network, and keep trying; returns at once."""

    async def stop(self) -> None:
        """End every connection and give the sockets back."""

    def join(self, topic: bytes, *, server: bool, client: bool) -> None:
        """Announce at a topic, look up who is there, or both, until ``leave``.

        A topic that is joined already changes its mode.
        """

    def leave(self, topic: bytes) -> None:
        """Stop both."""

    def refresh(self, topic: bytes) -> None:
        """Announce or look up at a joined topic again, now."""

    async def get_record(self, public_key: bytes) -> bytes | None:
        """The signed record of a key, any version; None where none is found.

        This and what follows waits until the network is there.
        """

    async def put_record(self, key_pair: KeyPair, value: bytes) -> bool:
        """Store a record of 1,000 bytes at most for two days; False if it failed."""

    async def look_up(self, topic: bytes) -> list[bytes]:
        """The keys announced on a topic, joined or not."""

    async def announce(self, topic: bytes, key_pair: KeyPair) -> bool:
        """Announce a key that is none's of a connection; False if it failed."""

    async def unannounce(self, topic: bytes, key_pair: KeyPair) -> None:
        """Take such an announcement back."""

    async def facts(self) -> dict[str, Any]:
        """Details for the doctor, as plain data."""

    def snapshot(self, name_of: Callable[[bytes], str]) -> NetworkSnapshot:
        """The state now; ``name_of`` names a peer by its network key."""
