"""What has disappeared lies on no disk, and who comes later joins without it."""

from __future__ import annotations

from typing import Any

from app import profile as profiles
from store import holes, rooms
from store.database import Connection
from tests.core.processes import DELIVERED, PATIENTLY, Stage
from tests.core.test_chat import meet, until_shown

SECRET = "where the treasure lies"


def on_disk(stage: Stage, name: str) -> tuple[bytes, int, int]:
    """Everything in somebody's tables, the holes in all logs, and blocks missing."""
    opened = profiles.open_profile(stage.profile(name))
    try:

        def look(connection: Connection) -> tuple[bytes, int, int]:
            tables = connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table'"
            ).fetchall()
            values: list[Any] = [
                value
                for (table,) in tables
                for row in connection.execute(f'SELECT * FROM "{table}"')
                for value in row
            ]
            data = b"\0".join(
                it if isinstance(it, bytes) else str(it).encode() for it in values
            )
            found = [room.row for room in rooms.list_rooms(connection)]
            gone = missing = 0
            for row in found:
                gone += sum(
                    bits.count() for bits in holes.of_room(connection, row).values()
                )
                for log in rooms.logs(connection, row):
                    stored = holes.stored(connection, row, log.writer, 0, log.length)
                    missing += log.length - len(list(stored))
            return data, gone, missing

        return opened.database.read(look).result(10)
    finally:
        opened.close()


def test_what_disappeared_is_nowhere_and_newcomers_join_without_it(
    stage: Stage,
) -> None:
    meet(stage, "Ada", "Bo")
    stage.run("Ada", "send", "Birds", "one")
    stage.run("Ada", "send", "Birds", SECRET, "--lifetime", "3s")
    stage.run("Ada", "send", "Birds", "two", *DELIVERED)
    for name in ("Ada", "Bo"):
        until_shown(stage, name, "Birds", ["one", "two"])
    assert stage.stop(stage.serving("Ada")) == 0
    data, gone, missing = on_disk(stage, "Ada")
    assert SECRET.encode() not in data
    assert (gone, missing) == (1, 1)
    stage.init("Cy")
    stage.serve("Cy")
    [invited] = stage.run("Bo", "room", "invite", "Birds")
    stage.run("Cy", "room", "join", invited["invite"], *PATIENTLY)
    until_shown(stage, "Cy", "Birds", ["one", "two"])
    stage.run("Cy", "send", "Birds", "three", *DELIVERED)
    until_shown(stage, "Bo", "Birds", ["one", "two", "three"])
    stage.serve("Ada")
    until_shown(stage, "Ada", "Birds", ["one", "two", "three"])
    for name in ("Bo", "Cy"):
        assert stage.stop(stage.serving(name)) == 0
        data, gone, missing = on_disk(stage, name)
        assert SECRET.encode() not in data
        assert (gone, missing) == (1, 1)
