"""Protects the interpreter's constants from PySide6's miscounted references.

WORKAROUND: before Python 3.12 ``True``, ``False`` and ``None`` are counted like every
object, but ``Signal.emit`` of PySide6 6.12 gives ``True`` back without counting it. A
thousand signals later the interpreter aborts with ``bool_dealloc``. Counts that no
program uses up stand in for the immortality that later interpreters have. To be
retired with Python 3.11, or when this no longer falls::

    before = sys.getrefcount(True); signal.emit(); sys.getrefcount(True)
"""

from __future__ import annotations

import sys

SPARE_REFERENCES = 1 << 40

_guarded = False


def guard_constants() -> None:
    """Make the constants outlive any miscount; does its work once."""
    global _guarded
    if _guarded or sys.version_info >= (3, 12):
        return
    import ctypes

    for constant in (True, False, None):
        count = ctypes.c_ssize_t.from_address(id(constant))
        count.value += SPARE_REFERENCES
    _guarded = True
