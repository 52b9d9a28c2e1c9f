"""Links as QR codes: a picture somebody's telephone can read, and the same in text."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
import segno

from app.errors import UserFacingError
from app.rooms.invitations import Link, decode_link
from app.rooms.qr_codes import (
    QUIET_MODULES,
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


def test_an_svg_is_one_picture() -> None:
    root = ElementTree.fromstring(svg_code(LINK))
    side = str(len(modules()))
    assert root.attrib["viewBox"] == f"0 0 {side} {side}"


def test_a_code_reads_as_the_link() -> None:
    assert decode_link(LINK.upper()) == decode_link(LINK)


@pytest.mark.parametrize("make", [terminal_code, svg_code])
def test_only_links_become_codes(make: object) -> None:
    assert callable(make)
    with pytest.raises(UserFacingError) as told:
        make("https://example.org")
    assert told.value.code == "bad-invite"
