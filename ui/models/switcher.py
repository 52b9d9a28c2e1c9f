"""The quick switcher: rooms and people by a few letters of their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import Property, QObject, Signal, Slot

from ui.format import clean_name
from ui.models.people import People
from ui.models.rooms import RoomListModel
from ui.models.rows import RowModel

MAX_SHOWN = 20
_SEPARATORS = " -_/.,:()"


@dataclass(frozen=True, slots=True)
class Choice:
    """One place to go to."""

    kind: str
    """``room`` or ``person``."""
    key: str
    name: str
    initials: str
    colour: int
    detail: str
    unread: int


class Switcher(RowModel[Choice]):
    """What fits the letters typed, the best first.

    Signals:
        queryChanged: Other letters are typed.
    """

    queryChanged = Signal()

    def __init__(
        self, *, rooms: RoomListModel, people: People, parent: QObject | None = None
    ) -> None:
        super().__init__(Choice, parent)
        self._rooms = rooms
        self._people = people
        self._query = ""
        people.changed.connect(self._follow)

    query = Property(str, lambda s: s._query, notify=queryChanged)

    @Slot(str)
    def ask(self, query: str) -> None:
        """Show what fits these letters; rooms as in the list when there are none."""
        self._query = query
        self.replace_all(self._found())
        self.queryChanged.emit()

    @Slot(int, result=str)
    def kindAt(self, at: int) -> str:
        """``room`` or ``person``, or empty when there is no such row."""
        return self._rows[at].kind if 0 <= at < len(self._rows) else ""

    @Slot(int, result=str)
    def keyAt(self, at: int) -> str:
        """The room's or person's key, or empty."""
        return self._rows[at].key if 0 <= at < len(self._rows) else ""

    def _follow(self) -> None:
        """Somebody became known, or is no more, while letters are typed."""
        found = self._found()
        if found != list(self._rows):
            self.replace_all(found)

    def _found(self) -> list[Choice]:
        found: list[tuple[int, int, Choice]] = []
        for at, choice in enumerate(self._choices()):
            score = fit(self._query, choice.name)
            if score is not None:
                found.append((score, at, choice))
        found.sort(key=lambda it: it[:2])
        return [choice for _, _, choice in found[:MAX_SHOWN]]

    def _choices(self) -> Iterable[Choice]:
        for row in self._rooms.rows:
            if row.room != self._rooms.selected or self._query:
                yield Choice(
                    "room",
                    row.room,
                    row.name,
                    row.initials,
                    row.colour,
                    row.preview,
                    row.unread,
                )
        shown = {row.room for row in self._rooms.rows}
        for contact in self._people.reachable:
            if contact.room not in shown:
                yield Choice(
                    "person",
                    contact.key,
                    contact.name,
                    contact.initials,
                    contact.colour,
                    self.tr("Write to them"),
                    0,
                )


def fit(query: str, name: str) -> int | None:
    """How well letters fit a name: 0 is best, None not at all.

    The beginning of the name, then of a word in it, then anywhere together, then the
    letters in their order with others between them.
    """
    wanted = clean_name(query).casefold()
    text = name.casefold()
    if not wanted:
        return 0
    if text.startswith(wanted):
        return 0
    at = text.find(wanted)
    while at > 0:
        if text[at - 1] in _SEPARATORS:
            return 1
        at = text.find(wanted, at + 1)
    if wanted in text:
        return 2
    return _scattered(wanted.replace(" ", ""), text)


def _scattered(wanted: str, text: str) -> int | None:
    position, gaps = -1, 0
    for letter in wanted:
        found = text.find(letter, position + 1)
        if found < 0:
            return None
        gaps += found - position - 1 if position >= 0 else 0
        position = found
    return 3 + gaps
