"""Topic queries as a swarm needs them: seeded, clearing, and told of every peer.

Built on the node's own queries and requests. A first announce also removes records of
this key where they lie at nodes that are no longer among the closest; leaving tells
exactly the nodes that were announced to.
Upstream: hyperdht 6.34.0, ``lookupAndUnannounce`` and ``announce`` with ``clear``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from net.dht.constants import MAX_LOOKUP_RECORDS, MAX_RELAY_ADDRESSES, Command
from net.dht.queries import read_found_topic
from net.dht.records import signed_announcement, signed_unannouncement
from net.errors import NetError
from net.flow import Deferred, all_settled
from net.swarm import PeerFound

if TYPE_CHECKING:
    from net.crypto import KeyPair
    from net.dht.node import HyperDhtNode
    from net.rpc import Query, Reply

Address = tuple[str, int]
OnPeer = Callable[[PeerFound], None]


class TopicQueries:
    """The queries of one key.

    Args:
        node: The DHT machine.
        key_pair: Who announces.
        relay_addresses: Asked when announcing: nodes through which the key is reached.
    """

    def __init__(
        self,
        node: HyperDhtNode,
        key_pair: KeyPair,
        relay_addresses: Callable[[], Sequence[Address]],
    ) -> None:
        self._node = node
        self._key_pair = key_pair
        self._relay_addresses = relay_addresses

    def run(
        self,
        topic: bytes,
        *,
        nodes: Sequence[Address],
        on_peer: OnPeer,
        announce: bool,
        clear: bool,
    ) -> RunningTopicQuery:
        """Look a topic up.

        Args:
            topic: 32 bytes.
            nodes: The closest nodes of the last time, to start from.
            on_peer: Called for each record.
            announce: End by announcing at the closest nodes.
            clear: Take own records back wherever they are seen.
        """
        running = RunningTopicQuery()
        forgotten: list[Deferred[Reply]] = []

        def read(reply: Reply) -> None:
            found = read_found_topic(reply)
            if found is None:
                return
            for peer in found.peers:
                on_peer(PeerFound(peer.public_key, peer.relay_addresses))
            mine = any(it.public_key == self._key_pair.public_key for it in found.peers)
            if clear and (mine or len(found.peers) >= MAX_LOOKUP_RECORDS):
                request = self._unannounce(topic, reply)
                if request is not None:
                    forgotten.append(request)

        def commit(reply: Reply, query: Query) -> Deferred[Reply]:
            del query
            done: Deferred[Reply] = Deferred()

            async def after_clearing() -> None:
                await all_settled(list(forgotten))
                request = self._announce(topic, reply)
                if request is None:
                    done.fail(NetError("the node gave no token", code="no-token"))
                else:
                    request.when_settled(lambda it: _copy(it, done))

            self._node.scheduler.spawn(after_clearing())
            return done

        if clear and self._node.persistent is not None:
            self._node.persistent.unannounce(topic, self._key_pair.public_key)
        query = self._node.rpc.query(
            topic,
            Command.LOOKUP,
            nodes=tuple(nodes) or None,
            on_reply=read,
            commit=commit if announce else None,
        )
        running.follow(query, forgotten, self._node)
        return running

    def unannounce(self, topic: bytes, nodes: Sequence[Address]) -> Deferred[None]:
        """Take the own record back from these nodes, asking each once for a token."""
        forgotten: list[Deferred[Reply]] = []

        def read(reply: Reply) -> None:
            request = self._unannounce(topic, reply)
            if request is not None:
                forgotten.append(request)

        if self._node.persistent is not None:
            self._node.persistent.unannounce(topic, self._key_pair.public_key)
        query = self._node.rpc.query(
            topic,
            Command.LOOKUP,
            nodes=tuple(nodes),
            only_closest_nodes=True,
            retries=0,
            force=True,
            on_reply=read,
        )

        async def run() -> None:
            await all_settled([query.finished])
            await all_settled(list(forgotten))

        return self._node.scheduler.spawn(run(), watched=True)

    def _announce(self, topic: bytes, reply: Reply) -> Deferred[Reply] | None:
        if reply.token is None or reply.source_id is None:
            return None
        value = signed_announcement(
            self._key_pair,
            target=topic,
            node_id=reply.source_id,
            token=reply.token,
            relay_addresses=tuple(self._relay_addresses())[:MAX_RELAY_ADDRESSES],
        )
        return self._node.rpc.request(
            Command.ANNOUNCE, reply.source, target=topic, token=reply.token, value=value
        )

    def _unannounce(self, topic: bytes, reply: Reply) -> Deferred[Reply] | None:
        if reply.token is None or reply.source_id is None:
            return None
        value = signed_unannouncement(
            self._key_pair, target=topic, node_id=reply.source_id, token=reply.token
        )
        return self._node.rpc.request(
            Command.UNANNOUNCE,
            reply.source,
            target=topic,
            token=reply.token,
            value=value,
        )


class RunningTopicQuery:
    """A query under way, as the swarm sees it.

    Attributes:
        finished: Settled when the query, its commits and its clearing are over.
        closest_nodes: The nodes nearest to the topic so far.
    """

    def __init__(self) -> None:
        self.finished: Deferred[None] = Deferred()
        self._query: Query | None = None

    @property
    def closest_nodes(self) -> Sequence[Address]:
        """Addresses, closest first."""
        return () if self._query is None else self._query.closest_nodes

    def follow(
        self, query: Query, forgotten: list[Deferred[Reply]], node: HyperDhtNode
    ) -> None:
        """Settle when this and what it caused is over."""
        self._query = query

        async def run() -> None:
            await all_settled([query.finished])
            await all_settled(list(forgotten))
            if query.finished.error is None:
                self.finished.resolve(None)
            else:
                self.finished.fail(query.finished.error)

        node.scheduler.spawn(run())

    def cancel(self) -> None:
        """Stop asking."""
        if self._query is not None:
            self._query.cancel()


def _copy(source: Deferred[Reply], target: Deferred[Reply]) -> None:
    if source.error is not None:
        target.fail(source.error)
        return
    reply = source.result()
    if reply.error:
        target.fail(NetError("a node refused", code=f"ERROR_{reply.error}"))
    else:
        target.resolve(reply)
