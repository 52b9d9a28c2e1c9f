"""A profile put back from an old copy, between real processes."""

from __future__ import annotations

import shutil

from tests.core.processes import DELIVERED, PATIENTLY, Stage, until
from tests.core.test_chat import meet, texts, until_shown


def test_all_end_alike_when_a_profile_was_put_back_from_a_copy(stage: Stage) -> None:
    """Ada heard one history of Bo's device and Cy another; Di comes afterwards."""
    room = meet(stage, "Ada", "Bo", "Cy")
    stage.run("Bo", "send", room, "shared", *DELIVERED)
    until_shown(stage, "Cy", room, ["shared"])
    for name in ("Bo", "Cy"):
        stage.stop(stage.serving(name))
    shutil.copytree(stage.profile("Bo"), stage.profile("copy"))
    stage.serve("Bo")
    stage.run("Bo", "send", room, "to Ada", *DELIVERED)
    stage.stop(stage.serving("Bo"))
    stage.run("Ada", "send", room, "Ada answers")
    stage.stop(stage.serving("Ada"))
    for name in ("Cy", "copy"):
        stage.serve(name)
    stage.run("copy", "send", room, "to Cy", *DELIVERED)
    until_shown(stage, "Cy", room, ["shared", "to Cy"])
    stage.run("Cy", "send", room, "Cy answers")

    stage.serve("Ada")
    wanted = {"shared", "Ada answers", "Cy answers"}
    for name in ("Ada", "Cy", "copy"):
        until(lambda name=name: set(texts(stage, name, room)) == wanted)
    assert texts(stage, "Ada", room) == texts(stage, "Cy", room)
    assert "split in two" in stage.refusal("copy", "send", room, "more")
    [bo] = [m for m in stage.run("Ada", "room", "members", room) if m["name"] == "Bo"]
    assert bo["forked"] == 1

    stage.stop(stage.serving("copy"))
    stage.init("Di")
    stage.serve("Di")
    [link] = stage.run("Cy", "room", "invite", room)
    stage.run("Di", "room", "join", link["invite"], *PATIENTLY)
    until(lambda: texts(stage, "Di", room) == texts(stage, "Ada", room))
    stage.run("Di", "send", room, "from Di", *DELIVERED)
    stage.stop(stage.serving("Ada"))
    stage.serve("Ada")
    until(lambda: texts(stage, "Ada", room)[-1] == "from Di")
    assert texts(stage, "Ada", room) == texts(stage, "Di", room)
