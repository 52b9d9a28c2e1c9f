"""Hypercores and corestores replicated with npm's, in both directions and roles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from net import KeyPair
from store.corestore import Corestore
from store.corestore.link import PeerKind
from store.database import Synchronous
from store.errors import LocalProtocolError
from store.hypercore.events import Conflict
from store.hypercore.manifest import (
    Signer,
    create_manifest,
    encode_manifest,
    manifest_key,
)
from store.hypercore.merkle_tree import TreeBatch, tree_hash
from store.hypercore.session import Hypercore
from store.hypercore.signatures import (
    PartialSignature,
    TreeState,
    assemble,
    sign_tree,
)
from tests.interop.node_peer import LIMIT_S, NodePeer
from tests.interop.test_connect_npm import link

pytestmark = pytest.mark.interop

PRIMARY_KEY = bytes((9,)) * 32
SEEDS = [bytes((seed,)) * 32 for seed in (0x51, 0x52, 0x53)]
ENCRYPTION_KEY = bytes(range(32))

both_roles = pytest.mark.parametrize("we_connect", [True, False], ids=["out", "in"])


def _blocks(count: int, *, start: int = 0) -> list[bytes]:
    return [
        b"block %d " % index + b"x" * (index % 50)
        for index in range(start, start + count)
    ]


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that the loop brings about."""
    async with asyncio.timeout(LIMIT_S):
        while not holds():
            await asyncio.sleep(0.01)


@dataclass
class Pair:
    """Our corestore and npm's, exchanged over one connection."""

    npm: NodePeer
    ours: Corestore
    theirs: str

    async def their_core(self, **wanted: Any) -> dict[str, Any]:
        """Open a core over there."""
        told: dict[str, Any] = await self.npm.ask(
            "core.open", store=self.theirs, **wanted
        )
        return told

    async def they_append(self, core: str, blocks: list[bytes], **more: Any) -> Any:
        """Append over there."""
        told = [block.hex() for block in blocks]
        return await self.npm.ask("core.append", core=core, blocks=told, **more)

    async def they_get(self, core: str, index: int) -> bytes:
        """A block as they get it."""
        return bytes.fromhex(await self.npm.ask("core.get", core=core, index=index))


@asynccontextmanager
async def pair(
    npm: NodePeer, folder: Path, *, we_connect: bool = True, their_key: bytes = b""
) -> AsyncIterator[Pair]:
    """Two corestores with one connection between them."""
    opened = await npm.ask(
        "store.open", folder=str(folder / "npm"), primaryKey=their_key.hex()
    )
    async with (
        await Corestore.open(
            folder / "ours", primary_key=PRIMARY_KEY, synchronous=Synchronous.NORMAL
        ) as ours,
        link(npm, "ours", we_connect=we_connect, on_data="mux") as made,
    ):
        attachment = ours.replicate(made.connection)
        await npm.ask("store.replicate", store=opened["store"], stream=made.stream)
        yield Pair(npm, ours, opened["store"])
        assert made.connection.error is None
        assert attachment.link.kind is not PeerKind.COVEY
    await npm.ask("store.close", store=opened["store"])


@both_roles
async def test_they_write_and_we_read(
    npm: NodePeer, tmp_path: Path, we_connect: bool
) -> None:
    async with pair(npm, tmp_path, we_connect=we_connect) as made:
        theirs = await made.their_core(name="a")
        blocks = _blocks(300)
        await made.they_append(theirs["core"], blocks[:200])
        ours = await made.ours.get(bytes.fromhex(theirs["key"]))
        assert await ours.get(150) == blocks[150]
        assert not await ours.has(0, 200)
        await ours.download(0, 200).done()
        assert [await ours.get(index) for index in range(200)] == blocks[:200]
        # What is written from now on comes by itself.
        await made.they_append(theirs["core"], blocks[200:])
        await until(lambda: ours.length == 300)
        assert await ours.get(299) == blocks[299]
        info = await npm.ask("core.info", core=theirs["core"])
        assert (ours.byte_length, ours.fork) == (info["byteLength"], 0)
        digest = await npm.ask("core.treeHash", core=theirs["core"], length=300)
        assert (await ours.tree_hash()).hex() == digest
        assert ours.manifest is not None
        assert not ours.writable


@both_roles
async def test_we_write_and_they_read(
    npm: NodePeer, tmp_path: Path, we_connect: bool
) -> None:
    async with pair(npm, tmp_path, we_connect=we_connect) as made:
        ours = await made.ours.get(name="a")
        blocks = _blocks(300)
        await ours.append(blocks[:200])
        theirs = await made.their_core(key=ours.key.hex())
        assert await made.they_get(theirs["core"], 150) == blocks[150]
        await npm.ask("core.download", core=theirs["core"], start=0, end=200)
        for index in range(0, 200, 7):
            assert await made.they_get(theirs["core"], index) == blocks[index]
        await ours.append(blocks[200:])
        await npm.event("core.append", core=theirs["core"], length=300)
        assert await made.they_get(theirs["core"], 299) == blocks[299]
        digest = await npm.ask("core.treeHash", core=theirs["core"], length=300)
        assert (await ours.tree_hash()).hex() == digest
        info = await npm.ask("core.info", core=theirs["core"])
        assert info["byteLength"] == ours.byte_length


async def test_bytes_are_found_in_logs_that_are_not_here(
    npm: NodePeer, tmp_path: Path
) -> None:
    async with pair(npm, tmp_path) as made:
        blocks = _blocks(100)
        sizes = [len(block) for block in blocks]
        written = await made.their_core(name="a")
        await made.they_append(written["core"], blocks)
        here = await made.ours.get(bytes.fromhex(written["key"]))
        ours = await made.ours.get(name="b")
        await ours.append(blocks)
        there = await made.their_core(key=ours.key.hex())
        await npm.ask("core.update", core=there["core"])
        for index, offset in ((0, 0), (1, 0), (57, 3), (99, sizes[99] - 1)):
            byte = sum(sizes[:index]) + offset
            assert await here.seek(byte, timeout_s=LIMIT_S) == (index, offset)
            told = await npm.ask("core.seek", core=there["core"], byte=byte)
            assert told == [index, offset]


async def test_they_truncate_and_we_follow(npm: NodePeer, tmp_path: Path) -> None:
    async with pair(npm, tmp_path) as made:
        theirs = await made.their_core(name="a")
        await made.they_append(theirs["core"], _blocks(20))
        ours = await made.ours.get(bytes.fromhex(theirs["key"]))
        await ours.download(0, 20).done()
        await npm.ask("core.truncate", core=theirs["core"], length=11)
        await until(lambda: (ours.fork, ours.length) == (1, 11))
        await made.they_append(theirs["core"], [b"another history"])
        await until(lambda: ours.length == 12)
        assert await ours.get(11) == b"another history"
        assert await ours.get(10) == _blocks(20)[10]
        digest = await npm.ask("core.treeHash", core=theirs["core"], length=12)
        assert (await ours.tree_hash()).hex() == digest


async def test_we_truncate_and_they_follow(npm: NodePeer, tmp_path: Path) -> None:
    async with pair(npm, tmp_path) as made:
        ours = await made.ours.get(name="a")
        await ours.append(_blocks(20))
        theirs = await made.their_core(key=ours.key.hex())
        await npm.ask("core.download", core=theirs["core"], start=0, end=20)
        await ours.truncate(11)
        await npm.event("core.truncate", core=theirs["core"], length=11, fork=1)
        await ours.append(b"another history")
        assert await made.they_get(theirs["core"], 11) == b"another history"
        assert await made.they_get(theirs["core"], 10) == _blocks(20)[10]
        digest = await npm.ask("core.treeHash", core=theirs["core"], length=12)
        assert (await ours.tree_hash()).hex() == digest


async def test_encrypted_logs(npm: NodePeer, tmp_path: Path) -> None:
    key = ENCRYPTION_KEY.hex()
    async with pair(npm, tmp_path) as made:
        written = await made.their_core(name="a", encryptionKey=key)
        await made.they_append(written["core"], [b"from npm", b""])
        here = await made.ours.get(
            bytes.fromhex(written["key"]), encryption_key=ENCRYPTION_KEY
        )
        assert [await here.get(index) for index in (0, 1)] == [b"from npm", b""]
        stored = await here.get(0, decrypt=False)
        assert stored is not None
        assert b"from npm" not in stored
        ours = await made.ours.get(name="b", encryption_key=ENCRYPTION_KEY)
        await ours.append([b"from Covey", b""])
        there = await made.their_core(key=ours.key.hex(), encryptionKey=key)
        assert await made.they_get(there["core"], 0) == b"from Covey"
        info = await npm.ask("core.info", core=there["core"])
        assert info["byteLength"] == ours.byte_length == len(b"from Covey")
        blind = await made.their_core(key=ours.key.hex())
        assert b"from Covey" not in await made.they_get(blind["core"], 0)


KEY_PAIRS = [KeyPair.from_seed(seed) for seed in SEEDS]
TWO_OF_THREE = create_manifest([Signer(each.public_key) for each in KEY_PAIRS])


def _tree(blocks: list[bytes]) -> TreeState:
    batch = TreeBatch()
    batch.extend(blocks)
    return TreeState(tree_hash(batch.roots), batch.length, 0, batch.roots)


async def _signed_by_both(npm: NodePeer, tree: TreeState) -> bytes:
    """A signature of which one half is npm's."""
    key = manifest_key(TWO_OF_THREE)
    theirs = await npm.ask(
        "core.sign",
        manifest=encode_manifest(TWO_OF_THREE).hex(),
        seed=SEEDS[2].hex(),
        treeHash=tree.hash.hex(),
        length=tree.length,
    )
    parts = [
        PartialSignature(0, sign_tree(TWO_OF_THREE, key, KEY_PAIRS[0], tree)),
        PartialSignature(2, bytes.fromhex(theirs)),
    ]
    return assemble(TWO_OF_THREE, parts)


async def test_logs_that_two_of_three_sign(npm: NodePeer, tmp_path: Path) -> None:
    blocks = _blocks(5)
    manifest = encode_manifest(TWO_OF_THREE).hex()
    async with pair(npm, tmp_path) as made:
        theirs = await made.their_core(manifest=manifest)
        ours = await made.ours.get(bytes.fromhex(theirs["key"]))
        first = await _signed_by_both(npm, _tree(blocks[:3]))
        await made.they_append(theirs["core"], blocks[:3], signature=first.hex())
        assert await ours.get(2) == blocks[2]
        assert ours.manifest == TWO_OF_THREE
        # And now the other way round.
        assert await ours.get(0) == blocks[0]
        assert await ours.get(1) == blocks[1]
        second = await _signed_by_both(npm, _tree(blocks))
        await ours.append(blocks[3:], signature=second)
        assert await made.they_get(theirs["core"], 4) == blocks[4]
        with pytest.raises(LocalProtocolError):
            await ours.append(b"alone")
        with pytest.raises(LocalProtocolError) as caught:
            await ours.append(b"other", signature=second)
        assert caught.value.code == "invalid-signature"


async def test_a_corestore_with_several_logs(npm: NodePeer, tmp_path: Path) -> None:
    async with pair(npm, tmp_path, we_connect=False) as made:
        written = []
        for number in range(12):
            theirs = await made.their_core(name=f"log {number}")
            await made.they_append(theirs["core"], _blocks(number + 1))
            ours = await made.ours.get(name=f"own {number}")
            await ours.append(_blocks(number + 1))
            written.append((theirs, ours))
        for number, (theirs, ours) in enumerate(written):
            here = await made.ours.get(bytes.fromhex(theirs["key"]))
            there = await made.their_core(key=ours.key.hex())
            block = _blocks(number + 1)[number]
            assert await here.get(number) == block
            assert await made.they_get(there["core"], number) == block


async def test_names_mean_the_same_cores_there(npm: NodePeer, tmp_path: Path) -> None:
    async with pair(npm, tmp_path, their_key=PRIMARY_KEY) as made:
        ours = await made.ours.get(name="same")
        theirs = await made.their_core(name="same")
        assert theirs["key"] == ours.key.hex()
        assert theirs["writable"]


@pytest.mark.parametrize("compat", [False, True], ids=["manifest", "compat"])
async def test_single_logs_without_a_corestore(
    npm: NodePeer, tmp_path: Path, compat: bool
) -> None:
    told = await npm.ask(
        "core.alone", folder=str(tmp_path / "npm"), seed=SEEDS[0].hex(), compat=compat
    )
    # The key of an old log is the public key of who writes it.
    assert (bytes.fromhex(told["key"]) == KEY_PAIRS[0].public_key) == compat
    blocks = _blocks(40)
    await npm.ask(
        "core.append", core=told["core"], blocks=[block.hex() for block in blocks]
    )
    async with (
        link(npm, "ours", we_connect=True, on_data="mux") as made,
        await Hypercore.open(tmp_path / "ours", bytes.fromhex(told["key"])) as ours,
    ):
        ours.replicate(made.connection)
        await npm.ask("core.replicate", core=told["core"], stream=made.stream)
        assert await ours.get(39) == blocks[39]
        await ours.download(0, 40).done()
        assert [await ours.get(index) for index in range(40)] == blocks
        digest = await npm.ask("core.treeHash", core=told["core"], length=40)
        assert (await ours.tree_hash()).hex() == digest
        assert made.connection.error is None


async def test_we_find_a_log_with_two_histories(npm: NodePeer, tmp_path: Path) -> None:
    async with pair(npm, tmp_path, their_key=PRIMARY_KEY) as made:
        ours: Hypercore = await made.ours.get(name="same")
        await ours.append([b"one", b"another two"])
        events = ours.events()
        theirs = await made.their_core(name="same")
        await made.they_append(theirs["core"], [b"one", b"two", b"three"])
        async with asyncio.timeout(LIMIT_S):
            async for event in events:
                if isinstance(event, Conflict):
                    break
        assert isinstance(event, Conflict)
        assert ours.frozen
        with pytest.raises(LocalProtocolError) as caught:
            await ours.append(b"more")
        assert caught.value.code in ("conflict", "session-closed")


async def test_they_find_a_log_with_two_histories(
    npm: NodePeer, tmp_path: Path
) -> None:
    async with pair(npm, tmp_path, their_key=PRIMARY_KEY) as made:
        theirs = await made.their_core(name="same")
        await made.they_append(theirs["core"], [b"one", b"two"])
        ours = await made.ours.get(name="same")
        await ours.append([b"one", b"another two", b"three"])
        await npm.event("core.conflict", core=theirs["core"])
