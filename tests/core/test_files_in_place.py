"""A big file shared and fetched in place: what it costs on the disk, and a kill.

256 MB here, 2 GB with COVEY_SOAK=1. Every 100 ms the blocks that the file system gave
out are counted: on neither side ever more than the file and 2 %, databases and their
write-ahead logs included.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import multiprocessing
import os
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from store.database import Synchronous
from store.files import Condition, SharedFile
from tests.unit.store.files.stores import Store, connect

MEGABYTE = 1_000_000
SIZE = (2_000 if os.environ.get("COVEY_SOAK") else 256) * MEGABYTE + 4711
ALLOWED = 1.02
SAMPLE_S = 0.1
KILLS = 6
KILLED_SIZE = 48 * MEGABYTE + 17
SEED = 20_261_121
PIECE = 8 * MEGABYTE


def write_noise(path: Path, size: int, seed: int) -> bytes:
    """Fill a file with noise; returns its hash."""
    chance, digest = random.Random(seed), hashlib.blake2b(digest_size=32)
    with path.open("wb") as file:
        for start in range(0, size, PIECE):
            piece = chance.randbytes(min(PIECE, size - start))
            digest.update(piece)
            file.write(piece)
    return digest.digest()


def hash_of(path: Path) -> bytes:
    with path.open("rb") as file:
        digest = hashlib.blake2b(digest_size=32)
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.digest()


def used_bytes(folder: Path) -> int:
    """What the file system gave out below a folder."""
    used = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                used += os.lstat(os.path.join(where, name)).st_blocks * 512
    return used


@dataclass
class DiskUse:
    """The most that was ever used below each of some folders."""

    folders: tuple[Path, ...]
    most: dict[Path, int] = field(default_factory=dict)
    samples: int = 0

    def look(self) -> None:
        self.samples += 1
        for folder in self.folders:
            used = used_bytes(folder)
            self.most[folder] = max(used, self.most.get(folder, 0))

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Look every 100 ms, and at the end."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(SAMPLE_S):
                self.look()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            self.look()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted", "plain"])
async def test_no_second_copy_is_ever_made(tmp_path: Path, encrypted: bool) -> None:
    ada_home, bob_home = tmp_path / "ada", tmp_path / "bob"
    ada, bob = Store(ada_home, Synchronous.FULL), Store(bob_home, Synchronous.FULL)
    connect(ada, bob)
    wanted = await asyncio.to_thread(write_noise, ada_home / "film", SIZE, SEED)
    use = DiskUse((ada_home, bob_home))
    with use.watched():
        shared = await ada.files.share(ada_home / "film", encrypted=encrypted)
        download = await bob.files.fetch(
            shared.key, bob_home / "film", size=SIZE, block_key=shared.block_key
        )
        await download.done()
        await bob.close()
        await ada.close()
    assert await asyncio.to_thread(hash_of, bob_home / "film") == wanted
    for folder, most in use.most.items():
        over = 100 * (most / SIZE - 1)
        print(f"{folder.name}: at most {over:+.2f} % over the file")
        assert most <= SIZE * ALLOWED
    assert use.samples > 3


def fetch_until_killed(
    folder: Path, shared: SharedFile, source: Path, mouth: Connection
) -> None:
    """Be the process that fetches, with the one who has it in the same process."""
    asyncio.run(_fetch(folder, shared, source, mouth))


async def _fetch(
    folder: Path, shared: SharedFile, source: Path, mouth: Connection
) -> None:
    ada, bob = Store(source), Store(folder, Synchronous.FULL)
    connect(ada, bob)
    download = await bob.files.fetch(
        shared.key,
        folder / "film",
        size=shared.size,
        block_key=shared.block_key,
    )
    async for step in download.progress():
        mouth.send(step.downloaded_bytes)
    mouth.send(str(await download.done()))
    await bob.close()
    await ada.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_killed_download_goes_on_and_is_right(tmp_path: Path) -> None:
    seed = int(os.environ.get("COVEY_SEED", SEED))
    print(f"seed {seed}")
    chance = random.Random(seed)
    source, folder = tmp_path / "ada", tmp_path / "bob"
    ada = Store(source)
    wanted = write_noise(source / "film", KILLED_SIZE, seed)
    shared = await ada.files.share(source / "film")
    await ada.close()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    most = 0
    for kill in range(KILLS + 1):
        ear, mouth = context.Pipe(duplex=False)
        process = context.Process(
            target=fetch_until_killed, args=(folder, shared, source, mouth)
        )
        process.start()
        mouth.close()
        # Killed some way beyond what there was at its start, the last one never.
        reach = most + chance.randint(0, KILLED_SIZE // KILLS)
        goes_on = False
        with contextlib.suppress(EOFError):
            while True:
                said = await asyncio.to_thread(ear.recv)
                if isinstance(said, str):
                    assert Path(said) == folder / "film"
                    break
                if said and not goes_on:
                    # What was told to be there is there after a kill.
                    assert said >= most
                    goes_on = True
                most = max(most, said)
                if kill < KILLS and most >= reach and most < KILLED_SIZE:
                    process.kill()
                    break
        process.join()
        ear.close()
    assert hash_of(folder / "film") == wanted
    assert not list(folder.glob(".*"))
    bob = Store(folder)
    assert await bob.files.check(shared.key) is Condition.COMPLETE
    await bob.close()
