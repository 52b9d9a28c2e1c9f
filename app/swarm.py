"""The messenger's network: one swarm of ``net`` for all rooms.

Starts beside everything else and keeps trying: without a network the messenger works
alone and says so. Fits ``app.network.Network``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from app.network import MAX_PEERS, NetworkListener, Peer
from app.snapshots import NetworkSnapshot, PeerSnapshot
from app.tasks import Tasks
from app.traffic import SAMPLE_S, LastMinute
from net import KeyPair, Swarm
from net.aio.stream import Connection
from net.aio.swarm import Discovery
from net.errors import NetError
from net.swarm import SwarmOptions

_LOG = logging.getLogger("covey.network")

RETRY_S = (2.0, 5.0, 15.0, 30.0, 60.0)
"""Pauses between attempts to start."""
WATCH_S = 1.0
"""How often the state is compared with what was told."""
MAX_MESSAGE_BYTES = 2 * 1024 * 1024
"""Longest message of a peer. Rooms, which send the longest, answer with 512 KiB and one
entry; what channels send in one turn shares a frame."""

MAX_WAITING_TOPICS = 4_096


def bootstrap_nodes(text: str | None) -> list[str] | None:
    """The nodes of ``host:port[,host:port...]``; None for the public ones."""
    if text is None:
        return None
    return [part.strip() for part in text.split(",") if part.strip()]


def local_host(bootstrap: list[str] | None) -> str:
    """The address to bind: a network that lives on this machine needs no other."""
    names = [node.rpartition(":")[0] for node in bootstrap or ()]
    inside = names and all(n == "localhost" or n.startswith("127.") for n in names)
    return "127.0.0.1" if inside else "0.0.0.0"


class SwarmNetwork:
    """Topics in, connections out, over ``net.Swarm``."""

    def __init__(self, key_pair: KeyPair, *, bootstrap: str | None = None) -> None:
        """Prepare; nothing is opened yet.

        Args:
            key_pair: The profile's network key.
            bootstrap: ``host:port[,host:port...]``; None for the public nodes.
        """
        self._key_pair = key_pair
        self._bootstrap = bootstrap_nodes(bootstrap)
        self._swarm: Swarm | None = None
        self._listener: NetworkListener | None = None
        self._topics: dict[bytes, tuple[bool, bool]] = {}
        self._sessions: dict[bytes, Discovery] = {}
        self._peers: dict[Connection, Peer] = {}
        self._tasks = Tasks(_LOG, "work for the network failed")
        self._ready = asyncio.Event()
        self._minute: LastMinute | None = None
        self._sentence = ""
        self._failed = False
        self._stopping = False

    async def start(self, listener: NetworkListener) -> None:
        """See ``Network.start``; returns at once."""
        self._listener = listener
        self._tasks.spawn(self._run())
        self._tasks.spawn(self._watch())

    async def stop(self) -> None:
        """See ``Network.stop``."""
        self._stopping = True
        # Who waits for a swarm waits in vain.
        self._ready.set()
        swarm, self._swarm = self._swarm, None
        await self._tasks.cancel()
        if swarm is None:
            return
        if not swarm.dht.doctor_facts().get("nodes"):
            # Nobody is there to take leave of: do not wait for answers.
            await swarm.dht.close()
        await swarm.close()

    def join(self, topic: bytes, *, server: bool, client: bool) -> None:
        """See ``Network.join``."""
        mode = (server, client)
        if self._topics.get(topic, mode) != mode:
            self._topics[topic] = mode
            if (session := self._sessions.get(topic)) is not None:
                self._tasks.spawn(self._refresh(session, mode))
            return
        if len(self._topics) >= MAX_WAITING_TOPICS or topic in self._topics:
            return
        self._topics[topic] = mode
        if self._swarm is not None:
            self._tasks.spawn(self._join(self._swarm, topic))

    def leave(self, topic: bytes) -> None:
        """See ``Network.leave``."""
        self._sessions.pop(topic, None)
        if self._topics.pop(topic, None) is not None and self._swarm is not None:
            self._tasks.spawn(self._leave(self._swarm, topic))

    def refresh(self, topic: bytes) -> None:
        """See ``Network.refresh``."""
        session = self._sessions.get(topic)
        if session is not None:
            self._tasks.spawn(self._refresh(session))

    async def get_record(self, public_key: bytes) -> bytes | None:
        """See ``Network.get_record``."""
        swarm = await self._started()
        try:
            found = await swarm.dht.mutable_get(public_key, latest=False)
        except NetError as error:
            _LOG.info("a record could not be read: %s", error)
            return None
        return found.value if found is not None else None

    async def put_record(self, key_pair: KeyPair, value: bytes) -> bool:
        """See ``Network.put_record``."""
        swarm = await self._started()
        try:
            await swarm.dht.mutable_put(key_pair, value)
        except NetError as error:
            _LOG.info("a record could not be stored: %s", error)
            return False
        return True

    async def look_up(self, topic: bytes) -> list[bytes]:
        """See ``Network.look_up``."""
        swarm = await self._started()
        try:
            return [found.public_key for found in await swarm.dht.lookup(topic)]
        except NetError as error:
            _LOG.info("a topic could not be looked up: %s", error)
            return []

    async def announce(self, topic: bytes, key_pair: KeyPair) -> bool:
        """See ``Network.announce``."""
        swarm = await self._started()
        try:
            await swarm.dht.announce(topic, key_pair)
        except NetError as error:
            _LOG.info("a key could not be announced: %s", error)
            return False
        return True

    async def unannounce(self, topic: bytes, key_pair: KeyPair) -> None:
        """See ``Network.unannounce``."""
        swarm = await self._started()
        try:
            await swarm.dht.unannounce(topic, key_pair)
        except NetError as error:
            _LOG.info("a key could not be unannounced: %s", error)

    async def facts(self) -> dict[str, Any]:
        """What the doctor prints of the network."""
        swarm = self._swarm
        facts = swarm.dht.doctor_facts() if swarm is not None else {}
        told: dict[str, Any] = {"topics": len(self._topics), "network": facts}
        if self._minute is not None and "traffic" in facts:
            told["lastMinute"] = self._minute.rise(facts["traffic"], _now())
        return told

    def snapshot(self, name_of: Callable[[bytes], str]) -> NetworkSnapshot:
        """See ``Network.snapshot``."""
        facts = self._swarm.dht.doctor_facts() if self._swarm is not None else {}
        nodes = int(facts.get("nodes", 0))
        peers = tuple(
            _peer_snapshot(connection, name_of)
            for connection in self._peers
            if not connection.closed
        )
        state = self._state(facts, nodes, connected=bool(peers))
        return NetworkSnapshot(
            state=state,
            nodes=nodes,
            firewall=str(facts.get("nat", "unknown")),
            public_address=facts.get("publicAddress"),
            peers=peers,
            sentence=self._explanation(state),
        )

    def _state(self, facts: dict[str, Any], nodes: int, *, connected: bool) -> str:
        if self._failed:
            return "offline"
        if not facts:
            return "starting"
        if connected or (nodes and facts.get("online", True)):
            return "online"
        return "offline" if facts.get("bootstrapped") else "searching"

    def _explanation(self, state: str) -> str:
        if self._failed:
            return self._sentence
        if state == "offline":
            return (
                "No node of the network answers: check the connection to the internet."
            )
        return ""

    async def _run(self) -> None:
        """Start the swarm, however long it takes, then take its connections."""
        attempt = 0
        while True:
            swarm = Swarm(
                self._bootstrap,
                key_pair=self._key_pair,
                port=0,
                host=local_host(self._bootstrap),
                options=SwarmOptions(max_peers=MAX_PEERS, wanted=self._wanted),
                max_message_bytes=MAX_MESSAGE_BYTES,
            )
            try:
                await swarm.start()
                break
            except NetError as error:
                _LOG.warning("the network could not be started: %s", error)
                self._failed = True
                self._sentence = (
                    f"The network cannot be used: {str(error).rstrip('.')}."
                )
                await swarm.close()
            await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            attempt += 1
        self._failed = False
        self._swarm = swarm
        self._ready.set()
        for topic in tuple(self._topics):
            await self._join(swarm, topic)
        async for connection in swarm.connections():
            self._take(connection)

    def _take(self, connection: Connection) -> None:
        if connection.closed or self._listener is None:
            return
        self._peers[connection] = connection
        _LOG.info(
            "connected, %s, after %.0f ms", connection.path, connection.elapsed_s * 1000
        )
        for at_s, step in connection.opened_trace:
            _LOG.debug("%.3f %s", at_s, step)
        connection.on_close.append(self._connection_closed)
        self._listener.peer_connected(connection)

    def _connection_closed(self, connection: Connection) -> None:
        if self._peers.pop(connection, None) is not None and self._listener is not None:
            error = connection.error
            _LOG.info("disconnected: %s", "ended" if error is None else error.code)
            self._listener.peer_disconnected(connection)

    def _wanted(self, topic: bytes) -> int:
        return self._listener.wanted(topic) if self._listener is not None else 0

    async def _started(self) -> Swarm:
        """The swarm, once it is there."""
        while self._swarm is None:
            await self._ready.wait()
            if self._stopping:
                raise asyncio.CancelledError
        return self._swarm

    async def _join(self, swarm: Swarm, topic: bytes) -> None:
        mode = self._topics.get(topic)
        if mode is None:
            return
        try:
            session = await swarm.join(topic, server=mode[0], client=mode[1])
            now = self._topics.get(topic)
            if now is not None:
                self._sessions[topic] = session
                if now != mode:
                    await self._refresh(session, now)
        except NetError as error:
            _LOG.warning("a topic could not be joined: %s", error)

    async def _refresh(
        self, session: Discovery, mode: tuple[bool | None, bool | None] = (None, None)
    ) -> None:
        try:
            await session.refresh(server=mode[0], client=mode[1])
        except NetError as error:
            _LOG.info("a topic could not be refreshed: %s", error)

    async def _leave(self, swarm: Swarm, topic: bytes) -> None:
        try:
            await swarm.leave(topic)
        except NetError as error:
            _LOG.warning("a topic could not be left: %s", error)

    def _sample(self) -> None:
        if self._swarm is None:
            return
        counts = self._swarm.dht.traffic.as_plain()
        if self._minute is None:
            self._minute = LastMinute(counts, _now())
        self._minute.sample(counts, _now())

    async def _watch(self) -> None:
        """Tell the listener when the state differs from what was told."""
        told: tuple[Any, ...] | None = None
        sampled_at = -SAMPLE_S
        while True:
            if _now() >= sampled_at + SAMPLE_S:
                sampled_at = _now()
                self._sample()
            now = self.snapshot(lambda _: "")
            seen = (
                now.state,
                now.nodes,
                now.firewall,
                now.public_address,
                now.sentence,
            )
            if seen != told and self._listener is not None:
                told = seen
                self._listener.network_changed()
            await asyncio.sleep(WATCH_S)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _peer_snapshot(
    connection: Connection, name_of: Callable[[bytes], str]
) -> PeerSnapshot:
    stats = connection.stats
    host, port = connection.remote_address
    return PeerSnapshot(
        public_key=connection.remote_public_key.hex(),
        name=name_of(connection.remote_public_key),
        path=str(connection.path),
        remote_address=f"{host}:{port}",
        rtt_ms=None if stats.rtt_s is None else round(stats.rtt_s * 1000, 2),
        bytes_in=stats.bytes_received,
        bytes_out=stats.bytes_sent,
    )
