"""Drives in a real corestore: the vectors, and everything one can do with files."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from store.corestore import Corestore
from store.database import Synchronous
from store.errors import LocalProtocolError, RemoteProtocolError
from store.hyperbee import Hyperbee
from store.hyperdrive import Entry, Hyperdrive, LocalFolder, Node, NodeChange
from store.hyperdrive.paths import encode_key
from tests.helpers.vectors import load_vectors

VECTORS = load_vectors("hyperdrive")
PRIMARY_KEY = bytes.fromhex(VECTORS["primaryKey"])


async def corestore_in(folder: Path, *, key: bytes = PRIMARY_KEY) -> Corestore:
    return await Corestore.open(folder, primary_key=key, synchronous=Synchronous.NORMAL)


@pytest.fixture
async def corestore(tmp_path: Path) -> AsyncIterator[Corestore]:
    async with await corestore_in(tmp_path / "store") as store:
        yield store


@pytest.fixture
async def drive(corestore: Corestore) -> AsyncIterator[Hyperdrive]:
    async with await Hyperdrive.open(corestore) as opened:
        yield opened


async def fill(drive: Hyperdrive) -> None:
    """What was done to the vectors' drive."""
    await drive.put("/hello.txt", b"hello world")
    await drive.put("/dir/exec.sh", b"#!/bin/sh", executable=True)
    await drive.put("/meta", b"m", metadata={"any": ["json"]})
    await drive.symlink("/link", "/hello.txt")
    await drive.put("/empty", b"")
    await drive.delete("/meta")
    await drive.put("/hello.txt", b"hello again")


def as_json(node: Node) -> dict[str, Any]:
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


async def paths(nodes: Any) -> list[str]:
    return [node.path async for node in nodes]


async def test_a_drive_is_written_as_upstream_writes_it(
    drive: Hyperdrive, corestore: Corestore
) -> None:
    await fill(drive)
    blobs = await drive.blobs()
    assert blobs is not None
    assert drive.key.hex() == VECTORS["driveKey"]
    assert blobs.key.hex() == VECTORS["blobsKey"]
    assert drive.version == VECTORS["version"]
    assert [as_json(node) async for node in drive.list()] == VECTORS["entries"]
    assert [name async for name in drive.readdir()] == VECTORS["readdirRoot"]
    db = await corestore.get(drive.key)
    stored = [await db.get(index) for index in range(db.length)]
    assert [block and block.hex() for block in stored] == [
        block["block"] for block in VECTORS["dbBlocks"]
    ]
    contents = [await blobs.core.get(index) for index in range(blobs.core.length)]
    assert [block and block.hex() for block in contents] == VECTORS["blobBlocks"]
    await db.close()


async def test_an_encrypted_drive(tmp_path: Path) -> None:
    wanted = VECTORS["encrypted"]
    key = bytes.fromhex(wanted["primaryKey"])
    async with (
        await corestore_in(tmp_path, key=key) as store,
        await Hyperdrive.open(
            store, encryption_key=bytes.fromhex(wanted["encryptionKey"])
        ) as drive,
    ):
        await drive.put("/secret", b"abc")
        assert drive.key.hex() == wanted["driveKey"]
        node = await drive.entry("/secret")
        assert node is not None
        assert as_json(node)["value"] == wanted["entry"]
        assert await drive.get("/secret") == b"abc"
        blobs = await drive.blobs()
        assert blobs is not None
        assert blobs.key.hex() == wanted["blobsKey"]
        stored = await blobs.core.get(0, decrypt=False)
        assert stored is not None
        assert b"abc" not in stored


async def test_reading_and_writing(drive: Hyperdrive) -> None:
    await fill(drive)
    assert await drive.get("hello.txt") == b"hello again"
    assert await drive.get("/link") is None
    assert await drive.get("/link", follow=True) == b"hello again"
    assert await drive.get("/empty") == b""
    assert await drive.get("/meta") is None
    assert await drive.exists("dir/exec.sh")
    assert not await drive.exists("dir")
    part = [chunk async for chunk in drive.read("/link", start=6, end=8, follow=True)]
    assert part == [b"aga"]
    assert [chunk async for chunk in drive.read("/link")] == []
    with pytest.raises(LocalProtocolError) as caught:
        await anext(drive.read("/nothing"))
    assert caught.value.code == "no-such-file"
    assert await drive.delete("/nothing") is None
    for name in ("/", "", "a/../.."):
        with pytest.raises(LocalProtocolError):
            await drive.put(name, b"")
    with pytest.raises(LocalProtocolError):
        await drive.symlink("/x", "")


async def test_links_that_lead_in_a_circle(drive: Hyperdrive) -> None:
    await drive.symlink("/a", "/b")
    await drive.symlink("/b", "/a")
    await drive.symlink("/out", "/../..")
    await drive.symlink("/gone", "/nothing")
    assert await drive.entry("/gone", follow=True) is None
    for name in ("/a", "/out"):
        with pytest.raises(RemoteProtocolError) as caught:
            await drive.entry(name, follow=True)
        assert caught.value.code == "link"
    for number in range(16):
        await drive.symlink(f"/chain/{number}", f"/chain/{number + 1}")
    await drive.put("/chain/16", b"end")
    assert await drive.get("/chain/1", follow=True) == b"end"
    with pytest.raises(RemoteProtocolError):
        await drive.get("/chain/0", follow=True)


async def test_listing(drive: Hyperdrive) -> None:
    for name in ("a-b", "a/x", "a/y/z", "a0", "b/1", "b/2", "a"):
        await drive.put(name, name.encode())
    assert await paths(drive.list()) == [
        "/a",
        "/a-b",
        "/a/x",
        "/a/y/z",
        "/a0",
        "/b/1",
        "/b/2",
    ]
    assert await paths(drive.list("a")) == ["/a/x", "/a/y/z"]
    assert await paths(drive.list(recursive=False)) == ["/a", "/a-b", "/a0", "/b/1"]
    assert await paths(drive.list("/", ignore=["/a", "b/2"])) == [
        "/a-b",
        "/a0",
        "/b/1",
    ]
    assert [name async for name in drive.readdir()] == ["a", "a-b", "a0", "b"]
    assert [name async for name in drive.readdir("/a/")] == ["x", "y"]
    assert [name async for name in drive.readdir("/a-b")] == []


async def test_streams(drive: Hyperdrive) -> None:
    async with drive.write("big", executable=True, metadata=[1]) as writer:
        for number in range(100):
            await writer.write(bytes([number]) * 10_000)
    node = await drive.entry("big")
    assert node is not None
    assert node.entry.blob is not None
    assert node.entry.blob.block_length == 100
    assert (node.entry.executable, node.entry.metadata) == (True, [1])
    assert await drive.get("big") == b"".join(bytes([n]) * 10_000 for n in range(100))
    failing = drive.write("big")
    with suppress(ZeroDivisionError):
        async with failing:
            await failing.write(b"lost")
            raise ZeroDivisionError
    assert await drive.entry("big") == node
    with pytest.raises(LocalProtocolError):
        await failing.write(b"late")


async def test_versions_of_a_file_share_blocks(drive: Hyperdrive) -> None:
    for first in (b"a", b"b"):
        async with drive.write("f", dedup=True) as writer:
            for block in (first, b"same", b"tail"):
                await writer.write(block)
    blobs = await drive.blobs()
    node = await drive.entry("f")
    assert blobs is not None
    assert node is not None
    assert node.entry.blob is not None
    indexes = [entry.block for entry in await blobs.block_map(node.entry.blob)]
    assert indexes == [4, 1, 2]
    assert await drive.get("f") == b"bsametail"


async def test_versions(drive: Hyperdrive) -> None:
    await fill(drive)
    async with drive.checkout(4) as old:
        assert old.version == 4
        assert await old.get("/hello.txt") == b"hello world"
        assert await paths(old.list()) == ["/dir/exec.sh", "/hello.txt", "/meta"]
        assert not hasattr(old, "put")
        assert await old.blobs_length() == 3
    changes = {
        (change.left or change.right).path: change  # type: ignore[union-attr]
        async for change in drive.diff(4)
    }
    assert set(changes) == {"/meta", "/link", "/empty", "/hello.txt"}
    assert changes["/meta"].left is None
    assert changes["/link"].right is None
    assert isinstance(changes["/hello.txt"], NodeChange)
    assert [change async for change in drive.diff(4, "/dir")] == []
    assert await drive.blobs_length() == 4


async def test_going_back(drive: Hyperdrive) -> None:
    await fill(drive)
    await drive.truncate(3)
    assert drive.version == 3
    assert await paths(drive.list()) == ["/dir/exec.sh", "/hello.txt"]
    assert await drive.get("/hello.txt") == b"hello world"
    blobs = await drive.blobs()
    assert blobs is not None
    assert blobs.core.length == 2
    await drive.put("/new", b"new")
    assert await drive.get("/new") == b"new"
    for version in (0, 99):
        with pytest.raises(LocalProtocolError):
            await drive.truncate(version, blobs_length=0)


async def test_batches(drive: Hyperdrive) -> None:
    async with drive.batch() as batch:
        await batch.put("/a", b"1")
        await batch.symlink("/b", "/a")
        await batch.delete("/c")
        assert await batch.entry("/a") is not None
        assert not await drive.exists("/a")
    assert await paths(drive.list()) == ["/a", "/b"]
    assert await drive.get("/a") == b"1"
    dropped = drive.batch()
    await dropped.put("/gone", b"")
    await dropped.close()
    assert not await drive.exists("/gone")


async def test_what_is_here_and_what_is_cleared(drive: Hyperdrive) -> None:
    await drive.put("/d/a", b"aaaa")
    await drive.put("/d/b", b"bb")
    await drive.symlink("/link", "/d/a")
    assert await drive.has("/d/a")
    assert await drive.has("/d")
    assert await drive.has("/")
    assert not await drive.has("/link")
    assert not await drive.has("/nothing")
    assert await drive.clear("/d/a") == 4
    assert await drive.clear("/d/a") == 0
    assert await drive.clear("/nothing") == 0
    assert not await drive.has("/d/a")
    assert not await drive.has("/d/")
    with pytest.raises(LocalProtocolError) as caught:
        await drive.get("/d/a", wait=False)
    assert caught.value.code == "block-missing"
    assert await drive.clear_all() == 2
    assert not await drive.has("/d/b")


async def test_watching(drive: Hyperdrive) -> None:
    async with drive.watch("/w") as watcher:
        await drive.put("/other", b"")
        await drive.put("/w/a", b"1")
        current, previous = await anext(watcher)
        assert await current.exists("/w/a")
        assert not await previous.exists("/w/a")
    waiting = drive.watch()
    task = asyncio.ensure_future(anext(waiting, None))
    await asyncio.sleep(0)
    await drive.close()
    assert await task is None


async def test_entries_that_make_no_sense_are_counted(
    drive: Hyperdrive, tmp_path: Path
) -> None:
    await drive.put("/good", b"x")
    bee = drive._whole
    await bee.put(b"files\0/bad", b"{")
    await bee.put(b"files\0/worse", json.dumps({"blob": {"blockOffset": 1}}).encode())
    await bee.put(b"files\0/../../escaped", b"{}")
    await bee.put(b"files\0/no\xfftext", b"{}")
    await bee.put(b"other\0/part", b"{}")
    await drive.put_entry("/lie", Entry(blob=(await good_blob(drive, shift=7))))
    assert await paths(drive.list()) == ["/../../escaped", "/good", "/lie"]
    assert drive.refused == {"malformed": 3}
    with pytest.raises(RemoteProtocolError):
        await drive.entry("/bad")
    folder = await LocalFolder.open(tmp_path / "root" / "inner")
    mirror = drive.mirror(folder)
    await mirror.done()
    assert mirror.refused == {"malformed": 3, "unclean-path": 1}
    written = sorted(path.name for path in (tmp_path / "root").rglob("*"))
    assert written == ["good", "inner"]


async def test_a_mirror_waits_no_longer_than_it_is_told(
    drive: Hyperdrive, tmp_path: Path
) -> None:
    await drive.put("/good", b"x")
    await drive.put("/never", b"y")
    await drive.put("/other", b"z")
    await drive.clear("/never")
    folder = await LocalFolder.open(tmp_path / "root")
    mirror = drive.mirror(folder, timeout_s=1.0)
    await mirror.done()
    assert mirror.refused == {"request-timeout": 1}
    assert sorted(path.name for path in folder.root.iterdir()) == ["good", "other"]


async def good_blob(drive: Hyperdrive, *, shift: int) -> Any:
    """The id of a blob that claims bytes which its block does not have."""
    node = await drive.entry("/good")
    assert node is not None
    assert node.entry.blob is not None
    return type(node.entry.blob)(0, 1, 0, node.entry.blob.byte_length + shift)


async def test_a_drive_of_somebody_else(
    drive: Hyperdrive, corestore: Corestore
) -> None:
    del drive
    other = await Hyperdrive.open(corestore, b"\x07" * 32)
    assert not other.writable
    assert await other.blobs(wait=False) is None
    assert other.version == 1
    assert not await other.has("/")
    assert await other.clear_all() == 0
    with pytest.raises(LocalProtocolError) as caught:
        await other.put("/x", b"", metadata=None)
    assert caught.value.code == "not-writable"
    with pytest.raises(LocalProtocolError):
        await other.write("/x").__aenter__()
    await other.close()


async def test_mirrors_between_drives_and_folders(
    corestore: Corestore, tmp_path: Path
) -> None:
    one = await Hyperdrive.open(corestore.namespace("one"))
    two = await Hyperdrive.open(corestore.namespace("two"))
    await fill(one)
    await one.put("/meta", b"m", metadata={"any": ["json"]})
    await two.put("/old", b"old")
    counts = await one.mirror(two).done()
    assert (counts.added, counts.removed, counts.files) == (5, 1, 5)
    same = [(n.path, n.entry.metadata) async for n in one.list()]
    assert [(n.path, n.entry.metadata) async for n in two.list()] == same
    folder = await LocalFolder.open(tmp_path / "folder")
    await two.mirror(folder).done()
    assert (folder.root / "hello.txt").read_bytes() == b"hello again"
    assert (folder.root / "link").read_bytes() == b"hello again"
    (folder.root / "hello.txt").write_bytes(b"hello folder")
    (folder.root / "empty").unlink()
    back = await folder.mirror(two).done()
    assert (back.changed, back.removed, back.added) == (1, 1, 0)
    assert await two.get("/hello.txt") == b"hello folder"
    node = await two.entry("/meta")
    assert node is not None
    assert node.entry.metadata == {"any": ["json"]}
    async with one.checkout(2) as old:
        await old.mirror(folder).done()
        with pytest.raises(LocalProtocolError):
            await two.mirror(old).done()
    assert sorted(path.name for path in folder.root.rglob("*")) == ["hello.txt"]
    again = await one.mirror(two).done()
    assert (again.changed, again.added) == (1, 1)
    await one.put("/hello.txt", b"hello again", executable=True)
    await one.mirror(two).done()
    node = await two.entry("/hello.txt")
    assert node is not None
    assert node.entry.executable
    await one.close()
    await two.close()


async def test_a_drive_is_there_again(tmp_path: Path) -> None:
    async with await corestore_in(tmp_path) as store:
        drive = await Hyperdrive.open(store)
        key = drive.key
        await drive.put("/f", b"kept")
        await drive.close()
    async with await corestore_in(tmp_path) as store:
        drive = await Hyperdrive.open(store)
        assert drive.key == key
        assert await drive.get("/f") == b"kept"
        await drive.put("/g", b"more")
        await drive.close()
        by_key = await Hyperdrive.open(store, key)
        assert await paths(by_key.list()) == ["/f", "/g"]
        await by_key.purge()
        assert await store.cores() == []


async def test_downloads_of_what_is_here_end_at_once(drive: Hyperdrive) -> None:
    await fill(drive)
    for download in (
        drive.download(),
        drive.download("/hello.txt"),
        drive.download("/link"),
        drive.download_diff(2),
        drive.download_range([(0, 3)], [(0, 2)]),
    ):
        await download.done()
        await download.close()


HOSTILE = {
    "/deep": b'{"metadata":' + b"[" * 900 + b"]" * 900 + b"}",
    "/half-link": b'{"linkname":"\\ud800"}',
    "/half-metadata": b'{"metadata":"\\ud800"}',
    "/huge": b'{"blob":{"blockOffset":0,"byteOffset":0,'
    b'"blockLength":4503599627370496,"byteLength":4503599627370496}}',
    "/mapped": b'{"blob":{"blockOffset":0,"byteOffset":0,'
    b'"blockLength":1,"byteLength":4,"blockMap":true}}',
}


async def hostile(corestore: Corestore) -> Hyperdrive:
    """A drive with entries that no honest writer makes, between honest ones."""
    drive = await Hyperdrive.open(corestore.namespace("hostile"))
    await drive.put("/a", b"no map")
    db = await corestore.get(drive.key)
    bee = Hyperbee(db)
    for path, value in HOSTILE.items():
        await bee.put(encode_key(path), value)
    await bee.close()
    await db.close()
    await drive.put("/z", b"the last")
    return drive


async def test_going_back_to_what_never_was_is_refused_at_once(
    drive: Hyperdrive,
) -> None:
    await drive.put("/f", b"x")
    async with asyncio.timeout(60):
        for version in (-1, 0, 99):
            with pytest.raises(LocalProtocolError) as caught:
                await drive.truncate(version)
            assert caught.value.code == "bad-argument"


async def test_hostile_entries_stop_no_mirror(
    corestore: Corestore, tmp_path: Path
) -> None:
    source = await hostile(corestore)
    target = await Hyperdrive.open(corestore.namespace("target"))
    folder = await LocalFolder.open(tmp_path / "folder")
    for _ in range(2):
        mirror = source.mirror(folder, timeout_s=0)
        await mirror.done()
        assert mirror.refused == {
            "bad-character": 1,
            "malformed": 2,
            "request-timeout": 1,
        }
        assert sorted(os.listdir(folder.root)) == ["a", "half-metadata", "z"]
        mirror = source.mirror(target, timeout_s=0)
        await mirror.done()
        assert mirror.refused == {"malformed": 2, "request-timeout": 1}
        assert len(await paths(target.list())) == 4
    await source.close()
    await target.close()


async def test_a_hostile_entry_stops_no_download(corestore: Corestore) -> None:
    source = await hostile(corestore)
    assert not await source.has("/")
    blobs = await source.blobs()
    assert blobs is not None
    download = source.download()
    # What nobody will bring keeps nothing back, and a map that is none ends nothing.
    async with asyncio.timeout(60):
        while not source.refused["version"]:
            await asyncio.sleep(0)
    await download.close()
    await source.close()


async def test_a_drive_whose_header_is_none_can_be_deleted(
    corestore: Corestore,
) -> None:
    core = await corestore.get(name="db")
    await core.append(b"no header")
    drive = await Hyperdrive.open(corestore)
    with pytest.raises(RemoteProtocolError):
        await drive.blobs()
    await drive.purge()
    assert await corestore.cores() == []
