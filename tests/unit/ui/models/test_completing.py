"""Which word is completed, and with what."""

from __future__ import annotations

import pytest

from app.snapshots import MemberSnapshot
from ui.models.completing import MAX_COMPLETIONS, Completions


@pytest.fixture
def completions() -> Completions:
    found = Completions()
    found.set_members(
        [
            MemberSnapshot("a" * 64, "Ada Lovelace", "owner", 1, True, me=True),
            MemberSnapshot("b" * 64, "Grace Hopper", "member", 1, True),
            MemberSnapshot("c" * 64, "Emmy\u202e Noether", "member", 1, True),
        ]
    )
    return found


def labels(found: Completions, text: str) -> list[str]:
    cursor = text.index("|")
    found.look(text.replace("|", ""), cursor)
    return [row.label for row in found.rows]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("@|", ["Emmy Noether", "Grace Hopper"]),
        ("hi @hop|", ["Grace Hopper"]),
        ("hi (@gr| there", ["Grace Hopper"]),
        ("@ada|", []),
        ("mail@gr|", []),
        ("@grace hopper|", []),
        ("12:30|", []),
        (":t|", []),
        ("", []),
    ],
)
def test_names(completions: Completions, text: str, wanted: list[str]) -> None:
    assert labels(completions, text if "|" in text else "|") == wanted


def test_emoji_by_two_letters_and_where_the_word_begins(
    completions: Completions,
) -> None:
    assert ":tada:" in labels(completions, "so :tad|")
    assert completions.property("start") == 3
    assert len(labels(completions, ":he|")) == MAX_COMPLETIONS
    completions.clear()
    assert completions.rowCount() == 0
