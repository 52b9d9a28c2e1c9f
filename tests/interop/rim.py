"""Waiting from asyncio for what the machine of a node settles."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from net import DHT
from net.aio.deferred import settled
from net.flow import Deferred
from tests.interop.node_peer import LIMIT_S

T = TypeVar("T")


async def settle(dht: DHT, deferred: Deferred[T]) -> T:
    """The result of something just started on the machine of a node."""
    dht.driver.pump()
    async with asyncio.timeout(LIMIT_S):
        return await settled(deferred)
