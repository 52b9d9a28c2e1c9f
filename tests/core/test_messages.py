"""People change what they said through the command line, each with a core."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.core.processes import DELIVERED, Stage, until
from tests.core.test_chat import meet


def history(stage: Stage, name: str, *options: str) -> list[dict[str, Any]]:
    return stage.run(name, "history", "Birds", *options)


def test_two_cores_change_what_was_said(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo")
    [sent] = stage.run("Ada", "send", "Birds", "a haron", *DELIVERED)
    id = sent["id"]
    # Whoever follows hears of all that is changed.
    follower = stage.spawn(*stage.options("Bo"), "follow", "Birds")
    [edited] = stage.run("Ada", "message", "edit", "Birds", id[:10], "a heron, @Bo")
    assert (edited["text"], edited["edited"]) == ("a heron, @Bo", True)
    until(lambda: history(stage, "Bo")[0]["edited"])
    [his] = history(stage, "Bo")
    assert (his["text"], his["mentionsMe"]) == ("a heron, @Bo", True)
    [reacted] = stage.run("Bo", "message", "react", "Birds", id, "\u2764")
    assert reacted["reactions"] == [{"emoji": "\u2764", "count": 1, "mine": True}]
    assert stage.run("Bo", "rooms")[0]["unread"] == 1
    history(stage, "Bo", "--mark-read")
    assert stage.run("Bo", "rooms")[0]["unread"] == 0
    [answer] = stage.run(
        "Bo", "send", "Birds", "where?", "--reply", id, "--thread", id, *DELIVERED
    )
    [hers, reply] = history(stage, "Ada")
    assert hers["reactions"] == [{"emoji": "\u2764", "count": 1, "mine": False}]
    assert hers["threadSize"] == 1
    assert (reply["replyTo"], reply["thread"]) == (id, id)
    assert reply["reply"]["text"] == "a heron, @Bo"
    assert history(stage, "Ada", "--thread", id) == [reply]
    assert history(stage, "Ada", "--after", id) == [reply]
    assert history(stage, "Ada", "--around", answer["id"], "--limit", "3") == [
        *(hers, reply)
    ]
    stage.run("Ada", "message", "pin", "Birds", id)
    [pinned] = history(stage, "Ada", "--pins")
    assert pinned["id"] == id
    assert pinned["pinned"]
    assert "only" in stage.refusal("Bo", "message", "edit", "Birds", id, "x")
    sentence = stage.refusal("Bo", "message", "delete", "Birds", id)
    assert "role" in sentence
    stage.run("Ada", "message", "delete", "Birds", id, answer["id"])
    until(lambda: all(it["deleted"] for it in history(stage, "Bo")))
    assert [it["text"] for it in history(stage, "Bo")] == ["", ""]
    assert stage.run("Bo", "search", "heron") == []
    assert history(stage, "Ada", "--pins") == []
    told = changes(follower, id)
    assert told["room"] == room
    assert stage.stop(follower) == 0


def changes(follower: subprocess.Popen[bytes], id: str) -> dict[str, Any]:
    """Reads what a follower prints until a message is deleted."""
    assert follower.stdout is not None
    while line := follower.stdout.readline():
        said: dict[str, Any] = json.loads(line)
        if said["id"] == id and said["deleted"]:
            assert said["event"] == "changed"
            assert said["text"] == ""
            return said
    raise AssertionError("the follower ended")


def test_two_cores_ask_and_answer(stage: Stage) -> None:
    meet(stage, "Ada", "Bo")
    [asked] = stage.run(
        *("Ada", "poll", "Birds", "which?", "heron", "owl"),
        *("--multiple", "--closes", "1d"),
    )
    assert asked["state"] == "stored"
    until(lambda: history(stage, "Bo"))
    [voted] = stage.run("Bo", "message", "vote", "Birds", asked["id"], "2", "1")
    assert [it["mine"] for it in voted["poll"]["options"]] == [True, True]
    [hers] = until(lambda: [it for it in history(stage, "Ada") if it["poll"]["voters"]])
    assert (hers["kind"], hers["text"]) == ("poll", "which?")
    assert hers["poll"]["options"] == [
        {"text": "heron", "count": 1, "mine": False},
        {"text": "owl", "count": 1, "mine": False},
    ]
    sentence = stage.refusal("Bo", "message", "vote", "Birds", asked["id"], "3")
    assert "no such answer" in sentence
    stage.run("Ada", "room", "new", "Fish")
    [sent] = stage.run("Ada", "send", "Birds", "a heron")
    [told] = stage.run("Ada", "message", "forward", "Birds", sent["id"], "Fish")
    [found] = stage.run("Ada", "history", "Fish")
    assert (found["id"], found["forwardedFrom"]) == (told["id"], "Ada")
    options = [option for option in stage.options("Ada") if option != "--json"]
    done = stage.command(*options, "history", "Birds")
    assert "1.  heron: 1" in done.stdout


def test_messages_come_and_go_when_it_is_time(stage: Stage) -> None:
    meet(stage, "Ada", "Bo")
    [secret] = stage.run("Ada", "send", "Birds", "a secret", "--lifetime", "8s")
    until(lambda: history(stage, "Bo"))
    [later] = stage.run("Ada", "send", "Birds", "later", "--at", "6s")
    assert later["state"] == "scheduled"
    [never] = stage.run("Ada", "send", "Birds", "never", "--at", "1h")
    waiting = stage.run("Ada", "message", "scheduled")
    assert [it["text"] for it in waiting][-1:] == ["never"]
    stage.run("Ada", "message", "cancel", never["id"])
    assert "waits" in stage.refusal("Ada", "message", "cancel", never["id"])

    def there() -> bool:
        return [it["text"] for it in history(stage, "Bo")] == ["later"]

    until(there)
    assert [it["text"] for it in history(stage, "Ada")] == ["later"]
    assert stage.run("Ada", "message", "scheduled", "Birds") == []
    assert stage.run("Bo", "search", "secret") == []
    refused = stage.refusal("Ada", "message", "edit", "Birds", secret["id"], "x")
    assert "no message" in refused
    stage.run("Bo", "draft", "Birds", "half a sen")
    assert stage.run("Bo", "draft", "Birds") == [{"text": "half a sen"}]
    past = stage.refusal("Ada", "send", "Birds", "x", "--at", "2020-01-31T12:30")
    assert "ahead" in past


def test_what_waits_outlives_a_core_that_was_killed(alone: Stage) -> None:
    alone.init("Ada")
    core = alone.serve("Ada")
    alone.run("Ada", "room", "new", "Birds")
    alone.run("Ada", "send", "Birds", "soon", "--at", "6s")
    alone.run("Ada", "send", "Birds", "much later", "--at", "1h")
    alone.run("Ada", "draft", "Birds", "half a sen")
    core.kill()
    alone.stop(core)
    alone.serve("Ada")
    until(lambda: history(alone, "Ada"))
    assert [it["text"] for it in history(alone, "Ada")] == ["soon"]
    [waiting] = alone.run("Ada", "message", "scheduled")
    assert (waiting["text"], waiting["problem"]) == ("much later", "")
    assert alone.run("Ada", "draft", "Birds") == [{"text": "half a sen"}]
