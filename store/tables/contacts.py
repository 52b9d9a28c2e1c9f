"""People whom one writes to directly, who ask to, and who may not."""

from __future__ import annotations

from typing import Final

CONTACTS: Final = """
CREATE TABLE contact (
    identity BLOB PRIMARY KEY,          -- 32 bytes
    name TEXT NOT NULL,                 -- as they call themselves
    state TEXT NOT NULL,                -- calling, asking, accepted, declined, blocked
    link TEXT NOT NULL DEFAULT '',      -- the invite to the room of two
    greeting TEXT NOT NULL DEFAULT '',
    room BLOB,                          -- id of that room, once there is one
    at INTEGER NOT NULL                 -- ms since the epoch: the last change
) WITHOUT ROWID;
"""
