"""Which messages' time is over, room by room."""

from __future__ import annotations

import json

from store.contents.wiping import due
from store.database import Connection


def due_by_room(
    connection: Connection, now_ms: int, *, limit: int
) -> dict[int, list[int]]:
    """Numbers of messages whose time is over, by the row of their room.

    Args:
        connection: A reader's.
        now_ms: Milliseconds since 1970.
        limit: At most this many messages, the oldest.
    """
    found: dict[int, list[int]] = {}
    for number, room in connection.execute(
        "SELECT m.arrival, m.room FROM json_each(?) j"
        " CROSS JOIN content m ON m.arrival = j.value",
        (json.dumps(due(connection, now_ms, limit=limit)),),
    ):
        found.setdefault(room, []).append(number)
    return found
