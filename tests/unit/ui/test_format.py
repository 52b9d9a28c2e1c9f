from __future__ import annotations

import re
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtGui import QTextDocument

from ui import format as texts

TODAY = date(2026, 10, 28)


def at(day: date, hour: int = 14, minute: int = 5) -> int:
    moment = datetime(day.year, day.month, day.day, hour, minute)
    return int(moment.timestamp() * 1000)


@pytest.mark.parametrize(
    ("days_ago", "expected"),
    [
        (0, "14:05"),
        (1, "Yesterday"),
        (2, "Monday"),
        (6, "Thursday"),
        (7, "21 Oct"),
        (400, "23/09/2025"),
        (-1, "29 Oct"),
    ],
)
def test_the_room_list_names_a_time_by_its_distance(
    days_ago: int, expected: str
) -> None:
    day = TODAY - timedelta(days=days_ago)
    assert texts.list_time(at(day), TODAY) == expected


@pytest.mark.parametrize(
    ("days_ago", "expected"),
    [
        (0, "Today"),
        (1, "Yesterday"),
        (2, "Monday, 26 October"),
        (300, "Wednesday, 1 January 2025"),
    ],
)
def test_a_separator_names_the_day(days_ago: int, expected: str) -> None:
    day = date(2025, 1, 1) if days_ago == 300 else TODAY - timedelta(days=days_ago)
    assert texts.day_name(day, TODAY) == expected


@pytest.mark.parametrize("instant", [2**63, -(2**63), 10**17])
def test_an_impossible_instant_is_shown_as_some_day(instant: int) -> None:
    assert texts.local_day(instant) == date(1970, 1, 1)
    assert texts.clock_time(instant)


@pytest.mark.parametrize(
    ("count", "members", "devices", "held"),
    [
        (0, "0 members", "0 devices", "Here only"),
        (1, "1 member", "1 device", "On 1 device"),
        (2, "2 members", "2 devices", "On 2 devices"),
        (21, "21 members", "21 devices", "On 21 devices"),
    ],
)
def test_numbers_have_their_plural(
    count: int, members: str, devices: str, held: str
) -> None:
    assert texts.member_count(count) == members
    assert texts.device_count(count) == devices
    assert texts.delivery(count) == held


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ada Lovelace", "AL"),
        ("ada", "A"),
        ("  Ada  von  Byron ", "AB"),
        ("\u00e9milie", "\u00c9"),
        ("\u5f20\u4f1f", "\u5f20"),
        ("\U0001f426 Garden", "G"),
        ("\U0001f426", "?"),
        ("", "?"),
        ("\u202egnihton", "G"),
    ],
)
def test_initials_come_from_letters(name: str, expected: str) -> None:
    assert texts.initials(name) == expected


def test_a_name_cannot_turn_the_line_around_or_break_it() -> None:
    assert texts.clean_name("Ada\u202e\n\tLove\u0000lace\u2066") == "Ada Lovelace"


@given(st.text(max_size=300))
def test_names_of_any_kind_become_one_clean_line(name: str) -> None:
    cleaned = texts.clean_name(name)
    assert cleaned == " ".join(cleaned.split())
    assert not any(ord(c) < 32 or 0x202A <= ord(c) <= 0x202E for c in cleaned)
    assert 0 <= len(texts.initials(name)) <= 4


@given(st.text(max_size=400))
def test_rich_text_shows_exactly_what_was_written(text: str) -> None:
    text = "".join(c for c in text if c == "\n" or c.isprintable())
    shown = QTextDocument()
    shown.setHtml(f'<p style="white-space:pre-wrap">{texts.rich_text(text, "#000")}')
    plain = shown.toPlainText().replace("\u00a0", " ")
    assert plain == text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://example.org/a?b=1&c=2.", ["https://example.org/a?b=1&c=2"]),
        ("(http://a.example)", ["http://a.example"]),
        ("covey://join/abc, and more", ["covey://join/abc"]),
        ("javascript://x file:///etc/passwd", []),
        ('https://a.example/"onclick="x', ["https://a.example/"]),
        ("https://a https://b", ["https://a", "https://b"]),
    ],
)
def test_only_plain_links_become_anchors(text: str, links: list[str]) -> None:
    rich = texts.rich_text(text, "#000")
    found = [
        target.replace("&amp;", "&")
        for target in re.findall(r'<a href="([^"]*)"', rich)
    ]
    assert found == links
    assert texts.has_link(text) == bool(links)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\U0001f33b", True),
        ("\U0001f33b \U0001f33b", True),
        ("\u2764\ufe0f", True),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", True),
        ("hi \U0001f33b", False),
        ("", False),
        ("   ", False),
        ("\U0001f33b" * 30, False),
    ],
)
def test_emoji_alone_are_recognised(text: str, expected: bool) -> None:
    assert texts.only_emoji(text) is expected


def test_a_preview_is_one_short_line() -> None:
    assert texts.preview("a\n\n b") == "a b"
    long = texts.preview("word " * 100)
    assert len(long) <= texts.MAX_PREVIEW_CHARS + 1
    assert long.endswith("\u2026")


def test_colours_are_spread_over_keys() -> None:
    seen = {texts.colour_index(f"{n:064x}") for n in range(200)}
    assert seen == set(range(texts.AVATAR_COLOURS))
