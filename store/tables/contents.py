"""What the blocks of rooms mean: derived from them, and rebuilt at will."""

from __future__ import annotations

from typing import Final

CONTENTS: Final = """
-- What the blocks mean: rebuilt from them at will.
CREATE TABLE operation (
    writer INTEGER NOT NULL REFERENCES writer ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    clock INTEGER NOT NULL,
    data BLOB NOT NULL,                 -- opened operation of the rules
    PRIMARY KEY (writer, sequence)
) WITHOUT ROWID;

CREATE TABLE message (
    arrival INTEGER PRIMARY KEY,        -- order in which they came here
    room INTEGER NOT NULL REFERENCES room ON DELETE CASCADE,
    id BLOB NOT NULL,                   -- hash of the block and its place
    writer INTEGER NOT NULL REFERENCES writer ON DELETE CASCADE,
    device BLOB NOT NULL,               -- the writer's key: orders alike everywhere
    sequence INTEGER NOT NULL,
    clock INTEGER NOT NULL,
    text TEXT NOT NULL,
    sent_at INTEGER NOT NULL,           -- ms, as its author says
    reply_to BLOB,
    mine INTEGER NOT NULL,
    shown INTEGER NOT NULL,             -- 0: the rules do not allow it
    UNIQUE (room, id)
);
CREATE INDEX message_order ON message (room, clock, device, sequence);
CREATE INDEX message_arrival ON message (room, arrival);
CREATE INDEX message_writer ON message (writer, sequence);
"""
