"""Whatever is said, changed and interrupted: in the end the index holds what shows."""

from __future__ import annotations

import asyncio
import random

import pytest

from app.rooms.operations.contents import Edit, Message
from app.search import Searching, source
from store import contents
from store.search import SearchQuery
from tests.unit.app.search.conftest import Begin
from tests.unit.app.search.talk import (
    ADA,
    BIRDS,
    BO,
    FIRST_MS,
    FISH,
    MINUTE_MS,
    Talk,
    told,
)

STEPS = 120


def change(talk: Talk, chance: random.Random, said: dict[bytes, bytes]) -> None:
    """One thing happens in one of the rooms; ``said`` tells what Ada said where."""
    words = ("heron", "swan", "goose", "東京", "大阪")
    text = " ".join(chance.choices(words, k=chance.randint(1, 6)))
    own = sorted(id for id, room in said.items() if room == BIRDS)
    what = chance.choice(("say", "say", "say", "edit", "delete", "hide", "expire"))
    if what == "say" or not own:
        room = chance.choice((BIRDS, FISH))
        device = chance.choice((ADA, BO))
        lifetime_ms = chance.choice((None, None, MINUTE_MS))
        bodies = [
            Message(f"{text} {number}", lifetime_ms=lifetime_ms)
            for number in range(chance.randint(1, 12))
        ]
        ids = talk.say(*bodies, room=room, device=device)
        if device == ADA:
            said.update(dict.fromkeys(ids, room))
    elif what == "edit":
        talk.say(Edit(chance.choice(own), text + " edited"))
    elif what == "delete":
        talk.delete(*chance.sample(own, min(len(own), 3)))
    elif what == "hide":
        odd = chance.randint(2, 4)
        talk.show(chance.choice((ADA, BO)), lambda sequence: sequence % odd != 0)
    else:
        talk.expire(FIRST_MS + chance.randint(0, STEPS) * MINUTE_MS)


def shown(talk: Talk) -> dict[bytes, str]:
    """What the rooms show of what can be read, by ids."""
    found: dict[bytes, str] = {}
    for row in talk.rows.values():
        page = talk.database.read(
            lambda connection, row=row: contents.page(  # type: ignore[misc]
                connection, row, limit=1_000
            )
        ).result(60)
        # Words that are wiped come back with their blocks, if a deletion is void.
        found |= {it.id: it.text for it in page if not it.deleted and not it.wiped}
    return found


async def held(searching: Searching) -> dict[bytes, str]:
    """What the index holds, by ids."""
    index = searching._indexer.index
    assert index is not None
    found: dict[bytes, str] = {}
    before: int | None = None
    while hits := await asyncio.wrap_future(
        index.newest(SearchQuery(), limit=100, before=before)
    ):
        found |= {hit.message: hit.snippet.text for hit in hits}
        before = hits[-1].position
    return found


@pytest.mark.expects_log("built anew")
@pytest.mark.parametrize("seed", range(6))
async def test_the_index_ends_with_what_shows(
    talk: Talk, begin: Begin, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    print("seed", seed)
    chance = random.Random(seed)
    monkeypatch.setattr(source.arrivals, "__kwdefaults__", {"limit": 7})
    monkeypatch.setattr(source.changes, "__kwdefaults__", {"limit": 3})
    talk.begin(FISH)
    said: dict[bytes, bytes] = {}
    searching = begin()
    for _ in range(STEPS):
        change(talk, chance, said)
        if chance.random() < 0.8:
            searching.content_changed(chance.choice((BIRDS, FISH, None)))
        for _ in range(chance.randint(0, 20)):
            await asyncio.sleep(0)
        if chance.random() < 0.05:
            await searching.stop()
            searching = begin()
        if chance.random() < 0.02:
            searching._indexer.replace()
    await told(searching, (BIRDS, FISH))
    assert await held(searching) == shown(talk)
    assert talk.pending() == 0
