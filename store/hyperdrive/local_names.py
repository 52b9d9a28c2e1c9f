"""Which paths of a drive may become files on this machine.

Drives come from anybody. A name that leaves the folder, that the system reads as
something else, or that falls together with another one is refused here by a short
stable word; ``confined_folder`` asks before it touches the disk.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from store.hyperdrive.paths import is_clean

PART_PREFIX: Final = ".covey-part-"
"""What the names of unfinished files begin with; nothing else may."""

MAX_NAME_BYTES: Final = 255
MAX_DEPTH: Final = 128

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_WINDOWS_FORBIDDEN: Final = frozenset('<>:"|?*') | {chr(code) for code in range(32)}
_WINDOWS_PORTS: Final = [
    f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"
]
_WINDOWS_DEVICES: Final = frozenset(
    ("con", "prn", "aux", "nul", "conin$", "conout$", "clock$", *_WINDOWS_PORTS)
)


@dataclass(frozen=True, slots=True)
class NameRules:
    """What the folder's system does to names."""

    windows: bool = False
    folds_case: bool = False
    """Names that differ only in case or in Unicode form are one."""


def fold(name: str) -> str:
    """What names that may be one on some system have in common."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def reason_against_path(path: str, rules: NameRules) -> str | None:
    """Why a path of a drive cannot be a file here, or None.

    Returns:
        ``unclean-path``, ``too-deep``, or a reason against one of its names.
    """
    if not is_clean(path):
        return "unclean-path"
    names = path[1:].split("/")
    if len(names) > MAX_DEPTH:
        return "too-deep"
    for name in names:
        reason = reason_against_name(name, rules)
        if reason is not None:
            return reason
    return None


def reason_against_name(name: str, rules: NameRules) -> str | None:
    """Why a name cannot be one of a file or folder here, or None.

    Returns:
        ``bad-character``, ``too-long`` or ``reserved-name``.
    """
    if "\0" in name or _SURROGATE.search(name):
        return "bad-character"
    units = len(name.encode("utf-16-le")) // 2 if rules.windows else len(name.encode())
    if units > MAX_NAME_BYTES:
        return "too-long"
    if fold(name).startswith(PART_PREFIX):
        return "reserved-name"
    if not rules.windows:
        return None
    if not _WINDOWS_FORBIDDEN.isdisjoint(name):
        return "bad-character"
    # Windows drops what ends a name, and takes "nul.txt" for the device.
    stem = name.partition(".")[0].rstrip(" ").lower()
    if name[-1] in " ." or stem in _WINDOWS_DEVICES:
        return "reserved-name"
    return None


def reason_against_link(path: str, linkname: str, rules: NameRules) -> str | None:
    """Why a symbolic link must not be made here, or None.

    ``..`` may only come first, at most as often as the link's folder is deep: that
    folder is no link, so this stays within the root. Behind a name, which may be a link
    itself, ``..`` would mean another folder than it seems.

    Returns:
        ``link-outside``, or a reason against one of the names it leads through.
    """
    absolute = linkname.startswith("/")
    names = [name for name in linkname.split("/") if name not in ("", ".")]
    ups = 0
    while ups < len(names) and names[ups] == "..":
        ups += 1
    depth = 0 if absolute else path.count("/") - 1
    if not linkname or ups > depth or ".." in names[ups:]:
        return "link-outside"
    if "\\" in linkname:
        return "bad-character"
    for name in names[ups:]:
        reason = reason_against_name(name, rules)
        if reason is not None:
            return reason
    return None
