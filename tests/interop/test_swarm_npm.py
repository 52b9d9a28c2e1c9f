"""One topic, three peers of mixed kinds, all connected and heard, both networks."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from net import Connection, KeyPair, Swarm
from net.crypto import blake2b_256
from tests.interop.networks import LOCAL, Network, as_npm, network_of
from tests.interop.node_peer import LIMIT_S, NodePeer

pytestmark = pytest.mark.interop

TOPIC = blake2b_256(b"a topic for three")
KEYS = [KeyPair.from_seed(bytes((0x61 + number,)) * 32) for number in range(3)]


class OurPeer:
    """A swarm of ours that greets whoever connects, and notes who greeted."""

    def __init__(self, network: Network, key_pair: KeyPair) -> None:
        self.key_pair = key_pair
        self.swarm = Swarm([network.bootstrap], key_pair=key_pair, host=LOCAL, port=0)
        self.greeted: dict[bytes, bytes] = {}
        self.changed = asyncio.Condition()

    async def run(self) -> None:
        """Serve connections until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            async for connection in self.swarm.connections():
                tasks.create_task(self.greet(connection))

    async def greet(self, connection: Connection) -> None:
        """Say who we are, hear who they are."""
        await connection.write(b"ours " + self.key_pair.public_key)
        async for message in connection:
            async with self.changed:
                self.greeted[connection.remote_public_key] = message
                self.changed.notify_all()

    async def heard(self, *others: KeyPair) -> None:
        """Wait until these have greeted us."""
        wanted = {other.public_key for other in others}
        async with asyncio.timeout(LIMIT_S), self.changed:
            await self.changed.wait_for(lambda: wanted <= set(self.greeted))

    async def start(self, stack: AsyncExitStack) -> None:
        """Open the swarm for as long as the stack lives."""
        await stack.enter_async_context(self.swarm)
        running = asyncio.create_task(self.run())
        stack.push_async_callback(stop, running)


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class NpmPeer:
    """A swarm of npm's, to which the test lends its voice."""

    def __init__(self, npm: NodePeer, key_pair: KeyPair) -> None:
        self.npm = npm
        self.key_pair = key_pair
        self.name = ""
        self.connected: set[bytes] = set()

    async def start(self, network: Network) -> None:
        """Open the swarm."""
        made = await self.npm.ask(
            "swarm.create",
            bootstrap=as_npm(network.bootstrap),
            seed=self.key_pair.secret_key[:32].hex(),
            onData="tell",
        )
        self.name = made["swarm"]

    async def join(self, *, server: bool, client: bool) -> None:
        """Take part in the topic."""
        await self.npm.ask(
            "swarm.join",
            swarm=self.name,
            topic=TOPIC.hex(),
            server=server,
            client=client,
        )

    async def greet(self, *others: KeyPair) -> None:
        """Wait until these are connected, and say who we are."""
        wanted = {other.public_key for other in others}
        while not wanted <= self.connected:
            event = await self.npm.event("swarm.connection", swarm=self.name)
            greeting = b"npm " + self.key_pair.public_key
            await self.npm.ask(
                "stream.write", stream=event["stream"], hex=greeting.hex()
            )
            self.connected.add(bytes.fromhex(event["remotePublicKey"]))


@pytest.mark.parametrize("kind", ["npm", "ours"])
async def test_two_of_ours_and_one_of_npm(npm: NodePeer, kind: str) -> None:
    async with network_of(kind, npm) as network, AsyncExitStack() as stack:
        first, second = (OurPeer(network, key_pair) for key_pair in KEYS[:2])
        third = NpmPeer(npm, KEYS[2])
        await third.start(network)
        for ours in (first, second):
            await ours.start(stack)
        session = await first.swarm.join(TOPIC, server=True, client=False)
        await session.flushed()
        await third.join(server=True, client=True)
        session = await second.swarm.join(TOPIC)
        await session.flushed()
        await third.greet(KEYS[0], KEYS[1])
        await first.heard(KEYS[1], KEYS[2])
        await second.heard(KEYS[0], KEYS[2])
        assert first.greeted[KEYS[1].public_key] == b"ours " + KEYS[1].public_key
        assert second.greeted[KEYS[2].public_key] == b"npm " + KEYS[2].public_key
        assert len(first.swarm.open_connections) == 2
        assert len(second.swarm.open_connections) == 2
        await npm.ask("swarm.destroy", swarm=third.name)


@pytest.mark.parametrize("kind", ["npm", "ours"])
async def test_one_of_ours_and_two_of_npm(npm: NodePeer, kind: str) -> None:
    async with network_of(kind, npm) as network, AsyncExitStack() as stack:
        ours = OurPeer(network, KEYS[0])
        others = [NpmPeer(npm, key_pair) for key_pair in KEYS[1:]]
        await ours.start(stack)
        for other in others:
            await other.start(network)
        await others[0].join(server=True, client=False)
        session = await ours.swarm.join(TOPIC)
        await session.flushed()
        await others[1].join(server=False, client=True)
        await others[1].greet(KEYS[0], KEYS[1])
        await others[0].greet(KEYS[0], KEYS[2])
        await ours.heard(KEYS[1], KEYS[2])
        # Both see the same topic and no peer twice.
        assert len(ours.swarm.open_connections) == 2
        told = await npm.ask("swarm.state", swarm=others[0].name)
        assert sorted(told["connections"]) == sorted(
            key_pair.public_key.hex() for key_pair in (KEYS[0], KEYS[2])
        )
        for other in others:
            await npm.ask("swarm.destroy", swarm=other.name)
