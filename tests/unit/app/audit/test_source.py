"""A room's engine as the source of an export: forked logs, damage, news meanwhile."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from app import profile as profiles
from app.audit import Audit, verify_export
from app.errors import UserFacingError
from app.messenger import Messenger
from app.rooms.room import Room
from tests.unit.app.rooms.joined import QuietNetwork, Wires

NOW_MS = 1_000_000_000_000

Open = Callable[..., Awaitable[Messenger]]


@pytest.fixture
async def opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Open]:
    """Opens the profile of a folder, made when it is missing."""
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    running: list[Messenger] = []

    async def open_(name: str) -> Messenger:
        folder = tmp_path / name
        if not profiles.exists(folder):
            profiles.create(folder, name=name, now_s=1)
        messenger = Messenger(
            profiles.open_profile(folder), QuietNetwork(), now_ms=lambda: NOW_MS
        )
        running.append(messenger)
        await messenger.start()
        return messenger

    yield open_
    for messenger in running:
        await messenger.close()


async def meet(wires: Wires, host: Messenger, guest: Messenger) -> Room:
    """Somebody joins the host's only room; the host's side of it."""
    wires.connect(host, guest)
    [line] = await host.rooms()
    joining = asyncio.create_task(
        guest.join(await host.invite(line.room), timeout_s=60)
    )
    await wires.until(joining.done)
    await joining
    return host._rooms[bytes.fromhex(line.room)]


async def audited(who: Messenger, file: Path) -> Audit:
    """What a verifier makes of somebody's export."""
    await who.audit("Birds", str(file))
    with file.open("rb") as lines:
        return verify_export(lines)


async def test_a_forked_log_is_exported_as_far_as_it_counts(
    opened: Open, tmp_path: Path
) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await ada.create_room("Birds")
    theirs = await meet(wires, ada, bo)
    await bo.send("Birds", "first")
    wires.cut(ada, bo)
    await bo.close()
    shutil.copytree(tmp_path / "Bo", tmp_path / "copy")
    bo = await opened("Bo")
    await bo.send("Birds", "from Bo")
    wires.connect(ada, bo)
    device = bo._profile.device.public_key
    length = bo._rooms[theirs.row.room].heads[device].length
    await wires.until(lambda: theirs.logs.length(device) >= length)
    wires.cut(ada, bo)
    copy = await opened("copy")
    await copy.send("Birds", "from the copy")
    wires.connect(ada, copy)
    await wires.until(lambda: theirs.heads[device].forked)
    at_once = await audited(ada, tmp_path / "at-once.jsonl")
    assert [log.device for log in at_once.logs if log.forked] == [device]
    wires.cut(ada, copy)
    await ada.close()
    again = await opened("Ada")
    later = await audited(again, tmp_path / "later.jsonl")
    assert [log.device for log in later.logs if log.forked] == [device]
    assert [act.place for act in later.acts] == [act.place for act in at_once.acts]


async def test_a_damaged_block_is_told_and_no_file_is_left(
    opened: Open, tmp_path: Path
) -> None:
    ada = await opened("Ada")
    await ada.create_room("Birds")
    await ada.invite("Birds")
    [room] = ada._rooms.values()
    log = await room.logs.own_log()
    await log.core.clear(1)
    file = tmp_path / "birds.jsonl"
    with pytest.raises(UserFacingError) as told:
        await ada.audit("Birds", str(file))
    assert told.value.code == "audit-incomplete"
    assert not file.exists()


async def test_what_is_written_meanwhile_spoils_nothing(
    opened: Open, tmp_path: Path
) -> None:
    ada = await opened("Ada")
    await ada.create_room("Birds")
    for _ in range(20):
        await ada.invite("Birds")
    exports = [
        asyncio.create_task(audited(ada, tmp_path / f"{number}.jsonl"))
        for number in range(4)
    ]
    for number in range(20):
        await ada.send("Birds", f"message {number}")
        await ada.invite("Birds")
    for export in exports:
        audit = await export
        assert 21 <= len(audit.acts) <= 41
        assert audit.void_count == 0
    assert len((await audited(ada, tmp_path / "last.jsonl")).acts) == 41
