"""The tables of the search index: a file of its own, rebuilt at will.

An entry's number is its time in seconds, moved left by ``SLOT_BITS``, and a slot among
those of the same second. So numbers ascend with time, whenever an entry comes: a search
reads the list of a word from its newest end and stops when a page is full, and a span
of time is a span of numbers. A message that arrives late gets the number of its time,
in between the others. The lists hold distances of numbers, so finer ones would cost two
bytes and more for each word of each message.

The text stands here once, in ``entry``: ``words`` is contentless and holds only which
word is where. It is needed here, because taking an entry out of the word lists takes
the very words that went in. Room, author and file are words of a second column, so that
a filter is one more list to intersect and no look-up for each hit.
"""

from __future__ import annotations

from store.schema import Schema

APPLICATION_ID = 0x434F5658
"""``COVX``, in the file's header."""

SLOT_BITS = 12
SLOT_COUNT = 1 << SLOT_BITS
"""Entries of one second; further ones count as of the next second with room."""
MAX_TIME_MS = 1_000_000_000_000_000
"""In the year 33658. Times beyond are taken for this one; those before 1970 for 0."""

PREFIX_INDEX_CHARS = (1, 2)
"""Beginnings of words that have lists of their own, as ``prefix`` says below."""

SEARCH = Schema(
    APPLICATION_ID,
    1,
    (
        """
        CREATE TABLE fact (
            name TEXT PRIMARY KEY, value TEXT NOT NULL
        ) WITHOUT ROWID;

        CREATE TABLE room (
            id INTEGER PRIMARY KEY,
            key BLOB UNIQUE,            -- NULL: on its way out, never shown
            mark BLOB                   -- how far its source is indexed
        );

        CREATE TABLE author (
            id INTEGER PRIMARY KEY,
            key BLOB NOT NULL UNIQUE
        );

        CREATE TABLE entry (
            id INTEGER PRIMARY KEY,     -- second and slot
            room INTEGER NOT NULL,
            author INTEGER NOT NULL,
            message BLOB NOT NULL,
            time_ms INTEGER NOT NULL,
            has_file INTEGER NOT NULL,
            text TEXT NOT NULL          -- normalised
        );
        -- Ids are hashes: eight bytes of one tell it from nearly every other.
        CREATE INDEX entry_message ON entry (substr(message, 1, 8));

        CREATE VIRTUAL TABLE words USING fts5 (
            body, tags, content = '', tokenize = 'ascii', prefix = '1 2'
        );
        -- Take words out of the lists when they go, not when lists are merged.
        INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
        -- So that a page of a list fits in one of the file, with what encryption adds.
        INSERT INTO words (words, rank) VALUES ('pgsz', 4000);
        """,
    ),
)


def first_id(time_ms: int) -> int:
    """The lowest number that an entry of this second can have."""
    return max(0, time_ms) // 1_000 << SLOT_BITS
