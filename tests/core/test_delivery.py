"""What is told as delivered is there, though the other core is killed often."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from app.client import Client
from app.errors import UserFacingError
from tests.core.processes import PATIENCE_S, PATIENTLY, Stage

KILLS = 8
SENDERS = 4
SEED = 20_240_608
MAX_LIFE_S = 0.6


@pytest.mark.slow
async def test_delivered_means_another_device_holds_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = int(os.environ.get("COVEY_TEST_SEED", SEED))
    print(f"seed {seed}")
    chance = random.Random(seed)
    monkeypatch.setenv("XDG_RUNTIME_DIR", stage.environment["XDG_RUNTIME_DIR"])
    for name in ("Ada", "Bo"):
        stage.init(name)
    stage.serve("Ada")
    core = stage.serve("Bo")
    [made] = stage.run("Ada", "room", "new", "Birds")
    [link] = stage.run("Ada", "room", "invite", "Birds")
    stage.run("Bo", "room", "join", link["invite"], *PATIENTLY)
    delivered: set[str] = set()
    over = asyncio.Event()

    async def talk(ada: Client, sender: int) -> None:
        count = 0
        while not over.is_set():
            count += 1
            message = await ada.send(made["room"], f"{sender} {count}")
            try:
                await ada.wait_delivered(made["room"], message.id, timeout_s=0.2)
                delivered.add(message.id)
            except UserFacingError as error:
                if error.code != "not-delivered":
                    raise

    async with Client.connect(stage.profile("Ada"), start=False) as ada:
        talkers = [asyncio.create_task(talk(ada, sender)) for sender in range(SENDERS)]
        for _ in range(KILLS):
            before = len(delivered)
            while len(delivered) == before:
                await asyncio.sleep(0.02)
            await asyncio.sleep(chance.uniform(0, MAX_LIFE_S))
            core.kill()
            await asyncio.to_thread(stage.stop, core)
            async with Client.connect(
                stage.profile("Bo"), bootstrap="127.0.0.1:1"
            ) as alone:
                # Away from everybody: what it has now is what it held.
                told = set(delivered)
                held = {m.id for m in await alone.history(made["room"], limit=1000)}
                newest = [m.id for m in await ada.history(made["room"], limit=900)]
                missing = (told & set(newest)) - held
                assert not missing, f"seed {seed}"
            core = await asyncio.to_thread(stage.serve, "Bo")
        over.set()
        await asyncio.gather(*talkers)
        last = await ada.send(made["room"], "last")
        reached = await ada.wait_delivered(made["room"], last.id, timeout_s=PATIENCE_S)
        assert reached == 1
    async with Client.connect(stage.profile("Bo"), start=False) as bo:
        theirs = [m.id for m in await bo.history(made["room"], limit=1000)]
    async with Client.connect(stage.profile("Ada"), start=False) as ada:
        ours = [m.id for m in await ada.history(made["room"], limit=1000)]
    assert theirs == ours
