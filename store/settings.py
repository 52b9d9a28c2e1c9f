"""Single values of a profile, by name. Functions of a connection."""

from __future__ import annotations

from store.database import Connection


def get_setting(connection: Connection, name: str) -> bytes | None:
    """The value kept under ``name``, or None."""
    for (value,) in connection.execute(
        "SELECT value FROM setting WHERE name = ?", (name,)
    ):
        return bytes(value)
    return None


def set_setting(connection: Connection, name: str, value: bytes) -> None:
    """Keep ``value`` under ``name``."""
    connection.execute(
        "INSERT INTO setting (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )
