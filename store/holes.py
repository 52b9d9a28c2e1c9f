"""Holes of a room's logs: blocks that are gone for good, and what keeps their places.

A message that was deleted, or whose time is over, leaves its log: its block is cleared
and only clock and links stay here, without which the order of what follows could not be
told. Where somebody else told of a hole, it is kept who. Deciding what becomes one is
the business of ``app/rooms``; functions of a connection, as in ``store.rooms``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from store.autobase import Link
from store.contents import DELETE, EDIT
from store.contents.wiping import Block
from store.database import Connection
from store.hypercore.bitfield import Bitfield
from store.hypercore.wire import read_bytes, read_uint, write_uint

_KEY_BYTES = 32
_CORE = (
    "(SELECT c.id << 40 FROM writer w JOIN core c ON c.discovery_key = w.log"
    " WHERE w.room = ?1 AND w.key = ?2)"
)
_WRITER = "(SELECT id FROM writer WHERE room = ?1 AND key = ?2)"


@dataclass(frozen=True, slots=True)
class Hole:
    """The place of a block that is gone."""

    writer: bytes
    """Key of its log."""
    sequence: int
    clock: int
    links: tuple[Link, ...]
    source: bytes = b""
    """Device that told of it; empty when the block was here."""


def keep(connection: Connection, room: int, holes: Iterable[Hole]) -> None:
    """Remember holes; of one that is known nothing changes."""
    connection.executemany(
        "INSERT OR IGNORE INTO hole (writer, sequence, clock, links, source)"
        f" SELECT {_WRITER}, ?3, ?4, ?5, ?6 WHERE {_WRITER} IS NOT NULL",
        [
            (
                room,
                hole.writer,
                hole.sequence,
                hole.clock,
                _links_text(hole.links),
                hole.source,
            )
            for hole in holes
        ],
    )


def drop(connection: Connection, room: int, writer: bytes, sequence: int) -> None:
    """Forget a hole that is none."""
    connection.execute(
        f"DELETE FROM hole WHERE writer = {_WRITER} AND sequence = ?3",
        (room, writer, sequence),
    )


def between(
    connection: Connection,
    room: int,
    writer: bytes,
    start: int,
    end: int,
    *,
    limit: int = -1,
) -> list[Hole]:
    """The holes of a log from ``start`` to before ``end``, in order.

    Args:
        connection: Anybody's.
        room: Row of the room.
        writer: Whose log.
        start: First number.
        end: The number behind the last one.
        limit: At most this many; -1 for all.
    """
    found = connection.execute(
        "SELECT sequence, clock, links, source FROM hole"
        f" WHERE writer = {_WRITER} AND sequence >= ?3 AND sequence < ?4"
        " ORDER BY sequence LIMIT ?5",
        (room, writer, start, end, limit),
    )
    return [
        Hole(writer, sequence, clock, _read_links(links), source)
        for sequence, clock, links, source in found
    ]


def one(connection: Connection, room: int, writer: bytes, sequence: int) -> Hole | None:
    """A hole, if there is one at this place."""
    found = between(connection, room, writer, sequence, sequence + 1)
    return found[0] if found else None


def of_room(connection: Connection, room: int) -> dict[bytes, Bitfield]:
    """Where the logs of a room have holes, by writer."""
    found = connection.execute(
        "SELECT w.key, h.sequence FROM writer w JOIN hole h ON h.writer = w.id"
        " WHERE w.room = ? ORDER BY w.id, h.sequence",
        (room,),
    )
    numbers: dict[bytes, list[int]] = {}
    for writer, sequence in found:
        numbers.setdefault(writer, []).append(sequence)
    holes: dict[bytes, Bitfield] = {}
    for writer, sequences in numbers.items():
        bits = holes[writer] = Bitfield()
        bits.set_all(sequences)
    return holes


def reach_of(
    connection: Connection, room: int, writer: bytes, holes: Bitfield, length: int
) -> int:
    """How far a log reaches on the disk if its holes count as there.

    Args:
        connection: Anybody's.
        room: Row of the room.
        writer: Whose log.
        holes: Where they are.
        length: Blocks that are signed.
    """
    blocks = Bitfield()
    contiguous = 0
    for start, kind, page, bits in connection.execute(
        "SELECT c.contiguous, p.kind, p.page, p.bits FROM writer w"
        " JOIN core c ON c.discovery_key = w.log"
        " LEFT JOIN core_page p ON p.core = c.id AND p.kind = 0"
        " WHERE w.room = ? AND w.key = ?",
        (room, writer),
    ):
        contiguous = start
        if kind is not None:
            blocks.load_page(page, bits)
    return reach(blocks, holes, contiguous, length)


def reach(blocks: Bitfield, holes: Bitfield, start: int, length: int) -> int:
    """The first place from ``start`` on, below ``length``, with neither of the two."""
    at = blocks.first_unset(start)
    while at < length:
        behind = holes.first_unset(at)
        if behind == at:
            break
        at = blocks.first_unset(behind)
    return min(at, length)


def is_stored(
    connection: Connection, room: int, writer: bytes, start: int, end: int
) -> bool:
    """True when every place of a range has a block or a hole, or gets it just now."""
    ((blocks,),) = connection.execute(
        "SELECT count(*) FROM core_block"
        f" WHERE id >= {_CORE} + ?3 AND id < {_CORE} + ?4",
        (room, writer, start, end),
    ).fetchall()
    assert isinstance(blocks, int)
    if blocks >= end - start:
        return True
    ((holes,),) = connection.execute(
        f"SELECT count(*) FROM hole h WHERE h.writer = {_WRITER}"
        " AND h.sequence >= ?3 AND h.sequence < ?4 AND NOT EXISTS"
        f" (SELECT 1 FROM core_block WHERE id = {_CORE} + h.sequence)",
        (room, writer, start, end),
    ).fetchall()
    assert isinstance(holes, int)
    return blocks + holes >= end - start


def log(
    connection: Connection, room: int, writer: bytes, start: int, end: int
) -> Iterator[bytes | Hole]:
    """A log from ``start`` to before ``end``, or to the first place with nothing."""
    missing = iter(between(connection, room, writer, start, end))
    hole = next(missing, None)
    at = start
    for sequence, block in stored(connection, room, writer, start, end):
        while hole is not None and hole.sequence <= sequence:
            if at <= hole.sequence < sequence:
                if hole.sequence != at:
                    return
                yield hole
                at += 1
            hole = next(missing, None)
        if sequence != at:
            return
        yield block
        at += 1
    while hole is not None and hole.sequence == at:
        yield hole
        at += 1
        hole = next(missing, None)


def stored(
    connection: Connection, room: int, writer: bytes, start: int, end: int
) -> Iterator[tuple[int, bytes]]:
    """The blocks of a log that are here, with their numbers, gaps or not."""
    found = connection.execute(
        f"SELECT id - {_CORE}, data FROM core_block"
        f" WHERE id >= {_CORE} + ?3 AND id < {_CORE} + ?4 ORDER BY id",
        (room, writer, start, end),
    )
    for sequence, data in found:
        assert isinstance(sequence, int)
        assert isinstance(data, bytes)
        yield sequence, data


def ripe(
    connection: Connection,
    room: int,
    *,
    until_clock: int,
    others_until_clock: int,
    limit: int,
) -> list[Block]:
    """Blocks to be cleared now: expired, or deleted long enough ago.

    Args:
        connection: Anybody's.
        room: Row of the room.
        until_clock: Deletions of one's own words after this are waited with.
        others_until_clock: The same of words of others: they may still turn out void.
        limit: At most this many.
    """
    found = connection.execute(
        "SELECT w.key, b.sequence FROM writer w CROSS JOIN content_clear b"
        " ON b.writer = w.id"
        " LEFT JOIN content m ON m.writer = b.writer AND m.sequence = b.sequence"
        " LEFT JOIN change e ON e.writer = b.writer AND e.sequence = b.sequence"
        " AND e.kind = ?2"
        " WHERE w.room = ?1 AND NOT EXISTS (SELECT 1 FROM change d"
        " WHERE d.target = coalesce(m.arrival, e.target) AND d.kind = ?3"
        " AND d.shown = 1 AND d.clock > CASE WHEN d.identity ="
        " coalesce(w.identity, w.key) THEN ?4 ELSE ?5 END)"
        " ORDER BY w.key, b.sequence LIMIT ?6",
        (room, EDIT, DELETE, until_clock, others_until_clock, limit),
    )
    return [Block(writer, sequence) for writer, sequence in found]


def _links_text(links: Sequence[Link]) -> bytes:
    return b"".join(link.writer + write_uint(link.length) for link in links)


def _read_links(data: bytes) -> tuple[Link, ...]:
    links = []
    at = 0
    while at < len(data):
        writer, at = read_bytes(data, at, _KEY_BYTES)
        length, at = read_uint(data, at)
        links.append(Link(writer, length))
    return tuple(links)
