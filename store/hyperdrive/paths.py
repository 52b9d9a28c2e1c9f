"""Paths in a drive: how names become paths, and paths keys of the database.

A path is absolute and clean: it begins with ``/``, ends with none, and has no empty
segment, ``.`` or ``..``. The key of an entry is ``files``, a zero byte and the path in
UTF-8. Keys of a peer's drive may hold anything, so ``is_clean`` is asked before a path
becomes a name outside of the drive. Follows npm hyperdrive 13.3.4, unix-path-resolve
1.0.2 and sub-encoder 2.1.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from store.errors import LocalProtocolError, RemoteProtocolError

KEY_PREFIX: Final = b"files\0"
MAX_PATH_BYTES: Final = 4096
"""Of one path in UTF-8."""
MAX_HOPS: Final = 16
"""Symbolic links that are followed from one name."""

_SEPARATORS: Final = re.compile(r"[/\\]")
_DRIVE_LETTER_SIZE: Final = 2

Ignore = str | Iterable[str] | Callable[[str], bool]
"""Paths that stay out with all below them, or what tells of a path whether it does."""


def resolve(base: str, name: str = "") -> str:
    """The path that a name means, seen from a base.

    Separators are ``/`` and ``\\``. A name that begins with one, with a drive letter or
    with a scheme stands for itself.

    Raises:
        LocalProtocolError: Neither is absolute, or there are too many ``..`` (code
            ``bad-path``).
    """
    absolute, segments = _parse(name)
    if not absolute:
        absolute, before = _parse(base)
        segments = before + segments
    if not absolute:
        raise LocalProtocolError("neither path is absolute", code="bad-path")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            if not kept:
                raise LocalProtocolError("too many '..' in a path", code="bad-path")
            kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept)


def _parse(name: str) -> tuple[bool, list[str]]:
    """Whether a name is absolute, and its segments behind drive letter or scheme."""
    segments = _SEPARATORS.split(name)
    first = segments[0]
    if len(segments) > 1 and first.endswith(":"):
        # What is not on this machine also names a host: scheme, nothing, host.
        local = len(first) == _DRIVE_LETTER_SIZE or first == "file:"
        return True, segments[1 if local else 3 :]
    return name.startswith(("/", "\\")), segments


def file_path(name: str) -> str:
    """The path of the entry that a caller named.

    Raises:
        LocalProtocolError: It is the root, too long or no text (code ``bad-path``).
    """
    path = resolve("/", name)
    if path == "/":
        raise LocalProtocolError("the root is no file", code="bad-path")
    encode_key(path)
    return path


def folder_path(name: str) -> str:
    """The path of a folder without a slash at its end: nothing for the root."""
    path = resolve("/", name)
    return "" if path == "/" else path


def folder_keys(folder: str) -> tuple[bytes, bytes]:
    """The keys below a folder: above the first and below the second."""
    # "0" is the character after "/".
    return KEY_PREFIX + f"{folder}/".encode(), KEY_PREFIX + f"{folder}0".encode()


def encode_key(path: str) -> bytes:
    """The key of an entry.

    Raises:
        LocalProtocolError: It is too long or no text (code ``bad-path``).
    """
    try:
        text = path.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError("the path is no text", code="bad-path") from error
    if len(text) > MAX_PATH_BYTES:
        raise LocalProtocolError("the path is too long", code="bad-path")
    return KEY_PREFIX + text


def decode_key(key: bytes) -> str:
    """The path in a key, clean or not.

    Raises:
        RemoteProtocolError: It is no key of an entry, too long or no text.
    """
    if not key.startswith(KEY_PREFIX):
        raise RemoteProtocolError("the key is no path")
    if len(key) > len(KEY_PREFIX) + MAX_PATH_BYTES:
        raise RemoteProtocolError("the path is too long", code="too-large")
    try:
        return key[len(KEY_PREFIX) :].decode()
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("the path is no text") from error


def is_clean(path: str) -> bool:
    """Tell whether a path from a key is one that ``file_path`` could have made."""
    if "\\" in path or not path.startswith("/"):
        return False
    return all(segment not in ("", ".", "..") for segment in path[1:].split("/"))


def first_name(folder: str, path: str) -> tuple[str, bool]:
    """The name within a folder that leads to a path, and whether it is a folder's."""
    name, slash, _ = path[len(folder) + 1 :].partition("/")
    return name, slash != ""


def link_target(path: str, linkname: str) -> str:
    """The path that a symbolic link means; relative ones begin at its own path.

    Raises:
        RemoteProtocolError: It leads out of the drive.
    """
    try:
        target = resolve(path, linkname)
        return file_path(target)
    except LocalProtocolError as error:
        raise RemoteProtocolError("a link leads nowhere", code="link") from error


def ignoring(ignore: Ignore | None) -> Callable[[str], bool]:
    """What tells of a path whether it stays out."""
    if ignore is None:
        return lambda _path: False
    if callable(ignore):
        return ignore
    names = [ignore] if isinstance(ignore, str) else list(ignore)
    paths = {resolve("/", name) for name in names}
    below = tuple(f"{path}/" for path in paths)
    return lambda path: path in paths or path.startswith(below)
