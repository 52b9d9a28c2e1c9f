"""Frames of the control socket: a length and one JSON object.

    uint32 length, little endian | UTF-8 JSON object

The first frame of each side is ``{"covey": VERSION}``; what follows is described in
``app/control.py``.
"""

from __future__ import annotations

import json
from typing import Any

from net.errors import RemoteProtocolError

VERSION = 1
HEADER_BYTES = 4
MAX_CALL_BYTES = 1024 * 1024
"""Largest frame a client may send."""
MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""Largest frame a core may send."""
MAX_CALLS_AT_ONCE = 256
"""Calls of one client that the core works on; further ones wait for a place."""


def encode_frame(value: dict[str, Any]) -> bytes:
    """One object as a frame."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "replace"
    )
    return len(body).to_bytes(HEADER_BYTES, "little") + body


class FrameReader:
    """Cuts received bytes into objects.

    Attributes:
        max_bytes: Largest frame accepted.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._buffer = bytearray()

    def receive_data(self, data: bytes) -> list[dict[str, Any]]:
        """Take bytes and give the objects that became whole.

        Raises:
            RemoteProtocolError: A frame is too large, or is no JSON object.
        """
        self._buffer += data
        found: list[dict[str, Any]] = []
        while len(self._buffer) >= HEADER_BYTES:
            size = int.from_bytes(self._buffer[:HEADER_BYTES], "little")
            if size > self.max_bytes:
                raise RemoteProtocolError(
                    f"a frame of {size} bytes, at most {self.max_bytes} allowed",
                    code="too-large",
                )
            end = HEADER_BYTES + size
            if len(self._buffer) < end:
                break
            found.append(_decode(bytes(self._buffer[HEADER_BYTES:end])))
            del self._buffer[:end]
        return found


def check_hello(value: dict[str, Any]) -> None:
    """Check the other side's first frame.

    Raises:
        RemoteProtocolError: It speaks another version.
    """
    version = value.get("covey")
    if version != VERSION:
        raise RemoteProtocolError(f"control protocol {version}", code="version")


def _decode(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("a frame that is no JSON") from error
    if not isinstance(value, dict):
        raise RemoteProtocolError("a frame that is no object")
    return value
