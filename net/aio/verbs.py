"""Topics and records of a node: what is asked of the network without a connection.

The half of :class:`net.aio.node.DHT` that turns the machine's queries into awaitables.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from net.aio.deferred import settled
from net.flow import Deferred

if TYPE_CHECKING:
    from net.aio.driver import Driver
    from net.crypto import KeyPair
    from net.dht.messages import MutableValue, PeerRecord
    from net.dht.node import HyperDhtNode
    from net.dht.queries import DhtQuery, FoundPeer, FoundTopic, MutableStored

T = TypeVar("T")
Address = tuple[str, int]


class DhtVerbs(ABC):
    """The verbs of a node that needs a start, a driver and a machine.

    Attributes:
        key_pair: Own identity where none is named.
    """

    key_pair: KeyPair

    @property
    @abstractmethod
    def driver(self) -> Driver:
        """What moves the machine."""

    @abstractmethod
    async def _start(self) -> HyperDhtNode:
        """Start if need be, and return the machine."""

    @abstractmethod
    def _relays_of(self, public_key: bytes) -> Sequence[Address]:
        """Nodes through which a key of this node is reached."""

    async def lookup(
        self, topic: bytes, *, on_found: Callable[[FoundTopic], None] | None = None
    ) -> list[PeerRecord]:
        """Who announced a topic: each peer once, as the nodes around it say.

        Args:
            topic: 32 bytes.
            on_found: Called with each node's answer as it comes.
        """
        node = await self._start()
        return await self._peers(lambda: node.lookup(topic, on_found=on_found))

    async def announce(
        self,
        topic: bytes,
        key_pair: KeyPair | None = None,
        *,
        relay_addresses: Sequence[Address] | None = None,
        on_found: Callable[[FoundTopic], None] | None = None,
    ) -> list[PeerRecord]:
        """Announce a key under a topic for about twenty minutes.

        Args:
            topic: 32 bytes.
            key_pair: Whose key, the node's if not given.
            relay_addresses: Nodes through which it is reachable; those of the server
                that listens on the key if not given.
            on_found: Called with each node's answer as it comes.

        Returns:
            Who announced it before.
        """
        node = await self._start()
        key_pair = key_pair or self.key_pair
        relays = relay_addresses
        if relays is None:
            relays = self._relays_of(key_pair.public_key)
        return await self._peers(
            lambda: node.announce(
                topic, key_pair, relay_addresses=relays, on_found=on_found
            )
        )

    async def unannounce(self, topic: bytes, key_pair: KeyPair | None = None) -> None:
        """Take a key back from a topic."""
        node = await self._start()
        await self._do(lambda: node.unannounce(topic, key_pair))

    async def find_peer(self, public_key: bytes) -> list[FoundPeer]:
        """Nodes that know the way to a peer; none if it is not online."""
        node = await self._start()
        with self._verb():
            query = node.find_peer(public_key)
        return await settled(query.finished, on_cancel=query.cancel)

    async def mutable_put(
        self, key_pair: KeyPair, value: bytes, *, seq: int = 0
    ) -> MutableStored:
        """Store a signed record under a key for about two days.

        Args:
            key_pair: Who signs.
            value: Up to about a thousand bytes.
            seq: Its number; the network refuses to go back.
        """
        node = await self._start()
        return await self._do(lambda: node.mutable_put(key_pair, value, seq=seq))

    async def mutable_get(
        self, public_key: bytes, *, seq: int = 0, latest: bool = True
    ) -> MutableValue | None:
        """The signed record of a key, None if there is none.

        Args:
            public_key: Whose.
            seq: The lowest number that will do.
            latest: True to ask all nodes and take the newest, False for the first.
        """
        node = await self._start()
        return await self._do(
            lambda: node.mutable_get(public_key, seq=seq, latest=latest)
        )

    async def immutable_put(self, value: bytes) -> bytes:
        """Store up to about a thousand bytes; returns the hash to find them by."""
        node = await self._start()
        stored = await self._do(lambda: node.immutable_put(value))
        return stored.hash

    async def immutable_get(self, target: bytes) -> bytes | None:
        """The bytes with a hash, None if nobody has them."""
        node = await self._start()
        return await self._do(lambda: node.immutable_get(target))

    @contextmanager
    def _verb(self) -> Iterator[None]:
        """Set the node's clock before, and do what follows after."""
        self.driver.begin()
        yield
        self.driver.pump()

    async def _do(self, verb: Callable[[], Deferred[T]]) -> T:
        self.driver.begin()
        deferred = verb()
        self.driver.pump()
        cancel: Callable[[], object] | None = getattr(deferred, "cancel", None)
        return await settled(deferred, on_cancel=cancel)

    async def _peers(
        self, verb: Callable[[], DhtQuery[FoundTopic]]
    ) -> list[PeerRecord]:
        self.driver.begin()
        query = verb()
        self.driver.pump()
        found = await settled(query.finished, on_cancel=query.cancel)
        peers = {peer.public_key: peer for topic in found for peer in topic.peers}
        return list(peers.values())
