"""The same on every event loop there is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import pytest

from tests.unit.net.aio.testnet import local_testnet


def loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    found: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": asyncio.new_event_loop
    }
    try:
        import uvloop
    except ImportError:
        return found
    return found | {"uvloop": uvloop.new_event_loop}


async def exchange(offload: bool) -> None:
    async with local_testnet(1) as net:
        near, far = await net.pair(offload=offload)
        data = os.urandom(300_000)
        await near.write(data)
        near.end()
        got = b"".join([chunk async for chunk in far])
        assert got == data
        near.send(b"beside")
        assert await asyncio.wait_for(anext(far.datagrams()), 60) == b"beside"
        await far.close()
        assert near.closed


@pytest.mark.parametrize("offload", [True, False])
@pytest.mark.parametrize("name", loop_factories())
def test_a_connection_works(name: str, offload: bool) -> None:
    with asyncio.Runner(loop_factory=loop_factories()[name]) as runner:
        runner.run(exchange(offload))
