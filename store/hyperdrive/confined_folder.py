"""A folder on disk that no path leads out of, whatever it is called.

Blocking; ``local_folder`` calls it in threads. Where the system can (not on Windows),
each step of a path opens the next folder relative to the one before and refuses links,
so that nobody can put a link in the way meanwhile; elsewhere each step is looked at
first. Links are read and made, never followed.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from store.errors import EnvironmentFault, LocalProtocolError
from store.hyperdrive.local_names import (
    MAX_DEPTH,
    PART_PREFIX,
    NameRules,
    fold,
    reason_against_link,
    reason_against_name,
    reason_against_path,
)
from store.hyperdrive.mirror_plan import Item

HAS_HANDLES: Final = os.open in os.supports_dir_fd and os.scandir in os.supports_fd
"""Whether folders can be opened and paths be relative to them."""
MAX_FOLDER_ENTRIES: Final = 1_000_000
"""Names in one folder; they are sorted in memory."""
MAX_CACHED_FOLDERS: Final = 32

_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_FOLDER: Final = getattr(os, "O_DIRECTORY", 0)
_NO_BLOCK: Final = getattr(os, "O_NONBLOCK", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0)
_CLOSE_ON_EXEC: Final = getattr(os, "O_CLOEXEC", 0)
_READ: Final = os.O_RDONLY | _NO_FOLLOW | _NO_BLOCK | _BINARY | _CLOSE_ON_EXEC
_MAKE: Final = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _BINARY | _CLOSE_ON_EXEC
)
_REPARSE_POINT: Final = 0x400

_REFUSALS: Final = {
    errno.ENAMETOOLONG: "too-long",
    errno.EILSEQ: "bad-character",
    errno.EINVAL: "bad-character",
    errno.ELOOP: "in-the-way",
    errno.ENOTDIR: "in-the-way",
    errno.EISDIR: "in-the-way",
    errno.EEXIST: "in-the-way",
    errno.ENOTEMPTY: "in-the-way",
    errno.EACCES: "not-permitted",
    errno.EPERM: "not-permitted",
    errno.ENOENT: "vanished",
    errno.EBUSY: "busy",
    errno.ETXTBSY: "busy",
    errno.EFBIG: "file-too-large",
    errno.EXDEV: "other-disk",
}
"""What is the fault of one path; anything else ends the work."""


class RefusedPathError(LocalProtocolError):
    """A path that is not touched; the code says why, in a short stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the path is refused: {reason}", code=reason)


@dataclass(frozen=True, slots=True)
class _Place:
    """An open folder."""

    handle: int | None
    folder: str
    """Its path on disk."""

    def name(self, leaf: str) -> str:
        """What the system calls a name in it."""
        return leaf if self.handle is not None else os.path.join(self.folder, leaf)


@dataclass(slots=True)
class Part:
    """A file being written under another name."""

    path: str
    leaf: str
    descriptor: int


@contextmanager
def _refusing() -> Iterator[None]:
    """Tell the faults of one path from those of the whole disk."""
    try:
        yield
    except OSError as error:
        reason = _REFUSALS.get(error.errno or 0)
        if reason is None:
            fault = EnvironmentFault(f"the folder failed: {error.strerror}")
            raise fault from error
        raise RefusedPathError(reason) from error
    except ValueError as error:  # a zero byte, or a name the system cannot encode
        raise RefusedPathError("bad-character") from error


class ConfinedFolder:
    """The files below one folder.

    Args:
        root: The folder; it is made if it is not there.
        rules: What the system does to names; asked of the system by default.
        handles: Use open folders; False looks at each step first.
    """

    def __init__(
        self,
        root: Path,
        *,
        rules: NameRules | None = None,
        handles: bool = HAS_HANDLES,
    ) -> None:
        with _refusing_whole():
            root.mkdir(parents=True, exist_ok=True)
            self.root = os.path.realpath(root)
            if not os.path.isdir(self.root):
                raise NotADirectoryError(errno.ENOTDIR, "not a folder")
        self._handles = handles
        self._numbers = count()
        self._names: OrderedDict[str, dict[str, str]] = OrderedDict()
        if rules is None:
            rules = NameRules(sys.platform == "win32", self._folds_case())
        self.rules = rules

    def _folds_case(self) -> bool:
        with _refusing_whole():
            present = set(os.listdir(self.root))
        leaf = self._part_leaf(present)
        name = os.path.join(self.root, leaf)
        try:
            os.close(os.open(name, _MAKE, 0o600))
        except OSError:
            return sys.platform in ("win32", "darwin")
        try:
            return os.path.exists(os.path.join(self.root, leaf.upper()))
        finally:
            os.unlink(name)

    def _part_leaf(self, present: set[str] | None = None) -> str:
        while True:
            leaf = f"{PART_PREFIX}{os.getpid():x}-{next(self._numbers):x}"
            if present is None or leaf not in present:
                return leaf

    @contextmanager
    def _parent(self, path: str, *, make: bool = False) -> Iterator[tuple[_Place, str]]:
        """Open the folder that a path lies in; yields it and the last name."""
        reason = reason_against_path(path, self.rules)
        if reason is not None:
            raise RefusedPathError(reason)
        *folders, leaf = path[1:].split("/")
        with self._folder(folders, make=make) as place:
            if make:
                self._check_case(place, leaf)
            yield place, leaf

    @contextmanager
    def _folder(self, names: list[str], *, make: bool = False) -> Iterator[_Place]:
        place = _Place(None, self.root)
        if self._handles:
            place = _Place(os.open(self.root, _READ | _FOLDER), self.root)
        try:
            for name in names:
                after = self._step(place, name, make=make)
                if place.handle is not None:
                    os.close(place.handle)
                place = after
            yield place
        finally:
            if place.handle is not None:
                os.close(place.handle)

    def _step(self, place: _Place, name: str, *, make: bool) -> _Place:
        if make:
            self._check_case(place, name)
            with suppress(FileExistsError):
                os.mkdir(place.name(name), dir_fd=place.handle)
                self._made(place, name)
        folder = os.path.join(place.folder, name)
        if place.handle is not None:
            flags = _READ | _FOLDER
            return _Place(os.open(name, flags, dir_fd=place.handle), folder)
        status = os.lstat(folder)
        if _is_link(status) or not stat.S_ISDIR(status.st_mode):
            raise RefusedPathError("in-the-way")
        return _Place(None, folder)

    def _check_case(self, place: _Place, name: str) -> None:
        """Refuse a name that the system would take for another one that is there."""
        if not self.rules.folds_case:
            return
        names = self._names.get(place.folder)
        if names is None:
            where = place.folder if place.handle is None else place.handle
            names = {fold(each): each for each in os.listdir(where)}
            self._names[place.folder] = names
            if len(self._names) > MAX_CACHED_FOLDERS:
                self._names.popitem(last=False)
        self._names.move_to_end(place.folder)
        if names.get(fold(name), name) != name:
            raise RefusedPathError("case-collision")

    def _made(self, place: _Place, name: str) -> None:
        names = self._names.get(place.folder)
        if names is not None:
            names[fold(name)] = name

    def _gone(self, place: _Place, name: str) -> None:
        names = self._names.get(place.folder)
        if names is not None:
            names.pop(fold(name), None)

    def children(self, folder: str) -> list[tuple[str, Item | None]]:
        """What lies directly in a folder (empty text for the root), in order of paths.

        Returns:
            Paths; folders have no item. A folder that is not there has no children.

        Raises:
            RefusedPathError: The folder cannot be looked into.
            EnvironmentFault: The disk failed, or the folder has too many entries.
        """
        names = folder[1:].split("/") if folder else []
        found: dict[str, Item | None] = {}
        try:
            with _refusing(), self._folder(names) as place:
                where = place.folder if place.handle is None else place.handle
                with os.scandir(where) as entries:
                    for entry in entries:
                        if len(found) >= MAX_FOLDER_ENTRIES:
                            raise EnvironmentFault("a folder has too many entries")
                        if not entry.name.startswith(PART_PREFIX):
                            found |= self._child(place, folder, entry.name)
        except RefusedPathError as error:
            if error.code == "vanished":
                return []
            raise
        # A folder stands where its files do: "a-b", "a/x", "a0".
        return sorted(
            found.items(),
            key=lambda child: child[0] + ("/" if child[1] is None else ""),
        )

    def _child(self, place: _Place, folder: str, name: str) -> dict[str, Item | None]:
        try:
            name.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(name).decode(errors="replace")
            path = f"{folder}/{shown}"
            return {path: Item(path, fault="bad-character")}
        path = f"{folder}/{name}"
        try:
            status = os.stat(
                place.name(name), dir_fd=place.handle, follow_symlinks=False
            )
            if stat.S_ISDIR(status.st_mode) and not _is_link(status):
                deep = path.count("/") >= MAX_DEPTH
                if deep:
                    return {f"{path}/": Item(f"{path}/", fault="too-deep")}
                return {path: None}
            return {path: self._item(place, path, name, status)}
        except FileNotFoundError:
            return {}

    def _item(
        self, place: _Place, path: str, leaf: str, status: os.stat_result
    ) -> Item:
        if "\\" in leaf:
            return Item(path, fault="unclean-path")
        if reason_against_name(leaf, self.rules):
            return Item(path, fault="reserved-name")
        if _is_link(status):
            return self._link(place, path, leaf)
        if not stat.S_ISREG(status.st_mode):
            return Item(path, fault="not-a-file")
        executable = status.st_mode & stat.S_IXUSR != 0
        return Item(path, size=status.st_size, executable=executable)

    def _link(self, place: _Place, path: str, leaf: str) -> Item:
        try:
            linkname = os.readlink(place.name(leaf), dir_fd=place.handle)
            linkname.encode()
        except (OSError, UnicodeEncodeError):
            return Item(path, fault="bad-character")
        if os.sep == "\\":
            linkname = linkname.removeprefix("\\\\?\\").replace("\\", "/")
        root = self.root.replace(os.sep, "/").rstrip("/")
        if linkname == root or linkname.startswith(root + "/"):
            linkname = linkname[len(root) :] or "/"
        elif os.path.isabs(linkname):
            return Item(path, fault="link-outside")
        reason = reason_against_link(path, linkname, self.rules)
        return Item(
            path,
            linkname=None if reason else linkname,
            has_contents=False,
            fault=reason,
        )

    def item(self, path: str) -> Item | None:
        """The file or link at a path; None for a folder and for nothing.

        Raises:
            RefusedPathError: The path cannot be one here.
        """
        try:
            with _refusing(), self._parent(path) as (place, leaf):
                found = self._child(place, path.rpartition("/")[0], leaf)
        except RefusedPathError as error:
            if error.code in ("vanished", "in-the-way"):
                return None
            raise
        return found.get(path)

    def open_file(self, path: str) -> int:
        """Open a file for reading; the caller closes the descriptor.

        Raises:
            RefusedPathError: It is no file, or not to be read.
        """
        with _refusing(), self._parent(path) as (place, leaf):
            if place.handle is None and _is_link(os.lstat(place.name(leaf))):
                raise RefusedPathError("in-the-way")
            descriptor = os.open(place.name(leaf), _READ, dir_fd=place.handle)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise RefusedPathError("not-a-file")
        return descriptor

    def begin(self, path: str, *, executable: bool) -> Part:
        """Make an unfinished file, and the folders that lead to its path.

        Unfinished files lie in the root, where ``sweep`` finds them after a crash.
        """
        mode = 0o777 if executable else 0o666
        with _refusing(), self._parent(path, make=True), self._folder([]) as root:
            while True:
                leaf = self._part_leaf()
                with suppress(FileExistsError):
                    name = root.name(leaf)
                    return Part(
                        path, leaf, os.open(name, _MAKE, mode, dir_fd=root.handle)
                    )

    def finish(self, part: Part) -> None:
        """Put a finished file in its place: a crash leaves it or the one before."""
        with _refusing():
            os.fsync(part.descriptor)
            os.close(part.descriptor)
            part.descriptor = -1
            self._replace(part.leaf, part.path)

    def _replace(self, part: str, path: str) -> None:
        """Move something from the root to its path, over what is there."""
        with self._folder([]) as root, self._parent(path, make=True) as (place, leaf):
            source, target = root.name(part), place.name(leaf)
            handles = {"src_dir_fd": root.handle, "dst_dir_fd": place.handle}
            try:
                os.replace(source, target, **handles)
            except (IsADirectoryError, PermissionError):
                # An empty folder is nothing that a drive would know.
                os.rmdir(target, dir_fd=place.handle)
                os.replace(source, target, **handles)
            self._made(place, leaf)

    def abandon(self, part: Part) -> None:
        """Drop an unfinished file; nothing happens if it is gone."""
        if part.descriptor >= 0:
            os.close(part.descriptor)
            part.descriptor = -1
        self._drop(part.leaf)

    def _drop(self, leaf: str) -> None:
        with suppress(RefusedPathError), _refusing(), self._folder([]) as root:
            os.unlink(root.name(leaf), dir_fd=root.handle)

    def link(self, path: str, linkname: str) -> None:
        """Make a symbolic link in place of what is there.

        Raises:
            RefusedPathError: It could lead out of the folder, or cannot be made.
        """
        reason = reason_against_link(path, linkname, self.rules)
        if reason is not None:
            raise RefusedPathError(reason)
        target = linkname
        if linkname.startswith("/"):
            target = self.root.rstrip(os.sep) + linkname
        part = self._part_leaf()
        with _refusing(), self._parent(path, make=True), self._folder([]) as root:
            name = root.name(part)
            os.symlink(target.replace("/", os.sep), name, dir_fd=root.handle)
        try:
            with _refusing():
                self._replace(part, path)
        except (RefusedPathError, EnvironmentFault):
            self._drop(part)
            raise

    def delete(self, path: str) -> None:
        """Delete a file or link, and the folders that become empty by it."""
        with _refusing(), self._parent(path) as (place, leaf):
            os.unlink(place.name(leaf), dir_fd=place.handle)
            self._gone(place, leaf)
        folders = path[1:].split("/")[:-1]
        with suppress(OSError, RefusedPathError):
            while folders:
                *folders, leaf = folders
                with self._folder(folders) as place:
                    os.rmdir(place.name(leaf), dir_fd=place.handle)
                    self._gone(place, leaf)

    def set_executable(self, path: str, *, executable: bool) -> None:
        """Let those who may read a file execute it, or nobody."""
        descriptor = self.open_file(path)
        try:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            mode = mode | (mode & 0o444) >> 2 if executable else mode & ~0o111
            with _refusing():
                if os.chmod in os.supports_fd:
                    os.chmod(descriptor, mode)
        finally:
            os.close(descriptor)

    def sweep(self) -> int:
        """Delete unfinished files that a crash left; returns how many."""
        swept = 0
        with _refusing(), self._folder([]) as root:
            where = root.folder if root.handle is None else root.handle
            for name in os.listdir(where):
                if not name.startswith(PART_PREFIX):
                    continue
                # A folder of that name is somebody's own, and no reason to stop.
                with suppress(IsADirectoryError, PermissionError):
                    os.unlink(root.name(name), dir_fd=root.handle)
                    swept += 1
        return swept


@contextmanager
def _refusing_whole() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentFault(f"the folder failed: {error.strerror}") from error


def _is_link(status: os.stat_result) -> bool:
    attributes = getattr(status, "st_file_attributes", 0)
    return stat.S_ISLNK(status.st_mode) or attributes & _REPARSE_POINT != 0
