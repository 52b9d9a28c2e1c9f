"""What others wrote reaches the terminal as text, never as an order to it."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import replace

import pytest

from app.cli.output import (
    Output,
    message_line,
    message_object,
    one_line,
    prepare_stdout,
    room_object,
    verifying_words,
    warn,
)
from app.snapshots import (
    MessageSnapshot,
    PollOptionSnapshot,
    PollSnapshot,
    PreviewSnapshot,
    ReactionSnapshot,
    RoomSnapshot,
)

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7fAda\r\u202e\u2028"


def message(name: str, text: str) -> MessageSnapshot:
    return MessageSnapshot(
        id="0",
        room="0",
        author="abcdefghij",
        author_name=name,
        text=text,
        sent_at=0,
        mine=False,
    )


def harmless(text: str) -> bool:
    return not any(
        ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2028" for c in text
    )


def test_names_and_texts_give_no_orders(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json=False).put({}, message_line(message(HOSTILE, HOSTILE)))
    Output(json=False).tell(HOSTILE)
    warn(HOSTILE)
    said = capsys.readouterr()
    assert "Ada" in said.out
    for line in (said.out + said.err).split("\n"):
        assert harmless(line), line


def test_nobody_speaks_in_the_name_of_others() -> None:
    line = message_line(message("Bo\n2024-01-01 00:00  Ada", "x\n2024  Ada: no"))
    first, second = line.split("\n")
    assert "Bo 2024-01-01 00:00  Ada: x" in first
    assert second == "    2024  Ada: no"
    assert message_line(message("", "x")).endswith("abcdefgh: x")


@pytest.mark.parametrize(
    "text", ["\U0001f469\u200d\U0001f52c", "50\u00a0\u20ac", "\u0926\u094d\u200d"]
)
def test_honest_texts_stay_as_they_are(text: str) -> None:
    assert one_line(text) == text


def test_json_keeps_everything_and_gives_no_orders(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Output(json=True).put({"text": HOSTILE + "\n"}, "")
    line = capsys.readouterr().out.removesuffix("\n")
    assert json.loads(line) == {"text": HOSTILE + "\n"}
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in line)


@pytest.mark.parametrize(
    ("as_json", "printed"),
    [(True, '{"text": "\u2603"}\n'.encode()), (False, b"snow ?\n")],
)
def test_old_encodings_stop_nothing(
    monkeypatch: pytest.MonkeyPatch, as_json: bool, printed: bytes
) -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="cp1252", newline="\n")
    monkeypatch.setattr(sys, "stdout", stream)
    prepare_stdout(json=as_json)
    Output(json=as_json).put({"text": "\u2603"}, "snow \u2603")
    assert written.getvalue() == printed


def test_what_is_not_verified_says_so() -> None:
    sure = message("Ada", "hello")
    told = replace(sure, verified=False)
    assert message_line(told).endswith("  Ada (not verified): hello")
    assert message_line(sure).endswith("  Ada: hello")
    assert message_object(told)["unverified"]
    assert "unverified" not in message_object(sure)


def test_a_message_says_what_became_of_it() -> None:
    plain = message("Ada", "a heron")
    assert message_line(replace(plain, edited=True)).endswith("Ada: a heron (edited)")
    gone = replace(plain, text="", deleted=True, edited=True)
    assert message_line(gone).endswith("Ada: (deleted)")
    newer = replace(plain, text="", kind="newer")
    assert message_line(newer).endswith("Ada: (update Covey to see this)")
    told = replace(plain, forwarded_from=HOSTILE)
    assert "(forwarded from " in message_line(told)
    assert harmless(message_line(told))


def test_a_message_says_how_it_is_named_and_where_it_belongs() -> None:
    plain = message("Ada", "a heron")
    long = message_line(replace(plain, id="0123456789"))
    assert re.match(r"01234567  \d{4}-", long)
    rooted = replace(plain, pinned=True, thread_size=2)
    assert message_line(rooted).endswith("a heron (pinned) (2 in its thread)")
    asked = PreviewSnapshot("i" * 64, "k" * 64, "Bo", "what\n" + "?" * 99)
    line = message_line(replace(plain, reply=asked))
    assert line.endswith("Ada: (to Bo: what " + "?" * 34 + "\u2026) a heron")
    gone = replace(asked, text="", deleted=True)
    assert "(to Bo: (deleted)) a heron" in message_line(replace(plain, reply=gone))
    hostile = replace(asked, author_name=HOSTILE, text=HOSTILE)
    assert harmless(message_line(replace(plain, reply=hostile)))


def test_a_poll_shows_its_answers_and_what_they_got() -> None:
    options = (
        PollOptionSnapshot("heron\n3. owl: 99", 2, mine=True),
        PollOptionSnapshot(HOSTILE, 0, mine=False),
    )
    asked = replace(
        message("Ada", "which?"),
        kind="poll",
        poll=PollSnapshot(options, multiple=True, closes_at=7, voters=2),
        reactions=(ReactionSnapshot("x", 3, mine=False),),
    )
    head, first, second, last = message_line(asked).split("\n")
    assert head.endswith("Ada: which?")
    assert first == "    1.* heron 3. owl: 99: 2"
    assert second.startswith("    2.  ")
    assert harmless(second)
    assert last == "    x 3"
    said = message_object(asked)
    assert said["poll"]["options"][0]["count"] == 2
    assert (said["poll"]["closesAt"], said["poll"]["voters"]) == (7, 2)
    assert said["reactions"] == [{"emoji": "x", "count": 3, "mine": False}]


def test_what_few_messages_have_is_left_out_of_the_others() -> None:
    plain = message("Ada", "a heron")
    assert message_object(plain).keys() == {
        *("id", "room", "author", "authorName", "text", "sentAt", "replyTo"),
        *("edited", "deleted"),
    }
    rich = replace(
        plain,
        kind="newer",
        pinned=True,
        thread="t",
        thread_size=2,
        reply=PreviewSnapshot("r", "k", "Bo", "who?"),
        mentions=("m",),
        mentions_me=True,
        forwarded_from="Cy",
        expires_at=5,
    )
    added = {
        name: value
        for name, value in message_object(rich).items()
        if name not in message_object(plain)
    }
    assert added == {
        "kind": "newer",
        "pinned": True,
        "thread": "t",
        "threadSize": 2,
        "reply": {"author": "k", "authorName": "Bo", "text": "who?", "deleted": False},
        "mentions": ["m"],
        "mentionsMe": True,
        "forwardedFrom": "Cy",
        "expiresAt": 5,
    }


def test_a_room_tells_how_far_it_is_verified_and_who_is_believed() -> None:
    known = RoomSnapshot("0", "Birds", "group", unread=0, members=2, peers=1)
    told = replace(known, verifying=True, verified_share=0.4567, trusted_name="A\nda")
    assert "verifying" not in room_object(known)
    assert room_object(told)["verifiedShare"] == 0.457
    words = verifying_words(told)
    assert words == "history being verified: 45 %, the rest as A da tells it"
    nobody = replace(told, verified_share=0.0, trusted_name="")
    assert verifying_words(nobody) == "history being verified: 0 %"
