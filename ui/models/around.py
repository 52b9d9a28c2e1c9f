"""Everything around the talk, in one place: who gets which event, and the core.

Keeps :class:`ui.session.Session` free of what the panel beside a room, the people one
knows, search and settings are about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PySide6.QtCore import QObject, Signal

from app.events import (
    ContactsChanged,
    DevicesChanged,
    Event,
    MembersChanged,
    RequestsChanged,
    RoomChanged,
    TypingChanged,
)
from ui.bridge import Bridge
from ui.gateway import Core
from ui.models.details import Details
from ui.models.finder import Finder
from ui.models.people import People
from ui.models.preferences import Preferences
from ui.models.rooms import RoomListModel
from ui.models.shelf import Shelf
from ui.models.switcher import Switcher
from ui.window_state import WindowState


class Around(QObject):
    """The view models around the conversation.

    Attributes:
        details: What is beside the open room.
        people: Whom one knows.
        finder: The search.
        preferences: The settings.
        shelf: Rooms on top, put away, to be read again.
        switcher: Rooms and people by a few letters.

    Signals:
        told: A sentence for the person.
    """

    told = Signal(str)

    def __init__(
        self,
        *,
        bridge: Bridge,
        rooms: RoomListModel,
        state: WindowState,
        now_ms: Callable[[], int],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._rooms = rooms
        self._core: Core | None = None
        self.details = Details(bridge=bridge, now_ms=now_ms, parent=self)
        self.people = People(bridge=bridge, parent=self)
        self.finder = Finder(bridge=bridge, rooms=rooms, now_ms=now_ms, parent=self)
        self.preferences = Preferences(bridge=bridge, state=state, parent=self)
        self.shelf = Shelf(bridge=bridge, rooms=rooms, parent=self)
        self.shelf.told.connect(self.told)
        self.switcher = Switcher(rooms=rooms, people=self.people, parent=self)
        self.details.verified = self.people.verified
        self.people.verified.changed.connect(self.details.refresh)
        self.people.told.connect(self.told)
        self.details.told.connect(self.told)
        self.details.counted.connect(rooms.set_waiting)

    def attach(self, core: Core | None, *, me: str = "") -> None:
        """Use this core from now on; None while there is none."""
        self._core = core
        self.details.attach(core)
        self.people.attach(core, me=me)
        self.finder.attach(core)
        self.shelf.attach(core)
        self.preferences.attach(core)

    def settle_in(self, rooms: Iterable[str]) -> None:
        """The rooms are known: ask who waits at their doors."""
        core = self._core
        if core is None:
            return

        async def ask() -> None:
            for room in rooms:
                self._rooms.set_waiting(room, len(await core.requests(room)))

        self._bridge.run(ask(), failed=lambda error: self.told.emit(error.sentence))

    def take(self, batch: Iterable[Event]) -> None:
        """The core told these; each room is looked at once."""
        doors: dict[str, None] = {}
        changed: dict[str, None] = {}
        people = False
        for event in batch:
            match event:
                case RequestsChanged(room):
                    doors[room] = changed[room] = None
                case MembersChanged(room):
                    changed[room] = None
                case RoomChanged(snapshot):
                    changed[snapshot.room] = None
                case DevicesChanged():
                    self.preferences.refresh()
                case TypingChanged(room, key, name, typing):
                    self._rooms.set_typing(room, key, name, typing=typing)
                case ContactsChanged():
                    people = True
                case _:
                    pass
        for room in changed:
            self.details.notice(room)
        if people:
            self.people.refresh()
        if doors:
            self.settle_in(list(doors))
