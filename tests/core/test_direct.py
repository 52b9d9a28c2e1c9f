"""Writing to one person, from the command line of two people."""

from __future__ import annotations

from tests.core.processes import DELIVERED, PATIENTLY, Stage, until
from tests.core.test_chat import meet, texts, until_shown


def identity(stage: Stage, name: str) -> str:
    return str(stage.run(name, "whoami")[0]["identityKey"])


def test_a_stranger_is_found_by_the_identity_key(stage: Stage) -> None:
    for name in ("Ada", "Bo"):
        stage.init(name)
        stage.serve(name)
    command = ("dm", identity(stage, "Bo"), "hello Bo", "--greeting", "from the lake")
    [room] = stage.run("Ada", *command)
    asking = until(lambda: stage.run("Bo", "contact", "list"))
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
    assert stage.run("Bo", "contact", "accept", "Ada", *PATIENTLY) == [room]
    until_shown(stage, "Bo", room["room"], ["hello Bo"])
    stage.run("Bo", "send", room["room"], "hello Ada", *DELIVERED)
    assert texts(stage, "Ada", room["room"]) == ["hello Bo", "hello Ada"]
    [line] = stage.run("Ada", "rooms")
    assert (line["name"], line["kind"]) == ("Bo", "direct")


def test_members_write_to_each_other_by_name(stage: Stage) -> None:
    meet(stage, "Ada", "Bo")
    [room] = stage.run("Ada", "dm", "Bo", "just us")
    until(lambda: stage.run("Bo", "contact", "list"))
    assert stage.run("Bo", "dm", "Ada", *PATIENTLY) == [room]
    until(lambda: "just us" in texts(stage, "Bo", room["room"]))
