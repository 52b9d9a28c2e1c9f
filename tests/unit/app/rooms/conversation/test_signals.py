"""Who writes and who is there: by consent, seldom, and never stored."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app import profile as profiles
from app.events import Event, PresenceChanged, TypingChanged
from app.messenger import Messenger
from app.rooms import signals
from app.rooms.signals import (
    ACTIVE,
    AWAY,
    PRESENCE,
    SILENT,
    STOPPED,
    TYPING,
    WRITING,
    Sharing,
    Signals,
    decode_sign,
)
from net.encoding import Writer
from net.errors import RemoteProtocolError
from tests.unit.app.rooms.conversation.pair import Pair, so_far
from tests.unit.app.rooms.joined import QuietNetwork

BO = b"b" * 32


class FakeEnd:
    """A connected device that writes down what it is told."""

    def __init__(self, device: bytes = b"d" * 32, identity: bytes = BO) -> None:
        self.device = device
        self.identity = identity
        self.is_open = True
        self.said: list[tuple[int, int]] = []

    def tell(self, kind: int, data: bytes) -> bool:
        if self.is_open:
            self.said.append((kind, decode_sign(data)))
        return self.is_open


class Heard:
    """Signals of one room on a clock of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.events: list[Event] = []
        self.sharing = Sharing()
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)
        self.signals = Signals("room", self.sharing, self.events.append, lambda _: "Bo")

    def take(self) -> list[Event]:
        found, self.events[:] = list(self.events), []
        return found


def typing(on: bool) -> TypingChanged:
    return TypingChanged("room", BO.hex(), "Bo", on)


def presence(word: str) -> PresenceChanged:
    return PresenceChanged("room", BO.hex(), word)


def test_a_sign_is_one_number() -> None:
    with pytest.raises(RemoteProtocolError):
        decode_sign(b"")
    assert decode_sign(Writer().uint(77).finish()) == 77


async def test_that_one_writes_is_said_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room, end = Heard(monkeypatch), FakeEnd()
    room.signals.write(on=True)
    room.signals.came(end)
    assert end.said == []
    for _ in range(10):
        room.now += 1.0
        room.signals.write(on=True)
    assert end.said == [(TYPING, WRITING)] * 3
    for _ in range(3):
        room.signals.write(on=False)
    assert end.said[3:] == [(TYPING, STOPPED)]
    room.signals.write(on=True)
    assert len(end.said) == 4, "too soon"
    room.sharing.typing = False
    room.now += 60
    room.signals.write(on=True)
    assert len(end.said) == 4, "nobody may see it"


async def test_who_was_heard_to_write_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    room, end, phone = Heard(monkeypatch), FakeEnd(), FakeEnd(b"p" * 32)
    room.signals.heard(end, TYPING, WRITING)
    room.signals.heard(phone, TYPING, WRITING)
    assert room.take() == [typing(on=True)]
    assert room.signals.is_writing(BO)
    room.signals.spoke(end.device)
    assert room.take() == []
    room.signals.gone(phone)
    assert room.take() == [typing(on=False)]
    room.now += 1
    room.signals.heard(end, TYPING, WRITING)
    room.now += 1
    room.signals.heard(end, TYPING, STOPPED)
    assert room.take() == [typing(on=True), typing(on=False)]
    room.now += 1
    room.signals.heard(end, TYPING, WRITING)
    timer = room.signals._writing[end]
    assert timer.when() == pytest.approx(room.now + signals.TYPING_LIFE_S)
    timer._run()
    assert room.take() == [typing(on=True), typing(on=False)]
    room.signals.stop()
    room.signals.heard(end, TYPING, WRITING)
    assert room.take() == []


async def test_a_flood_of_signs_makes_no_flood_of_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room, end = Heard(monkeypatch), FakeEnd()
    for number in range(1000):
        room.signals.heard(end, TYPING, WRITING if number % 2 else STOPPED)
        room.signals.heard(end, PRESENCE, number % 2)
        room.signals.heard(end, 7, number)
        room.now += 0.001
    assert len(room.take()) <= 6
    room.signals.heard(end, TYPING, 99)
    room.signals.gone(end)
    assert room.signals._heard_at.keys() <= {(end, 7)}
    room.signals.stop()


async def test_presence_is_said_when_it_may_be_and_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room, end, late = Heard(monkeypatch), FakeEnd(), FakeEnd()
    late.is_open = False
    room.signals.came(end)
    room.sharing.active = True
    room.signals.sharing_changed()
    assert end.said == [], "off unless chosen"
    room.sharing.presence = True
    room.signals.sharing_changed()
    room.signals.came(late)
    assert end.said == [(PRESENCE, ACTIVE)]
    for active in (False, True, False):
        room.sharing.active = active
        room.signals.sharing_changed()
    assert len(end.said) == 1, "too soon"
    timer = room.signals._timer
    assert timer is not None
    timer._run()
    assert end.said[1:] == [(PRESENCE, AWAY)]
    late.is_open = True
    room.signals.came(late)
    room.signals.came(late)
    assert late.said == [(PRESENCE, AWAY)]
    room.now += 60
    room.sharing.presence = False
    room.signals.sharing_changed()
    assert end.said[2:] == [(PRESENCE, SILENT)]
    room.signals.stop()


async def test_somebody_is_there_on_any_device(monkeypatch: pytest.MonkeyPatch) -> None:
    room, end, phone = Heard(monkeypatch), FakeEnd(), FakeEnd(b"p" * 32)
    room.signals.heard(end, PRESENCE, ACTIVE)
    room.signals.heard(phone, PRESENCE, AWAY)
    assert room.take() == [presence("active")]
    room.signals.gone(end)
    assert room.take() == [presence("away")]
    room.now += 1
    room.signals.heard(phone, PRESENCE, SILENT)
    assert room.take() == [presence("")]
    assert room.signals.presence_of(BO) == ""


async def test_two_see_each_other_write_and_come(pair: Pair) -> None:
    bo = pair.bo._profile.identity_key
    listening = pair.ada.hub.subscribe()
    await pair.bo.set_typing("Birds")
    await pair.wires.until(lambda: pair.hers.signals.is_writing(bo))
    assert TypingChanged(pair.room, bo.hex(), "Bo", True) in so_far(listening)
    await pair.bo.send("Birds", "what he wrote")
    await pair.settle()
    assert TypingChanged(pair.room, bo.hex(), "Bo", False) in so_far(listening)

    assert await pair.bo.sharing() == await pair.ada.sharing()
    before = pair.his.heads[pair.his.device]
    await pair.bo.set_active(active=True)
    shared = await pair.bo.set_sharing(presence=True)
    assert (shared.typing, shared.presence) == (True, True)
    await pair.wires.until(lambda: pair.hers.signals.presence_of(bo) == "active")
    assert PresenceChanged(pair.room, bo.hex(), "active") in so_far(listening)
    seen = {it.name: it.presence for it in await pair.ada.members("Birds")}
    assert seen == {"Ada": "", "Bo": "active"}
    assert pair.his.heads[pair.his.device] == before, "nothing is stored"
    pair.wires.cut(pair.ada, pair.bo)
    assert pair.hers.signals.presence_of(bo) == ""
    assert PresenceChanged(pair.room, bo.hex(), "") in so_far(listening)
    # What was chosen holds for whoever is met later.
    pair.wires.connect(pair.ada, pair.bo)
    await pair.wires.until(lambda: pair.hers.signals.presence_of(bo) == "active")


async def test_what_was_chosen_outlives_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    profiles.create(tmp_path, name="Ada", now_s=1)
    seen = []
    for choice in ({}, {"typing": False}, {"presence": True}, {}):
        ada = Messenger(profiles.open_profile(tmp_path), QuietNetwork())
        await ada.start()
        await ada.set_sharing(**choice)
        sharing = await ada.sharing()
        seen.append((sharing.typing, sharing.presence))
        await ada.close()
    assert seen == [(True, False), (False, False), (False, True), (False, True)]


async def test_nonsense_ends_the_channel_and_nothing_else(pair: Pair) -> None:
    [aside] = pair.his.signals._told
    aside.tell(TYPING, b"")
    await pair.wires.until(lambda: not pair.hers.signals._told)
    await pair.bo.send("Birds", "still here")
    await pair.settle()
    assert await pair.texts(pair.ada) == ["still here"]
