"""What completes a word that is being typed: names after ``@``, emoji after ``:``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import Property, QObject, Signal, Slot

from app.snapshots import MemberSnapshot
from ui import emoji
from ui import format as texts
from ui.models.rows import RowModel

MAX_COMPLETIONS = 7
_WORD = re.compile(r"(?:^|(?<=[\s(]))([@:])([^\s@:]{0,40})$")


@dataclass(frozen=True, slots=True)
class CompletionRow:
    """One way to go on."""

    sign: str
    """An emoji; empty for a person."""
    label: str
    insert: str
    """What replaces the word."""
    initials: str
    colour: int


class Completions(RowModel[CompletionRow]):
    """Ways to complete the word before the cursor; empty when there is none.

    Signals:
        startChanged: The word begins elsewhere.
    """

    startChanged = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(CompletionRow, parent)
        self._people: list[CompletionRow] = []
        self._start = 0

    start = Property(int, lambda s: s._start, notify=startChanged)

    def set_members(self, members: Iterable[MemberSnapshot]) -> None:
        """Who can be called."""
        self._people = [
            CompletionRow(
                sign="",
                label=name,
                insert=f"@{name} ",
                initials=texts.initials(name),
                colour=texts.colour_index(member.identity_key),
            )
            for member in members
            if not member.me and (name := texts.clean_name(member.name))
        ]
        self._people.sort(key=lambda row: row.label.casefold())

    @Slot()
    def clear(self) -> None:
        """Nothing is to be completed."""
        if self._rows:
            self.replace_all([])

    @Slot(str, int)
    def look(self, text: str, cursor: int) -> None:
        """The text or the cursor in it changed."""
        word = _WORD.search(text[max(0, cursor - 60) : cursor])
        if word is None:
            self.clear()
            return
        mark, begun = word.groups()
        rows = self._people_named(begun) if mark == "@" else self._signs(begun)
        self._start = cursor - len(begun) - 1
        self.startChanged.emit()
        if rows != list(self._rows):
            self.replace_all(rows)

    def _people_named(self, begun: str) -> list[CompletionRow]:
        wanted = begun.casefold()
        found = [
            row
            for row in self._people
            if any(
                part.startswith(wanted)
                for part in (row.label.casefold(), *row.label.casefold().split())
            )
        ]
        return found[:MAX_COMPLETIONS]

    def _signs(self, begun: str) -> list[CompletionRow]:
        if len(begun) < 2:
            return []
        return [
            CompletionRow(it.sign, f":{it.code}:", f"{it.sign} ", "", 0)
            for it in emoji.search(begun, limit=MAX_COMPLETIONS)
        ]
