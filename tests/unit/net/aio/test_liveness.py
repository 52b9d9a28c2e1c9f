"""Peers that vanish or say too much, over real sockets on loopback."""

from __future__ import annotations

import asyncio

import pytest

from net import DHT
from net.aio.errors import ConnectionClosedError
from net.aio.raw_stream import UdxStream
from net.constants import MAX_PLAINTEXT_BYTES
from net.errors import LocalProtocolError
from tests.unit.net.aio.testnet import local_testnet, until


async def test_a_peer_that_vanishes_after_our_end_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with local_testnet(1) as net:
        near, far = await net.pair(keep_alive_s=0.1)
        ours, theirs = near._raw, far._raw
        assert isinstance(ours, UdxStream)
        assert isinstance(theirs, UdxStream)
        near.end()
        await until(lambda: far.remote_ended)
        await until(lambda: ours.statistics.in_flight == 0)
        monkeypatch.setattr(theirs.machine, "collect", lambda *_: None)
        with pytest.raises(ConnectionClosedError, match="no sign of life"):
            async with asyncio.timeout(60):
                await anext(near)


async def test_a_message_above_the_limit_ends_the_connection_and_is_counted() -> None:
    async with local_testnet(1) as net:
        server_dht = await net.node(max_message_bytes=65_536)
        server = await server_dht.create_server().listen()
        near = await (await net.node()).connect(server.public_key)
        await near.write(bytes(65_536))
        far = await anext(server)
        assert len(await anext(far)) == 65_536
        near.write_nowait(bytes(65_537))
        with pytest.raises(ConnectionClosedError) as caught:
            await anext(far)
        assert caught.value.code == "message-too-large"
        assert server_dht.driver.counters["message-too-large"] == 1


@pytest.mark.parametrize("limit", [4095, MAX_PLAINTEXT_BYTES + 1])
def test_a_limit_that_cannot_be_kept_is_refused(limit: int) -> None:
    with pytest.raises(LocalProtocolError):
        DHT((), max_message_bytes=limit)
