"""What a person wrote and has not said yet."""

from __future__ import annotations

from typing import Final

DRAFTS: Final = """
CREATE TABLE draft (
    room INTEGER PRIMARY KEY REFERENCES room ON DELETE CASCADE,
    text TEXT NOT NULL
);

-- What is said by itself when its time comes.
CREATE TABLE scheduled (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    room INTEGER NOT NULL REFERENCES room ON DELETE CASCADE,
    send_at INTEGER NOT NULL,           -- ms since the epoch
    data BLOB NOT NULL,                 -- the encoded operation
    tried INTEGER,                      -- length of the own log before it was written
    problem TEXT NOT NULL DEFAULT ''    -- why it is not tried again
);
CREATE INDEX scheduled_due ON scheduled (send_at) WHERE problem = '';
"""
