"""Device links as QR codes: for a terminal, and as pictures for a window.

Like those of invites (``app/rooms/qr_codes.py``), in capital letters.
"""

from __future__ import annotations

from app.devices.pairing import decode_device_link
from app.rooms import qr_codes


def terminal_code(link: str) -> str:
    """A code of half blocks; raises ``bad-link`` or ``version``."""
    return qr_codes.terminal_picture(_text(link))


def svg_code(link: str) -> str:
    """A code as an SVG picture; raises like ``terminal_code``."""
    return qr_codes.svg_picture(_text(link))


def _text(link: str) -> str:
    return decode_device_link(link).encode().upper()
