"""The few calls on files that differ between systems, and the flags that are safe.

A descriptor belongs to one thread at a time.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable

from store.files.fingerprint import fault, fingerprint_of, inode_of

# Without O_NONBLOCK opening a pipe that took a file's place would never return.
_COMMON: int = (
    getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOINHERIT", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
_OWN: int = getattr(os, "O_NOFOLLOW", 0)
"""A file of ours is never reached by a link that somebody put in its place."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def open_to_read(path: str) -> int:
    """Open a regular file for reading; the descriptor is the caller's to close.

    Raises:
        EnvironmentFault: It is gone, not a regular file, or the system refuses.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _COMMON)
    except OSError as error:
        raise fault(error) from error
    try:
        fingerprint_of(os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_to_write(path: str) -> int:
    """Open an existing file of ours for writing.

    Raises:
        OSError: As the system says.
    """
    return os.open(path, os.O_WRONLY | _COMMON | _OWN)


def make_hollow(path: str, size: int | None) -> int:
    """Make a new file that is one hole of so many bytes; returns its inode.

    Raises:
        EnvironmentFault: There is something already (``destination-exists``), or the
            system refuses.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _COMMON | _OWN
    try:
        descriptor = os.open(path, flags, 0o666)
        try:
            if size is not None:
                os.ftruncate(descriptor, size)
            return inode_of(os.fstat(descriptor))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise fault(error) from error


def set_size(path: str, size: int) -> None:
    """Make a file of ours exactly so long; what is added is a hole.

    Raises:
        EnvironmentFault: The system refuses.
    """
    try:
        descriptor = open_to_write(path)
        try:
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise fault(error) from error


def rename_without_overwriting(path: str, destination: str) -> None:
    """Rename within a disk; never over something that is there.

    Raises:
        EnvironmentFault: There is something (``destination-exists``), or the system
            refuses.
    """
    try:
        try:
            os.link(path, destination, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # A disk without hard links; Windows' rename refuses by itself.
            if os.path.lexists(destination):
                raise FileExistsError(errno.EEXIST, "exists") from error
            os.rename(path, destination)
        else:
            os.unlink(path)
    except OSError as error:
        raise fault(error) from error


def sync_file(path: str) -> None:
    """Force a file's bytes and size to the disk.

    Raises:
        EnvironmentFault: The system refuses.
    """
    try:
        descriptor = open_to_write(path)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise fault(error) from error


def sync_folder(path: str) -> None:
    """Force a folder's names to the disk, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Read up to ``size`` bytes; fewer only at the file's end."""
    data = _pread(descriptor, size, offset)
    while data and len(data) < size:
        more = _pread(descriptor, size - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of it."""
    rest = memoryview(data)
    while rest:
        written = _pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def _seek_and_read(descriptor: int, size: int, offset: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)


def _seek_and_write(descriptor: int, data: memoryview, offset: int) -> int:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.write(descriptor, data)


# Windows has neither.
_pread: Callable[[int, int, int], bytes] = getattr(os, "pread", _seek_and_read)
_pwrite: Callable[[int, memoryview, int], int] = getattr(os, "pwrite", _seek_and_write)
sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
"""Force what was written through a descriptor to the disk."""
