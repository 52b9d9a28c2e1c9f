"""Where a fetched file shall lie: names beside it, and finding it again after a crash.

Functions that block.
"""

from __future__ import annotations

import contextlib
import os
import shutil

from store.errors import EnvironmentFault
from store.files.block_file import BlockFile
from store.files.descriptors import make_hollow
from store.files.fingerprint import DISK_FULL, fault, inode_of
from store.files.rows import FileRow

MAX_NAMES_TRIED = 1000
MAX_NAME_BYTES = 255


def make_absolute(path: str) -> str:
    """The path with its folder's links followed; the name stays as it is."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def free_names(path: str) -> list[str]:
    """The path and, should something be there, names like it."""
    stem, suffix = os.path.splitext(path)
    more = [f"{stem} ({number}){suffix}" for number in range(2, MAX_NAMES_TRIED)]
    return [path, *more]


def partial_names(destination: str) -> list[str]:
    """Hidden names beside a destination for what is not whole yet."""
    folder, name = os.path.split(destination)
    room = MAX_NAME_BYTES - len(".") - len(".999.part")
    short = os.fsencode(name)[:room].decode(errors="ignore")
    numbers = ["", *(f".{number}" for number in range(2, MAX_NAMES_TRIED))]
    return [os.path.join(folder, f".{short}{number}.part") for number in numbers]


def prepare(destination: str, size: int | None, *, overwrite: bool) -> tuple[str, int]:
    """Make the hidden file for what will arrive; returns its path and its inode.

    Raises:
        EnvironmentFault: Something is at the destination (``destination-exists``), the
            disk has no room (``disk-full``), or the system refuses.
    """
    folder = os.path.dirname(destination)
    if os.path.isdir(destination) or (not overwrite and os.path.lexists(destination)):
        raise _exists()
    if size is not None:
        check_room(folder, size)
    for name in partial_names(destination):
        try:
            return name, make_hollow(name, size)
        except EnvironmentFault as error:
            if error.code != "destination-exists":
                raise
    raise _exists()


def check_room(folder: str, size: int) -> None:
    """Refuse what the disk has no room for, before it is full.

    Raises:
        EnvironmentFault: ``disk-full``, or the system refuses.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise fault(error) from error
    if free < size:
        raise EnvironmentFault("the disk has no room for it", code=DISK_FULL)


def take_name(place: BlockFile, destination: str, *, overwrite: bool) -> None:
    """Give a whole file its name, or one like it if something came to be there.

    Raises:
        EnvironmentFault: All such names are taken, or the system refuses.
    """
    for name in free_names(destination):
        try:
            place.move(name, overwrite=overwrite)
        except EnvironmentFault as error:
            if error.code != "destination-exists":
                raise
        else:
            return
    raise _exists()


def locate(row: FileRow) -> str | None:
    """The name under which a whole file lies that lost its process while it got it.

    Who asks has to read it through before he believes it: numbers of inodes are used
    again.
    """
    assert row.destination is not None, "only files that are fetched have two names"
    for name in free_names(row.destination):
        try:
            inode = inode_of(os.lstat(name))
        except OSError:
            return None
        if inode == row.inode:
            return name
    return None


def remove_file(path: str, *, inode: int | None = None) -> None:
    """Delete a file of ours; another one that took its place stays."""
    with contextlib.suppress(OSError):
        if inode in (None, inode_of(os.lstat(path))):
            os.unlink(path)


def _exists() -> EnvironmentFault:
    return EnvironmentFault("something is there already", code="destination-exists")
