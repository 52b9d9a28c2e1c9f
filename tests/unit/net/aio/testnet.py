"""A small network of real nodes on the loopback interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from net import DHT, Connection, KeyPair, Server, Swarm

HOST = "127.0.0.1"


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something holds; fails after twenty seconds."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


async def turns(count: int) -> None:
    """Let the loop turn so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


class Testnet:
    """A bootstrap node, a few persistent ones, and whatever a test adds."""

    __test__ = False

    def __init__(self, stack: AsyncExitStack, bootstrap: Sequence[tuple[str, int]]):
        self._stack = stack
        self.bootstrap = bootstrap

    async def node(self, **options: Any) -> DHT:
        """A further node, closed at the end of the test."""
        node = DHT(self.bootstrap, host=HOST, port=0, **options)
        return await self._stack.enter_async_context(node)

    async def swarm(self, **options: Any) -> Swarm:
        """A swarm with a node of its own, closed at the end of the test."""
        swarm = Swarm(self.bootstrap, host=HOST, port=0, **options)
        return await self._stack.enter_async_context(swarm)

    async def server(self, **options: Any) -> Server:
        """A listening server on a node of its own."""
        server = (await self.node(**options)).create_server()
        return await server.listen(KeyPair.generate())

    async def pair(self, **options: Any) -> tuple[Connection, Connection]:
        """Two ends of one connection between two new nodes, the client's first."""
        server = await self.server(**options)
        client = await self.node(**options)
        near = await client.connect(server.public_key)
        return near, await asyncio.wait_for(anext(server), 60)


@asynccontextmanager
async def local_testnet(node_count: int = 3) -> AsyncIterator[Testnet]:
    """A network of a bootstrap node and ``node_count`` persistent ones."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(DHT.bootstrapper(0, HOST))
        net = Testnet(stack, [(HOST, first.port)])
        for _ in range(node_count):
            await net.node(ephemeral=False, firewalled=False)
        yield net
