"""One room on the loop: what time alone changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from app import profile as profiles
from app.messenger import Messenger
from app.rooms.facts import ENDED_SERVED_MS
from store.database import Connection
from store.errors import EnvironmentFault
from tests.unit.app.rooms.joined import QuietNetwork, Wires
from tests.unit.app.rooms.joined import attached as attached_rooms
from tests.unit.app.rooms.test_exchange import let_in

HOUR_MS = 3_600_000


async def test_an_expired_invite_is_waited_for_a_day_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    now_ms = [1_000_000_000_000]
    profiles.create(tmp_path / "ada", name="Ada", now_s=1)
    network = QuietNetwork()
    ada = Messenger(
        profiles.open_profile(tmp_path / "ada"), network, now_ms=lambda: now_ms[0]
    )
    await ada.start()
    try:
        line = await ada.create_room("Birds")
        await ada.invite(line.room, expires_ms=HOUR_MS)
        await ada.invite(line.room, expires_ms=9 * ENDED_SERVED_MS)
        [room] = ada._rooms.values()
        # Two invites, the room, that of one's devices.
        assert len(network.topics) == 4
        assert room._refresh_timer is not None
        for passed_ms, topics in ((2 * HOUR_MS, 4), (ENDED_SERVED_MS, 3)):
            now_ms[0] += passed_ms
            await room.refresh()
            assert len(network.topics) == topics
        # The timer of a room that is over is over too.
        assert room._refresh_timer is not None
        timer = room._refresh_timer
    finally:
        await ada.close()
    assert timer.cancelled()


async def test_acknowledgements_that_come_at_once_are_kept_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One member cannot make work by telling block after block what it has."""
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    profiles.create(tmp_path / "ada", name="Ada", now_s=1)
    ada = Messenger(profiles.open_profile(tmp_path / "ada"), QuietNetwork())
    await ada.start()
    try:
        await ada.create_room("Birds")
        [room] = ada._rooms.values()
        database = ada._profile.database
        whole, writes = database.write, []

        def counted(work: Callable[[Connection], Any], **options: Any) -> Future[Any]:
            writes.append(work)
            return whole(work, **options)

        monkeypatch.setattr(database, "write", counted)
        device = b"d" * 32
        told = [room.receipts.record(device, length) for length in range(1, 1001)]
        await asyncio.gather(*told)
        assert room.receipts.held == {device: 1000}
        assert len(writes) <= 2

        def full(work: object, **options: object) -> Future[Any]:
            del work, options
            raise EnvironmentFault("the disk is full")

        monkeypatch.setattr(database, "write", full)
        await room.receipts.record(device, 1001)
        monkeypatch.setattr(database, "write", whole)
        assert room.receipts.held == {device: 1001}, "it is so all the same"
    finally:
        await ada.close()


async def test_a_room_in_which_nobody_is_missed_has_nothing_to_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    people = []
    for name in ("Ada", "Bo"):
        profiles.create(tmp_path / name, name=name, now_s=1)
        people.append(Messenger(profiles.open_profile(tmp_path / name), QuietNetwork()))
        await people[-1].start()
    ada, bo = people
    try:
        await ada.create_room("Birds")
        [attached] = attached_rooms(ada)
        assert attached.timer is None, "alone"
        wires = Wires()
        wires.connect(ada, bo)
        await let_in(wires, ada, bo)
        await wires.until(lambda: bool(attached.room.online))
        if attached.timer is not None:
            attached.timer.cancel()
            ada._exchange._look(attached)
        assert attached.timer is None, "everybody is there"
        wires.cut(ada, bo)
        assert attached.timer is not None
        ada._exchange._look(attached)
        assert attached.looks == 1
    finally:
        for who in people:
            await who.close()
    assert attached.timer.cancelled()
