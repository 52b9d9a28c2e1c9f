"""Whoever wrote a message sees where it has arrived, also when somebody else brings it.

Real cores, each in a process of its own, over a network of their own.
"""

from __future__ import annotations

from tests.core.processes import DELIVERED, Stage, until
from tests.core.test_chat import meet


def sentences(stage: Stage, name: str, id: str) -> dict[str, str]:
    """What somebody is told of each member."""
    found = stage.run(name, "delivery", "Birds", id)
    return {member["name"]: member["sentence"] for member in found}


def test_a_message_is_followed_to_who_was_never_met(stage: Stage) -> None:
    meet(stage, "Ada", "Bo", "Cy")
    stage.stop(stage.serving("Cy"))
    [sent] = stage.run("Ada", "send", "Birds", "who tells Cy?", *DELIVERED)
    id = sent["id"]
    until(lambda: not sentences(stage, "Ada", id)["Cy"].startswith("It is on its way"))
    assert sentences(stage, "Ada", id) == {
        "Ada": "You have it.",
        "Bo": "Bo has it.",
        "Cy": "It reaches Cy when Cy is online: you and Bo can bring it.",
    }
    options = [option for option in stage.options("Ada") if option != "--json"]
    said = stage.command(*options, "delivery", "Birds", id[:8])
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[0] == "On 2 of 3 devices."
    assert said.stdout.splitlines()[1].startswith("It reaches Cy"), "who lacks it first"
    assert "no message" in stage.refusal("Ada", "delivery", "Birds", "ffffffff")

    stage.stop(stage.serving("Ada"))
    stage.serve("Cy")
    until(lambda: sentences(stage, "Bo", id)["Cy"] == "Cy has it.")
    assert [it["text"] for it in stage.run("Cy", "history", "Birds")] == [
        "who tells Cy?"
    ]
    assert sentences(stage, "Cy", id)["Cy"] == "You have it."
    assert sentences(stage, "Cy", id)["Ada"] == "Ada has it."
