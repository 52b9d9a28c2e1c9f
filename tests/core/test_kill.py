"""Fifty times the core is killed while messages are sent: none acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
from pathlib import Path

import pytest

from app.client import Client
from app.errors import UserFacingError
from tests.core.processes import Stage

KILLS = 50
SENDERS = 4
SEED = 20_240_607
MAX_LIFE_S = 0.12
"""The core lives at most so long after the first message was asked for, every second
time after the first was acknowledged: a busy machine would often do nothing."""
PAGE = 1000


async def send_until_killed(
    profile: Path, core: subprocess.Popen[bytes], life_s: float, number: int
) -> list[tuple[str, str]]:
    """Send as fast as the core answers, and give what it acknowledged."""
    acknowledged: list[tuple[str, str]] = []
    begun = asyncio.Event()

    async def send(me: Client, sender: int) -> None:
        for count in range(10_000):
            text = f"{number} {sender} {count}"
            message = await me.send("Birds", text)
            acknowledged.append((message.id, text))
            begun.set()

    client = await Client.connect(profile, start=False)
    senders = [asyncio.create_task(send(client, sender)) for sender in range(SENDERS)]
    if number % 2:
        await begun.wait()
    await asyncio.sleep(life_s)
    core.kill()
    ends = await asyncio.gather(*senders, return_exceptions=True)
    assert all(isinstance(end, UserFacingError) for end in ends), ends
    await client.close()
    return acknowledged


async def read_all(profile: Path) -> dict[str, str]:
    """Every message of the room by its id."""
    found: dict[str, str] = {}
    async with Client.connect(profile, start=False) as me:
        before: str | None = None
        while page := await me.history("Birds", limit=PAGE, before=before):
            found |= {message.id: message.text for message in page}
            before = page[0].id
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_acknowledged_message_is_lost(
    alone: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = int(os.environ.get("COVEY_TEST_SEED", SEED))
    print(f"seed {seed}")
    chance = random.Random(seed)
    monkeypatch.setenv("XDG_RUNTIME_DIR", alone.environment["XDG_RUNTIME_DIR"])
    alone.init("Ada")
    profile = alone.profile("Ada")
    acknowledged: dict[str, str] = {}
    for number in range(KILLS):
        core = alone.serve("Ada")
        if number == 0:
            alone.run("Ada", "room", "new", "Birds")
        life_s = chance.uniform(0, MAX_LIFE_S)
        sent = asyncio.run(send_until_killed(profile, core, life_s, number))
        acknowledged |= dict(sent)
        alone.stop(core)
    core = alone.serve("Ada")
    found = asyncio.run(read_all(profile))
    assert len(acknowledged) >= KILLS // 2
    missing = acknowledged.items() - found.items()
    assert not missing, f"seed {seed}: lost {len(missing)} of {len(acknowledged)}"
    # Nothing twice, and nothing that nobody wrote.
    assert len(set(found.values())) == len(found)
    [facts] = alone.run("Ada", "doctor")
    assert facts["profile"] == "sound"
