"""A pair of people who are in one room, and closed in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app import profile as profiles
from app.messenger import Messenger
from tests.unit.app.rooms.conversation.pair import Clock, Pair
from tests.unit.app.rooms.joined import QuietNetwork


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    """Ada and Bo in the room Birds, connected."""
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    clock = Clock()
    people = []
    for name in ("Ada", "Bo"):
        profiles.create(tmp_path / name, name=name, now_s=1)
        profile = profiles.open_profile(tmp_path / name)
        people.append(Messenger(profile, QuietNetwork(), now_ms=clock))
        await people[-1].start()
    ada, bo = people
    made = Pair(ada, bo, clock)
    try:
        line = await ada.create_room("Birds")
        made.wires.connect(ada, bo)
        link = await ada.invite(line.room)
        joining = asyncio.create_task(bo.join(link, timeout_s=60))
        await made.wires.until(joining.done)
        await joining
        await made.settle()
        yield made
    finally:
        for who in people:
            await who.close()
