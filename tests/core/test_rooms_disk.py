"""Rooms on a disk that is full for a while: told in a sentence, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import profile as profiles
from app.errors import UserFacingError
from app.messenger import Messenger
from app.rooms import intake
from tests.core.processes import PATIENCE_S
from tests.unit.app.rooms.joined import QuietNetwork, Wires

ROOM_LEFT_BYTES = 600_000
TEXT_BYTES = 20_000

resource = pytest.importorskip("resource", reason="no such limits on this system")


@contextmanager
def full_soon(folder: Path, left_bytes: int = ROOM_LEFT_BYTES) -> Iterator[None]:
    """Let no file of this process grow by more than a little."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(path.stat().st_size for path in folder.iterdir() if path.is_file())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + left_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def opened(folder: Path, name: str) -> Messenger:
    """Somebody's messenger, made when it is missing."""
    if not profiles.exists(folder):
        profiles.create(folder, name=name, now_s=1)
    messenger = Messenger(profiles.open_profile(folder), QuietNetwork())
    await messenger.start()
    return messenger


async def refused(work: object) -> bool:
    """What is asked for is refused for the disk's sake; tells if it is stored."""
    with pytest.raises(UserFacingError) as told:
        await work  # type: ignore[misc]
    assert told.value.code in ("disk", "stored-only")
    return told.value.code == "stored-only"


async def texts(who: Messenger) -> list[str]:
    """What somebody sees."""
    return [m.text[:20].strip() for m in await who.history("Birds", limit=1000)]


async def fill(who: Messenger) -> list[str]:
    """Write until the disk refuses; what was acknowledged."""
    kept: list[str] = []
    while True:
        text = f"{len(kept):<20}" + "x" * TEXT_BYTES
        try:
            await who.send("Birds", text)
        except UserFacingError as error:
            if error.code == "disk":
                return kept
            if error.code != "stored-only":
                raise
        kept.append(str(len(kept)))


async def fill_with_rooms(who: Messenger) -> list[str]:
    """Make rooms until the disk refuses: one may need less than a message."""
    made: list[str] = []
    while True:
        name = f"{len(made):<100}".replace(" ", "n")
        try:
            await who.create_room(name)
        except UserFacingError as error:
            if error.code != "disk":
                raise
            return made
        made.append(name)


async def test_what_was_acknowledged_is_there_and_nothing_else_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    ada = await opened(tmp_path, "Ada")
    await ada.create_room("Birds")
    with full_soon(tmp_path):
        kept = await fill(ada)
        assert len(kept) > 5
        for _ in range(3):
            if await refused(ada.send("Birds", "y" * TEXT_BYTES)):
                kept.append("y" * 20)
        made = await fill_with_rooms(ada)
        await refused(ada.invite("Birds"))
        # What is stored only is seen later.
        seen = await texts(ada)
        assert seen == kept[: len(seen)]
    assert {room.name for room in await ada.rooms()} == {"Birds", *made}
    await ada.send("Birds", "room again")
    await ada.create_room("Bees")
    await ada.invite("Birds")
    for _ in range(2):
        assert await texts(ada) == [*kept, "room again"]
        await ada.close()
        ada = await opened(tmp_path, "Ada")
    assert {room.name for room in await ada.rooms()} == {"Birds", "Bees", *made}
    await ada.close()


async def test_what_others_write_comes_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is not told as delivered before."""
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    monkeypatch.setattr(intake, "RETRY_S", 0.05)
    monkeypatch.setattr("store.hypercore.replication.replication.WRITE_PAUSE_S", 0.05)
    ada, bo = [await opened(tmp_path / name, name) for name in ("Ada", "Bo")]
    await ada.create_room("Birds")
    wires = Wires()
    wires.connect(ada, bo)
    [line] = await ada.rooms()
    joining = bo._tasks.spawn(
        bo.join(await ada.invite(line.room), timeout_s=PATIENCE_S)
    )
    await wires.until(joining.done)
    [theirs], [mine] = ada._rooms.values(), bo._rooms.values()
    wires.cut(ada, bo)
    texts_sent = [f"{number:<20}" + "z" * TEXT_BYTES for number in range(80)]
    for text in texts_sent:
        await ada.send("Birds", text)
    with full_soon(tmp_path / "Bo"):
        wires.connect(ada, bo)
        turns = iter(range(3000))
        await wires.until(lambda: next(turns, None) is None)
        held = theirs.receipts.held.get(mine.device, 0)
        seen = await texts(bo)
        assert len(seen) < len(texts_sent)
        first = theirs.logs.length(theirs.device) - len(texts_sent)
        assert held <= first + len(seen), "delivered is what can be read"
    await wires.until(lambda: theirs.receipts.held.get(mine.device, 0) == first + 80)
    assert await texts(bo) == [str(number) for number in range(80)]
    for who in (ada, bo):
        await who.close()
