"""Cores that are never online together, and members who let in for who is away."""

from __future__ import annotations

import time
from typing import Any

from tests.core.processes import Stage
from tests.core.test_chat import meet, texts

LIMIT_S = 60.0


def members(stage: Stage, name: str) -> list[str]:
    """Who is in somebody's only room."""
    return [member["name"] for member in stage.run(name, "room", "members", "Birds")]


def eventually(stage: Stage, name: str, count: int) -> None:
    """Wait until somebody knows of so many members."""
    end = time.monotonic() + LIMIT_S
    while len(members(stage, name)) < count:
        assert time.monotonic() < end, members(stage, name)
        time.sleep(0.5)


def test_another_member_lets_in_for_who_is_away(stage: Stage) -> None:
    stage.init("Ada")
    stage.init("Bo")
    stage.init("Cy")
    ada = stage.serve("Ada")
    stage.serve("Bo")
    [made] = stage.run("Ada", "room", "new", "Birds")
    [first] = stage.run("Ada", "room", "invite", "Birds")
    stage.run("Bo", "room", "join", first["invite"], "--timeout", "30")
    [invited] = stage.run("Ada", "room", "invite", "Birds", "--qr")
    assert invited["qr"].startswith("<svg")
    stage.run(
        *("Ada", "send", "Birds", "until later"),
        *("--wait", "delivered", "--timeout", "20"),
    )
    assert stage.stop(ada) == 0
    stage.serve("Cy")
    [joined] = stage.run("Cy", "room", "join", invited["invite"], "--timeout", "40")
    assert joined == made
    assert sorted(members(stage, "Bo")) == ["Ada", "Bo", "Cy"]
    end = time.monotonic() + LIMIT_S
    while texts(stage, "Cy", "Birds") != ["until later"]:
        assert time.monotonic() < end
        time.sleep(0.2)


def test_member_and_newcomer_are_never_online_together(stage: Stage) -> None:
    """The request and its answer wait in the DHT, which somebody else keeps."""
    stage.init("Ada")
    stage.init("Cy")
    [made] = stage.run("Ada", "room", "new", "Birds")
    [invited] = stage.run("Ada", "room", "invite", "Birds")

    def join(seconds: int) -> str:
        done = stage.attempt(
            "Cy", "room", "join", invited["invite"], "--timeout", str(seconds)
        )
        assert done.returncode == 1, done.stdout
        return done.stderr

    assert "online now" in join(8)
    ada = stage.serve("Ada")
    eventually(stage, "Ada", 2)
    assert stage.stop(ada) == 0
    assert "You were let in" in join(20)
    stage.serve("Cy")
    stage.serve("Ada")
    stage.run("Ada", "send", "Birds", "welcome", "--wait", "delivered")
    [line] = stage.run("Cy", "rooms")
    assert line["room"] == made["room"]
    assert texts(stage, "Cy", "Birds") == ["welcome"]


def test_a_person_approves_at_the_command_line(stage: Stage) -> None:
    meet(stage, "Ada", "Bo")
    stage.init("Cy")
    stage.serve("Cy")
    [invited] = stage.run("Ada", "room", "invite", "Birds", "--approve")

    def join(seconds: int) -> Any:
        return stage.attempt(
            "Cy", "room", "join", invited["invite"], "--timeout", str(seconds)
        )

    # What was asked reaches Ada once the two have met, however long that takes.
    end = time.monotonic() + LIMIT_S
    requests: list[dict[str, Any]] = []
    while not requests:
        assert time.monotonic() < end
        told = join(8)
        assert told.returncode == 1
        assert "has to let you in" in told.stderr
        requests = stage.run("Ada", "room", "requests", "Birds")
    [request] = requests
    assert request.keys() == {"id", "name", "identityKey", "role"}
    assert request["name"] == "Cy"
    assert stage.run("Bo", "room", "requests", "Birds") == []
    stage.run("Ada", "room", "approve", "Birds", request["id"][:8])
    assert join(30).returncode == 0
    assert sorted(members(stage, "Cy")) == ["Ada", "Bo", "Cy"]
