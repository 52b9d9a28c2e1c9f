"""What was said of one message: where its edits stand, and how often it was changed.

For whoever deletes a message, and before somebody changes it once more.
"""

from __future__ import annotations

from store.contents.bodies import EDIT
from store.contents.wiping import Block
from store.database import Connection

_TARGET = "(SELECT arrival FROM content WHERE room = ? AND id = ?)"


def edits(connection: Connection, room: int, id: bytes, *, limit: int) -> list[Block]:
    """The blocks that hold other words for a message.

    Args:
        connection: A reader's.
        room: Row of the room.
        id: The message's.
        limit: At most this many; those of its author come first.
    """
    found = connection.execute(
        "SELECT c.device, c.sequence FROM change c JOIN content m ON m.arrival ="
        f" c.target JOIN writer w ON w.id = m.writer WHERE c.target = {_TARGET}"
        " AND c.kind = ? ORDER BY c.identity <> coalesce(w.identity, w.key),"
        " c.clock, c.device, c.sequence LIMIT ?",
        (room, id, EDIT, limit),
    )
    return [Block(bytes(device), sequence) for device, sequence in found]


def change_count(
    connection: Connection, room: int, id: bytes, *, device: bytes, kind: int
) -> int:
    """How many changes of a kind a device made to a message."""
    count = connection.execute(
        f"SELECT count(*) FROM change WHERE target = {_TARGET} AND kind = ?"
        " AND writer = (SELECT id FROM writer WHERE room = ? AND key = ?)",
        (room, id, kind, room, device),
    ).get
    return int(count)
