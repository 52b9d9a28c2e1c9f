"""What putting devices to rest asks of the messages: was something said meanwhile?

Functions of a connection, to be run by ``store.database``.
"""

from __future__ import annotations

from store.database import Connection


def said_after(connection: Connection, room: int, clock: int) -> int | None:
    """The clock of the first message that is shown and stands behind a clock.

    Args:
        connection: Anybody's.
        room: Row of the room.
        clock: Milliseconds since 1970, as those of entries.

    Returns:
        None when nothing was said since.
    """
    found = connection.execute(
        "SELECT clock FROM content WHERE room = ? AND shown = 1 AND expired = 0"
        " AND clock > ? ORDER BY clock LIMIT 1",
        (room, clock),
    ).get
    return None if found is None else int(found)


def gone_from(
    connection: Connection, room: int, device: bytes, sequence: int
) -> dict[tuple[int, int], bytes]:
    """Ids of a log's messages whose words are gone for good.

    Args:
        connection: Anybody's.
        room: Row of the room.
        device: Whose log; it was begun.
        sequence: Only from here on.

    Returns:
        By the time they were sent, in ms, and their kind.
    """
    found = connection.execute(
        "SELECT sent_at, kind, id FROM content"
        " WHERE writer = (SELECT id FROM writer WHERE room = ? AND key = ?)"
        " AND sequence >= ? AND (deleted = 1 OR expired = 1)",
        (room, device, sequence),
    )
    return {(int(sent_at), int(kind)): bytes(id) for sent_at, kind, id in found}
