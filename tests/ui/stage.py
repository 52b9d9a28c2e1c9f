"""A real window on Qt's offscreen platform, driven by keys and mouse like a person.

``Stage`` finds controls by object name among what can be seen, clicks in their middle
and types; it never calls a handler. ``wait_until`` runs the event loop in between.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_QUICK_BACKEND", "software")

import qasync
from PySide6.QtCore import QLocale, QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtQuick import QQuickItem, QQuickWindow
from PySide6.QtTest import QTest

from ui.application import Face, make_application
from ui.gateway import Gateway
from ui.window_state import WindowState

T = TypeVar("T")

PATIENCE_S = 60.0
"""Longest wait for anything; reached only when a test fails."""


def the_application() -> QGuiApplication:
    """The process's one application object, made as the window makes it."""
    QLocale.setDefault(QLocale(QLocale.Language.English, QLocale.Country.UnitedKingdom))
    found = QGuiApplication.instance()
    if found is None:
        return make_application(["covey"])
    assert isinstance(found, QGuiApplication)
    return found


class Stage:
    """One window under test."""

    def __init__(
        self,
        loop: qasync.QEventLoop,
        gateway: Gateway,
        *,
        state: WindowState | None = None,
        size: tuple[int, int] = (1080, 720),
    ) -> None:
        self.loop = loop
        self.face = Face(gateway, state=state or WindowState(None))
        self.window: QQuickWindow
        self._size = size

    def open(self) -> None:
        """Show the window and let it become active."""

        self.face.session.start()
        self.window = self.face.show()
        self.window.resize(*self._size)
        self.window.requestActivate()
        self.wait_until(lambda: self.window.isActive() and self.window.isExposed())

    def close(self) -> None:
        """Take the window away."""
        self.run(self.face.stop())
        self.face.destroy()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine while the window lives."""
        task = self.loop.create_task(work)
        deadline = self.loop.time() + 2 * PATIENCE_S
        while not task.done():
            QTest.qWait(1)
            assert self.loop.time() < deadline, "it never ended"
        return task.result()

    def wait_until(self, condition: Callable[[], object], *, what: str = "") -> None:
        """Let the window live until the condition holds.

        Raises:
            AssertionError: It does not hold after :data:`PATIENCE_S`.
        """
        deadline = self.loop.time() + PATIENCE_S
        while not condition():
            assert self.loop.time() < deadline, (
                f"never came true: {what}; seen instead: {self.texts()}"
            )
            QTest.qWait(5)

    def items(self) -> Iterator[QQuickItem]:
        """Everything that can be seen, popups included."""
        root = self.window.contentItem()
        while (above := root.parentItem()) is not None:
            root = above
        yield from _visible(root)

    def find(self, name: str) -> QQuickItem | None:
        """The visible item with this object name."""
        return next((i for i in self.items() if i.objectName() == name), None)

    def get(self, name: str) -> QQuickItem:
        """As :meth:`find`, waiting until it is there and at rest."""
        self.wait_until(lambda: self.find(name) is not None, what=f"{name} is shown")
        item = self.find(name)
        assert item is not None
        return item

    def shows(self, name: str) -> bool:
        """Whether an item with this object name can be seen."""
        return self.find(name) is not None

    def texts(self) -> list[str]:
        """All texts that can be seen."""
        return [
            str(item.property("text"))
            for item in self.items()
            if item.property("text") and item.metaObject().indexOfProperty("text") >= 0
        ]

    def sees(self, text: str) -> bool:
        """Whether some visible text contains this."""
        return any(text in shown for shown in self.texts())

    def wait_for_text(self, text: str) -> None:
        """Wait until a text can be seen."""
        self.wait_until(lambda: self.sees(text), what=f"{text!r} is seen")

    def click(
        self, name: str, button: Qt.MouseButton = Qt.MouseButton.LeftButton
    ) -> None:
        """Click in the middle of a control once it holds still and is enabled."""
        self.wait_until(lambda: self._enabled(name), what=f"{name} can be clicked")
        place = None
        while place != (place := self._where(name)):
            self.pause(0.03)
        self._click_item(self.get(name), button)

    def click_item(
        self, item: QQuickItem, button: Qt.MouseButton = Qt.MouseButton.LeftButton
    ) -> None:
        """Click in the middle of an item once it holds still."""
        place = None
        while place != (place := item.mapToScene(QPointF(0, 0))):
            self.pause(0.03)
        self._click_item(item, button)

    def _click_item(self, item: QQuickItem, button: Qt.MouseButton) -> None:
        middle = item.mapToScene(QPointF(item.width() / 2, item.height() / 2))
        point = QPoint(round(middle.x()), round(middle.y()))
        QTest.mouseMove(self.window, point)
        QTest.mouseClick(self.window, button, Qt.KeyboardModifier.NoModifier, point)
        self.pause()

    def _enabled(self, name: str) -> bool:
        item = self.find(name)
        return item is not None and item.isEnabled()

    def _where(self, name: str) -> tuple[float, float, float]:
        item = self.find(name)
        if item is None:
            return (0.0, 0.0, 0.0)
        corner = item.mapToScene(QPointF(0, 0))
        return (corner.x(), corner.y(), item.width())

    def type(self, text: str) -> None:
        """Type characters of the ASCII set into whatever has the focus."""
        for character in text:
            QTest.keyClick(self.window, character)
        self.pause()

    def press(
        self,
        key: Qt.Key,
        modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        """Press and release a key."""
        QTest.keyClick(self.window, key, modifiers)
        self.pause()

    def pause(self, seconds: float = 0.0) -> None:
        """Let pending events through."""
        QTest.qWait(max(1, round(seconds * 1000)))

    def focused(self) -> str:
        """Object name of the item with the keyboard."""
        item = self.window.activeFocusItem()
        return item.objectName() if item is not None else ""


def _visible(item: QQuickItem) -> Iterator[QQuickItem]:
    if not item.isVisible():
        return
    yield item
    for child in item.childItems():
        yield from _visible(child)
