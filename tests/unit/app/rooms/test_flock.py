"""Whole messengers that write, meet, part and start anew: all end with the same."""

from __future__ import annotations

import itertools
import random

import pytest

from app.messenger import Messenger
from app.rooms.room import Room
from tests.sim.dht_network import seeds
from tests.unit.app.rooms.conftest import Open
from tests.unit.app.rooms.joined import Wires
from tests.unit.app.rooms.test_exchange import let_in

NAMES = ("Ada", "Bo", "Cy")
STEPS = 60


def is_read(room: Room) -> bool:
    """Everything that is here was derived."""
    heads = room.heads.items()
    return all(room.logs.derived[writer] == head.length for writer, head in heads)


def are_level(rooms: list[Room]) -> bool:
    """All have the same of every log."""
    heads = [{w: head.length for w, head in room.heads.items()} for room in rooms]
    return all(map(is_read, rooms)) and all(each == heads[0] for each in heads)


async def texts(who: Messenger) -> list[str]:
    """What somebody sees."""
    return [message.text for message in await who.history("Birds", limit=1000)]


@pytest.mark.parametrize("seed", seeds(1, 2, 3))
async def test_everybody_ends_with_the_same(opened: Open, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    wires = Wires()
    people = {name: await opened(name) for name in NAMES}
    await people["Ada"].create_room("Birds")
    for name in NAMES[1:]:
        wires.connect(people["Ada"], people[name])
        await let_in(wires, people["Ada"], people[name])
    links = {("Ada", "Bo"), ("Ada", "Cy")}
    said: dict[str, list[str]] = {name: [] for name in NAMES}

    def part(first: str, second: str) -> None:
        links.discard((first, second))
        wires.cut(people[first], people[second])

    def meet(first: str, second: str) -> None:
        links.add((first, second))
        wires.connect(people[first], people[second])

    for step in range(STEPS):
        match chance.choice(("say", "say", "say", "meet", "part", "again", "carry")):
            case "say":
                name = chance.choice(NAMES)
                words = [f"{name} {step} {n}" for n in range(chance.randint(1, 5))]
                for text in words:
                    await people[name].send("Birds", text)
                said[name] += words
            case "meet":
                pair = chance.choice((("Ada", "Bo"), ("Ada", "Cy"), ("Bo", "Cy")))
                if pair not in links:
                    meet(*pair)
            case "part":
                if links:
                    part(*chance.choice(sorted(links)))
            case "again":
                name = chance.choice(NAMES)
                for pair in sorted(links):
                    if name in pair:
                        part(*pair)
                await people[name].close()
                people[name] = await opened(name)
            case "carry":
                turns = iter(range(chance.randint(1, 200)))
                await wires.until(lambda turns=turns: next(turns, None) is None)
    for pair in (("Ada", "Bo"), ("Ada", "Cy"), ("Bo", "Cy")):
        if pair not in links:
            meet(*pair)
    rooms = [room for who in people.values() for room in who._rooms.values()]

    await wires.until(lambda: are_level(rooms))
    seen = [await texts(who) for who in people.values()]
    assert seen[0] == seen[1] == seen[2]
    assert sorted(seen[0]) == sorted(text for each in said.values() for text in each)
    for name, words in said.items():
        assert [text for text in seen[0] if text.startswith(f"{name} ")] == words
    assert not any(head.forked for room in rooms for head in room.heads.values())


@pytest.mark.parametrize("seed", seeds(1, 2, 3, 4))
async def test_newcomers_and_members_who_never_heard_of_each_other(
    opened: Open, seed: int
) -> None:
    """Everybody is let in by somebody, and meets others before those know of it."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    wires = Wires(chance)
    names = ("Ada", "Bo", "Cy", "Di", "Ed", "Flo")
    people = {"Ada": await opened("Ada")}
    await people["Ada"].create_room("Birds")
    links: set[tuple[str, str]] = set()
    let: list[tuple[str, str]] = []
    said: dict[str, list[str]] = {name: [] for name in names}

    async def talk(name: str) -> None:
        words = [f"{name} {len(said[name]) + n}" for n in range(chance.randint(1, 60))]
        for text in words:
            await people[name].send("Birds", text)
        said[name] += words

    def meet(first: str, second: str) -> None:
        links.add((first, second))
        wires.connect(people[first], people[second])

    def part() -> None:
        first, second = chance.choice(sorted(links))
        links.discard((first, second))
        wires.cut(people[first], people[second])

    def strange() -> list[tuple[str, str]]:
        every = itertools.combinations(people, 2)
        return [pair for pair in every if pair not in links]

    while len(people) < len(names):
        host, guest = chance.choice(list(people)), names[len(people)]
        people[guest] = await opened(guest)
        meet(host, guest)
        let.append((host, guest))
        await let_in(wires, people[host], people[guest])
        for _ in range(chance.randint(1, 6)):
            match chance.choice(("talk", "talk", "meet", "part", "carry")):
                case "talk":
                    await talk(chance.choice(list(people)))
                case "meet" if strange():
                    meet(*chance.choice(strange()))
                case "part" if links:
                    part()
                case "carry":
                    turns = iter(range(chance.randint(1, 200)))
                    await wires.until(lambda turns=turns: next(turns, None) is None)
        while len(links) > 1:
            part()
    # Two who have not heard of each other need somebody between them whom one knows.
    for first, second in chance.choice((let, [("Ada", name) for name in names[1:]])):
        if (first, second) not in links:
            meet(first, second)
    rooms = [room for who in people.values() for room in who._rooms.values()]

    def level() -> bool:
        known = all(room.facts.present_count == len(names) for room in rooms)
        return known and are_level(rooms)

    await wires.until(level)
    seen = [await texts(who) for who in people.values()]
    assert all(each == seen[0] for each in seen)
    assert sorted(seen[0]) == sorted(text for each in said.values() for text in each)
