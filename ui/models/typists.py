"""Who writes in the open room just now, in words."""

from __future__ import annotations

from PySide6.QtCore import Property, QObject, Signal

from ui import format as texts

MAX_TYPISTS = 32
"""People kept at once; further ones are not told of."""
MAX_NAMED = 2


class Typists(QObject):
    """The line that says who writes.

    Signals:
        changed: Somebody began or ended.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._names: dict[str, str] = {}

    def enter(self, room: str) -> None:
        """Another room is open, of which nothing is known yet."""
        del room
        self._names.clear()
        self.changed.emit()

    def take(self, key: str, name: str, *, typing: bool) -> None:
        """Somebody began to write, or ended."""
        before = dict(self._names)
        if not typing:
            self._names.pop(key, None)
        elif key in self._names or len(self._names) < MAX_TYPISTS:
            self._names[key] = texts.clean_name(name) or self.tr("Somebody")
        if self._names != before:
            self.changed.emit()

    def forget(self, key: str) -> None:
        """What somebody wrote has come."""
        self.take(key, "", typing=False)

    def _get_text(self) -> str:
        names = list(self._names.values())
        if not names:
            return ""
        if len(names) == 1:
            return self.tr("{0} is typing").format(names[0])
        if len(names) == MAX_NAMED:
            return self.tr("{0} and {1} are typing").format(*names)
        return self.tr("%n people are typing", "", len(names))

    text = Property(str, _get_text, notify=changed)
