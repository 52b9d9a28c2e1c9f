"""Marks of others become what the window makes of them, and nothing else."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.markdown import MAX_BLOCKS, MAX_MARKED_CHARS, Block, blocks, may_have_marks

OURS = re.compile(
    r"</?(?:b|i|s|p)>|<br>|</span>|</a>|"
    r'<a href="(?:https?|covey)://[^"<>]*" style="color:LINK">|'
    r'<b style="color:LINK">|'
    r'<span style="color:[A-Z]+">|'
    r'<span style="font-family:monospace; background-color:CODE">|'
    r'<p style="margin: 2px 0 2px \d+px; text-indent:-\d+px">'
)


def one(text: str) -> Block:
    (found,) = blocks(text)
    return found


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("**b** *i* ~~s~~", "<b>b</b> <i>i</i> <s>s</s>"),
        ("a\nb", "a<br>b"),
        ("a\n\nb", "a<br><br>b"),
        ("snake_case_name", "snake_case_name"),
        ("a * b * c", "a * b * c"),
        (r"\*plain\*", "*plain*"),
        ("# no heading", "# no heading"),
        ("![x](y)", "![x](y)"),
        ("[x](y)", "[x](y)"),
        ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"),
        ("&lt;", "&amp;lt;"),
    ],
)
def test_marks(text: str, body: str) -> None:
    assert one(text) == Block("text", body, one(text).plain)


def test_a_link_is_one_piece_whatever_marks_it_has() -> None:
    link = "https://example.org/a_b*c*~~d~~?q=**x**"
    assert f'<a href="{link}" style="color:LINK">{link}</a>!' in one(f"{link}!").body
    assert "<a " not in one("javascript://alert(1) and file:///etc/passwd").body


def test_pieces_come_in_order() -> None:
    text = "see\n```python\nx = '<b>'  # hi\n```\n> said\nbelow\n- one\n- two"
    found = blocks(text)
    assert [it.kind for it in found] == ["text", "code", "quote", "text"]
    assert found[1].plain == "x = '<b>'  # hi"
    assert found[1].language == "python"
    assert "&lt;b&gt;" in found[1].body
    assert 'style="color:COMMENT"' in found[1].body
    assert found[2].plain == "said"
    assert "below" in found[3].plain
    assert "\u2022 two" in found[3].plain


def test_code_of_an_unknown_language_is_shown_plainly() -> None:
    found = one("```nonsense-9\n<i>1</i>\n```")
    assert found.body == "&lt;i&gt;1&lt;/i&gt;"


def test_a_line_that_begins_a_fence_in_code_stays_code() -> None:
    found = one("```\n> a\nb\n```")
    assert (found.kind, found.plain) == ("code", "> a\nb")


def test_names_stand_out_only_where_they_are_called() -> None:
    (found,) = blocks("@Grace, Grace and @Graceful **x**", ("Grace",))
    assert found.body.count('<b style="color:LINK">@Grace</b>') == 1


@pytest.mark.parametrize(
    "text",
    [
        "> " * 60 + "deep",
        "* " * 300 + "deep",
        "*" * 3000 + "a",
        "[" * 3000,
        "`" * 2999 + " x",
        "**a" * 900,
        "- a\n" * 1900,
        "```\n" * 300,
    ],
)
def test_hostile_text_loses_nothing_and_ends(text: str) -> None:
    found = blocks(text)
    assert len(found) <= MAX_BLOCKS
    if found:
        shown = "".join(it.plain + it.language for it in found)
        assert sum(map(str.isalpha, shown)) == sum(map(str.isalpha, text))


def test_a_very_long_text_is_left_alone() -> None:
    text = "**x** " * (MAX_MARKED_CHARS // 5)
    assert not may_have_marks(text)
    assert blocks(text) == ()


PIECES = st.sampled_from(
    [
        *(
            "*",
            "**",
            "_",
            "~~",
            "`",
            "```",
            "\n",
            "> ",
            "- ",
            "1. ",
            "<b>",
            '"',
            "&",
            "'",
        ),
        *("a", "b ", "https://e.org/", "\\", "](", "![", "@Ada", "\u202e", "\t", "  "),
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_whatever_is_written_only_our_own_elements_come_out(text: str) -> None:
    for found in blocks(text, ("Ada",)):
        rest = OURS.sub("", found.body)
        assert "<" not in rest
        assert ">" not in rest
        assert '"' not in rest
        letters = sum(map(str.isalpha, html.unescape(re.sub(r"<[^>]*>", "", rest))))
        assert letters == sum(map(str.isalpha, found.plain))
