"""The emoji there are, and how they are found."""

from __future__ import annotations

from PySide6.QtGui import QFontDatabase, QRawFont

import assets
from ui import emoji


def test_every_line_is_whole_and_no_sign_comes_twice() -> None:
    everything = emoji.everything()
    assert len(everything) > 1200
    signs = [it.sign for it in everything]
    assert len(signs) == len(set(signs))
    assert {it.group for it in everything} == set(emoji.GROUPS)
    assert all(it.name and it.name == it.name.lower() for it in everything)


def test_groups_stay_together_in_their_order() -> None:
    order = [emoji.GROUPS.index(it.group) for it in emoji.everything()]
    assert order == sorted(order)


def test_the_font_has_the_signs() -> None:
    font = QRawFont(str(assets.path("fonts/NotoColorEmoji.ttf")), 20)
    assert QFontDatabase is not None
    lacking = [
        it.sign
        for it in emoji.everything()
        if len(it.sign) == 1 and not font.supportsCharacter(ord(it.sign))
    ]
    assert lacking == []


def test_the_best_comes_first() -> None:
    assert emoji.search("heart", limit=3)[0].sign == "\u2764\ufe0f"
    assert emoji.search(":tada:", limit=3)[0].sign == "\U0001f389"
    assert emoji.search("hea", limit=3)[0].code == "heart"
    assert emoji.search("face tears", limit=3)[0].sign == "\U0001f602"
    assert emoji.search("germ", limit=9)[0].name == "flag germany" or any(
        it.name == "flag germany" for it in emoji.search("germ", limit=9)
    )


def test_nothing_is_found_by_nothing() -> None:
    assert emoji.search("", limit=5) == []
    assert emoji.search("  :", limit=5) == []
    assert emoji.search("zzzz", limit=5) == []


def test_tones_go_on_hands_only() -> None:
    wave = emoji.by_sign("\U0001f44b")
    sun = emoji.by_sign("\u2600\ufe0f")
    assert wave is not None
    assert sun is not None
    assert wave.with_tone(3) == "\U0001f44b\U0001f3fd"
    assert wave.with_tone(0) == "\U0001f44b"
    assert wave.with_tone(99) == "\U0001f44b"
    assert sun.with_tone(3) == sun.sign
    assert emoji.by_sign("\U0001f44b\U0001f3fd") == wave
