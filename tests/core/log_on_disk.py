"""A program that writes a log on a disk of its own until that is full, or read-only.

    unshare --mount python -m tests.core.log_on_disk FOLDER full|read-only KEY

Mounts a small disk in memory on FOLDER, which nobody outside sees. Says what happened
as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from store.database import Synchronous
from store.errors import StoreError
from tests.core.log_writer import make_block, open_log

DISK = "6m"
BALLAST_BYTES = 2 * 1024 * 1024


def mount(folder: Path, options: str) -> None:
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "covey-test", str(folder)], check=True
    )


async def fill(folder: Path, key: bytes | None) -> dict[str, Any]:
    """Write until the disk is full, read, make room, write on, open again."""
    mount(folder, f"size={DISK}")
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(BALLAST_BYTES))
    core = await open_log(folder / "log", key, Synchronous.FULL)
    codes = []
    while not codes:
        try:
            await core.append([make_block(core.length + it, 0) for it in range(50)])
        except StoreError as error:
            codes.append(error.code)
    full_at = core.length
    readable = await all_right(core)
    again = ""
    try:
        await core.append([make_block(core.length + it, 0) for it in range(50)])
    except StoreError as error:
        again = error.code
    ballast.unlink()
    await core.append([make_block(core.length + it, 0) for it in range(50)])
    went_on = core.length == full_at + 50 and await all_right(core)
    await core.close()
    core = await open_log(folder / "log", key, Synchronous.FULL)
    reopened = core.length == full_at + 50 and await all_right(core)
    await core.close()
    return {
        "codes": [*codes, again],
        "fullAt": full_at,
        "readable": readable,
        "wentOn": went_on,
        "reopened": reopened,
    }


async def refuse_writes(folder: Path, key: bytes | None) -> dict[str, Any]:
    """Open a log on a disk that is read-only."""
    mount(folder, f"size={DISK}")
    core = await open_log(folder / "log", key, Synchronous.FULL)
    await core.append([make_block(it, 0) for it in range(50)])
    await core.close()
    before = (folder / "log" / "store.db").read_bytes()
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    code = "opened"
    try:
        core = await open_log(folder / "log", key, Synchronous.FULL)
        await core.append(b"x")
    except StoreError as error:
        code = f"{type(error).__name__} {error.code}"
    untouched = (folder / "log" / "store.db").read_bytes() == before
    subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
    core = await open_log(folder / "log", key, Synchronous.FULL)
    await core.append(make_block(core.length, 0))
    right = core.length == 51 and await all_right(core)
    await core.close()
    return {"code": code, "untouched": untouched, "right": right}


async def all_right(core: Any) -> bool:
    """Whether every block can be read and is what it should be."""
    blocks = await core.core.blocks(range(core.length))
    return all(blocks[index] == make_block(index, 0) for index in range(core.length))


def main() -> None:
    """Does what the command line says."""
    folder, what, key = Path(sys.argv[1]), sys.argv[2], bytes.fromhex(sys.argv[3])
    work = fill if what == "full" else refuse_writes
    print(json.dumps(asyncio.run(work(folder, key or None))), flush=True)


if __name__ == "__main__":
    main()
