"""People chat through the command line, each with a core of their own."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.core.processes import (
    COMMAND_LIMIT_S,
    DELIVERED,
    END_LIMIT_S,
    PATIENTLY,
    Stage,
    until,
)

MESSAGE_KEYS = {
    *("id", "room", "author", "authorName", "text", "sentAt", "replyTo"),
    *("edited", "deleted"),
}


def texts(stage: Stage, name: str, room: str) -> list[str]:
    return [message["text"] for message in stage.run(name, "history", room)]


def until_shown(stage: Stage, name: str, room: str, want: list[str]) -> None:
    """Wait until somebody is shown just these messages."""
    until(lambda: texts(stage, name, room) == want)


def meet(stage: Stage, *names: str, options: tuple[str, ...] = ()) -> str:
    """The first makes a room, the others join it; all are served. Gives its id."""
    for name in names:
        stage.init(name)
        stage.serve(name)
    first, *others = names
    [made] = stage.run(first, "room", "new", "Birds", *options)
    assert made.keys() == {"room"}
    for other in others:
        [invited] = stage.run(first, "room", "invite", "Birds")
        assert invited.keys() == {"invite"}
        [joined] = stage.run(other, "room", "join", invited["invite"], *PATIENTLY)
        assert joined == made
    return str(made["room"])


def test_two_cores_chat_and_tell_the_truth(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo")
    [ada] = stage.run("Ada", "whoami")
    assert ada.keys() == {"name", "identityKey", "deviceKey"}
    [sent] = stage.run("Ada", "send", "Birds", "hello Bo", *DELIVERED)
    assert sent == {"id": sent["id"], "room": room, "state": "delivered"}
    [message] = stage.run("Bo", "history", room[:8])
    assert message.keys() == MESSAGE_KEYS
    assert message["id"] == sent["id"]
    assert message["author"] == ada["identityKey"]
    assert (message["authorName"], message["text"]) == ("Ada", "hello Bo")
    [answer] = stage.run(
        "Bo", "send", room, "hello Ada", "--reply", sent["id"][:12], *DELIVERED
    )
    assert answer["state"] == "delivered"
    found = stage.run("Ada", "history", "Birds")
    assert [m["text"] for m in found] == ["hello Bo", "hello Ada"]
    assert found[1]["replyTo"] == sent["id"]
    assert stage.run("Ada", "history", "Birds", "--limit", "1") == found[1:]
    assert stage.run("Ada", "history", "Birds", "--limit", "0") == []
    assert stage.run("Ada", "history", "Birds", "--before", found[1]["id"]) == found[:1]
    [line] = stage.run("Ada", "rooms")
    assert line == {
        "room": room,
        "name": "Birds",
        "kind": "group",
        "unread": 1,
        "members": 2,
        "peers": 1,
    }
    members = stage.run("Ada", "room", "members", "Birds")
    assert [(m["name"], m["role"], m["online"]) for m in members] == [
        ("Ada", "owner", True),
        ("Bo", "member", True),
    ]
    assert members[0].keys() == {
        *("identityKey", "name", "role", "devices", "online", "forked"),
    }


def test_one_follows_what_another_writes(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo")
    follower = stage.spawn(*stage.options("Bo"), "follow", "Birds")
    assert follower.stdout is not None
    # The follower may still be starting: say it until it is heard.
    heard: dict[str, Any] = {}
    stage.run("Ada", "send", room, "one", *DELIVERED)
    while not heard:
        stage.run("Ada", "send", room, "two")
        import select

        if select.select([follower.stdout], [], [], 0.2)[0]:
            heard = json.loads(follower.stdout.readline())
    assert heard.keys() == MESSAGE_KEYS
    assert heard["text"] in ("one", "two")
    assert stage.stop(follower) == 0


def test_who_was_away_catches_up_without_the_founder(stage: Stage) -> None:
    for name in ("Ada", "Bo", "Cy"):
        stage.init(name)
    cores = {name: stage.serve(name) for name in ("Ada", "Bo", "Cy")}
    [made] = stage.run("Ada", "room", "new", "Birds")
    for name in ("Bo", "Cy"):
        [invited] = stage.run("Ada", "room", "invite", "Birds")
        stage.run(name, "room", "join", invited["invite"], *PATIENTLY)
    room = made["room"]
    stage.run("Cy", "send", room, "I go to bed", *DELIVERED)
    assert stage.stop(cores["Cy"]) == 0
    for number in range(3):
        stage.run("Ada", "send", room, f"while Cy sleeps {number}", *DELIVERED)
    assert stage.stop(cores["Ada"]) == 0
    stage.serve("Cy")
    stage.run("Cy", "send", room, "good morning", *DELIVERED)
    assert texts(stage, "Cy", room) == [
        "I go to bed",
        *(f"while Cy sleeps {number}" for number in range(3)),
        "good morning",
    ]
    stage.run("Bo", "send", room, "without Ada", *DELIVERED)
    assert texts(stage, "Cy", room)[-1] == "without Ada"
    # Ada was offline: what she missed comes when she is back.
    stage.serve("Ada")
    stage.run("Ada", "send", room, "back", *DELIVERED)
    assert texts(stage, "Ada", room) == texts(stage, "Bo", room)


def test_invites_are_spent_expire_and_can_be_wrong(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo")
    stage.init("Cy")
    stage.serve("Cy")
    [spent] = stage.run("Ada", "room", "invite", room)
    stage.run("Cy", "room", "join", spent["invite"], *PATIENTLY)
    # The same link again, for somebody who is in already, is no second use.
    stage.run("Cy", "room", "join", spent["invite"], *PATIENTLY)
    stage.init("Di")
    stage.serve("Di")
    join = ("room", "join")
    assert "already been used" in stage.refusal(
        "Di", *join, spent["invite"], *PATIENTLY
    )
    [short] = stage.run("Ada", "room", "invite", room, "--expires", "1s")
    # Whoever's clock says it is over needs no network to be told.
    late = (*join, short["invite"], "--timeout", "0")
    until(lambda: "expired" in stage.refusal("Di", *late))
    for wrong in ("covey://nonsense", spent["invite"][:-1], "http://example.org"):
        assert "not a whole Covey invite" in stage.refusal("Di", *join, wrong)
    assert stage.run("Di", "rooms") == []
    [many] = stage.run("Bo", "room", "invite", room, "--uses", "2")
    stage.run("Di", "room", "join", many["invite"], *PATIENTLY)
    assert len(stage.run("Di", "room", "members", room)) == 4


def test_an_invite_needs_a_member_online(stage: Stage) -> None:
    for name in ("Ada", "Bo"):
        stage.init(name)
    stage.run("Ada", "room", "new", "Birds")
    [link] = stage.run("Ada", "room", "invite", "Birds")
    refused = stage.refusal("Bo", "room", "join", link["invite"], "--timeout", "2")
    assert "online now" in refused


def test_roles_removal_and_leaving(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo", "Cy")
    assert "does not allow" in stage.refusal("Bo", "room", "kick", room, "Cy")
    stage.run("Ada", "room", "role", room, "Bo", "moderator")
    stage.run("Ada", "send", room, "Bo may remove now", *DELIVERED)

    def removed() -> bool:
        done = stage.attempt("Bo", "room", "kick", room, "Cy")
        assert not done.returncode or "does not allow" in done.stderr, done.stderr
        return not done.returncode

    until(removed)
    stage.run("Bo", "send", room, "without Cy", *DELIVERED)
    assert [m["name"] for m in stage.run("Ada", "room", "members", room)] == [
        "Ada",
        "Bo",
    ]
    removal = "You were removed from this room by Bo."
    until(lambda: removal in stage.attempt("Cy", "send", room, "let me in").stderr)
    assert stage.refusal("Cy", "send", room, "let me in") == removal
    assert "let me in" not in texts(stage, "Bo", room)
    assert "without Cy" not in texts(stage, "Cy", room)
    stage.run("Bo", "room", "leave", room)
    assert stage.run("Bo", "rooms") == []
    until(lambda: len(stage.run("Ada", "room", "members", room)) == 1)


def test_who_left_comes_back_and_goes_on(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo")
    stage.run("Bo", "send", room, "before", *DELIVERED)
    stage.run("Bo", "room", "leave", room)
    until(lambda: len(stage.run("Ada", "room", "members", room)) == 1)
    stage.run("Ada", "send", room, "between")
    assert "no room" in stage.refusal("Bo", "history", room)
    [link] = stage.run("Ada", "room", "invite", room)
    stage.run("Bo", "room", "join", link["invite"], *PATIENTLY)
    # A log begun anew would be a second history of the same device, and be refused.
    [sent] = stage.run("Bo", "send", room, "after", *DELIVERED)
    assert sent["state"] == "delivered"
    for name in ("Ada", "Bo"):
        assert texts(stage, name, room) == ["before", "between", "after"]


def test_who_was_removed_comes_back_while_connected(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo")
    stage.run("Ada", "room", "kick", room, "Bo")
    until(lambda: stage.attempt("Bo", "send", room, "still in?").returncode)
    [link] = stage.run("Ada", "room", "invite", room)
    stage.run("Bo", "room", "join", link["invite"], *PATIENTLY)
    for name in ("Ada", "Bo"):
        [sent] = stage.run(name, "send", room, "again", *DELIVERED)
        assert sent["state"] == "delivered"


def test_broadcast_rooms_are_read(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo", options=("--kind", "broadcast"))
    stage.run("Ada", "send", room, "news", *DELIVERED)
    assert texts(stage, "Bo", room) == ["news"]
    assert "but not write" in stage.refusal("Bo", "send", room, "reply")
    [line] = stage.run("Bo", "rooms")
    assert line["kind"] == "broadcast"


def test_streams_between_keys(stage: Stage) -> None:
    common = ("--json", "--bootstrap", stage.bootstrap, "net")
    listener, said = stage.start(*common, "listen", "--seed", "07" * 32, "--echo")
    assert said.keys() == {"event", "publicKey"}
    payload = bytes(range(256)) * 4096
    caller = stage.spawn(*common, "connect", said["publicKey"], stdin=subprocess.PIPE)
    out, _ = caller.communicate(payload, timeout=COMMAND_LIMIT_S)
    first, _, rest = out.partition(b"\n")
    opened = json.loads(first)
    assert opened["event"] == "open"
    assert opened.keys() == {"event", "path", "ms", "remoteAddress"}
    assert rest == payload
    assert caller.returncode == 0
    assert stage.stop(listener) == 0


def test_a_stream_joins_two_pipes(stage: Stage) -> None:
    common = ("--json", "--bootstrap", stage.bootstrap, "net")
    listener, said = stage.start(*common, "listen", stdin=subprocess.PIPE)
    caller = stage.spawn(*common, "connect", said["publicKey"], stdin=subprocess.PIPE)
    assert listener.stdin is not None
    listener.stdin.write(b"from the listener")
    listener.stdin.close()
    out, _ = caller.communicate(b"from the caller", timeout=COMMAND_LIMIT_S)
    assert out.endswith(b"\nfrom the listener")
    assert listener.stdout is not None
    assert listener.stdout.read() == b"from the caller"
    assert (caller.returncode, listener.wait(END_LIMIT_S)) == (0, 0)


def test_the_demo_shows_a_chat(alone: Stage) -> None:
    done = alone.command("--json", "demo", "--headless")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["event"], said["deliveredTo"]) == ("ready", 1)
