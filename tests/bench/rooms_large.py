"""A room of 200 writers, 20 of them connected: what it costs the core of one of them.

The core measured is a process of its own, over the real network layer on loopback; the
others online are whole messengers in this process, connected with each other as well.
Packets and bytes are those that ``covey doctor`` tells, headers of IPv4 and UDP
included, the DHT's among them; memory is the proportional set size.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.client import Client
from app.launch import StartingCore
from tests.bench.registry import Row, Settings
from tests.bench.rooms_large_people import Flock, flock

WRITERS, ONLINE = 200, 20
MESSAGES_EACH = 5
SETTLE_S = 75.0
"""Channels that brought the history are closed after a minute."""
IDLE_S = 120.0
TALK_COUNT, TALK_PAUSE_S = 20, 2.0
STORM_EACH, STORM_S = 5, 20.0
JOIN_LIMIT_S = 120.0
POLL_S = 0.05
BUDGET = {
    "join": 3.0,
    "whole": 20.0,
    "idleMemory": 80.0,
    "idlePackets": 400.0,
    "idleBytes": 25.0,
    "idleCpu": 200.0,
    "messagePackets": 80.0,
    "messageBytes": 8.0,
    "messageCpu": 15.0,
    "stormPackets": 10.0,
    "stormBytes": 3.0,
    "stormCpu": 4.0,
    "disk": 4.0,
}
"""What ``docs/rooms.md`` allows, by figure and in its unit; times are of a machine that
has nothing else to do."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the core has used so far."""

    at_s: float
    cpu_s: float
    packets: int
    bytes: int

    def since(self, before: Reading, idle: Reading | None = None) -> Reading:
        """What was used meanwhile; less what idling would have."""
        span_s = self.at_s - before.at_s
        share = 0.0 if idle is None else span_s / idle.at_s
        own = idle or Reading(1, 0, 0, 0)
        return Reading(
            span_s,
            self.cpu_s - before.cpu_s - share * own.cpu_s,
            round(self.packets - before.packets - share * own.packets),
            round(self.bytes - before.bytes - share * own.bytes),
        )


class Measured:
    """The core that is measured, as a client sees it."""

    def __init__(self, client: Client, pid: int, room: str) -> None:
        self._client = client
        self._pid = pid
        self._room = room

    def pss_mib(self) -> float:
        """Its proportional memory."""
        text = Path(f"/proc/{self._pid}/smaps_rollup").read_text()
        [line] = [it for it in text.splitlines() if it.startswith("Pss:")]
        return int(line.split()[1]) / 1024

    async def read(self) -> Reading:
        """What it has used so far."""
        traffic = (await self.facts())["network"]["traffic"]
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return Reading(
            time.monotonic(),
            ticks / os.sysconf("SC_CLK_TCK"),
            traffic["packetsSent"] + traffic["packetsReceived"],
            traffic["bytesSent"] + traffic["bytesReceived"],
        )

    async def facts(self) -> dict[str, Any]:
        """What the doctor says."""
        return await self._client.doctor()

    async def unread(self) -> int:
        """Messages of others that are here."""
        return (await self._client.rooms())[0].unread

    async def until_unread(self, count: int) -> None:
        """Wait for messages of others."""
        async with asyncio.timeout(JOIN_LIMIT_S):
            while await self.unread() < count:
                await asyncio.sleep(POLL_S)


def measure(settings: Settings) -> Iterator[Row]:
    """All of it; counts, KiB, s, ms and MiB."""
    with tempfile.TemporaryDirectory() as folder:
        yield from asyncio.run(_measure(Path(folder), settings))


async def _measure(folder: Path, settings: Settings) -> list[Row]:
    online, writers = (6, 40) if settings.quick else (ONLINE, WRITERS)
    rows: list[Row] = []

    def row(name: str, unit: str, value: float) -> None:
        rows.append(Row(f"rooms-large.{name}", unit, "lower", value))
        if not settings.quick and value > BUDGET.get(name, value):
            said = f"rooms-large.{name}: {value:.1f} is above its budget"
            print(said, BUDGET[name], file=sys.stderr, flush=True)

    async with flock(
        folder, online=online, writers=writers, each=MESSAGES_EACH
    ) as people:
        profile = folder / "measured"
        await Client.create(profile, name="Measured", use_keychain=False)
        starting = StartingCore(profile, bootstrap=people.bootstrap)
        process = await asyncio.to_thread(starting.run)
        async with Client.connect(profile, start=False) as client:
            begun = time.monotonic()
            joined = await client.join(people.link, timeout_s=JOIN_LIMIT_S)
            row("join", "s", time.monotonic() - begun)
            core = Measured(client, process.pid, joined.room)
            messages = (writers - online - 1) * MESSAGES_EACH + online
            await core.until_unread(messages)
            row("whole", "s", time.monotonic() - begun)
            row("joinMemory", "MiB", core.pss_mib())
            await _connected(client, people, online)
            await _use(core, people, row, settings)
        # Its last client has gone, so it ends.
        assert await asyncio.to_thread(process.wait)
        row("disk", "MiB", sum(_sizes(profile)) / 1024 / 1024)
    return rows


def _sizes(folder: Path) -> list[int]:
    return [it.stat().st_size for it in folder.rglob("*") if it.is_file()]


async def _connected(client: Client, people: Flock, online: int) -> None:
    """Everybody connects with the one measured, though it would do with fewer."""
    await people.seek_newcomer()
    async with asyncio.timeout(JOIN_LIMIT_S):
        while (await client.rooms())[0].peers < online:
            await asyncio.sleep(POLL_S)
    await people.level()


async def _use(core: Measured, people: Flock, row: Any, settings: Settings) -> None:
    await asyncio.sleep(5 if settings.quick else SETTLE_S)
    before = await core.read()
    await asyncio.sleep(10 if settings.quick else IDLE_S)
    idle = (await core.read()).since(before)
    minutes = idle.at_s / 60
    row("idleMemory", "MiB", core.pss_mib())
    row("idlePackets", "1/min", idle.packets / minutes)
    row("idleBytes", "KiB/min", idle.bytes / minutes / 1024)
    row("idleCpu", "ms/min", idle.cpu_s * 1e3 / minutes)
    before, said = await core.read(), await core.unread()
    for number in range(TALK_COUNT):
        who = people.people[number % len(people.people)]
        await who.send(people.room, f"one after the other {number}")
        await asyncio.sleep(TALK_PAUSE_S)
    await core.until_unread(said + TALK_COUNT)
    talk = (await core.read()).since(before, idle)
    row("messagePackets", "1", talk.packets / TALK_COUNT)
    row("messageBytes", "KiB", talk.bytes / TALK_COUNT / 1024)
    row("messageCpu", "ms", talk.cpu_s * 1e3 / TALK_COUNT)
    before, said = await core.read(), await core.unread()
    count = STORM_EACH * len(people.people)
    begun = time.monotonic()
    await asyncio.gather(
        *(
            who.send(people.room, f"all at once {number}")
            for who in people.people
            for number in range(STORM_EACH)
        )
    )
    await core.until_unread(said + count)
    row("stormTime", "s", time.monotonic() - begun)
    await asyncio.sleep(STORM_S)
    storm = (await core.read()).since(before, idle)
    row("stormPackets", "1", storm.packets / count)
    row("stormBytes", "KiB", storm.bytes / count / 1024)
    row("stormCpu", "ms", storm.cpu_s * 1e3 / count)
    row("usedMemory", "MiB", core.pss_mib())
