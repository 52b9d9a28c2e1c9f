"""Devices with two histories in whole rooms: all end with the same, and go on."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from app.errors import UserFacingError
from app.events import DeviceForked, Event, MessagesChanged
from app.messenger import Messenger
from app.rooms import forks, gaps
from app.rooms.room import Room
from store.hypercore import flat_tree
from store.hypercore.records import Proof, UpgradeProof
from tests.helpers.forked_logs import history
from tests.unit.app.rooms.joined import Wires
from tests.unit.app.rooms.joined import attached as attached_rooms
from tests.unit.app.rooms.test_logs import meet, opened, rows, texts

__all__ = ["opened"]

Open = Callable[..., Awaitable[Messenger]]


@pytest.fixture
def clocks() -> dict[str, int]:
    return {}


def room_of(messenger: Messenger) -> Room:
    [room] = messenger._rooms.values()
    return room


async def read_by(
    wires: Wires, reader: Messenger, text: str, *, also: bool = True
) -> None:
    """Wait until somebody sees a message."""

    def seen() -> bool:
        last = room_of(reader)._counts.last
        return last is not None and (last.text == text) is also

    await wires.until(seen)


def hear(messenger: Messenger) -> list[Event]:
    heard: list[Event] = []
    publish = messenger.hub.publish

    def note(event: Event) -> None:
        heard.append(event)
        publish(event)

    messenger.hub.publish = note  # type: ignore[method-assign]
    return heard


def told(heard: list[Event]) -> list[DeviceForked]:
    return [event for event in heard if isinstance(event, DeviceForked)]


class Split:
    """Bo's profile was put back from a copy; each half was heard by somebody else."""

    def __init__(self, opened: Open, folder: Path) -> None:
        self.open = opened
        self.folder = folder
        self.wires = Wires()
        self.ada: Messenger
        self.cy: Messenger
        self.copy: Messenger
        self.device = b""

    async def make(self, *, shared: int = 1) -> None:
        """Ada has what Bo wrote first, and Cy what was written after the copy."""
        wires = self.wires
        ada, bo, cy = [await self.open(name) for name in ("Ada", "Bo", "Cy")]
        await ada.create_room("Birds")
        await meet(wires, ada, bo)
        await meet(wires, ada, cy)
        wires.connect(bo, cy)
        for number in range(shared):
            await bo.send("Birds", f"shared {number}")
        for reader in (ada, cy):
            await read_by(wires, reader, f"shared {shared - 1}")
        for first, second in ((ada, bo), (bo, cy), (ada, cy)):
            wires.cut(first, second)
        await bo.close()
        shutil.copytree(self.folder / "Bo", self.folder / "copy")
        bo = await self.open("Bo")
        for text in ("to Ada", "more to Ada"):
            await bo.send("Birds", text)
        wires.connect(ada, bo)
        await read_by(wires, ada, "more to Ada")
        wires.cut(ada, bo)
        await bo.close()
        await ada.send("Birds", "Ada answers")
        copy = await self.open("copy")
        await copy.send("Birds", "to Cy")
        wires.connect(cy, copy)
        await read_by(wires, cy, "to Cy")
        wires.cut(cy, copy)
        await cy.send("Birds", "Cy answers")
        self.ada, self.cy, self.copy = ada, cy, copy
        self.device = room_of(copy).device

    async def same(self, *messengers: Messenger) -> list[str]:
        """Wait until all see the same, and give that."""
        wires = self.wires
        expected = {"Ada answers", "Cy answers"}

        def level() -> bool:
            lasts = [room_of(it)._counts.last for it in messengers]
            heads = [
                {w: h.length for w, h in room_of(it).heads.items() if h.length}
                for it in messengers
            ]
            return (
                None not in lasts
                and all(it == heads[0] for it in heads)
                and not any(room_of(it).logs.underived() for it in messengers)
                and all(self.device in room_of(it).logs.proofs for it in messengers)
            )

        await wires.until(level)
        seen = [await texts(it) for it in messengers]
        assert all(it == seen[0] for it in seen)
        assert expected <= set(seen[0])
        return seen[0]


async def test_everybody_ends_with_what_both_halves_share(
    opened: Open, tmp_path: Path
) -> None:
    split = Split(opened, tmp_path)
    await split.make(shared=3)
    wires, ada, cy = split.wires, split.ada, split.cy
    assert "to Cy" not in await texts(ada)
    gone = [m.id for m in await ada.history("Birds") if "to Ada" in m.text]
    heard = hear(ada)
    wires.connect(ada, cy)
    seen = await split.same(ada, cy)
    assert seen[:3] == ["shared 0", "shared 1", "shared 2"]
    assert sorted(seen[3:]) == ["Ada answers", "Cy answers"]
    [event] = told(heard)
    assert (event.name, event.me, event.rewritten) == ("Bo", False, True)
    assert "A device of Bo has written two histories" in event.sentence
    changed = {id for it in heard if isinstance(it, MessagesChanged) for id in it.ids}
    assert set(gone) <= changed
    bo = next(m for m in await ada.members("Birds") if m.name == "Bo")
    assert bo.forked == 1
    # The others go on, and are understood.
    await cy.send("Birds", "later")
    await read_by(wires, ada, "later")

    # Who comes afterwards ends with the same, though Bo is there no more.
    di = await opened("Di")
    await meet(wires, cy, di)
    assert await split.same(ada, cy, di) == [*seen, "later"]
    assert (
        room_of(di).heads[split.device].length
        == room_of(ada).heads[split.device].length
    )

    # So does who starts again.
    wires.cut(ada, cy)
    await ada.close()
    ada = await opened("Ada")
    assert await texts(ada) == [*seen, "later"]
    assert (await rows(ada, room_of(ada)))[split.device].forked
    wires.connect(ada, di)
    await di.send("Birds", "from Di")
    await read_by(wires, ada, "from Di")


async def test_the_device_itself_hears_it_and_writes_no_more(
    opened: Open, tmp_path: Path
) -> None:
    split = Split(opened, tmp_path)
    await split.make()
    wires, ada, copy = split.wires, split.ada, split.copy
    heard = hear(copy)
    wires.connect(ada, copy)
    await wires.until(lambda: bool(told(heard)))
    [event] = told(heard)
    assert event.me
    with pytest.raises(UserFacingError) as caught:
        await copy.send("Birds", "more")
    assert caught.value.code == "forked"
    assert caught.value.sentence == event.sentence
    assert "put back from an old copy" in event.sentence
    [line] = await copy.rooms()
    assert not line.can_write
    # It still reads.
    await ada.send("Birds", "does Bo read this?")
    await read_by(wires, copy, "does Bo read this?")
    assert "to Cy" not in await texts(copy)
    await copy.close()
    again = await opened("copy")
    with pytest.raises(UserFacingError) as caught:
        await again.send("Birds", "more")
    assert caught.value.code == "forked"


async def test_who_was_away_is_told_by_whoever_comes(
    opened: Open, tmp_path: Path
) -> None:
    """Ed held one half and slept; of those who tell, nobody has the other any more."""
    split = Split(opened, tmp_path)
    await split.make()
    wires, ada, cy = split.wires, split.ada, split.cy
    ed = await opened("Ed")
    await meet(wires, ada, ed)
    await read_by(wires, ed, "Ada answers")
    assert "to Ada" in await texts(ed)
    wires.cut(ada, ed)
    await ed.close()
    wires.connect(ada, cy)
    await split.same(ada, cy)
    wires.cut(ada, cy)
    ed = await opened("Ed")
    wires.connect(cy, ed)
    seen = await split.same(ada, cy, ed)
    assert "to Ada" not in seen
    assert "to Cy" not in seen


async def test_a_removal_of_who_forked_holds_though_it_named_what_is_gone(
    opened: Open, tmp_path: Path
) -> None:
    split = Split(opened, tmp_path)
    await split.make()
    wires, ada, cy = split.wires, split.ada, split.cy
    bo = next(m for m in await ada.members("Birds") if m.name == "Bo")
    await ada.kick("Birds", bo.identity_key)
    wires.connect(ada, cy)
    await split.same(ada, cy)
    for messenger in (ada, cy):
        assert [m.name for m in await messenger.members("Birds")] == ["Ada", "Cy"]
    di = await opened("Di")
    await meet(wires, cy, di)
    await split.same(ada, cy, di)
    assert {m.name for m in await di.members("Birds")} == {"Ada", "Cy", "Di"}


async def test_the_search_follows(opened: Open, tmp_path: Path) -> None:
    split = Split(opened, tmp_path)
    await split.make(shared=2)
    wires, ada, cy = split.wires, split.ada, split.cy
    assert len(await ada.search("Ada")) == 3
    wires.connect(ada, cy)
    await split.same(ada, cy)
    found = [hit.message.text for hit in await ada.search("Ada")]
    assert found == ["Ada answers"]
    assert {hit.message.text for hit in await ada.search("answers")} == {
        "Ada answers",
        "Cy answers",
    }


@pytest.mark.parametrize("count", [6, 40], ids=["shorter", "longer"])
async def test_a_tree_that_was_signed_and_never_shown_keeps_nobody_from_a_log(
    opened: Open, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Bo's device showed Cy the roots of blocks that there are not."""
    monkeypatch.setattr(gaps, "GAP_S", 0.02)
    ada, bo, cy = [await opened(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await ada.create_room("Birds")
    await meet(wires, ada, bo)
    await meet(wires, ada, cy)
    theirs, device = room_of(cy), room_of(bo).device
    # So that the roots behind do not show the first of the hidden blocks.
    while True:
        await bo.send("Birds", "first")
        length = room_of(bo).logs.length(device)
        await wires.until(lambda length=length: theirs.logs.length(device) == length)
        if not length % 8:
            break
    wires.cut(ada, cy)
    log = await theirs.logs.borrow(device)
    core = log.core.core
    shared = core.state.length
    pair, manifest = bo._profile.device, core.state.manifest
    assert manifest is not None
    stored = await core.blocks(range(shared))
    blocks = [stored[at] for at in range(shared)]
    hidden = history([*blocks, *(b"hidden",) * count], manifest, pair)
    roots = [hidden.known(at) for at in flat_tree.growth(shared, shared + count)]
    upgrade = UpgradeProof(shared, count, roots, (), hidden.signature)
    await core.accept(Proof(0, upgrade=upgrade)).durable
    theirs.logs.give_back(log)
    for number in range(8):
        await bo.send("Birds", f"shown {number}")
    await read_by(wires, ada, "shown 7")
    await ada.send("Birds", "did you hear Bo?")
    wires.connect(ada, cy)
    await read_by(wires, cy, "did you hear Bo?")
    assert await texts(cy) == await texts(ada)
    assert not theirs.logs.proofs


async def test_nonsense_about_forks_ends_the_talk_beside(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await ada.create_room("Birds")
    mine, _ = await meet(wires, ada, bo)
    [attached] = attached_rooms(ada)
    [link] = attached.links.links.values()
    aside = link._aside
    assert aside is not None
    for hear_ in (mine.forks.heard, mine.forks.told, mine.forks.asked):
        assert not hear_(aside, b"\1")
    monkeypatch.setattr(forks, "MAX_HEARD", 1)
    assert mine.forks.heard(aside, b"\1"), "not looked at any more"
    assert not mine.logs.proofs
