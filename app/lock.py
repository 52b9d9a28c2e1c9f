"""The lock that lets one core only use a profile.

Held by the operating system for as long as the process lives, so that a killed core
leaves nothing to clean up. The file also says where the core listens, for clients whose
surroundings (``XDG_RUNTIME_DIR``) would have them look elsewhere.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from app.errors import UserFacingError
from app.paths import LOCK_NAME, socket_name

MAX_ADDRESS_BYTES = 256


class ProfileLock:
    """An exclusive lock on a profile's folder."""

    def __init__(self, folder: Path) -> None:
        """Take the lock at once.

        Raises:
            UserFacingError: ``profile-in-use``: another process has it; ``disk``: the
                folder cannot be written.
        """
        path = folder / LOCK_NAME
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise UserFacingError(
                "disk", f"The folder {folder} cannot be written: {error.strerror}."
            ) from error
        try:
            _lock(self._handle)
        except OSError as error:
            os.close(self._handle)
            raise UserFacingError(
                "profile-in-use",
                "Another Covey already uses this profile: only one may run at a time.",
            ) from error

    def announce(self, address: str) -> None:
        """Write down where the core listens.

        Raises:
            UserFacingError: ``disk``.
        """
        if sys.platform == "win32":
            # A pipe's name does not depend on surroundings, and nobody else could
            # read a locked file there.
            return
        try:
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, os.fsencode(address) + b"\n", 0)
        except OSError as error:
            raise UserFacingError(
                "disk", f"The profile's lock cannot be written: {error.strerror}."
            ) from error

    def release(self) -> None:
        """Give the lock back; harmless when done twice."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def announced_address(folder: Path) -> str | None:
    """Where the last core of this profile said it listens; it may have ended."""
    try:
        with (folder / LOCK_NAME).open("rb") as file:
            said = file.read(MAX_ADDRESS_BYTES)
    except OSError:
        return None
    address = os.fsdecode(said.rstrip(b"\n"))
    # A copied folder has the lock of its original: never talk to that one's core.
    if Path(address).name != socket_name(folder) or "\0" in address:
        return None
    return address


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
