from __future__ import annotations

import sys

import pytest
from PySide6.QtCore import QObject, Signal

from ui.interpreter import SPARE_REFERENCES, guard_constants


class Bell(QObject):
    rung = Signal()


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="constants are immortal")
def test_many_signals_do_not_use_up_the_constants() -> None:
    guard_constants()
    bell = Bell()
    for _ in range(5000):
        bell.rung.emit()
    assert sys.getrefcount(True) > SPARE_REFERENCES // 2
