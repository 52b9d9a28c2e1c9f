"""One person on several machines, each with a core of its own."""

from __future__ import annotations

import json
from typing import Any

from app import profile as profiles
from tests.core.processes import END_LIMIT_S, LINE_LIMIT, Stage, until


def rooms(stage: Stage, name: str) -> list[str]:
    return sorted(room["name"] for room in stage.run(name, "rooms"))


def texts(stage: Stage, name: str, room: str) -> list[tuple[str, str]]:
    found = stage.run(name, "history", room)
    return [(message["authorName"], message["text"]) for message in found]


def link(stage: Stage, old: str, new: str) -> dict[str, Any]:
    """Make a fresh profile a device of somebody; says who it is."""
    process, said = stage.start(*stage.options(old), "device", "link")
    [joined] = stage.run(new, "device", "join", said["link"], "--name", new)
    assert process.stdout is not None
    shown = json.loads(process.stdout.readline(LINE_LIMIT))
    assert shown["name"] == new
    assert shown["deviceKey"] == joined["deviceKey"]
    assert process.wait(END_LIMIT_S) == 0
    return joined


def test_a_device_is_linked_follows_and_is_revoked(stage: Stage) -> None:
    made = stage.init("Ada")
    stage.serve("Ada")
    stage.run("Ada", "room", "new", "Birds")
    stage.run("Ada", "send", "Birds", "before")
    joined = link(stage, "Ada", "Phone")
    assert joined["identityKey"] == made["identityKey"]
    assert joined["name"] == "Ada"
    assert joined["deviceKey"] != made["deviceKey"]
    stage.serve("Phone")
    until(lambda: rooms(stage, "Phone") == ["Birds"])
    until(lambda: texts(stage, "Phone", "Birds") == [("Ada", "before")])
    stage.run("Phone", "send", "Birds", "from the phone")
    both = [("Ada", "before"), ("Ada", "from the phone")]
    until(lambda: texts(stage, "Ada", "Birds") == both)
    stage.run("Phone", "room", "new", "Cats")
    until(lambda: rooms(stage, "Ada") == ["Birds", "Cats"])
    listed = stage.run("Phone", "device", "list")
    assert {it["deviceKey"] for it in listed} == {
        made["deviceKey"],
        joined["deviceKey"],
    }
    assert [it["me"] for it in listed] == [False, True]
    stage.run("Ada", "device", "revoke", joined["deviceKey"][:12])
    stage.run("Ada", "send", "Birds", "secret")
    until(lambda: "revoked" in stage.attempt("Phone", "device", "link").stderr)
    assert texts(stage, "Phone", "Birds") == both
    listed = stage.run("Ada", "device", "list")
    assert [it["revoked"] for it in listed] == [False, True]


def test_the_words_bring_rooms_and_messages_back(stage: Stage) -> None:
    made = stage.init("Ada")
    opened = profiles.open_profile(stage.profile("Ada"))
    opened.close()
    phrase = stage.folder / "phrase"
    phrase.write_text(opened.phrase)
    stage.serve("Ada")
    stage.run("Ada", "room", "new", "Birds")
    stage.run("Ada", "send", "Birds", "hello")
    again = stage.init("Again", "--restore-phrase-file", str(phrase))
    assert again["identityKey"] == made["identityKey"]
    stage.serve("Again")
    until(lambda: rooms(stage, "Again") == ["Birds"])
    until(lambda: [it[1] for it in texts(stage, "Again", "Birds")] == ["hello"])
    stage.run("Again", "send", "Birds", "back")
    until(lambda: [it[1] for it in texts(stage, "Ada", "Birds")] == ["hello", "back"])
    assert len(stage.run("Ada", "device", "list")) == 2


def test_only_a_fresh_profile_becomes_somebodys_device(stage: Stage) -> None:
    stage.init("Ada")
    stage.init("Bo")
    process, said = stage.start(*stage.options("Ada"), "device", "link")
    sentence = stage.refusal("Bo", "device", "join", said["link"])
    assert sentence.endswith("link a device that is new.")
    sentence = stage.refusal("Cy", "device", "join", "covey-device://nonsense")
    assert "not a whole device link" in sentence
    stage.stop(process)
