"""What a search prints, and which dates it understands."""

from __future__ import annotations

import io
import os
import sys
from datetime import datetime

import pytest

from app.cli.arguments import build_parser
from app.cli.search import _may_mark, hit_line, hit_object
from app.snapshots import MessageSnapshot, SearchHit

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e"


def hit(
    snippet: str, *ranges: tuple[int, int], name: str = "Ada", room: str = "Birds"
) -> SearchHit:
    message = MessageSnapshot(
        *("ab12", "cd34", "abcdefghij", name, "the whole text", 0, False)
    )
    return SearchHit(
        message=message,
        room_name=room,
        snippet=snippet,
        ranges=ranges,
        cut_before=True,
        cut_after=False,
        cursor=7,
    )


def test_hits_are_marked_on_a_terminal() -> None:
    line = hit_line(hit("a heron, two herons", (2, 7), (13, 18)), marking=True)
    assert line.endswith(
        "Ada: \u2026a \x1b[1;33mheron\x1b[0m, two \x1b[1;33mheron\x1b[0ms"
    )
    plain = hit_line(hit("a heron, two herons", (2, 7), (13, 18)), marking=False)
    assert plain.endswith("Ada: \u2026a heron, two herons")
    assert plain.startswith("Birds  ")


@pytest.mark.parametrize("marking", [False, True])
def test_nothing_but_the_marks_is_obeyed(marking: bool) -> None:
    snippet = f"{HOSTILE}heron{HOSTILE}\n{HOSTILE}"
    at = len(HOSTILE)
    found = hit(snippet, (at, at + 5), name=HOSTILE + "Bo", room=HOSTILE)
    line = hit_line(found, marking=marking)
    for mark in ("\x1b[1;33m", "\x1b[0m"):
        assert line.count(mark) == marking
        line = line.replace(mark, "")
    assert "heron" in line
    assert not any(ord(char) < 32 or char == "\u202e" for char in line)


def test_an_object_has_the_whole_text_and_the_part() -> None:
    found = hit_object(hit("a heron"))
    assert (found["text"], found["snippet"]) == ("the whole text", "a heron")


def test_marks_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not _may_mark()
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert _may_mark()
    monkeypatch.setenv("TERM", "dumb")
    assert not _may_mark()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setitem(os.environ, "NO_COLOR", "1")
    assert not _may_mark()


def test_dates_are_days_or_moments_of_this_computer() -> None:
    def parsed(*options: str) -> tuple[int | None, int | None]:
        found = build_parser().parse_args(["search", "x", *options])
        return found.since, found.until

    def ms(*moment: int) -> int:
        return int(datetime(*moment).timestamp() * 1000)  # type: ignore[arg-type]

    assert parsed() == (None, None)
    assert parsed("--since", "2026-01-31", "--until", "2026-01-31") == (
        ms(2026, 1, 31),
        ms(2026, 2, 1),
    )
    assert parsed("--since", "2026-01-31T12:30", "--until", "2026-01-31T12:30") == (
        ms(2026, 1, 31, 12, 30),
        ms(2026, 1, 31, 12, 30),
    )
    assert parsed("--since", "1970-01-01T00:00:01Z")[0] == 1_000


@pytest.mark.parametrize("date", ["soon", "2026-13-01", "", "9999-12-31"])
def test_what_is_no_date_is_wrong_usage(
    date: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        build_parser().parse_args(["search", "x", "--until", date])
    assert leaving.value.code == 2
    assert "2026-01-31" in capsys.readouterr().err
