"""A folder on disk, on real disks: what it holds, what it refuses, what it survives."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from store.errors import EnvironmentFault, LocalProtocolError
from store.hyperdrive import LocalFolder, RefusedPathError
from store.hyperdrive.confined_folder import HAS_HANDLES, ConfinedFolder
from store.hyperdrive.local_folder import in_thread
from store.hyperdrive.local_names import MAX_DEPTH, PART_PREFIX, NameRules
from store.hyperdrive.mirror_plan import Item

HANDLES = [True, False] if HAS_HANDLES else [False]
posix = pytest.mark.skipif(sys.platform == "win32", reason="links and modes of POSIX")


@pytest.fixture(params=HANDLES, ids=lambda handles: "handles" if handles else "paths")
async def folder(request: pytest.FixtureRequest, tmp_path: Path) -> LocalFolder:
    """An empty folder beside one that nobody may touch."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    return await LocalFolder.open(tmp_path / "root", handles=request.param)


def files_below(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


async def refused(work: object) -> str:
    with pytest.raises(RefusedPathError) as caught:
        await work  # type: ignore[misc]
    return caught.value.code


async def test_files_come_and_go(folder: LocalFolder) -> None:
    await folder.put("a/b/c.txt", b"text")
    await folder.put("/a/d", b"", executable=True)
    assert await folder.get("a/b/c.txt") == b"text"
    assert await folder.entry("/a/d") == Item("/a/d", size=0, executable=True)
    assert await folder.entry("/a") is None
    assert await folder.entry("/a/d/e") is None
    assert await folder.get("nothing") is None
    assert await folder.exists("a/d")
    await folder.put("/a/b/c.txt", b"more")
    assert files_below(folder.root) == {"a/b/c.txt": b"more", "a/d": b""}
    await folder.delete("/a/b/c.txt")
    assert not (folder.root / "a" / "b").exists()
    await folder.delete("/a/d")
    assert list(folder.root.iterdir()) == []
    assert await refused(folder.delete("/a/d")) == "vanished"


async def test_listing_is_in_the_order_of_paths(folder: LocalFolder) -> None:
    names = ["a-b", "a/x", "a/y/z", "a0", "B", "é", "a.txt", "z/1"]
    for name in names:
        await folder.put(name, name.encode())
    (folder.root / "empty").mkdir()
    (folder.root / f"{PART_PREFIX}left").write_bytes(b"")
    found = [item.path async for item in folder.list()]
    assert found == sorted("/" + name for name in names)
    below = [item.path async for item in folder.list("a", ignore="/a/y")]
    assert below == ["/a/x"]
    assert [item async for item in folder.list("nowhere")] == []


async def test_parts_of_files(folder: LocalFolder) -> None:
    data = os.urandom(200_000)
    await folder.put("f", data)
    for start, end in ((0, None), (5, None), (5, 5), (70_000, 140_000), (10, 3)):
        stop = None if end is None else end + 1
        found = [chunk async for chunk in folder.read("f", start=start, end=end)]
        assert b"".join(found) == data[start:stop]
        assert all(len(chunk) <= 65536 for chunk in found)
    with pytest.raises(LocalProtocolError):
        await anext(folder.read("f", start=-1))


async def test_a_file_is_whole_or_not_there(folder: LocalFolder) -> None:
    await folder.put("f", b"old")
    writer = folder.write("f")
    with suppress(ZeroDivisionError):
        async with writer:
            await writer.write(b"new" * 1_000_000)
            assert files_below(folder.root)["f"] == b"old"
            raise ZeroDivisionError
    assert files_below(folder.root) == {"f": b"old"}
    with pytest.raises(LocalProtocolError):
        await writer.write(b"late")


async def test_what_a_crash_leaves_is_swept(folder: LocalFolder) -> None:
    left = folder.root / f"{PART_PREFIX}dead-1"
    left.write_bytes(b"half")
    (folder.root / f"{PART_PREFIX}folder").mkdir()
    assert [item async for item in folder.list()] == []
    assert await folder.sweep() == 1
    assert await folder.sweep() == 0
    assert not left.exists()


async def test_names_that_are_refused(folder: LocalFolder) -> None:
    assert await refused(folder.put("x" * 256, b"")) == "too-long"
    assert await refused(folder.put(f"{PART_PREFIX}x", b"")) == "reserved-name"
    assert await refused(folder.put("a\0b", b"")) == "bad-character"
    assert await refused(folder.put("/a" * 200, b"")) == "too-deep"
    await folder.put("a", b"")
    await folder.put("d/e", b"")
    assert await refused(folder.put("a/b", b"")) == "in-the-way"
    assert await refused(folder.put("d", b"")) == "in-the-way"
    assert await refused(folder.delete("d")) in ("in-the-way", "not-permitted")
    (folder.root / "hollow").mkdir()
    await folder.put("hollow", b"file now")
    assert set(files_below(folder.root)) == {"a", "d/e", "hollow"}


def test_raw_paths_of_a_hostile_drive(tmp_path: Path) -> None:
    for handles in HANDLES:
        confined = ConfinedFolder(tmp_path / "root", handles=handles)
        for path in ("/../outside", "../outside", "/a/../../outside", "/", "//x"):
            with pytest.raises(RefusedPathError) as caught:
                confined.begin(path, executable=False)
            assert caught.value.code == "unclean-path"
    assert not (tmp_path / "outside").exists()


@posix
async def test_no_link_is_followed(folder: LocalFolder) -> None:
    outside = folder.root.parent / "outside"
    (folder.root / "door").symlink_to(outside)
    (folder.root / "key").symlink_to(outside / "secret")
    for work in (
        folder.put("door/new", b"x"),
        folder.delete("door/secret"),
        anext(folder.read("door/secret")),
        anext(folder.read("key")),
        folder.set_executable("key", executable=True),
    ):
        assert await refused(work) == "in-the-way"
    assert await folder.entry("door/secret") is None
    found = {item.path: item.fault async for item in folder.list()}
    assert found == {"/door": "link-outside", "/key": "link-outside"}
    # Writing replaces the link itself.
    await folder.put("key", b"mine")
    assert files_below(outside) == {"secret": b"secret"}
    assert await folder.get("key") == b"mine"


@posix
async def test_listing_does_not_enter_links(folder: LocalFolder) -> None:
    outside = folder.root.parent / "outside"
    (folder.root / "door").symlink_to(outside)
    with pytest.raises(RefusedPathError):
        await anext(folder.list("door"))


@posix
async def test_links_within(folder: LocalFolder) -> None:
    await folder.put("d/target", b"found")
    await folder.symlink("link", "/d/target")
    await folder.symlink("d/near", "target")
    await folder.symlink("d/e/up", "../target")
    await folder.symlink("root", "/")
    listed = {item.path: item.linkname async for item in folder.list()}
    assert listed == {
        "/d/e/up": "../target",
        "/d/near": "target",
        "/d/target": None,
        "/link": "/d/target",
        "/root": "/",
    }
    for name in ("link", "d/near", "d/e/up"):
        assert (folder.root / name).read_bytes() == b"found"
    await folder.symlink("d/target", "near")
    assert (folder.root / "d" / "target").is_symlink()
    for linkname in ("..", "../x", "/a/../..", "a\\b", ""):
        assert await refused(folder.symlink("new", linkname)) in (
            "link-outside",
            "bad-character",
        )
    assert await refused(folder.symlink("d", "x")) == "in-the-way"
    assert await folder.sweep() == 0


@posix
async def test_what_is_no_file(folder: LocalFolder) -> None:
    os.mkfifo(folder.root / "pipe")
    (folder.root / "back\\slash").write_bytes(b"")
    (folder.root / os.fsdecode(b"no\xfftext")).write_bytes(b"")
    found = {item.path: item.fault async for item in folder.list()}
    assert found == {
        "/back\\slash": "unclean-path",
        "/no\ufffdtext": "bad-character",
        "/pipe": "not-a-file",
    }
    assert await refused(anext(folder.read("pipe"))) == "not-a-file"
    assert await folder.get("pipe") is None


@posix
async def test_folders_that_cannot_be_looked_into(folder: LocalFolder) -> None:
    await folder.put("a/b", b"")
    await folder.put("a-b", b"")
    deep = folder.root
    for _ in range(MAX_DEPTH):
        deep /= "a"
    deep.mkdir(parents=True)
    found = [(item.path, item.fault) async for item in folder.list()]
    assert found == [
        ("/a-b", None),
        ("/a" * MAX_DEPTH + "/", "too-deep"),
        ("/a/b", None),
    ]


@posix
async def test_the_executable_bit(folder: LocalFolder) -> None:
    await folder.put("run", b"", executable=True)
    await folder.put("text", b"")
    assert (folder.root / "run").stat().st_mode & stat.S_IXUSR
    assert not (folder.root / "text").stat().st_mode & stat.S_IXUSR
    await folder.set_executable("run", executable=False)
    await folder.set_executable("text", executable=True)
    assert [item.executable async for item in folder.list()] == [False, True]


async def test_names_that_differ_by_case_only(tmp_path: Path) -> None:
    for handles in HANDLES:
        folder = await LocalFolder.open(
            tmp_path / str(handles), rules=NameRules(folds_case=True), handles=handles
        )
        await folder.put("Docs/Readme", b"first")
        assert await refused(folder.put("Docs/README", b"second")) == "case-collision"
        assert await refused(folder.put("docs/other", b"second")) == "case-collision"
        assert await refused(folder.symlink("DOCS", "x")) == "case-collision"
        await folder.put("Docs/Readme", b"again")
        await folder.delete("Docs/Readme")
        await folder.put("docs/README", b"now free")
        assert files_below(folder.root) == {"docs/README": b"now free"}


async def test_a_root_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EnvironmentFault):
        await LocalFolder.open(tmp_path / "file")


async def test_threads_are_waited_for_and_their_results_given_back() -> None:
    loop = asyncio.get_running_loop()
    begun, gate = asyncio.Event(), asyncio.Event()
    undone: list[int] = []

    def work() -> int:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
        return 7

    task = asyncio.create_task(in_thread(work, undone.append))
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert undone == [7]
