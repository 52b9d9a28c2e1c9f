"""Pictures that QML asks for by address: coloured icons and QR codes.

``image://icon/NAME/RRGGBB`` is an icon of :mod:`assets` in one colour;
``image://qr/HEX`` is a QR code of the bytes given in hex, one pixel a module, made
by ``segno``. Both are drawn on the window's thread, when first shown.
"""

from __future__ import annotations

import re

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QSize
from PySide6.QtGui import QColor, QImage, QImageReader
from PySide6.QtQuick import QQuickImageProvider

import assets

QUIET_ZONE_MODULES = 4
"""White border that a QR code needs, in modules."""

MAX_QR_BYTES = 1500
"""More than this is refused: nobody could scan it."""

_ICON = re.compile(r"([a-z0-9-]+)/([0-9a-fA-F]{6})")


class IconProvider(QQuickImageProvider):
    """Draws an icon of the set in the colour that the theme wants."""

    def __init__(self) -> None:
        super().__init__(QQuickImageProvider.ImageType.Image)

    def requestImage(self, id: str, size: QSize, requestedSize: QSize) -> QImage:
        """Draw the icon; a null image for a name that is not in the set."""
        match = _ICON.fullmatch(id)
        if match is None:
            return QImage()
        name, colour = match.groups()
        source = assets.read(f"icons/{name}.svg")
        source = source.replace(b"currentColor", f"#{colour}".encode())
        buffer = QBuffer()
        buffer.setData(QByteArray(source))
        buffer.open(QIODevice.OpenModeFlag.ReadOnly)
        reader = QImageReader(buffer, QByteArray(b"svg"))
        wanted = requestedSize if requestedSize.width() > 0 else reader.size()
        reader.setScaledSize(wanted)
        size.setWidth(wanted.width())
        size.setHeight(wanted.height())
        return reader.read()


class QrProvider(QQuickImageProvider):
    """Draws a QR code, dark on white in every theme so that cameras read it."""

    def __init__(self) -> None:
        super().__init__(QQuickImageProvider.ImageType.Image)

    def requestImage(self, id: str, size: QSize, requestedSize: QSize) -> QImage:
        """Draw the code; a null image for what cannot be one."""
        del requestedSize
        try:
            content = bytes.fromhex(id)
        except ValueError:
            return QImage()
        image = qr_image(content)
        size.setWidth(image.width())
        size.setHeight(image.height())
        return image


def qr_source(text: str) -> str:
    """The address under which QML gets the QR code of a text."""
    return f"image://qr/{text.encode().hex()}"


def qr_image(content: bytes) -> QImage:
    """A QR code with its quiet zone, one pixel a module."""
    if not 0 < len(content) <= MAX_QR_BYTES:
        return QImage()
    import segno

    code = segno.make(content.decode("utf-8", "replace"), error="m", micro=False)
    rows = [bytes(row) for row in code.matrix_iter(border=QUIET_ZONE_MODULES)]
    side = len(rows)
    image = QImage(side, side, QImage.Format.Format_RGB32)
    image.fill(QColor("white"))
    dark = QColor("#10201e").rgb()
    for y, row in enumerate(rows):
        for x, module in enumerate(row):
            if module:
                image.setPixel(x, y, dark)
    return image
