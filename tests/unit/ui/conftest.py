"""Qt without a window: an application object, English texts, no complaints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.ui.stage import the_application

if TYPE_CHECKING:
    from PySide6.QtGui import QGuiApplication


@pytest.fixture(scope="session")
def qapp() -> QGuiApplication:
    """The application as the window makes it, in place of pytest-qt's."""
    return the_application()


@pytest.fixture(autouse=True)
def quiet_qt(qapp: QGuiApplication, qtlog: Any) -> Iterator[None]:
    """Every test has the application, and any warning of Qt fails it."""
    assert qapp
    yield
    assert [r.message for r in qtlog.records if r.type_name != "QtDebugMsg"] == []
