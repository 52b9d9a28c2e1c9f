"""Icons, fonts, sounds and translations, opened by name.

Only files live here; what they are for is the business of ``ui``. Names are relative
to this folder with forward slashes, such as ``icons/send-horizontal.svg``.
"""

from __future__ import annotations

from pathlib import Path

_ROOT = Path(__file__).resolve().parent


def path(name: str) -> Path:
    """Return where the resource lies on disk.

    Args:
        name: Relative name with forward slashes.

    Raises:
        FileNotFoundError: No such resource, or the name leads out of the folder.
    """
    found = (_ROOT / name).resolve()
    if not found.is_relative_to(_ROOT) or not found.is_file():
        raise FileNotFoundError(name)
    return found


def read(name: str) -> bytes:
    """Return the bytes of the resource.

    Raises:
        FileNotFoundError: As for :func:`path`.
    """
    return path(name).read_bytes()
