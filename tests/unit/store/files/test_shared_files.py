"""Files shared and fetched in place, between two stores of one process."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from store.files import (
    BLOCK_BYTES,
    Condition,
    FileDownload,
    SharedFile,
)
from tests.unit.store.files.stores import Store, connect

SIZES = [0, 1, BLOCK_BYTES, 37 * BLOCK_BYTES + 4711]
BIG = SIZES[-1]


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest_asyncio.fixture
async def ada(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path / "ada")
    yield store
    await store.close()


@pytest_asyncio.fixture
async def bob(tmp_path: Path, ada: Store) -> AsyncIterator[Store]:
    store = Store(tmp_path / "bob")
    connect(ada, store)
    yield store
    await store.close()


async def share(
    ada: Store, path: Path, size: int = BIG, *, encrypted: bool = True
) -> SharedFile:
    """Share a new file, and have its core on the wire."""
    path.write_bytes(content(size))
    shared = await ada.files.share(path, encrypted=encrypted)
    await ada.get(key=shared.key)
    return shared


async def fetch(bob: Store, shared: SharedFile, path: Path) -> FileDownload:
    return await bob.files.fetch(
        shared.key, path, size=shared.size, block_key=shared.block_key
    )


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("size", SIZES)
async def test_a_file_goes_from_place_to_place(
    tmp_path: Path, ada: Store, bob: Store, size: int, encrypted: bool
) -> None:
    shared = await share(ada, tmp_path / "a", size, encrypted=encrypted)
    assert (shared.size, shared.name) == (size, "a")
    assert (shared.block_key is not None) == encrypted
    download = await fetch(bob, shared, tmp_path / "b")
    assert await download.done() == tmp_path / "b"
    assert (tmp_path / "b").read_bytes() == content(size)
    assert await bob.files.state(shared.key) is Condition.COMPLETE
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
    # Nothing of the content is in either database.
    for store in (ada, bob):
        blocks = store.database.read(
            lambda it: it.execute("SELECT count(*) FROM core_block").get
        )
        assert blocks.result(5) == 0
