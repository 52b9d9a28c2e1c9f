"""A profile's database and its search, both ended in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from app.search import Pace, Searching
from tests.unit.app.search.talk import AT_ONCE, BIRDS, Talk

Begin = Callable[..., Searching]


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    """A database with one room."""
    talk = Talk(tmp_path)
    talk.begin(BIRDS)
    yield talk
    talk.database.close()


@pytest.fixture
async def begin(talk: Talk) -> AsyncIterator[Begin]:
    """Starts a search of that database."""
    running: list[Searching] = []

    def begin(*, key: bytes | None = None, pace: Pace = AT_ONCE) -> Searching:
        searching = Searching(talk.folder, talk.database, key=key, pace=pace)
        running.append(searching)
        searching.start()
        return searching

    yield begin
    for searching in running:
        await searching.stop()
