"""A folder that holds one store of its own: a database and the lock on it.

The system holds the lock for as long as the process lives, so that a killed process
leaves nothing to clean up. Blocks; the faces call it in a thread.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from store.database import Database, Synchronous
from store.errors import EnvironmentFault

DATABASE_NAME = "store.db"
LOCK_NAME = "store.lock"


class StoreDirectory:
    """An open folder.

    Attributes:
        path: The folder.
        database: Its database.
    """

    def __init__(
        self,
        path: Path,
        *,
        storage_key: bytes | None = None,
        synchronous: Synchronous = Synchronous.FULL,
    ) -> None:
        """Open a folder, making it when it is missing.

        Args:
            path: The folder.
            storage_key: 32 bytes under which all is encrypted; None for a plain file.
            synchronous: What a finished write shall survive.

        Raises:
            EnvironmentFault: ``in-use``: another process or part of this one has it;
                else the disk refused.
            DatabaseCorruptError: The file is damaged, or of another key.
            SchemaError: Another version of Covey made it.
        """
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise EnvironmentFault(f"the disk refused: {error}") from error
        try:
            _take(self._lock, path)
            _make_private(path / DATABASE_NAME)
            self.database = Database.open(
                path / DATABASE_NAME, key=storage_key, synchronous=synchronous
            )
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Finish what is being written and give the folder back; harmless twice."""
        self.database.close()
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)


def _make_private(path: Path) -> None:
    """Make the file before SQLite does: secret keys are for its owner only."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise EnvironmentFault(f"the disk refused: {error}") from error


def _take(lock: int, path: Path) -> None:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise EnvironmentFault(
            f"{path} is in use already: only one program may open it at a time",
            code="in-use",
        ) from error
