"""Files in place are hypercores like any other: npm fetches them, and serves them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from store.files import BLOCK_BYTES, SharedFiles
from store.hypercore.encryption import DefaultEncryption
from tests.interop.node_peer import NodePeer
from tests.interop.test_hypercore_npm import pair

pytestmark = pytest.mark.interop

SIZE = 21 * BLOCK_BYTES + 4711
CONTENT = random.Random(1).randbytes(SIZE)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
async def test_npm_fetches_a_file_and_serves_it(
    npm: NodePeer, tmp_path: Path, encrypted: bool
) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    async with (
        pair(npm, tmp_path) as made,
        SharedFiles(made.ours) as files,
    ):
        shared = await files.share(tmp_path / "a", encrypted=encrypted)
        theirs = await made.their_core(key=shared.key.hex())
        await npm.ask("core.download", core=theirs["core"], start=0, end=shared.length)
        read = b""
        for index in range(shared.length):
            block = await made.they_get(theirs["core"], index)
            if shared.block_key is not None:
                key = DefaultEncryption(shared.block_key, b"", is_block_key=True)
                block = key.decrypt(index, block)
            read += block
        assert read == CONTENT
        # We forget it, and npm is the one who has it.
        await files.remove(shared.key)
        download = await files.fetch(
            shared.key, tmp_path / "b", size=SIZE, block_key=shared.block_key
        )
        assert await download.done() == tmp_path / "b"
        assert (tmp_path / "b").read_bytes() == CONTENT
