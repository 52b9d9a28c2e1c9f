"""Which rooms stand on top, which are put away, and which are to be read again."""

from __future__ import annotations

from PySide6.QtCore import Property, QObject, Signal, Slot

from app.errors import UserFacingError
from ui.bridge import Bridge
from ui.gateway import Core
from ui.models.keeping import KeptSet
from ui.models.rooms import RoomListModel


class Shelf(QObject):
    """View model of what a person does with rows of the room list.

    Signals:
        told: Something was refused; a sentence.
    """

    told = Signal(str)

    def __init__(
        self, *, bridge: Bridge, rooms: RoomListModel, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._rooms = rooms
        self._core: Core | None = None
        self._pinned = KeptSet("pinned-rooms", bridge=bridge, parent=self)
        self._archived = KeptSet("archived-rooms", bridge=bridge, parent=self)
        self._marked = KeptSet("unread-rooms", bridge=bridge, parent=self)
        for kept in (self._pinned, self._archived, self._marked):
            kept.changed.connect(self._show)
            kept.told.connect(self.told)
        rooms.entered.connect(lambda room: self._marked.put(room, on=False))

    rooms = Property(QObject, lambda s: s._rooms, constant=True)

    def attach(self, core: Core | None) -> None:
        """Use this core from now on; None while there is none."""
        self._core = core
        for kept in (self._pinned, self._archived, self._marked):
            kept.attach(core)

    @Slot(str, bool)
    def setPinned(self, room: str, on: bool) -> None:
        """Let a room stand on top, or not."""
        self._pinned.put(room, on=on)

    @Slot(str, bool)
    def setArchived(self, room: str, on: bool) -> None:
        """Put a room away, or take it out again."""
        self._archived.put(room, on=on)

    @Slot(str, bool)
    def setUnread(self, room: str, on: bool) -> None:
        """Mark a room to be read again, or count all of it as read."""
        self._marked.put(room, on=on)
        if not on and self._core is not None:
            self._bridge.run(self._core.mark_read(room), failed=self._fail)

    def _show(self) -> None:
        self._rooms.shelve(
            pinned=self._pinned, archived=self._archived, marked=self._marked
        )

    def _fail(self, error: UserFacingError) -> None:
        self.told.emit(error.sentence)
