"""Peers that vanish without a word, over real sockets on loopback."""

from __future__ import annotations

import asyncio

import pytest

from net.aio.errors import ConnectionClosedError
from net.aio.raw_stream import UdxStream
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
            async with asyncio.timeout(20):
                await anext(near)
