"""Who is gone for weeks holds nothing up, and loses nothing when it comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app import profile as profiles
from app.errors import UserFacingError
from app.events import Event, RestEnded
from app.messenger import Messenger
from app.rooms import hearing, resting, rewriting, view
from app.rooms.law import REST_AFTER_MS
from app.rooms.operations import (
    Edit,
    Message,
    Pin,
    Poll,
    React,
    Rest,
    Vote,
    Wake,
    decode_operation,
)
from app.rooms.resting import MAX_HELD_BACK, MAX_HELD_BACK_MS, is_silent, silent_devices
from app.rooms.rewriting import renamed
from app.rooms.roles import Right
from app.rooms.room import Room
from app.rooms.view import RoomView
from store import acts, contents
from store.contents import MessageRow
from store.database import Connection
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
        room = self.room(name)

        async def so() -> bool:
            return [row.text for row in await _rows(room)] == list(texts)

        await self.until_so(so)

    async def until_so(self, so: Callable[[], Awaitable[bool]]) -> None:
        """Wait until something that is asked for is so."""

        async def look() -> None:
            while not await so():
                await asyncio.sleep(0)

        looking = asyncio.create_task(look())
        try:
            await self.until(looking.done)
        finally:
            looking.cancel()
        await looking

    async def until_wiped(self, room: Room, ids: Sequence[str]) -> None:
        """Wait until no words of these messages are kept."""

        async def so() -> bool:
            rows = [await _row(room, id) for id in ids]
            return all(row is not None and row.deleted and row.wiped for row in rows)

        await self.until_so(so)


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
    """Cy is junior to both who stay."""
    ada, bo, cy = stage.people.values()
    his, theirs = stage.room("Bo"), stage.room("Cy")
    stage.wires.cut(cy, ada)
    stage.wires.cut(cy, bo)
    await ada.send("Birds", "where is Cy?")
    await stage.until_texts("Bo", ["welcome", "where is Cy?"])
    stage.clock.now_ms += 42 * DAY_MS
    cut_ms = stage.clock.now_ms - 42 * DAY_MS
    assert not is_resting(his, theirs)

    async def confirmed() -> int:
        await his.refresh()
        return his.facts.confirmed_clock

    assert await confirmed() < cut_ms
    await stage.until(
        lambda: all(is_resting(stage.room(x), theirs) for x in ("Ada", "Bo"))
    )
    texts = ["welcome", "where is Cy?"]
    for number in range(6):
        who = (ada, bo)[number % 2]
        await who.send("Birds", f"word {number}")
        texts.append(f"word {number}")
        await stage.until_texts("Ada" if who is bo else "Bo", texts)

    async def so() -> bool:
        return await confirmed() > cut_ms + 41 * DAY_MS

    await stage.until_so(so)
    # Whoever rests stays a member.
    assert his.facts.present_count == 3


async def test_a_senior_who_rests_may_still_undo_it(stage: Stage) -> None:
    """The others go on without Ada, the owner; only confirmation waits for her."""
    his = stage.room("Bo")
    await leave_ada_behind(stage)
    cut_ms = stage.clock.now_ms - 42 * DAY_MS
    await rest_ada(stage)
    texts = ["welcome", "where is Ada?"]
    for number in range(6):
        who, other = (("Bo", "Cy"), ("Cy", "Bo"))[number % 2]
        await stage.people[who].send("Birds", f"word {number}")
        texts.append(f"word {number}")
        await stage.until_texts(other, texts)
    await his.refresh()
    assert 0 < his.facts.confirmed_clock <= cut_ms


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
    await ada.mute("Birds", "Cy")
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
    assert "A change to the room that you made meanwhile does" in ended.sentence
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
        assert room.facts.members[his.identity].role.word == "admin"
        assert not room.facts.members[hers.identity].muted_until_ms
        rows = await _rows(room)
        again, answer, asked = rows[2], rows[3], rows[4]
        assert sent_ms < again.sent_at < answer.sent_at < sent_ms + 1000
        assert again.id.hex() != first.id
        # Of the words that count nowhere none are left.
        await stage.until_wiped(room, [it.id for it in (first, second)])
        assert answer.reply_to == again.id
        signs, votes = await _responses(room, [rows[0], asked])
        assert [(it.emoji, it.identities) for it in signs[rows[0].id]] == [
            ("\N{BIRD}", (mine.identity,))
        ]
        assert votes[asked.id].counts == (0, 1)
    # Nothing is said a second time, not after a start either.
    await mine._resting._tasks.finish()
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


async def test_what_was_interrupted_is_gone_on_with(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bo, _ = stage.people.values()
    await leave_ada_behind(stage)
    words = [f"line {number}" for number in range(5)]
    for text in words:
        await ada.send("Birds", text)
    await rest_ada(stage)
    # The core ends when two of them are said again.
    say_one, count = resting.Resting._say_one, 0

    async def interrupted(*arguments: Any) -> bool:
        nonlocal count
        count += 1
        if count > 2:
            raise UserFacingError("disk", "The disk is full.")
        return await say_one(*arguments)

    monkeypatch.setattr(resting.Resting, "_say_one", interrupted)
    stage.wires.connect(ada, bo)
    await stage.until(lambda: count == 3)
    await stage.until_texts("Bo", ["welcome", "where is Ada?", *words[:2]])
    stage.wires.cut(ada, bo)
    await ada.close()
    monkeypatch.setattr(resting.Resting, "_say_one", say_one)
    stage.people["Ada"] = ada = await stage.open("Ada")
    stage.wires.connect(ada, bo)
    for name in ("Ada", "Bo", "Cy"):
        await stage.until_texts(name, ["welcome", "where is Ada?", *words])
    await stage.room("Ada")._resting._tasks.finish()
    assert len(await stage.texts("Ada")) == 2 + len(words)


async def test_what_was_taken_back_is_not_said_again(stage: Stage) -> None:
    ada, bo, _ = stage.people.values()
    [welcome] = await ada.history("Birds")
    await leave_ada_behind(stage)
    regretted = await ada.send("Birds", "I wish I had not said this")
    kept = await ada.send("Birds", "but this", reply_to=regretted.id)
    await ada.delete("Birds", [regretted.id, welcome.id])
    await rest_ada(stage)
    stage.wires.connect(ada, bo)
    for name in ("Ada", "Bo", "Cy"):
        await stage.until_texts(name, ["", "where is Ada?", "but this"])
        await stage.until_wiped(stage.room(name), [regretted.id, kept.id, welcome.id])


async def test_who_is_muted_meanwhile_keeps_the_words_until_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resting, "REFUSED_AGAIN_S", 0.05)
    ada, bo, cy = stage.people.values()
    await ada.set_role("Birds", "Bo", "admin")
    his, hers = stage.room("Bo"), stage.room("Cy")
    await stage.until(lambda: his.facts.members[his.identity].role.word == "admin")
    stage.wires.cut(ada, cy)
    stage.wires.cut(bo, cy)
    await bo.send("Birds", "where is Cy?")
    await stage.until_texts("Ada", ["welcome", "where is Cy?"])
    stage.clock.now_ms += 42 * DAY_MS
    said = await cy.send("Birds", "here")
    await stage.until(
        lambda: all(is_resting(stage.room(x), hers) for x in ("Ada", "Bo"))
    )
    await his.moderation.mute("Cy")
    stage.wires.connect(bo, cy)
    await stage.until(lambda: not is_resting(hers, hers) and not hers._resting._busy)
    await stage.until(lambda: hers._resting._saying is not None)
    assert await stage.texts("Bo") == ["welcome", "where is Cy?"]
    row = await _row(hers, said.id)
    assert row is not None
    assert (row.text, row.shown) == ("here", False)
    await his.moderation.mute("Cy", until_ms=0)
    for name in ("Cy", "Bo", "Ada"):
        await stage.until_texts(name, ["welcome", "where is Cy?", "here"])


async def test_who_was_lowered_meanwhile_gives_signs_up(stage: Stage) -> None:
    ada, bo, cy = stage.people.values()
    his, hers = stage.room("Bo"), stage.room("Cy")
    await ada.set_role("Birds", "Bo", "moderator")
    await stage.until(lambda: his.facts.members[his.identity].role.word == "moderator")
    stage.wires.cut(ada, bo)
    stage.wires.cut(bo, cy)
    await ada.send("Birds", "where is Bo?")
    await stage.until_texts("Cy", ["welcome", "where is Bo?"])
    stage.clock.now_ms += 42 * DAY_MS
    first = await bo.send("Birds", "look at this")
    await his.say(Pin(bytes.fromhex(first.id), on=True), right=Right.PIN)
    second = await bo.send("Birds", "and at that", reply_to=first.id)
    await stage.until(lambda: is_resting(hers, his))
    await ada.set_role("Birds", "Bo", "member")
    stage.wires.connect(ada, bo)
    for name in stage.people:
        await stage.until_texts(
            name, ["welcome", "where is Bo?", "look at this", "and at that"]
        )
        await stage.until_wiped(stage.room(name), [first.id, second.id])
        rows = await _rows(stage.room(name))
        assert rows[3].reply_to == rows[2].id
        assert not rows[2].pinned
    await his._resting._tasks.finish()
    assert (await his.transact(rewriting.plan)).missing == ()


async def test_nobody_is_put_to_rest_who_is_there_or_by_who_is_alone(
    stage: Stage,
) -> None:
    ada, bo, cy = stage.people.values()
    mine, his, hers = (stage.room(name) for name in ("Ada", "Bo", "Cy"))
    # Nobody acknowledges anything: all are silent as far as the logs say.
    for room in (mine, his, hers):
        room._hearing.stop()
    texts = ["welcome"]
    for who in (cy, bo, ada):
        await who.send("Birds", f"word {len(texts)}")
        texts.append(f"word {len(texts)}")
        for name in stage.people:
            await stage.until_texts(name, texts)
    for first, second in ((ada, bo), (ada, cy), (bo, cy)):
        stage.wires.cut(first, second)
    stage.clock.now_ms += 42 * DAY_MS
    for room in (mine, his, hers):
        assert room._resting._looking is None, "whoever is alone looks for nobody"
    stage.wires.connect(ada, bo)
    await stage.until(lambda: is_resting(mine, hers) or is_resting(his, hers))
    assert not is_resting(mine, his)
    assert not is_resting(his, mine)


async def test_only_who_rests_is_woken(stage: Stage) -> None:
    ada, bo, _ = stage.people.values()
    mine, his = stage.room("Ada"), stage.room("Bo")
    await leave_ada_behind(stage)
    for _ in range(3):
        # As far as Bo knows nobody rests.
        for device in (mine.device, b"?" * 32, his.device):
            his.wake_asked(device)
    assert not his._resting._waking
    await his._resting._wake(mine.device)
    assert await _acts(his, Wake) == 0
    await rest_ada(stage)
    assert await _acts(his, Rest) == 1, "who sees that another was first does nothing"
    # Who rests asks; who has been woken does not.
    assert mine._resting._turn == 0
    stage.wires.connect(ada, bo)
    await stage.until(lambda: mine._resting._turn > 0 and not is_resting(mine, mine))
    assert await _acts(mine, Wake) == 1
    mine._resting._ask()
    his.wake_asked(mine.device)
    await his._resting._tasks.finish()
    assert mine._resting._asking is None
    assert await _acts(his, Wake) == 1


async def test_what_was_void_for_a_removal_stays_so(stage: Stage) -> None:
    ada, bo, _ = stage.people.values()
    his = stage.room("Bo")
    # Nothing is carried between these two: neither has seen the other's.
    await bo.send("Birds", "nobody wants to read this")
    await ada.kick("Birds", "Bo")
    await stage.until(lambda: not his.is_member and not his.online)
    joining = asyncio.create_task(bo.join(await ada.invite("Birds"), timeout_s=60))
    await stage.until(joining.done)
    assert (await joining).can_write
    await bo.send("Birds", "back again")
    for name in stage.people:
        await stage.until_texts(name, ["welcome", "back again"])
    plan = await his.transact(rewriting.plan)
    assert (plan.missing, plan.spare, plan.lost) == ((), (), 0)


async def test_few_put_many_to_rest_only_after_very_long(stage: Stage) -> None:
    mine = stage.room("Ada")
    for name in stage.people:
        # Their messages are the last that is heard of them.
        stage.room(name)._hearing.stop()
    texts = ["welcome"]
    for who in ("Cy", "Bo", "Ada"):
        await stage.people[who].send("Birds", f"word {len(texts)}")
        texts.append(f"word {len(texts)}")
        for name in stage.people:
            await stage.until_texts(name, texts)
    others = {stage.room(name).device for name in ("Bo", "Cy")}
    stage.clock.now_ms += 42 * DAY_MS
    await mine.say(Message("is anybody there?"))
    start = stage.clock.now_ms

    async def silent(days: int, *online: bytes) -> set[bytes]:
        work = partial(
            silent_devices, now_ms=start + days * DAY_MS, online=frozenset(online)
        )
        return set(await mine.transact(work))

    first, second = others
    assert await silent(31) == set(), "two are more than the one who is here"
    assert await silent(31, first) == {second}
    assert await silent(31, second) == {first}
    assert await silent(31, *others) == set()
    assert await silent(137) == set()
    assert await silent(139) == others


def test_what_is_said_again_names_what_was_said_again() -> None:
    names = {b"a" * 32: b"A" * 32}
    old, new, other = b"a" * 32, b"A" * 32, b"o" * 32
    for body, expected in (
        (Message("x", old, other), Message("x", new, other)),
        (Message("x", other, old), Message("x", other, new)),
        (Edit(old, "x"), Edit(new, "x")),
        (React(old, "x", on=True), React(new, "x", on=True)),
        (Pin(old, on=False), Pin(new, on=False)),
        (Vote(old, (1,)), Vote(new, (1,))),
        (Vote(other, (1,)), Vote(other, (1,))),
        (Poll("x", ("a", "b"), multiple=False), Poll("x", ("a", "b"), multiple=False)),
    ):
        assert renamed(body, names) == expected


async def _collect(events: object, told: list[Event]) -> None:
    async for event in events:  # type: ignore[attr-defined]
        told.append(event)


async def _rows(room: Room) -> list[MessageRow]:
    return await room.read(
        lambda connection: contents.page(connection, room.row.row, limit=99)
    )


async def _row(room: Room, id: str) -> MessageRow | None:
    return await room.read(
        lambda connection: contents.message(connection, room.row.row, bytes.fromhex(id))
    )


async def _acts(room: Room, kind: type[Rest] | type[Wake]) -> int:
    """How many acts of a sort somebody has."""

    def work(connection: Connection, view: RoomView) -> int:
        found = acts.every(connection, view.row.row)
        return sum(isinstance(decode_operation(it.data).body, kind) for it in found)

    return await room.transact(work)


async def _responses(room: Room, rows: list[MessageRow]) -> tuple[Any, Any]:
    """What people put under messages, and what they chose."""
    return await room.read(
        lambda connection: (
            contents.reactions(connection, rows),
            contents.tallies(connection, rows),
        )
    )
