"""People find what was said through the command line, each with a core of their own."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from store.search.index import FILE_NAME
from tests.core.processes import DELIVERED, Stage
from tests.core.test_chat import MESSAGE_KEYS, meet


def texts(stage: Stage, name: str, *arguments: str) -> list[str]:
    return [hit["text"] for hit in stage.run(name, "search", *arguments)]


def say(stage: Stage, name: str, room: str, *what: str) -> list[dict[str, Any]]:
    return [stage.run(name, "send", room, text)[0] for text in what]


def test_one_finds_what_one_wrote_in_any_room(alone: Stage) -> None:
    alone.init("Ada")
    alone.serve("Ada")
    [birds] = alone.run("Ada", "room", "new", "Birds")
    alone.run("Ada", "room", "new", "Fish")
    say(alone, "Ada", "Birds", "a grey heron", "明日は東京都庁で", "two herons")
    say(alone, "Ada", "Fish", "the heron ate a fish")
    found = alone.run("Ada", "search", "heron")
    assert [hit["text"] for hit in found] == [
        "the heron ate a fish",
        "two herons",
        "a grey heron",
    ]
    [whoami] = alone.run("Ada", "whoami")
    for hit in found:
        assert hit.keys() == MESSAGE_KEYS | {"snippet"}
        assert (hit["author"], hit["authorName"]) == (whoami["identityKey"], "Ada")
    assert found[1]["room"] == birds["room"]
    assert found[1]["snippet"] == "two herons"
    assert texts(alone, "Ada", "東京") == ["明日は東京都庁で"]
    assert texts(alone, "Ada", "herons heron") == ["two herons"]
    assert texts(alone, "Ada", "heron", "--room", "Fish") == ["the heron ate a fish"]
    assert texts(alone, "Ada", "heron", "--limit", "2") == [
        "the heron ate a fish",
        "two herons",
    ]
    assert texts(alone, "Ada", "heron", "--limit", "0") == []
    assert texts(alone, "Ada", "heron", "--from", "ada", "--limit", "1") == [
        "the heron ate a fish"
    ]
    assert texts(alone, "Ada", "heron", "--has-file") == []
    assert len(texts(alone, "Ada", "heron", "--best")) == 3
    today = datetime.now()
    tomorrow = (today + timedelta(days=1)).date().isoformat()
    yesterday = (today - timedelta(days=1)).date().isoformat()
    assert len(texts(alone, "Ada", "heron", "--since", yesterday)) == 3
    assert len(texts(alone, "Ada", "heron", "--until", tomorrow)) == 3
    assert texts(alone, "Ada", "heron", "--until", yesterday) == []
    assert texts(alone, "Ada", "heron", "--since", tomorrow + "T12:00") == []
    assert "nobody called Eve" in alone.refusal("Ada", "search", "x", "--from", "Eve")
    assert "no room Cats" in alone.refusal("Ada", "search", "x", "--room", "Cats")
    assert alone.attempt("Ada", "search", "x", "--since", "soon").returncode == 2


def test_the_index_is_encrypted_and_can_be_thrown_away(alone: Stage) -> None:
    alone.init("Ada")
    alone.run("Ada", "room", "new", "Birds")
    say(alone, "Ada", "Birds", "a zwitscherling", "something else")
    assert texts(alone, "Ada", "zwitsch") == ["a zwitscherling"]
    path = alone.profile("Ada") / FILE_NAME
    assert path.exists()
    for part in alone.profile("Ada").glob(FILE_NAME + "*"):
        assert b"zwitscherling" not in part.read_bytes()
        assert not part.read_bytes().startswith(b"SQLite format")
    path.unlink()
    assert texts(alone, "Ada", "zwitsch") == ["a zwitscherling"]
    path.write_bytes(path.read_bytes()[:5_000])
    assert texts(alone, "Ada", "zwitsch") == ["a zwitscherling"]


def test_a_line_for_people_says_where_when_who_and_what(alone: Stage) -> None:
    alone.init("Ada")
    alone.run("Ada", "room", "new", "Birds")
    say(alone, "Ada", "Birds", "a heron\nby the \x1b[31mlake")
    options = [option for option in alone.options("Ada") if option != "--json"]
    done = alone.command(*options, "search", "heron")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r"Birds  \d{4}-\d\d-\d\d \d\d:\d\d  Ada: a heron by the .\[31mlake\n",
        done.stdout,
    ), done.stdout
    assert "\x1b" not in done.stdout, "nobody's terminal obeys it"


def test_one_finds_what_others_wrote_until_one_leaves(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo")
    say(stage, "Ada", "Birds", "a heron from Ada")
    stage.run("Bo", "send", room, "a heron from Bo", *DELIVERED)
    [bo] = stage.run("Bo", "whoami")
    found = stage.run("Ada", "search", "heron", "--from", "Bo")
    assert [hit["text"] for hit in found] == ["a heron from Bo"]
    assert found[0]["author"] == bo["identityKey"]
    key = bo["identityKey"]
    assert texts(stage, "Ada", "heron", "--from", key[:8]) == ["a heron from Bo"]
    assert len(texts(stage, "Ada", "heron", "--room", room[:8])) == 2
    stage.run("Bo", "room", "leave", room)
    assert texts(stage, "Bo", "heron") == []
    assert len(texts(stage, "Ada", "heron")) == 2


def test_what_is_edited_deleted_or_over_is_found_no_more(alone: Stage) -> None:
    alone.init("Ada")
    alone.serve("Ada")
    alone.run("Ada", "room", "new", "Birds")
    one, two = say(alone, "Ada", "Birds", "a grey heron", "a white heron")
    alone.run("Ada", "send", "Birds", "a heron for a moment", "--lifetime", "1s")
    alone.run("Ada", "message", "edit", "Birds", one["id"], "a swan")
    alone.run("Ada", "message", "delete", "Birds", two["id"])
    [swan] = alone.run("Ada", "search", "swan")
    assert (swan["id"], swan["edited"]) == (one["id"], True)
    while found := texts(alone, "Ada", "heron"):
        assert found == ["a heron for a moment"]
