"""How letters fit names, and how what was found is marked."""

from __future__ import annotations

import pytest

from app.snapshots import MessageSnapshot, SearchHit
from ui.models.finder import marked
from ui.models.switcher import fit


@pytest.mark.parametrize(
    ("query", "name", "score"),
    [
        ("", "Garden", 0),
        ("gar", "Garden collective", 0),
        ("COLL", "Garden collective", 1),
        ("den", "Garden", 2),
        ("gc", "Garden collective", 9),
        ("zz", "Garden", None),
        ("garden of", "Garden", None),
    ],
)
def test_letters_fit_a_name(query: str, name: str, score: int | None) -> None:
    assert fit(query, name) == score


def hit(snippet: str, *ranges: tuple[int, int], cut: bool = False) -> SearchHit:
    message = MessageSnapshot("1", "r", "a", "Ada", snippet, 0, mine=False)
    return SearchHit(message, "Room", snippet, ranges, cut, cut, 1)


def test_what_was_found_is_marked_and_everything_escaped() -> None:
    assert marked(hit("a <i>b</i>", (2, 5))) == "a <b>&lt;i&gt;</b>b&lt;/i&gt;"
    assert marked(hit("one\ntwo", (4, 7), cut=True)) == "\u2026one <b>two</b>\u2026"


@pytest.mark.parametrize("ranges", [((5, 2),), ((0, 99),), ((2, 3), (0, 1))])
def test_ranges_that_are_none_are_left_out(ranges: tuple[tuple[int, int], ...]) -> None:
    assert marked(hit("word", *ranges)).replace("<b>", "").replace("</b>", "") == "word"
