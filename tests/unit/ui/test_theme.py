"""Contrast of what the theme puts together, by the formula of WCAG 2."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QColor
from PySide6.QtQml import QQmlComponent, QQmlEngine

from ui.application import _QML_ROOT

AA_TEXT = 4.5
AA_SHAPES = 3.0

TEXT_ON_GROUND = [
    *(
        (ink, ground)
        for ink in ("text", "muted", "faint")
        for ground in ("window", "surface", "raised", "sunken", "field", "hover")
    ),
    *(("text", ground) for ground in ("pressed", "selected", "badSoft", "warnSoft")),
    ("muted", "selected"),
    ("faint", "selected"),
    ("faint", "pressed"),
    ("accentText", "surface"),
    ("accentText", "window"),
    ("accentText", "raised"),
    ("accentText", "selected"),
    ("accentText", "accentSoft"),
    ("accentText", "theirs"),
    ("accentText", "hover"),
    ("accentInk", "accent"),
    ("accentInk", "accentHover"),
    ("accentInk", "accentPressed"),
    ("badInk", "badFill"),
    ("bad", "surface"),
    ("bad", "window"),
    ("bad", "raised"),
    ("bad", "selected"),
    ("bad", "badSoft"),
    ("warn", "warnSoft"),
    ("good", "window"),
    ("mineInk", "mine"),
    ("mineMuted", "mine"),
    ("mineLink", "mine"),
    ("text", "theirs"),
    ("faint", "theirs"),
    ("muted", "theirs"),
    *(("mineInk", ground) for ground in ("mineSunken", "mineBar")),
    *(("mineMuted", ground) for ground in ("mineSunken", "mineBar")),
    ("mineLink", "mineSunken"),
    *((ink, "accentSoft") for ink in ("text", "muted")),
    ("accentText", "sunken"),
    *(
        (ink, "codeGround")
        for ink in (
            *("text", "muted", "accentText", "codeComment", "codeKeyword"),
            *("codeString", "codeNumber", "codeName"),
        )
    ),
]
SHAPES_ON_GROUND = [
    *(
        (tone, ground)
        for tone in ("good", "calm", "warn", "bad")
        for ground in ("surface", "raised")
    ),
    ("fieldLine", "window"),
    ("fieldLine", "raised"),
    ("accent", "surface"),
    ("accent", "raised"),
    ("accent", "window"),
]


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> Iterator[QObject]:
    engine = QQmlEngine()
    component = QQmlComponent(engine)
    component.setData(
        b'import QtQuick\nimport "theme"\nQtObject { property QtObject it: Theme }',
        QUrl.fromLocalFile(str(_QML_ROOT) + "/"),
    )
    holder = component.create()
    assert holder is not None, component.errorString()
    theme = holder.property("it")
    theme.setProperty("scheme", request.param)
    yield theme
    del holder, component, engine


def luminance(colour: QColor) -> float:
    def linear(part: float) -> float:
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = (
        linear(part) for part in (colour.redF(), colour.greenF(), colour.blueF())
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: QColor, other: QColor) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def colour(theme: QObject, name: str) -> QColor:
    found = theme.property(name)
    assert isinstance(found, QColor), name
    return found


def test_the_formula_knows_black_on_white() -> None:
    assert contrast(QColor("black"), QColor("white")) == pytest.approx(21)


def test_text_can_be_read_on_every_ground_it_stands_on(theme: QObject) -> None:
    weak = {
        pair: round(found, 2)
        for pair in TEXT_ON_GROUND
        if (found := contrast(colour(theme, pair[0]), colour(theme, pair[1]))) < AA_TEXT
    }
    assert weak == {}


def test_shapes_stand_out_from_their_ground(theme: QObject) -> None:
    weak = {
        pair: round(found, 2)
        for pair in SHAPES_ON_GROUND
        if (found := contrast(colour(theme, pair[0]), colour(theme, pair[1])))
        < AA_SHAPES
    }
    assert weak == {}


def test_initials_and_names_of_all_people_can_be_read(theme: QObject) -> None:
    avatars = [QColor(name) for name in theme.property("avatar").toVariant()]
    authors = [QColor(name) for name in theme.property("author").toVariant()]
    assert len(avatars) == len(authors) == 10
    grounds = [colour(theme, "theirs"), colour(theme, "window")]
    assert [a.name() for a in avatars if contrast(a, QColor("white")) < AA_TEXT] == []
    assert [
        a.name() for a in authors for g in grounds if contrast(a, g) < AA_TEXT
    ] == []
