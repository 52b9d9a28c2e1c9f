"""Hypercores."""

from __future__ import annotations

from typing import Final

CORES: Final = """
-- Hypercores. Nodes and blocks have the id `core << 40 | index`: the rows of a core
-- are one range, and a range of a core is a range of rows.
CREATE TABLE core (
    id INTEGER PRIMARY KEY,
    discovery_key BLOB NOT NULL UNIQUE,     -- 32 bytes
    key BLOB NOT NULL,                      -- 32 bytes
    manifest BLOB,                          -- encoded, once known
    public_key BLOB,                        -- of the pair that signs here
    secret_key BLOB,                        -- 64 bytes
    fork INTEGER NOT NULL DEFAULT 0,
    length INTEGER NOT NULL DEFAULT 0,
    contiguous INTEGER NOT NULL DEFAULT 0,  -- blocks stored from the start on
    signature BLOB NOT NULL DEFAULT x'',    -- of the tree at that length
    conflict BLOB                           -- evidence: a second signed tree
);

CREATE TABLE core_node (
    id INTEGER PRIMARY KEY,
    size INTEGER NOT NULL,                  -- stored bytes below
    hash BLOB NOT NULL
);

CREATE TABLE core_block (
    id INTEGER PRIMARY KEY,
    data BLOB NOT NULL                      -- as it is hashed and sent
);

-- Which blocks (kind 0) and nodes (kind 1) are stored, 32,768 a page. What follows
-- from the contiguous length need not be here.
CREATE TABLE core_page (
    core INTEGER NOT NULL REFERENCES core ON DELETE CASCADE,
    kind INTEGER NOT NULL,
    page INTEGER NOT NULL,
    bits BLOB NOT NULL,
    PRIMARY KEY (core, kind, page)
) WITHOUT ROWID;

CREATE TABLE core_user_data (
    core INTEGER NOT NULL REFERENCES core ON DELETE CASCADE,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (core, name)
) WITHOUT ROWID;

-- The name under which a core was first asked for, in its namespace.
CREATE TABLE core_alias (
    namespace BLOB NOT NULL,                -- 32 bytes
    name TEXT NOT NULL,
    core INTEGER NOT NULL REFERENCES core ON DELETE CASCADE,
    PRIMARY KEY (namespace, name)
) WITHOUT ROWID;

-- Cores whose blocks lie in a file of the user.
CREATE TABLE core_file (
    core INTEGER PRIMARY KEY REFERENCES core ON DELETE CASCADE,
    path BLOB NOT NULL,         -- where the bytes lie, as the system has it
    destination BLOB,           -- the name it gets when all is there
    overwrite INTEGER NOT NULL DEFAULT 0,
    size INTEGER,               -- bytes, once known
    block_key BLOB,
    fingerprint BLOB,           -- how the whole file looked from outside
    inode INTEGER               -- of one that is still being fetched
);
"""
