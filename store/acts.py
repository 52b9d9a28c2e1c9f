"""The acts of a room: who is who follows from them, and they are never forgotten.

Derived from the logs, in the transaction that says how far, and could be derived again.
Functions of a connection, to be run by ``store.database``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from store.autobase import Place
from store.database import Connection
from store.hypercore.wire import read_uint, write_uint


class StoredAct(NamedTuple):
    """One act with what its author had seen."""

    place: Place
    seen: Mapping[bytes, int]
    """How much of each log the entry had seen, its own left out."""
    clocks: Mapping[bytes, int]
    """Of the last entry the author had seen, for devices that the act names."""
    data: bytes
    """The operation, opened and found authentic."""


def add(connection: Connection, row: int, act: StoredAct) -> None:
    """Keep an act of a log that was begun; so was every log it had seen."""
    numbers = _numbers(connection, row)
    connection.execute(
        "INSERT INTO act (writer, sequence, clock, seen, clocks, data)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            numbers[act.place.writer],
            act.place.sequence,
            act.place.clock,
            _encoded(numbers, act.seen),
            _encoded(numbers, act.clocks),
            act.data,
        ),
    )


def every(connection: Connection, row: int) -> Iterator[StoredAct]:
    """All acts of a room, in the order of their places."""
    keys = {number: key for key, number in _numbers(connection, row).items()}
    found: Iterator[Any] = connection.execute(
        "SELECT a.clock, w.key, a.sequence, a.seen, a.clocks, a.data"
        " FROM act a JOIN writer w ON w.id = a.writer WHERE w.room = ?"
        " ORDER BY a.clock, w.key, a.sequence",
        (row,),
    )
    for clock, key, sequence, seen, clocks, data in found:
        place = Place(clock, key, sequence)
        yield StoredAct(place, _decoded(keys, seen), _decoded(keys, clocks), data)


def _numbers(connection: Connection, row: int) -> dict[bytes, int]:
    found: Iterator[Any] = connection.execute(
        "SELECT key, id FROM writer WHERE room = ?", (row,)
    )
    return dict(found)


def _encoded(numbers: Mapping[bytes, int], values: Mapping[bytes, int]) -> bytes:
    parts = []
    for key, value in values.items():
        if key in numbers:
            parts += [write_uint(numbers[key]), write_uint(value)]
    return b"".join(parts)


def _decoded(keys: Mapping[int, bytes], data: bytes) -> dict[bytes, int]:
    values: dict[bytes, int] = {}
    at = 0
    while at < len(data):
        number, at = read_uint(data, at)
        value, at = read_uint(data, at)
        values[keys[number]] = value
    return values
