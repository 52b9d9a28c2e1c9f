"""Asking the network: peers, topics and small records.

Each query walks towards its target and hands out what it finds on the way; some commit
to the closest nodes at the end. What a node answers is believed only as far as its
signature or hash goes. Upstream: hyperdht 6.34.0 ``index.js``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from net.crypto import KeyPair, blake2b_256
from net.dht.constants import (
    MAX_LOOKUP_RECORDS,
    MAX_RELAY_ADDRESSES,
    MAX_VALUE_BYTES,
    SEQ_REUSED,
    SEQ_TOO_LOW,
    Address,
    Command,
)
from net.dht.messages import LookupReply, MutablePut, MutableValue, PeerRecord
from net.dht.records import (
    sign_mutable,
    signed_announcement,
    signed_unannouncement,
    verify_mutable,
)
from net.encoding import Writer
from net.errors import LocalProtocolError, NetError, RemoteProtocolError
from net.flow import Deferred, all_settled

if TYPE_CHECKING:
    from net.rpc import Query, Reply, RpcNode

R = TypeVar("R")

_REFUSALS = {SEQ_REUSED: "SEQ_REUSED", SEQ_TOO_LOW: "SEQ_TOO_LOW"}


@dataclass(frozen=True, slots=True)
class FoundPeer:
    """A node that knows the peer asked for.

    Attributes:
        source: The node, through which the peer can be reached.
        to: Our own address as that node sees it.
        token: For a request to that node.
        record: What it knows.
    """

    source: Address
    to: Address
    token: bytes | None
    record: PeerRecord


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """What one node knows of a topic.

    Attributes:
        source: The node.
        to: Our own address as that node sees it.
        token: For a request to that node.
        peers: Who announced the topic there.
        bump: Time in ms at which the topic last asked for attention, 0 for never.
    """

    source: Address
    to: Address
    token: bytes | None
    peers: tuple[PeerRecord, ...]
    bump: int


@dataclass(frozen=True, slots=True)
class MutableStored:
    """A mutable record that was put: its signature, and where it went."""

    public_key: bytes
    seq: int
    signature: bytes
    closest_nodes: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class ImmutableStored:
    """An immutable value that was put: its hash, and where it went."""

    hash: bytes
    closest_nodes: tuple[Address, ...]


class DhtQuery(Generic[R]):
    """A query under way, with what it has found.

    Attributes:
        results: What nodes answered, in order of arrival.
        finished: Settled with the results when the query and what it commits are over;
            fails with a ``NetError`` if it was cancelled or no node took the commit.
    """

    def __init__(self, on_found: Callable[[R], None] | None) -> None:
        self.results: list[R] = []
        self.finished: Deferred[list[R]] = Deferred()
        self._on_found = on_found
        self._query: Query | None = None

    @property
    def closest_nodes(self) -> list[Address]:
        """The nodes closest to the target that answered, closest first."""
        return [] if self._query is None else self._query.closest_nodes

    @property
    def closest_replies(self) -> list[Reply]:
        """Their replies."""
        return [] if self._query is None else self._query.closest_replies

    def cancel(self) -> None:
        """Give up."""
        if self._query is not None:
            self._query.cancel()

    def found(self, result: R) -> None:
        """Take a result; called by the query's reader of replies."""
        self.results.append(result)
        if self._on_found is not None:
            self._on_found(result)

    def follow(self, query: Query) -> None:
        """Settle with the query below."""
        self._query = query
        query.finished.when_settled(self._ended)

    def _ended(self, done: Deferred[None]) -> None:
        if done.error is None:
            self.finished.resolve(self.results)
        else:
            self.finished.fail(done.error)


def read_found_peer(reply: Reply, target: bytes) -> FoundPeer | None:
    """What a FIND_PEER reply says, None if nothing, nonsense or somebody else."""
    if not reply.value:
        return None
    try:
        record = PeerRecord.decode(reply.value)
    except RemoteProtocolError:
        return None
    if blake2b_256(record.public_key) != target:
        return None
    return FoundPeer(reply.source, reply.to, reply.token, record)


def read_found_topic(reply: Reply) -> FoundTopic | None:
    """What a LOOKUP reply says, None if nothing or nonsense."""
    if not reply.value:
        return None
    try:
        found = LookupReply.decode(reply.value)
    except RemoteProtocolError:
        return None
    return FoundTopic(reply.source, reply.to, reply.token, found.peers, found.bump)


class Queries:
    """The queries of one node.

    Args:
        rpc: The node below.
        forget: Called with target and public key before a peer is unannounced
            elsewhere, so that the own node forgets it too.
    """

    def __init__(self, rpc: RpcNode, *, forget: Callable[[bytes, bytes], None]) -> None:
        self._rpc = rpc
        self._forget = forget

    def find_peer(
        self,
        target: bytes,
        *,
        nodes: Sequence[Address] | None = None,
        retries: int = 5,
        on_found: Callable[[FoundPeer], None] | None = None,
    ) -> DhtQuery[FoundPeer]:
        """Find nodes that know a peer.

        Args:
            target: Hash of the peer's public key.
            nodes: Where to start, the routing table if not given.
            retries: Repeats of each request.
            on_found: Called with each node as it answers.
        """
        search = DhtQuery(on_found)

        def read(reply: Reply) -> None:
            found = read_found_peer(reply, target)
            if found is not None:
                search.found(found)

        search.follow(
            self._rpc.query(
                target,
                Command.FIND_PEER,
                nodes=nodes,
                retries=retries,
                on_reply=read,
            )
        )
        return search

    def lookup(
        self,
        topic: bytes,
        *,
        on_found: Callable[[FoundTopic], None] | None = None,
        commit: Callable[[Reply, Query], Deferred[Reply]] | None = None,
    ) -> DhtQuery[FoundTopic]:
        """Find peers that announced a topic."""
        search = DhtQuery(on_found)

        def read(reply: Reply) -> None:
            found = read_found_topic(reply)
            if found is not None:
                search.found(found)

        search.follow(
            self._rpc.query(topic, Command.LOOKUP, on_reply=read, commit=commit)
        )
        return search

    def announce(
        self,
        topic: bytes,
        key_pair: KeyPair,
        *,
        relay_addresses: Sequence[Address] = (),
        bump: int = 0,
        on_found: Callable[[FoundTopic], None] | None = None,
    ) -> DhtQuery[FoundTopic]:
        """Announce a key under a topic, to the nodes closest to it.

        Args:
            topic: 32 bytes.
            key_pair: Whose key to announce, and what signs it.
            relay_addresses: Nodes through which the key is reachable, three are used.
            bump: Time in ms by which others shall look at the topic again, 0 for none.
            on_found: Called with what is known of the topic already.
        """
        relays = tuple(relay_addresses)[:MAX_RELAY_ADDRESSES]

        def commit(reply: Reply, query: Query) -> Deferred[Reply]:
            del query
            if reply.token is None or reply.source_id is None:
                return _failed("the node gave no token")
            value = signed_announcement(
                key_pair,
                target=topic,
                node_id=reply.source_id,
                token=reply.token,
                relay_addresses=relays,
                bump=bump,
            )
            return self._commit(Command.ANNOUNCE, topic, reply, value)

        return self.lookup(topic, on_found=on_found, commit=commit)

    async def unannounce(self, topic: bytes, key_pair: KeyPair) -> None:
        """Take a key back from all nodes that list it under a topic.

        Nodes that list too many peers to show all are told as well.
        """
        self._forget(topic, key_pair.public_key)
        told: list[Deferred[Reply]] = []

        def read(reply: Reply) -> None:
            found = read_found_topic(reply)
            if found is None or reply.token is None or reply.source_id is None:
                return
            listed = any(p.public_key == key_pair.public_key for p in found.peers)
            if not listed and len(found.peers) < MAX_LOOKUP_RECORDS:
                return
            value = signed_unannouncement(
                key_pair, target=topic, node_id=reply.source_id, token=reply.token
            )
            told.append(self._commit(Command.UNANNOUNCE, topic, reply, value))

        query = self._rpc.query(topic, Command.LOOKUP, on_reply=read)
        await query.finished
        await all_settled(list(told))

    async def immutable_put(self, value: bytes) -> ImmutableStored:
        """Store bytes under their hash with the nodes closest to it.

        Raises:
            LocalProtocolError: The value does not fit in a datagram.
            NetError: No node took it.
        """
        _check_size(value)
        target = blake2b_256(value)

        def commit(reply: Reply, query: Query) -> Deferred[Reply]:
            del query
            return self._commit(Command.IMMUTABLE_PUT, target, reply, value)

        query = self._rpc.query(target, Command.IMMUTABLE_GET, commit=commit)
        await query.finished
        return ImmutableStored(target, tuple(query.closest_nodes))

    async def immutable_get(self, target: bytes) -> bytes | None:
        """Find the bytes with a hash; the first true answer counts."""
        found: Deferred[bytes | None] = Deferred()

        def read(reply: Reply) -> None:
            if reply.value is not None and blake2b_256(reply.value) == target:
                found.resolve(reply.value)

        query = self._rpc.query(target, Command.IMMUTABLE_GET, on_reply=read)
        query.finished.when_settled(lambda done: _end_search(done, found))
        value = await found
        query.cancel()
        return value

    async def mutable_put(
        self, key_pair: KeyPair, value: bytes, *, seq: int = 0
    ) -> MutableStored:
        """Store a signed record under the hash of the key.

        Args:
            key_pair: Who signs.
            value: The record.
            seq: Its number; nodes refuse to go back.

        Raises:
            LocalProtocolError: The value does not fit in a datagram.
            NetError: No node took it.
        """
        _check_size(value)
        target = blake2b_256(key_pair.public_key)
        signature = sign_mutable(key_pair, seq, value)
        put = MutablePut(key_pair.public_key, seq, value, signature).encode()

        def commit(reply: Reply, query: Query) -> Deferred[Reply]:
            del query
            return self._commit(Command.MUTABLE_PUT, target, reply, put)

        query = self._rpc.query(
            target, Command.MUTABLE_GET, Writer().uint(0).finish(), commit=commit
        )
        await query.finished
        nodes = tuple(query.closest_nodes)
        return MutableStored(key_pair.public_key, seq, signature, nodes)

    async def mutable_get(
        self, public_key: bytes, *, seq: int = 0, latest: bool = True
    ) -> MutableValue | None:
        """Find the signed record of a key.

        Args:
            public_key: Whose.
            seq: The lowest number that will do.
            latest: True to ask all and take the highest, False for the first.
        """
        best: list[MutableValue] = []
        found: Deferred[None] = Deferred()

        def read(reply: Reply) -> None:
            value = _read_mutable(reply, public_key)
            if value is None or value.seq < seq:
                return
            if not best or value.seq > best[0].seq:
                best[:] = [value]
            if not latest:
                found.resolve(None)

        query = self._rpc.query(
            blake2b_256(public_key),
            Command.MUTABLE_GET,
            Writer().uint(seq).finish(),
            on_reply=read,
        )
        query.finished.when_settled(lambda done: _end_search(done, found))
        await found
        query.cancel()
        return best[0] if best else None

    def _commit(
        self, command: Command, target: bytes, reply: Reply, value: bytes
    ) -> Deferred[Reply]:
        if reply.token is None:
            return _failed("the node gave no token")
        stored: Deferred[Reply] = Deferred()
        request = self._rpc.request(
            command, reply.source, target=target, value=value, token=reply.token
        )
        request.when_settled(lambda answered: _judge_commit(answered, stored))
        return stored


def _judge_commit(answered: Deferred[Reply], stored: Deferred[Reply]) -> None:
    """An answer that carries an error is no success."""
    if answered.error is not None:
        stored.fail(answered.error)
        return
    reply = answered.result()
    if reply.error == 0:
        stored.resolve(reply)
    else:
        code = _REFUSALS.get(reply.error, f"ERROR_{reply.error}")
        stored.fail(NetError("a node refused the record", code=code))


def _read_mutable(reply: Reply, public_key: bytes) -> MutableValue | None:
    if not reply.value:
        return None
    try:
        value = MutableValue.decode(reply.value)
    except RemoteProtocolError:
        return None
    if not verify_mutable(public_key, value.seq, value.value, value.signature):
        return None
    return value


def _end_search(done: Deferred[None], found: Deferred[R]) -> None:
    if done.error is None:
        found.resolve(None)  # type: ignore[arg-type]
    else:
        found.fail(done.error)


def _check_size(value: bytes) -> None:
    if len(value) > MAX_VALUE_BYTES:
        raise LocalProtocolError(
            f"{len(value)} bytes do not fit in a record of {MAX_VALUE_BYTES}"
        )


def _failed(why: str) -> Deferred[Reply]:
    failed: Deferred[Reply] = Deferred()
    failed.fail(NetError(why, code="no-token"))
    return failed
