"""What an entry of a room's log says, and how it becomes bytes.

An operation is the payload of an entry::

    uint type | uint sent at, ms | body by type

Where it stands among the others says the entry that carries it (``store/autobase``).
Types this version does not know are kept as ``Unknown``. Names lose what is not
printable when they are read. The bodies stand in ``acts`` and ``contents``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from app.rooms.operations import acts, contents
from app.rooms.operations.acts import Act
from app.rooms.operations.contents import Content, Newer
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError

NEWER: Final = 1 << 32
"""Added to the number of contents whose schema this version does not know."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something a newer version of Covey wrote."""

    type: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Nothing but what the entry links to."""


Body = Act | Content | Acknowledge | Unknown


@dataclass(frozen=True, slots=True)
class Operation:
    """A body and when it was said."""

    sent_at: int
    """Milliseconds since 1970 by the author's clock, for people to read."""
    body: Body


def number_of(body: Body) -> int:
    """The number of a body's sort; of one in a newer schema a number of its own."""
    if isinstance(body, Newer):
        return NEWER + body.type
    if isinstance(body, Unknown):
        return body.type
    return _WRITERS[type(body)][0]


def encode_operation(operation: Operation) -> bytes:
    """The bytes drawn in the module's docstring; none for ``Acknowledge``."""
    if isinstance(operation.body, Acknowledge):
        return b""
    number, write = _WRITERS[type(operation.body)]
    writer = Writer()
    if isinstance(operation.body, Unknown):
        number = operation.body.type
    writer.uint(number).uint(operation.sent_at)
    write(writer, operation.body)
    return writer.finish()


def decode_operation(data: bytes) -> Operation:
    """The inverse of ``encode_operation``.

    Raises:
        RemoteProtocolError: These are not the bytes of an operation.
    """
    reader = Reader(data)
    number = reader.uint()
    sent_at = reader.uint()
    read = _READERS.get(number)
    body: Body
    if read is None:
        return Operation(sent_at, Unknown(number, reader.raw()))
    body = read(reader)
    if reader.remaining:
        raise RemoteProtocolError("bytes after the operation")
    return Operation(sent_at, body)


def _write_unknown(writer: Writer, body: Unknown) -> None:
    writer.raw(body.body)


_WRITERS: dict[type[Any], tuple[int, Callable[[Writer, Any], None]]] = {
    **acts.WRITERS,
    **contents.WRITERS,
    Unknown: (0, _write_unknown),
}
_READERS: dict[int, Callable[[Reader], Body]] = {**acts.READERS, **contents.READERS}
