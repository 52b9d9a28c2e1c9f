"""What the blocks of rooms mean: derived from them, and rebuilt at will."""

from __future__ import annotations

from typing import Final

CONTENTS: Final = """
-- What the blocks mean: rebuilt from them at will.
CREATE TABLE act (
    writer INTEGER NOT NULL REFERENCES writer ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    clock INTEGER NOT NULL,
    seen BLOB NOT NULL,                 -- uint row of a writer, uint length of its log
    clocks BLOB NOT NULL,               -- uint row of a writer, uint clock
    data BLOB NOT NULL,                 -- the opened operation
    PRIMARY KEY (writer, sequence)
) WITHOUT ROWID;

-- What stands in a room for people to read: messages, polls, and what only a newer
-- version can read. What is said of them later are changes.
CREATE TABLE content (
    arrival INTEGER PRIMARY KEY,        -- order in which they came here
    room INTEGER NOT NULL REFERENCES room ON DELETE CASCADE,
    id BLOB NOT NULL,                   -- hash of the block and its place
    writer INTEGER NOT NULL REFERENCES writer ON DELETE CASCADE,
    device BLOB NOT NULL,               -- the writer's key: orders alike everywhere
    sequence INTEGER NOT NULL,
    clock INTEGER NOT NULL,
    kind INTEGER NOT NULL,              -- number of the operation
    sent_at INTEGER NOT NULL,           -- ms, as its author says
    expires_at INTEGER,                 -- ms; NULL: stays
    reply_to BLOB,
    thread BLOB,                        -- id of the root
    shown INTEGER NOT NULL,             -- 0: the rules do not allow it
    deleted INTEGER NOT NULL DEFAULT 0, -- a deletion of it counts
    expired INTEGER NOT NULL DEFAULT 0, -- its time was over; nothing brings it back
    wiped INTEGER NOT NULL DEFAULT 0,   -- its words are not here
    pinned INTEGER NOT NULL DEFAULT 0,
    mentioning INTEGER NOT NULL DEFAULT 0,  -- what is read now names somebody
    edit INTEGER,                       -- the change whose words are read instead
    text TEXT NOT NULL,
    mentions BLOB,                      -- identities, 32 bytes each
    forwarded_from TEXT,
    body BLOB,                          -- what only a newer version can read
    UNIQUE (room, id)
);
CREATE INDEX content_order ON content (room, clock, device, sequence)
    WHERE shown = 1 AND expired = 0;
CREATE INDEX content_hidden ON content (room, clock) WHERE shown = 0 AND expired = 0;
CREATE UNIQUE INDEX content_log ON content (writer, sequence);
-- All that counting needs.
CREATE INDEX content_arrival ON content
    (room, arrival, writer, shown, deleted, expired);
CREATE INDEX content_mentioning ON content (room, arrival)
    WHERE mentioning = 1 AND shown = 1 AND deleted = 0 AND expired = 0;
CREATE INDEX content_thread ON content (room, thread, clock, device, sequence)
    WHERE thread IS NOT NULL AND shown = 1 AND expired = 0;
CREATE INDEX content_pinned ON content (room, clock, device, sequence)
    WHERE pinned = 1 AND shown = 1 AND expired = 0;
CREATE INDEX content_expiry ON content (expires_at)
    WHERE expires_at IS NOT NULL AND expired = 0;

CREATE TABLE poll (
    content INTEGER PRIMARY KEY REFERENCES content ON DELETE CASCADE,
    options TEXT NOT NULL,              -- JSON array; empty once it is wiped
    option_count INTEGER NOT NULL,
    multiple INTEGER NOT NULL,
    closes_at INTEGER                   -- ms; NULL: never
);

-- Edits, deletions, reactions, pins and votes. Of those that mean the same thing (one
-- target, kind, identity and value) the last that is shown counts.
CREATE TABLE change (
    id INTEGER PRIMARY KEY,
    target INTEGER NOT NULL REFERENCES content ON DELETE CASCADE,
    writer INTEGER NOT NULL REFERENCES writer ON DELETE CASCADE,
    device BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    clock INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    identity BLOB NOT NULL,             -- whose; the device while that is unknown
    value TEXT NOT NULL,                -- emoji of a reaction, else empty
    shown INTEGER NOT NULL,
    allowed INTEGER NOT NULL,           -- a deletion of what somebody else wrote
    enabled INTEGER NOT NULL,           -- 0: takes a reaction or pin away
    text TEXT NOT NULL,                 -- of an edit
    detail BLOB,                        -- mentions of an edit, choices of a vote
    UNIQUE (writer, sequence, target)
);
CREATE INDEX change_slot ON change
    (target, kind, identity, value, clock, device, sequence);

-- Blocks whose words are deleted, until they are cleared.
CREATE TABLE content_clear (
    writer INTEGER NOT NULL REFERENCES writer ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (writer, sequence)
) WITHOUT ROWID;

-- Blocks whose words are wanted again.
CREATE TABLE content_reread (
    writer INTEGER NOT NULL REFERENCES writer ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (writer, sequence)
) WITHOUT ROWID;

-- What the search index must look at again. A number never comes twice.
CREATE TABLE content_changed (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    content INTEGER NOT NULL UNIQUE REFERENCES content ON DELETE CASCADE
);
"""
