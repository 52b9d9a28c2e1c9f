"""The rooms of a profile: their rows, their logs, and who acknowledged how much.

Functions of a connection, to be run by ``store.database``. What a room means is the
business of ``app/rooms``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from store import contents, drafts
from store.database import Connection
from store.settings import get_setting, set_setting


@dataclass(frozen=True, slots=True)
class LogRow:
    """The log of one writing device, as its core stands on the disk."""

    writer: bytes
    """Device key."""
    discovery_key: bytes
    derived: int
    """Blocks whose meaning stands in the tables of the room."""
    fork: int
    length: int
    """Blocks that are signed."""
    contiguous: int
    """Blocks stored without a gap from the start."""
    signature: bytes
    """Of the tree of ``length``."""
    proof: bytes
    """That the device signed two histories; empty without one."""

    @property
    def forked(self) -> bool:
        """The device signed two histories."""
        return bool(self.proof)


@dataclass(frozen=True, slots=True)
class NewRoom:
    """A room to be kept."""

    room: bytes
    """Its id."""
    key: bytes
    founder: bytes
    """Device key."""
    name: str
    kind: str
    joined_at: int
    """Milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class RoomRow:
    """One room as it is stored."""

    row: int
    room: bytes
    key: bytes
    founder: bytes
    name: str
    kind: str
    joined_at: int
    """Milliseconds since 1970."""
    left_at: int | None


def add_room(connection: Connection, fresh: NewRoom) -> RoomRow:
    """Keep a room; one that was left before is kept again with its logs."""
    connection.execute(
        "INSERT INTO room (room, key, founder, name, kind, joined_at)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (room) DO UPDATE SET left_at = NULL,"
        " key = excluded.key, name = excluded.name, joined_at = excluded.joined_at",
        (
            fresh.room,
            fresh.key,
            fresh.founder,
            fresh.name,
            fresh.kind,
            fresh.joined_at,
        ),
    )
    found = [row for row in list_rooms(connection) if row.room == fresh.room]
    assert len(found) == 1, "a room that was just kept is there"
    return found[0]


def list_rooms(connection: Connection) -> list[RoomRow]:
    """Every room that is not forgotten, in the order in which they came."""
    return [
        RoomRow(*values)
        for values in connection.execute(
            "SELECT id, room, key, founder, name, kind, joined_at, left_at"
            " FROM room WHERE length(key) > 0 ORDER BY id"
        )
    ]


def set_title(connection: Connection, row: int, *, name: str, kind: str) -> None:
    """Remember what the room's own logs say it is."""
    connection.execute(
        "UPDATE room SET name = ?, kind = ? WHERE id = ?", (name, kind, row)
    )


def set_left(connection: Connection, row: int, left_at: int) -> None:
    """Remember that the profile left the room and only its farewell is still due."""
    connection.execute("UPDATE room SET left_at = ? WHERE id = ?", (left_at, row))


def forget_room(connection: Connection, row: int, own_device: bytes) -> None:
    """Forget a room: its key, its name, its messages and who wrote in it.

    The cores of others are purged before. The device's own log stays, sealed and
    unreadable without the key: whoever comes back must go on where it ended, for
    others still hold it.
    """
    contents.forget(connection, row)
    drafts.forget(connection, row)
    tell_removal(connection, row, b"")
    set_setting(connection, f"requests/{row}", b"")
    connection.execute("DELETE FROM room_key WHERE room = ?", (row,))
    connection.execute(
        "DELETE FROM writer WHERE room = ? AND key <> ?", (row, own_device)
    )
    writers = "(SELECT id FROM writer WHERE room = ?)"
    for table in ("act", "held"):
        connection.execute(f"DELETE FROM {table} WHERE writer IN {writers}", (row,))
    connection.execute("UPDATE writer SET length = 0 WHERE room = ?", (row,))
    connection.execute(
        "UPDATE room SET key = x'', name = '', read_arrival = 0, timeline = x'',"
        " firsts = x''"
        " WHERE id = ?",
        (row,),
    )


def tell_removal(connection: Connection, row: int, told: bytes) -> None:
    """Remember that somebody showed this person's removal; empty: forget it."""
    set_setting(connection, f"removal/{row}", told)


def told_removal(connection: Connection, row: int) -> bytes:
    """What ``tell_removal`` got last."""
    return get_setting(connection, f"removal/{row}") or b""


def begin_log(
    connection: Connection, row: int, *, writer: bytes, discovery_key: bytes
) -> None:
    """Have a row for the log of a device, of which nothing is derived yet."""
    connection.execute(
        "INSERT INTO writer (room, key, log) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (row, writer, discovery_key),
    )


def logs(connection: Connection, row: int) -> list[LogRow]:
    """Every log that was begun, in the order of that."""
    found = connection.execute(
        "SELECT w.key, w.log, w.length, coalesce(c.fork, 0), coalesce(c.length, 0),"
        " coalesce(c.contiguous, 0), coalesce(c.signature, x''),"
        " coalesce(w.fork, x'')"
        " FROM writer w LEFT JOIN core c ON c.discovery_key = w.log"
        " WHERE w.room = ? ORDER BY w.id",
        (row,),
    )
    return [LogRow(*values) for values in found]


def stored_length(connection: Connection, row: int, writer: bytes) -> int:
    """How much of a log its core has on the disk, or in this transaction."""
    for (length,) in connection.execute(
        "SELECT c.contiguous FROM writer w JOIN core c ON c.discovery_key = w.log"
        " WHERE w.room = ? AND w.key = ?",
        (row, writer),
    ):
        return int(length)
    return 0


def keys(connection: Connection, row: int) -> list[bytes]:
    """The keys of a room's epochs in the order they came, the room key left out."""
    found = connection.execute(
        "SELECT key FROM room_key WHERE room = ? ORDER BY id", (row,)
    )
    return [bytes(key) for (key,) in found]


def add_keys(connection: Connection, row: int, keys: Iterable[bytes]) -> None:
    """Keep keys of a room's epochs."""
    connection.executemany(
        "INSERT OR IGNORE INTO room_key (room, key) VALUES (?, ?)",
        [(row, key) for key in keys],
    )


def derived(connection: Connection, row: int, writer: bytes) -> int:
    """How many blocks of a log are derived."""
    found = connection.execute(
        "SELECT length FROM writer WHERE room = ? AND key = ?", (row, writer)
    ).get
    return 0 if found is None else int(found)


def set_derived(connection: Connection, row: int, writer: bytes, length: int) -> None:
    """Remember what ``derived`` says next."""
    connection.execute(
        "UPDATE writer SET length = ? WHERE room = ? AND key = ?", (length, row, writer)
    )


def identities(connection: Connection, row: int) -> dict[bytes, bytes]:
    """Whose device each writer of a room is, as far as that is known."""
    found = connection.execute(
        "SELECT key, identity FROM writer WHERE room = ? AND identity IS NOT NULL",
        (row,),
    )
    return {bytes(key): bytes(who) for key, who in found}


def order(connection: Connection, row: int) -> tuple[bytes, bytes]:
    """What was known of the order of a room's entries when it was saved."""
    found = connection.execute("SELECT timeline, firsts FROM room WHERE id = ?", (row,))
    ((timeline, firsts),) = found.fetchall()
    assert isinstance(timeline, bytes)
    assert isinstance(firsts, bytes)
    return timeline, firsts


def save_order(
    connection: Connection, row: int, *, timeline: bytes, firsts: bytes
) -> None:
    """Keep what ``order`` gives next."""
    connection.execute(
        "UPDATE room SET timeline = ?, firsts = ? WHERE id = ?", (timeline, firsts, row)
    )


def log_blocks(
    connection: Connection, row: int, writer: bytes, start: int, end: int
) -> Iterator[bytes]:
    """The blocks of a log from ``start`` to before ``end``, or to a damaged one."""
    found = connection.execute(
        "SELECT b.id - (c.id << 40), b.data"
        " FROM writer w JOIN core c ON c.discovery_key = w.log"
        " JOIN core_block b ON b.id >= (c.id << 40) + ? AND b.id < (c.id << 40) + ?"
        " WHERE w.room = ? AND w.key = ? ORDER BY b.id",
        (start, end, row, writer),
    )
    for sequence, (number, data) in enumerate(found, start):
        if number != sequence:
            return
        assert isinstance(data, bytes)
        yield data


def set_fork(
    connection: Connection,
    row: int,
    *,
    writer: bytes,
    discovery_key: bytes,
    proof: bytes,
) -> None:
    """Keep what proves that a device signed two histories, in place of an older one."""
    begin_log(connection, row, writer=writer, discovery_key=discovery_key)
    connection.execute(
        "UPDATE writer SET fork = ? WHERE room = ? AND key = ?", (proof, row, writer)
    )


def forks(connection: Connection, row: int) -> dict[bytes, bytes]:
    """What proves of which devices that they signed two histories."""
    found = connection.execute(
        "SELECT key, fork FROM writer WHERE room = ? AND fork IS NOT NULL", (row,)
    )
    return {bytes(key): bytes(proof) for key, proof in found}


def forget_derived(connection: Connection, row: int) -> None:
    """Forget what the blocks of a room mean: all of it is derived anew."""
    contents.forget(connection, row)
    connection.execute(
        "DELETE FROM act WHERE writer IN (SELECT id FROM writer WHERE room = ?)", (row,)
    )
    connection.execute(
        "UPDATE writer SET length = 0, identity = NULL WHERE room = ?", (row,)
    )
    connection.execute(
        "UPDATE room SET timeline = x'', firsts = x'' WHERE id = ?", (row,)
    )


def set_held(
    connection: Connection, row: int, *, writer: bytes, device: bytes, length: int
) -> None:
    """Remember that ``device`` holds ``length`` blocks of ``writer``; never less."""
    connection.execute(
        "INSERT INTO held (writer, device, length)"
        " SELECT id, ?, ? FROM writer WHERE room = ? AND key = ?"
        " ON CONFLICT (writer, device) DO UPDATE"
        " SET length = max(length, excluded.length)",
        (device, length, row, writer),
    )


def held_lengths(connection: Connection, row: int, writer: bytes) -> dict[bytes, int]:
    """How many blocks of ``writer`` each other device acknowledged."""
    found = connection.execute(
        "SELECT device, held.length FROM held JOIN writer ON writer.id = held.writer"
        " WHERE room = ? AND key = ?",
        (row, writer),
    )
    return {device: int(length) for device, length in found}
