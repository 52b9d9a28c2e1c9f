"""Ten people over a real network: the founder gone for good, partitions, carriers."""

from __future__ import annotations

import time

import pytest

from tests.core.processes import Stage
from tests.core.test_chat import meet, texts

PEOPLE = ("Ada", "Bo", "Cy", "Di", "Ed", "Flo", "Gus", "Hana", "Ivo", "Jo")
LIMIT_S = 60.0


def until_all_read(stage: Stage, names: tuple[str, ...], room: str, *want: str) -> None:
    """Wait until all show just these messages, in one order."""
    end = time.monotonic() + LIMIT_S
    seen: list[list[str]] = []
    while time.monotonic() < end:
        seen = [texts(stage, name, room) for name in names]
        if all(sorted(each) == sorted(want) for each in seen):
            assert all(each == seen[0] for each in seen)
            return
    raise AssertionError(f"not all the same in time: {seen}")


@pytest.mark.timeout(240)
def test_ten_people_go_on_without_the_founder(stage: Stage) -> None:
    founder = "Ada"
    stage.init(founder)
    served = {founder: stage.serve(founder)}
    [made] = stage.run(founder, "room", "new", "Birds")
    room = made["room"]
    [link] = stage.run(founder, "room", "invite", room, "--uses", "0")
    for name in PEOPLE[1:7]:
        stage.init(name)
        served[name] = stage.serve(name)
        stage.run(name, "room", "join", link["invite"], "--timeout", "40")
    stage.run(founder, "room", "role", room, "Bo", "admin")
    stage.run(founder, "send", room, "take care", "--wait", "delivered")
    until_all_read(stage, PEOPLE[:7], room, "take care")
    # Its machine is lost: no farewell, and it never comes back.
    served[founder].kill()
    while stage.attempt("Bo", "room", "role", room, "Cy", "moderator").returncode:
        continue
    [fresh] = stage.run("Bo", "room", "invite", room, "--uses", "0")
    for name in PEOPLE[7:]:
        stage.init(name)
        served[name] = stage.serve(name)
        stage.run(name, "room", "join", fresh["invite"], "--timeout", "40")
    said = ["take care"]
    for name in PEOPLE[1:]:
        stage.run(name, "send", room, f"from {name}")
        said.append(f"from {name}")
    until_all_read(stage, PEOPLE[1:], room, *said)
    while stage.attempt("Cy", "room", "kick", room, "Jo").returncode:
        continue
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        known = [
            {line["name"] for line in stage.run(name, "room", "members", room)}
            for name in PEOPLE[1:9]
        ]
        if all(each == set(PEOPLE[:9]) for each in known):
            break
    assert all(each == set(PEOPLE[:9]) for each in known)


def test_what_one_wrote_is_carried_by_another(stage: Stage) -> None:
    """Cy never met Ada while she was online after joining."""
    room = meet(stage, "Ada", "Bo")
    [link] = stage.run("Ada", "room", "invite", room)
    stage.init("Cy")
    cy = stage.serve("Cy")
    stage.run("Cy", "room", "join", link["invite"], "--timeout", "30")
    stage.stop(cy)
    stage.run("Ada", "send", room, "for you all", "--wait", "delivered")
    until_all_read(stage, ("Bo",), room, "for you all")
    ada = stage.serving("Ada")
    stage.stop(ada)
    stage.serve("Cy")
    until_all_read(stage, ("Bo", "Cy"), room, "for you all")
    stage.run("Cy", "send", room, "thanks, all")
    until_all_read(stage, ("Bo", "Cy"), room, "for you all", "thanks, all")
    stage.serve("Ada")
    until_all_read(stage, ("Ada", "Bo", "Cy"), room, "for you all", "thanks, all")
