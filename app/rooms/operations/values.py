"""Values that several operations have in common."""

from __future__ import annotations

from typing import TypeVar

from app.rooms.roles import Kind, Role
from net.encoding import Reader
from net.errors import RemoteProtocolError

MAX_NAME_BYTES = 256
NO_NAME = "?"
"""Stands for a name of which nothing is printable."""

E = TypeVar("E", Kind, Role)


def read_name(reader: Reader) -> str:
    """A name of a person or room, without what could steer a terminal."""
    raw = reader.string(max_bytes=MAX_NAME_BYTES)
    kept = "".join(c for c in raw if c.isprintable() or c.isspace())
    return " ".join(kept.split()) or NO_NAME


def enumerated(of: type[E], number: int) -> E:
    """One of an enumeration by the number that travelled.

    Raises:
        RemoteProtocolError: There is none of that number.
    """
    try:
        return of(number)
    except ValueError as error:
        raise RemoteProtocolError(f"no {of.__name__.lower()} {number}") from error
