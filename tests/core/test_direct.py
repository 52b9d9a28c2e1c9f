"""Writing to one person, from the command line of two people."""

from __future__ import annotations

from typing import Any

from tests.core.processes import Stage
from tests.core.test_chat import meet, texts

WAIT = ("--wait", "delivered", "--timeout", "20")


def identity(stage: Stage, name: str) -> str:
    return str(stage.run(name, "whoami")[0]["identityKey"])


def test_a_stranger_is_found_by_the_identity_key(stage: Stage) -> None:
    for name in ("Ada", "Bo"):
        stage.init(name)
        stage.serve(name)
    command = ("dm", identity(stage, "Bo"), "hello Bo", "--greeting", "from the lake")
    [room] = stage.run("Ada", *command)
    asking: list[dict[str, Any]] = []
    while not asking:
        asking = stage.run("Bo", "contact", "list")
    assert asking == [
        {
            "identityKey": identity(stage, "Ada"),
            "name": "Ada",
            "state": "asking",
            "greeting": "from the lake",
            "room": None,
            "changedAt": asking[0]["changedAt"],
        }
    ]
    assert stage.run("Bo", "contact", "accept", "Ada", "--timeout", "30") == [room]
    while texts(stage, "Bo", room["room"]) != ["hello Bo"]:
        continue
    stage.run("Bo", "send", room["room"], "hello Ada", *WAIT)
    assert texts(stage, "Ada", room["room"]) == ["hello Bo", "hello Ada"]
    [line] = stage.run("Ada", "rooms")
    assert (line["name"], line["kind"]) == ("Bo", "direct")


def test_members_write_to_each_other_by_name(stage: Stage) -> None:
    meet(stage, "Ada", "Bo")
    [room] = stage.run("Ada", "dm", "Bo", "just us")
    while not stage.run("Bo", "contact", "list"):
        continue
    assert stage.run("Bo", "dm", "Ada", "--timeout", "30") == [room]
    while "just us" not in texts(stage, "Bo", room["room"]):
        continue
