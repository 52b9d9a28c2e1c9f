"""The tables of the search index: a file of its own, rebuilt at will.

An entry's number is its time in milliseconds, moved left by ``SLOT_BITS``, and a slot
among those of the same millisecond. So numbers ascend with time, whenever an entry
comes: a search reads the list of a word from its newest end and stops when a page is
full, and a span of time is a span of numbers. A message that arrives late gets the
number of its time, in between the others.

The text stands here once, in ``entry``: ``words`` is contentless and holds only which
word is where. It is needed here, because taking an entry out of the word lists takes
the very words that went in. Room, author and file are words of a second column, so that
a filter is one more list to intersect and no look-up for each hit.
"""

from __future__ import annotations

from store.schema import Schema

APPLICATION_ID = 0x434F5658
"""``COVX``, in the file's header."""

SLOT_BITS = 20
SLOT_COUNT = 1 << SLOT_BITS
MAX_TIME_MS = (1 << 43) - 1_024
"""In the year 2248. Times beyond are taken for this one; those before 1970 for 0."""

PREFIX_INDEX_CHARS = (1, 2, 3)
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
            id INTEGER PRIMARY KEY,     -- time and slot
            room INTEGER NOT NULL,
            author INTEGER NOT NULL,
            message BLOB NOT NULL,
            has_file INTEGER NOT NULL,
            text TEXT NOT NULL          -- normalised
        );
        -- Ids are hashes: eight bytes of one tell it from nearly every other.
        CREATE INDEX entry_message ON entry (substr(message, 1, 8));

        CREATE VIRTUAL TABLE words USING fts5 (
            body, tags, content = '', tokenize = 'ascii', prefix = '1 2 3'
        );
        -- Take words out of the lists when they go, not when lists are merged.
        INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
        """,
    ),
)
