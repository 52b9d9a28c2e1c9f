"""A disk that is full, and one that is read-only: said, nothing lost, gone on with."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from store.database import Synchronous
from store.errors import EnvironmentFault
from store.hypercore.session import Hypercore
from tests.core.log_writer import make_block, open_log

ROOT = Path(__file__).resolve().parents[2]
KEYS = [b"", bytes(range(32))]
IDS = ["plain", "encrypted"]


def run_on_a_disk_of_its_own(folder: Path, what: str, key: bytes) -> dict[str, Any]:
    """Run the program where it can mount; skip where nobody can."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare here, so no disk of our own")
    trial = subprocess.run(
        [unshare, "--mount", "mount", "-t", "tmpfs", "covey-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if trial.returncode:
        pytest.skip(f"no disk of our own can be mounted: {trial.stderr.strip()}")
    program = [sys.executable, "-m", "tests.core.log_on_disk", str(folder), what]
    done = subprocess.run(
        [unshare, "--mount", *program, key.hex()],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def append_for_ever(core: Hypercore) -> None:
    while core.length < 100_000:
        await core.append([make_block(core.length + it, 0) for it in range(50)])


@pytest.mark.parametrize("key", KEYS, ids=IDS)
def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path, key: bytes) -> None:
    found = run_on_a_disk_of_its_own(tmp_path, "full", key)
    assert found.pop("fullAt") > 50
    assert found == {
        "codes": ["environment", "environment"],
        "readable": True,
        "wentOn": True,
        "reopened": True,
    }


@pytest.mark.parametrize("key", KEYS, ids=IDS)
def test_a_read_only_disk_is_said_and_left_as_it_is(tmp_path: Path, key: bytes) -> None:
    found = run_on_a_disk_of_its_own(tmp_path, "read-only", key)
    assert found == {
        "code": "EnvironmentFault environment",
        "untouched": True,
        "right": True,
    }


@pytest.mark.parametrize("key", KEYS, ids=IDS)
async def test_a_file_that_may_not_grow_is_said_and_loses_nothing(
    tmp_path: Path, key: bytes
) -> None:
    """The same without a disk of our own: the process may write no larger files."""
    resource = pytest.importorskip("resource", reason="no such limits on this system")
    core = await open_log(tmp_path, key or None, Synchronous.FULL)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, before[1]))
    try:
        with pytest.raises(EnvironmentFault):
            await append_for_ever(core)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    length = core.length
    assert length >= 50
    await core.append(make_block(length, 0))
    await core.close()
    core = await open_log(tmp_path, key or None, Synchronous.FULL)
    assert core.length == length + 1
    blocks = await core.core.blocks(range(core.length))
    assert all(blocks[index] == make_block(index, 0) for index in range(core.length))
    await core.close()
    await asyncio.to_thread(shutil.rmtree, tmp_path)
