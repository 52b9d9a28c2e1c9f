"""The tables of a database of a profile or a store: numbered steps, never edited.

Each step brings a file to the next schema; its number stands in SQLite's
``user_version``. Before the first tagged release a file of another number than the
newest is refused with a sentence; from then on older files are brought up step by step.
"""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from store.errors import SchemaError
from store.tables.contacts import CONTACTS
from store.tables.contents import CONTENTS
from store.tables.cores import CORES
from store.tables.drafts import DRAFTS
from store.tables.profiles import PROFILES
from store.tables.rooms import ROOMS

APPLICATION_ID = 0x434F5659
"""``COVY``, in the file's header."""

OLDEST_SCHEMA = 4
"""Files below this are refused; the first step makes one of this number."""

MIGRATIONS: tuple[str, ...] = (PROFILES + CONTACTS + ROOMS + CONTENTS + DRAFTS + CORES,)

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
