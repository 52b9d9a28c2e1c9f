"""Blobs and drives exchanged with npm's: entries, versions, and folders mirrored."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path
from typing import Any

import pytest

from store.hyperblobs import BlobId, Hyperblobs
from store.hyperdrive import Hyperdrive, LocalFolder, Node
from tests.interop.node_peer import NodePeer
from tests.interop.test_hypercore_npm import Pair, pair

pytestmark = pytest.mark.interop

ENCRYPTION_KEY = bytes(range(32, 64))
MIB = 2**20
LIMIT_S = 60.0
SIZES = [0, 1, 65_535, 65_536, 65_537, MIB, 3 * MIB, 50 * MIB]
FILES = 200


def plant(root: Path, seed: int) -> None:
    """200 files of 0 bytes to 50 MiB, executable ones and links among them."""
    source = random.Random(seed)
    for number in range(FILES - 2):
        size = SIZES[number] if number < len(SIZES) else source.randrange(20_000)
        folder = root / source.choice(["", "docs", "docs/deep/er", "bilder é", "a-b"])
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{number:03} {source.choice(['x.txt', 'Ü', 'run.sh'])}"
        path.write_bytes(source.randbytes(size))
        if path.suffix == ".sh":
            path.chmod(0o755)
    (root / "near").symlink_to("docs/nowhere")
    (root / "docs" / "up").symlink_to("../near")


def grown(root: Path) -> dict[str, tuple[str, bool]]:
    """What lies below a folder: digests or links, and who is executable."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = (f"-> {os.readlink(path)}", False)
        elif path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[name] = (digest, os.access(path, os.X_OK))
    return found


def as_json(node: Node) -> dict[str, Any]:
    """An entry as npm lists it."""
    entry = node.entry
    return {
        "seq": node.seq,
        "key": node.path,
        "value": {
            "executable": entry.executable,
            "linkname": entry.linkname,
            "blob": None if entry.blob is None else entry.blob.to_json(),
            "metadata": entry.metadata,
        },
    }


async def listed(view: Any) -> list[dict[str, Any]]:
    return [as_json(node) async for node in view.list()]


async def their_drive(made: Pair, **wanted: Any) -> dict[str, Any]:
    told: dict[str, Any] = await made.npm.ask("drive.open", store=made.theirs, **wanted)
    return told


async def test_we_mirror_a_folder_and_they_get_it(
    npm: NodePeer, tmp_path: Path
) -> None:
    plant(tmp_path / "from", 1)
    async with pair(npm, tmp_path) as made:
        drive = await Hyperdrive.open(made.ours)
        folder = await LocalFolder.open(tmp_path / "from")
        counts = await folder.mirror(drive).done()
        assert (counts.files, counts.added) == (FILES, FILES)
        theirs = await their_drive(made, key=drive.key.hex())
        told = await npm.ask("drive.update", drive=theirs["drive"])
        assert told["version"] == drive.version
        blobs = await drive.blobs()
        assert blobs is not None
        assert told["contentKey"] == blobs.key.hex()
        count = await npm.ask(
            "drive.mirror",
            drive=theirs["drive"],
            folder=str(tmp_path / "to"),
            limit_s=LIMIT_S,
        )
        assert (count["files"], count["add"]) == (FILES, FILES)
        assert grown(tmp_path / "to") == grown(tmp_path / "from")
        await drive.close()


async def test_they_mirror_a_folder_and_we_get_it(
    npm: NodePeer, tmp_path: Path
) -> None:
    plant(tmp_path / "from", 2)
    async with pair(npm, tmp_path) as made:
        theirs = await their_drive(made)
        await npm.ask(
            "drive.mirror",
            drive=theirs["drive"],
            folder=str(tmp_path / "from"),
            into=True,
            limit_s=LIMIT_S,
        )
        drive = await Hyperdrive.open(made.ours, bytes.fromhex(theirs["key"]))
        await drive.update(wait=True)
        folder = await LocalFolder.open(tmp_path / "to")
        mirror = drive.mirror(folder)
        counts = await mirror.done()
        assert not mirror.refused
        assert (counts.files, counts.added) == (FILES, FILES)
        assert grown(tmp_path / "to") == grown(tmp_path / "from")
        again = await drive.mirror(folder).done()
        assert again.equal == FILES
        await drive.close()


async def test_they_read_what_we_write(npm: NodePeer, tmp_path: Path) -> None:
    async with pair(npm, tmp_path) as made:
        drive = await Hyperdrive.open(made.ours, encryption_key=ENCRYPTION_KEY)
        await drive.put("/a/one", b"1" * 100, metadata={"any": ["json", 1.5, None]})
        await drive.put("/a/two", b"", executable=True)
        await drive.symlink("/link", "/a/one")
        await drive.put("/gone", b"gone")
        old = drive.version
        await drive.delete("/gone")
        async with drive.write("/a/one", dedup=True) as writer:
            for block in (b"new", b"same", b"same"):
                await writer.write(block)
        theirs = await their_drive(
            made, key=drive.key.hex(), encryptionKey=ENCRYPTION_KEY.hex()
        )
        name = theirs["drive"]
        told = await npm.ask("drive.update", drive=name)
        assert (told["version"], told["writable"]) == (drive.version, False)
        assert await npm.ask("drive.list", drive=name) == await listed(drive)
        async with drive.checkout(old) as checkout:
            wanted = await listed(checkout)
            length = await checkout.blobs_length()
        assert await npm.ask("drive.list", drive=name, version=old) == wanted
        assert await npm.ask("drive.blobsLength", drive=name, version=old) == length
        diff = [
            [left and left.path, right and right.path]
            async for left, right in drive.diff(old, "/")
        ]
        assert len(diff) == 2
        assert await npm.ask("drive.diff", drive=name, version=old, folder="/") == diff
        assert await npm.ask("drive.readdir", drive=name, folder="/a") == ["one", "two"]
        got = await npm.ask("drive.get", drive=name, name="/link", follow=True)
        assert bytes.fromhex(got) == b"newsamesame"
        assert await npm.ask("drive.get", drive=name, name="/a/two") == ""
        assert await npm.ask("drive.get", drive=name, name="/gone") is None
        await drive.close()


async def test_we_read_what_they_write(npm: NodePeer, tmp_path: Path) -> None:
    async with pair(npm, tmp_path) as made:
        theirs = await their_drive(made, encryptionKey=ENCRYPTION_KEY.hex())
        name = theirs["drive"]
        put = [("/a/one", b"1" * 100), ("/b", b"22"), ("/gone", b"3"), ("/empty", b"")]
        for path, data in put:
            await npm.ask("drive.put", drive=name, name=path, data=data.hex())
        await npm.ask("drive.symlink", drive=name, name="/link", target="/b")
        drive = await Hyperdrive.open(
            made.ours, bytes.fromhex(theirs["key"]), encryption_key=ENCRYPTION_KEY
        )
        assert await drive.get("/a/one", timeout_s=LIMIT_S) == b"1" * 100
        old = drive.version
        blobs = await drive.blobs()
        assert blobs is not None
        assert blobs.key.hex() == theirs["contentKey"]
        assert not await drive.has("/b")
        await drive.download("/").done()
        assert await drive.has("/")
        await npm.ask("drive.del", drive=name, name="/gone")
        await npm.ask(
            "drive.put",
            drive=name,
            name="/b",
            data=b"changed".hex(),
            executable=True,
            metadata={"x": 1},
        )
        await drive.update(wait=True)
        assert await listed(drive) == await npm.ask("drive.list", drive=name)
        assert await drive.get("/link", follow=True) == b"changed"
        assert await drive.get("/empty") == b""
        assert await drive.get("/gone") is None
        async with drive.checkout(old) as checkout:
            assert await checkout.get("/b") == b"22"
            assert await checkout.get("/gone") == b"3"
        diff = [
            [left and left.path, right and right.path]
            async for left, right in drive.diff(old, "/")
        ]
        assert await npm.ask("drive.diff", drive=name, version=old, folder="/") == diff
        assert not drive.writable
        await drive.close()


WAYS: list[dict[str, Any]] = [{}, {"block_map": True}, {"dedup": True}]


async def test_blobs_both_ways(npm: NodePeer, tmp_path: Path) -> None:
    data = b"".join(bytes([n % 3]) * 1000 for n in range(70))
    async with pair(npm, tmp_path) as made:
        ours = Hyperblobs(await made.ours.get(name="blobs"), block_bytes=1000)
        theirs = await npm.ask(
            "blobs.open", store=made.theirs, name="blobs", blockSize=1000
        )
        here = Hyperblobs(await made.ours.get(bytes.fromhex(theirs["key"])))
        there = await npm.ask("blobs.open", store=made.theirs, key=ours.key.hex())
        for way in WAYS:
            blob = await ours.put(data, **way)
            npm_way = {"blockMap": "block_map" in way, "dedup": "dedup" in way}
            told = await npm.ask(
                "blobs.put", blobs=theirs["blobs"], data=data.hex(), **npm_way
            )
            assert told == blob.to_json()
            digest = await npm.ask("blobs.digest", blobs=there["blobs"], blob=told)
            assert digest == hashlib.sha256(data).hexdigest()
            assert await here.get(BlobId.from_json(told), timeout_s=LIMIT_S) == data
            for part in ({"start": 1500, "length": 2600}, {"start": 999, "end": 1000}):
                stop = part.get("end", part["start"] + part.get("length", 0) - 1) + 1
                wanted = data[part["start"] : stop]
                got = await npm.ask(
                    "blobs.get", blobs=there["blobs"], blob=told, **part
                )
                assert bytes.fromhex(got) == wanted
                assert await here.get(BlobId.from_json(told), **part) == wanted  # type: ignore[arg-type]
        await ours.close()
        await here.close()
