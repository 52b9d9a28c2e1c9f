"""Roles, bans, mutes, settings and new keys, from several command lines."""

from __future__ import annotations

from tests.core.processes import DELIVERED, PATIENTLY, Stage, until
from tests.core.test_chat import meet, texts, until_shown


def test_a_ban_holds_until_it_is_lifted(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo")
    assert "does not allow" in stage.refusal("Bo", "room", "ban", room, "Ada")
    [link] = stage.run("Ada", "room", "invite", room, "--uses", "0")
    stage.run("Ada", "room", "ban", room, "Bo")
    until(lambda: stage.attempt("Bo", "send", room, "still in?").returncode)
    join = ("room", "join", link["invite"], "--timeout", "5")
    assert stage.attempt("Bo", *join).returncode == 1
    [fresh] = stage.run("Ada", "room", "invite", room)
    join = ("room", "join", fresh["invite"], "--timeout", "5")
    assert stage.attempt("Bo", *join).returncode == 1
    stage.run("Ada", "room", "unban", room, "Bo")
    [again] = stage.run("Ada", "room", "invite", room)
    stage.run("Bo", "room", "join", again["invite"], *PATIENTLY)
    [sent] = stage.run("Bo", "send", room, "back", *DELIVERED)
    assert sent["state"] == "delivered"


def test_who_is_muted_may_read(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo")
    stage.run("Ada", "room", "mute", room, "Bo", "--for", "1h")
    stage.run("Ada", "send", room, "quiet now", *DELIVERED)
    assert "not write" in stage.refusal("Bo", "send", room, "but")
    stage.run("Ada", "room", "unmute", room, "Bo")
    stage.run("Ada", "send", room, "go on", *DELIVERED)
    stage.run("Bo", "send", room, "thanks", *DELIVERED)
    assert texts(stage, "Ada", room) == ["quiet now", "go on", "thanks"]


def test_settings_and_new_keys_reach_everybody(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo", "Cy")
    assert "does not allow" in stage.refusal("Bo", "room", "set", room, "--name", "X")
    stage.run("Ada", "room", "set", room, "--name", "Owls", "--admits-from", "admin")
    stage.run("Ada", "room", "rotate", room)
    stage.run("Ada", "send", room, "under a new key", *DELIVERED)
    for name in ("Bo", "Cy"):
        until_shown(stage, name, room, ["under a new key"])
        assert [line["name"] for line in stage.run(name, "rooms")] == ["Owls"]
    stage.run("Bo", "send", room, "I read it", *DELIVERED)
    stage.run("Ada", "room", "kick", room, "Cy")
    stage.run("Ada", "send", room, "without Cy", *DELIVERED)
    assert "without Cy" not in texts(stage, "Cy", room)
