"""Interop tests need Node and the pinned npm packages; they install the latter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.interop.node_peer import NodePeer, node_peer, why_not


@pytest.fixture(scope="session", autouse=True)
def npm_packages() -> None:
    """The pinned packages under ``node_modules``, or a skip that says why not."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)


@pytest_asyncio.fixture
async def npm(npm_packages: None) -> AsyncIterator[NodePeer]:
    """One Node process for one test."""
    del npm_packages
    async with node_peer() as peer:
        yield peer
