"""Files shared and fetched in place, between two stores of one process."""

from __future__ import annotations

import asyncio
import errno
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from store.errors import EnvironmentFault, LocalProtocolError, RemoteProtocolError
from store.files import (
    BLOCK_BYTES,
    Condition,
    DownloadState,
    FetchFailed,
    FileChanged,
    FileDownload,
    FileFetched,
    FileGone,
    FileProgress,
    FileRestored,
    SharedFile,
    rows,
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
    """Share a new file."""
    path.write_bytes(content(size))
    return await ada.files.share(path, encrypted=encrypted)


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
        assert blocks.result(60) == 0


async def test_the_core_is_static_and_its_key_salted(
    tmp_path: Path, ada: Store
) -> None:
    first = await share(ada, tmp_path / "a", encrypted=False)
    second = await ada.files.share(tmp_path / "a", encrypted=False)
    assert first.key != second.key
    core = await ada.get(key=first.key)
    manifest = core.manifest
    assert manifest is not None
    assert (manifest.version, manifest.quorum, manifest.signers) == (2, 0, ())
    assert manifest.prologue is not None
    assert manifest.prologue.length == first.length == 38
    assert manifest.prologue.hash == await core.tree_hash()
    assert manifest.user_data is not None
    assert len(manifest.user_data) == 32
    assert not core.writable
    assert [it.key for it in await ada.files.list()] == [first.key, second.key]


async def test_a_peer_without_the_block_key_reads_nothing(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a", BLOCK_BYTES)
    core = await bob.get(key=shared.key)
    block = await core.get(0)
    assert block is not None
    assert len(block) == BLOCK_BYTES + 8
    assert content(BLOCK_BYTES)[:64] not in block


async def test_progress_goes_up_to_all_of_it(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    download = await fetch(bob, shared, tmp_path / "b")
    steps = [step async for step in download.progress()]
    assert steps[-1] == FileProgress(BIG, BIG)
    done = [step.downloaded_bytes for step in steps]
    assert done == sorted(done)
    assert len(done) > 2
    assert download.state is DownloadState.DONE


async def test_nothing_at_the_destination_is_overwritten_unasked(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    target = tmp_path / "b"
    target.write_bytes(b"precious")
    with pytest.raises(EnvironmentFault) as caught:
        await fetch(bob, shared, target)
    assert caught.value.code == "destination-exists"
    assert target.read_bytes() == b"precious"
    download = await bob.files.fetch(
        shared.key, target, block_key=shared.block_key, overwrite=True
    )
    await download.done()
    assert target.read_bytes() == content(BIG)


async def test_what_came_to_the_destination_meanwhile_stays(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    download = await fetch(bob, shared, tmp_path / "b.txt")
    (tmp_path / "b.txt").write_bytes(b"precious")
    assert await download.done() == tmp_path / "b (2).txt"
    assert (tmp_path / "b.txt").read_bytes() == b"precious"
    assert (tmp_path / "b (2).txt").read_bytes() == content(BIG)


@pytest.mark.parametrize("how", ["size", "max_bytes", "said"])
async def test_a_file_of_another_size_is_refused(
    tmp_path: Path, ada: Store, bob: Store, how: str
) -> None:
    shared = await share(ada, tmp_path / "a")
    fetch = bob.files.fetch
    key, target = shared.key, tmp_path / "b"
    if how == "said":
        with pytest.raises(EnvironmentFault) as refused:
            await fetch(key, target, size=BIG, max_bytes=BIG - 1)
        assert refused.value.code == "file-too-large"
        return
    if how == "size":
        download = await fetch(key, target, block_key=shared.block_key, size=BIG - 1)
    else:
        download = await fetch(
            key, target, block_key=shared.block_key, max_bytes=BIG - 1
        )
    with pytest.raises(RemoteProtocolError) as caught:
        await download.done()
    assert caught.value.code == ("wrong-size" if how == "size" else "too-large")
    assert download.state is DownloadState.FAILED
    await bob.files.remove(key)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "ada", "bob"]


async def test_a_log_that_is_no_file_is_refused(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    download = await bob.files.fetch(shared.key, tmp_path / "b")
    # Without the key its blocks are eight bytes too long.
    with pytest.raises(RemoteProtocolError) as caught:
        await download.done()
    assert caught.value.code == "not-a-file-block"


async def test_a_wrong_block_key_ends_the_download(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    events = bob.files.events()
    download = await bob.files.fetch(
        shared.key, tmp_path / "b", size=BIG, block_key=bytes(32)
    )
    with pytest.raises(RemoteProtocolError) as caught:
        await download.done()
    assert caught.value.code == "not-a-file-block"
    assert await anext(events) == FetchFailed(shared.key, "not-a-file-block")
    assert not (tmp_path / "b").exists()


async def test_a_changed_file_is_reported_and_not_served(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    events = ada.files.events()
    with (tmp_path / "a").open("r+b") as file:
        file.seek(5 * BLOCK_BYTES)
        file.write(b"changed")
    assert await ada.files.state(shared.key) is Condition.CHANGED
    assert await anext(events) == FileChanged(shared.key, shared.path)
    assert await ada.files.check(shared.key) is Condition.CHANGED
    download = await fetch(bob, shared, tmp_path / "b")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await download.done()
    # The tree is known to be right, but no block came.
    assert [step.downloaded_bytes async for step in first(download)] == [0]
    assert (tmp_path / ".b.part").stat().st_blocks == 0


async def first(download: FileDownload) -> AsyncIterator[FileProgress]:
    """The progress as it is now."""
    async for step in download.progress():
        yield step
        return


async def test_nothing_of_a_file_that_was_taken_away_is_served_from_memory(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    kept = tmp_path / "elsewhere"
    session = await ada.files.open_core(shared.key)
    for index in range(session.length):
        assert await session.get(index)
    (tmp_path / "a").rename(kept)
    download = await fetch(bob, shared, tmp_path / "b")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await download.done()
    assert [step.downloaded_bytes async for step in first(download)] == [0]
    await session.close()


async def test_a_file_only_touched_is_served_again(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    events = ada.files.events()
    (tmp_path / "a").touch()
    assert await ada.files.state(shared.key) is Condition.CHANGED
    assert await anext(events) == FileChanged(shared.key, shared.path)
    assert await anext(events) == FileRestored(shared.key, shared.path)
    assert await ada.files.state(shared.key) is Condition.COMPLETE
    download = await fetch(bob, shared, tmp_path / "b")
    await download.done()


async def test_a_file_gone_and_back_is_served_again(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    events = ada.files.events()
    (tmp_path / "a").rename(tmp_path / "away")
    download = await fetch(bob, shared, tmp_path / "b")
    assert await anext(events) == FileGone(shared.key, shared.path)
    assert await ada.files.state(shared.key) is Condition.GONE
    (tmp_path / "away").rename(tmp_path / "a")
    assert await ada.files.state(shared.key) is Condition.COMPLETE
    assert await anext(events) == FileRestored(shared.key, shared.path)
    assert await download.done() == tmp_path / "b"


async def test_a_change_that_cannot_be_seen_from_outside_never_leaves(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    events = ada.files.events()
    before = (tmp_path / "a").stat()
    with (tmp_path / "a").open("r+b") as file:
        file.seek(5 * BLOCK_BYTES)
        file.write(b"changed")
    os.utime(tmp_path / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert await ada.files.state(shared.key) is Condition.COMPLETE
    core = await bob.get(key=shared.key)
    with pytest.raises(LocalProtocolError) as caught:
        await core.get(5, timeout_s=0.2)
    assert caught.value.code == "request-timeout"
    assert await anext(events) == FileChanged(shared.key, shared.path)
    assert await ada.files.state(shared.key) is Condition.CHANGED
    assert await ada.files.check(shared.key) is Condition.CHANGED


async def test_a_download_pauses_and_goes_on(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    download = await fetch(bob, shared, tmp_path / "b")
    async for step in download.progress():
        if step.downloaded_bytes:
            await download.pause()
            break
    assert download.state is DownloadState.PAUSED
    assert not (tmp_path / "b").exists()
    await download.resume()
    await download.done()
    assert (tmp_path / "b").read_bytes() == content(BIG)


async def test_a_cancelled_download_leaves_nothing(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    download = await fetch(bob, shared, tmp_path / "b")
    async for step in download.progress():
        if step.downloaded_bytes:
            break
    await download.cancel()
    with pytest.raises(LocalProtocolError) as caught:
        await download.done()
    assert caught.value.code == "cancelled"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "ada", "bob"]
    assert await bob.files.list() == []
    with pytest.raises(LocalProtocolError):
        await bob.files.state(shared.key)


async def test_a_download_goes_on_in_another_process(
    tmp_path: Path, ada: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    bob = Store(tmp_path / "bob")
    connect(ada, bob)
    download = await fetch(bob, shared, tmp_path / "b")
    async for step in download.progress():
        if step.downloaded_bytes:
            break
    await bob.close()
    # What is there already need not come again, unless it was spoilt.
    bob = Store(tmp_path / "bob")
    with (tmp_path / ".b.part").open("r+b") as file:
        file.write(b"spoilt")
    connect(ada, bob)
    [row] = await bob.files.list()
    assert row.path == str(tmp_path / "b")
    download = await bob.files.resume(shared.key)
    assert await download.done() == tmp_path / "b"
    assert (tmp_path / "b").read_bytes() == content(BIG)
    again = await fetch(bob, shared, tmp_path / "b")
    assert await again.done() == tmp_path / "b"
    await bob.close()


async def test_a_crash_between_two_names_is_made_good(
    tmp_path: Path, ada: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    bob = Store(tmp_path / "bob")
    connect(ada, bob)
    download = await fetch(bob, shared, tmp_path / "b")
    row = bob.database.read(
        lambda it: it.execute("SELECT inode, destination FROM core_file").fetchall()
    ).result(60)[0]
    await download.done()
    # As if the process had died after the rename and before it was written down.
    hidden = str(tmp_path / ".b.part").encode()
    bob.database.write(
        lambda it: it.execute(
            "UPDATE core_file SET path = ?, inode = ?, destination = ?,"
            " fingerprint = NULL",
            (hidden, *row),
        )
    ).result(60)
    await bob.close()
    bob = Store(tmp_path / "bob")
    download = await bob.files.resume(shared.key)
    assert await download.done() == tmp_path / "b"
    assert await bob.files.state(shared.key) is Condition.COMPLETE
    await bob.close()


async def test_a_file_taken_away_while_it_comes_is_begun_anew(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    download = await fetch(bob, shared, tmp_path / "b")
    (tmp_path / ".b.part").unlink()
    with pytest.raises(EnvironmentFault) as caught:
        await download.done()
    assert caught.value.code == "file-gone"
    await download.resume()
    await download.done()
    assert (tmp_path / "b").read_bytes() == content(BIG)


async def test_who_fetched_serves_in_turn(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    download = await fetch(bob, shared, tmp_path / "b")
    await download.done()
    (tmp_path / "a").unlink()
    eve = Store(tmp_path / "eve")
    connect(bob, eve)
    events = bob.files.events()
    copy = await fetch(eve, shared, tmp_path / "c")
    await copy.done()
    assert (tmp_path / "c").read_bytes() == content(BIG)
    # The user may do with it what he likes: it is never written again.
    (tmp_path / "b").write_bytes(b"mine")
    assert await bob.files.state(shared.key) is Condition.CHANGED
    assert await anext(events) == FileChanged(shared.key, str(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == b"mine"
    await eve.close()


async def test_a_file_removed_is_forgotten_but_stays(
    tmp_path: Path, ada: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    await ada.files.remove(shared.key)
    assert await ada.files.list() == []
    assert (tmp_path / "a").read_bytes() == content(BIG)
    for table in ("core", "core_file", "core_node"):
        left = ada.database.read(
            lambda it, table=table: it.execute(f"SELECT count(*) FROM {table}").get
        )
        assert left.result(60) == 0
    with pytest.raises(LocalProtocolError) as caught:
        await ada.files.remove(shared.key)
    assert caught.value.code == "file-unknown"


async def test_reading_a_file_can_be_ended_and_leaves_nothing(
    tmp_path: Path, ada: Store
) -> None:
    (tmp_path / "a").write_bytes(content(BIG))
    with pytest.raises(LocalProtocolError) as caught:
        await ada.files.share(tmp_path / "a", go_on=lambda *_: False)
    assert caught.value.code == "cancelled"
    sharing = asyncio.create_task(ada.files.share(tmp_path / "a"))
    await asyncio.sleep(0)
    sharing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sharing
    left = ada.database.read(
        lambda it: it.execute("SELECT count(*) FROM core_node").get
    )
    assert left.result(60) == 0


async def test_drafts_of_a_killed_process_are_swept_away(tmp_path: Path) -> None:
    store = Store(tmp_path / "ada")
    store.database.write(
        lambda it: rows.begin_draft(it, str(tmp_path / "a"), bytes(32))
    ).result(60)
    await store.close()
    store = Store(tmp_path / "ada")
    assert await store.files.list() == []
    left = store.database.write(lambda it: it.execute("SELECT count(*) FROM core").get)
    assert left.result(60) == 0
    await store.close()


async def test_a_fetched_file_is_told_of(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    events = bob.files.events()
    await (await fetch(bob, shared, tmp_path / "b")).done()
    assert await anext(events) == FileFetched(shared.key, str(tmp_path / "b"))


async def test_no_room_on_the_disk_is_found_out_at_once(
    tmp_path: Path, bob: Store
) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        await bob.files.fetch(bytes(32), tmp_path / "b", size=1 << 40)
    assert caught.value.code == "disk-full"
    assert await bob.files.list() == []


async def test_a_full_disk_fails_the_file_and_no_other_log(
    tmp_path: Path, ada: Store, bob: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("store.files.block_file.write_at", refuse)
    shared = await share(ada, tmp_path / "a")
    log = await bob.corestore.get(name="log")
    download = await fetch(bob, shared, tmp_path / "b")
    while download.state is not DownloadState.FAILED:
        await log.append(b"a message")
    with pytest.raises(EnvironmentFault) as caught:
        await download.done()
    assert caught.value.code == "disk-full"
    assert await log.has(0, log.length)
    assert (tmp_path / ".b.part").stat().st_blocks == 0


async def test_a_core_that_is_kept_otherwise_is_no_file(
    tmp_path: Path, ada: Store, bob: Store
) -> None:
    shared = await share(ada, tmp_path / "a")
    core = await bob.get(key=shared.key)
    # Open, although nothing of it is here: its blocks would go to the table.
    download = await fetch(bob, shared, tmp_path / "b")
    with pytest.raises(LocalProtocolError) as caught:
        await download.done()
    assert caught.value.code == "core-known"
    await bob.files.remove(shared.key)
    core = await bob.get(key=shared.key)
    assert await core.get(0)
    with pytest.raises(LocalProtocolError) as caught:
        await fetch(bob, shared, tmp_path / "b")
    assert caught.value.code == "core-known"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "ada", "bob"]
