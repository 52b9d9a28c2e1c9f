"""The tables of a database of a profile or a store: numbered steps, never edited.

Each step brings a file to the next schema; its number stands in SQLite's
``user_version``. Before the first tagged release a file of another number than the
newest is refused with a sentence; from then on older files are brought up step by step.
"""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from store.errors import SchemaError

APPLICATION_ID = 0x434F5659
"""``COVY``, in the file's header."""

OLDEST_SCHEMA = 2
"""Files below this are refused; the first step makes one of this number."""

MIGRATIONS: tuple[str, ...] = (
    """
    -- Single values of the profile: who it is, how its rooms are read.
    CREATE TABLE setting (
        name TEXT PRIMARY KEY, value BLOB NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE room (
        id INTEGER PRIMARY KEY,
        room BLOB NOT NULL UNIQUE,          -- room id, 32 bytes
        key BLOB NOT NULL,                  -- room key, 32 bytes
        founder BLOB NOT NULL,              -- founder's device key
        name TEXT NOT NULL,                 -- as last known
        kind TEXT NOT NULL,
        joined_at INTEGER NOT NULL,         -- ms since the epoch
        left_at INTEGER,                    -- ms; the room only waits for its farewell
        read_arrival INTEGER NOT NULL DEFAULT 0
    );

    -- The writing devices of a room; the log of each is a core.
    CREATE TABLE writer (
        id INTEGER PRIMARY KEY,
        room INTEGER NOT NULL REFERENCES room ON DELETE CASCADE,
        key BLOB NOT NULL,                  -- device key, 32 bytes
        log BLOB NOT NULL,                  -- discovery key of its core
        length INTEGER NOT NULL DEFAULT 0,  -- blocks that are derived
        clock INTEGER NOT NULL DEFAULT 0,   -- highest one in these
        operations INTEGER NOT NULL DEFAULT 0,  -- kept ones of the rules
        fork BLOB,                          -- evidence: what the device signed besides
        UNIQUE (room, key)
    );

    -- Which other device acknowledged how much of a log.
    CREATE TABLE held (
        writer INTEGER NOT NULL REFERENCES writer ON DELETE CASCADE,
        device BLOB NOT NULL,
        length INTEGER NOT NULL,
        PRIMARY KEY (writer, device)
    ) WITHOUT ROWID;

    -- What the blocks mean: rebuilt from them at will.
    CREATE TABLE operation (
        writer INTEGER NOT NULL REFERENCES writer ON DELETE CASCADE,
        sequence INTEGER NOT NULL,
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
    """,
)

NEWEST_SCHEMA = OLDEST_SCHEMA - 1 + len(MIGRATIONS)


@dataclass(frozen=True, slots=True)
class Schema:
    """What a kind of file holds, and by which steps it came there."""

    application_id: int
    """In the header of each such file."""
    oldest: int
    """Files below this number are refused; the first step makes one of this number."""
    steps: tuple[str, ...]
    """Scripts, never edited once a tagged release has them."""

    @property
    def newest(self) -> int:
        """The number of a file that went through every step."""
        return self.oldest - 1 + len(self.steps)


PROFILE = Schema(APPLICATION_ID, OLDEST_SCHEMA, MIGRATIONS)
"""Files of a profile or of a store that stands alone."""


def migrate(connection: apsw.Connection, schema: Schema = PROFILE) -> None:
    """Bring the file to the newest schema, each step in a transaction of its own.

    Raises:
        SchemaError: The file is newer, or older than any this version follows.
    """
    found = int(connection.pragma("user_version"))
    known = schema.newest
    if found > known:
        raise SchemaError(
            "made by a newer version", found=found, known=known, code="newer"
        )
    fresh = not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    if not fresh and found < schema.oldest:
        raise SchemaError(
            "made by an older version", found=found, known=known, code="older"
        )
    done = max(0, found - (schema.oldest - 1))
    for number, script in enumerate(schema.steps[done:], schema.oldest + done):
        with connection:
            connection.execute(script)
            connection.pragma("user_version", number)
            connection.pragma("application_id", schema.application_id)
