"""The emoji picker: groups, search, those used last, and the skin tone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from PySide6.QtCore import Property, QObject, Signal, Slot

from ui import emoji
from ui.models.rows import RowModel
from ui.window_state import WindowState

MAX_RECENT = 24
MAX_FOUND = 120
USUAL = ("\U0001f44d", "\u2764\ufe0f", "\U0001f602", "\U0001f389", "\U0001f62e")
"""Signs at hand before any was used."""
MAX_AT_HAND = 6


@dataclass(frozen=True, slots=True)
class EmojiRow:
    """One sign of the grid."""

    sign: str
    name: str


class EmojiModel(RowModel[EmojiRow]):
    """What the picker shows: a group, or what was found.

    Signals:
        changed: The group, the tone, or what was used last changed.
    """

    changed = Signal()

    def __init__(self, *, state: WindowState, parent: QObject | None = None) -> None:
        super().__init__(EmojiRow, parent)
        self._state = state
        self._recent = [it for it in state.recent_emoji() if it][:MAX_RECENT]
        self._tone = state.emoji_tone()
        self._group = ""
        self._query = ""

    searching = Property(bool, lambda s: bool(s._query), notify=changed)
    group = Property(str, lambda s: s._group, notify=changed)
    tone = Property(int, lambda s: s._tone, notify=changed)
    groups = Property(list, lambda _: ["recent", *emoji.GROUPS], constant=True)
    tones = Property(
        list, lambda _: ["\u270b" + tone for tone in emoji.TONES], constant=True
    )

    def _get_at_hand(self) -> list[str]:
        return list(dict.fromkeys((*self._recent, *USUAL)))[:MAX_AT_HAND]

    atHand = Property(list, _get_at_hand, notify=changed)

    @Slot()
    def open(self) -> None:
        """The picker is shown: begin with what was used last."""
        self._query = ""
        self._group = "recent" if self._recent else emoji.GROUPS[0]
        self._fill()

    @Slot(str)
    def show(self, group: str) -> None:
        """Show a group."""
        self._group, self._query = group, ""
        self._fill()

    @Slot(str)
    def search(self, text: str) -> None:
        """Show what fits; the group again when nothing is asked for."""
        self._query = text.strip()
        self._fill()

    @Slot(int)
    def setTone(self, tone: int) -> None:
        """Show hands and people in a skin tone, from 0 (none) to 5."""
        self._tone = tone
        self._state.keep_emoji_tone(tone)
        self._fill()

    @Slot(str)
    def use(self, sign: str) -> None:
        """A sign was chosen."""
        self._recent = list(dict.fromkeys((sign, *self._recent)))[:MAX_RECENT]
        self._state.keep_recent_emoji(self._recent)
        self.changed.emit()

    def _fill(self) -> None:
        if self._query:
            found = emoji.search(self._query, limit=MAX_FOUND)
            rows = [EmojiRow(it.with_tone(self._tone), it.name) for it in found]
        elif self._group == "recent":
            rows = [EmojiRow(sign, _name(sign)) for sign in self._recent]
        else:
            rows = [
                EmojiRow(it.with_tone(self._tone), it.name)
                for it in emoji.everything()
                if it.group == self._group
            ]
        self.replace_all(rows)
        self.changed.emit()


@lru_cache(maxsize=256)
def _name(sign: str) -> str:
    found = emoji.by_sign(sign)
    return found.name if found is not None else sign
