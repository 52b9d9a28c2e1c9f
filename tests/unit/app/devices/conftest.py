"""Messengers of one person and of others, opened, restarted and closed in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app import profile as profiles
from app.messenger import Messenger
from tests.unit.app.rooms.joined import QuietNetwork, Records, Wires


class People:
    """Opens profiles, and links devices."""

    def __init__(self, folder: Path) -> None:
        self.wires = Wires()
        self.running: list[Messenger] = []
        self._folder = folder
        self._records = Records()

    async def open(
        self, name: str, *, phrase: str | None = None, fresh: bool = False
    ) -> Messenger:
        """A messenger of that folder, made when it is missing."""
        folder = self._folder / name
        if not profiles.exists(folder):
            profiles.create(
                folder, name=name, now_s=1, phrase=phrase, awaits_link=fresh
            )
        network = QuietNetwork(self._records)
        messenger = Messenger(profiles.open_profile(folder), network)
        self.running.append(messenger)
        await messenger.start()
        return messenger

    async def close(self, messenger: Messenger) -> None:
        self.running.remove(messenger)
        await messenger.close()

    async def linked(self, old: Messenger, name: str) -> Messenger:
        """A further device of somebody, connected with the one that linked it."""
        new = await self.open(name, fresh=True)
        self.wires.connect(old, new)
        link = await old.link_device()
        joining = asyncio.create_task(new.join_device(link))
        await self.wires.until(joining.done)
        joined = await joining
        assert joined.identity_key == (await old.profile()).identity_key
        assert new.stop_asked.is_set()
        self.wires.cut(old, new)
        await self.close(new)
        again = await self.open(name)
        self.wires.connect(old, again)
        return again


@pytest.fixture
async def people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[People]:
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    found = People(tmp_path)
    yield found
    for messenger in found.running:
        await messenger.close()
