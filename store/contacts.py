"""Contacts of a profile; functions of a connection, to be run by ``store.database``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from store.database import Connection

CALLING: Final = "calling"
"""This person asked them."""
ASKING: Final = "asking"
"""They asked this person, who has not decided."""
ACCEPTED: Final = "accepted"
DECLINED: Final = "declined"
BLOCKED: Final = "blocked"


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One person."""

    identity: bytes
    name: str
    state: str
    """One of the words above."""
    link: str
    greeting: str
    room: bytes | None
    """Id of the room of two."""
    at: int
    """Milliseconds since 1970: the last change."""


def every(connection: Connection) -> list[ContactRow]:
    """Everybody, the last change first."""
    found: Any = connection.execute(
        "SELECT identity, name, state, link, greeting, room, at FROM contact"
        " ORDER BY at DESC, identity"
    )
    return [ContactRow(*values) for values in found]


def put(connection: Connection, row: ContactRow) -> None:
    """Keep somebody, in place of what was kept before."""
    connection.execute(
        "INSERT OR REPLACE INTO contact VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            *(row.identity, row.name, row.state, row.link),
            *(row.greeting, row.room, row.at),
        ),
    )


def remove(connection: Connection, identity: bytes) -> None:
    """Forget somebody."""
    connection.execute("DELETE FROM contact WHERE identity = ?", (identity,))
