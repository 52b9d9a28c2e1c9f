"""One window posed for a picture: what the gallery's pages have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QMetaObject, QObject
from PySide6.QtQml import QQmlExpression
from PySide6.QtQuick import QQuickItem

from ui.application import Face
from ui.bridge import pause
from ui.sample import SampleGateway
from ui.window_state import WindowState

WIDE = (1120, 760)
NARROW = (360, 720)
SETTLE_S = 0.45
NOW_MS = 1_793_197_920_000
"""The moment at which all pictures play: a Wednesday afternoon."""


class _Posed(WindowState):
    """Remembers nothing but whether the words were seen."""

    def __init__(self, words_seen: bool) -> None:
        super().__init__(None)
        self._words_seen = words_seen

    def phrase_seen(self) -> bool:
        """What the picture wants."""
        return self._words_seen


class Scene:
    """A window to pose for one picture."""

    def __init__(self, gateway: SampleGateway, *, words_seen: bool = True) -> None:
        self.core = gateway.core
        self.gateway = gateway
        self.face = Face(gateway, state=_Posed(words_seen), now_ms=lambda: NOW_MS)

    def start(self, size: tuple[int, int], scheme: str) -> None:
        """Show the window in this size and colour scheme."""
        self.face.session.start()
        window = self.face.show()
        self.evaluate(f'covey.preferences.setScheme("{scheme}")')
        window.setWidth(size[0])
        window.setHeight(size[1])

    def evaluate(self, script: str) -> object:
        """Run a line of script where the pages live."""
        assert self.face.window is not None
        page = self.face.window.findChild(QObject, "page")
        assert page is not None
        context = self.face.engine.contextForObject(page)
        value = QQmlExpression(context, page, script).evaluate()
        return value[0] if isinstance(value, tuple) else value

    def click(self, name: str) -> None:
        """Press the control with this object name."""
        assert self.face.window is not None
        item = find_item(top_of(self.face.window.contentItem()), name)
        assert item is not None, name
        QMetaObject.invokeMethod(item, "clicked")

    def find(self, name: str) -> QQuickItem:
        """What is shown under this object name."""
        assert self.face.window is not None
        item = find_item(top_of(self.face.window.contentItem()), name)
        assert item is not None, name
        return item

    def trigger(self, name: str) -> None:
        """Choose the menu's line with this object name."""
        assert self.face.window is not None
        item = find_item(top_of(self.face.window.contentItem()), name)
        assert item is not None, name
        QMetaObject.invokeMethod(item, "triggered")

    async def settle(self, seconds: float = SETTLE_S) -> None:
        """Let animations and answers come to rest."""
        await pause(seconds)

    async def open_room(self, name: str) -> None:
        """Open a room of the world by its name."""
        rooms = await self.core.rooms()
        room = next(room for room in rooms if room.name == name)
        self.face.session.openRoom(room.room)
        await self.settle()

    def save(self, path: Path) -> None:
        """Write what the window shows."""
        assert self.face.window is not None
        self.face.window.grabWindow().save(str(path))

    async def end(self) -> None:
        """Take the window away."""
        await self.face.stop()
        self.face.destroy()


def top_of(item: QQuickItem) -> QQuickItem:
    """The item above all others of the window, popups included."""
    while (above := item.parentItem()) is not None:
        item = above
    return item


def find_item(root: QQuickItem, name: str) -> QQuickItem | None:
    """The visible item with this object name, searched through what is shown."""
    if root.objectName() == name and root.isVisible():
        return root
    for child in root.childItems():
        found = find_item(child, name)
        if found is not None:
            return found
    return None


@dataclass(frozen=True, slots=True)
class Picture:
    """One state: how the world is, and how to get there."""

    name: str
    world: Callable[[], SampleGateway]
    pose: Callable[[Scene], Awaitable[None]]
    sizes: tuple[tuple[int, int], ...] = (WIDE, NARROW)
    known: bool = True
    """Whether the 24 words count as written down."""
