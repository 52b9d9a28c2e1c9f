"""Rooms, the devices that write in them, and who holds what."""

from __future__ import annotations

from typing import Final

ROOMS: Final = """
CREATE TABLE room (
    id INTEGER PRIMARY KEY,
    room BLOB NOT NULL UNIQUE,          -- room id, 32 bytes
    key BLOB NOT NULL,                  -- room key, 32 bytes
    founder BLOB NOT NULL,              -- founder's device key
    name TEXT NOT NULL,                 -- as last known
    kind TEXT NOT NULL,
    joined_at INTEGER NOT NULL,         -- ms since the epoch
    left_at INTEGER,                    -- ms; the room only waits for its farewell
    read_arrival INTEGER NOT NULL DEFAULT 0,
    timeline BLOB NOT NULL DEFAULT x'', -- what was known of the order when saved
    firsts BLOB NOT NULL DEFAULT x''    -- and which entries had seen which acts first
);

-- The writing devices of a room; the log of each is a core.
CREATE TABLE writer (
    id INTEGER PRIMARY KEY,
    room INTEGER NOT NULL REFERENCES room ON DELETE CASCADE,
    key BLOB NOT NULL,                  -- device key, 32 bytes
    identity BLOB,                      -- whose device it is, once known
    log BLOB NOT NULL,                  -- discovery key of its core
    length INTEGER NOT NULL DEFAULT 0,  -- blocks that are derived
    fork BLOB,                          -- evidence: what the device signed besides
    UNIQUE (room, key)
);

-- Blocks of logs that are gone for good, and what keeps their places.
CREATE TABLE hole (
    writer INTEGER NOT NULL REFERENCES writer ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    clock INTEGER NOT NULL,             -- ms, as the entry had it
    links BLOB NOT NULL,                -- 32 bytes of a writer, uint length of its log
    source BLOB NOT NULL,               -- device that told of it; x'': it was here
    PRIMARY KEY (writer, sequence)
) WITHOUT ROWID;

-- The keys of a room's epochs, the room key left out.
CREATE TABLE room_key (
    id INTEGER PRIMARY KEY,
    room INTEGER NOT NULL REFERENCES room ON DELETE CASCADE,
    key BLOB NOT NULL,                  -- 32 bytes
    UNIQUE (room, key)
);

-- Which other device acknowledged how much of a log.
CREATE TABLE held (
    writer INTEGER NOT NULL REFERENCES writer ON DELETE CASCADE,
    device BLOB NOT NULL,
    length INTEGER NOT NULL,
    PRIMARY KEY (writer, device)
) WITHOUT ROWID;
"""
