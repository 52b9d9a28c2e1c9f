"""Ten people over a real network: the founder gone for good, partitions, carriers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.core.processes import DELIVERED, PATIENTLY, Stage, until
from tests.core.test_chat import meet, texts

PEOPLE = ("Ada", "Bo", "Cy", "Di", "Ed", "Flo", "Gus", "Hana", "Ivo", "Jo")


def until_all_read(stage: Stage, names: tuple[str, ...], room: str, *want: str) -> None:
    """Wait until all show just these messages, in one order."""

    def so(name: str) -> Callable[[], bool]:
        return lambda: sorted(texts(stage, name, room)) == sorted(want)

    # What is there stays there: whoever has it all need not be waited for again.
    for name in names:
        until(so(name))
    seen = [texts(stage, name, room) for name in names]
    assert sorted(seen[0]) == sorted(want)
    assert all(each == seen[0] for each in seen)


def until_known(stage: Stage, name: str, room: str, want: set[str]) -> None:
    """Wait until somebody knows of just these members."""

    def known() -> bool:
        members = stage.run(name, "room", "members", room)
        return {it["name"] for it in members} == want

    until(known)


@pytest.mark.timeout(600)
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
        stage.run(name, "room", "join", link["invite"], *PATIENTLY)
    stage.run(founder, "room", "role", room, "Bo", "admin")
    stage.run(founder, "send", room, "take care", *DELIVERED)
    until_all_read(stage, PEOPLE[:7], room, "take care")
    # Its machine is lost: no farewell, and it never comes back.
    served[founder].kill()
    role = ("room", "role", room, "Cy", "moderator")
    until(lambda: not stage.attempt("Bo", *role).returncode)
    [fresh] = stage.run("Bo", "room", "invite", room, "--uses", "0")
    for name in PEOPLE[7:]:
        stage.init(name)
        served[name] = stage.serve(name)
        stage.run(name, "room", "join", fresh["invite"], *PATIENTLY)
    said = ["take care"]
    for name in PEOPLE[1:]:
        stage.run(name, "send", room, f"from {name}")
        said.append(f"from {name}")
    until_all_read(stage, PEOPLE[1:], room, *said)
    until(lambda: not stage.attempt("Cy", "room", "kick", room, "Jo").returncode)
    for name in PEOPLE[1:9]:
        until_known(stage, name, room, set(PEOPLE[:9]))


def test_what_one_wrote_is_carried_by_another(stage: Stage) -> None:
    """Cy never met Ada while she was online after joining."""
    room = meet(stage, "Ada", "Bo")
    [link] = stage.run("Ada", "room", "invite", room)
    stage.init("Cy")
    cy = stage.serve("Cy")
    stage.run("Cy", "room", "join", link["invite"], *PATIENTLY)
    stage.stop(cy)
    stage.run("Ada", "send", room, "for you all", *DELIVERED)
    until_all_read(stage, ("Bo",), room, "for you all")
    ada = stage.serving("Ada")
    stage.stop(ada)
    stage.serve("Cy")
    until_all_read(stage, ("Bo", "Cy"), room, "for you all")
    stage.run("Cy", "send", room, "thanks, all")
    until_all_read(stage, ("Bo", "Cy"), room, "for you all", "thanks, all")
    stage.serve("Ada")
    until_all_read(stage, ("Ada", "Bo", "Cy"), room, "for you all", "thanks, all")
