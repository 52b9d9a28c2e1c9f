"""One room on the loop: what time alone changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import profile as profiles
from app.messenger import Messenger
from app.rooms.view import ENDED_SERVED_MS
from tests.unit.app.rooms.joined import QuietNetwork

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
        assert len(network.topics) == 3
        assert room._refresh_timer is not None
        for passed_ms, topics in ((2 * HOUR_MS, 3), (ENDED_SERVED_MS, 2)):
            now_ms[0] += passed_ms
            await room.refresh()
            assert len(network.topics) == topics
        # The timer of a room that is over is over too.
        assert room._refresh_timer is not None
        timer = room._refresh_timer
    finally:
        await ada.close()
    assert timer.cancelled()
