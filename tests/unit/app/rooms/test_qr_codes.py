"""Links as QR codes: a picture somebody's telephone can read, and the same in text."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree
import zlib

import pytest
import segno

from app.errors import UserFacingError
from app.rooms.invitations import Link, decode_link
from app.rooms.qr_codes import (
    PICTURE_SCALE,
    QUIET_MODULES,
    png_code,
    svg_code,
    terminal_code,
)

LINK = Link(bytes(range(16)), b"r" * 32, 1_800_000_000, approval=True).encode()


def modules() -> list[list[bool]]:
    """Which modules of the link's code are dark."""
    code = segno.make(LINK.upper(), error="m", micro=False)
    return [[bool(x) for x in row] for row in code.matrix_iter(border=QUIET_MODULES)]


def test_a_terminal_shows_every_module() -> None:
    lines = terminal_code(LINK).split("\n")
    lights = {"█": (True, True), "▀": (True, False), "▄": (False, True)}
    rows: list[list[bool]] = []
    for line in lines:
        pairs = [lights.get(letter, (False, False)) for letter in line]
        rows += [[not upper for upper, _ in pairs], [not low for _, low in pairs]]
    assert rows[: len(modules())] == modules()
    assert len(rows) - len(modules()) in (0, 1)


def scanlines(data: bytes) -> list[bytes]:
    """The rows of a PNG with one bit a pixel, its filters undone."""
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert (depth, colour) == (1, 0)
    start = data.index(b"IDAT") + 4
    (size,) = struct.unpack(">I", data[start - 8 : start - 4])
    pixels = zlib.decompress(data[start : start + size])
    stride = -(-width // 8)
    assert len(pixels) == height * (stride + 1)
    rows = [bytes(stride)]
    for at in range(0, len(pixels), stride + 1):
        row = pixels[at + 1 : at + 1 + stride]
        if pixels[at] == 2:
            row = bytes((a + b) & 255 for a, b in zip(row, rows[-1], strict=True))
        else:
            assert pixels[at] == 0
        rows.append(row)
    return rows[1:]


def test_a_png_has_the_code() -> None:
    rows = scanlines(png_code(LINK))
    assert len(rows) == len(modules()) * PICTURE_SCALE
    middle = PICTURE_SCALE // 2
    for y, row in enumerate(modules()):
        line = rows[y * PICTURE_SCALE + middle]
        for x, dark in enumerate(row):
            bit = x * PICTURE_SCALE + middle
            assert bool(line[bit >> 3] >> (7 - (bit & 7)) & 1) is not dark


def test_an_svg_is_one_picture() -> None:
    root = ElementTree.fromstring(svg_code(LINK))
    side = str(len(modules()))
    assert root.attrib["viewBox"] == f"0 0 {side} {side}"


def test_a_code_reads_as_the_link() -> None:
    assert decode_link(LINK.upper()) == decode_link(LINK)


@pytest.mark.parametrize("make", [terminal_code, svg_code, png_code])
def test_only_links_become_codes(make: object) -> None:
    assert callable(make)
    with pytest.raises(UserFacingError) as told:
        make("https://example.org")
    assert told.value.code == "bad-invite"
