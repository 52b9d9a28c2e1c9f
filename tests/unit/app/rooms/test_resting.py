"""Who is gone for weeks holds nothing up, and loses nothing when it comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app import profile as profiles
from app.events import Event, RestEnded
from app.messenger import Messenger
from app.rooms import hearing, resting, view
from app.rooms.law import REST_AFTER_MS
from app.rooms.operations import Edit, Message, Poll, React, Vote
from app.rooms.resting import MAX_HELD_BACK, MAX_HELD_BACK_MS, is_silent
from app.rooms.room import Room
from store import contents
from store.contents import MessageRow
from tests.unit.app.rooms.joined import QuietNetwork, Wires
from tests.unit.app.rooms.test_exchange import let_in

DAY_MS = 24 * 3600 * 1000
START_MS = 1_700_000_000_000


@dataclass
class Clock:
    """A wall clock that a test moves; it also goes on by itself, a little."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        self.now_ms += 1
        return self.now_ms


@dataclass
class Stage:
    """Three people with a room, their wires and their clock."""

    clock: Clock
    wires: Wires
    open: Callable[[str], Awaitable[Messenger]]
    people: dict[str, Messenger] = field(default_factory=dict)

    def room(self, name: str) -> Room:
        [room] = self.people[name]._rooms.values()
        return room

    async def until(self, so: Callable[[], bool]) -> None:
        await self.wires.until(so)

    async def texts(self, name: str) -> list[str]:
        return [it.text for it in await self.people[name].history("Birds")]

    async def until_texts(self, name: str, texts: Sequence[str]) -> None:
        """Wait until somebody reads just these."""
        room, found = self.room(name), [""]

        async def look() -> None:
            while found != list(texts):
                rows = await room.read(
                    lambda connection: contents.page(connection, room.row.row, limit=99)
                )
                found[:] = [row.text for row in rows]
                await asyncio.sleep(0)

        looking = asyncio.create_task(look())
        try:
            await self.until(looking.done)
        finally:
            looking.cancel()
        assert found == list(texts)


def is_resting(at: Room, of: Room) -> bool:
    """Whether one knows that another's device rests."""
    return at.facts.devices[of.device].resting


@pytest.fixture
async def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    """Ada founded a room, Bo and Cy are in, all have heard of each other."""
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    monkeypatch.setattr(hearing, "MIN_PAUSE_S", 0.01)
    monkeypatch.setattr(view, "SETTLE_ENTRIES", 4)
    monkeypatch.setattr(resting, "LISTEN_S", 0.05)
    monkeypatch.setattr(resting, "JITTER_S", 0.0)
    monkeypatch.setattr(resting, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(resting, "ASK_S", 0.01)
    monkeypatch.setattr(resting, "ASK_AGAIN_S", 0.05)
    clock = Clock()

    async def open_(name: str) -> Messenger:
        folder = tmp_path / name
        if not profiles.exists(folder):
            profiles.create(folder, name=name, now_s=1)
        messenger = Messenger(
            profiles.open_profile(folder), QuietNetwork(), now_ms=clock
        )
        running.append(messenger)
        await messenger.start()
        return messenger

    running: list[Messenger] = []
    made = Stage(clock, Wires(), open_)
    for name in ("Ada", "Bo", "Cy"):
        made.people[name] = await open_(name)
    ada, bo, cy = made.people.values()
    await ada.create_room("Birds")
    made.wires.connect(ada, bo)
    made.wires.connect(ada, cy)
    made.wires.connect(bo, cy)
    await let_in(made.wires, ada, bo)
    await let_in(made.wires, ada, cy)
    await ada.send("Birds", "welcome")
    for name in ("Bo", "Cy"):
        await made.until_texts(name, ["welcome"])
    await made.until(lambda: all(len(made.room(x).online) == 2 for x in made.people))
    yield made
    for messenger in running:
        await messenger.close()


async def leave_ada_behind(stage: Stage) -> None:
    """Ada's device is cut off, the others talk, and six weeks go by."""
    ada, bo, cy = stage.people.values()
    stage.wires.cut(ada, bo)
    stage.wires.cut(ada, cy)
    await bo.send("Birds", "where is Ada?")
    await stage.until_texts("Cy", ["welcome", "where is Ada?"])
    stage.clock.now_ms += 42 * DAY_MS


async def rest_ada(stage: Stage) -> None:
    """The others let Ada's device rest."""
    hers = stage.room("Ada")
    await stage.until(
        lambda: all(is_resting(stage.room(x), hers) for x in ("Bo", "Cy"))
    )


def test_only_who_has_not_heard_for_long_is_silent() -> None:
    heard, late = START_MS, START_MS + REST_AFTER_MS + 2
    much, long = MAX_HELD_BACK, late + MAX_HELD_BACK_MS
    said = heard + 1
    for clock, said_at, count, expected in (
        (late, said, much, True),
        (late, said, much - 1, False),
        (late - 1, said, much, False),
        (late, None, much, False),
        (late, said + 1, much, False),
        (long, said, 1, True),
        (said + MAX_HELD_BACK_MS, said, 1, False),
        (long, None, 1, False),
    ):
        found = is_silent(
            heard=heard, clock=clock, said_at=said_at, held_back_count=count
        )
        assert found is expected, (clock, said_at, count)


async def test_the_others_go_on_and_confirmation_with_them(stage: Stage) -> None:
    bo, cy = stage.people["Bo"], stage.people["Cy"]
    his, hers = stage.room("Bo"), stage.room("Ada")
    await leave_ada_behind(stage)
    cut_ms = stage.clock.now_ms - 42 * DAY_MS
    assert not is_resting(his, hers)

    async def confirmed() -> int:
        await his.refresh()
        return his.facts.confirmed_clock

    assert await confirmed() < cut_ms
    await rest_ada(stage)
    texts = ["welcome", "where is Ada?"]
    for number in range(6):
        who = (bo, cy)[number % 2]
        await who.send("Birds", f"word {number}")
        texts.append(f"word {number}")
        await stage.until_texts("Bo" if who is cy else "Cy", texts)
    found = [0]

    async def look() -> None:
        while found[0] < cut_ms:
            found[0] = await confirmed()
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await stage.until(looking.done)
    assert found[0] > cut_ms + 41 * DAY_MS
    # Whoever rests stays a member.
    assert his.facts.present_count == 3


async def test_what_was_said_in_vain_is_said_again_once(stage: Stage) -> None:
    ada, bo, _ = stage.people.values()
    mine, his, hers = (stage.room(name) for name in ("Ada", "Bo", "Cy"))
    [welcome] = await ada.history("Birds")
    await leave_ada_behind(stage)
    sent_ms = stage.clock.now_ms
    first = await ada.send("Birds", "on a mountain, without you")
    second = await ada.send("Birds", "and an answer", reply_to=first.id)
    target = bytes.fromhex(second.id)
    await mine.say(Edit(target, "and a better answer"))
    await mine.say(React(bytes.fromhex(welcome.id), "\N{BIRD}", on=True))
    poll = await mine.say(Poll("who comes?", ("I", "you"), multiple=False))
    await mine.say(Vote(poll.applied.ids[poll.sequence], (1,)))
    await mine.say(Message("gone tomorrow", lifetime_ms=REST_AFTER_MS))
    await ada.set_role("Birds", "Bo", "admin")
    await rest_ada(stage)
    assert is_resting(his, mine)

    told: list[Event] = []
    events = ada.events()
    collecting = asyncio.create_task(_collect(events, told))
    stage.wires.connect(ada, bo)
    await stage.until(
        lambda: any(isinstance(event, RestEnded) for event in told),
    )
    collecting.cancel()
    [ended] = [event for event in told if isinstance(event, RestEnded)]
    assert (ended.said_again, ended.lost) == (7, 1)
    assert "has been sent again" in ended.sentence
    assert "A change to the room that you made meanwhile does not count" in (
        ended.sentence
    )
    expected = [
        "welcome",
        "where is Ada?",
        "on a mountain, without you",
        "and a better answer",
        "who comes?",
        "gone tomorrow",
    ]
    # Cy was not connected to Ada all the time.
    for name in ("Ada", "Bo", "Cy"):
        await stage.until_texts(name, expected)
    for room in (mine, his, hers):
        assert room.facts.members[his.identity].role.word == "member"
        rows = await _rows(room)
        again, answer, asked = rows[2], rows[3], rows[4]
        assert sent_ms < again.sent_at < answer.sent_at < sent_ms + 1000
        assert again.id.hex() != first.id
        assert answer.reply_to == again.id
        signs, votes = await _responses(room, [rows[0], asked])
        assert [(it.emoji, it.identities) for it in signs[rows[0].id]] == [
            ("\N{BIRD}", (mine.identity,))
        ]
        assert votes[asked.id].counts == (0, 1)
    # Nothing is said a second time, not after a start either.
    length = mine.heads[mine.device].length
    stage.wires.cut(ada, bo)
    await ada.close()
    stage.people["Ada"] = again_ada = await stage.open("Ada")
    stage.wires.connect(again_ada, bo)
    await bo.send("Birds", "welcome back")
    await stage.until_texts("Ada", [*expected, "welcome back"])
    mine = stage.room("Ada")
    await mine._resting._tasks.finish()
    assert len(await _rows(mine)) == len(expected) + 1
    assert mine.heads[mine.device].length <= length + 1, "an acknowledgement at most"


async def _collect(events: object, told: list[Event]) -> None:
    async for event in events:  # type: ignore[attr-defined]
        told.append(event)


async def _rows(room: Room) -> list[MessageRow]:
    return await room.read(
        lambda connection: contents.page(connection, room.row.row, limit=99)
    )


async def _responses(room: Room, rows: list[MessageRow]) -> tuple[Any, Any]:
    """What people put under messages, and what they chose."""
    return await room.read(
        lambda connection: (
            contents.reactions(connection, rows),
            contents.tallies(connection, rows),
        )
    )
