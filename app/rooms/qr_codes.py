"""Invite links as QR codes: for a terminal, and as pictures for a window.

Links are written in capital letters, which a QR code packs closer and the reader of
links takes as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.rooms.invitations import decode_link

if TYPE_CHECKING:
    from segno import QRCode

QUIET_MODULES = 4
"""Light modules around a code, as the standard wants them."""

_HALVES = {(True, True): "█", (True, False): "▀", (False, True): "▄"}


def terminal_code(link: str) -> str:
    """A code of half blocks, light on dark as most terminals are.

    Raises:
        UserFacingError: ``bad-invite`` or ``version``: it is no link.
    """
    return terminal_picture(_text(link))


def terminal_picture(text: str) -> str:
    """A code of half blocks of any text."""
    rows = [
        [not dark for dark in row]
        for row in _code(text).matrix_iter(border=QUIET_MODULES)
    ]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    lines = (
        "".join(_HALVES.get(pair, " ") for pair in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    )
    return "\n".join(lines)


def svg_code(link: str) -> str:
    """A code as an SVG picture; raises like ``terminal_code``."""
    return svg_picture(_text(link))


def svg_picture(text: str) -> str:
    """A code of any text as an SVG picture."""
    code = _code(text)
    found: str = code.svg_inline(border=QUIET_MODULES, light="#fff", omitsize=True)
    return found


def _text(link: str) -> str:
    return decode_link(link).encode().upper()


def _code(text: str) -> QRCode:
    import segno

    return segno.make(text, error="m", micro=False)
