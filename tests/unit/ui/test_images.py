from __future__ import annotations

import re
from pathlib import Path

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor

import assets
from ui.application import _QML_ROOT, FONT_FILES, ICON_SIZES
from ui.images import MAX_QR_BYTES, IconProvider, QrProvider, qr_image, qr_source


def test_every_icon_that_the_pages_name_is_in_the_set() -> None:
    named: set[str] = set()
    for page in _QML_ROOT.rglob("*.qml"):
        source = page.read_text(encoding="utf-8")
        for line in re.findall(r"(?:symbol|name): [^\n]*", source):
            named |= set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', line))
    named -= {"relayed", "lan", "sending", "here", "failed", "delivered"}
    assert len(named) > 15
    for name in named:
        assert assets.read(f"icons/{name}.svg").startswith(b"<svg"), name


def test_an_icon_is_drawn_in_its_colour_and_size() -> None:
    size = QSize()
    image = IconProvider().requestImage("plus/ff0000", size, QSize(48, 48))
    assert (size.width(), image.width(), image.height()) == (48, 48, 48)
    middle = image.pixelColor(24, 24)
    assert (middle.red(), middle.green(), middle.blue()) == (255, 0, 0)
    assert image.pixelColor(2, 2).alpha() == 0


@pytest.mark.parametrize("name", ["", "plus", "../secret/ffffff", "plus/red"])
def test_what_is_no_icon_is_no_image(name: str) -> None:
    assert IconProvider().requestImage(name, QSize(), QSize()).isNull()


def test_a_qr_code_has_its_border_and_finder_marks() -> None:
    text = "covey://join/abcdefgh"
    identifier = qr_source(text).removeprefix("image://qr/")
    image = QrProvider().requestImage(identifier, QSize(), QSize())
    side = image.width()
    assert side == image.height()
    assert (side - 8 - 17) % 4 == 0
    white, dark = QColor("white"), image.pixelColor(4, 4)
    assert all(image.pixelColor(x, y) == white for x in range(side) for y in range(4))
    for x, y in ((4, 4), (side - 5, 4), (4, side - 5)):
        assert image.pixelColor(x, y) == dark
    assert image.pixelColor(5, 5) == white


@pytest.mark.parametrize("content", [b"", b"x" * (MAX_QR_BYTES + 1)])
def test_what_cannot_be_scanned_is_no_code(content: bytes) -> None:
    assert qr_image(content).isNull()
    assert QrProvider().requestImage("no hex", QSize(), QSize()).isNull()


def test_resources_are_opened_by_name_and_only_inside_their_folder() -> None:
    for name in (*FONT_FILES, *(f"icons/covey-{size}.png" for size in ICON_SIZES)):
        assert assets.path(name).stat().st_size > 100
    for outside in ("../pyproject.toml", "icons", "icons/none.svg", "/etc/passwd"):
        with pytest.raises(FileNotFoundError):
            assets.path(outside)


def test_licences_lie_beside_what_they_cover() -> None:
    folder = Path(assets.path("fonts/OFL-Inter.txt")).parent
    assert "SIL OPEN FONT LICENSE" in (folder / "OFL-Inter.txt").read_text()
    assert "Noto" not in (folder / "OFL-Inter.txt").read_text()
    assert "SIL OPEN FONT LICENSE" in (folder / "OFL-NotoColorEmoji.txt").read_text()
    assert "ISC License" in assets.read("icons/LICENSE-lucide.txt").decode()
