"""The core is killed while rooms are made and people come in: no half rooms."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from app.client import Client
from app.errors import UserFacingError
from tests.core.processes import PATIENCE_S, Stage

SEED = 20_261_121
KILLED_MAKING = 12
KILLED_JOINING = 6
MAX_MAKING_S = 0.05
MAX_JOINING_S = 1.2
"""About as long as one of these takes."""


def chance_of(monkeypatch: pytest.MonkeyPatch, stage: Stage) -> random.Random:
    """Chance from a printed seed; clients find the cores of the stage."""
    seed = int(os.environ.get("COVEY_SEED", SEED))
    print(f"seed {seed}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", stage.environment["XDG_RUNTIME_DIR"])
    return random.Random(seed)


async def attempt(
    stage: Stage, name: str, work: Callable[[Client], Awaitable[object]]
) -> bool:
    """Ask somebody's core for something; False when it was killed meanwhile."""
    with suppress(UserFacingError):
        client = await Client.connect(stage.profile(name), start=False)
        try:
            await work(client)
        except UserFacingError:
            return False
        finally:
            await client.close()
        return True
    return False


@pytest.mark.slow
async def test_a_room_is_whole_or_not_there(
    alone: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = chance_of(monkeypatch, alone)
    alone.init("Ada")
    made: set[str] = set()
    for number in range(KILLED_MAKING):
        core = await asyncio.to_thread(alone.serve, "Ada")
        names = [f"Room {number} {which}" for which in range(3)]

        async def make(name: str) -> None:
            if await attempt(alone, "Ada", lambda client: client.create_room(name)):
                made.add(name)

        making = [asyncio.create_task(make(name)) for name in names]
        await asyncio.sleep(chance.uniform(0, MAX_MAKING_S))
        core.kill()
        await asyncio.gather(*making)
        await asyncio.to_thread(alone.stop, core)
    await asyncio.to_thread(alone.serve, "Ada")
    async with Client.connect(alone.profile("Ada"), start=False) as ada:
        rooms = await ada.rooms()
        names = [room.name for room in rooms]
        assert len(set(names)) == len(names)
        assert made <= set(names)
        for room in rooms:
            assert room.can_write
            assert room.members == 1
            sent = await ada.send(room.room, "here")
            assert [m.id for m in await ada.history(room.room)] == [sent.id]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("victim", ["Ada", "Bo"])
async def test_who_comes_in_is_in_or_can_come_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    """By the same link, which lets in one: nobody else took the place."""
    chance = chance_of(monkeypatch, stage)
    cores = {}
    for name in ("Ada", "Bo"):
        stage.init(name)
        cores[name] = await asyncio.to_thread(stage.serve, name)
    rooms: list[str] = []
    for number in range(KILLED_JOINING):
        async with Client.connect(stage.profile("Ada"), start=False) as ada:
            room = await ada.create_room(f"Room {number}")
            link = await ada.invite(room.room)
        rooms.append(room.room)
        joining = asyncio.create_task(
            attempt(stage, "Bo", lambda bo, link=link: bo.join(link, timeout_s=20))
        )
        await asyncio.sleep(chance.uniform(0, MAX_JOINING_S))
        cores[victim].kill()
        await asyncio.to_thread(stage.stop, cores[victim])
        cores[victim] = await asyncio.to_thread(stage.serve, victim)
        await joining
        async with Client.connect(stage.profile("Bo"), start=False) as bo:
            joined = await bo.join(link, timeout_s=PATIENCE_S)
            assert (joined.can_write, joined.members) == (True, 2)
    async with (
        Client.connect(stage.profile("Ada"), start=False) as ada,
        Client.connect(stage.profile("Bo"), start=False) as bo,
    ):
        for room_id in rooms:
            assert len(await ada.members(room_id)) == 2
            for one, other in ((ada, bo), (bo, ada)):
                sent = await one.send(room_id, "hello")
                reached = await one.wait_delivered(
                    room_id, sent.id, timeout_s=PATIENCE_S
                )
                assert reached == 1
                assert sent.id in [m.id for m in await other.history(room_id)]
