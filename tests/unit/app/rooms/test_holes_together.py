"""Several people delete, let expire, clear, part and come back: all end equal.

Frames wait on their way for a time that chance decides. A failing seed is in the test's
name.
"""

from __future__ import annotations

import random

import pytest

from app.messenger import Messenger
from app.rooms import gaps
from app.rooms.room import Room
from store.autobase import Place
from tests.unit.app.rooms.joined import Wires
from tests.unit.app.rooms.test_clearing import (
    Open,
    birds,
    cleared,
    clock,
    delete,
    expire,
    holes_of,
    ids_of,
    meet,
    opened,
    texts,
)

__all__ = ["clock", "opened"]

STEPS = 40


class Company:
    """Ada, Bo and Cy, some of them connected."""

    def __init__(self, opened: Open, clock: dict[str, int], seed: int) -> None:
        self.chance = random.Random(seed)
        self.wires = Wires(self.chance)
        self.people: dict[str, Messenger] = {}
        self.linked: set[frozenset[str]] = set()
        self.said: list[tuple[str, str]] = []
        self.expired: list[str] = []
        self._opened = opened
        self._clock = clock

    async def gather(self) -> None:
        """Have all three in a room."""
        for name in ("Ada", "Bo", "Cy"):
            self.people[name] = await self._opened(name)
        await self.people["Ada"].create_room("Birds")
        for name in ("Bo", "Cy"):
            await meet(self.wires, self.people["Ada"], self.people[name])
            self.linked.add(frozenset(("Ada", name)))

    async def step(self, number: int) -> None:
        """One thing that somebody does."""
        name = self.chance.choice(tuple(self.people))
        who = self.people[name]
        self._clock["now"] += 1_000
        deed = self.chance.choice(
            ("say", "say", "say", "delete", "expire", "clear", "part", "meet", "again")
        )
        if deed == "say":
            text = f"{number} by {name}"
            await who.send("Birds", text)
            self.said.append((name, text))
        elif deed in ("delete", "expire"):
            await self._end_one(name, deed)
        elif deed == "clear":
            await cleared(who, self._clock)
        elif deed in ("part", "meet"):
            self._link(frozenset(self.chance.sample(tuple(self.people), 2)))
        else:
            await self._restart(name)
        for _ in range(self.chance.randrange(20)):
            await self._carry()

    async def join_all(self) -> None:
        """Connect everybody, and wait until they have the same."""
        names = tuple(self.people)
        for first in names:
            for second in names:
                pair = frozenset((first, second))
                if first < second and pair not in self.linked:
                    self._link(pair)
        await self.wires.until(lambda: are_equal(list(self.people.values())))

    async def expire_all(self) -> None:
        """What is over is so for everybody, also for who gets it only now."""
        for who in self.people.values():
            for text in self.expired:
                if await ids_of(birds(who), text):
                    await expire(who, text)

    async def _end_one(self, name: str, deed: str) -> None:
        """End something that this person sees and, to delete it, wrote."""
        seen = await texts(self.people[name])
        known = [
            text
            for author, text in self.said
            if text in seen and (author == name or deed == "expire")
        ]
        if not known:
            return
        text = self.chance.choice(known)
        if deed == "delete":
            await delete(self.people[name], text)
            return
        self.expired.append(text)
        await self.expire_all()

    def _link(self, pair: frozenset[str]) -> None:
        first, second = (self.people[name] for name in sorted(pair))
        if pair in self.linked:
            self.linked.remove(pair)
            self.wires.cut(first, second)
        else:
            self.linked.add(pair)
            self.wires.connect(first, second)

    async def _restart(self, name: str) -> None:
        for pair in [pair for pair in self.linked if name in pair]:
            self._link(pair)
        await self.people[name].close()
        self.people[name] = await self._opened(name)

    async def _carry(self) -> None:
        done = False

        def once() -> bool:
            nonlocal done
            was, done = done, True
            return was

        await self.wires.until(once)


def are_equal(people: list[Messenger]) -> bool:
    """Everybody has all of every log, as far as anybody can know."""
    own = [birds(it).device for it in people]
    for device, owner in zip(own, people, strict=True):
        head = birds(owner).heads.get(device)
        if any(birds(it).heads.get(device) != head for it in people):
            return False
    return True


async def order(room: Room) -> list[Place]:
    """All entries that count, in order."""

    def places(view: object) -> list[Place]:
        linearizer = view.timeline.linearizer  # type: ignore[attr-defined]
        linearizer.take_changes()
        return [*linearizer.order.tail]

    return await room._transact(lambda _, view: places(view))


@pytest.mark.parametrize("seed", range(6))
async def test_all_end_equal(
    opened: Open, clock: dict[str, int], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(gaps, "GAP_S", 0.02)
    company = Company(opened, clock, seed)
    await company.gather()
    for number in range(STEPS):
        await company.step(number)
    await company.join_all()
    for who in company.people.values():
        await cleared(who, clock)
    await company.join_all()
    people = list(company.people.values())
    newcomer = await opened("Di")
    await meet(company.wires, people[0], newcomer)
    company.people["Di"] = newcomer
    company.linked.add(frozenset((next(iter(company.people)), "Di")))
    await company.join_all()
    everybody = [*people, newcomer]
    tails = [await order(birds(who)) for who in everybody]
    shortest = min(map(len, tails))
    assert shortest > STEPS // 4
    assert all(tail[-shortest:] == tails[0][-shortest:] for tail in tails)
    await company.expire_all()
    shown = [await texts(who) for who in everybody]
    gone = [len(await holes_of(newcomer, birds(who).device)) for who in people]
    assert sum(gone)
    assert all(seen == shown[0] for seen in shown)
