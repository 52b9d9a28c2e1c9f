"""Connections that are two muxes and nothing else, and a network made of them."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from app.messenger import Messenger
from app.network import NetworkListener
from app.snapshots import NetworkSnapshot
from net import KeyPair
from net.mux import Mux

LIMIT_S = 60.0
"""How long a test waits for something to be so; a busy machine is slow."""


class JoinedPeer:
    """One end of a connection that is two muxes and nothing else."""

    def __init__(self, handshake_hash: bytes, *, is_initiator: bool) -> None:
        self.remote_public_key = bytes(32)
        self.handshake_hash = handshake_hash
        self.is_initiator = is_initiator
        self.mux = Mux()
        self.has_room = True

    def destroy(self, reason: str = "closed") -> None:
        del reason
        self.mux.close()


class Records:
    """The part of a DHT that keeps things: signed records and announced keys."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.announced: dict[bytes, list[bytes]] = {}


class QuietNetwork:
    """A network that finds nobody: a test connects people itself."""

    def __init__(self, records: Records | None = None) -> None:
        """Begin without topics.

        Args:
            records: What others share; nothing when not given.
        """
        self.topics: list[bytes] = []
        self.records = records or Records()

    async def get_record(self, public_key: bytes) -> bytes | None:
        return self.records.values.get(public_key)

    async def put_record(self, key_pair: KeyPair, value: bytes) -> bool:
        assert len(value) <= 1000
        # Sequence numbers are always 0: what is there stays.
        return self.records.values.setdefault(key_pair.public_key, value) == value

    async def look_up(self, topic: bytes) -> list[bytes]:
        return list(self.records.announced.get(topic, ()))

    async def announce(self, topic: bytes, key_pair: KeyPair) -> bool:
        keys = self.records.announced.setdefault(topic, [])
        if key_pair.public_key not in keys:
            keys.append(key_pair.public_key)
        return True

    async def unannounce(self, topic: bytes, key_pair: KeyPair) -> None:
        keys = self.records.announced.get(topic, [])
        if key_pair.public_key in keys:
            keys.remove(key_pair.public_key)

    async def start(self, listener: NetworkListener) -> None:
        del listener

    async def stop(self) -> None:
        return

    def join(self, topic: bytes, *, server: bool, client: bool) -> None:
        assert server or client
        if topic not in self.topics:
            self.topics.append(topic)

    def leave(self, topic: bytes) -> None:
        self.topics.remove(topic)

    def refresh(self, topic: bytes) -> None:
        assert topic in self.topics

    async def facts(self) -> dict[str, Any]:
        return {}

    def snapshot(self, name_of: Callable[[bytes], str]) -> NetworkSnapshot:
        del name_of
        return NetworkSnapshot(
            state="online", nodes=1, firewall="open", public_address=None
        )


class Wires:
    """Messengers and the connections between them, each carried while it is up."""

    def __init__(self, chance: random.Random | None = None) -> None:
        """Begin without any.

        Args:
            chance: Frames wait on their way for a time that it decides, in order;
                otherwise each arrives at once.
        """
        self._chance = chance
        self._under_way: dict[JoinedPeer, deque[bytes]] = {}
        self._pairs: dict[frozenset[Messenger], dict[Messenger, JoinedPeer]] = {}
        self._count = 0

    def connect(self, first: Messenger, second: Messenger) -> None:
        """Let two people have a connection."""
        self._count += 1
        left, right = ends(self._count)
        self._pairs[frozenset((first, second))] = {first: left, second: right}
        first._exchange.peer_connected(left)
        second._exchange.peer_connected(right)

    def cut(self, first: Messenger, second: Messenger) -> None:
        """End their connection."""
        for who, peer in self._pairs.pop(frozenset((first, second))).items():
            self._under_way.pop(peer, None)
            peer.mux.close()
            who._exchange.peer_disconnected(peer)

    async def until(
        self, so: Callable[[], bool], *, silent: frozenset[Messenger] = frozenset()
    ) -> None:
        """Carry frames until something is so; nothing between those silent."""
        async with asyncio.timeout(LIMIT_S):
            while not so():
                for people, pair in self._pairs.items():
                    if people == silent:
                        continue
                    if self._chance is None:
                        join(*pair.values())
                    else:
                        self._carry_some(*pair.values())
                await asyncio.sleep(0)

    def _carry_some(self, first: JoinedPeer, second: JoinedPeer) -> None:
        assert self._chance is not None
        for sender, receiver in ((first, second), (second, first)):
            frames = self._under_way.setdefault(sender, deque())
            frames.extend(sender.mux.frames_to_send())
            for _ in range(min(len(frames), self._chance.choice((0, 0, 0, 1, 3, 50)))):
                receiver.mux.receive_frame(frames.popleft())


def join(first: JoinedPeer, second: JoinedPeer) -> None:
    """Carry every frame across."""
    moved = True
    while moved:
        moved = False
        for sender, receiver in ((first, second), (second, first)):
            for frame in sender.mux.frames_to_send():
                moved = True
                receiver.mux.receive_frame(frame)


async def settle(
    first: JoinedPeer, second: JoinedPeer, until: Callable[[], bool]
) -> None:
    """Carry frames until something is so."""
    async with asyncio.timeout(LIMIT_S):
        while not until():
            join(first, second)
            await asyncio.sleep(0)


def ends(number: int = 1) -> tuple[JoinedPeer, JoinedPeer]:
    """The two ends of a connection."""
    name = b"%d" % number
    return JoinedPeer(name, is_initiator=True), JoinedPeer(name, is_initiator=False)


def attached(messenger: Messenger) -> list[Any]:
    """What the network knows of the rooms that a person sees."""
    personal = messenger._profile.personal_founder
    every = messenger._exchange._attached.values()
    return [it for it in every if it.room.row.founder != personal]
