"""What counts as a word, in any script."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.search.words import (
    MAX_TEXT_CHARS,
    MAX_WORD_CHARS,
    fold,
    folded_sizes,
    normalise,
    runs,
    words,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't STOP", "don t stop"),
        ("naïve NAI\u0308VE Ångström", "naive naive angstrom"),
        ("Straße İstanbul Ελλάς", "strasse istanbul ελλασ"),
        ("https://a.example/b_c?d=1 @ada", "https a example b c d 1 ada"),
        ("soft\u00adhyphen zero\u200bwidth", "softhyphen zero width"),
        ("\uff46\uff55\uff4c\uff4c ﬁne ½", "full fine 1 2"),
        ("東京タワー", "東京 京タ タワ ワー ー"),
        ("手", "手"),
        ("iPhone手机3", "iphone 手机 机 3"),
        ("한국어", "한국 국어 어"),
        ("\u1112\u1161\u11ab", "한"),
        ("ไทยดี", "ไท ทย ยด ดี ี"),
        ("हिन्दी", "हिन्दी"),
        ("ガ カ\u3099 ｶﾞ ハ", "ガ ガ ガ ハ"),
        ("👍🏽 👨\u200d👩", "👍🏽 🏽 👨👩 👩"),
        ("❤\ufe0f 1\ufe0f\u20e3", "❤ 1"),
        ("a\ud800b \x00 c", "a b c"),
        ('"*^:(){}-+', ""),
        ("", ""),
    ],
)
def test_a_text_falls_into_these_words(text: str, expected: str) -> None:
    assert words(normalise(text)) == expected


def test_long_words_and_long_texts_are_cut() -> None:
    long = "x" * (MAX_WORD_CHARS + 1)
    assert words(long).split() == ["x" * MAX_WORD_CHARS, "x"]
    assert len(normalise("y" * (MAX_TEXT_CHARS + 1))) == MAX_TEXT_CHARS
    # Composed forms that fall apart for good.
    assert len(normalise("\u0958" * MAX_TEXT_CHARS)) == MAX_TEXT_CHARS


@given(st.text(st.characters()))
def test_no_word_holds_a_sign_of_the_query_language(text: str) -> None:
    kept = normalise(text)
    assert normalise(kept) == kept
    for word in words(kept).split(" "):
        assert not re.search(r'[\x00-/:-@\[-`{-\x7f"]', word)
        assert word == word.strip()


@given(st.text(st.characters()))
def test_every_folded_character_has_its_origin(text: str) -> None:
    kept = normalise(text)
    folded = fold(kept)
    assert sum(folded_sizes(kept)) == len(folded)
    rest = folded
    for run in runs(folded):
        assert folded[run.start : run.end] == run.text
        rest = rest.replace(run.text, "", 1)
    assert rest.strip(" ") == ""
