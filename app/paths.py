"""Where a profile, its control socket and its log live.

The socket's path is short and derived from the profile's folder, since such paths end
at about a hundred bytes.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from hashlib import blake2b
from pathlib import Path

from app.errors import UserFacingError

DATABASE_NAME = "covey.db"
LOCK_NAME = "core.lock"
LOG_FOLDER = "log"
MAX_PASSPHRASE_BYTES = 1023
"""Longest passphrase of a profile, in UTF-8."""
MAX_RUNTIME_BYTES = 70
"""Longest folder for the socket: with its name it must stay below 104 bytes."""


def default_profile() -> Path:
    """The folder of the user's own profile on this system."""
    from platformdirs import user_data_path

    return user_data_path("covey", appauthor=False, roaming=False) / "profile"


def profile_path(folder: str | os.PathLike[str] | None) -> Path:
    """The folder a profile is in, absolute; None for the default one."""
    if folder is None:
        return default_profile()
    return Path(folder).expanduser().absolute()


def socket_address(profile: Path) -> str:
    """Where the core of ``profile`` listens: a socket's path or a pipe's name."""
    name = socket_name(profile)
    if sys.platform == "win32":
        return rf"\\.\pipe\{name}"
    return str(_runtime_folder() / name)


def socket_name(profile: Path) -> str:
    """The last part of the address: the same in whatever folder the socket is."""
    name = blake2b(os.fsencode(profile.resolve()), digest_size=10).hexdigest()
    return f"covey-{name}" if sys.platform == "win32" else f"{name}.sock"


def _runtime_folder() -> Path:
    """A folder of this user only, made when missing."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    short = given is not None and len(os.fsencode(given)) <= MAX_RUNTIME_BYTES
    if given and short and Path(given).is_dir():
        folder = Path(given) / "covey"
    else:
        parent = tempfile.gettempdir()
        if len(os.fsencode(parent)) > MAX_RUNTIME_BYTES:
            parent = "/tmp"
        folder = Path(parent) / f"covey-{os.getuid()}"
    try:
        folder.mkdir(mode=stat.S_IRWXU, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise UserFacingError(
            "runtime-folder", f"The folder {folder} cannot be made: {error.strerror}."
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UserFacingError(
            "runtime-folder", f"{folder} belongs to somebody else; remove it."
        )
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        folder.chmod(stat.S_IRWXU)
    return folder
