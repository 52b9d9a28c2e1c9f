"""What a file looks like from outside: told without reading it.

A file that was hashed once is believed to be the same as long as its size, its time of
change and its inode are. That is cheap and can be fooled (a write within the clock's
grain, a time set back), so it only decides what need not be read; what leaves is
checked against the tree in any case.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

from store.errors import EnvironmentFault

GONE = "file-gone"
CHANGED = "file-changed"
DISK_FULL = "disk-full"
TOO_LARGE = "file-too-large"
NOT_A_FILE = "not-a-file"

_CODES = {
    errno.ENOENT: GONE,
    errno.ENOTDIR: GONE,
    errno.ENODEV: GONE,
    errno.ENXIO: GONE,
    errno.EIO: GONE,
    errno.ESTALE: GONE,
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: DISK_FULL,
    errno.EFBIG: TOO_LARGE,
    errno.EEXIST: "destination-exists",
    errno.EACCES: "file-refused",
    errno.EPERM: "file-refused",
    errno.EROFS: "disk-read-only",
}


class Fingerprint(NamedTuple):
    """Size, times and inode of a regular file at one moment."""

    size: int
    """Bytes."""
    modified_ns: int
    inode: int
    """The device is left out: a disk plugged in again may get another number."""
    status_ns: int = 0
    """Time of the last change of anything, where the system has it."""

    def matches(self, other: Fingerprint) -> bool:
        """Tell whether the content is likely the same."""
        return self[:3] == other[:3]


def fault(error: OSError) -> EnvironmentFault:
    """What the system's refusal means, with a code; the path is left out."""
    number = error.errno or 0
    code = _CODES.get(number, EnvironmentFault.default_code)
    return EnvironmentFault(f"the disk refused: {os.strerror(number)}", code=code)


def fingerprint_of(status: os.stat_result) -> Fingerprint:
    """The fingerprint of a regular file.

    Raises:
        EnvironmentFault: It is a folder, a pipe or a device.
    """
    if not stat.S_ISREG(status.st_mode):
        raise EnvironmentFault("that is no regular file", code=NOT_A_FILE)
    return Fingerprint(
        status.st_size, status.st_mtime_ns, inode_of(status), status.st_ctime_ns
    )


def inode_of(status: os.stat_result) -> int:
    """The inode as a number that a database takes; Windows' may be longer."""
    return status.st_ino & (1 << 63) - 1


def look_at(path: str) -> Fingerprint:
    """Look at a file without opening it.

    Raises:
        EnvironmentFault: It is gone, not a file, or the system refuses.
    """
    try:
        return fingerprint_of(os.stat(path))
    except OSError as error:
        raise fault(error) from error
