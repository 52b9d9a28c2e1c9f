"""Contents: operations by which people speak, and how they become bytes.

::

    2 Message  string text, uint flags (1: reply), [fixed32 entry replied to]

What is shown of them is the business of ``store/history.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from net.encoding import Reader, Writer

MAX_TEXT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """Somebody says something."""

    text: str
    reply_to: bytes | None = None
    """Hash of the entry it answers."""


Content = Message


def _write_message(writer: Writer, body: Message) -> None:
    writer.string(body.text)
    if body.reply_to is None:
        writer.uint(0)
    else:
        writer.uint(1).fixed(body.reply_to, 32)


def _read_message(reader: Reader) -> Message:
    text = reader.string(max_bytes=MAX_TEXT_BYTES)
    flags = reader.uint()
    return Message(text, reader.fixed(32) if flags & 1 else None)


WRITERS: dict[type[Any], tuple[int, Callable[[Writer, Any], None]]] = {
    Message: (2, _write_message),
}
READERS: dict[int, Callable[[Reader], Content]] = {
    2: _read_message,
}
