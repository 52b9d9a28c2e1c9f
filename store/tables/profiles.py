"""What a profile is."""

from __future__ import annotations

from typing import Final

PROFILES: Final = """
-- Single values of the profile: who it is, how its rooms are read.
CREATE TABLE setting (
    name TEXT PRIMARY KEY, value BLOB NOT NULL
) WITHOUT ROWID;
"""
