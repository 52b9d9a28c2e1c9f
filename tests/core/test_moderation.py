"""Roles, bans, mutes, settings and new keys, from several command lines."""

from __future__ import annotations

from tests.core.processes import Stage
from tests.core.test_chat import meet, texts

WAIT = ("--wait", "delivered", "--timeout", "20")


def test_a_ban_holds_until_it_is_lifted(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo")
    assert "does not allow" in stage.refusal("Bo", "room", "ban", room, "Ada")
    [link] = stage.run("Ada", "room", "invite", room, "--uses", "0")
    stage.run("Ada", "room", "ban", room, "Bo")
    while not stage.attempt("Bo", "send", room, "still in?").returncode:
        continue
    join = ("room", "join", link["invite"], "--timeout", "5")
    assert stage.attempt("Bo", *join).returncode == 1
    [fresh] = stage.run("Ada", "room", "invite", room)
    join = ("room", "join", fresh["invite"], "--timeout", "5")
    assert stage.attempt("Bo", *join).returncode == 1
    stage.run("Ada", "room", "unban", room, "Bo")
    [again] = stage.run("Ada", "room", "invite", room)
    stage.run("Bo", "room", "join", again["invite"], "--timeout", "30")
    [sent] = stage.run("Bo", "send", room, "back", *WAIT)
    assert sent["state"] == "delivered"


def test_who_is_muted_may_read(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo")
    stage.run("Ada", "room", "mute", room, "Bo", "--for", "1h")
    stage.run("Ada", "send", room, "quiet now", *WAIT)
    assert "not write" in stage.refusal("Bo", "send", room, "but")
    stage.run("Ada", "room", "unmute", room, "Bo")
    stage.run("Ada", "send", room, "go on", *WAIT)
    stage.run("Bo", "send", room, "thanks", *WAIT)
    assert texts(stage, "Ada", room) == ["quiet now", "go on", "thanks"]


def test_settings_and_new_keys_reach_everybody(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo", "Cy")
    assert "does not allow" in stage.refusal("Bo", "room", "set", room, "--name", "X")
    stage.run("Ada", "room", "set", room, "--name", "Owls", "--admits-from", "admin")
    stage.run("Ada", "room", "rotate", room)
    stage.run("Ada", "send", room, "under a new key", *WAIT)
    for name in ("Bo", "Cy"):
        while texts(stage, name, room) != ["under a new key"]:
            continue
        assert [line["name"] for line in stage.run(name, "rooms")] == ["Owls"]
    stage.run("Bo", "send", room, "I read it", *WAIT)
    stage.run("Ada", "room", "kick", room, "Cy")
    stage.run("Ada", "send", room, "without Cy", *WAIT)
    assert "without Cy" not in texts(stage, "Cy", room)
