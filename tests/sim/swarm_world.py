"""A model of many swarms over one DHT in virtual time.

The DHT here is a table that everybody reads after a delay; connections take a round
trip, can be refused, cut and lost. What is under test is the real swarm machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from net.flow import Deferred, FlowCancelledError, FlowTask, Scheduler
from net.swarm import (
    ConnectionOpened,
    PeerFound,
    SwarmMachine,
    SwarmOptions,
)

CONNECT_TIMEOUT_S = 10.0
LOOKUP_S = 0.5
COMMIT_S = 0.5
"""As long as the slowest look-up, so that two who announce at once miss each other."""


class FakeQuery:
    """A look-up or announce: ends after a delay, then commits."""

    def __init__(self, task: FlowTask[None], nodes: tuple[Any, ...]) -> None:
        self.finished: Deferred[Any] = task
        self.closest_nodes: Sequence[Any] = nodes
        self._task = task

    def cancel(self) -> None:
        self._task.cancel()


class FakeConnection:
    """One end of a connection; ``other`` is the far end once accepted."""

    def __init__(
        self, owner: SimPeer, remote_public_key: bytes, *, is_initiator: bool
    ) -> None:
        self.owner = owner
        self.remote_public_key = remote_public_key
        self.is_initiator = is_initiator
        self.has_traffic = False
        self.keep_alives = 0
        self.other: FakeConnection | None = None
        self.closed = False
        self.close_reason: str | None = None
        self.id = owner.world.next_id()

    def destroy(self, reason: str) -> None:
        self.end(reason)
        if self.other is not None:
            far = self.other
            self.owner.world.later(lambda: far.end("closed by the other side"))

    def send_keep_alive(self) -> None:
        self.keep_alives += 1

    def end(self, reason: str, code: str | None = None) -> None:
        if self.closed:
            return
        self.closed = True
        self.close_reason = reason
        owner = self.owner
        owner.world.scheduler.call_later(0, lambda: owner.closed(self, code))


class SimPeer:
    """A swarm machine with the network that the model gives it."""

    def __init__(
        self, world: SwarmWorld, public_key: bytes, options: SwarmOptions | None
    ) -> None:
        self.world = world
        self.public_key = public_key
        self.up = True
        self.listening = False
        self.opened: list[FakeConnection] = []
        self.calls: list[tuple[str, Any]] = []
        self.refuse_all = False
        self.lookup_fails = False
        self.machine = SwarmMachine(
            public_key=public_key,
            scheduler=world.scheduler,
            entropy=world.random.randbytes,
            network=self,
            options=options,
        )

    # SwarmNetwork
    def listen(self) -> Deferred[Any]:
        self.listening = True
        deferred: Deferred[Any] = Deferred()
        self.world.later(lambda: deferred.resolve(None))
        return deferred

    def lookup(
        self, topic: bytes, *, nodes: Sequence[Any], on_peer: Callable[..., None]
    ) -> FakeQuery:
        return self._query("lookup", topic, nodes, on_peer)

    def lookup_and_unannounce(
        self, topic: bytes, *, nodes: Sequence[Any], on_peer: Callable[..., None]
    ) -> FakeQuery:
        self.world.records.get(topic, {}).pop(self.public_key, None)
        return self._query("lookup_and_unannounce", topic, nodes, on_peer)

    def announce(
        self,
        topic: bytes,
        *,
        nodes: Sequence[Any],
        clear: bool,
        on_peer: Callable[..., None],
    ) -> FakeQuery:
        name = "announce+clear" if clear else "announce"
        return self._query(name, topic, nodes, on_peer, commit=True)

    def unannounce(self, topic: bytes, *, nodes: Sequence[Any]) -> Deferred[Any]:
        self.calls.append(("unannounce", topic))
        assert nodes, "unannounce goes to known nodes"
        self.world.records.get(topic, {}).pop(self.public_key, None)
        deferred: Deferred[Any] = Deferred()
        self.world.later(lambda: deferred.resolve(None))
        return deferred

    def connect(
        self, public_key: bytes, *, relay_addresses: Sequence[Any], force_relay: bool
    ) -> FakeConnection:
        del relay_addresses
        self.calls.append(("connect", (public_key, force_relay)))
        connection = FakeConnection(self, public_key, is_initiator=True)
        self.world.connect(connection)
        return connection

    def suspend(self) -> Deferred[Any]:
        self.calls.append(("suspend", None))
        return self._done()

    def resume(self) -> Deferred[Any]:
        self.calls.append(("resume", None))
        return self._done()

    def close(self) -> Deferred[Any]:
        self.listening = False
        return self._done()

    # the model
    def closed(self, connection: FakeConnection, code: str | None) -> None:
        self.machine.connection_closed(connection, code)
        self.take_events()

    def take_events(self) -> None:
        while (event := self.machine.next_event()) is not None:
            if isinstance(event, ConnectionOpened):
                connection = event.connection
                assert isinstance(connection, FakeConnection)
                self.opened.append(connection)

    def crash(self) -> None:
        """Vanish without a word: the far ends notice by time-out."""
        self.up = False
        self.listening = False
        for connection in self.machine.connections:
            assert isinstance(connection, FakeConnection)
            connection.closed = True
            far = connection.other
            if far is not None:
                self.world.scheduler.call_later(
                    13.0, lambda far=far: far.end("timed out")
                )

    @staticmethod
    def _done() -> Deferred[Any]:
        deferred: Deferred[Any] = Deferred()
        deferred.resolve(None)
        return deferred

    def _query(
        self,
        name: str,
        topic: bytes,
        nodes: Sequence[Any],
        on_peer: Callable[..., None],
        *,
        commit: bool = False,
    ) -> FakeQuery:
        self.calls.append((name, topic))
        world = self.world

        async def run() -> None:
            try:
                await world.scheduler.sleep(world.random.uniform(0.1, LOOKUP_S))
            except FlowCancelledError:
                return
            if self.lookup_fails:
                raise TimeoutError("no node answered")
            records = list(world.records.setdefault(topic, {}).values())
            world.random.shuffle(records)
            for record in records[:20]:
                on_peer(record)
            if not commit:
                return
            try:
                await world.scheduler.sleep(COMMIT_S)
            except FlowCancelledError:
                return
            if self.up:
                world.records[topic][self.public_key] = PeerFound(self.public_key)

        del nodes
        task = world.scheduler.spawn(run(), watched=True)
        return FakeQuery(task, (("10.0.0.1", 1), ("10.0.0.2", 2)))


class SwarmWorld:
    """Everything of one simulation; the seed decides all of it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.scheduler = Scheduler()
        self.records: dict[bytes, dict[bytes, PeerFound]] = {}
        self.peers: dict[bytes, SimPeer] = {}
        self._ids = 0

    def next_id(self) -> int:
        self._ids += 1
        return self._ids

    def add_peer(
        self, *, key: bytes | None = None, options: SwarmOptions | None = None
    ) -> SimPeer:
        peer = SimPeer(self, key or self.random.randbytes(32), options)
        self.peers[peer.public_key] = peer
        return peer

    def later(self, callback: Callable[[], Any]) -> None:
        """Call after one way through the network."""
        self.scheduler.call_later(self.random.uniform(0.01, 0.1), callback)

    def connect(self, near: FakeConnection) -> None:
        def arrive() -> None:
            server = self.peers.get(near.remote_public_key)
            if near.closed:
                return
            if (
                server is None
                or not server.up
                or not server.listening
                or server.refuse_all
                or server.machine.refuses(near.owner.public_key, {})
            ):
                self.scheduler.call_later(
                    CONNECT_TIMEOUT_S,
                    lambda: near.end("no answer", "PEER_CONNECTION_FAILED"),
                )
                return
            far = FakeConnection(server, near.owner.public_key, is_initiator=False)
            near.other, far.other = far, near
            server.machine.connection_incoming(far)
            server.take_events()
            self.later(lambda: opened(far))

        def opened(far: FakeConnection) -> None:
            if near.closed:
                far.end("closed by the other side")
                return
            if not near.owner.up:
                return
            near.owner.machine.connection_opened(near)
            near.owner.take_events()
            near.has_traffic = not far.closed
            self.later(lambda: carried(far))

        def carried(far: FakeConnection) -> None:
            if not far.closed and not near.closed:
                far.has_traffic = True

        self.later(arrive)

    def run(self, seconds: float) -> None:
        """Let ``seconds`` of virtual time pass."""
        end = self.scheduler.now + seconds
        while (at := self.scheduler.get_timer()) is not None and at <= end:
            self.scheduler.handle_timer(at)
            for peer in self.peers.values():
                peer.take_events()
        self.scheduler.advance(end)

    def run_until(self, condition: Callable[[], bool], limit_s: float) -> None:
        """Run until something holds; fails with the seed when it never does."""
        end = self.scheduler.now + limit_s
        while not condition():
            at = self.scheduler.get_timer()
            assert at is not None, f"nothing left to happen (seed {self.seed})"
            assert at <= end, f"never came true (seed {self.seed})"
            self.scheduler.handle_timer(at)
            for peer in self.peers.values():
                peer.take_events()

    def settle(self, deferred: Deferred[Any], limit_s: float = 60.0) -> Any:
        """Run until a deferred is settled and return its value."""
        self.run_until(lambda: deferred.settled, limit_s)
        return deferred.result()


def open_pairs(world: SwarmWorld) -> set[tuple[bytes, bytes]]:
    """(from, to) of every open end whose far end is open too."""
    pairs = set()
    for peer in world.peers.values():
        if not peer.up:
            continue
        for connection in peer.machine.open_connections():
            assert isinstance(connection, FakeConnection)
            far = connection.other
            if far is None or far.closed or connection.closed:
                continue
            if far in far.owner.machine.open_connections():
                pairs.add((peer.public_key, connection.remote_public_key))
    return pairs
