"""The part of a text that is shown, and what is highlighted in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.search.query import parse
from store.search.snippet import MAX_RANGES, MAX_SNIPPET_CHARS, snippet


def marked(text: str, query: str, **options: int) -> str:
    """The snippet with brackets around what is highlighted."""
    found = snippet(text, parse(query), **options)
    parts, at = [], 0
    for start, end in found.ranges:
        parts += [found.text[at:start], "[", found.text[start:end], "]"]
        at = end
    before, after = "…" * found.cut_before, "…" * found.cut_after
    return before + "".join(parts) + found.text[at:] + after


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("Hello world, hello!", "hello", "[Hello] world, [hello]!"),
        ("Straße und STRASSE", "strasse ", "[Straße] und [STRASSE]"),
        ("nai\u0308ve x", "naive ", "[naïve] x"),
        ("wording word", "word", "[word]ing [word]"),
        ("wording word", "word ", "wording [word]"),
        ("a b a c", '"a c"', "a b [a c]"),
        (
            "see http://example.com/page.",
            "example.com",
            "see http://[example.com]/page.",
        ),
        ("私は東京タワーへ", "京タ", "私は東[京タ]ワーへ"),
        ("東東東", "東東", "[東東東]"),
        ("你好\uff0c世界", "好\uff0c世", "你[好\uff0c世]界"),
        ("ok 👍🏽!", "👍", "ok [👍]🏽!"),
        ("❤\ufe0f!", "❤", "[❤\ufe0f]!"),
        ("株㍿", "会", "株[㍿]"),
        ("nothing here", "else", "nothing here"),
        ("nothing here", "", "nothing here"),
    ],
)
def test_what_is_found_is_highlighted(text: str, query: str, expected: str) -> None:
    assert marked(text, query) == expected


def test_a_long_text_is_cut_around_the_first_hit() -> None:
    text = "before " * 100 + "needle" + " after" * 100
    shown = marked(text, "needle")
    assert "[needle]" in shown
    assert shown.startswith("…before")
    assert shown.endswith("…")
    assert snippet(text, parse("before")).cut_before is False
    assert len(snippet(text, parse("needle")).text) <= MAX_SNIPPET_CHARS


def test_hits_in_one_snippet_are_bounded() -> None:
    found = snippet("a " * 90, parse("a "))
    assert len(found.ranges) == MAX_RANGES


@given(
    st.text(st.characters(), max_size=300),
    st.text(st.characters(), max_size=4),
    st.integers(1, 60),
)
def test_ranges_lie_in_the_snippet_in_order(
    text: str, part: str, max_chars: int
) -> None:
    found = snippet(text + part + text, parse(part), max_chars=max_chars)
    assert len(found.text) <= max_chars
    last = -1
    for start, end in found.ranges:
        assert last < start < end <= len(found.text)
        last = end
