"""Messengers that are opened, and closed in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from app import profile as profiles
from app.messenger import Messenger
from tests.unit.app.rooms.joined import QuietNetwork

Open = Callable[[str], Awaitable[Messenger]]


@pytest.fixture
async def opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Open]:
    """Opens somebody's profile, made when it is missing."""
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    running: list[Messenger] = []

    async def open_(name: str) -> Messenger:
        folder = tmp_path / name
        if not profiles.exists(folder):
            profiles.create(folder, name=name, now_s=1)
        messenger = Messenger(profiles.open_profile(folder), QuietNetwork())
        running.append(messenger)
        await messenger.start()
        return messenger

    yield open_
    for messenger in running:
        await messenger.close()
