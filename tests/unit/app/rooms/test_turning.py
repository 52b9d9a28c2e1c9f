"""The room's key turns by itself: after a week of use, by one device, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import profile as profiles
from app.messenger import Messenger
from app.rooms import hearing, turning
from app.rooms.epochs import ROTATION_PERIOD_MS, ROTATION_SPREAD_MS
from app.rooms.room import Room
from tests.unit.app.rooms.joined import QuietNetwork, Wires
from tests.unit.app.rooms.test_exchange import let_in

WEEK_MS = ROTATION_PERIOD_MS + ROTATION_SPREAD_MS
START_MS = 1_700_000_000_000


def turns(room: Room) -> int:
    """How many turns of the key count."""
    view = room._view
    assert view is not None
    return len(view.law._history._state.epochs)


def first_due(rooms: list[Room]) -> int:
    """When the first device may turn the key, as far as that is known now."""
    dues = []
    for room in rooms:
        view = room._view
        assert view is not None
        due = room.turning._due_at(view.facts(0))
        assert due is not None
        dues.append(due)
    return min(dues)


async def test_a_used_key_turns_after_a_week_and_an_unused_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at daily: no act comes that would make anybody look."""
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    monkeypatch.setattr(hearing, "MIN_PAUSE_S", 0.01)
    monkeypatch.setattr(turning, "MAX_SLEEP_S", 0.01)
    monkeypatch.setattr(turning, "MIN_AGAIN_S", 0.01)
    now = [START_MS]
    people = []
    for name in ("Ada", "Bo"):
        profiles.create(tmp_path / name, name=name, now_s=1)
        profile = profiles.open_profile(tmp_path / name)
        people.append(Messenger(profile, QuietNetwork(), now_ms=lambda: now[0]))
    ada, bo = people
    try:
        for who in people:
            await who.start()
        wires = Wires()
        wires.connect(ada, bo)
        await ada.create_room("Birds")
        await let_in(wires, ada, bo)
        [mine], [theirs] = ada._rooms.values(), bo._rooms.values()
        now[0] += 1_000
        await ada.send("Birds", "before")
        await wires.until(lambda: theirs._counts.unread == 1)
        now[0] = first_due([mine, theirs])
        room_key = mine.facts.epoch
        await wires.until(lambda: mine.facts.epoch == theirs.facts.epoch != room_key)
        first = mine.facts.epoch
        assert turns(mine) == turns(theirs) == 1
        looks = 0

        def looked() -> bool:
            nonlocal looks
            looks += 1
            return looks > 300

        now[0] += 3 * WEEK_MS
        await wires.until(looked)
        assert turns(mine) == turns(theirs) == 1, "nobody said anything under it"
        await bo.send("Birds", "under the new key")
        # Each may find that it is its turn: two at once are carried by the next.
        await wires.until(
            lambda: (
                mine.facts.epoch == theirs.facts.epoch != first
                and turns(mine) == turns(theirs)
            )
        )
        assert turns(mine) in (2, 3)
        texts = [message.text for message in await bo.history("Birds")]
        assert texts == ["before", "under the new key"]
    finally:
        for who in people:
            await who.close()
