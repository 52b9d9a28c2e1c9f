"""A core of its own in an empty database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.database import Database, Synchronous
from store.hypercore.core import Core, Cores


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database.open(tmp_path / "x.db", key=None, synchronous=Synchronous.NORMAL)
    yield opened
    opened.close()


@pytest.fixture
async def cores(database: Database) -> Cores:
    return Cores(database)


@pytest.fixture
async def core(cores: Cores) -> Core:
    return await cores.open()
